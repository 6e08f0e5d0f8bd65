/** The picture of `npm run bench`. */
import { describe, expect, test } from "../../harness.js";

// Plain JavaScript, without types.
const { picture, shown } = await import("../../../bench/picture.js" as string);
const { panels } = await import("../../../bench/panels.js" as string);

const panel = (values: number[]) => ({
	title: "A <title> & more",
	unit: "Mbit/s",
	better: "more",
	bars: values.map((value, i) => ({ label: i === 0 ? "stock" : "own", value, note: i === 0 ? "" : "a note" })),
});

describe("the picture of a bench", () => {
	test("bars are as long as their figures, from zero, and each figure is written beside its bar", () => {
		const svg: string = picture([panel([400, 100, 0])], "a machine");
		const widths = [...svg.matchAll(/<rect class="(own|stock)"[^>]* width="([\d.]+)"/g)].map((match) => [match[1], Number(match[2])]);
		expect(widths.map(([kind]) => kind)).toEqual(["stock", "own", "own"]);
		const [longest] = widths.map(([, width]) => width as number);
		expect(widths.map(([, width]) => width)).toEqual([longest, (longest as number) / 4, 1]);
		for (const text of [">400<", ">100<", ">0<", "own: a note", "Mbit/s, more is better", "a machine"]) expect(svg).toContain(text);
	});

	test("what is text stays text, and a reader without eyes is told the figures", () => {
		const svg: string = picture([panel([2, 1])], 'with "quotes"');
		expect(svg).toContain("A &#60;title&#62; &#38; more");
		expect(svg).toContain("with &#34;quotes&#34;");
		expect(svg).toMatch(/aria-label="[^"]*stock 2, own 1"/);
	});

	test("a figure has three digits, or all before the point", () => {
		expect([0.1234, 1.5, 12.34, 99.96, 1234.5].map(shown)).toEqual(["0.123", "1.5", "12.3", "100", "1,235"]);
	});

	test("every panel has what is drawn of it, and a name of its own", () => {
		expect(new Set(panels.map(({ name }: { name: string }) => name)).size).toBe(panels.length);
		for (const { title, unit, better, measure } of panels) {
			expect(title.length > 0 && unit.length > 0 && typeof measure === "function").toBe(true);
			expect(["more", "less"]).toContain(better);
		}
	});
});
