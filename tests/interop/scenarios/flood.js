/**
 * 10,000 handshakes a second from nobody.
 */

import { Peers } from "../harness/peers.js";
import { at } from "../harness/world.js";

export default {
	title: "Handshake flood",
	async before(t) {
		await t.world.stock("t1");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
		t.stranger = await Peers.start(await t.world.network.namespace("stranger"), t.world.directory);
	},
	cases: [
		[
			"an established session is not disturbed",
			async ({ world, a, stranger, assert }) => {
				const { Endpoints, Key } = await world.known("a");
				const to = Endpoints.find((endpoint) => endpoint.startsWith("10.71."));
				const flood = stranger.do("local.flood", { to, nodeKey: Key, perSecond: 10_000, seconds: 6 }, 30_000);
				let pings = 0;
				const end = performance.now() + 5000;
				while (performance.now() < end) {
					await world.ping("t1", a.address, "TSMP", 2000);
					pings++;
					await new Promise((resolve) => setTimeout(resolve, 100));
				}
				await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 2_000_000, mode: "echo" });
				const { sent, seconds } = await flood;
				assert.ok(sent / seconds > 5000, `only ${Math.round(sent / seconds)} a second`);
				return `${pings} pings during ${Math.round(sent / seconds)} handshakes a second`;
			},
		],
		[
			"a new peer gets its session soon after",
			async ({ world, a, stranger }) => {
				await stranger.close();
				await world.stock("t2");
				await world.eventually(() => world.ping("t2", a.address, "TSMP", 3000), 20_000);
			},
		],
	],
};
