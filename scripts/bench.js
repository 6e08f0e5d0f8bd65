/**
 * `npm run bench`: our node against the stock one, every pair in a namespace of its own on this machine, medians, and the ratio to the stock pair.
 *
 *   node scripts/bench.js [--runs N] [--megabytes N] [direct | relayed | start | peers | latency | memory | idle ...]
 *
 * Needs what the interop ring needs (Go, root, iproute2, nftables). Nothing here is an assertion: figures depend on the machine.
 */
import { parseArgs } from "node:util";
import { bytesAPeer, idlePackets, manyPeers, memory, roundTrip, startup, throughput } from "../tests/interop/bench.js";
import { buildPeers } from "../tests/interop/harness/peers.js";
import { missing } from "../tests/interop/harness/requirements.js";
import { prepare } from "./prepare.js";

const { values, positionals } = parseArgs({
	options: { runs: { type: "string", default: "5" }, megabytes: { type: "string", default: "64" } },
	allowPositionals: true,
});
const runs = Number(values.runs);
const bytes = Number(values.megabytes) * 1024 * 1024;
const wanted = (name) => positionals.length === 0 || positionals.includes(name);

const pairs = [
	["stock", "stock"],
	["own", "stock"],
	["own", "own"],
];

function row(...cells) {
	console.log(cells.map((cell, i) => String(cell).padEnd(i === 0 ? 34 : 16)).join(""));
}

const shown = (value, unit = "") => (Number.isFinite(value) ? `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)}${unit}` : "-");

/** One line a pair: both directions, and the ratio of their mean to that of the stock pair. */
async function throughputTable(title, options) {
	console.log(`\n${title}`);
	row("pair", "first -> second", "second -> first", "of stock", "failures");
	let reference;
	for (const pair of pairs) {
		const { forwardMedian, backwardMedian, failures } = await throughput(pair, options);
		const mean = (forwardMedian + backwardMedian) / 2;
		reference ??= mean;
		row(pair.join(" - "), shown(forwardMedian, " Mbit/s"), shown(backwardMedian, " Mbit/s"), shown(mean / reference), failures.length);
	}
}

if (!(await prepare())) process.exit(5);
const lacking = await missing();
if (lacking?.length) {
	console.log(`bench: needs ${lacking}`);
	process.exit(5);
}
await buildPeers();

if (wanted("direct")) await throughputTable(`TCP, one stream, ${values.megabytes} MB echoed and compared, direct, median of ${runs}`, { bytes, runs });
if (wanted("relayed"))
	await throughputTable(`the same with ${Math.max(1, values.megabytes / 8)} MB through a relay`, { relayed: true, bytes: bytes / 8, runs });
if (wanted("latency")) {
	console.log("\nTSMP ping, direct");
	for (const pair of pairs) row(pair.join(" - "), JSON.stringify(await roundTrip(pair)));
}
if (wanted("start")) {
	console.log("\nstart to running, known control server (ms)");
	for (const subject of ["stock", "own"]) row(subject, JSON.stringify(await startup(subject, { runs })));
}
if (wanted("peers")) {
	console.log("\na map of 5,000 peers");
	for (const subject of ["stock", "own"]) row(subject, JSON.stringify(await manyPeers(subject)));
	console.log("\nbytes a peer at rest (5,000 peers less 1,000)");
	row("own", JSON.stringify(await bytesAPeer()));
}
if (wanted("memory")) {
	console.log("\nmemory of an idle node with one peer");
	for (const subject of ["stock", "own"]) row(subject, JSON.stringify(await memory(subject)));
}
if (wanted("idle")) {
	console.log("\npackets of an idle node in a minute");
	for (const subject of ["stock", "own"]) row(subject, JSON.stringify(await idlePackets(subject)));
}
process.exit(0);
