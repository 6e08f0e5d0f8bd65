/*
 * What of libsodium a program takes with it that uses the core: only that is flash which is added.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { execute } from "../native/programs.js";
import { archive } from "./compile.js";
import { sizesOf, sumOf } from "./sizes.js";
import { build } from "./sources.js";

function names(target, files, pattern) {
	const text = spawnSync(`${target.prefix}nm`, ["-g", ...files], { encoding: "utf8", maxBuffer: 1 << 26 }).stdout;
	return new Set([...text.matchAll(pattern)].map((match) => match[1]));
}

/**
 * Links what the users need of a library into one object, without what nothing in it leads to.
 * @param users objects
 * @param objects of the library
 * @returns bytes of code and constants; undefined after printing why not
 */
export async function linkedBytes(target, users, name, objects) {
	const library = await archive(target, `${name}-linked`, objects);
	const defined = names(target, objects, / [TDRBVW] (\S+)$/gm);
	const wanted = [...names(target, users, / U (\S+)$/gm)].filter((symbol) => defined.has(symbol));
	const out = join(build, target.name, `${name}-linked.o`);
	const { ok, output } = await execute(`${target.prefix}ld`, [
		...(target.emulation ? ["-m", target.emulation] : []),
		"-r",
		"--gc-sections",
		...wanted.flatMap((symbol) => ["-u", symbol]),
		library,
		"-o",
		out,
	]);
	if (!ok) {
		console.log(output);
		return undefined;
	}
	const { text, rodata, data } = sumOf(sizesOf(target, [out]));
	return text + rodata + data;
}
