/**
 * Schemas of the JSON scanner, written as nested calls and compiled to the bytes that native/tn_json.h describes:
 *
 *   const schema = compileSchema(
 *     members({
 *       KeepAlive: take(Path.keepAlive),
 *       Node: project(Path.node, { ID: take(), Key: take(), CapMap: keys() }),
 *       Peers: eachElement(Path.peers, project(Path.peer, peerMembers)),
 *       PacketFilters: eachMember(Path.chunks, eachElement(Path.rules, members(ruleMembers, { path: Path.rule, announce: true }), true)),
 *     }),
 *   );
 *
 * A path is the number under which the scanner reports a value, 1..65535. Inside project, list and keys nothing is reported: leave it out there.
 * One node may be used in several places.
 */

const Kind = { skip: 0, take: 1, keys: 2, project: 3, list: 4, members: 5, eachMember: 6, eachElement: 7 } as const;

const HEADER_BYTES = 4;
const NODE_BYTES = 8;
const ENTRY_BYTES = 6;
const LONGEST_NAME = 63;

/** Treatment of one value. */
export interface SchemaNode {
	readonly kind: number;
	readonly path: number;
	readonly announce: boolean;
	/** Of members and project. */
	readonly named?: Readonly<Record<string, SchemaNode>>;
	/** Of members, each member, each element and list. */
	readonly other?: SchemaNode;
}

/** Checked and forgotten. */
export const skip: SchemaNode = Object.freeze({ kind: Kind.skip, path: 0, announce: false });

/** Kept as it is, whatever its type. */
export function take(path = 0): SchemaNode {
	return { kind: Kind.take, path, announce: false };
}

/** Object: kept with every member's value replaced by null. */
export function keys(path = 0): SchemaNode {
	return { kind: Kind.keys, path, announce: false };
}

/** Object: kept with the named members only. */
export function project(path: number, named: Record<string, SchemaNode>): SchemaNode {
	return { kind: Kind.project, path, announce: false, named };
}

/** Array: kept, each element treated by `element` (take, keys, project or list). */
export function list(path: number, element: SchemaNode): SchemaNode {
	return { kind: Kind.list, path, announce: false, other: element };
}

/**
 * Object: gone into; each member by its name, others by `other`.
 * @param options.path reports emptiness ("{}"), null and values of another type; 0 = nobody wants to know
 * @param options.announce reports "{" before and "}" after the members
 */
export function members(named: Record<string, SchemaNode>, options: { path?: number; announce?: boolean; other?: SchemaNode } = {}): SchemaNode {
	return { kind: Kind.members, path: options.path ?? 0, announce: options.announce ?? false, named, other: options.other ?? skip };
}

/** Object: gone into; every member is treated by `member`, and its name is the key of what that reports. */
export function eachMember(path: number, member: SchemaNode, announce = false): SchemaNode {
	return { kind: Kind.eachMember, path, announce, other: member };
}

/** Array: gone into; every element is treated by `element`. */
export function eachElement(path: number, element: SchemaNode, announce = false): SchemaNode {
	return { kind: Kind.eachElement, path, announce, other: element };
}

/** Numbers the nodes that can be reached from the root: skip first, then the root, then the others. */
function collect(root: SchemaNode): Map<SchemaNode, number> {
	const numbers = new Map<SchemaNode, number>([[skip, 0]]);
	const waiting = [root];
	for (let node = waiting.shift(); node; node = waiting.shift()) {
		if (numbers.has(node)) continue;
		numbers.set(node, numbers.size);
		for (const name in node.named) waiting.push(node.named[name] as SchemaNode);
		if (node.other) waiting.push(node.other);
	}
	return numbers;
}

/** What native/tn_json.h demands of a node; a schema is written by us, so a mistake in it is thrown. */
function check(node: SchemaNode): void {
	const isDescended = node.kind >= Kind.members;
	if (!Number.isInteger(node.path) || node.path < 0 || node.path > 65535) throw new RangeError(`schema: path ${node.path} is not in 0..65535`);
	if (node.announce && node.path === 0) throw new RangeError("schema: an announced container needs a path");
	for (const name in node.named) {
		const child = node.named[name] as SchemaNode;
		if (!isPlain(name) || name.length > LONGEST_NAME) throw new RangeError(`schema: "${name}" is not a name of 1..${LONGEST_NAME} printable characters`);
		checkChild(child, isDescended);
	}
	if (node.other) {
		checkChild(node.other, isDescended);
		if (node.kind === Kind.list && node.other.kind === Kind.skip) throw new RangeError("schema: a list keeps its elements");
	}
}

/** Printable ASCII without quotation mark and backslash, at least one character. By code: XS compiles a pattern anew each time that it comes to it. */
function isPlain(name: string): boolean {
	for (let i = 0; i < name.length; i += 1) {
		const code = name.charCodeAt(i);
		if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
	}
	return name !== "";
}

function checkChild(child: SchemaNode, isDescended: boolean): void {
	if (!isDescended && child.kind >= Kind.members) throw new RangeError("schema: a value that is kept cannot be gone into");
	if (isDescended && child.path === 0 && child.kind !== Kind.skip && child.kind < Kind.members)
		throw new RangeError("schema: a value that is reported needs a path");
}

/**
 * @returns the schema for JSONScanner
 * @throws {RangeError} for a schema that no scanner takes
 */
export function compileSchema(root: SchemaNode): Uint8Array {
	const numbers = collect(root);
	if (root.kind === Kind.skip) throw new RangeError("schema: the document is skipped");
	if (root.kind < Kind.members && root.path === 0) throw new RangeError("schema: a value that is reported needs a path");
	const names: string[] = [];
	let entryBytes = 0;
	for (const node of numbers.keys()) {
		check(node);
		if (!node.named) continue;
		const own = Object.keys(node.named);
		entryBytes += 2 + ENTRY_BYTES * own.length;
		for (const name of own) if (!names.includes(name)) names.push(name);
	}
	const namesAt = HEADER_BYTES + NODE_BYTES * numbers.size + entryBytes;
	const places = new Map<string, number>();
	let lengthBytes = namesAt;
	for (const name of names) {
		places.set(name, lengthBytes);
		lengthBytes += name.length;
	}
	if (lengthBytes > 65535) throw new RangeError(`schema: ${lengthBytes} bytes, offsets reach to 65535`);

	const schema = new Uint8Array(lengthBytes);
	const view = new DataView(schema.buffer);
	schema[0] = 0x4a;
	schema[1] = 0x53;
	view.setUint16(2, numbers.size, true);
	for (const [name, place] of places) for (let i = 0; i < name.length; i += 1) schema[place + i] = name.charCodeAt(i);
	let entry = HEADER_BYTES + NODE_BYTES * numbers.size;
	for (const [node, number] of numbers) {
		const at = HEADER_BYTES + NODE_BYTES * number;
		schema[at] = node.kind;
		schema[at + 1] = node.announce ? 1 : 0;
		view.setUint16(at + 2, node.path, true);
		view.setUint16(at + 6, node.other ? (numbers.get(node.other) as number) : 0, true);
		if (!node.named) continue;
		view.setUint16(at + 4, entry, true);
		const own = Object.keys(node.named);
		view.setUint16(entry, own.length, true);
		entry += 2;
		for (const name of own) {
			schema[entry] = name.length;
			schema[entry + 1] = name.charCodeAt(0);
			view.setUint16(entry + 2, places.get(name) as number, true);
			view.setUint16(entry + 4, numbers.get(node.named[name] as SchemaNode) as number, true);
			entry += ENTRY_BYTES;
		}
	}
	return schema;
}
