/** The documents as a reader takes them: every link leads somewhere, every file that one names is there, every command can be given. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "../../scripts/prepare.js";

const foldersOf = (path) => readdirSync(join(root, path), { withFileTypes: true }).filter((entry) => entry.isDirectory());

/** Markdown that a user of the package reads, by its path. */
export const documents = [
	...readdirSync(root).filter((name) => name.endsWith(".md")),
	...readdirSync(join(root, "documentation"))
		.filter((name) => name.endsWith(".md"))
		.map((name) => `documentation/${name}`),
	"examples/README.md",
	...["examples", "hosts"].flatMap((place) => foldersOf(place).map(({ name }) => `${place}/${name}/README.md`)).filter((path) => existsSync(join(root, path))),
];

export const textOf = (path) => readFileSync(join(root, path), "utf8");

/** Without its fenced blocks. */
const proseOf = (path) => textOf(path).replace(/^```[\s\S]*?^```$/gm, "");

/** @returns [{ language, heading, lines }] */
export function blocksOf(path) {
	const blocks = [];
	let heading = "";
	let block;
	for (const line of textOf(path).split("\n")) {
		const fence = /^```(\w*)$/.exec(line);
		if (fence && !block) block = { language: fence[1], heading, lines: [] };
		else if (fence) {
			blocks.push(block);
			block = undefined;
		} else if (block) block.lines.push(line);
		else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
	}
	return blocks;
}

/** Anchors of the headings, as the site that shows them makes them. */
function anchorsOf(path) {
	const headings = [...proseOf(path).matchAll(/^#+ (.*)$/gm)].map(([, text]) => text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
	return headings.map((text) =>
		text
			.toLowerCase()
			.replace(/[^\w\- ]/g, "")
			.replaceAll(" ", "-"),
	);
}

/** @returns a line for each link that leads nowhere */
export function brokenLinks() {
	const problems = [];
	for (const document of documents) {
		for (const [, target] of proseOf(document).matchAll(/(?:\]\(|src="|srcset=")([^)"\s]+)/g)) {
			if (/^[a-z]+:/.test(target)) continue;
			const [path, anchor] = target.split("#");
			const place = path === "" ? document : relative(root, join(root, dirname(document), path));
			if (!existsSync(join(root, place))) problems.push(`${document}: there is no ${target}`);
			else if (anchor && !anchorsOf(place).includes(anchor)) problems.push(`${document}: ${place} has no heading for #${anchor}`);
		}
	}
	return problems;
}

const places = ["bench", "documentation", "examples", "hosts", "modules", "native", "scripts", "tests"];
const namedPath = new RegExp(`(?<![\\w./-])(?:${places.join("|")})/[\\w./-]*[\\w/]`, "g");

/** Whether a path is there; a C or TypeScript file may be named without its end. */
const isThere = (path) => ["", ".ts", ".js", ".c", ".h"].some((end) => existsSync(join(root, path + end)));

/** @returns files and folders of ours that a text names and that are not there */
export function missingPaths(text) {
	return [...text.matchAll(namedPath)].map(([path]) => path).filter((path) => !isThere(path));
}

/** @returns a line for each name of a file in prose that is not there */
export function missingFiles() {
	const inCode = (document) => [...proseOf(document).matchAll(/`([^`]+)`/g)].map(([, code]) => code).join("\n");
	return documents.flatMap((document) => missingPaths(inCode(document)).map((path) => `${document}: there is no ${path}`));
}

const scripts = () => JSON.parse(textOf("package.json")).scripts;
const commandOptions = () => new Set([...textOf("hosts/node/cli/options.ts").matchAll(/"([a-z-]+)",?$/gm)].map(([, name]) => `--${name}`));

/** What is wrong with one line for a shell, "" = nothing. */
function problemOfCommand(line, folder) {
	const [program, ...words] = line.split(/\s+/);
	if (program === "npm") {
		const name = words[0] === "run" ? words[1] : words[0];
		if (["start", "test", "run"].includes(words[0]) && !Object.hasOwn(scripts(), name)) return `package.json has no script ${name}`;
		const unknown = words.filter((word) => /^--[a-z]/.test(word) && words.includes("up") && !commandOptions().has(word));
		if (unknown.length > 0) return `the command has no option ${unknown.join(", ")}`;
	}
	// Where the package is installed it is what lies here.
	if (program === "node" && !existsSync(join(root, folder, words[0].replace("node_modules/tailnet/", "")))) return `there is no ${words[0]}`;
	return "";
}

/** @returns a line for each command of a `sh` block that cannot be given */
export function impossibleCommands() {
	const problems = [];
	for (const document of documents)
		for (const { language, lines } of blocksOf(document)) {
			if (language !== "sh") continue;
			let folder = "";
			for (const line of lines.map((text) => text.replace(/\s+#.*/, "").trim()).filter((text) => text !== "" && !text.startsWith("#"))) {
				for (const command of line.split(" && ")) {
					const [, target] = /^cd (\S+)$/.exec(command) ?? [];
					if (target) folder = target === "tailnet" ? "" : join(folder, target);
					if (target && !existsSync(join(root, folder))) problems.push(`${document}: there is no folder ${folder}`);
					const problem = problemOfCommand(command, folder);
					if (problem) problems.push(`${document}: ${command}: ${problem}`);
				}
			}
		}
	return problems;
}

/** Members of `tailnet` in `defines`, by configuration.md, which the cross ring holds to the core. */
const switches = () =>
	new Set(
		[...textOf("documentation/configuration.md").matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, names]) =>
			[...names.matchAll(/`(\w+)`/g)].map(([, name]) => name),
		),
	);

/** @returns a line for each JSON block that is none, or whose manifest chooses what there is not */
export function unusableJSON() {
	const problems = [];
	for (const document of documents)
		for (const { language, lines } of blocksOf(document)) {
			if (language !== "json") continue;
			try {
				const { defines } = JSON.parse(lines.join("\n"));
				for (const name of Object.keys(defines?.tailnet ?? {})) if (!switches().has(name)) problems.push(`${document}: configuration.md has no ${name}`);
			} catch (error) {
				problems.push(`${document}: ${error.message}`);
			}
		}
	return problems;
}
