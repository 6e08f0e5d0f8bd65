/*
 * Turns a file of vectors (JSON) into a C header of static data, see tn_vectors.h. Used by build.js; alone:
 *
 *   node tests/native/vectors-to-c.js tests/vectors/wireguard.json build/native/vectors_wireguard.h
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

function quote(text) {
	const bytes = Buffer.from(text, "utf8");
	let out = "";
	for (const byte of bytes) {
		if (byte === 0x22 || byte === 0x5c) out += `\\${String.fromCharCode(byte)}`;
		else if (byte >= 0x20 && byte < 0x7f && byte !== 0x3f) out += String.fromCharCode(byte);
		else out += `\\${byte.toString(8).padStart(3, "0")}`;
	}
	return `"${out}"`;
}

/**
 * @param name of the vectors: letters, digits; "-" becomes "_"
 * @param json the parsed file
 * @returns the text of the header, which defines `tn_vectors_<name>`
 */
export function vectorsToC(name, json) {
	const symbol = `tn_vectors_${name.replaceAll("-", "_")}`;
	const arrays = [];
	const initializer = (key, value) => {
		const label = key === undefined ? "NULL" : quote(key);
		if (value === null) return `{${label}, TN_VECTOR_NULL, "", NULL, 0}`;
		if (typeof value !== "object") {
			return `{${label}, TN_VECTOR_${(typeof value).toUpperCase()}, ${quote(String(value))}, NULL, 0}`;
		}
		const type = Array.isArray(value) ? "ARRAY" : "OBJECT";
		const items = Array.isArray(value)
			? value.map((item) => initializer(undefined, item))
			: Object.entries(value).map(([member, item]) => initializer(member, item));
		if (items.length === 0) return `{${label}, TN_VECTOR_${type}, "", NULL, 0}`;
		const id = `${symbol}_${arrays.length}`;
		arrays.push(`static const struct tn_vector ${id}[] = {\n\t${items.join(",\n\t")},\n};\n`);
		return `{${label}, TN_VECTOR_${type}, "", ${id}, ${items.length}}`;
	};
	const root = initializer(undefined, json);
	return `#include "tn_vectors.h"\n\n${arrays.join("")}static const struct tn_vector ${symbol} = ${root};\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const [source, target] = process.argv.slice(2);
	writeFileSync(target, vectorsToC(basename(source, ".json"), JSON.parse(readFileSync(source, "utf8"))));
}
