/** The unit tests under Node (jest), with a closing line like every ring. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.js";

const report = join(root, "build", "jest.json");
mkdirSync(join(root, "build"), { recursive: true });
rmSync(report, { force: true });
spawnSync(
	process.execPath,
	["--experimental-vm-modules", "--no-warnings", join(root, "node_modules/jest/bin/jest.js"), "--json", `--outputFile=${report}`, ...process.argv.slice(2)],
	{
		cwd: root,
		stdio: ["ignore", "ignore", "inherit"],
	},
);
const result = JSON.parse(readFileSync(report, "utf8"));
for (const file of result.testResults) {
	if (file.status === "failed" && file.assertionResults.length === 0) console.log(`not ok - ${file.name}: ${file.message}`);
	for (const entry of file.assertionResults) if (entry.status === "failed") console.log(`not ok - ${entry.fullName}\n${entry.failureMessages.join("\n")}`);
}
const broken = result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
console.log(`${result.numPassedTests} passed, ${result.numFailedTests + broken} failed, ${result.numPendingTests + result.numTodoTests} skipped`);
