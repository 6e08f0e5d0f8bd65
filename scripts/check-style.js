/** Lint and format of everything, and what modules/ may not contain. Each is one check. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.js";

const checks = [];

function program(name, parameters) {
	const result = spawnSync(name, parameters, { cwd: root, encoding: "utf8" });
	checks.push([`${name.split("/").at(-1)} ${parameters.join(" ")}`, result.status === 0 ? "" : `${result.stdout}${result.stderr}`.slice(0, 6000)]);
}

/**
 * A folder runs on XS, from flash: no global of Node or the web, no import but its own files and "tailnet/host", nothing on the module's level that changes.
 * @param {string[]} others that may be imported as well
 */
function portable(folder, except = "", others = []) {
	const problems = [];
	for (const name of readdirSync(join(root, folder), { recursive: true }).filter((file) => file.endsWith(".ts") && file !== except)) {
		const text = readFileSync(join(root, folder, name), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
		for (const match of text.matchAll(
			/\b(Buffer|process|setTimeout|setInterval|setImmediate|queueMicrotask|TextEncoder|TextDecoder|require|console|URL|fetch|crypto|performance)\b\s*[.(]/g,
		)) {
			if (!/[.\w#]$/.test(text.slice(0, match.index))) problems.push(`${folder}/${name}: ${match[0]}`);
		}
		for (const match of text.matchAll(/^(?:export )?(?:let|var) .*|^(?:export )?const \w+(?:: [^=]+)? = (?:\/|new (?:Map|Set|WeakMap|Date|RegExp)\b).*/gm))
			problems.push(`${folder}/${name}: does not last in flash: ${match[0]}`);
		for (const match of text.matchAll(/from "([^"]+)"|import\("([^"]+)"\)/g)) {
			const from = match[1] ?? match[2];
			if (from !== "tailnet/host" && !others.includes(from) && !(from.startsWith(".") && from.endsWith(".js")))
				problems.push(`${folder}/${name}: import of ${from}`);
		}
	}
	checks.push([`${folder}/ needs nothing but itself and ${["tailnet/host", ...others].join(", ")}`, problems.join("\n")]);
}

program(join(root, "node_modules/.bin/biome"), ["check", "--max-diagnostics=40", "."]);
program(process.execPath, ["scripts/format-c.js"]);
portable("modules");
// What it imports of the node are types; http.ts is for the SDK.
portable("status", "http.ts", ["tailnet"]);

for (const [name, problem] of checks) console.log(`${problem ? "not ok" : "ok"} - ${name}${problem ? `\n${problem}` : ""}`);
const failed = checks.filter(([, problem]) => problem).length;
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
