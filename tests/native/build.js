/*
 * Builds and runs the tests of the native core (clang, AddressSanitizer and UndefinedBehaviorSanitizer). No dependencies.
 *
 *   node tests/native/build.js [NAME...]              every tests/native/test_*.c, or those whose name contains a NAME
 *   node tests/native/build.js fuzz SECONDS [NAME...] every tests/native/fuzz_*.c with libFuzzer, that long each
 *   node tests/native/build.js bench [NAME...]        every tests/native/bench_*.c, optimised, without sanitizers
 *   node tests/native/build.js check                  gcc and clang, optimised, all warnings as errors; runs nothing
 *
 * All of native/*.c goes into one archive, from which each program takes what it needs: a test that includes a .c file itself
 * (to reach statics, or with another define) replaces that member. A native file that does not compile is reported and left out,
 * so that it fails only the programs that need it. Objects are kept in build/native and rebuilt when a file they were made of is
 * newer; they are renamed into place, so that two runs at once do no harm. Vectors: see tn_vectors.h.
 */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { vectorsToC } from "./vectors-to-c.js";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const tests = join(root, "tests", "native");
const native = join(root, "native");
const build = join(root, "build", "native");
const parallel = 2;

const warnings = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wconversion"];
const includes = [`-I${native}`, `-I${tests}`, `-I${build}`, "-isystem", "/usr/include/lwip"];
const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];
const libraries = ["-Wl,--as-needed", "-lsodium", "-llwip", "-lm", "-lpthread"];

const variants = {
	test: { compiler: "clang", flags: ["-g", "-O1", ...sanitizers], link: sanitizers },
	fuzz: { compiler: "clang", flags: ["-g", "-O1", "-fsanitize=fuzzer-no-link", ...sanitizers], link: ["-fsanitize=fuzzer", ...sanitizers] },
	bench: { compiler: "gcc", flags: ["-O3"], link: [] },
	"check-gcc": { compiler: "gcc", flags: ["-O2"] },
	"check-clang": { compiler: "clang", flags: ["-O2"] },
};

const list = (folder, pattern) =>
	readdirSync(folder)
		.filter((name) => pattern.test(name))
		.sort()
		.map((name) => join(folder, name));

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function execute(command, args) {
	return new Promise((resolve) => {
		execFile(command, args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
			resolve({ ok: !error, output: `${stdout}${stderr}` });
		});
	});
}

