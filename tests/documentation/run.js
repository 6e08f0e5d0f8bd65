/**
 * The snippets of documentation/api.md: each is checked by the compiler and run in Node, on a lab with a peer called laptop. A snippet goes on from the first one; what it has to trace
 * stands here, by its heading.
 *
 *   node tests/documentation/run.js
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { prepare, root, run } from "../../scripts/prepare.js";
import { existingSDK, sdkModules } from "./sdk.js";

const expected = {
	"API reference": /^running/m,
	"State, health and self": /^greenhouse-1\S* 100\.64\.\d+\.\d+ \S+, relay lab901\nkey expires \S+\nsockets \d+ of \d+/m,
	peers: /^laptop\.\S+ 100\.64\./m,
	"ping(peer, options)": /^laptop: [\d.]+ ms via \S+/m,
	"resolve(name)": /^laptop: 100\.64\.\d+\.\d+$/m,
	"netcheck()": /^UDP true, 127\.0\.0\.1:\d+, 1 regions/m,
	"rebind()": /^(running|connecting|degraded)$/m,
	"suspend()": /^239 bytes for RTC memory\n[\s\S]*^1 session goes on$/m,
	"logout() and close()": /^logged out/m,
	"class TCP": /^100\.64\.\d+\.\d+ sent 104 105$/m,
	"class UDP": /^3 bytes from 100\.64\.\d+\.\d+:7$/m,
	"class Listener": /^port 7777\n[\s\S]*^100\.64\.\d+\.\d+ is here$/m,
	"class Resolver": /^laptop is 100\.64\./m,
	"The SDK's classes": /^200\n[\s\S]*^done$/m,
	Errors: /^argument: hostname/m,
};
const limitMS = 20_000;
const folder = join(root, "build", "documentation");

let passed = 0;
let failed = 0;
let skipped = 0;
function check(name, problem) {
	if (problem) failed += 1;
	else passed += 1;
	console.log(problem ? `not ok - ${name}\n# ${String(problem).split("\n").join("\n# ")}` : `ok - ${name}`);
}

/** @returns [{ heading, source }] */
function snippetsOf(file) {
	const snippets = [];
	let heading = "";
	let code;
	for (const line of readFileSync(file, "utf8").split("\n")) {
		if (code === undefined) heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
		if (line === "```ts") code = [];
		else if (line === "```" && code) {
			snippets.push({ heading, source: `${code.join("\n")}\n` });
			code = undefined;
		} else code?.push(line);
	}
	return snippets;
}

/** Writes a program for each snippet: the first, then it. Imports of both go to the top. */
function writePrograms(snippets) {
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(folder, { recursive: true });
	const [{ source: first }] = snippets;
	for (const [i, snippet] of snippets.entries()) {
		snippet.file = join(folder, `${i}.ts`);
		const lines = (i === 0 ? first : `${first}\n${snippet.source}`).split("\n");
		const imports = lines.filter((line) => line.startsWith("import "));
		writeFileSync(snippet.file, [...imports, ...lines.filter((line) => !line.startsWith("import ")), "export {};", ""].join("\n"));
	}
	const configuration = JSON.parse(readFileSync(join(root, "tsconfig.examples.json"), "utf8"));
	configuration.extends = "../../tsconfig.xs.json";
	Object.assign(configuration.compilerOptions, { rootDir: "../..", noUnusedLocals: false });
	for (const paths of Object.values(configuration.compilerOptions.paths)) for (const [i, path] of paths.entries()) paths[i] = `../../${path}`;
	configuration.include = ["*.ts", "../../examples/typings/**/*.d.ts"];
	writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(configuration));
}

function checkTypes() {
	try {
		run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(folder, "tsconfig.json"), "--noEmit"]);
		return "";
	} catch (error) {
		return error.message;
	}
}

/** A program for Node, with Tailnet on the lab. */
async function bundle(file) {
	const outfile = file.replace(/ts$/, "mjs");
	await build({
		entryPoints: [file],
		outfile,
		bundle: true,
		format: "esm",
		platform: "node",
		logLevel: "error",
		plugins: [
			{
				name: "places",
				setup({ onResolve }) {
					onResolve({ filter: /^tailnet$/ }, () => ({ path: pathToFileURL(join(import.meta.dirname, "on-lab.js")).href, external: true }));
					onResolve({ filter: /.*/ }, ({ path }) => (Object.hasOwn(sdkModules, path) ? { path: sdkModules[path] } : undefined));
				},
			},
		],
	});
	return outfile;
}

const snippets = snippetsOf(join(root, "documentation", "api.md"));
writePrograms(snippets);
check(`the ${snippets.length} snippets of documentation/api.md are right in their types`, checkTypes());
check(
	"each heading of a snippet has something that it is to trace",
	snippets
		.filter(({ heading }) => !expected[heading])
		.map(({ heading }) => heading)
		.join("\n"),
);

if (!(await prepare())) process.exit(1);
await import("../../examples/node/globals.js");
const { openLab } = await import("./on-lab.js");
const lab = await openLab();
try {
	for (const { heading, file, source } of snippets) {
		const name = `"${heading}" does what it says`;
		if (source.includes("embedded:") && !existingSDK()) {
			skipped += 1;
			console.log(`SKIPPED: ${name}: a Moddable SDK is not there`);
			continue;
		}
		let text = "";
		globalThis.trace = (line) => {
			text += line;
		};
		try {
			await import(pathToFileURL(await bundle(file)).href);
			for (const end = Date.now() + limitMS; !expected[heading]?.test(text) && Date.now() < end; ) {
				if (heading === "class Listener") lab.visit(7777);
				await sleep(50);
			}
			check(name, expected[heading]?.test(text) ? "" : `it traced:\n${text}`);
		} catch (error) {
			check(name, error.stack);
		}
		lab.closeNodes();
	}
} finally {
	await lab.close();
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed ? 1 : 0);
