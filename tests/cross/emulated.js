/*
 * The unit tests of the native core on an emulated rv32imc (QEMU's user mode, a core without atomics and floating point), built from the objects that are measured
 * in native.js: with a device's pools, and those files that have tests for a desktop's pools also with those. A plugin of QEMU (watch.c) reports every load and
 * store that is not aligned.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { writeModuleData, writeVectors } from "../native/data.js";
import { execute, inParallel, list, modified, root } from "../native/programs.js";
import { archive, compileCore, compileLwip, compilePrograms, compileSodium, compileStart, link } from "./compile.js";
import { add, check } from "./report.js";
import { build } from "./sources.js";
import { emulator, emulatorFlags } from "./targets.js";

const tests = join(root, "tests", "native");
/** Tests of a host, which is an operating system's, and one that takes the place of a shared lwIP's memory. */
const ofSystems = ["test_allocations.c", "test_desktop.c", "test_desktop_outside.c"];
/** Tests whose conversations need larger rings than a device has: with a desktop's pools only. */
const ofWideRings = ["test_recovery.c"];

/** The plugin. @returns its file, undefined after printing why not */
export async function buildWatch() {
	const source = join(root, "tests", "cross", "watch.c");
	const file = join(build, "watch.so");
	if (modified(file) > modified(source)) return file;
	const { ok, output } = await execute("gcc", ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", source, "-o", file]);
	if (ok) return file;
	console.log(output);
	return undefined;
}

/** Everything that programs of a profile are linked with. @returns { start, archives }, undefined after printing why not */
export async function buildParts(target, sources, profile) {
	const core = await compileCore(target, sources, profile);
	const lwip = await compileLwip(target, sources, profile);
	const sodium = await compileSodium(target, sources);
	const start = await compileStart(target, sources);
	if (!core.ok || !lwip.ok || !sodium.ok || !start.ok) return undefined;
	return {
		start: start.objects[0],
		archives: [
			await archive(target, `${profile}/core`, core.objects),
			await archive(target, `${profile}/lwip`, lwip.objects),
			await archive(target, "sodium", sodium.objects),
		],
	};
}

/** Compiles and links files of this repository. @returns programs in their order, undefined where it failed */
export async function buildPrograms(target, sources, files, profile) {
	const parts = await buildParts(target, sources, profile);
	if (!parts) return files.map(() => undefined);
	const made = await compilePrograms(target, sources, files, profile);
	return inParallel(files, async (file) =>
		made.rejected.includes(file) ? undefined : link(target, parts.start, [made.objects[files.indexOf(file)]], parts.archives),
	);
}

/** @returns { ok, output, unaligned: lines } */
async function emulate(program, plugin) {
	const seen = `${program}.seen`;
	const { ok, output } = await execute(emulator, [...emulatorFlags, "-plugin", `${plugin},out=${seen}`, program]);
	const lines = existsSync(seen) ? readFileSync(seen, "utf8").split("\n") : [];
	return { ok, output, unaligned: lines.filter((line) => line.startsWith("unaligned ")) };
}

/** Builds and runs tests with the pools of a profile. @param what in words */
export async function runProfile(target, sources, files, profile, plugin, what = `with a ${profile}'s pools`) {
	const programs = await buildPrograms(target, sources, files, profile);
	const results = await inParallel(programs, (program) => (program ? emulate(program, plugin) : { ok: false, output: "", unaligned: [] }));
	const unaligned = [];
	for (const [i, { ok, output, unaligned: found }] of results.entries()) {
		const name = basename(files[i]);
		const sum = /^(\d+) passed, (\d+) failed$/m.exec(output);
		console.log(`# ${name}, ${what}: ${sum ? sum[0] : "no closing line"}`);
		for (const line of output.split("\n")) if (/^not ok|^# .*:\d+: /.test(line)) console.log(line);
		if (sum) add({ passed: Number(sum[1]), failed: Number(sum[2]) });
		if (!sum || (!ok && Number(sum[2]) === 0)) check(`${name} runs to its end ${what}`, output.slice(-2000) || "it was not built");
		unaligned.push(...found.map((line) => `${name}: ${line}`));
	}
	check(`no load or store of an address that is no multiple of its size, ${what}`, [...new Set(unaligned)].join("\n"));
}

export async function checkEmulated(target, sources) {
	writeVectors();
	await writeModuleData();
	const plugin = await buildWatch();
	check("the plugin of QEMU builds", plugin ? "" : "see above");
	if (!plugin) return;
	const files = list(tests, /^test_.*\.c$/).filter((file) => !ofSystems.includes(basename(file)));
	console.log(`\nThe core's unit tests on an emulated ${target.name}, -Os (left out: ${ofSystems.join(", ")}):`);
	const narrow = files.filter((file) => !ofWideRings.includes(basename(file)));
	await runProfile(target, sources, narrow, "device", plugin);
	const wide = files.filter((file) => !narrow.includes(file) || readFileSync(file, "utf8").includes("TN_TEST_DESKTOP("));
	await runProfile(target, sources, wide, "desktop", plugin);
}
