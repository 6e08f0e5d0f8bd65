/** Type checks: modules/ alone, with the host of Node, with the tests, with the host of XS, and the examples. Each configuration is one check. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./prepare.js";

let passed = 0;
let failed = 0;
for (const configuration of ["tsconfig.json", "tsconfig.node.json", "tsconfig.tests.json", "tsconfig.xs.json", "tsconfig.examples.json"]) {
	const result = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", configuration, "--noEmit"], { cwd: root, encoding: "utf8" });
	if (result.status === 0) passed += 1;
	else failed += 1;
	console.log(`${result.status === 0 ? "ok" : "not ok"} - ${configuration}\n${result.stdout.slice(0, 6000)}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
