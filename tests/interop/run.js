/**
 * The interop ring: our node among stock peers, each scenario in a network of its own.
 *
 *   node tests/interop/run.js [--subject own|simulator|stock] [--only TEXT] [--list]
 *
 * --subject stock puts a tsnet node in the place of ours, which proves the scenarios themselves; simulator an app in the Moddable simulator, with
 * what simulator.js selects (tests/moddable/run.js builds the app). --only takes the scenario files whose name contains TEXT, or if there is
 * none, those with such a sentence. INTEROP_VERBOSE=1 shows all logs. Prints one line a case and closes with "N passed, N failed, N skipped".
 * Exit code: 0 all passed or the ring cannot run here (it says why), 1 a failure, 2 bad usage.
 *
 * A scenario file exports {title, world, missing?, prepare?, before?, cases}: options of its world, why it cannot run on this machine (undefined: it can),
 * what goes on beside the scenarios before it, what happens once before its cases, and the cases [sentence, function, {own?, simulator?, timeoutMS?}?],
 * in order, in one world. `own` marks a case that only our node can pass, `simulator` one for the simulator alone.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPeers } from "./harness/peers.js";
import { haveOwnNode, missing } from "./harness/requirements.js";
import { SimulatorNode } from "./harness/subject.js";
import { World } from "./harness/world.js";
import { selection } from "./simulator.js";

const folder = join(import.meta.dirname, "scenarios");
/** Scenarios for the simulator alone. */
const simulatorFolder = join(import.meta.dirname, "../moddable/scenarios");
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs the cases of one file. What they get is the world and assert, and what `before` and earlier cases put beside them. */
async function runScenario(scenario, subject) {
	const { cases } = scenario;
	console.log(`# ${scenario.title}`);
	const skip = (sentence, why) => {
		counts.skipped++;
		console.log(`skip - ${sentence} (${why})`);
	};
	if (subject === "stock" && cases.every(([, , options]) => options?.own)) {
		for (const [sentence] of cases) skip(sentence, "only for our node");
		return;
	}
	const why = scenario.missing?.();
	if (why) {
		console.log(`SKIPPED: ${why}`);
		for (const [sentence] of cases) skip(sentence, "see above");
		return;
	}
	const context = { assert };
	try {
		context.world = await World.create({ ...scenario.world, subject });
		if (scenario.before) await withTimeout(scenario.before(context), scenario.timeoutMS ?? 60_000);
	} catch (error) {
		report(scenario.title, error);
		await context.world?.close();
		for (const [sentence] of cases) skip(sentence, "its scenario could not begin");
		return;
	}
	for (const [sentence, run, options = {}] of cases) {
		if (options.own && subject === "stock") {
			skip(sentence, "only for our node");
			continue;
		}
		const began = performance.now();
		try {
			const note = await withTimeout(run(context), options.timeoutMS ?? 60_000);
			counts.passed++;
			console.log(`ok - ${sentence}${typeof note === "string" ? ` (${note})` : ""} [${Math.round(performance.now() - began)} ms]`);
		} catch (error) {
			report(sentence, error);
		}
	}
	await context.world.close();
	const slots = SimulatorNode.deepest();
	if (slots > 0) console.log(`# JavaScript went ${slots} slots deep`);
}

function report(sentence, error) {
	counts.failed++;
	console.log(`not ok - ${sentence}`);
	for (const line of `${error?.stack ?? error}`.split("\n").slice(0, 24)) console.log(`    ${line}`);
}

function withTimeout(promise, timeoutMS) {
	let timer;
	const timeout = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`took longer than ${timeoutMS} ms`)), timeoutMS);
	});
	return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Whether a case is run with this subject. */
function isFor(subject, file, [sentence, , options]) {
	return subject === "simulator" ? (selection[file] ?? /./).test(sentence) : !options?.simulator;
}

async function main() {
	const { values } = parseArgs({
		options: { subject: { type: "string", default: "own" }, only: { type: "string", default: "" }, list: { type: "boolean", default: false } },
	});
	const { subject, only } = values;
	if (!["own", "simulator", "stock"].includes(subject)) {
		console.error("--subject is own, simulator or stock");
		return 2;
	}
	const files = [folder, ...(subject === "simulator" ? [simulatorFolder] : [])].flatMap((place) =>
		readdirSync(place)
			.filter((name) => name.endsWith(".js"))
			.sort()
			.map((name) => [place, name]),
	);
	const all = await Promise.all(files.map(async ([place, name]) => [name, (await import(join(place, name))).default]));
	const scenarios = all
		.map(([file, scenario]) => [file, { ...scenario, cases: scenario.cases.filter((entry) => isFor(subject, file, entry)) }])
		.filter(([, { cases }]) => cases.length > 0);
	if (values.list) {
		for (const [file, { title, cases }] of scenarios) console.log(`${file}: ${title}${cases.map(([sentence]) => `\n\t${sentence}`).join("")}`);
		return 0;
	}
	const lines = missing();
	if (lines.length === 0 && subject === "own" && !haveOwnNode()) lines.push("the interop ring needs the command of our node: npm run build");
	if (lines.length > 0) {
		for (const line of lines) console.log(`skipped: ${line}`);
		console.log(`0 passed, 0 failed, ${scenarios.reduce((sum, [, { cases }]) => sum + cases.length, 0)} skipped`);
		return 0;
	}
	await buildPeers();
	const byName = scenarios.filter(([file]) => file.includes(only));
	const bySentence = scenarios.filter(([, { cases }]) => cases.some(([sentence]) => sentence.includes(only)));
	const chosen = byName.length > 0 ? byName : bySentence;
	for (const [, scenario] of chosen) scenario.prepare?.();
	for (const [, scenario] of chosen) await runScenario(scenario, subject);
	console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
	return counts.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
