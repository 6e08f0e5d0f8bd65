/**
 * Nodes that begin and end, as often as an app likes, at any moment: nothing of them stays in the process.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdingsOf } from "../../interop/harness/memory.js";
import { authKey, sleep } from "../../interop/harness/world.js";

/** Bytes of C memory, besides the engine's, that may differ for reasons of the toolkit, which draws a window meanwhile. */
const toolkitBytes = 64 * 1024;
const heapBytes = 4096;
/** A running node's last records and messages: its chunks are 73 to 81 KB at rest. */
const runningBytes = 16 * 1024;
/** What is compared of 20 loads: in some of them a packet is just under way, so the lowest of five in a row. */
const early = [2, 7];
const late = [15, 20];

/** The app, and what is in use in it once it has settled. */
async function launch(t, hostname, options = {}) {
	const app = await t.world.launch(hostname, { app: "life", tailnet: { store: undefined }, ...options });
	await app.waitFor("the app", (event) => event.event === "loaded", 20_000);
	app.use = async () => ({ ...(await app.do({ do: "figures" })), ...holdingsOf(await app.simulator()) });
	return app;
}

/** Runs what has to leave nothing behind, after it was run before to warm up. */
async function leavesNothing(t, app, again, chunkSlack = heapBytes) {
	await again();
	const before = await app.use();
	await again();
	await t.world.eventually(async () => {
		const after = await app.use();
		t.assert.deepEqual(after.threads, before.threads);
		t.assert.deepEqual(after.files, before.files);
		for (const [name, slack] of [
			["slotBytes", heapBytes],
			["chunkBytes", chunkSlack],
			["nativeBytes", toolkitBytes],
		])
			t.assert.ok(after[name] <= before[name] + slack, `${name}: ${before[name]} before, ${after[name]} after`);
	}, 5000);
}

/** A server that takes connections and says nothing: a TLS handshake with it does not end. */
async function silence(t) {
	const script = `require("node:net").createServer(() => {}).listen(0, "${t.world.hub.address}", function () { console.log(JSON.stringify(this.address())) })`;
	const server = t.world.alongside("silence", [process.execPath, "-e", script]);
	const { port } = await server.waitFor("its port", (event) => event.port > 0, 10_000);
	return `https://${t.world.hub.address}:${port}`;
}

/** What makes a command's name servers silent: a look-up takes ten seconds. */
function withoutNames(t) {
	const file = join(t.world.directory, "resolv.conf");
	writeFileSync(file, "nameserver 10.71.0.254\n");
	return ["unshare", "--mount", "--", "sh", "-c", `mount --bind ${file} /etc/resolv.conf && exec "$@"`, "sh"];
}

const withBus = ["dbus-run-session", "--", "setpriv", "--pdeathsig", "KILL", "--"];

/** Longer than what begins with a node's sockets takes: what the SDK has queued for a promise is delivered to freed memory when the library goes before. */
const settleMS = 500;

const loads = (app) => app.events.filter((event) => event.event === "loaded").length;

/** Loads the library anew and waits for the app to be there again. */
async function reload(t, app) {
	const before = loads(app);
	await sleep(settleMS);
	await app.do({ bridge: "reload" });
	await t.world.eventually(async () => t.assert.ok(loads(app) > before, "not loaded"), 15_000);
}

/** A TSMP ping is one packet: one that the peer sends before it has heard that a new session holds goes to the node of before. */
const answers = (t, address) => t.world.eventually(() => t.world.ping("t1", address, "TSMP", 1000));

