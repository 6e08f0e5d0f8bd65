/**
 * Matches every sentence of the protocol documents' checklists (tests/checklists/*.txt) with the tests that carry its number, such as
 * "[tunnel 45] ..." in a test's name. A sentence without a test has to stand in tests/checklists/open.txt with the reason ("tunnel 52: ..."), and
 * nothing may stand there that has a test. A number without a sentence is an orphan as well.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.js";

const folder = join(root, "tests/checklists");
const sentences = new Map();
for (const name of readdirSync(folder)) {
	if (name === "open.txt") continue;
	const list = name.replace(/\.txt$/, "");
	for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
		const match = /^(\d+)\. (.*)$/.exec(line);
		if (match) sentences.set(`${list} ${match[1]}`, match[2]);
	}
}

/** tag -> files whose tests carry it. A tag stands in a string, and may name several numbers: "[relay 7, 8] ...", "[filter 12-15] ...". */
const tests = new Map();
for (const place of ["tests/unit", "tests/native", "tests/interop", "tests/nat"]) {
	if (!existsSync(join(root, place))) continue;
	for (const name of readdirSync(join(root, place), { recursive: true })) {
		if (!/\.(test\.ts|c|js)$/.test(name)) continue;
		for (const match of readFileSync(join(root, place, name), "utf8").matchAll(/["'`][^"'`\n]*?\[((?:control|relay|tunnel|filter|paths) [^\]\n]+)\]/g)) {
			let list = "";
			for (const part of match[1].split(/[,;]\s*/)) {
				const number = /^(?:(control|relay|tunnel|filter|paths) )?(\d+)(?:-(\d+))?$/.exec(part.trim());
				if (!number) continue;
				list = number[1] ?? list;
				for (let i = Number(number[2]); i <= Number(number[3] ?? number[2]); i += 1) {
					const tag = `${list} ${i}`;
					if (!tests.has(tag)) tests.set(tag, new Set());
					tests.get(tag).add(join(place, name));
				}
			}
		}
	}
}

const open = new Map();
for (const line of existsSync(join(folder, "open.txt")) ? readFileSync(join(folder, "open.txt"), "utf8").split("\n") : []) {
	const match = /^(\w+ \d+): (.+)$/.exec(line);
	if (match) open.set(match[1], match[2]);
}

let passed = 0;
const problems = [];
for (const [tag, sentence] of sentences) {
	if (tests.has(tag) && open.has(tag)) problems.push(`${tag} has a test, and stands in open.txt`);
	else if (tests.has(tag) || open.has(tag)) passed += tests.has(tag) ? 1 : 0;
	else problems.push(`${tag} has no test: ${sentence}`);
}
for (const tag of tests.keys()) if (!sentences.has(tag)) problems.push(`${tag} is no sentence of a checklist: ${[...tests.get(tag)].join(", ")}`);
for (const tag of open.keys()) if (!sentences.has(tag)) problems.push(`${tag} in open.txt is no sentence of a checklist`);

for (const problem of problems) console.log(`not ok - ${problem}`);
for (const [tag, reason] of open) console.log(`open - ${tag}: ${reason}`);
console.log(`${sentences.size} sentences, ${passed} with a test, ${open.size} open`);
console.log(`${passed} passed, ${problems.length} failed`);
process.exit(problems.length ? 1 : 0);
