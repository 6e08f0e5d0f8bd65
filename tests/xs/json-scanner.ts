/**
 * The JSON scanner of the test host: the events of native/tn_json.h made in another way. It keeps the whole document, waits until it is complete, and
 * walks it by the schema with a recursive-descent parser.
 */
import { utf8Decode, utf8Encode } from "./host.js";

const Kind = { skip: 0, take: 1, keys: 2, project: 3, list: 4, members: 5, eachMember: 6, eachElement: 7 } as const;
const announce = 1;
const largestDepth = 64;

interface Node {
	kind: number;
	flags: number;
	path: number;
	other: number;
	named: Map<string, number>;
}

function readSchema(schema: Uint8Array): Node[] {
	const view = new DataView(schema.buffer, schema.byteOffset, schema.byteLength);
	const nodes: Node[] = [];
	for (let i = 0; i < view.getUint16(2, true); i += 1) {
		const at = 4 + 8 * i;
		const entriesAt = view.getUint16(at + 4, true);
		const named = new Map<string, number>();
		const kind = schema[at] as number;
		const count = kind === Kind.project || kind === Kind.members ? view.getUint16(entriesAt, true) : 0;
		for (let k = 0; k < count; k += 1) {
			const entry = entriesAt + 2 + 6 * k;
			const nameAt = view.getUint16(entry + 2, true);
			named.set(utf8Decode(schema.subarray(nameAt, nameAt + (schema[entry] as number))), view.getUint16(entry + 4, true));
		}
		nodes.push({ kind, flags: schema[at + 1] as number, path: view.getUint16(at + 2, true), other: view.getUint16(at + 6, true), named });
	}
	return nodes;
}

class Malformed extends Error {}
class Incomplete extends Error {}

type Emit = (path: number, key: string, text: string) => void;

/** One walk over a complete text. */
class Walk {
	readonly #text: string;
	readonly #nodes: Node[];
	readonly #emit: Emit;
	#at = 0;

	constructor(text: string, nodes: Node[], emit: Emit) {
		this.#text = text;
		this.#nodes = nodes;
		this.#emit = emit;
	}

	run(): void {
		this.#space();
		this.#descend(1, "", 0);
		this.#space();
		if (this.#at < this.#text.length) throw new Malformed("bytes after the document");
	}

	#node(index: number): Node {
		return this.#nodes[index] as Node;
	}

	/** A value reached by descending: makes events. */
	#descend(index: number, key: string, depth: number): void {
		const node = this.#node(index);
		const first = this.#peek();
		const wantsObject = node.kind === Kind.members || node.kind === Kind.eachMember;
		if (node.kind === Kind.skip) {
			this.#keep(index, depth);
		} else if ((wantsObject && first === "{") || (node.kind === Kind.eachElement && first === "[")) {
			const close = wantsObject ? "}" : "]";
			const announced = node.path !== 0 && (node.flags & announce) !== 0;
			if (announced) this.#emit(node.path, key, first);
			const count = this.#members(depth, (name, inner) => {
				const child = node.kind === Kind.members ? (node.named.get(name) ?? node.other) : node.other;
				this.#descend(child, node.kind === Kind.eachMember ? name : "", inner);
			});
			if (announced) this.#emit(node.path, "", close);
			else if (count === 0 && node.path !== 0) this.#emit(node.path, key, first + close);
		} else {
			const text = this.#keep(index, depth);
			if (node.path !== 0 || node.kind < Kind.members) this.#emit(node.path, key, text);
		}
	}

	/** The text that a node keeps of the value here. */
	#keep(index: number, depth: number): string {
		const node = this.#node(index);
		const first = this.#peek();
		if (first === "{") {
			const parts: string[] = [];
			this.#members(depth, (name, inner, raw) => {
				const child = node.kind === Kind.project ? node.named.get(name) : undefined;
				const text = this.#keep(child ?? (node.kind === Kind.project || node.kind === Kind.keys ? 0 : 2 ** 16), inner);
				if (node.kind === Kind.keys) parts.push(`${raw}:null`);
				else if (node.kind !== Kind.project || (child !== undefined && this.#node(child).kind !== Kind.skip)) parts.push(`${raw}:${text}`);
			});
			return `{${parts.join(",")}}`;
		}
		if (first === "[") {
			const parts: string[] = [];
			this.#members(depth, (_name, inner) => parts.push(this.#keep(node.kind === Kind.list ? node.other : 2 ** 16, inner)));
			return `[${parts.join(",")}]`;
		}
		if (first === '"') return this.#string();
		return this.#scalar();
	}

	/** Goes through a container. @returns how many children it has */
	#members(depth: number, child: (name: string, depth: number, raw: string) => void): number {
		if (depth + 1 > largestDepth) throw new Malformed("too deep");
		const isObject = this.#text[this.#at] === "{";
		const close = isObject ? "}" : "]";
		this.#at += 1;
		let count = 0;
		for (;;) {
			if (this.#peek() === close && count === 0) break;
			let name = "";
			let raw = "";
			if (isObject) {
				if (this.#peek() !== '"') throw new Malformed("a name is missing");
				raw = this.#string();
				name = JSON.parse(raw) as string;
				if (this.#peek() !== ":") throw new Malformed("a colon is missing");
				this.#at += 1;
				this.#space();
			}
			child(name, depth + 1, raw);
			count += 1;
			const next = this.#peek();
			if (next === close) break;
			if (next !== ",") throw new Malformed("a comma is missing");
			this.#at += 1;
		}
		this.#at += 1;
		return count;
	}

	#space(): void {
		while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "x")) this.#at += 1;
	}

	#peek(): string {
		this.#space();
		const character = this.#text[this.#at];
		if (character === undefined) throw new Incomplete("ends early");
		return character;
	}

	#string(): string {
		const from = this.#at;
		for (let at = from + 1; at < this.#text.length; at += 1) {
			const character = this.#text[at] as string;
			if (character === "\\") at += 1;
			else if (character === '"') {
				this.#at = at + 1;
				const raw = this.#text.slice(from, this.#at);
				this.#valid(raw);
				return raw;
			}
		}
		throw new Incomplete("a string ends early");
	}

	#scalar(): string {
		const raw = /^[-+.0-9A-Za-z]*/.exec(this.#text.slice(this.#at, this.#at + 400))?.[0] ?? "";
		this.#at += raw.length;
		this.#valid(raw);
		return /^-?\d{16,}$/.test(raw) ? `"${raw}"` : raw;
	}

	#valid(raw: string): void {
		try {
			JSON.parse(raw);
		} catch {
			if (this.#at >= this.#text.length) throw new Incomplete("ends early");
			throw new Malformed("not JSON");
		}
	}
}