export default {
	title: "Life in the simulator",
	async before(t) {
		t.silentURL = await silence(t);
		t.t1 = await t.world.stock("t1");
		t.app = await launch(t, "mayfly");
	},
	cases: [
		...[
			["constructed", 100],
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
		...["onStateChange", "onSelfChange", "onPeersChange", "onPathChange", "onHealthChange"].map((callback) => [
			`close() in ${callback} is the end: nothing is called afterwards`,
			async (t) => t.assert.deepEqual((await t.app.do({ do: "closeIn", callback }, 20_000)).after, []),
		]),
		[
			"close() in onError is the end: nothing is called afterwards",
			async (t) => t.assert.deepEqual((await t.app.do({ do: "closeIn", callback: "onError", options: { authKey: "tskey-auth-wrong" } }, 20_000)).after, []),
		],
		[
			"close() in onLogin is the end: nothing is called afterwards",
			async (t) => {
				await t.world.peers.do("control.set", { requireAuthKey: "", requireAuth: true });
				t.assert.deepEqual((await t.app.do({ do: "closeIn", callback: "onLogin", options: { authKey: "" } }, 20_000)).after, []);
				await t.world.peers.do("control.set", { requireAuthKey: authKey, requireAuth: false });
			},
		],
		...[
			["constructed", 6],
			["connecting", 4],
			["running", 4],
			["used", 4],
		].map(([until, count]) => [
			`${count} workers with a node, each terminated at "${until}", leave nothing behind, and the main machine's node runs on`,
			async (t) => {
				const { addresses } = await t.app.do({ do: "keep", options: { hostname: "main" } });
				await leavesNothing(t, t.app, () => t.app.do({ do: "worker", count, until, options: { hostname: "worker" } }, 60_000), runningBytes);
				await answers(t, addresses[0]);
				await t.app.do({ do: "drop" });
			},
			{ timeoutMS: 120_000 },
		]),
		[
			"ten nodes closed while a TLS handshake hangs leave nothing behind",
			async (t) => {
				const options = { controlURL: t.silentURL };
				await leavesNothing(t, t.app, () => t.app.do({ do: "cycle", count: 10, until: "after 40", options }, 30_000));
			},
		],
		[
			"nodes closed while look-ups hang leave nothing behind, once the look-ups are over",
			async (t) => {
				t.deaf = await launch(t, "deaf", { around: withoutNames(t) });
				const before = await t.deaf.use();
				await t.deaf.do({ do: "cycle", count: 10, until: "after 40", options: { controlURL: "http://control.example" } });
				t.assert.ok((await t.deaf.use()).threads.includes("tailnet names"), "no look-up hangs");
				await t.world.eventually(async () => {
					const after = await t.deaf.use();
					t.assert.deepEqual([after.threads, after.files], [before.threads, before.files]);
				}, 40_000);
				await t.deaf.close();
			},
		],
		[
			"the library is loaded and unloaded 20 times with a running node in it: threads, descriptors and memory are as after the first times",
			async (t) => {
				const app = await launch(t, "phoenix", { around: withBus, tailnet: { store: "phoenix" } });
				const begin = () => app.do({ do: "keep" }, 20_000);
				const uses = [];
				while (uses.length < late[1]) {
					const { addresses } = await begin();
					await answers(t, addresses[0]);
					uses.push(await app.use());
					await reload(t, app);
				}
				const [first, last] = [uses[early[0]], uses.at(-1)];
				t.assert.deepEqual([last.threads, last.files], [first.threads, first.files]);
				const [before, after] = [early, late].map((range) => Math.min(...uses.slice(...range).map(({ nativeBytes }) => nativeBytes)));
				const grown = after - before;
				t.assert.ok(grown < toolkitBytes, `${grown} bytes more`);
				t.assert.equal(app.ended, undefined);
				await app.do({ bridge: "quit" });
				t.assert.equal((await app.exited).code, 0);
				return `${grown} bytes more`;
			},
			{ timeoutMS: 120_000 },
		],
		...[
			["a TLS handshake hangs", (t) => ({ options: { controlURL: t.silentURL } })],
			["a look-up hangs", () => ({ options: { controlURL: "http://control.example" } })],
		].map(([what, options]) => [
			`while ${what} the library is loaded anew, and the simulator quits in order`,
			async (t) => {
				const app = await launch(t, "hanging", { around: [...withoutNames(t), ...withBus] });
				for (let i = 0; i < 3; i++) {
					await app.do({ do: "begin", ...options(t) });
					await t.world.eventually(async () => t.assert.ok(holdingsOf(await app.simulator()).threads.some((name) => /^tailnet (names|streams)$/.test(name))));
					await reload(t, app);
				}
				await app.do({ do: "begin", ...options(t) });
				await app.do({ bridge: "quit" });
				t.assert.equal((await app.exited).code, 0);
			},
		]),
	],
};
