/**
 * Relays go away, come back, and differ from peer to peer.
 */
import { at } from "../harness/world.js";

export default {
	title: "Relays break",
	world: { relays: [{ region: 1 }, { region: 2, noHome: true }] },
	async before(t) {
		t.world.blockUDP();
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		t.nodeKey = (await t.world.eventually(() => t.world.known("a"))).Key;
		await t.world.ping("t1", t.a.address, "TSMP", 10_000);
	},
	cases: [
		[
			"its home is not the region that asks not to be one",
			async ({ world, assert }) => world.eventually(async () => assert.equal((await world.known("a")).HomeDERP, 1)),
		],
		[
			"it comes back to a relay that cut it",
			async ({ world, a, nodeKey, assert }) => {
				await world.peers.do("relay.cut", { region: 1 });
				await world.eventually(async () => assert.ok((await world.peers.do("relay.connected", { region: 1, nodeKey })).connected), 20_000);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 2000), 20_000);
			},
		],
		[
			"it comes back to a relay that was away for 3 s",
			async ({ world, a, nodeKey, assert }) => {
				await world.peers.do("relay.stop", { region: 1 });
				await new Promise((resolve) => setTimeout(resolve, 3000));
				await world.peers.do("relay.restart", { region: 1 });
				await world.eventually(async () => assert.ok((await world.peers.do("relay.connected", { region: 1, nodeKey })).connected), 30_000);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 2000), 30_000);
			},
			{ timeoutMS: 90_000 },
		],
		...["close", "garbage"].map((kind) => [
			`it recovers from a relay whose stream turns to ${kind} in the middle`,
			async ({ world, a }) => {
				await world.peers.do("relay.fault", { region: 1, fault: { kind, afterBytes: 6000, connections: 2 } });
				await world.peers.do("relay.cut", { region: 1 });
				await world.eventually(() => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 300_000, mode: "echo" }, 6000), 45_000);
			},
		]),
	],
};
