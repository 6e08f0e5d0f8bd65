/**
 * A host on another interface of the node sends to its tailnet address: the tailnet is an island, nothing answers.
 */

import { Peers } from "../harness/peers.js";
import { at } from "../harness/world.js";

export default {
	title: "The tailnet is an island",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		const stranger = await t.world.network.namespace("stranger");
		await stranger.run("ip", "route", "add", "100.64.0.0/10", "via", t.world.place.address);
		t.stranger = await Peers.start(stranger, t.world.directory);
		await t.world.ping("t1", t.a.address, "TSMP");
	},
	cases: [
		[
			"TCP to its tailnet address from the local network gets no SYN-ACK",
			async ({ stranger, a, assert }) => {
				for (const port of [7, 80]) assert.notEqual((await stranger.do("local.dial", { to: at(a.address, port) }, 2500)).outcome, "connected");
			},
		],
		[
			"UDP to its tailnet address from the local network gets no answer",
			async ({ stranger, a, assert }) => assert.equal((await stranger.do("local.udp", { to: at(a.address, 7), size: 16, count: 1 }, 5000)).received, 0),
		],
		[
			"TCP and UDP from the local network in the name of a peer get nothing, and nothing leaves for that peer",
			async ({ world, stranger, a, t1, assert }) => {
				const namespace = await world.network.namespace("stranger");
				await namespace.run("ip", "address", "add", `${t1.ip4}/32`, "dev", "eth0");
				await namespace.run("ip", "route", "replace", "100.64.0.0/10", "via", world.place.address, "src", t1.ip4);
				world.place.rules(
					`table inet interop {\nchain output {\ntype filter hook output priority 0; policy accept;\noifname "eth0" ip saddr 100.64.0.0/10 counter\n}\n}\n`,
				);
				for (const port of [7, 80]) assert.notEqual((await stranger.do("local.dial", { to: at(a.address, port) }, 2500)).outcome, "connected");
				assert.equal((await stranger.do("local.udp", { to: at(a.address, 7), size: 16, count: 1 }, 2500)).received, 0);
				assert.match(await world.place.run("nft", "list", "ruleset"), /counter packets 0 /);
				world.place.rules("");
				await namespace.run("ip", "route", "replace", "100.64.0.0/10", "via", world.place.address);
			},
		],
		[
			"its tailnet services do not listen on its local address",
			async ({ world, stranger, assert }) => {
				for (const port of [7, 80]) assert.notEqual((await stranger.do("local.dial", { to: at(world.place.address, port) }, 2500)).outcome, "connected");
			},
		],
		[
			"random datagrams on its UDP port disturb nothing",
			async ({ world, stranger, a }) => {
				const { Endpoints } = await world.known("a");
				await stranger.do("local.flood", {
					to: Endpoints.find((endpoint) => endpoint.startsWith("10.71.")),
					nodeKey: `nodekey:${"0".repeat(64)}`,
					perSecond: 2000,
					seconds: 2,
				});
				await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" });
				await stranger.close();
			},
		],
	],
};
