/**
 * UDP between the two is lost: everything goes through DERP; and over to direct again when UDP is back.
 */
import { at } from "../harness/world.js";

export default {
	title: "Relayed, and direct again",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
	},
	cases: [
		[
			"traffic goes on over DERP after UDP died in the middle",
			async ({ world, a, assert }) => {
				world.blockUDP();
				const answer = await world.eventually(() => world.ping("t1", a.address, "disco", 2000), 20_000);
				assert.equal(answer.region, 1);
			},
		],
		["a peer's ICMP ping arrives", ({ world, a }) => world.ping("t1", a.address, "ICMP", 15_000)],
		["a peer's PeerAPI ping arrives", ({ world, a }) => world.ping("t1", a.address6, "peerapi", 15_000)],
		[
			"its own ping goes by the relay",
			async ({ a, t1, assert }) => {
				const { via } = await a.do({ do: "ping", peer: t1.ip4, kind: "disco", timeoutMS: 10_000 }, 12_000);
				assert.match(via, /DERP/i);
			},
		],
		[
			"it echoes 10 MB to a peer",
			async ({ world, a }) => {
				const { megabitsPerSecond } = await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 10_000_000, mode: "echo" }, 60_000);
				return `${Math.round(megabitsPerSecond)} Mbit/s`;
			},
			{ timeoutMS: 70_000 },
		],
		[
			"a peer echoes 10 MB to it over IPv6",
			async ({ a, t1 }) => {
				const { megabitsPerSecond } = await a.do({ do: "bulk", peer: t1.ip6, port: 7, bytes: 10_000_000, mode: "echo" }, 60_000);
				return `${Math.round(megabitsPerSecond)} Mbit/s`;
			},
			{ timeoutMS: 70_000 },
		],
		[
			"UDP of 1,200 bytes is echoed both ways",
			async ({ world, a, t1, assert }) => {
				assert.equal((await world.peers.do("node.udp", { node: "t1", to: at(a.address, 7), size: 1200, count: 5 })).received, 5);
				assert.equal((await a.do({ do: "udp", peer: t1.ip4, port: 7, size: 1200, count: 5 })).received, 5);
			},
		],
		[
			"a page is fetched both ways",
			async ({ world, a, t1, assert }) => {
				assert.equal((await world.peers.do("node.http", { node: "t1", url: `http://${at(a.address, 80)}/` })).status, 200);
				assert.equal((await a.do({ do: "http", url: `http://${at(t1.ip4, 80)}/` })).status, 200);
			},
		],
		[
			"the path is direct again within 10 s after UDP is back",
			async ({ world, a }) => {
				world.allowUDP();
				const { afterMS } = await world.untilDirect("t1", a.address, 10_000);
				return `after ${Math.round(afterMS)} ms`;
			},
		],
		[
			"it uses the direct path itself",
			({ world, a, t1, assert }) =>
				world.eventually(async () => {
					const { via } = await a.do({ do: "ping", peer: t1.ip4, kind: "disco", timeoutMS: 2000 });
					assert.match(via, /^10\.71\.0\.1:/);
				}),
		],
		[
			"it echoes 10 MB directly",
			async ({ world, a }) => {
				const { megabitsPerSecond } = await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 10_000_000, mode: "echo" });
				return `${Math.round(megabitsPerSecond)} Mbit/s`;
			},
		],
	],
};
