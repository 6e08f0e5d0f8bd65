/** Formats the C files (`node scripts/format-c.js --write`), or says which are not formatted. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.js";

const files = ["native", "hosts", "tests/native", "tests/cross", "tests/device", "tests/moddable", "bench"]
	.flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
	.filter((name) => /\.[ch]$/.test(name));
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "-Werror"];
const result = spawnSync("clang-format", [...mode, ...files], { cwd: root, encoding: "utf8" });
if (result.error) {
	console.log("format: clang-format is not installed");
	process.exit(2);
}
if (result.status !== 0) console.log(result.stderr.slice(0, 4000));
process.exit(result.status === 0 ? 0 : 1);
