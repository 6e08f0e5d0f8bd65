/**
 * The device ring: an app built by mcconfig for an ESP32-C3 boots in an emulator, joins a tailnet of stock nodes, and answers them.
 *
 *   node tests/device/run.js [--built] [--only TEXT]     --built: the app's image of the last build; --only: parts whose name has the text
 *
 * Parts: node (what a node does, told to by the harness), httpserver, status-web and setup (those examples as they are), examples (each of the others is built).
 *
 * Needs what harness/requirements.js lists. Prints one line a case and closes with "N passed, N failed, N skipped".
 */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../../scripts/prepare.js";
import { askFrom } from "../interop/harness/page.js";
import { buildPeers } from "../interop/harness/peers.js";
import { missing as interopMissing } from "../interop/harness/requirements.js";
import { at, authKey, World } from "../interop/harness/world.js";
import { BoardNode } from "./harness/board.js";
import { build, buildExample, examples } from "./harness/image.js";
import { missing } from "./harness/requirements.js";

const ramBytes = 400 * 1024;
const engineBytes = JSON.parse(readFileSync(join(root, "examples/esp32.json"), "utf8")).platforms.esp32.creation.static;
const counts = { passed: 0, failed: 0 };
let board;

async function check(sentence, run) {
	const began = performance.now();
	try {
		const note = await run();
		counts.passed++;
		console.log(`ok - ${sentence}${typeof note === "string" ? ` (${note})` : ""} [${Math.round(performance.now() - began)} ms]`);
	} catch (error) {
		counts.failed++;
		console.log(`not ok - ${sentence}`);
		for (const line of `${error?.stack ?? error}`.split("\n").slice(0, 30)) console.log(`    ${line}`);
		const fall = board?.falls.at(-1);
		if (fall) console.log(`    the board fell: ${fall}`);
	}
}

/** Lines of the ready fragment: what a node can go without. */
const optional = readFileSync(join(root, "hosts/esp32/sdkconfig/sdkconfig.defaults"), "utf8").trim().split("\n");
const conditionOf = (line) => `board-option:${line.replace(/^CONFIG_|=y$/g, "")}`;

/** Options of the board that its health misses, by their conditions. */
async function missed(board) {
	const { warnings } = await board.do({ do: "health" });
	return warnings.map(({ id }) => id).filter((id) => id.startsWith("board-option:"));
}

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;

async function memory(board) {
	const { ok, id, at: when, event, ...figures } = await board.do({ do: "memory" });
	return figures;
}

async function pings(world, families, prefix = "") {
	for (const [family, address] of families)
		for (const kind of ["disco", "TSMP", "ICMP", "peerapi"])
			await check(`${prefix}a peer's ${kind} ping of its ${family} address succeeds`, async () => {
				const { latencyMS } = await world.ping("t1", address, kind, 10_000);
				return `${latencyMS.toFixed(1)} ms`;
			});
}

const stood = () =>
	check("it never fell, and its engine had memory to spare", () => {
		assert.deepEqual(board.falls, []);
		const { usedBytes, heldBytes } = board.engine;
		assert.ok(heldBytes > 0, "the instruments said nothing");
		return `at most ${kilobytes(usedBytes)} in use at the end of a second, garbage included, of ${kilobytes(heldBytes)} that it took from its ${kilobytes(engineBytes)}`;
	});

