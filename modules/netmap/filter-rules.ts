/**
 * Compiles packet filter rules as control sends them (protocol/filter.md §1, §2) into a chunk: tables of the form that native/tn_filter evaluates, not yet
 * bound to our own addresses (filter-link.ts does that). A rule may come in pieces, its members in any order, so that ten thousand sources need no list
 * in memory; compileRules() takes whole rules.
 *
 * What is wrong with an entry drops the entry (§1.4); a wrong JSON type is thrown, because it refuses the whole message; obsolete bits and a filter beyond
 * its budget are problems that close the whole filter when it is linked.
 */
import { AddressEntry, forEachPrefix } from "./filter-address.js";
import { type CapabilityGrant, readGrant } from "./filter-grants.js";
import { SourceSet } from "./filter-sources.js";
import { ByteTable, CLASS_BYTES, FilterTables, MOST_CLASSES, MOST_SETS } from "./filter-tables.js";
import { type Members, WrongType } from "./members.js";

/** Why the filter lets nothing in that no flow asked for. */
export interface FilterProblem {
	code: "obsolete-bits" | "too-large" | "unsigned-peer";
	/** Names the limit, the need and the budget, or the entry at fault. */
	text: string;
}

/** One named list of rules, compiled. */
export interface FilterChunk {
	/** Rules in it (upstream's matches). */
	readonly matches: number;
	/** Tables as in native/tn_filter.h, with empty local networks. */
	readonly block: Uint8Array;
	readonly problem: FilterProblem | undefined;
	/** The first entries that were dropped, for a log; errorCount counts them all. */
	readonly errors: readonly string[];
	readonly errorCount: number;
	/** Empty unless grants were asked for. */
	readonly grants: readonly CapabilityGrant[];
}

export interface FilterCompilerOptions {
	/** Gives capability names their ids; -1 = no room. */
	capabilities: { intern(name: string): number };
	/** Largest size of the compiled tables. Beyond it the chunk is a problem, and memory use stays below about twice this. */
	budgetBytes?: number;
	/** Keep CapGrant, for grantedCapabilities(). */
	grants?: boolean;
}

export const DEFAULT_BUDGET_BYTES = 262144;

/** Of absent, null and empty IPProto: TCP, UDP, ICMP, ICMPv6. */
const DEFAULT_PROTOCOLS: readonly number[] = Object.freeze([6, 17, 1, 58]);

const MOST_ERRORS = 8;
/** Grants kept of one chunk; what is beyond is not granted. */
const MOST_GRANTS = 256;
/** Bytes of an error's quotation: entries are up to what control sends. */
const MOST_QUOTED = 64;

const PENDING4_BYTES = 12;
const PENDING6_BYTES = 21;

function expectList(value: unknown, where: string): readonly unknown[] {
	if (value === undefined || value === null) return [];
	if (Array.isArray(value)) return value;
	throw new WrongType(`${where}: expected a list, got ${typeof value}`);
}

function expectObject(value: unknown, where: string): Members {
	if (value === undefined || value === null) return {};
	if (typeof value === "object" && !Array.isArray(value)) return value as Members;
	throw new WrongType(`${where}: expected an object, got ${typeof value}`);
}

function expectText(value: unknown, where: string): string {
	if (value === undefined || value === null) return "";
	if (typeof value === "string") return value;
	throw new WrongType(`${where}: expected a text, got ${typeof value}`);
}

function expectInteger(value: unknown, lowest: number, highest: number, where: string): number {
	if (value === undefined || value === null) return 0;
	if (typeof value === "number" && Number.isInteger(value) && value >= lowest && value <= highest) return value;
	throw new WrongType(`${where}: expected a whole number in ${lowest}..${highest}, got ${typeof value === "number" ? value : typeof value}`);
}

/** A member by its name; failing that, by its name in another case, as Go decodes. */
function member(object: Members, name: string): unknown {
	const value = object[name];
	if (value !== undefined) return value;
	const wanted = name.toLowerCase();
	for (const other in object) if (other.length === name.length && other.toLowerCase() === wanted) return object[other];
	return undefined;
}

export class FilterCompiler {
	readonly #options: FilterCompilerOptions;
	readonly #budgetBytes: number;
	readonly #entry = new AddressEntry();
	readonly #sources = new SourceSet();
	/** Destinations of the rule being read: first, last, ports; and address, bits, ports. */
	readonly #pending4 = new ByteTable();
	readonly #pending6 = new ByteTable();
	readonly #protocolBits = new Uint8Array(CLASS_BYTES);
	#tables = new FilterTables();
	#pendingGrants: CapabilityGrant[] = [];
	#grants: CapabilityGrant[] = [];
	#matches = 0;
	#errors: string[] = [];
	#errorCount = 0;
	#droppedBytes = 0;
	#problem: FilterProblem | undefined;

