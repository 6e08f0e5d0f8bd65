/*
 * The native core compiled for a device: bytes of every file, the deepest stack of every thread, what it asks of its host.
 */
import { spawnSync } from "node:child_process";
import { compileCore, compileLwip, compileSodium } from "./compile.js";
import { compareFigures } from "./expected.js";
import { check, skip, table } from "./report.js";
import { sizesOf, sumOf } from "./sizes.js";
import { Stacks } from "./stacks.js";
import { compilerVersion } from "./targets.js";
import { declared, pointers, threads } from "./threads.js";

/** Names that objects use and none of them defines. */
function undefinedNames(target, objects) {
	const text = spawnSync(`${target.prefix}nm`, ["-g", ...objects], { encoding: "utf8", maxBuffer: 1 << 26 }).stdout;
	return new Set([...text.matchAll(/ U (\S+)$/gm)].map((match) => match[1]));
}

function printSizes(target, sizes) {
	console.log(`\nBytes of the native core, ${target.name} (${target.what}), -Os:`);
	const row = ({ name, text, rodata, data, bss }) => [name, text, rodata, data, bss];
	table(["file", ".text", ".rodata", ".data", ".bss"], [...sizes.map(row), row({ name: "sum", ...sumOf(sizes) })]);
}

/** @returns thread -> [{ entry, bytes, path }], deepest first */
function depthsOf(stacks) {
	const depths = new Map();
	for (const thread of threads) {
		const entries = thread.entries.flatMap((entry) => (entry instanceof RegExp ? stacks.matching(entry) : [entry]));
		const found = entries.map((entry) => ({ entry, ...stacks.deepest(entry) }));
		depths.set(
			thread,
			found.sort((a, b) => b.bytes - a.bytes),
		);
	}
	return depths;
}

function checkStacks(target, files, isWhole) {
	const stacks = new Stacks(files, pointers, declared);
	const depths = depthsOf(stacks);
	console.log(`\nDeepest stack below each entry, ${target.name}${isWhole ? "" : ", without what lwIP and libsodium need (no sources)"}:`);
	const limitOf = ({ limit }) => limit[target.name] ?? limit;
	const rows = [];
	for (const [thread, entries] of depths) for (const { entry, bytes } of entries) rows.push([thread.name, entry, bytes, limitOf(thread)]);
	table(["thread", "entry", "bytes", "limit"], rows);
	for (const [thread, [deepest]] of depths) {
		console.log(`  ${thread.name}: ${deepest.path.map(([name, bytes]) => `${name} ${bytes}`).join(" > ")}`);
		const limit = limitOf(thread);
		const problem = deepest.bytes > limit ? `${deepest.entry} needs ${deepest.bytes}; no more than ${limit}, because ${thread.why}` : "";
		check(`${target.name}: stack, ${thread.name}: at most ${limit} bytes`, problem);
	}
	const unknown = isWhole ? [...stacks.unknown] : [...stacks.unknown].filter((name) => name.startsWith("tn_"));
	check(`${target.name}: every call through a pointer is declared`, [...stacks.unresolved].join("\n"));
	check(`${target.name}: every function that is called is known`, unknown.join("\n"));
	const ciphers = threads
		.filter(({ isOfLwip }) => isOfLwip)
		.flatMap(({ entries }) => entries.flatMap((entry) => [...stacks.reachable(entry)].filter((name) => /crypto_|tn_aead|tn_x25519/.test(name))));
	check(`${target.name}: no cipher and no curve on lwIP's thread`, [...new Set(ciphers)].join("\n"));
	check(`${target.name}: no recursion`, [...stacks.recursive].join("\n"));
	check(`${target.name}: no frame whose size depends on data`, [...stacks.unbounded].join("\n"));
	return depths;
}

/** Flash and RAM of the core, for expected.json. */
export const coreFigures = (sum) => ({ flash: sum.text + sum.rodata + sum.data, ram: sum.data + sum.bss });

/** @returns { core, lwip, sodium } objects, undefined when the core does not compile */
export async function checkNative(target, sources) {
	const core = await compileCore(target, sources);
	check(`${target.name}: native/*.c compiles without a warning`, core.rejected.join("\n"));
	if (!core.ok) return undefined;
	const sizes = sizesOf(target, core.objects);
	printSizes(target, sizes);
	const lwip = sources ? await compileLwip(target, sources) : { ok: true, objects: [] };
	const sodium = sources ? await compileSodium(target, sources) : { ok: true, objects: [] };
	if (!lwip.ok || !sodium.ok) check(`${target.name}: lwIP and libsodium compile`, "see above");
	const files = [...core.objects, ...lwip.objects, ...sodium.objects].map((object) => object.replace(/o$/, "ci"));
	checkStacks(target, files, sources !== undefined);

	const atomics = [...undefinedNames(target, core.objects)].filter((name) => name.startsWith("__atomic_"));
	console.log(`  asked of the host: ${atomics.join(", ")}`);
	check(`${target.name}: no atomics but of 32 bits, which ESP-IDF has for every chip`, atomics.filter((name) => !name.endsWith("_4")).join("\n"));

	const sum = sumOf(sizes);
	const compared = compareFigures(`native ${target.name}`, compilerVersion(target), coreFigures(sum));
	if (compared.skipped) skip(`${target.name}: flash and RAM are as expected`, compared.skipped);
	else check(`${target.name}: flash (${sum.text + sum.rodata + sum.data}) and RAM (${sum.data + sum.bss}) are as expected`, compared.problems.join("\n"));
	return { core: core.objects, lwip: lwip.objects, sodium: sodium.objects };
}
