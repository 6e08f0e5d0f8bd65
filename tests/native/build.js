/*
 * Builds and runs the tests of the native core (clang, AddressSanitizer and UndefinedBehaviorSanitizer). No dependencies.
 *
 *   node tests/native/build.js [NAME...]              every tests/native/test_*.c, or those whose name contains a NAME
 *   node tests/native/build.js device [NAME...]       the same with the pools of a microcontroller (TN_DEVICE)
 *   node tests/native/build.js fuzz SECONDS [NAME...] every tests/native/fuzz_*.c with libFuzzer, that long each
 *   node tests/native/build.js keep [NAME...]         what the fuzzers have learned, minimised, becomes their start (fuzzers.js)
 *   node tests/native/build.js secrets                whether a secret decides a branch or an address (secret_branches.c), under valgrind
 *   node tests/native/build.js bench [NAME...]        every tests/native/bench_*.c, optimised, without sanitizers
 *   node tests/native/build.js check                  gcc and clang, optimised, all warnings as errors; runs nothing
 *
 * How a program is made of its file: programs.js. Vectors: see tn_vectors.h.
 */
import { basename, join } from "node:path";
import { writeModuleData, writeVectors } from "./data.js";
import { keepCorpora, runFuzzers } from "./fuzzers.js";
import { buildPrograms, chosen, compile, execute, inParallel, list, native, tests } from "./programs.js";

/** Adds what a program of tests printed to the counts, and tells it; one that did not run to its end has failed. */
function tell(counts, title, { ok, output }) {
	console.log(`# ${title}`);
	if (output) console.log(output.trimEnd());
	const sum = /^(\d+) passed, (\d+) failed$/m.exec(output);
	counts.passed += sum ? Number(sum[1]) : 0;
	counts.failed += sum ? Number(sum[2]) : 0;
	if (ok || (sum && Number(sum[2]))) return;
	counts.failed++;
	console.log(`not ok - ${title} ran to its end`);
}

const notBuilt = { ok: false, output: "" };

async function runTests(names, variant) {
	// hosts/desktop has lwIP on the tunnel thread; that of a microcontroller has a thread of its own.
	const pattern = variant === "device" ? /^test_(?!desktop).*\.c$/ : /^test_.*\.c$/;
	const sources = chosen(list(tests, pattern), names);
	const programs = await buildPrograms(sources, variant);
	const counts = { passed: 0, failed: 0 };
	const results = await inParallel(programs, (program) => (program ? execute(program, []) : notBuilt));
	for (const [i, result] of results.entries()) tell(counts, basename(sources[i]), result);
	console.log(`${counts.passed} passed, ${counts.failed} failed`);
	return counts.failed === 0 && sources.length > 0;
}

/** The same program as three settings of compilers make it. */
async function runSecrets() {
	const source = join(tests, "secret_branches.c");
	const counts = { passed: 0, failed: 0 };
	const options = ["--quiet", "--error-limit=no", `--suppressions=${join(tests, "secrets.supp")}`];
	for (const variant of ["secrets-gcc", "secrets-small", "secrets-clang"]) {
		const [program] = await buildPrograms([source], variant);
		tell(counts, variant, program ? await execute("valgrind", [...options, program]) : notBuilt);
	}
	console.log(`${counts.passed} passed, ${counts.failed} failed`);
	return counts.failed === 0 && counts.passed > 0;
}

/** One after the other: they measure. */
async function runBenches(names) {
	const sources = chosen(list(tests, /^bench_.*\.c$/), names);
	const programs = await buildPrograms(sources, "bench");
	let ok = sources.length > 0;
	for (const program of programs) {
		const result = program ? await execute(program, []) : notBuilt;
		console.log(`# ${program ? basename(program) : "not built"}\n${result.output.trimEnd()}`);
		ok = ok && result.ok;
	}
	return ok;
}

async function checkWarnings() {
	const all = [...list(native, /^tn_.*\.c$/), ...list(tests, /^(test|fuzz|bench)_.*\.c$/)];
	// A microcontroller has another host, and serves no subnets.
	const ofDevice = all.filter((source) => !/^(test_desktop.*|fuzz_subnet)\.c$/.test(basename(source)));
	let ok = true;
	for (const [variant, sources] of Object.entries({ "check-gcc": all, "check-clang": all, "check-device": ofDevice })) {
		const objects = await inParallel(sources, (source) => compile(source, variant));
		ok = ok && objects.every(Boolean);
	}
	console.log(ok ? `ok - ${all.length} files compile without a warning with gcc and clang` : "not ok - warnings");
	return ok;
}

const args = process.argv.slice(2);
writeVectors();
await writeModuleData();
let ok;
if (args[0] === "keep") ok = await keepCorpora(args.slice(1));
else if (args[0] === "fuzz") ok = await runFuzzers(Number(args[1] ?? 10), args.slice(2));
else if (args[0] === "bench") ok = await runBenches(args.slice(1));
else if (args[0] === "check") ok = await checkWarnings();
else if (args[0] === "secrets") ok = await runSecrets();
else if (args[0] === "device") ok = await runTests(args.slice(1), "device");
else ok = await runTests(args, "test");
process.exit(ok ? 0 : 1);
