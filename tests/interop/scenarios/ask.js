/**
 * What control asks of a node: c2n requests and pings.
 */
export default {
	title: "Control asks",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		await t.world.peers.do("control.waitPoll", { node: "a" });
	},
	cases: [
		[
			"c2n /echo returns the body",
			async ({ world, assert }) => {
				const body = "x".repeat(3000);
				const answer = await world.peers.do("control.c2n", { node: "a", method: "POST", path: "/echo", body }, 10_000);
				assert.equal(answer.status, 200);
				assert.equal(answer.body, body);
			},
		],
		[
			"c2n of an unknown path is answered with 400",
			async ({ world, assert }) =>
				assert.equal((await world.peers.do("control.c2n", { node: "a", method: "GET", path: "/interop/nothing", body: "" }, 10_000)).status, 400),
		],
		[
			"a ping request without types gets a HEAD",
			async ({ world, assert }) => assert.equal((await world.peers.do("control.ping", { node: "a", types: "" }, 15_000)).method, "HEAD"),
		],
		...["disco", "TSMP"].map((type) => [
			`a ${type} ping that control asks for is made and reported`,
			async ({ world, t1, assert }) => {
				const { method, body } = await world.peers.do("control.ping", { node: "a", types: type, ip: t1.ip4 }, 20_000);
				assert.equal(method, "POST");
				assert.equal(body.Type, type);
				assert.equal(body.Err ?? "", "");
				assert.ok(body.LatencySeconds > 0);
			},
		]),
	],
};
