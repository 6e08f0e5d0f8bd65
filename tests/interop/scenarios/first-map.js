/**
 * Between registration and the first map message peers know the node, but it has no rules yet: nothing gets in.
 */
import { at, sleep } from "../harness/world.js";

export default {
	title: "Before the first map",
	world: { control: { stream: "own" } },
	async before(t) {
		await t.world.stock("t1");
		await t.world.peers.do("control.hold", { hostname: "a", hold: true });
		t.a = await t.world.launch("a");
		t.node = await t.world.eventually(() => t.world.known("a"), 15_000);
		t.address = t.node.Addresses[0].split("/")[0];
		await sleep(1500);
	},
	cases: [
		[
			"no connection gets in",
			async ({ world, address, assert }) => {
				for (const port of [7, 80]) assert.notEqual((await world.peers.do("node.dial", { node: "t1", to: at(address, port) }, 3000)).outcome, "connected");
			},
		],
		[
			"no UDP gets in",
			async ({ world, address, assert }) =>
				assert.equal((await world.peers.do("node.udp", { node: "t1", to: at(address, 7), size: 10, count: 1 }, 6000)).received, 0),
		],
		["no ICMP gets in", ({ world, address, assert }) => assert.rejects(world.ping("t1", address, "ICMP", 3000))],
		["it does not say that it runs", ({ a, assert }) => assert.ok(!a.events.some((event) => event.event === "state" && event.state === "running"))],
		[
			"everything works once the map is there",
			async ({ world, a }) => {
				await world.peers.do("control.hold", { hostname: "a", hold: false });
				await a.running(20_000);
				await world.eventually(() => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 100_000, mode: "echo" }, 5000), 20_000);
			},
		],
	],
};