export class JSONScanner {
	peakBytes = 0;
	readonly #nodes: Node[];
	readonly #size: number;
	#bytes: Uint8Array[] = [];
	#depth = 0;
	#inString = false;
	#escaped = false;
	#started = false;
	#result = 0;

	constructor(schema: Uint8Array, bufferBytes: number) {
		this.#nodes = readSchema(schema);
		this.#nodes[2 ** 16] = { kind: Kind.take, flags: 0, path: 0, other: 0, named: new Map() };
		this.#size = bufferBytes;
	}

	reset(): void {
		this.#bytes = [];
		this.#depth = 0;
		this.#inString = this.#escaped = this.#started = false;
		this.#result = 0;
	}

	push(bytes: Uint8Array, onValue: Emit): number {
		if (this.#result !== 0) {
			if (this.#result > 0 && bytes.some((byte) => ![32, 9, 10, 13].includes(byte))) this.#result = -1;
			return this.#result;
		}
		this.#bytes.push(bytes.slice());
		if (!this.#balanced(bytes)) return this.#result;
		const events: [number, string, string][] = [];
		let tooLarge = false;
		try {
			new Walk(this.#document(), this.#nodes, (path, key, text) => {
				const keptBytes = utf8Encode(key).length + utf8Encode(text).length;
				const fits = text === "{" || text === "}" || text === "[" || text === "]" || keptBytes <= this.#size;
				if (fits) this.peakBytes = Math.max(this.peakBytes, keptBytes);
				else tooLarge = true;
				events.push([path, key, fits ? text : ""]);
			}).run();
			this.#result = tooLarge ? -2 : 1;
		} catch (error) {
			if (!(error instanceof Malformed || error instanceof Incomplete)) throw error;
			this.#result = -1;
		}
		this.#bytes = [];
		for (const [path, key, text] of events) onValue(path, key, text);
		return this.#result;
	}

	/** True once every bracket is closed. */
	#balanced(bytes: Uint8Array): boolean {
		for (let i = 0; i < bytes.length; i += 1) {
			const byte = bytes[i] as number;
			if (this.#inString) {
				if (this.#escaped) this.#escaped = false;
				else if (byte === 0x5c) this.#escaped = true;
				else if (byte === 0x22) this.#inString = false;
				continue;
			}
			if (byte === 0x22) this.#inString = this.#started = true;
			else if (byte === 0x7b || byte === 0x5b) {
				this.#depth += 1;
				this.#started = true;
			} else if (byte === 0x7d || byte === 0x5d) this.#depth -= 1;
			else if (!this.#started && byte > 32) this.#started = true;
			if (this.#depth <= 0 && this.#started && !this.#inString && (byte === 0x7d || byte === 0x5d)) return true;
			if (this.#started && this.#depth === 0 && !this.#inString && byte !== 0x22) {
				this.#result = -1; // a document of ours is an object
				return false;
			}
		}
		return false;
	}

	#document(): string {
		let length = 0;
		for (const part of this.#bytes) length += part.length;
		const all = new Uint8Array(length);
		let at = 0;
		for (const part of this.#bytes) {
			all.set(part, at);
			at += part.length;
		}
		return utf8Decode(all);
	}
}