async function scenario(world, image) {
	const t1 = await world.stock("t1");
	await check("it boots and runs, with control by name", async () => {
		board = await BoardNode.start(world, image.flash, { controlURL: world.controlURL.replace(world.hub.address, "control.interop") });
		await board.running(60_000);
		const first = board.events.find((event) => event.event === "memory");
		const running = board.events.find((event) => event.state === "running");
		const passed = (from) => `${Math.round(running.at - from)} ms`;
		return `${passed(board.startedAt)} after power on, ${passed(first.at)} after the network; ${kilobytes(first.free)} of ${kilobytes(first.total)} were free before`;
	});
	if (!board?.address) {
		tell(board);
		await board?.close();
		for (const line of board?.log.slice(-40) ?? []) console.log(`    | ${line}`);
		return;
	}
	const page = async () => {
		const { status, body } = await world.peers.do("node.http", { node: "t1", url: `http://${at(board.address, 80)}/` });
		assert.equal(status, 200);
		assert.match(body, /^board 100\./);
	};
	await check("a peer's TSMP ping is answered over DERP, UDP being dead", () => world.ping("t1", board.address, "TSMP", 20_000));
	await pings(world, [["IPv4", board.address]]);
	await check("it serves its page through DERP", page);
	world.allowUDP();
	await check("the path becomes direct", async () => {
		const { endpoint, afterMS } = await world.untilDirect("t1", board.address, 30_000);
		assert.match(endpoint, /^10\.71\.0\./);
		return `after ${Math.round(afterMS)} ms`;
	});
	await pings(world, [
		["IPv4", board.address],
		["IPv6", board.address6],
	]);
	await check("it serves its page directly", page);
	await check("its own pings succeed", async () => {
		for (const kind of ["disco", "tsmp", "icmp", "peerapi"]) await board.do({ do: "ping", peer: t1.ip4, kind, timeoutMS: 5000 });
	});
	await check("its health tells what the SDK's sdkconfig lacks, which the ready fragment has, in ESP-IDF's words", async () => {
		for (const line of optional) assert.match(image.options, new RegExp(`^(# )?${line.replace(/=.*/, "")}[ =]`, "m"));
		const lacking = optional.filter((line) => !image.options.split("\n").includes(line));
		assert.deepEqual(lacking, ["CONFIG_LWIP_IP4_REASSEMBLY=y"]);
		assert.deepEqual(await missed(board), lacking.map(conditionOf));
	});
	await check(`it does so within ${kilobytes(ramBytes)} of memory`, async () => {
		const figures = await memory(board);
		console.log(`# ${JSON.stringify(figures)}`);
		assert.ok(figures.total <= ramBytes);
		return `${kilobytes(figures.free)} free, ${kilobytes(figures.leastFree)} at the least`;
	});
	await check("it serves 60 pages more, and has as much memory after as before", async () => {
		for (let i = 0; i < 20; i++) await page();
		const before = await memory(board);
		for (let i = 0; i < 40; i++) await page();
		const after = await memory(board);
		assert.ok(after.free > before.free - 2048, `${before.free} bytes free, then ${after.free}`);
		return `${before.free} bytes free, then ${after.free}`;
	});
	await check("it is the same node after its power was gone", async () => {
		const before = await world.known("board");
		const from = board.events.length;
		await board.do({ bridge: "restart" });
		await board.state("running", 60_000, from);
		await world.eventually(() => world.ping("t1", board.address, "TSMP", 2000), 20_000);
		const after = await world.known("board");
		assert.deepEqual([after.Key, after.Machine], [before.Key, before.Machine]);
	});
	await stood();
	tell(board);
	await board.close();
}

/** Control by TLS, as well as the relay. */
async function secure(world, image) {
	const board = await BoardNode.start(world, image.flash);
	await check("it runs with control by TLS", async () => {
		assert.match(world.controlURL, /^https:/);
		await board.running(60_000);
		return JSON.stringify(await memory(board));
	});
	tell(board);
	await board.close();
	const distrustful = await BoardNode.start(world, image.flash, { authorities: [], hostname: "distrustful" });
	await check("without the authority of control's certificate it says so, and registers nothing", async () => {
		await distrustful.waitFor("an error", ({ event, code }) => event === "error" && code === "certificate", 60_000);
		await assert.rejects(world.known("distrustful"));
	});
	tell(distrustful);
	await distrustful.close();
}

/** All that the board has said, when everything is shown. */
function tell(board) {
	if (process.env.INTEROP_VERBOSE)
		for (const { at: when, ...event } of board?.events ?? []) console.log(`    board ${Math.round(when)} | ${JSON.stringify(event)}`);
}

