/**
 * Nodes that begin and end, as often as an app likes, at any moment: nothing of them stays in the process.
 */
import { holdingsOf } from "../../interop/harness/memory.js";

/** Bytes of C memory that may differ for reasons of the toolkit, which draws a window meanwhile. */
const toolkitBytes = 64 * 1024;
const heapBytes = 4096;

/** The app, and what is in use in it once it has settled. */
async function launch(t, hostname, options = {}) {
	const app = await t.world.launch(hostname, { app: "life", tailnet: { store: undefined }, ...options });
	await app.waitFor("the app", (event) => event.event === "loaded", 20_000);
	app.use = async () => ({ ...(await app.do({ do: "figures" })), ...holdingsOf(await app.simulator()) });
	return app;
}

/** Runs what has to leave nothing behind, after it was run before to warm up. */
async function leavesNothing(t, app, again) {
	await again();
	const before = await app.use();
	await again();
	await t.world.eventually(async () => {
		const after = await app.use();
		t.assert.deepEqual(after.threads, before.threads);
		t.assert.deepEqual(after.files, before.files);
		for (const [name, slack] of [
			["slotBytes", heapBytes],
			["chunkBytes", heapBytes],
			["nativeBytes", toolkitBytes],
		])
			t.assert.ok(after[name] <= before[name] + slack, `${name}: ${before[name]} before, ${after[name]} after`);
	}, 5000);
}

export default {
	title: "Life in the simulator",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.app = await launch(t, "mayfly");
	},
	cases: [
		...[
			["constructed", 40],
			["turn", 20],
			["after 30", 10],
			["peers", 8],
			["running", 8],
			["used", 8],
		].map(([until, count]) => [
			`${count} nodes one after the other, each closed at "${until}", leave no thread, descriptor or memory behind`,
			(t) => leavesNothing(t, t.app, () => t.app.do({ do: "cycle", count, until }, 60_000)),
			{ timeoutMS: 120_000 },
		]),
	],
};