/** Runs `work` over the items, `parallel` at a time, and gives the results in order. */
async function inParallel(items, work) {
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

function isFresh(object, dependencies) {
	const made = modified(object);
	if (!made || !existsSync(dependencies)) return false;
	const files = readFileSync(dependencies, "utf8")
		.replace(/^[^:]*:/, "")
		.replaceAll("\\\n", " ")
		.trim()
		.split(/\s+/);
	return files.every((file) => existsSync(join(file)) && modified(file) < made) && modified(fileURLToPath(import.meta.url)) < made;
}

/** Compiles one file unless its object is fresh. @returns the object's path, or undefined after printing why not */
async function compile(source, variantName) {
	const variant = variants[variantName];
	const folder = join(build, variantName);
	mkdirSync(folder, { recursive: true });
	const object = join(folder, `${basename(source, ".c")}.o`);
	const dependencies = `${object}.d`;
	if (isFresh(object, dependencies)) return object;
	const own = `${object}.${process.pid}`;
	const { ok, output } = await execute(variant.compiler, [
		...warnings,
		...variant.flags,
		...includes,
		"-MD",
		"-MF",
		`${own}.d`,
		"-MT",
		"object",
		"-c",
		source,
		"-o",
		own,
	]);
	if (output) console.log(output.split("\n", 40).join("\n").trimEnd());
	if (!ok) {
		console.log(`# ${variant.compiler} rejects ${basename(source)}`);
		return undefined;
	}
	renameSync(`${own}.d`, dependencies);
	renameSync(own, object);
	return object;
}

function writeVectors() {
	mkdirSync(build, { recursive: true });
	const generator = modified(join(tests, "vectors-to-c.js"));
	for (const source of list(join(root, "tests", "vectors"), /\.json$/)) {
		const name = basename(source, ".json");
		const header = join(build, `vectors_${name.replaceAll("-", "_")}.h`);
		if (modified(header) > Math.max(modified(source), generator)) continue;
		const own = `${header}.${process.pid}`;
		writeFileSync(own, vectorsToC(name, JSON.parse(readFileSync(source, "utf8"))));
		renameSync(own, header);
	}
}

/** Data that the project's own modules make: see from-modules.js. */
async function writeModuleData() {
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

/** Builds the archive of native/ and links one program for each source. @returns paths; undefined where it failed */
async function buildPrograms(sources, variantName) {
	const variant = variants[variantName];
	const objects = (await inParallel(list(native, /^tn_.*\.c$/), (source) => compile(source, variantName))).filter(Boolean);
	mkdirSync(join(build, variantName), { recursive: true });
	const archive = join(build, variantName, "libtn.a");
	const own = `${archive}.${process.pid}`;
	await execute("ar", ["rcs", own, ...objects]);
	renameSync(own, archive);
	return inParallel(sources, async (source) => {
		const object = await compile(source, variantName);
		if (!object) return undefined;
		const program = join(build, variantName, basename(source, ".c"));
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

const chosen = (sources, names) => sources.filter((source) => !names.length || names.some((name) => basename(source).includes(name)));

async function runTests(names) {
	const sources = chosen(list(tests, /^test_.*\.c$/), names);
	const programs = await buildPrograms(sources, "test");
	let passed = 0;
	let failed = 0;
	const results = await inParallel(programs, (program) => (program ? execute(program, []) : { ok: false, output: "" }));
	for (const [i, { ok, output }] of results.entries()) {
		console.log(`# ${basename(sources[i])}`);
		if (output) console.log(output.trimEnd());
		const sum = /^(\d+) passed, (\d+) failed$/m.exec(output);
		passed += sum ? Number(sum[1]) : 0;
		failed += sum ? Number(sum[2]) : 0;
		if (!ok && !(sum && Number(sum[2]))) {
			failed++;
			console.log(`not ok - ${basename(sources[i])} ran to its end`);
		}
	}
	console.log(`${passed} passed, ${failed} failed`);
	return failed === 0 && sources.length > 0;
}

/** libFuzzer keeps what it learns in build/native/corpus; tests/native/corpus/NAME, if there, is its start. */
async function runFuzzers(seconds, names) {
	const sources = chosen(list(tests, /^fuzz_.*\.c$/), names);
	const programs = await buildPrograms(sources, "fuzz");
	let failed = 0;
	for (const [i, program] of programs.entries()) {
		const name = basename(sources[i], ".c");
		const corpus = join(build, "corpus", name);
		const start = join(tests, "corpus", name);
		mkdirSync(corpus, { recursive: true });
		const ok =
			program &&
			(await new Promise((resolve) => {
				const child = spawn(
					program,
					[`-max_total_time=${seconds}`, "-print_final_stats=1", "-verbosity=0", `-artifact_prefix=${corpus}-`, corpus, ...(existsSync(start) ? [start] : [])],
					{ cwd: root, stdio: "inherit" },
				);
				child.on("exit", (code) => resolve(code === 0));
			}));
		if (!ok) failed++;
		console.log(`${ok ? "ok" : "not ok"} - ${name} ${seconds} s`);
	}
	console.log(`${programs.length - failed} passed, ${failed} failed`);
	return failed === 0 && sources.length > 0;
}

/** One after the other: they measure. */
async function runBenches(names) {
	const sources = chosen(list(tests, /^bench_.*\.c$/), names);
	const programs = await buildPrograms(sources, "bench");
	let ok = sources.length > 0;
	for (const program of programs) {
		const result = program ? await execute(program, []) : { ok: false, output: "" };
		console.log(`# ${program ? basename(program) : "not built"}\n${result.output.trimEnd()}`);
		ok = ok && result.ok;
	}
	return ok;
}

async function checkWarnings() {
	const sources = [...list(native, /^tn_.*\.c$/), ...list(tests, /^(test|fuzz|bench)_.*\.c$/)];
	let ok = true;
	for (const variant of ["check-gcc", "check-clang"]) {
		const objects = await inParallel(sources, (source) => compile(source, variant));
		ok = ok && objects.every(Boolean);
	}
	console.log(ok ? `ok - ${sources.length} files compile without a warning with gcc and clang` : "not ok - warnings");
	return ok;
}

const args = process.argv.slice(2);
writeVectors();
await writeModuleData();
let ok;
if (args[0] === "fuzz") ok = await runFuzzers(Number(args[1] ?? 10), args.slice(2));
else if (args[0] === "bench") ok = await runBenches(args.slice(1));
else if (args[0] === "check") ok = await checkWarnings();
else ok = await runTests(args);
process.exit(ok ? 0 : 1);
