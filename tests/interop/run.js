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
 * Scenario files are what harness/scenarios.js runs; `prepare` of one is what goes on beside the scenarios before it. `own` marks a case that only our node
 * can pass, `simulator` one for the simulator alone.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPeers } from "./harness/peers.js";
import { haveOwnNode, missing } from "./harness/requirements.js";
import { choose, list, Runner, readScenarios, skipAll } from "./harness/scenarios.js";
import { SimulatorNode } from "./harness/subject.js";
import { selection } from "./simulator.js";

const folder = join(import.meta.dirname, "scenarios");
/** Scenarios for the simulator alone. */
const simulatorFolder = join(import.meta.dirname, "../moddable/scenarios");

/** Slots of the stack that an app gives its engine on a board. */
const boardSlots = JSON.parse(readFileSync(join(import.meta.dirname, "../../examples/esp32.json"), "utf8")).platforms.esp32.creation.stack;

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
	const scenarios = (await readScenarios(folder, ...(subject === "simulator" ? [simulatorFolder] : [])))
		.map(([file, scenario]) => [file, { ...scenario, cases: scenario.cases.filter((entry) => isFor(subject, file, entry)) }])
		.filter(([, { cases }]) => cases.length > 0);
	if (values.list) {
		list(scenarios);
		return 0;
	}
	const lines = missing();
	if (lines.length === 0 && subject === "own" && !haveOwnNode()) lines.push("the interop ring needs the command of our node: npm run build");
	if (lines.length > 0) {
		skipAll(scenarios, lines);
		return 0;
	}
	await buildPeers();
	const chosen = choose(scenarios, only);
	for (const [, scenario] of chosen) scenario.prepare?.();
	const runner = new Runner();
	for (const [, scenario] of chosen) {
		await runner.run(scenario, subject);
		const slots = SimulatorNode.deepest();
		if (slots > 0) runner.judge(`in all of this JavaScript goes at most ${boardSlots} slots deep (${slots})`, slots <= boardSlots);
	}
	return runner.close();
}

process.exit(await main());
