/**
 * The TypeScript of the documents as programs: checked by the compiler, and run in Node on a lab with a peer called laptop. A snippet of api.md goes on from that page's first one, the
 * others stand alone. What it has to print stands here, by page and heading.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { root, run } from "../../scripts/prepare.js";
import { blocksOf, documents } from "./documents.js";
import { existingSDK, sdkModules } from "./sdk.js";

const api = "documentation/api.md";
const expected = {
	[api]: {
		"API reference": /^running/m,
		"State, health and self": /^greenhouse-1\S* 100\.64\.\d+\.\d+ \S+, relay lab901\nkey expires \S+\nsockets \d+ of \d+/m,
		peers: /^laptop\.\S+ 100\.64\./m,
		"whois(address)": /^laptop\.\S+ may look$/m,
		"ping(peer, options)": /^laptop: [\d.]+ ms via \S+/m,
		"resolve(name)": /^laptop: 100\.64\.\d+\.\d+$/m,
		"netcheck()": /^UDP true, 127\.0\.0\.1:\d+, 1 regions/m,
		"rebind()": /^(running|connecting|degraded)$/m,
		"suspend()": /^239 bytes for RTC memory\n[\s\S]*^1 session goes on$/m,
		"logout() and close()": /^logged out/m,
		"Tailnet.reset(store)": /^the next start is a new machine/m,
		"class TCP": /^100\.64\.\d+\.\d+ sent 104 105$/m,
		"class UDP": /^3 bytes from 100\.64\.\d+\.\d+:7$/m,
		"class Listener": /^port 7777\n[\s\S]*^100\.64\.\d+\.\d+ is here$/m,
		"class Resolver": /^laptop is 100\.64\./m,
		"The SDK's classes": /^200\n[\s\S]*^done$/m,
		Errors: /^argument: hostname/m,
	},
	"README.md": { tailnet: /^laptop answers after [\d.]+ ms by \S+\n[\s\S]*^200$/m },
	"documentation/getting-started.md": {
		"A node on your tailnet, in Node": /^greenhouse-1\S* 100\.64\.[\s\S]*^laptop\.\S+ 100\.64\./m,
		"An app of your own": /^running/m,
	},
};
const limitMS = 20_000;
const folder = join(root, "build", "documentation");

/** @returns [{ document, heading, source, file, expected }]: a program each. Imports go to the top */
export function writePrograms() {
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(folder, { recursive: true });
	const snippets = documents.flatMap((document) =>
		blocksOf(document)
			.filter(({ language }) => language === "ts")
			.map(({ heading, lines }) => ({ document, heading, lines, source: lines.join("\n"), expected: expected[document]?.[heading] })),
	);
	const first = snippets.find(({ document }) => document === api);
	for (const [i, snippet] of snippets.entries()) {
		snippet.file = join(folder, `${i}.ts`);
		const lines = snippet.document === api && snippet !== first ? [...first.lines, ...snippet.lines] : snippet.lines;
		const imports = lines.filter((line) => line.startsWith("import "));
		const others = lines.filter((line) => !line.startsWith("import "));
		const console = snippet.source.includes("console.") ? ["declare const console: { log(...values: unknown[]): void };"] : [];
		writeFileSync(snippet.file, [...imports, ...console, ...others, "export {};", ""].join("\n"));
	}
	const configuration = JSON.parse(readFileSync(join(root, "tsconfig.examples.json"), "utf8"));
	configuration.extends = "../../tsconfig.xs.json";
	Object.assign(configuration.compilerOptions, { rootDir: "../..", noUnusedLocals: false });
	for (const paths of Object.values(configuration.compilerOptions.paths)) for (const [i, path] of paths.entries()) paths[i] = `../../${path}`;
	configuration.include = ["*.ts", "../../examples/typings/**/*.d.ts"];
	writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(configuration));
	return snippets;
}

/** @returns what the compiler says of them, "" = nothing */
export function checkTypes() {
	try {
		run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(folder, "tsconfig.json"), "--noEmit"]);
		return "";
	} catch (error) {
		return error.message;
	}
}

/** Why a snippet cannot be run on this machine, "" = it can. */
export const missingFor = ({ source }) => (source.includes("embedded:") && !existingSDK() ? "a Moddable SDK is not there" : "");

/** A program for Node, with Tailnet on the lab, and what it prints to where this program takes it from. */
async function bundle(file) {
	const outfile = file.replace(/ts$/, "mjs");
	await build({
		entryPoints: [file],
		outfile,
		bundle: true,
		format: "esm",
		platform: "node",
		logLevel: "error",
		define: { "console.log": "traceLine" },
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

/** Runs one until it has printed what it should. @returns what is wrong, "" = nothing */
export async function runSnippet({ heading, file, expected: text }, lab) {
	let printed = "";
	globalThis.trace = (line) => {
		printed += line;
	};
	globalThis.traceLine = (...values) => globalThis.trace(`${values.join(" ")}\n`);
	try {
		await import(pathToFileURL(await bundle(file)).href);
		for (const end = Date.now() + limitMS; !text.test(printed) && Date.now() < end; ) {
			if (heading === "class Listener") lab.visit(7777);
			await sleep(50);
		}
		return text.test(printed) ? "" : `it printed:\n${printed}`;
	} catch (error) {
		return error.stack;
	} finally {
		lab.closeNodes();
	}
}
