/** The files of the page: their size, their tags, what stands in them, and how an app gets them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { crc32 } from "tailnet/host";
import { pageFiles } from "../../../status/files.js";
import { layersOf } from "../../../status/layers.js";
import { describe, expect, test } from "../../harness.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = join(root, "status/page");
const read = (name: string): Buffer => readFileSync(join(folder, name));
const largestBytes = 20_000;

describe("the files of the page", () => {
	test("are those that are served, by their tags", () => {
		expect(
			Object.values(pageFiles)
				.map(({ name }) => name)
				.sort(),
		).toEqual(readdirSync(folder).sort());
		for (const { name, tag } of Object.values(pageFiles)) {
			const bytes = read(name);
			expect([name, tag]).toEqual([name, (crc32(bytes, bytes.length) >>> 0).toString(16).padStart(8, "0")]);
		}
	});

	test("have at most 20 KB, gzipped, and no more in flash, where they are not", () => {
		const all = Object.values(pageFiles).map(({ name }) => read(name));
		expect(all.reduce((sum, bytes) => sum + gzipSync(bytes, { level: 9 }).length, 0)).toBeLessThan(largestBytes);
		expect(all.reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(largestBytes);
	});

	test("ask nothing of elsewhere, have no script or style of their own in the HTML, and never make HTML of a text", () => {
		for (const page of [join(folder, "tailnet-status"), join(root, "examples/setup/page/setup")]) {
			const [html, script, style] = ["html", "js", "css"].map((suffix) => readFileSync(`${page}.${suffix}`, "utf8")) as [string, string, string];
			for (const text of [html, script, style]) expect(text.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|\/\/\w+\./);
			expect(html).not.toMatch(/<style|<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:/);
			expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/);
		}
	});
});

describe("status/manifest.json", () => {
	test("preloads every module of the folder, and has the page among the app's resources", () => {
		const { preload, data } = JSON.parse(readFileSync(join(root, "status/manifest.json"), "utf8"));
		const modules = readdirSync(join(root, "status")).filter((name) => name.endsWith(".ts"));
		expect(preload).toEqual(modules.map((name) => `tailnet/status/${name.replace(".ts", "")}`).sort());
		expect(data).toEqual({ "*": "./page/*" });
	});
});

describe("layers", () => {
	test("every condition of modules/health.ts is of the layer that stands beside it there", () => {
		const table = [...readFileSync(join(root, "modules/health.ts"), "utf8").matchAll(/^ \* {3}(control|key|relay|network|udp|pools|board) +([\w-]+) {2,}/gm)];
		expect(table.length).toBeGreaterThan(14);
		for (const [, layer, id] of table) {
			const suffix = ["pool-full", "board-option"].includes(id as string) ? ":x" : "";
			const found = layersOf([{ id: `${id}${suffix}`, severity: "high", text: "" }]).find(({ word }) => word === "failing");
			// Tailnet lock is told by control, and is of the key.
			expect([id, found?.name]).toEqual([id, id === "locked-out" ? "key" : layer]);
		}
	});
});
