/**
 * What the node costs a microcontroller: `npm run footprint [-- --accept]`. Flash, RAM, bytes a peer, instructions of packets and handshakes, the heap of the
 * virtual machine, packets of an idle minute, and the goals that these are compared with. It needs no board: code is compiled for the chips' processors and
 * counted on an emulated one, the rest is measured in the simulator. What this machine cannot measure is said so.
 *
 * --accept also writes tests/cross/expected.json, from which the cross ring knows flash and RAM that grew, and the tables of documentation/memory.md.
 */
import { compileCore, compileSodium } from "../tests/cross/compile.js";
import { documentFigures } from "../tests/cross/document.js";
import { acceptFigures } from "../tests/cross/expected.js";
import { instructionsOf, poolsOf } from "../tests/cross/figures.js";
import { rows } from "../tests/cross/goals.js";
import { idleMinute } from "../tests/cross/idle.js";
import { linkedBytes } from "../tests/cross/linked.js";
import { coreFigures } from "../tests/cross/native.js";
import { netmapFigures } from "../tests/cross/netmap.js";
import { table, thousands } from "../tests/cross/report.js";
import { sizesOf, sumOf } from "../tests/cross/sizes.js";
import { ensureSources } from "../tests/cross/sources.js";
import { compilerVersion, packages, targets } from "../tests/cross/targets.js";
import { heapOfNode, modulesFlash } from "../tests/cross/xs.js";
import { missing as interopMissing } from "../tests/interop/harness/requirements.js";
import { missing as moddableMissing } from "../tests/moddable/harness/sdk.js";
import { ensureDebian, ensurePackages, prepare } from "./prepare.js";

const NOT_MEASURED = "not measured";
const bytes = (value) => (value === undefined ? NOT_MEASURED : value);
const flashOf = (objects) => {
	const { text, rodata, data } = objects;
	return text + rodata + data;
};

/** Runs what may be impossible on this machine. @returns undefined after saying why */
async function attempt(what, why, action) {
	if (why) console.log(`${NOT_MEASURED}: ${what}, which needs ${why}`);
	else {
		try {
			return await action();
		} catch (error) {
			console.log(`${NOT_MEASURED}: ${what}: ${error.message.slice(0, 2000)}`);
		}
	}
	return undefined;
}

/** Flash of each target. */
async function measureFlash(sources, hasSDK) {
	const flash = {};
	for (const target of targets) {
		const core = await compileCore(target, sources);
		const sizes = sumOf(sizesOf(target, core.objects));
		const sodium = sources && (await compileSodium(target, sources));
		const modules = hasSDK ? await attempt(`modules, ${target.name}`, undefined, () => modulesFlash(target)) : undefined;
		flash[target.name] = {
			core: flashOf(sizes),
			ram: sizes.data + sizes.bss,
			sodium: sodium && (await linkedBytes(target, core.objects, "sodium", sodium.objects)),
			bindings: modules && flashOf(sumOf(modules.bindings)),
			modules,
			figures: coreFigures(sizes),
		};
	}
	return flash;
}

/** @returns the rows besides the core's */
function printFlash(flash) {
	console.log(
		"\nFlash added to a Moddable app, bytes (-Os). Not in it: lwIP and Mbed TLS, which ESP-IDF has, and hosts/esp32, which needs ESP-IDF to compile.",
	);
	const row = (name, value) => [name, ...targets.map((target) => bytes(value(flash[target.name])))];
	const besides = [
		row("libsodium, as far as it is used", (it) => it.sodium),
		row("bindings of the XS hosts (hosts/xs)", (it) => it.bindings),
		row("modules: byte code", (it) => it.modules?.code),
		row("modules: preloaded objects (slots of 16 bytes)", (it) => it.modules?.heap),
		row("modules: texts and keys", (it) => it.modules && it.modules.bytes - it.modules.code - it.modules.heap),
		row("sum", sumOfFlash),
	];
	table(["part", ...targets.map((target) => target.name)], [row("native core (native/)", (it) => it.core), ...besides]);
	const areas = flash[targets[0].name].modules?.areas;
	if (areas) console.log(`  byte code by folder, from .xsb: ${[...areas].map(([area, size]) => `${area} ${thousands(size)}`).join(", ")}`);
	return besides;
}

const sumOfFlash = (it) =>
	it.sodium !== undefined && it.bindings !== undefined && it.modules ? it.core + it.sodium + it.bindings + it.modules.bytes : undefined;

