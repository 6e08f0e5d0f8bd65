/**
 * Links compiled chunks into the block that the tunnel gets (native/tn_filter.h): the rules of all chunks, bound to the local networks. What can never
 * accept anything is left out (protocol/filter.md §6), which on a plain node leaves its two addresses as the only destinations.
 *
 * It closes (no rule at all, local networks kept, so that answers still come in) and says why, when a chunk has a problem, when the rules would reach a
 * peer that tailnet lock does not cover (§5.4), or when the result is too large.
 */
import { AddressEntry } from "./filter-address.js";
import { prefixContains6 } from "./filter-order.js";
import { DEFAULT_BUDGET_BYTES, type FilterChunk, type FilterProblem } from "./filter-rules.js";
import { SourceSet } from "./filter-sources.js";
import {
	ANY4,
	ANY6,
	CLASS_BYTES,
	DESTINATION_BYTES,
	FilterBlock,
	FilterTables,
	MOST_CLASSES,
	MOST_SETS,
	PREFIX6_BYTES,
	RANGE4_BYTES,
} from "./filter-tables.js";

export interface FilterLinkOptions {
	/** Own addresses and advertised routes, as prefix texts ("100.64.0.1/32"): a v4-mapped IPv6 prefix must stay one. */
	localNets: readonly string[];
	/** AllowedIPs of all peers with UnsignedPeerAPIOnly. */
	unsignedPrefixes?: readonly string[];
	budgetBytes?: number;
}

export interface LinkedFilter {
	readonly block: Uint8Array;
	/** Rules in the chunks, whether or not they are in the block. */
	readonly matches: number;
	readonly problem: FilterProblem | undefined;
}

/** Reads prefixes into a set; what is no prefix is left out. */
export function readPrefixes(texts: readonly string[]): SourceSet {
	const set = new SourceSet();
	const entry = new AddressEntry();
	for (const text of texts) if (entry.read(text) !== "invalid") set.add(entry);
	set.normalise();
	return set;
}

function begin(local: SourceSet): FilterTables {
	const tables = new FilterTables();
	tables.addSet(local.flags, local.ranges4.content(), local.prefixes6.content(), new Uint8Array(0));
	return tables;
}

export function overlaps4(set: SourceSet, first: number, last: number): boolean {
	if ((set.flags & ANY4) !== 0) return true;
	const { view, lengthBytes } = set.ranges4;
	for (let at = 0; at < lengthBytes; at += RANGE4_BYTES) if (first <= view.getUint32(at + 4, true) && last >= view.getUint32(at, true)) return true;
	return false;
}

export function overlaps6(set: SourceSet, address: Uint8Array, offset: number, bits: number): boolean {
	if ((set.flags & ANY6) !== 0) return true;
	const { bytes, lengthBytes } = set.prefixes6;
	for (let at = 0; at < lengthBytes; at += PREFIX6_BYTES) {
		const shorter = Math.min(bits, bytes[at + 16] as number);
		if (prefixContains6(bytes, at, shorter, address, offset)) return true;
	}
	return false;
}

/** One chunk on its way into the block: numbers of its sets and classes in both. */
class ChunkLink {
	readonly #from: FilterBlock;
	readonly #into: FilterTables;
	readonly #local: SourceSet;
	readonly #sets = new Map<number, number>();
	readonly #classes = new Map<number, number>();

	constructor(chunk: FilterChunk, into: FilterTables, local: SourceSet) {
		this.#from = new FilterBlock(chunk.block);
		this.#into = into;
		this.#local = local;
	}

