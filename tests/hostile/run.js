/**
 * The hostile ring: somebody who may speak to our node sends what nobody should.
 *
 *   node tests/hostile/run.js [--only TEXT]                     each case once
 *   node tests/hostile/run.js --minutes N [--seed N]            for so long, as `npm run soak -- --hostile` does: maps that are wrong in a random place, then a
 *                                                               hostile member
 *
 * Prints one line a case and closes with "N passed, N failed".
 */
import { parseArgs } from "node:util";
import { prepare } from "../../scripts/prepare.js";
import { missing } from "../interop/harness/requirements.js";
import { Random } from "../soak/random.js";
import { controlSoak, controlSuite } from "./control/suite.js";
import { memberSoak } from "./member.js";

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" }, minutes: { type: "string" }, seed: { type: "string" } } });
const counts = { passed: 0, failed: 0 };

async function check(sentence, run) {
	const began = performance.now();
	try {
		const note = await run();
		counts.passed++;
		console.log(`ok - ${sentence}${note ? ` (${note})` : ""} [${Math.round(performance.now() - began)} ms]`);
	} catch (error) {
		counts.failed++;
		console.log(`not ok - ${sentence}\n${`${error?.stack ?? error}`.split("\n").slice(0, 20).join("\n").replace(/^/gm, "    ")}`);
	}
}

await prepare();
if (options.minutes === undefined) await controlSuite(check, options.only);
else {
	const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 32));
	console.log(`# seed ${seed}`);
	const random = new Random(seed);
	const lines = missing();
	for (const line of lines) console.log(`skipped: a hostile member: ${line}`);
	const each = Number(options.minutes) / (lines.length > 0 ? 1 : 2);
	await controlSoak(check, each, random);
	if (lines.length === 0) await memberSoak(check, each, random);
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed ? 1 : 0);
