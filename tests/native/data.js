/* The headers that C tests are made with: vectors as C data (tn_vectors.h), and what the project's own modules make of them (from-modules.js). */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build, execute, list, modified, root, tests } from "./programs.js";
import { vectorsToC } from "./vectors-to-c.js";

/** One file of vectors as build/native/vectors_<name>.h, or in a folder of its own. */
export function writeVectorHeader(name, json, folder = build) {
	const header = join(folder, `vectors_${name.replaceAll("-", "_")}.h`);
	const made = `${header}.${process.pid}`;
	writeFileSync(made, vectorsToC(name, json));
	renameSync(made, header);
}

/** The committed vectors, where they are newer than their headers. */
export function writeVectors() {
	mkdirSync(build, { recursive: true });
	const generator = modified(join(tests, "vectors-to-c.js"));
	for (const source of list(join(root, "tests", "vectors"), /\.json$/)) {
		const name = basename(source, ".json");
		const header = join(build, `vectors_${name.replaceAll("-", "_")}.h`);
		if (modified(header) > Math.max(modified(source), generator)) continue;
		writeVectorHeader(name, JSON.parse(readFileSync(source, "utf8")));
	}
}

/** Data that the project's own modules make: see from-modules.js. */
export async function writeModuleData() {
	const script = join(tests, "from-modules.js");
	const sources = [
		script,
		join(root, "tests", "vectors", "filter.json"),
		...list(join(root, "tests", "xs"), /\.ts$/),
		...list(join(root, "modules", "netmap"), /\.ts$/),
	];
	if (modified(join(build, "json_cases.h")) > Math.max(...sources.map(modified))) return;
	const { ok, output } = await execute(process.execPath, [script]);
	if (!ok) console.log(output.trimEnd());
}
