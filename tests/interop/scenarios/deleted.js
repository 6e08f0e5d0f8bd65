/**
 * An administrator removes the node.
 */
export default {
	title: "Node deleted",
	async before(t) {
		await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"it registers again with its auth key and works",
			async ({ world, a }) => {
				await world.peers.do("control.delete", { node: "a" });
				await world.eventually(() => world.known("a"), 60_000, 250);
				await world.eventually(async () => {
					const { Addresses } = await world.known("a");
					await world.ping("t1", Addresses[0].split("/")[0], "TSMP", 3000);
				}, 30_000);
				await a.do({ do: "self" });
			},
			{ own: true, timeoutMS: 100_000 },
		],
		[
			"a peer that is deleted leaves its list",
			async ({ world, a, assert }) => {
				const { ip4 } = await world.stock("t2");
				await world.eventually(async () => assert.ok(JSON.stringify((await a.do({ do: "peers" })).peers).includes(ip4)));
				await world.peers.do("node.stop", { node: "t2" });
				await world.peers.do("control.delete", { node: "t2" });
				await world.eventually(async () => assert.ok(!JSON.stringify((await a.do({ do: "peers" })).peers).includes(`"${ip4}"`)));
			},
			{ timeoutMS: 60_000 },
		],
	],
};
