/**
 * The documents: what they name is there (documents.js), what they claim is so (claims.js, interface.js), tables are those of the sources, and every snippet does what it says (snippets.js).
 *
 *   node tests/documentation/run.js
 */
import { readFileSync } from "node:fs";
import { apiFile, withTables } from "../../scripts/api.js";
import { prepare } from "../../scripts/prepare.js";
import { staleFigures } from "../cross/document.js";
import { faultsOfDrawing, missingVersion, troublesWithoutSource, unprovenClaims, untoldParties } from "./claims.js";
import { brokenLinks, impossibleCommands, missingFiles, unusableJSON } from "./documents.js";
import { checkTypes, missingFor, runSnippet, writePrograms } from "./snippets.js";

let passed = 0;
let failed = 0;
let skipped = 0;
function check(name, problem) {
	if (problem) failed += 1;
	else passed += 1;
	console.log(problem ? `not ok - ${name}\n# ${String(problem).split("\n").join("\n# ")}` : `ok - ${name}`);
}

/** @returns what is wrong with the tables of api.md, "" = nothing */
function staleTables() {
	try {
		const text = readFileSync(apiFile, "utf8");
		return withTables(text) === text ? "" : "they differ";
	} catch (error) {
		return error.message;
	}
}

check("every link of the documents leads somewhere", brokenLinks().join("\n"));
check("every file that the documents name is there", missingFiles().join("\n"));
check("every command of the documents can be given", impossibleCommands().join("\n"));
check("every manifest of the documents is JSON, and chooses what there is", unusableJSON().join("\n"));
check("the tables of documentation/api.md are those of the docstrings: node scripts/api.js", staleTables());
check("documentation/memory.md has the core's figures of tests/cross/expected.json: npm run footprint -- --accept", staleFigures());
check("what documentation/troubleshooting.md names exists, and it names every condition, state and error code", troublesWithoutSource().join("\n"));
check("every claim of a table names a proof that exists, or says no", unprovenClaims().join("\n"));
check("NOTICE.md has everything that the manifests and the build link", untoldParties().join("\n"));
check("CHANGELOG.md has the version of package.json", missingVersion());
check(
	"the drawing names files that exist, and can be read by who does not see it, in light and in dark",
	faultsOfDrawing("documentation/how-it-works.svg").join("\n"),
);

const snippets = writePrograms();
check(`the ${snippets.length} snippets are right in their types`, checkTypes());
const unexpected = snippets.filter(({ expected }) => !expected).map(({ document, heading }) => `${document}: ${heading}`);
check("of each snippet it is known what it is to print", unexpected.join("\n"));

if (!(await prepare())) process.exit(1);
await import("../../examples/node/globals.js");
const { openLab } = await import("./on-lab.js");
const lab = await openLab();
const { undocumentedEvents, wrongCommands } = await import("./interface.js");
check("documentation/machine-interface.md has every event, and none besides", undocumentedEvents().join("\n"));
try {
	check("each command of documentation/machine-interface.md takes and gives what stands there", (await wrongCommands(() => lab.startNode())).join("\n"));
	for (const snippet of snippets.filter(({ expected }) => expected)) {
		const name = `${snippet.document}: "${snippet.heading}" does what it says`;
		const why = missingFor(snippet);
		if (why) {
			skipped += 1;
			console.log(`SKIPPED: ${name}: ${why}`);
		} else check(name, await runSnippet(snippet, lab));
	}
} finally {
	await lab.close();
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed ? 1 : 0);
