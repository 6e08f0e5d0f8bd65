/**
 * Control declares the node's key expired, and later valid again.
 */
export default {
	title: "Key expiry",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		await t.world.peers.do("control.set", { requireAuthKey: "" });
		t.a = await t.world.subject("a", { authKey: undefined });
		await t.world.ping("t1", t.a.address, "TSMP", 10_000);
	},
	cases: [
		[
			"it says so",
			async ({ world, a, assert }) => {
				await world.peers.do("control.expire", { node: "a", at: new Date(Date.now() - 60_000).toISOString() });
				const state = await a.waitFor(
					"key-expired or needs-login",
					(event) => event.event === "state" && (event.state === "key-expired" || event.state === "needs-login"),
					15_000,
				);
				assert.ok(state.state);
				return state.state;
			},
			{ own: true },
		],
		[
			"it takes a new key where control asks for no login, and works again",
			async ({ world, a, t1 }) => {
				await world.peers.do("control.expire", { node: "a" });
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 30_000);
				await world.eventually(() => a.do({ do: "ping", peer: t1.ip4, kind: "tsmp", timeoutMS: 3000 }, 8000), 20_000);
			},
		],
		[
			"where control wants a login it shows a URL, and runs again with the same addresses when that was visited",
			async ({ world, a, assert }) => {
				const { address, address6, pid } = a;
				// It has to have heard that its key is valid again.
				await world.eventually(async () => {
					const { state, warnings } = await a.do({ do: "health" });
					assert.equal(state, "running");
					assert.ok(!warnings.some(({ id }) => id === "key-expired"), JSON.stringify(warnings));
				}, 20_000);
				const from = a.events.length;
				await world.peers.do("control.set", { requireAuth: true });
				await world.peers.do("control.expire", { node: "a", at: new Date(Date.now() - 60_000).toISOString() });
				const { url } = await a.waitFor("a login URL", (event) => event.event === "login", 15_000, { from });
				await a.state("key-expired", 1000, from);
				const shown = a.events.length;
				await world.peers.do("control.set", { completeAuth: url });
				await world.peers.do("control.expire", { node: "a" });
				await a.state("running", 20_000, shown);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 20_000);
				const self = await a.do({ do: "self" });
				assert.deepEqual(new Set(self.addresses), new Set([address, address6]));
				assert.equal(a.pid, pid);
				await world.peers.do("control.set", { requireAuth: false });
			},
			{ own: true },
		],
		[
			"with an auth key at hand it takes a new node key by itself and keeps its address",
			async ({ world, assert }) => {
				const node = await world.subject("renewing");
				const { Key: before } = await world.known("renewing");
				await world.peers.do("control.expire", { node: "renewing", at: new Date(Date.now() - 60_000).toISOString() });
				const after = await world.eventually(async () => {
					const known = await world.known("renewing");
					assert.notEqual(known.Key, before);
					return known;
				}, 20_000);
				assert.equal(after.Addresses[0], `${node.address}/32`);
				await world.peers.do("control.expire", { node: "renewing" });
				await world.eventually(() => world.ping("t1", node.address, "TSMP", 3000), 30_000);
			},
			{ own: true },
		],
	],
};
