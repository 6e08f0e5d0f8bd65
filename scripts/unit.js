/** The unit tests under Node (jest), with a closing line like every ring. Jest that does not end after its report (a test left something open) is a failure. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.js";

const graceMS = 10_000;

const report = join(root, "build", "jest.json");
mkdirSync(join(root, "build"), { recursive: true });
rmSync(report, { force: true });

/** @returns whether jest ended by itself */
function runJest() {
	return new Promise((resolve) => {
		const child = spawn(
			process.execPath,
			["--experimental-vm-modules", "--no-warnings", join(root, "node_modules/jest/bin/jest.js"), "--json", `--outputFile=${report}`, ...process.argv.slice(2)],
			{ cwd: root, stdio: ["ignore", "ignore", "inherit"] },
		);
		let reportedAt = 0;
		const watch = setInterval(() => {
			if (!existsSync(report)) return;
			reportedAt ||= Date.now();
			if (Date.now() - reportedAt > graceMS) child.kill("SIGKILL");
		}, 500);
		child.on("close", (_code, signal) => {
			clearInterval(watch);
			resolve(signal !== "SIGKILL");
		});
	});
}

const isEnded = await runJest();
const result = JSON.parse(readFileSync(report, "utf8"));
for (const file of result.testResults) {
	if (file.status === "failed" && file.assertionResults.length === 0) console.log(`not ok - ${file.name}: ${file.message}`);
	for (const entry of file.assertionResults) if (entry.status === "failed") console.log(`not ok - ${entry.fullName}\n${entry.failureMessages.join("\n")}`);
}
if (!isEnded) console.log(`not ok - jest did not end within ${graceMS / 1000} s after its report: a test left something open`);
const broken = result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length + (isEnded ? 0 : 1);
console.log(`${result.numPassedTests} passed, ${result.numFailedTests + broken} failed, ${result.numPendingTests + result.numTodoTests} skipped`);