	#set(number: number): number {
		let linked = this.#sets.get(number);
		if (linked === undefined) {
			const set = this.#from.set(number);
			linked = this.#into.addSet(set.flags, set.ranges4, set.prefixes6, set.capabilities);
			this.#sets.set(number, linked);
		}
		return linked;
	}

	#class(number: number): number {
		let linked = this.#classes.get(number);
		if (linked === undefined) {
			const at = this.#from.classesAt + CLASS_BYTES * number;
			linked = this.#into.addClass(this.#from.bytes.slice(at, at + CLASS_BYTES));
			this.#classes.set(number, linked);
		}
		return linked;
	}

	run(): void {
		const { bytes, view } = this.#from;
		for (let at = this.#from.destinations4At; at < this.#from.destinations6At; at += DESTINATION_BYTES) {
			const first = view.getUint32(at, true);
			const last = view.getUint32(at + 4, true);
			if (!overlaps4(this.#local, first, last)) continue;
			const set = this.#set(view.getUint16(at + 12, true));
			this.#into.addDestination4(first, last, view.getUint16(at + 8, true), view.getUint16(at + 10, true), set, this.#class(view.getUint8(at + 14)));
		}
		for (let at = this.#from.destinations6At; at < this.#from.classesAt; at += DESTINATION_BYTES) {
			const addressAt = this.#from.addresses6At + 16 * view.getUint32(at, true);
			const bits = view.getUint32(at + 4, true);
			if (!overlaps6(this.#local, bytes, addressAt, bits)) continue;
			const set = this.#set(view.getUint16(at + 12, true));
			const protocols = this.#class(view.getUint8(at + 14));
			this.#into.addDestination6(bytes.slice(addressAt, addressAt + 16), bits, view.getUint16(at + 8, true), view.getUint16(at + 10, true), set, protocols);
		}
		// Also those of rules that were left out: ICMP does not look at the destination (§3.5).
		for (const id of this.#from.icmp(4)) this.#into.icmp4.add(id);
		for (const id of this.#from.icmp(6)) this.#into.icmp6.add(id);
	}
}

/** Whether a rule with destinations has a source prefix that overlaps one of the set. */
function reaches(chunk: FilterChunk, peers: SourceSet): boolean {
	const block = new FilterBlock(chunk.block);
	const used = new Set<number>();
	for (let at = block.destinations4At; at < block.classesAt; at += DESTINATION_BYTES) used.add(block.view.getUint16(at + 12, true));
	for (const number of used) {
		const set = block.set(number);
		if (((set.flags & ANY4) !== 0 && peers.hasFamily(4)) || ((set.flags & ANY6) !== 0 && peers.hasFamily(6))) return true;
		const view = new DataView(set.ranges4.buffer, set.ranges4.byteOffset, set.ranges4.byteLength);
		for (let at = 0; at < set.ranges4.length; at += RANGE4_BYTES) if (overlaps4(peers, view.getUint32(at, true), view.getUint32(at + 4, true))) return true;
		for (let at = 0; at < set.prefixes6.length; at += PREFIX6_BYTES) if (overlaps6(peers, set.prefixes6, at, set.prefixes6[at + 16] as number)) return true;
	}
	return false;
}

function problemOf(chunks: readonly FilterChunk[], unsigned: SourceSet): FilterProblem | undefined {
	for (const chunk of chunks) if (chunk.problem) return chunk.problem;
	for (const chunk of chunks)
		if (reaches(chunk, unsigned)) return { code: "unsigned-peer", text: "packet filter: the rules let in a peer that tailnet lock does not cover" };
	return undefined;
}

/**
 * Makes the block for the tunnel.
 * @param chunks of all names, in any order
 */
export function linkFilter(chunks: readonly FilterChunk[], options: FilterLinkOptions): LinkedFilter {
	const local = readPrefixes(options.localNets);
	const budgetBytes = options.budgetBytes ?? DEFAULT_BUDGET_BYTES;
	let matches = 0;
	for (const chunk of chunks) matches += chunk.matches;
	let problem = problemOf(chunks, readPrefixes(options.unsignedPrefixes ?? []));
	if (!problem) {
		const tables = begin(local);
		for (const chunk of chunks) {
			new ChunkLink(chunk, tables, local).run();
			problem = tooLarge(tables, budgetBytes);
			if (problem) break;
		}
		if (!problem) return { block: tables.finish(), matches, problem: undefined };
	}
	return { block: begin(local).finish(), matches, problem };
}

function tooLarge(tables: FilterTables, budgetBytes: number): FilterProblem | undefined {
	const over = (what: string, need: number, budget: number): FilterProblem => ({
		code: "too-large",
		text: `packet filter: the rules need ${need} ${what}, the budget is ${budget}`,
	});
	if (tables.lengthBytes > budgetBytes) return over("bytes", tables.lengthBytes, budgetBytes);
	if (tables.setCount > MOST_SETS) return over("source sets", tables.setCount, MOST_SETS);
	if (tables.classCount > MOST_CLASSES) return over("protocol lists", tables.classCount, MOST_CLASSES);
	return undefined;
}
