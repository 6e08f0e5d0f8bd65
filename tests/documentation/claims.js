/** What the documents claim, compared with what the claim is about. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/prepare.js";
import { documents, missingPaths, textOf } from "./documents.js";

const firsts = (text, pattern) => new Set([...text.matchAll(pattern)].map(([, first]) => first));

/** Values of a union of texts. */
const valuesOf = (path, name) => firsts(new RegExp(`export type ${name} =([\\s\\S]*?"\\w[^"]*");`).exec(textOf(path))[1], /\| "([^"]+)"/g);

/** Ids of conditions that modules/ can raise; those that go on behind a colon, without what follows. */
export function emittedConditions() {
	const judge = textOf("modules/health.ts");
	const ids = firsts(judge, /\badd\(\s*["`]([a-z0-9-]+)/g);
	for (const [, first, second] of judge.matchAll(/\badd\(\w+ \? "([a-z-]+)" : "([a-z-]+)"/g)) ids.add(first).add(second);
	const sources = readdirSync(join(root, "modules"), { recursive: true })
		.filter((name) => name.endsWith(".ts"))
		.map((name) => textOf(`modules/${name}`));
	for (const source of sources) for (const id of firsts(source, /\bconditions\.set\("([a-z0-9-]+)"/g)) ids.add(id);
	if (textOf("modules/netmap/health.ts").includes("`control:$")) ids.add("control:");
	return ids;
}

const counters = () => new Set([...firsts(textOf("native/tn_counters.c"), /\{"(\w+)",/g), ...firsts(textOf("modules/counters.ts"), /^\t+"([a-z]+\.\w+)": /gm)]);

/** @returns a line for each thing that troubleshooting.md says is shown and that nothing shows, and for each condition that it does not speak of */
export function troublesWithoutSource() {
	const known = {
		health: emittedConditions(),
		state: valuesOf("modules/health.ts", "TailnetState"),
		error: valuesOf("modules/errors.ts", "ErrorCode"),
		counter: counters(),
	};
	const told = { health: new Set(), state: new Set(), error: new Set(), counter: new Set() };
	for (const [, kind, name] of textOf("documentation/troubleshooting.md").matchAll(/`(health|state|error|counter) ([^`]+)`/g)) told[kind].add(name);
	return [
		...Object.entries(told).flatMap(([kind, names]) => [...names].filter((name) => !known[kind].has(name)).map((name) => `nothing has ${kind} ${name}`)),
		...["health", "state", "error"].flatMap((kind) =>
			[...known[kind]].filter((name) => !told[kind].has(name)).map((name) => `it does not speak of ${kind} ${name}`),
		),
	];
}

const sentences = () =>
	new Set(
		["control", "filter", "paths", "relay", "tunnel"].flatMap((list) =>
			[...firsts(textOf(`tests/checklists/${list}.txt`), /^(\d+)\. /gm)].map((number) => `${list} ${number}`),
		),
	);

/** Every number that a text in brackets names: "[relay 7, 8]", "[filter 12-15]". */
function numbersOf(text) {
	const numbers = [];
	for (const [, list, rest] of text.matchAll(/\[(control|filter|paths|relay|tunnel) ([\d, -]+)\](?!\()/g))
		for (const part of rest.split(",")) {
			const [from, to = from] = part.trim().split("-").map(Number);
			for (let number = from; number <= to; number += 1) numbers.push(`${list} ${number}`);
		}
	return numbers;
}

/** Rows of the tables whose last column is headed "Proof". */
function* claims(document) {
	let isTable = false;
	for (const line of textOf(document).split("\n")) {
		const cells = line.startsWith("|")
			? line
					.slice(1, -1)
					.split(/(?<!\\)\|/)
					.map((cell) => cell.trim())
			: [];
		if (cells.length === 0) isTable = false;
		else if (cells.at(-1) === "Proof") isTable = true;
		else if (isTable && !cells[0].startsWith("---")) yield cells;
	}
}

/** @returns a line for each claim without a proof, or whose proof is not there */
export function unprovenClaims() {
	const known = sentences();
	const problems = [];
	for (const document of documents) {
		for (const number of numbersOf(textOf(document))) if (!known.has(number)) problems.push(`${document}: no checklist has [${number}]`);
		for (const [what, here, ...rest] of claims(document)) {
			const proof = rest.at(-1);
			const isProven = numbersOf(proof).length > 0 || /`(tests|bench)\/[^`]+`/.test(proof);
			const isDenied = /^no\b/.test(here);
			if (!isProven && !isDenied) problems.push(`${document}: "${what}" has no proof`);
			for (const path of missingPaths(proof)) problems.push(`${document}: "${what}": there is no ${path}`);
		}
	}
	return problems;
}

/** Files that a drawing names and that are not there, and what it lacks for those who do not see it. */
export function faultsOfDrawing(path) {
	const text = textOf(path);
	const lacks = ["<title", "<desc", 'role="img"', "prefers-color-scheme"].filter((part) => !text.includes(part)).map((part) => `${path} has no ${part}`);
	return [...lacks, ...missingPaths(text.replaceAll(/<[^>]*>/g, "\n")).map((name) => `${path}: there is no ${name}`)];
}

/** Libraries, components and packages that an app or the command is linked with. */
function linked() {
	const desktops = ["hosts/simulator/manifest.json", "hosts/node/build-addon.js"].flatMap((path) => [...firsts(textOf(path), /(?<![-\w])-l([a-z][a-z0-9]+)/g)]);
	const board = JSON.parse(textOf("hosts/esp32/manifest.json")).platforms.esp32.dependency.map(({ idf, name }) => idf ?? name);
	return new Set([...desktops, ...board, ...Object.keys(JSON.parse(textOf("package.json")).dependencies)]);
}

/** @returns what is linked and not in NOTICE.md */
export function untoldParties() {
	const text = textOf("NOTICE.md");
	return [...linked()].filter((name) => !text.includes(`\`${name}\``) && !text.includes(`[${name}]`));
}

/** @returns "" when the changelog begins with the version of the package */
export function missingVersion() {
	const { version } = JSON.parse(textOf("package.json"));
	const [, first] = /^## (\S+?),? /m.exec(textOf("CHANGELOG.md")) ?? [];
	return first === version ? "" : `CHANGELOG.md begins with ${first}, package.json has ${version}`;
}
