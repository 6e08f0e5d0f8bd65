/*
 * The fuzzers (fuzz_*.c with libFuzzer) and what they start from: tests/native/corpus/NAME, kept in the project, small enough to be read with it. What they learn
 * lies in build/native/corpus/NAME.
 */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { build, buildPrograms, chosen, list, root, tests } from "./programs.js";

/** Bytes that are kept of each fuzzer's corpus, and the longest input. */
const KEPT_BYTES = 3000;
const KEPT_INPUT = 400;

export const fuzzers = (names = []) => chosen(list(tests, /^fuzz_.*\.c$/), names);

/** The folder of what is kept for a fuzzer. */
export const keptCorpus = (name) => join(tests, "corpus", name);

const run = (program, parameters) =>
	new Promise((resolve) => {
		const child = spawn(program, parameters, { cwd: root, stdio: "inherit" });
		child.on("exit", (code) => resolve(code === 0));
	});

/** What there is of the folders of a fuzzer: what it learned, and what is kept. */
function corporaOf(name) {
	const learned = join(build, "corpus", name);
	mkdirSync(learned, { recursive: true });
	return [learned, keptCorpus(name)].filter((folder) => existsSync(folder));
}

/** @returns whether all ran to their end without a finding */
export async function runFuzzers(seconds, names) {
	const sources = fuzzers(names);
	const programs = await buildPrograms(sources, "fuzz");
	let failed = 0;
	for (const [i, program] of programs.entries()) {
		const name = basename(sources[i], ".c");
		const [learned, ...kept] = corporaOf(name);
		const parameters = [`-max_total_time=${seconds}`, "-print_final_stats=1", "-verbosity=0", `-artifact_prefix=${learned}-`, learned, ...kept];
		const ok = program && (await run(program, parameters));
		if (!ok) failed++;
		console.log(`${ok ? "ok" : "not ok"} - ${name} ${seconds} s`);
	}
	console.log(`${programs.length - failed} passed, ${failed} failed`);
	return failed === 0 && sources.length > 0;
}

/** Minimises by edges: libFuzzer takes the shortest inputs first, and of its choice those are kept that KEPT_BYTES have room for. Inputs with a name of ours stay. */
export async function keepCorpora(names) {
	const sources = fuzzers(names);
	const programs = await buildPrograms(sources, "fuzz");
	let ok = sources.length > 0;
	for (const [i, program] of programs.entries()) {
		const name = basename(sources[i], ".c");
		const corpora = corporaOf(name);
		const merged = join(build, "corpus-merged", name);
		rmSync(merged, { recursive: true, force: true });
		mkdirSync(merged, { recursive: true });
		if (!program || !(await run(program, ["-merge=1", "-use_counters=0", `-max_len=${KEPT_INPUT}`, "-verbosity=0", merged, ...corpora]))) {
			ok = false;
			continue;
		}
		const kept = keptCorpus(name);
		mkdirSync(kept, { recursive: true });
		for (const old of list(kept, /^[0-9a-f]{40}$/)) rmSync(old);
		let left = KEPT_BYTES;
		const inputs = readdirSync(merged).map((file) => ({ file, size: statSync(join(merged, file)).size }));
		for (const { file, size } of inputs.sort((a, b) => a.size - b.size || (a.file < b.file ? -1 : 1))) {
			left -= size;
			if (left < 0) break;
			copyFileSync(join(merged, file), join(kept, file));
		}
		console.log(`${name}: ${readdirSync(kept).length} of ${inputs.length} inputs`);
	}
	return ok;
}
