/**
 * The Moddable ring: an app of the SDK in its simulator takes the place of our node in the interop scenarios, and lives through what only it can.
 *
 *   node tests/moddable/run.js [--only TEXT]
 *
 * Builds the app, then runs tests/interop/run.js --subject simulator, which closes with "N passed, N failed, N skipped".
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { prepare, root } from "../../scripts/prepare.js";
import { build, missing } from "./harness/sdk.js";

const why = missing();
if (why) {
	console.log(`skipped: the Moddable ring needs ${why}`);
	console.log("0 passed, 0 failed, 1 skipped");
	process.exit(0);
}
try {
	if (!(await prepare())) throw new Error("the node of the command, which runs an example as well, cannot be built");
	await build(join(import.meta.dirname, "subject"));
} catch (error) {
	console.log(`not ok - the app is built for the simulator\n${error.message}`);
	console.log("0 passed, 1 failed");
	process.exit(1);
}
console.log("ok - the app is built for the simulator");
const scenarios = spawn(process.execPath, [join(root, "tests/interop/run.js"), "--subject", "simulator", ...process.argv.slice(2)], { stdio: "inherit" });
scenarios.on("close", (code) => process.exit(code ?? 1));
