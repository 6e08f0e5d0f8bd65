/**
 * Measured panels as one SVG: bars from zero, each with its figure beside it, so that nothing is told by colour alone. Light and dark follow the reader's setting.
 *
 *   panel  {title, unit, better: "more" | "less", bars: [{label, value, note}]}
 */

const columns = 2;
const panelWidth = 460;
const margin = 24;
const headHeight = 44;
const barHeight = 16;
const rowHeight = 38;
const footHeight = 40;
/** What a bar of the whole length leaves for the figure behind it. */
const figureWidth = 110;

const style = `
text { font: 13px system-ui, sans-serif; fill: #1d2433; }
.title { font-weight: 600; }
.quiet { fill: #5a6478; font-size: 11px; }
.ground { fill: #ffffff; }
.own { fill: #2f6fde; }
.stock { fill: #9aa5b8; }
@media (prefers-color-scheme: dark) {
	text { fill: #e8ecf4; }
	.quiet { fill: #a3adbf; }
	.ground { fill: #141922; }
	.own { fill: #6ea2ff; }
	.stock { fill: #5d6880; }
}`;

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** A figure with as many digits as it deserves. */
export const shown = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3)).toString());

const heightOf = ({ bars }) => headHeight + bars.length * rowHeight;

function drawn({ title, unit, better, bars }, left, top) {
	const most = Math.max(...bars.map(({ value }) => value));
	const full = panelWidth - 2 * margin - figureWidth;
	const lines = [
		`<text class="title" x="${left + margin}" y="${top + 18}">${escaped(title)}</text>`,
		`<text class="quiet" x="${left + margin}" y="${top + 34}">${escaped(unit)}, ${better} is better</text>`,
	];
	for (const [i, { label, value, note }] of bars.entries()) {
		const y = top + headHeight + i * rowHeight;
		const width = most > 0 ? Math.max(1, (full * value) / most) : 1;
		const kind = label.startsWith("own") ? "own" : "stock";
		lines.push(
			`<rect class="${kind}" x="${left + margin}" y="${y}" width="${width.toFixed(1)}" height="${barHeight}" rx="2"/>`,
			`<text x="${(left + margin + width + 6).toFixed(1)}" y="${y + 13}">${shown(value)}</text>`,
			`<text class="quiet" x="${left + margin}" y="${y + barHeight + 13}">${escaped(note ? `${label}: ${note}` : label)}</text>`,
		);
	}
	return lines.join("\n");
}

/** @param measuredOn what is written below the panels: the machine, the versions, the day */
export function picture(panels, measuredOn) {
	const parts = [];
	let top = margin;
	for (let i = 0; i < panels.length; i += columns) {
		const row = panels.slice(i, i + columns);
		for (const [column, panel] of row.entries()) parts.push(drawn(panel, column * panelWidth, top));
		top += Math.max(...row.map(heightOf)) + margin;
	}
	const width = columns * panelWidth;
	const height = top + footHeight;
	const label = panels
		.map(({ title, unit, bars }) => `${title} (${unit}): ${bars.map(({ label, value }) => `${label} ${shown(value)}`).join(", ")}`)
		.join("; ");
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(label)}">
<style>${style}
</style>
<rect class="ground" width="${width}" height="${height}"/>
${parts.join("\n")}
<text class="quiet" x="${margin}" y="${height - 18}">${escaped(measuredOn)}</text>
</svg>
`;
}
