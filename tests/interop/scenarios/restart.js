/**
 * The node's state outlives its process, however that ends.
 */
import { at, sleep } from "../harness/world.js";

const works = async (world, a) => {
	await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 20_000);
	await world.eventually(() => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 100_000, mode: "echo" }, 5000), 20_000);
};

export default {
	title: "Restart",
	async before(t) {
		await t.world.stock("t1");
		const a = await t.world.subject("a");
		await works(t.world, a);
		t.address = a.address;
		t.nodeKey = (await t.world.known("a")).Key;
		t.a = a;
	},
	cases: [
		[
			"after an ordinary end it has the same node key and address, and traffic again without an auth key",
			async (t) => {
				await t.a.interrupt();
				// testcontrol with a required key refuses even a known node that does not show it.
				await t.world.peers.do("control.set", { requireAuthKey: "" });
				t.a = await t.world.subject("a", { authKey: undefined });
				t.assert.equal(t.a.address, t.address);
				t.assert.equal((await t.world.known("a")).Key, t.nodeKey);
				await works(t.world, t.a);
			},
		],
		[
			"after kill -9 in the middle of a transfer it is back with traffic",
			async (t) => {
				const transfer = t.world.peers.do("node.bulk", { node: "t1", to: at(t.address, 7), bytes: 500_000_000, mode: "echo" }, 20_000).catch(() => {});
				await sleep(300);
				await t.a.kill();
				t.a = await t.world.subject("a", { authKey: undefined });
				t.assert.equal((await t.world.known("a")).Key, t.nodeKey);
				await works(t.world, t.a);
				void transfer;
			},
		],
		[
			"kill -9 at twelve moments of its start never leaves a state that cannot start",
			async (t) => {
				const wholeMS = t.a.runningMS;
				await t.a.kill();
				for (let i = 1; i <= 12; i++) {
					const node = await t.world.launch("a", { authKey: undefined });
					await sleep((i / 12) * wholeMS);
					await node.kill();
				}
				t.a = await t.world.subject("a", { authKey: undefined });
				t.assert.equal(t.a.address, t.address);
				t.assert.equal((await t.world.known("a")).Key, t.nodeKey);
				await works(t.world, t.a);
			},
			{ timeoutMS: 120_000 },
		],
		[
			"kill -9 at eight moments of a first login never leaves a state that cannot start",
			async (t) => {
				for (let i = 1; i <= 8; i++) {
					const node = await t.world.launch("fresh");
					await sleep((i / 8) * t.a.runningMS);
					await node.kill();
				}
				const fresh = await t.world.subject("fresh");
				await works(t.world, fresh);
			},
			{ timeoutMS: 120_000 },
		],
	],
};
