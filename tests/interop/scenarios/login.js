/**
 * Ways to log in, and not to.
 */
export default {
	title: "Login",
	async before(t) {
		await t.world.stock("t1");
	},
	cases: [
		[
			"a wrong auth key is said in one line, and the command ends with a code of failure",
			async ({ world, assert }) => {
				const node = await world.launch("wrong", { authKey: "tskey-auth-wrong" });
				const { code } = await node.exited;
				assert.ok(code > 0, `exit code ${code}`);
				const errors = node.events.filter((event) => event.event === "error");
				assert.ok(
					errors.some((event) => event.code === "auth-key"),
					JSON.stringify(errors),
				);
				assert.ok(!JSON.stringify(node.events).includes("tskey-auth-wrong") && !node.log.join("\n").includes("tskey-auth-wrong"), "the key is shown");
				return `exit code ${code}`;
			},
			{ own: true },
		],
		[
			"without a key it shows a URL, and runs when the URL was visited",
			async ({ world, assert }) => {
				await world.peers.do("control.set", { requireAuthKey: "", requireAuth: true });
				const node = await world.launch("person", { authKey: undefined });
				const { url } = await node.waitFor("a login URL", (event) => event.event === "login", 10_000);
				assert.ok(url.startsWith(world.controlURL), url);
				await node.state("needs-login", 5000);
				await world.peers.do("control.set", { completeAuth: url });
				await node.running();
				await world.eventually(() => world.ping("t1", node.address, "TSMP", 3000), 15_000);
				await world.peers.do("control.set", { requireAuth: false });
			},
			{ own: true },
		],
		[
			"a control server that asks to wait is obeyed, and then it runs",
			async ({ world, assert }) => {
				await world.peers.do("control.rateLimit", { times: 2, retryAfter: "1" });
				const node = await world.launch("patient");
				await node.running(30_000);
				assert.ok(performance.now() - node.startedAt > 1900, "it did not wait");
			},
			{ own: true },
		],
		[
			"it waits for a control server that is not there yet",
			async ({ world }) => {
				await world.peers.do("control.stop");
				const node = await world.launch("early");
				await new Promise((resolve) => setTimeout(resolve, 1500));
				await world.peers.do("control.restart");
				await node.running(30_000);
			},
		],
	],
};
