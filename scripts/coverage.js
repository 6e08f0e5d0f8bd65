/**
 * How much of the native core its unit tests and the kept inputs of its fuzzers reach: `npm run coverage [-- PERCENT]`. Lines and branches of each file of native/
 * as clang counts them, with a desktop's pools; a file of which fewer lines than PERCENT are reached makes it fail.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { table } from "../tests/cross/report.js";
import { writeModuleData, writeVectors } from "../tests/native/data.js";
import { fuzzers, keptCorpus } from "../tests/native/fuzzers.js";
import { build, buildPrograms, execute, inParallel, list, native, tests } from "../tests/native/programs.js";
import { corePackages, ensureDebian } from "./prepare.js";

const folder = join(build, "coverage-counts");
const profile = join(folder, "all.profdata");

/** Runs every program; each leaves what it counted. @returns those that ran */
async function runAll() {
	writeVectors();
	await writeModuleData();
	const ofTests = list(tests, /^test_.*\.c$/).map((source) => ({ source, variant: "coverage", parameters: [] }));
	const ofFuzzers = fuzzers().map((source) => ({ source, variant: "coverage-fuzz", parameters: ["-runs=0", keptCorpus(basename(source, ".c"))] }));
	const ran = [];
	for (const work of [ofTests, ofFuzzers]) {
		const programs = await buildPrograms(
			work.map(({ source }) => source),
			work[0].variant,
		);
		await inParallel(work, async ({ source, parameters }) => {
			const program = programs[work.findIndex((one) => one.source === source)];
			const { ok, output } = program ? await execute(program, parameters) : { ok: false, output: "not built" };
			if (ok) ran.push(program);
			else console.log(`# ${basename(source)}: ${output.trimEnd().split("\n").at(-1)}`);
		});
	}
	return { ran, all: ofTests.length + ofFuzzers.length };
}

const lacking = ensureDebian([...corePackages, ["clang", "clang"], ["llvm", "llvm-profdata"]]);
if (lacking.length > 0) {
	console.log(`coverage: needs Debian's ${lacking.join(", ")}`);
	process.exit(1);
}
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
process.env.LLVM_PROFILE_FILE = join(folder, "%p.profraw");
const { ran, all } = await runAll();
const counted = readdirSync(folder).map((name) => join(folder, name));
writeFileSync(join(folder, "counted"), counted.join("\n"));
const merged = await execute("llvm-profdata", ["merge", "-sparse", "-f", join(folder, "counted"), "-o", profile]);
const [first, ...others] = ran;
const exported = merged.ok
	? await execute("llvm-cov", [
			"export",
			"-summary-only",
			`-instr-profile=${profile}`,
			first,
			...others.flatMap((program) => ["-object", program]),
			...list(native, /^tn_.*\.c$/),
		])
	: merged;
if (!exported.ok) {
	console.log(exported.output.slice(0, 2000));
	process.exit(1);
}
const [{ files, totals }] = JSON.parse(exported.output.slice(exported.output.indexOf("{"), exported.output.lastIndexOf("}") + 1)).data;
const percent = ({ count, covered }) => (count === 0 ? "" : `${((100 * covered) / count).toFixed(1)} %`);
const row = (name, { lines, branches }) => [name, lines.count, percent(lines), branches.count, percent(branches)];
table(["file", "lines", "reached", "branches", "reached"], [...files.map(({ filename, summary }) => row(basename(filename), summary)), row("all", totals)]);
const wanted = Number(process.argv[2] ?? 0);
const low = files.filter(({ summary }) => summary.lines.count > 0 && 100 * summary.lines.covered < wanted * summary.lines.count);
for (const { filename } of low) console.log(`not ok - fewer than ${wanted} % of the lines of ${basename(filename)}`);
if (ran.length < all) console.log(`not ok - ${all - ran.length} of ${all} programs failed`);
process.exit(low.length === 0 && ran.length === all ? 0 : 1);
