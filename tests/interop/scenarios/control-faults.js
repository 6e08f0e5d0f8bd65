/**
 * The way to control breaks: what runs goes on, and control is found again.
 */
import { at } from "../harness/world.js";

const traffic = (world, a) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" });
const connected = (world) => world.eventually(() => world.peers.do("control.c2n", { node: "a", method: "POST", path: "/echo", body: "here" }, 2000), 40_000);

const spoilt = [];
for (const kind of ["close", "garbage"]) {
	for (const afterBytes of [0, 40, 150, 200, 260, 700, 1500, 4000]) {
		spoilt.push([
			`it recovers when control's answer turns to ${kind} after ${afterBytes} bytes`,
			async ({ world, a }) => {
				await world.peers.do("control.fault", { kind, afterBytes, connections: 1 });
				await world.peers.do("control.cut");
				await traffic(world, a);
				await connected(world);
			},
		]);
	}
}

export default {
	title: "Control breaks",
	// testcontrol's own stream would keep a c2n request for a node that is away, and send it before the first map.
	world: { control: { stream: "own" } },
	async before(t) {
		await t.world.stock("t1");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
		await connected(t.world);
	},
	cases: [
		[
			"traffic goes on while control is cut, and it is back on its map stream",
			async ({ world, a }) => {
				await world.peers.do("control.cut");
				await traffic(world, a);
				await connected(world);
			},
		],
		[
			"traffic goes on while control is down for 3 s",
			async ({ world, a }) => {
				await world.peers.do("control.stop");
				await traffic(world, a);
				await new Promise((resolve) => setTimeout(resolve, 3000));
				await traffic(world, a);
				await world.peers.do("control.restart");
				await connected(world);
			},
		],
		...spoilt,
		[
			"it registers again at a control server that has a new key and forgot everybody",
			async ({ world }) => {
				await world.peers.do("control.rekey");
				await world.eventually(() => world.known("a"), 50_000, 250);
			},
			{ timeoutMS: 60_000, own: true },
		],
	],
};
