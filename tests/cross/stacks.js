/*
 * The deepest stack of a function and of all that it calls, from what the compiler wrote beside the objects (-fcallgraph-info=su,da): a frame for each
 * function, an edge for each call. Calls through pointers are resolved by the table of threads.js, by the text of the call. A sum over the longest path:
 * an upper bound, since a call in tail position gives its frame back first.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const lines = new Map();

/** The text of a call, from its place in the source on. */
function textAt(place) {
	const match = /^(.*):(\d+):(\d+)$/.exec(place ?? "");
	if (!match) return "";
	if (!lines.has(match[1])) lines.set(match[1], existsSync(match[1]) ? readFileSync(match[1], "utf8").split("\n") : []);
	return lines.get(match[1])[Number(match[2]) - 1]?.trim() ?? "";
}

/** "file.c:function" of a static function, else its name; parts that the compiler made of one (.part.0, .constprop.1) count as functions of their own. */
const short = (title) => (title.includes(":") ? `${basename(title.slice(0, title.lastIndexOf(":")))}:${title.slice(title.lastIndexOf(":") + 1)}` : title);

export class Stacks {
	/** name -> { bytes, isBounded, calls: Set of names } */
	#functions = new Map();
	/** Calls through pointers that no line of the table resolves. */
	unresolved = new Set();
	/** Functions that reach themselves. */
	recursive = new Set();
	/** Functions that are called and that nobody compiled or declared. */
	unknown = new Set();
	/** Frames whose size depends on data. */
	unbounded = new Set();
	#depths = new Map();

	/**
	 * @param files .ci files
	 * @param pointers [{ call: RegExp of "file.c: text of the call", to: [names] }]
	 * @param declared bytes of functions that are not compiled here
	 */
	constructor(files, pointers, declared) {
		for (const [name, bytes] of Object.entries(declared)) this.#functions.set(name, { bytes, calls: new Set() });
		const edges = [];
		for (const file of files) {
			for (const line of readFileSync(file, "utf8").split("\n")) {
				const node = /^node: \{ title: "([^"]+)" label: "[^"]*?\\n(\d+) bytes \(([^)]*)\)/.exec(line);
				if (node) {
					this.#functions.set(short(node[1]), { bytes: Number(node[2]), calls: new Set() });
					if (/dynamic/.test(node[3]) && !/bounded/.test(node[3])) this.unbounded.add(short(node[1]));
				}
				const edge = /^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+)")?/.exec(line);
				if (edge) edges.push(edge.slice(1));
			}
		}
		for (const [from, to, place] of edges) {
			const calls = this.#functions.get(short(from)).calls;
			if (to !== "__indirect_call") {
				calls.add(short(to));
				continue;
			}
			const text = `${basename(/^(.*):\d+:\d+$/.exec(place)?.[1] ?? "?")}: ${textAt(place)}`;
			const pointer = pointers.find(({ call }) => call.test(text));
			for (const name of pointer?.to ?? []) calls.add(name);
			if (!pointer) calls.add(`(pointer) ${text}`);
		}
	}

	has(name) {
		return this.#functions.has(name);
	}

	/** Names of functions that match. */
	matching(pattern) {
		return [...this.#functions.keys()].filter((name) => pattern.test(name));
	}

	/** Names of all functions that a function leads to, itself among them. */
	reachable(name, found = new Set()) {
		if (found.has(name)) return found;
		found.add(name);
		for (const called of this.#functions.get(name)?.calls ?? []) this.reachable(called, found);
		return found;
	}

	/** @returns { bytes, path: [[name, bytes of its frame]] } of the deepest path that begins with a function */
	deepest(name, above = []) {
		const known = this.#depths.get(name);
		if (known) return known;
		if (above.includes(name)) {
			this.recursive.add(name);
			return { bytes: 0, path: [] };
		}
		const it = this.#functions.get(name);
		if (!it) {
			if (name.startsWith("(pointer) ")) this.unresolved.add(name.slice(10));
			else this.unknown.add(name);
			return { bytes: 0, path: [] };
		}
		let best = { bytes: 0, path: [] };
		for (const called of it.calls) {
			const below = this.deepest(called, [...above, name]);
			if (below.bytes > best.bytes) best = below;
		}
		const result = { bytes: it.bytes + best.bytes, path: [[name, it.bytes], ...best.path] };
		this.#depths.set(name, result);
		return result;
	}
}
