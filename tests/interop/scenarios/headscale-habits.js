/**
 * A control server with headscale's habits in its map stream (protocol/control.md §12.1): fields of the poll are applied, lite updates
 * get an empty answer, later messages are PeersChanged and PeersRemoved, filters come as {"base": ...}, capability versions of peers
 * are the receiver's own. Registration and transport are testcontrol's: it sends no early payload.
 */
import { at } from "../harness/world.js";

export default {
	title: "Headscale's habits",
	world: { control: { stream: "headscale" } },
	async before(t) {
		await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"it keeps its disco key, endpoints and home region with control",
			({ world, assert }) =>
				world.eventually(async () => {
					const node = await world.known("a");
					assert.match(node.DiscoKey ?? "", /^discokey:(?!0{64})/);
					assert.equal(node.HomeDERP, 1);
					assert.ok(node.Endpoints?.length > 0);
				}),
		],
		...["disco", "TSMP", "ICMP", "peerapi"].map((kind) => [
			`a peer's ${kind} ping succeeds`,
			({ world, a }) => world.eventually(() => world.ping("t1", a.address, kind, 3000), 15_000).then(() => undefined),
		]),
		[
			"it echoes 1 MB",
			({ world, a }) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" }).then(() => undefined),
		],
		[
			"after control was cut its disco key is the same and traffic goes on",
			async ({ world, a, assert }) => {
				const { DiscoKey } = await world.known("a");
				await world.peers.do("control.cut");
				await world.eventually(() => world.peers.do("control.c2n", { node: "a", method: "POST", path: "/echo", body: "here" }, 2000), 30_000);
				assert.equal((await world.known("a")).DiscoKey, DiscoKey);
				await world.ping("t1", a.address, "TSMP", 5000);
			},
		],
		[
			"a peer that comes and is removed comes and goes in its list",
			async ({ world, a, assert }) => {
				const { ip4 } = await world.stock("t2");
				await world.eventually(() => world.ping("t2", a.address, "TSMP", 3000), 15_000);
				await world.peers.do("node.stop", { node: "t2" });
				await world.peers.do("control.delete", { node: "t2" });
				await world.eventually(async () => assert.ok(!JSON.stringify((await a.do({ do: "peers" })).peers).includes(`"${ip4}"`)), 15_000);
			},
		],
	],
};
