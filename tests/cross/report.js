/* Lines and tables of the cross ring and of the footprint. */

const counts = { passed: 0, failed: 0, skipped: 0 };

export const thousands = (number) => String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ",");

/** @param rows of texts and numbers; numbers stand to the right */
export function table(head, rows) {
	const texts = [head, ...rows].map((row) => row.map((cell) => (typeof cell === "number" ? thousands(cell) : String(cell))));
	const widths = head.map((_, i) => Math.max(...texts.map((row) => row[i].length)));
	const isNumber = head.map((_, i) => rows.some((row) => typeof row[i] === "number"));
	for (const row of texts) console.log(`  ${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")}`.trimEnd());
}

/** One check. @param problem undefined or "" when it holds */
export function check(name, problem) {
	counts[problem ? "failed" : "passed"]++;
	console.log(problem ? `not ok - ${name}\n# ${problem.split("\n").join("\n# ")}` : `ok - ${name}`);
}

export function skip(name, why) {
	counts.skipped++;
	console.log(`SKIPPED: ${name}: ${why}`);
}

/** Checks that another program counted. */
export function add({ passed, failed }) {
	counts.passed += passed;
	counts.failed += failed;
}

/** The closing line. @returns whether all is well */
export function close() {
	console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
	return counts.failed === 0;
}
