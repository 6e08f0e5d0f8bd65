/**
 * A tailnet of 5,000 peers: everything works in it. How long it takes is told beside a stock node's time in the same run, and measured in bench.js.
 */
import { at } from "../harness/world.js";

const count = 5000;

export default {
	title: "5,000 peers",
	async before(t) {
		await t.world.stock("t1");
		t.size = (await t.world.peers.do("control.fakes", { count }, 60_000)).bytesAPeer;
	},
	cases: [
		[
			"it runs, and has the whole map, as a stock node does",
			async (t) => {
				// Each alone: the one that starts makes control send everybody the whole map again.
				const stock = await t.world.launch("stock", { subject: "stock", in: "stock", expectPeers: count });
				await stock.running(30_000);
				const reference = stock.completeMS;
				await stock.close();
				t.a = await t.world.subject("a", { expectPeers: count });
				return `${Math.round(t.a.completeMS)} ms; stock ${Math.round(reference)} ms; ${t.size} bytes of JSON a peer`;
			},
		],
		[
			"it has all of them",
			({ world, a, assert }) =>
				world.eventually(async () => {
					const { peers } = await a.do({ do: "peers" }, 30_000);
					assert.ok(peers.length >= count + 1, `${peers.length} peers`);
				}, 20_000),
		],
		[
			"pings and traffic work among them",
			async ({ world, a }) => {
				for (const kind of ["disco", "TSMP", "ICMP", "peerapi"]) await world.eventually(() => world.ping("t1", a.address, kind, 5000), 20_000);
				await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 5_000_000, mode: "echo" });
			},
		],
		[
			"it says how much memory it has",
			async ({ a, assert }) => {
				const memory = await a.do({ do: "memory" });
				assert.ok(JSON.stringify(memory).match(/[0-9]{4,}/), JSON.stringify(memory));
				return `${Math.round(a.memory().residentBytes / 1e6)} MB resident`;
			},
			{ own: true },
		],
	],
};
