/** documentation/machine-interface.md, compared with the commands themselves: each is given to a node on the lab, and its result has the members that the page lists. */
import { runCommand } from "../../dist/hosts/node/cli/commands.js";
import { textOf } from "./documents.js";

const document = "documentation/machine-interface.md";

/** Rows of the table under a heading: [name, members, result], the last two as names, with a question mark where they may be left out. */
function rowsUnder(heading) {
	const section = new RegExp(`^## ${heading}\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, "m").exec(textOf(document))[1];
	return [...section.matchAll(/^\| `(\w+)` \|([^|]*)\|([^|]*)\|$/gm)].map(([, name, ...cells]) => [
		name,
		...cells.map((cell) => [...cell.matchAll(/`(\w+)`(\??)/g)].map(([, member, mark]) => member + mark)),
	]);
}

const bare = (member) => member.replace("?", "");

/** Events that are only on the page, or only printed. */
export function undocumentedEvents() {
	const sources = ["hosts/node/cli/up.ts", "hosts/node/cli/commands.ts"].map(textOf).join("\n");
	const printed = new Set([...sources.matchAll(/event: "(\w+)"/g)].map(([, name]) => name));
	const told = new Set(rowsUnder("Events").map(([name]) => name));
	return [...[...printed].filter((name) => !told.has(name)), ...[...told].filter((name) => !printed.has(name))];
}

/** Every command that there is. */
function commands() {
	const [, actions] = /const actions: .* = \{\n([\s\S]*?)^\};/m.exec(textOf("hosts/node/cli/commands.ts"));
	return [...[...actions.matchAll(/^\t(?:async )?(\w+)[(,]/gm)].map(([, name]) => name), "close"];
}

/** What each is asked with, besides its name. */
const examples = {
	ping: { peer: "laptop", kind: "tsmp", timeoutMS: 5000 },
	http: { url: "http://laptop:8000/", timeoutMS: 5000 },
	bulk: { peer: "laptop", bytes: 1000, port: 7, mode: "echo", timeoutMS: 5000 },
	udp: { peer: "laptop", port: 7, size: 100, count: 1, timeoutMS: 5000 },
	resolve: { name: "laptop" },
};

/** @returns the result of one line, as the other program reads it */
async function ask(tailnet, command) {
	const answer = await new Promise((resolve) => {
		void runCommand(tailnet, JSON.stringify(command), resolve, () => {});
	});
	return JSON.parse(JSON.stringify(answer));
}

/** Commands after which a node is closed. */
const last = ["logout", "suspend"];

/** @param startNode makes a node that runs @returns a line for each command that the page has otherwise than it is */
export async function wrongCommands(startNode) {
	const rows = rowsUnder("Commands");
	const names = rows.map(([name]) => name);
	const problems = commands()
		.filter((name) => !names.includes(name))
		.map((name) => `${name} is not on the page`);
	let tailnet;
	for (const [name, members, result] of rows) {
		tailnet ??= await startNode();
		const asked = Object.keys(examples[name] ?? {});
		if (members.map(bare).sort().join() !== asked.sort().join()) problems.push(`${name}: the page has the members ${members}, it was asked with ${asked}`);
		const all = examples[name] ?? {};
		const least = Object.fromEntries(Object.entries(all).filter(([member]) => members.includes(member)));
		for (const fields of members.length === Object.keys(least).length ? [all] : [all, least]) {
			const answer = await ask(tailnet, { id: name, do: name, ...fields });
			const { event, id, ok, ...given } = answer;
			if (event !== "result" || id !== name || !ok) problems.push(`${name}: ${JSON.stringify(answer)}`);
			const unsaid = Object.keys(given).filter((member) => !result.map(bare).includes(member));
			const absent = result.filter((member) => !member.endsWith("?") && !Object.hasOwn(given, member));
			if (unsaid.length > 0 || absent.length > 0) problems.push(`${name}: not on the page ${unsaid}; not in the result ${absent}`);
		}
		if (last.includes(name)) tailnet = undefined;
	}
	return problems;
}
