/**
 * `npm run bench`: our node against the stock one, every pair in a namespace of its own on this machine, medians. Prints the figures, and writes them as bench.json and
 * bench.svg.
 *
 *   node scripts/bench.js [--runs N] [--megabytes N] [--out FOLDER] [direct | relayed | latency | start | peers | peer | memory | attack | idle ...]
 *
 * Without --out they go to build/bench; README.md shows those of documentation/. Needs what the interop ring needs (Go, root, iproute2, nftables). Nothing here is an
 * assertion: figures depend on the machine.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { arch, cpus, release, type } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { panels } from "../bench/panels.js";
import { picture, shown } from "../bench/picture.js";
import { buildPeers } from "../tests/interop/harness/peers.js";
import { missing } from "../tests/interop/harness/requirements.js";
import { prepare, root } from "./prepare.js";

const { values, positionals } = parseArgs({
	options: {
		runs: { type: "string", default: "5" },
		megabytes: { type: "string", default: "64" },
		out: { type: "string", default: join(root, "build/bench") },
	},
	allowPositionals: true,
});
const settings = { runs: Number(values.runs), megabytes: Number(values.megabytes) };

function row(...cells) {
	console.log(cells.map((cell, i) => String(cell).padEnd([30, 12, 12][i] ?? 0)).join(""));
}

/** Measures a panel, and prints each bar when it is there, with its ratio to the first. */
async function measured({ name, title, unit, better, measure }) {
	console.log(`\n${title} (${unit}, ${better} is better)`);
	const bars = [];
	for await (const bar of measure(settings)) {
		bars.push(bar);
		row(bar.label, shown(bar.value), bars.length > 1 ? `× ${(bar.value / bars[0].value).toFixed(2)}` : "", bar.note);
	}
	return { name, title, unit, better, bars };
}

if (!(await prepare())) process.exit(5);
const lacking = await missing();
if (lacking?.length) {
	console.log(`bench: needs ${lacking}`);
	process.exit(5);
}
await buildPeers();

const results = [];
for (const panel of panels) if (positionals.length === 0 || positionals.includes(panel.name)) results.push(await measured(panel));

const processors = cpus();
const measuredOn = `${processors.length} × ${processors[0]?.model ?? arch()}, ${type()} ${release()}, Node.js ${process.versions.node}; both nodes on this one machine; medians of ${settings.runs}`;
mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, "bench.json"), `${JSON.stringify({ measuredOn, ...settings, panels: results }, undefined, "\t")}\n`);
writeFileSync(join(values.out, "bench.svg"), picture(results, measuredOn));
console.log(`\n${measuredOn}\nwritten: ${join(values.out, "bench.json")}, ${join(values.out, "bench.svg")}`);
process.exit(0);
