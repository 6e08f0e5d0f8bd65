/* The figures of documentation/memory.md: written by `npm run footprint -- --accept`, between two marks. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../native/programs.js";
import { thousands } from "./report.js";

const file = join(root, "documentation", "memory.md");
const expectedFile = join(root, "tests", "cross", "expected.json");
const place = /(?<=^<!-- footprint -->\n)[\s\S]*?(?=^<!-- end of footprint -->$)/m;
const groups = "native ";

const line = (cells) => `| ${cells.map((cell) => (typeof cell === "number" ? thousands(cell) : cell)).join(" | ")} |`;
const table = (head, rows) => [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");

/** The lines of the native core, from expected.json: the cross ring holds them to 2 %. @returns { targets, rows } */
function core() {
	const groupsOfCore = Object.entries(JSON.parse(readFileSync(expectedFile, "utf8"))).filter(([name]) => name.startsWith(groups));
	return {
		targets: groupsOfCore.map(([name]) => name.slice(groups.length)),
		rows: [
			["Native core, flash", ...groupsOfCore.map(([, { figures }]) => figures.flash)],
			["Native core, RAM besides the node's own", ...groupsOfCore.map(([, { figures }]) => figures.ram)],
		],
	};
}

/**
 * Writes what was measured.
 * @param parts rows of [what, bytes a target ...]
 * @param goals rows of [row, capability, goal, figure, verdict]
 */
export function documentFigures(parts, goals) {
	const { targets, rows } = core();
	const tables = [
		table(["Bytes", ...targets], [...rows, ...parts]),
		table(
			["Capability", "Goal", "Figure", "Verdict"],
			goals.map(([, ...cells]) => cells),
		),
	];
	writeFileSync(file, readFileSync(file, "utf8").replace(place, `\n${tables.join("\n\n")}\n\n`));
}

/** @returns "" when the document has the core's figures, else the lines that it lacks */
export function staleFigures() {
	const lines = (place.exec(readFileSync(file, "utf8"))?.[0] ?? "").split("\n");
	return core()
		.rows.map(line)
		.filter((row) => !lines.includes(row))
		.join("\n");
}
