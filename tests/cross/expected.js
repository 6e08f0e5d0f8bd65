/*
 * The figures of tests/cross/expected.json: flash and RAM that grow by more than 2 % fail until the file is changed, which `npm run footprint -- --accept` does.
 * Figures of another compiler are not compared.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../native/programs.js";

const file = join(root, "tests", "cross", "expected.json");
const GROWTH = 1.02;

const read = () => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {});

/**
 * @param group of figures, such as a target's
 * @param made what they were made with, such as a compiler's version
 * @param figures name -> number
 * @returns { skipped: why } or { problems: [text], smaller: [text] }
 */
export function compareFigures(group, made, figures) {
	const expected = read()[group];
	if (!expected) return { skipped: `tests/cross/expected.json has no figures called ${group}` };
	if (expected.made !== made) return { skipped: `its figures are of ${expected.made}, here it is ${made}` };
	const problems = [];
	for (const [name, value] of Object.entries(figures)) {
		const before = expected.figures[name];
		if (before === undefined) problems.push(`${name}: ${value}, and nothing is expected`);
		else if (value > before * GROWTH) problems.push(`${name}: ${value}, expected at most ${before} and 2 %`);
	}
	for (const name of Object.keys(expected.figures)) if (!(name in figures)) problems.push(`${name} is expected, and was not measured`);
	return { problems };
}

export function acceptFigures(group, made, figures) {
	const all = read();
	all[group] = { made, figures };
	writeFileSync(file, `${JSON.stringify(all, undefined, "\t")}\n`);
}
