/**
 * The NAT laboratory: nodes of ours and stock nodes behind routers of every kind, in pairs, and networks that change under them.
 *
 *   node tests/nat/run.js [--only TEXT] [--list]
 *
 * --only takes the scenario files whose name contains TEXT, or if there is none, those with such a sentence. INTEROP_VERBOSE=1 shows all logs. Prints one
 * line a case and closes with "N passed, N failed, N skipped". Exit code: 0 all passed or the ring cannot run here (it says why), 1 a failure.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPeers } from "../interop/harness/peers.js";
import { haveOwnNode, missing } from "../interop/harness/requirements.js";
import { choose, list, Runner, readScenarios, skipAll } from "../interop/harness/scenarios.js";

async function main() {
	const { values } = parseArgs({ options: { only: { type: "string", default: "" }, list: { type: "boolean", default: false } } });
	const scenarios = await readScenarios(join(import.meta.dirname, "scenarios"));
	if (values.list) {
		list(scenarios);
		return 0;
	}
	const lines = missing("nat");
	if (lines.length === 0 && !haveOwnNode()) lines.push("the nat ring needs the command of our node: npm run build");
	if (lines.length > 0) {
		skipAll(scenarios, lines);
		return 0;
	}
	await buildPeers();
	const runner = new Runner();
	for (const [, scenario] of choose(scenarios, values.only)) await runner.run(scenario);
	return runner.close();
}

process.exitCode = await main();
