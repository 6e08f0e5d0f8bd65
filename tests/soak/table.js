/**
 * The table of a soak: what happened how often, and how long each node needed to be back.
 */
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const shown = (milliseconds) =>
	milliseconds === undefined
		? "-"
		: milliseconds === Number.POSITIVE_INFINITY
			? "never"
			: milliseconds < 9_950
				? `${(milliseconds / 1000).toFixed(2)} s`
				: `${(milliseconds / 1000).toFixed(0)} s`;
const most = (values) => (values.length > 0 ? Math.max(...values) : undefined);

/** Lays rows out in columns; the first is text, the others are figures. */
export function laidOut(rows) {
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	return rows
		.map((row) =>
			row
				.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

/**
 * @param {import("./trial.js").Trial[]} trials
 * @param {(name: string) => boolean} isOwn
 */
export function recoveryTable(trials, isOwn) {
	const rows = [["fault, and what was back", "times", "ours: median", "longest", "bound", "stock: median", "longest"]];
	for (const [name, same] of byName(trials)) {
		rows.push([name, `${same.length * (same[0].fault.count ?? 1)}`, "", "", "", "", ""]);
		const all = same.flatMap(({ recoveries }) => recoveries);
		for (const what of new Set(all.map((recovery) => recovery.what))) {
			const those = all.filter((recovery) => recovery.what === what);
			const [ours, stock] = [true, false].map((own) => those.filter(({ name }) => isOwn(name) === own).map(({ afterMS }) => afterMS));
			rows.push([`  ${what}`, "", shown(median(ours)), shown(most(ours)), shown(those[0].boundMS), shown(median(stock)), shown(most(stock))]);
		}
	}
	return laidOut(rows);
}

/** Connections that were open across the faults, and the longest silence of one. */
export function streamTable(trials, isOwn) {
	const rows = [["connections across it", "ours", "lost", "longest silence", "stock", "lost", "longest silence"]];
	for (const [name, same] of byName(trials)) {
		const all = same.flatMap(({ outcomes }) => outcomes);
		const cells = [true, false].flatMap((own) => {
			const those = all.filter((outcome) => isOwn(outcome.name) === own);
			const gaps = those.flatMap(({ gapMS }) => gapMS ?? []);
			return [`${those.length}`, `${those.filter(({ error }) => error !== undefined).length}`, shown(most(gaps))];
		});
		rows.push([name, ...cells]);
	}
	return laidOut(rows);
}

/** What the nodes of ours held at the first and the last rest, and the most between. */
export function holdingsTable(samples) {
	const rows = [["held at rest: first, last, most", "samples", "descriptors", "threads", "live memory, kB", "resident, kB"]];
	for (const [name, those] of samples) {
		const cell = (value) => [value(those[0]), value(those.at(-1)), Math.max(...those.map(value))].join(" ");
		const kilobytes = (member) => (sample) => Math.round(sample[member] / 1024);
		rows.push([
			name,
			`${those.length}`,
			cell(({ files }) => files.length),
			cell(({ threads }) => threads.length),
			cell(kilobytes("liveBytes")),
			cell(kilobytes("residentBytes")),
		]);
	}
	return laidOut(rows);
}

function byName(trials) {
	const groups = new Map();
	for (const trial of trials) groups.set(trial.fault.name, [...(groups.get(trial.fault.name) ?? []), trial]);
	return groups;
}
