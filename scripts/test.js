/**
 * `npm test`: every ring that this machine can run, and one line at the end: N passed, N failed, N skipped.
 *
 *   node scripts/test.js [ring ...]
 *
 * A ring (scripts/rings.js) is a program that prints its own lines and ends with `N passed, N failed[, N skipped]`. A ring that the machine cannot run
 * prints one loud line with what is missing, counts as one skipped, and is named again before the last line. One that the machine can run and that runs
 * nothing has failed, and so has one that says nothing for long, which is ended. The lanes run side by side; what they print appears ring by ring all the same.
 */
import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { buildPeers } from "../tests/interop/harness/peers.js";
import { ensurePackages, prepare, root } from "./prepare.js";
import { endGroup } from "./process-group.js";
import { rings } from "./rings.js";
import { Turns } from "./turns.js";

/** No ring is silent for longer: what compiles or fuzzes for longest says so at its end. */
const silenceMS = 900_000 + Number(process.env.FUZZ_SECONDS ?? 0) * 1000;

/** Each ring is a group of processes. */
const groups = new Set();
for (const signal of ["SIGINT", "SIGTERM"])
	process.once(signal, () => {
		groups.forEach(endGroup);
		process.exit(1);
	});

/** Runs one ring. @param print takes what it prints @returns its counts */
function runRing(ring, print) {
	return new Promise((done) => {
		let text = "";
		const child = spawn(ring.command[0], ring.command.slice(1), { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
		groups.add(child.pid);
		// What computes gives way to what waits for a packet.
		if (ring.lane === "processor") setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
		let isSilent = false;
		const watch = setTimeout(() => {
			isSilent = true;
			endGroup(child.pid);
		}, silenceMS);
		const hear = (bytes) => {
			watch.refresh();
			print(bytes);
		};
		child.stdout.on("data", (bytes) => {
			text += bytes;
			hear(bytes);
		});
		child.stderr.on("data", hear);
		child.on("close", (code) => {
			clearTimeout(watch);
			groups.delete(child.pid);
			if (isSilent) {
				done({ passed: 0, failed: 1, skipped: 0, why: `said nothing for ${silenceMS / 60_000} minutes` });
				return;
			}
			const lines = [...text.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)];
			const last = lines.at(-1);
			if (!last) {
				done({ passed: 0, failed: 1, skipped: 0, why: `no closing line (exit code ${code})` });
				return;
			}
			const counts = { passed: Number(last[1]), failed: Number(last[2]), skipped: Number(last[3] ?? 0) };
			if (code !== 0 && counts.failed === 0) counts.failed = 1;
			if (counts.passed + counts.failed === 0) Object.assign(counts, { failed: 1, why: "ran nothing" });
			done(counts);
		});
	});
}

const wanted = process.argv.slice(2);
for (const name of wanted) {
	if (!rings.some((ring) => ring.name === name)) {
		console.log(`test: no ring called ${name}; there are ${rings.map((ring) => ring.name).join(", ")}`);
		process.exit(2);
	}
}

ensurePackages();
if (!(await prepare())) {
	console.log("test: the native core cannot be built on this machine");
	console.log("0 passed, 1 failed, 0 skipped");
	process.exit(1);
}

// What is missing is installed before the first begins: apt-get has one lock.
const chosen = rings.filter(({ name }) => wanted.length === 0 || wanted.includes(name)).map((ring) => ({ ...ring, missing: ring.needs?.() }));
const turns = new Turns(chosen.length, (bytes) => process.stdout.write(bytes));

async function runOne(ring, index) {
	const print = (bytes) => turns.print(index, bytes);
	const started = Date.now();
	print(`\n==== ${ring.name}\n`);
	if (ring.missing) {
		print(`SKIPPED: the ring "${ring.name}" needs ${ring.missing}\n`);
		ring.counts = { passed: 0, failed: 0, skipped: 1, why: `needs ${ring.missing}` };
	} else {
		if (ring.withPeers) await peers;
		ring.counts = await runRing(ring, print);
	}
	ring.seconds = Math.round((Date.now() - started) / 1000);
	turns.end(index);
}

// Built once: two rings would build them at the same time.
const peers = chosen.some(({ withPeers, missing }) => withPeers && !missing) ? buildPeers().catch((error) => console.error(error.message)) : undefined;

const entries = [...chosen.entries()];
const queues = new Map(chosen.map(({ lane }) => [lane, entries.filter(([, ring]) => ring.lane === lane)]));

/** A lane that has nothing left helps with what computes. */
async function runLane(queue) {
	for (let next = queue.shift(); next; next = queue.shift() ?? queues.get("processor")?.shift()) await runOne(next[1], next[0]);
}
await Promise.all([...queues.values()].map(runLane));

const summary = chosen.map(({ name, seconds, counts: { passed, failed, skipped, why } }) => {
	return `${name.padEnd(13)} ${passed} passed, ${failed} failed, ${skipped} skipped  ${seconds} s${why ? `  (${why})` : ""}`;
});
console.log(`\n${summary.join("\n")}\n`);
const left = chosen.filter(({ missing }) => missing);
if (left.length > 0) console.log(`rings skipped: ${left.map(({ name, missing }) => `${name} (needs ${missing})`).join(", ")}`);
const sum = (key) => chosen.reduce((total, { counts }) => total + counts[key], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exit(sum("failed") ? 1 : 0);
