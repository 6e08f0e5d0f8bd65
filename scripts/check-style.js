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

/** modules/ runs on XS, from flash: no global of Node or the web, no import but its own files and "tailnet/host", nothing on the module's level that changes. */
function portable() {
	const problems = [];
	for (const name of readdirSync(join(root, "modules"), { recursive: true }).filter((file) => file.endsWith(".ts"))) {
		const text = readFileSync(join(root, "modules", name), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
		for (const match of text.matchAll(
			/\b(Buffer|process|setTimeout|setInterval|setImmediate|queueMicrotask|TextEncoder|TextDecoder|require|console|URL|fetch|crypto|performance)\b\s*[.(]/g,
		)) {
			if (!/[.\w#]$/.test(text.slice(0, match.index))) problems.push(`modules/${name}: ${match[0]}`);
		}
		for (const match of text.matchAll(/^(?:export )?(?:let|var) .*|^(?:export )?const \w+(?:: [^=]+)? = (?:\/|new (?:Map|Set|WeakMap|Date|RegExp)\b).*/gm))
			problems.push(`modules/${name}: does not last in flash: ${match[0]}`);
		for (const match of text.matchAll(/from "([^"]+)"|import\("([^"]+)"\)/g)) {
			const from = match[1] ?? match[2];
			if (from !== "tailnet/host" && !(from.startsWith(".") && from.endsWith(".js"))) problems.push(`modules/${name}: import of ${from}`);
		}
	}
	checks.push(["modules/ needs nothing but itself and tailnet/host", problems.join("\n")]);
}

program(join(root, "node_modules/.bin/biome"), ["check", "--max-diagnostics=40", "."]);
program(process.execPath, ["scripts/format-c.js"]);
portable();

for (const [name, problem] of checks) console.log(`${problem ? "not ok" : "ok"} - ${name}${problem ? `\n${problem}` : ""}`);
const failed = checks.filter(([, problem]) => problem).length;
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
