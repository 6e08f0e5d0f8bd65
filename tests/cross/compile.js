/*
 * Objects and programs of the cross ring, in build/cross/TARGET; rebuilt when a file they were made of is newer. Beside each object lies what the compiler
 * knows of its stack and calls (.ci).
 */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { execute, inParallel, isFresh, list, modified, native, root } from "../native/programs.js";
import { build, hostHeaders } from "./sources.js";
import { size } from "./targets.js";

const port = join(root, "tests", "cross", "port");
const strict = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wconversion"];
/* Time as POSIX has it is asked for in picolibc's headers. */
const posix = ["-D_POSIX_TIMERS", "-D_POSIX_THREAD_CPUTIME"];

/** How the pools are: of a device, which is what ships, or of a desktop, for tests that need such. */
export const profiles = { device: ["-DTN_DEVICE"], desktop: [] };

/** One more: flags by its name, which is also that of its folder. */
export function addProfile(name, flags) {
	profiles[name] = flags;
}

/**
 * Compiles one file.
 * @param folder of the object, whose name is made of the file's path below the folder `from`
 * @returns {object, ok}; what the compiler says is printed
 */
async function compile(target, source, from, folder, flags) {
	const name = relative(from, source).replaceAll("/", "_").replace(/\.c$/, "");
	const object = join(folder, `${name}.o`);
	if (isFresh(object, `${object}.d`)) return { object, ok: true };
	/* The compiler names the .ci after the object; both are made in a folder of this process, so that two runs at once do no harm. */
	const made = join(folder, `made.${process.pid}`, `${name}.o`);
	mkdirSync(dirname(made), { recursive: true });
	const { ok, output } = await execute(`${target.prefix}gcc`, [
		...target.flags,
		...flags,
		"-fcallgraph-info=su,da",
		"-MD",
		"-MF",
		`${made}.d`,
		"-MT",
		"object",
		"-c",
		source,
		"-o",
		made,
	]);
	if (output) console.log(output.split("\n", 30).join("\n").trimEnd());
	if (ok) {
		renameSync(`${made}.d`, `${object}.d`);
		renameSync(made.replace(/o$/, "ci"), object.replace(/o$/, "ci"));
		renameSync(made, object);
	}
	return { object, ok };
}

/** Compiles files, whose objects are named after their paths below `from`. @returns { ok, objects, rejected } */
export async function compileAll(target, sources, from, folder, flags) {
	mkdirSync(folder, { recursive: true });
	const made = await inParallel(sources, (source) => compile(target, source, from, folder, flags));
	rmSync(join(folder, `made.${process.pid}`), { recursive: true, force: true });
	return { ok: made.every(({ ok }) => ok), objects: made.map(({ object }) => object), rejected: sources.filter((_, i) => !made[i].ok) };
}

const included = (folders, how = "-isystem") => folders.flatMap((folder) => [how, folder]);

/** Flags for files that see the core's headers and lwIP's. */
const coreFlags = (sources, profile) => [
	...size,
	...profiles[profile],
	...posix,
	`-I${port}`,
	`-I${native}`,
	...included(sources ? [...sources.lwip.include, sources.sodium.include[1]] : hostHeaders()),
];

/** native/*.c, all warnings as errors. */
export const compileCore = (target, sources, profile = "device") =>
	compileAll(target, list(native, /^tn_.*\.c$/), native, join(build, target.name, profile, "core"), [...strict, ...coreFlags(sources, profile)]);

/** lwIP, as the options of the profile make it. */
export const compileLwip = (target, sources, profile = "device") =>
	compileAll(target, sources.lwip.files, join(build, "sources", "lwip"), join(build, target.name, profile, "lwip"), ["-w", ...coreFlags(sources, profile)]);

/** @param flags instead of -Os */
export const compileSodium = (target, sources, flags = size, folder = "sodium") =>
	compileAll(target, sources.sodium.files, join(build, "sources", "libsodium", "src", "libsodium"), join(build, target.name, folder), [
		"-w",
		...flags,
		...sources.sodium.flags,
		...included(sources.sodium.include, "-I"),
	]);

/** Programs of this ring's own, and tests/native/*.c. */
export const compilePrograms = (target, sources, files, profile) =>
	compileAll(target, files, root, join(build, target.name, profile, "programs"), [
		...strict,
		...coreFlags(sources, profile),
		"-g1",
		"-DTN_TEST_EMULATED",
		`-I${join(root, "tests", "native")}`,
		`-I${join(root, "build", "native")}`,
	]);

/** What a program on the emulated processor begins with. */
export const compileStart = (target, sources) =>
	compileAll(target, [join(port, "start.c")], port, join(build, target.name, "start"), [
		...strict,
		...coreFlags(sources, "device"),
		"-Wno-conversion",
		"-fno-builtin",
		"-fno-tree-loop-distribute-patterns",
	]);

export async function archive(target, name, objects) {
	const file = join(build, target.name, `${name}.a`);
	mkdirSync(dirname(file), { recursive: true });
	if (modified(file) > Math.max(...objects.map(modified))) return file;
	rmSync(file, { force: true });
	const { ok, output } = await execute(`${target.prefix}ar`, ["rcs", file, ...objects]);
	if (!ok) console.log(output);
	return file;
}

/** @returns the program; undefined after printing why not */
export async function link(target, start, objects, archives, folder = dirname(objects[0])) {
	const script = join(port, "program.ld");
	const program = join(folder, `${basename(objects[0], ".o")}.elf`);
	if (modified(program) > Math.max(...[start, script, ...objects, ...archives].map(modified))) return program;
	const parameters = [...target.flags, "-nostartfiles", "-T", script, "-Wl,--gc-sections", start, ...objects, ...archives, "-o", program];
	const { ok, output } = await execute(`${target.prefix}gcc`, parameters);
	if (ok) return program;
	console.log(`${output.trimEnd()}\n# ${basename(objects[0])} does not link`);
	return undefined;
}
