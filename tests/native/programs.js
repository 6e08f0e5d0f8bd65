/*
 * Makes programs of the native core: a test, fuzzer or bench and what it needs of native/.
 *
 * All of native/*.c goes into one archive, from which each program takes what it needs: a test that includes a .c file itself
 * (to reach statics, or with another define) replaces that member. A native file that does not compile is reported and left out,
 * so that it fails only the programs that need it. Objects are kept in build/native and rebuilt when a file they were made of is
 * newer; they are renamed into place, so that two runs at once do no harm.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { has } from "../../scripts/prepare.js";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const tests = join(root, "tests", "native");
export const native = join(root, "native");
export const build = join(root, "build", "native");
const parallel = 2;

const warnings = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wconversion"];
const includes = [
	`-I${native}`,
	...["hosts", "hosts/desktop", "hosts/posix"].map((folder) => `-I${join(root, folder)}`),
	`-I${tests}`,
	`-I${build}`,
	"-isystem",
	"/usr/include/lwip",
];
const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];
const counted = ["-fprofile-instr-generate", "-fcoverage-mapping"];
const libraries = ["-Wl,--as-needed", "-lsodium", "-llwip", "-lm", "-lpthread"];

/** Whichever there is. */
const anyCompiler = ["gcc", "cc", "clang"].find(has) ?? "cc";

const variants = {
	test: { compiler: "clang", flags: ["-g", "-O1", ...sanitizers], link: sanitizers },
	/* The profile of a microcontroller, and the subnet routes that it may have; the rings of its streams are those that the lwIP of the system, built for windows of 64 KB, asks for. */
	device: {
		compiler: "clang",
		flags: ["-g", "-O1", "-DTN_DEVICE", "-DTN_SUBNET=1", "-DTN_STREAM_SEND=65536", "-DTN_STREAM_RECEIVE=65536", ...sanitizers],
		link: sanitizers,
	},
	fuzz: { compiler: "clang", flags: ["-g", "-O1", "-fsanitize=fuzzer-no-link", ...sanitizers], link: ["-fsanitize=fuzzer", ...sanitizers] },
	coverage: { compiler: "clang", flags: ["-O1", ...counted], link: counted },
	"coverage-fuzz": { compiler: "clang", flags: ["-O1", "-fsanitize=fuzzer-no-link", ...counted], link: ["-fsanitize=fuzzer", ...counted] },
	bench: { compiler: "gcc", flags: ["-O3"], link: [] },
	/* Not for speed: what a compiler makes of a comparison differs with what it is asked for. */
	"secrets-gcc": { compiler: "gcc", flags: ["-g", "-O2"], link: [] },
	"secrets-small": { compiler: "gcc", flags: ["-g", "-Os", "-DTN_DEVICE", "-DTN_STREAM_SEND=65536", "-DTN_STREAM_RECEIVE=65536"], link: [] },
	"secrets-clang": { compiler: "clang", flags: ["-gdwarf-4", "-O3"], link: [] },
	vectors: { compiler: anyCompiler, flags: ["-O1", "-Wno-unused-function", "-Wno-unused-variable", "-Wno-type-limits"], link: [] },
	"check-gcc": { compiler: "gcc", flags: ["-O2"] },
	"check-clang": { compiler: "clang", flags: ["-O2"] },
	"check-device": { compiler: "gcc", flags: ["-Os", "-DTN_DEVICE", "-DTN_STREAM_SEND=65536", "-DTN_STREAM_RECEIVE=65536"] },
};

/** Files of a folder, sorted. */
export const list = (folder, pattern) =>
	readdirSync(folder)
		.filter((name) => pattern.test(name))
		.sort()
		.map((name) => join(folder, name));

/** Those sources whose name contains one of names; all when there is none. */
export const chosen = (sources, names) => sources.filter((source) => !names.length || names.some((name) => basename(source).includes(name)));

/** When a file was changed, 0 if it is not there. */
export const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

/** Runs a program to its end. */
export function execute(command, args) {
	return new Promise((resolve) => {
		execFile(command, args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
			resolve({ ok: !error, output: `${stdout}${stderr}` });
		});
	});
}

/** Runs `work` over the items, `parallel` at a time, and gives the results in order. */
export async function inParallel(items, work) {
	const results = new Array(items.length);
	let next = 0;
	const lane = async () => {
		while (next < items.length) {
			const i = next++;
			results[i] = await work(items[i]);
		}
	};
	await Promise.all(Array.from({ length: parallel }, lane));
	return results;
}

export function isFresh(object, dependencies) {
	const made = modified(object);
	if (!made || !existsSync(dependencies)) return false;
	const files = readFileSync(dependencies, "utf8")
		.replace(/^[^:]*:/, "")
		.replaceAll("\\\n", " ")
		.trim()
		.split(/\s+/);
	return files.every((file) => existsSync(join(file)) && modified(file) < made) && modified(fileURLToPath(import.meta.url)) < made;
}

/**
 * Compiles one file unless its object is fresh.
 * @param own of a program of its own kind: the folder of its objects, and flags that come before all others
 * @returns the object's path, or undefined after printing why not
 */
export async function compile(source, variantName, own = { folder: join(build, variantName), flags: [] }) {
	const variant = variants[variantName];
	const { folder } = own;
	mkdirSync(folder, { recursive: true });
	const object = join(folder, `${basename(source, ".c")}.o`);
	const dependencies = `${object}.d`;
	if (isFresh(object, dependencies)) return object;
	const made = `${object}.${process.pid}`;
	const { ok, output } = await execute(variant.compiler, [
		...own.flags,
		...warnings,
		...variant.flags,
		...includes,
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
	if (output) console.log(output.split("\n", 40).join("\n").trimEnd());
	if (!ok) {
		console.log(`# ${variant.compiler} rejects ${basename(source)}`);
		return undefined;
	}
	renameSync(`${made}.d`, dependencies);
	renameSync(made, object);
	return object;
}

/**
 * Builds the archive of native/ and links one program for each source.
 * @param own see compile(); of the sources, not of native/
 * @returns paths; undefined where it failed
 */
export async function buildPrograms(sources, variantName, own = { folder: join(build, variantName), flags: [] }) {
	const variant = variants[variantName];
	const objects = (await inParallel(list(native, /^tn_.*\.c$/), (source) => compile(source, variantName))).filter(Boolean);
	mkdirSync(join(build, variantName), { recursive: true });
	const archive = join(build, variantName, "libtn.a");
	const made = `${archive}.${process.pid}`;
	await execute("ar", ["rcs", made, ...objects]);
	renameSync(made, archive);
	return inParallel(sources, async (source) => {
		const object = await compile(source, variantName, own);
		if (!object) return undefined;
		const program = join(own.folder, basename(source, ".c"));
		if (modified(program) > Math.max(modified(object), ...objects.map(modified))) return program;
		const linked = `${program}.${process.pid}`;
		const { ok, output } = await execute(variant.compiler, [...variant.link, object, archive, ...libraries, "-o", linked]);
		if (!ok) {
			console.log(`${output.trimEnd()}\n# ${basename(source)} does not link`);
			return undefined;
		}
		renameSync(linked, program);
		return program;
	});
}
