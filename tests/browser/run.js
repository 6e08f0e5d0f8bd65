/**
 * The browser ring: the status page in a real Chromium, over a tailnet, through a stock peer.
 *
 *   node tests/browser/run.js [--only TEXT]
 *
 * Pictures of the page go to build/browser. Closes with "N passed, N failed, N skipped". Scenario files are what tests/interop/harness/scenarios.js runs.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPeers } from "../interop/harness/peers.js";
import { haveOwnNode, missing } from "../interop/harness/requirements.js";
import { choose, Runner, readScenarios, skipAll } from "../interop/harness/scenarios.js";
import { browserMissing } from "./harness/browser.js";

async function main() {
	const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
	const scenarios = await readScenarios(join(import.meta.dirname, "scenarios"));
	const lines = [...missing(), ...browserMissing()];
	if (lines.length === 0 && !haveOwnNode()) lines.push("the browser ring needs the command of our node: npm run build");
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