function printPools(pools) {
	console.log("\nRAM of the native core on rv32imc with a board's pools, bytes. A host places them: internal RAM, or PSRAM where there is some.");
	const parts = Object.entries(pools).filter(([name]) => name.startsWith("node_"));
	table(
		["pool", "bytes"],
		[
			["a node (one structure)", pools.node],
			...parts.map(([name, size]) => [`  of it: ${name.slice(5).replaceAll("_", " ")}`, size]),
			["rings between the VM and the tunnel", pools.rings],
			["ring from lwIP", pools.crossing],
			["each relay region in use", pools.each_region],
			["each open TCP socket", pools.each_stream],
			["each UDP socket", pools.each_datagram_socket],
			["each peer with a session (in the node)", pools.each_peer],
			["scanner of map messages, without its buffer", pools.each_scanner],
		],
	);
}

function printInstructions(counted) {
	console.log("\nInstructions on an emulated rv32imc (QEMU, -Os):");
	table(["what", "instructions"], Object.entries(counted));
	console.log("\nPROJECTION from them, Mbit/s of TCP payload with one core and nothing else on it; a board was not measured:");
	const packet = {
		out: counted["TCP segment of 1,240 bytes out, with its acknowledgement"],
		in: counted["TCP segment of 1,240 bytes in, with its acknowledgement"],
	};
	const rate = (clock, way, cycles) => ((clock * 1e6) / (packet[way] * cycles)) * 1240 * 8 * 1e-6;
	table(
		["", "out, 1 cycle an instruction", "in", "out, 1.5 cycles", "in"],
		[160, 240].map((clock) => [
			`${clock} MHz`,
			...[
				[1, "out"],
				[1, "in"],
				[1.5, "out"],
				[1.5, "in"],
			].map(([cycles, way]) => rate(clock, way, cycles).toFixed(1)),
		]),
	);
	console.log(`  arithmetic: clock / (instructions a segment x cycles an instruction) x 1,240 bytes x 8. Radio, driver and flash cache come on top.`);
	const own = counted["handshake: initiation"] + counted["handshake: the response taken"];
	const other = counted["handshake: its response, by the other side"];
	for (const clock of [160, 240])
		console.log(
			`  PROJECTION: a handshake at ${clock} MHz, 1 cycle an instruction: ${((own / clock) * 1e-3).toFixed(0)} ms for who begins it, ${((other / clock) * 1e-3).toFixed(0)} ms for who answers`,
		);
}

ensurePackages();
const lacking = ensureDebian(packages);
if (lacking.length > 0 || !(await prepare())) {
	console.log(`footprint: nothing can be measured without ${lacking.join(", ") || "the native core"}`);
	process.exit(1);
}
const [emulated] = targets;
const sources = ensureSources();
const noSDK = moddableMissing();
if (noSDK) console.log(`${NOT_MEASURED}: everything of XS, which needs ${noSDK}`);
const flash = await measureFlash(sources, !noSDK);
const parts = printFlash(flash);
const pools = await poolsOf(emulated, sources);
printPools(pools);
const counted = await attempt("instructions", sources ? undefined : "lwIP and libsodium in source", () => instructionsOf(emulated, sources));
if (counted) printInstructions(counted);

const netmap = await netmapFigures();
console.log(
	`\nNetwork map (Node): ${netmap.bytesAPeer.toFixed(0)} bytes a peer at ${thousands(netmap.peers)} peers; ${thousands(netmap.working)} bytes to read one message of any size`,
);

const noNetworks = interopMissing()[0];
const heaps = await attempt("the heap of the virtual machine", noSDK ?? noNetworks, () => heapOfNode([0, 16, 1000]));
if (heaps) {
	console.log("\nHeap of the virtual machine with a running node, in the simulator, after garbage collection, at 32 bits:");
	table(
		["peers", "slots", "chunks", "sum"],
		[...heaps].map(([count, { slots, chunks }]) => [count, slots, chunks, slots + chunks]),
	);
}
console.log("\nA minute of an idle node with 16 peers that are silent (it takes two to measure):");
const idle = await attempt("packets of an idle minute", noNetworks, idleMinute);
if (idle)
	console.log(
		`  ${idle.begun} datagrams and relay packets begun by the node; all packets of its interface: ${idle.sent} sent, ${idle.received} received; ${idle.curves === 0 ? "no handshake" : "handshakes"}`,
	);

console.log("\nGoals:");
const first = flash[emulated.name];
const goals = rows({ flash: sumOfFlash(first), pools, netmap, heaps, idle });
table(["row", "capability", "goal", "figure", "verdict"], goals);

if (process.argv.includes("--accept")) {
	for (const target of targets) acceptFigures(`native ${target.name}`, compilerVersion(target), flash[target.name].figures);
	documentFigures(parts, goals);
	console.log("\ntests/cross/expected.json and documentation/memory.md are written");
}
process.exit(0);