/** The example as it is, built for this tailnet: a page that peers read. Nobody tells it anything; that it is there is seen from outside. */
async function sensor(world) {
	let image;
	const config = [`controlURL=${world.controlURL}`, `authKey=${authKey}`];
	await check("examples/httpserver is built for the ESP32-C3 by its own manifest", async () => {
		image = await buildExample("httpserver", config);
		return `${image.appBytes} bytes`;
	});
	if (!image) return;
	await world.stock("t1");
	board = await BoardNode.start(world, image.flash, { hostname: "sensor" });
	let addresses;
	await check("examples/httpserver boots and joins", async () => {
		const { Addresses } = await world.eventually(() => world.known("sensor"), 60_000);
		addresses = Addresses.map((prefix) => prefix.replace(/\/\d+$/, ""));
		await world.eventually(() => world.ping("t1", addresses[0], "TSMP", 2000), 20_000);
	});
	if (!addresses) return;
	const page = async (address) => {
		const { status, body } = await world.peers.do("node.http", { node: "t1", url: `http://${at(address, 80)}/` });
		assert.equal(status, 200);
		assert.match(body, /<title>sensor<\/title>/);
		assert.ok(body.includes(addresses.join(", ")), body);
	};
	await pings(world, [["IPv4", addresses[0]]], "examples/httpserver by DERP: ");
	await check("examples/httpserver serves its page through DERP", () => page(addresses[0]));
	world.allowUDP();
	await check("examples/httpserver: the path becomes direct", async () => void (await world.untilDirect("t1", addresses[0], 30_000)));
	await pings(world, [["IPv6", addresses[1]]], "examples/httpserver directly: ");
	await check("examples/httpserver serves its page directly, 20 times, by both families", async () => {
		for (let i = 0; i < 10; i++) for (const address of addresses) await page(address);
	});
	await stood();
	await board.close();
}

/** The status page as it is: its files, its facts, and the stream of them, within the memory of the engine. */
async function statusPage(world) {
	let image;
	await check("examples/status-web is built for the ESP32-C3 by its own manifest", async () => {
		image = await buildExample("status-web", [`controlURL=${world.controlURL}`, `authKey=${authKey}`]);
		return `${image.appBytes} bytes`;
	});
	if (!image) return;
	await world.stock("t1");
	board = await BoardNode.start(world, image.flash, { hostname: "greenhouse" });
	let address;
	await check("examples/status-web boots and joins", async () => {
		const { Addresses } = await world.eventually(() => world.known("greenhouse"), 60_000);
		address = Addresses[0].replace(/\/\d+$/, "");
		await world.eventually(() => world.ping("t1", address, "TSMP", 2000), 20_000);
	});
	if (!address) return;
	world.allowUDP();
	await world.untilDirect("t1", address, 30_000);
	const get = (path, timeoutMS) => world.peers.do("node.http", { node: "t1", url: `http://${address}${path}` }, timeoutMS);
	await check("examples/status-web serves its page, ten times", async () => {
		for (let i = 0; i < 10; i++)
			for (const [path, file] of [
				["/", "tailnet-status.html"],
				["/status.css", "tailnet-status.css"],
				["/status.js", "tailnet-status.js"],
			]) {
				const { status, lengthBytes } = await get(path, 20_000);
				assert.deepEqual([path, status, lengthBytes], [path, 200, statSync(join(root, "status/page", file)).size]);
			}
	});
	await check("examples/status-web says its facts, ten times", async () => {
		for (let i = 0; i < 10; i++) {
			const { body } = await get("/status.json", 20_000);
			const { viewer, node, peers } = JSON.parse(body);
			assert.deepEqual([viewer.address, node.state, peers.length], [peers[0].address, "running", 1]);
		}
	});
	await check("examples/status-web: what two viewers held is free again when they have left", async () => {
		// A stream ends with the patience of who asks, which is an answer cut off or an error.
		await Promise.all([get("/events", 8_000), get("/events", 8_000)].map((asked) => asked.catch(() => {})));
		await world.eventually(async () => {
			const { pools } = JSON.parse((await get("/status.json", 20_000)).body);
			assert.ok(pools[0].used <= 3, `${pools[0].used} sockets`);
		});
	});
	await stood();
	await board.close();
}