	constructor(options: FilterCompilerOptions) {
		this.#options = options;
		this.#budgetBytes = options.budgetBytes ?? DEFAULT_BUDGET_BYTES;
		this.#tables.addSet(0, new Uint8Array(0), new Uint8Array(0), new Uint8Array(0));
	}

	beginRule(): void {
		this.#sources.clear();
		this.#pending4.clear();
		this.#pending6.clear();
		this.#pendingGrants = [];
		this.protocols(undefined);
	}

	/** SrcIPs as a whole: a list or null. @throws {WrongType} */
	sources(value: unknown): void {
		for (const each of expectList(value, "SrcIPs")) this.source(each);
	}

	/** One element of SrcIPs. @throws {WrongType} */
	source(value: unknown): void {
		const text = expectText(value, "SrcIPs");
		const form = this.#entry.read(text);
		if (form === "invalid") this.#drop("source", text);
		else if (form === "capability") this.#addCapability(this.#entry.capability);
		else this.#sources.add(this.#entry);
		if (this.#sources.lengthBytes > this.#budgetBytes) {
			this.#droppedBytes += this.#sources.lengthBytes;
			this.#sources.clear();
		}
	}

	#addCapability(name: string): void {
		if (name === "") return;
		const id = this.#options.capabilities.intern(name);
		if (id >= 0) this.#sources.addCapability(id);
		else this.#fail("too-large", "packet filter: no room for another capability name");
	}

	/** DstPorts as a whole: a list or null. @throws {WrongType} */
	destinations(value: unknown): void {
		for (const each of expectList(value, "DstPorts")) this.destination(each);
	}

	/** One element of DstPorts. @throws {WrongType} */
	destination(value: unknown): void {
		const object = expectObject(value, "DstPorts");
		const ports = expectObject(member(object, "Ports"), "Ports");
		const first = expectInteger(member(ports, "First"), 0, 65535, "First");
		const last = expectInteger(member(ports, "Last"), 0, 65535, "Last");
		const text = expectText(member(object, "IP"), "IP");
		const bits = member(object, "Bits");
		if (bits !== undefined && bits !== null) {
			expectInteger(bits, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "Bits");
			this.#fail("obsolete-bits", "packet filter: obsolete Bits in a destination");
		}
		const entry = this.#entry;
		const form = entry.read(text);
		if (form === "invalid" || (form === "capability" && entry.capability !== "")) this.#drop("destination", text);
		if (form === "all" || form === "range4") this.#addPending4(form === "all" ? 0 : entry.first4, form === "all" ? 0xffffffff : entry.last4, first, last);
		if (form === "all") this.#addPending6(new Uint8Array(16), 0, first, last);
		if (form === "prefix6") this.#addPending6(entry.low.subarray(0, 16), entry.bits, first, last);
		if (form === "range6") forEachPrefix(entry.low.subarray(0, 16), entry.high, (address, length) => this.#addPending6(address, length, first, last));
		if (this.#pending4.lengthBytes + this.#pending6.lengthBytes > this.#budgetBytes) {
			this.#droppedBytes += this.#pending4.lengthBytes + this.#pending6.lengthBytes;
			this.#pending4.clear();
			this.#pending6.clear();
		}
	}

	#addPending4(first4: number, last4: number, firstPort: number, lastPort: number): void {
		const at = this.#pending4.extend(PENDING4_BYTES);
		const view = this.#pending4.view;
		view.setUint32(at, first4);
		view.setUint32(at + 4, last4);
		view.setUint16(at + 8, firstPort);
		view.setUint16(at + 10, lastPort);
	}

	#addPending6(address: Uint8Array, bits: number, firstPort: number, lastPort: number): void {
		const at = this.#pending6.extend(PENDING6_BYTES);
		this.#pending6.bytes.set(address, at);
		const view = this.#pending6.view;
		view.setUint8(at + 16, bits);
		view.setUint16(at + 17, firstPort);
		view.setUint16(at + 19, lastPort);
	}

	/** IPProto as a whole: a list or null. Numbers outside 0..255 are left out, and what is left may be nothing. @throws {WrongType} */
	protocols(value: unknown): void {
		const list = expectList(value, "IPProto");
		this.#protocolBits.fill(0);
		for (const each of list.length === 0 ? DEFAULT_PROTOCOLS : list) {
			const protocol = expectInteger(each, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "IPProto");
			if (protocol >= 0 && protocol <= 255) this.#protocolBits[protocol >> 3] = (this.#protocolBits[protocol >> 3] as number) | (1 << (protocol & 7));
		}
	}

	/** SrcBits as a whole: a list or null. @throws {WrongType} */
	sourceBits(value: unknown): void {
		const list = expectList(value, "SrcBits");
		for (const each of list) expectInteger(each, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "SrcBits");
		if (list.length > 0) this.#fail("obsolete-bits", "packet filter: obsolete SrcBits in a rule");
	}

	/** CapGrant as a whole: a list or null. @throws {WrongType} */
	grantList(value: unknown): void {
		for (const each of expectList(value, "CapGrant")) this.grant(each);
	}

	/** One element of CapGrant; checked even if grants are not kept. @throws {WrongType} */
	grant(value: unknown): void {
		const object = expectObject(value, "CapGrant");
		const grant = readGrant(member(object, "Dsts"), member(object, "Caps"), member(object, "CapMap"));
		if (this.#options.grants) this.#pendingGrants.push(grant);
	}

	endRule(): void {
		this.#matches += 1;
		const sources = this.#sources;
		sources.normalise();
		const counts4 = this.#pending4.lengthBytes > 0 && sources.hasFamily(4);
		const counts6 = this.#pending6.lengthBytes > 0 && sources.hasFamily(6);
		if (!counts4 && !counts6 && this.#pendingGrants.length === 0) return;
		const set = this.#tables.addSet(sources.flags, sources.ranges4.content(), sources.prefixes6.content(), sources.capabilities.content());
		if (counts4) this.#writeDestinations4(set);
		if (counts6) this.#writeDestinations6(set);
		for (const grant of this.#pendingGrants) {
			if (this.#grants.length < MOST_GRANTS) this.#grants.push({ ...grant, sources: set });
			else this.#drop("grant", grant.capabilities.map(([name]) => name).join());
		}
		if (this.#tables.lengthBytes > this.#budgetBytes || this.#tables.setCount > MOST_SETS || this.#tables.classCount > MOST_CLASSES) this.#dropTables();
	}

	#writeDestinations4(set: number): void {
		const protocols = this.#tables.addClass(this.#protocolBits);
		const { view, lengthBytes } = this.#pending4;
		for (let at = 0; at < lengthBytes; at += PENDING4_BYTES)
			this.#tables.addDestination4(view.getUint32(at), view.getUint32(at + 4), view.getUint16(at + 8), view.getUint16(at + 10), set, protocols);
		this.#noteICMP(this.#tables.icmp4);
	}

	#writeDestinations6(set: number): void {
		const protocols = this.#tables.addClass(this.#protocolBits);
		const { bytes, view, lengthBytes } = this.#pending6;
		for (let at = 0; at < lengthBytes; at += PENDING6_BYTES)
			this.#tables.addDestination6(bytes.slice(at, at + 16), view.getUint8(at + 16), view.getUint16(at + 17), view.getUint16(at + 19), set, protocols);
		this.#noteICMP(this.#tables.icmp6);
	}

	/** A capability source opens ICMP in a family where its rule has any destination (§3.5). */
	#noteICMP(ids: Set<number>): void {
		const { view, lengthBytes } = this.#sources.capabilities;
		for (let at = 0; at < lengthBytes; at += 2) ids.add(view.getUint16(at, true));
	}

	/** Beyond the budget nothing is kept, only counted. */
	#dropTables(): void {
		this.#droppedBytes += this.#tables.lengthBytes;
		this.#tables = new FilterTables();
		this.#tables.addSet(0, new Uint8Array(0), new Uint8Array(0), new Uint8Array(0));
		this.#grants = [];
	}

	#drop(what: string, text: string): void {
		this.#errorCount += 1;
		if (this.#errors.length < MOST_ERRORS) this.#errors.push(`packet filter: dropped the ${what} ${JSON.stringify(text.slice(0, MOST_QUOTED))}`);
	}

	#fail(code: FilterProblem["code"], text: string): void {
		this.#problem ??= { code, text };
	}

	/** The chunk. The compiler is used up. */
	finish(): FilterChunk {
		if (this.#droppedBytes > 0) {
			const need = this.#droppedBytes + this.#tables.lengthBytes;
			this.#fail("too-large", `packet filter: the rules need about ${need} bytes, the budget is ${this.#budgetBytes} bytes`);
		}
		if (this.#problem) this.#dropTables();
		return {
			matches: this.#problem?.code === "obsolete-bits" ? 0 : this.#matches,
			block: this.#tables.finish(),
			problem: this.#problem,
			errors: this.#errors,
			errorCount: this.#errorCount + (this.#problem ? 1 : 0),
			grants: this.#grants,
		};
	}
}

/**
 * Compiles a whole list of rules.
 * @param rules parsed JSON: a list or null
 * @throws {WrongType} if a member has a type that upstream cannot decode: the message is to be refused and the old filter stays
 */
export function compileRules(rules: unknown, options: FilterCompilerOptions): FilterChunk {
	const compiler = new FilterCompiler(options);
	for (const each of expectList(rules, "rules")) {
		const rule = expectObject(each, "rule");
		compiler.beginRule();
		compiler.sources(member(rule, "SrcIPs"));
		compiler.destinations(member(rule, "DstPorts"));
		compiler.protocols(member(rule, "IPProto"));
		compiler.sourceBits(member(rule, "SrcBits"));
		compiler.grantList(member(rule, "CapGrant"));
		compiler.endRule();
	}
	return compiler.finish();
}
