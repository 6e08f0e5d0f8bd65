/*
 * Bytes of objects by section: code (.text, on Xtensa with its literals), constants (.rodata), data that is copied to RAM at the start (.data), and data that is
 * zeroed there (.bss).
 */
import { spawnSync } from "node:child_process";
import { basename } from "node:path";

const kinds = [
	["text", /^\.(text|literal)/],
	["rodata", /^\.s?rodata/],
	["data", /^\.s?data/],
	["bss", /^(\.s?bss|COMMON)/],
];

/** @returns [{ name, text, rodata, data, bss }], one an object, of an archive or a list of objects */
export function sizesOf(target, files) {
	const text = spawnSync(`${target.prefix}size`, ["-A", "-d", ...files], { encoding: "utf8", maxBuffer: 1 << 26 }).stdout;
	const sizes = [];
	for (const line of text.split("\n")) {
		const head = /^(\S+?)\s+(?:\(ex .*\))?\s*:$/.exec(line);
		if (head) sizes.push({ name: basename(head[1], ".o"), text: 0, rodata: 0, data: 0, bss: 0 });
		const section = /^(\S+)\s+(\d+)\s+\d+$/.exec(line);
		const kind = section && kinds.find(([, pattern]) => pattern.test(section[1]));
		if (kind) sizes.at(-1)[kind[0]] += Number(section[2]);
	}
	return sizes;
}

export function sumOf(sizes) {
	const sum = { text: 0, rodata: 0, data: 0, bss: 0 };
	for (const each of sizes) for (const key of Object.keys(sum)) sum[key] += each[key];
	return sum;
}