/** The setup page as it is: on the local network while there is no login, and not afterwards. */
async function setupPage(world) {
	let image;
	await check("examples/setup is built for the ESP32-C3 by its own manifest", async () => {
		image = await buildExample("setup", [`controlURL=${world.controlURL}`]);
		return `${image.appBytes} bytes`;
	});
	if (!image) return;
	board = await BoardNode.start(world, image.flash, { hostname: "newcomer" });
	let address;
	const get = async (path) => {
		const answer = await askFrom(world.hub, `http://${address}${path}`);
		assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer)}`);
		return answer.body;
	};
	await check("examples/setup boots, and shows the URL on its local address", async () => {
		address = await world.eventually(async () => {
			const found = /^(\S+) .*02:00:00:71:00:/m.exec(await world.hub.run("ip", "neigh", "show", "dev", "eth0"));
			assert.ok(found, "no board on the network");
			return found[1];
		}, 60_000);
		await world.eventually(async () => assert.ok(JSON.parse(await get("/state")).url), 60_000);
	});
	await check("examples/setup serves its page and the QR code, ten times", async () => {
		for (let i = 0; i < 10; i++) {
			for (const [path, file] of [
				["/", "setup.html"],
				["/setup.css", "setup.css"],
				["/setup.js", "setup.js"],
			])
				assert.equal(await get(path), readFileSync(join(root, "examples/setup/page", file), "utf8"));
			assert.match(await get("/qr.svg"), /^<svg .*<\/svg>$/s);
		}
	});
	await check("examples/setup is on the tailnet when the URL was visited, and its page is gone", async () => {
		await world.peers.do("control.set", { completeAuth: JSON.parse(await get("/state")).url });
		await world.eventually(() => world.known("newcomer"), 60_000);
		await world.eventually(async () => assert.equal((await askFrom(world.hub, `http://${address}/`)).code, "ECONNREFUSED"), 60_000);
	});
	await stood();
	await board.close();
}

/** Runs in a world of its own, whose options are given. */
async function inWorld(options, run) {
	await buildPeers();
	const world = await World.create(options);
	try {
		// The address of the board comes by UDP, and so do names.
		world.network.blockUDP([...world.stunPorts, 67, 53]);
		await run(world);
	} finally {
		await world.close();
	}
}

const why = missing() ?? interopMissing()[0];
if (why) {
	console.log(`SKIPPED: the device ring needs ${why}`);
	console.log("0 passed, 0 failed, 1 skipped");
	process.exit(0);
}
const { values: options } = parseArgs({ options: { built: { type: "boolean", default: false }, only: { type: "string", default: "" } } });
const parts = {
	async node() {
		let image;
		await check("the app is built for the ESP32-C3, with the SDK's sdkconfig", async () => {
			image = await build(join(import.meta.dirname, "app"), options.built);
			return `${image.appBytes} bytes`;
		});
		if (!image) return;
		await inWorld({}, (world) => scenario(world, image));
		await inWorld({ control: { certificate: "ca" } }, (world) => secure(world, image));
	},
	/** Its relay is known by its hash: nobody gives the example an authority of ours. */
	httpserver: () => inWorld({ relays: [{ region: 1, certificate: "hash" }] }, sensor),
	"status-web": () => inWorld({ relays: [{ region: 1, certificate: "hash" }] }, statusPage),
	setup: () => inWorld({ relays: [{ region: 1, certificate: "hash" }], control: { requireAuthKey: "", requireAuth: true } }, setupPage),
	async examples() {
		for (const name of examples.filter((name) => !Object.hasOwn(parts, name)))
			await check(`examples/${name} is built for the ESP32-C3`, async () => `${(await buildExample(name)).appBytes} bytes`);
	},
};
for (const [name, run] of Object.entries(parts)) if (name.includes(options.only)) await run();
console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`);
process.exit(counts.failed ? 1 : 0);
