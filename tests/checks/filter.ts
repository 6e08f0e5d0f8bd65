/** Packet filter rules, grants and named chunks: tests/vectors/filter.json, protocol/filter.md §8. What packets get of them is native/tn_filter.c's. */
import { addressToText, parseAddressInto } from "../../modules/netmap/address.js";
import { grantedCapabilities } from "../../modules/netmap/filter-grants.js";
import { compileRules, type FilterChunk } from "../../modules/netmap/filter-rules.js";
import { ANY4, ANY6, CLASS_BYTES, FilterBlock, PREFIX6_BYTES, RANGE4_BYTES, SET_BYTES } from "../../modules/netmap/filter-tables.js";
import { Interner } from "../../modules/netmap/interner.js";
import { WrongType } from "../../modules/netmap/members.js";
import { expect } from "../harness.js";
import { firstMessage, type JSONObject, Lab } from "../unit/netmap/fixtures.js";
import { type Check, each } from "./check.js";

interface Match {
	ipProto: number[];
	srcs: string[];
	srcCaps: string[];
	dsts: string[];
	grants: string[];
}

interface Range {
	first: bigint;
	last: bigint;
}

interface CompileVector {
	name: string;
	json: string;
	jsonError: boolean;
	error?: boolean;
	count?: number;
	matches?: Match[];
}

interface GrantVector {
	name: string;
	rules: unknown;
	queries: { src: string; dst: string; caps: Record<string, unknown[]> }[];
}

interface ChunkVector {
	name: string;
	steps: { mapResponse: unknown; chunkNames: string[]; rules: number; matches: number; matchFirstSources: string[] }[];
}

/** As JSON comes: the sets are for the native filter. */
export interface FilterVectors {
	compile?: unknown;
	grants?: unknown;
	chunks?: unknown;
}

/** As a host compiles them, grants kept. */
export function compile(rules: unknown, capabilities = new Interner(1000)): FilterChunk {
	return compileRules(rules, { capabilities, grants: true });
}

/** 16 bytes as a number. */
export function numberOf(bytes: Uint8Array): bigint {
	let value = 0n;
	for (let i = 0; i < 16; i += 1) value = (value << 8n) | BigInt(bytes[i] as number);
	return value;
}

/** Ranges of a family out of prefix texts, by arithmetic of our own. IPv4 as its 32-bit number. */
export function expectedRanges(prefixes: string[], family: number): Range[] {
	const ranges: Range[] = [];
	for (const text of prefixes) {
		const [address, length] = text.split("/") as [string, string];
		const bytes = new Uint8Array(16);
		if (parseAddressInto(address, bytes, 0) !== family) continue;
		const width = family === 4 ? 32n : 128n;
		const first = family === 4 ? numberOf(bytes) & 0xffffffffn : numberOf(bytes);
		ranges.push({ first, last: first + (1n << (width - BigInt(length))) - 1n });
	}
	return joined(ranges);
}

function joined(ranges: Range[]): Range[] {
	ranges.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
	const result: Range[] = [];
	for (const range of ranges) {
		const before = result[result.length - 1];
		if (!before || range.first > before.last + 1n) result.push({ ...range });
		else if (range.last > before.last) before.last = range.last;
	}
	return result;
}

/** Ranges of a family in a compiled source set. */
export function compiledRanges(block: FilterBlock, number: number, family: number): Range[] {
	const set = block.set(number);
	const ranges: Range[] = [];
	if (family === 4) {
		if (set.flags & ANY4) return [{ first: 0n, last: 0xffffffffn }];
		const view = new DataView(set.ranges4.buffer, set.ranges4.byteOffset, set.ranges4.byteLength);
		for (let at = 0; at < set.ranges4.length; at += RANGE4_BYTES)
			ranges.push({ first: BigInt(view.getUint32(at, true)), last: BigInt(view.getUint32(at + 4, true)) });
	} else {
		if (set.flags & ANY6) return [{ first: 0n, last: (1n << 128n) - 1n }];
		for (let at = 0; at < set.prefixes6.length; at += PREFIX6_BYTES) {
			const first = numberOf(set.prefixes6.subarray(at, at + 16));
			ranges.push({ first, last: first + (1n << (128n - BigInt(set.prefixes6[at + 16] as number))) - 1n });
		}
	}
	return joined(ranges);
}

/** "first last port port protocols" of every destination record of a family, sorted. */
export function compiledDestinations(block: FilterBlock, family: number): string[] {
	const found: string[] = [];
	const [from, to] = family === 4 ? [block.destinations4At, block.destinations6At] : [block.destinations6At, block.classesAt];
	for (let at = from; at < to; at += 16) {
		const a = block.view.getUint32(at, true);
		const b = block.view.getUint32(at + 4, true);
		let first = BigInt(a);
		let last = BigInt(b);
		if (family === 6) {
			first = numberOf(block.bytes.subarray(block.addresses6At + 16 * a, block.addresses6At + 16 * a + 16));
			last = first + (1n << BigInt(128 - b)) - 1n;
		}
		found.push(`${first} ${last} ${block.view.getUint16(at + 8, true)}-${block.view.getUint16(at + 10, true)}`);
	}
	return found.sort();
}

/** The same out of the vectors' texts. A range of ours is one IPv4 record, so neighbours with equal ports are joined on both sides. */
export function expectedDestinations(dsts: string[], family: number): string[] {
	const byPorts = new Map<string, string[]>();
	for (const text of dsts) {
		const [prefix, ports] = text.split(" ") as [string, string];
		byPorts.set(ports, [...(byPorts.get(ports) ?? []), prefix]);
	}
	const found: string[] = [];
	for (const [ports, prefixes] of byPorts) for (const range of expectedRanges(prefixes, family)) found.push(`${range.first} ${range.last} ${ports}`);
	return found.sort();
}

function expectMatch(rule: unknown, match: Match): void {
	const capabilities = new Interner(1000);
	const chunk = compile([rule], capabilities);
	const block = new FilterBlock(chunk.block);
	expect(chunk.matches).toBe(1);
	const grants = chunk.grants.flatMap((grant) =>
		grant.destinations.flatMap((to) =>
			grant.capabilities.map(([name, values]) => `${addressToText(to.address)}/${to.family === 4 ? to.bits - 96 : to.bits} ${name} ${JSON.stringify(values)}`),
		),
	);
	const masked = (text: string) => text.replace(/^10\.0\.0\.1\/8/, "10.0.0.0/8"); // host bits of a grant mean nothing
	expect(grants.sort()).toEqual(match.grants.map(masked).sort());
	for (const family of [4, 6]) {
		const sources = expectedRanges(match.srcs, family);
		const destinations = expectedDestinations(match.dsts, family);
		const exists = (sources.length > 0 || match.srcCaps.length > 0) && destinations.length > 0;
		expect(compiledDestinations(block, family)).toEqual(exists ? destinations : []);
		if (!exists) continue;
		const at = family === 4 ? block.destinations4At : block.destinations6At;
		const set = block.view.getUint16(at + 12, true);
		expect(compiledRanges(block, set, family)).toEqual(sources);
		const ids = block.set(set).capabilities;
		const names: string[] = [];
		for (let i = 0; i < ids.length; i += 2) names.push(capabilities.text((ids[i] as number) | ((ids[i + 1] as number) << 8)));
		expect(names).toEqual(match.srcCaps);
		expect(block.icmp(family).map((id) => capabilities.text(id))).toEqual(match.srcCaps);
		const protocols = block.bytes.subarray(block.classesAt + CLASS_BYTES * block.view.getUint8(at + 14));
		const listed = [];
		for (let i = 0; i < 256; i += 1) if (((protocols[i >> 3] as number) >> (i & 7)) & 1) listed.push(i);
		expect(listed).toEqual([...new Set(match.ipProto)].sort((a, b) => a - b));
	}
}

export function filterCompilation(file: FilterVectors): Check[] {
	return each(
		file.compile as CompileVector[] | undefined,
		(vector) => vector.name,
		(vector) => {
			const rules = JSON.parse(vector.json);
			if (vector.jsonError) {
				expect(() => compile(rules)).toThrow(WrongType);
				return;
			}
			const chunk = compile(rules);
			expect(chunk.matches).toBe(vector.count);
			expect(chunk.errorCount > 0).toBe(vector.error);
			const matches = vector.matches as Match[];
			for (let i = 0; i < matches.length; i += 1) expectMatch(rules[i], matches[i] as Match);
		},
	);
}

export function filterGrants(file: FilterVectors): Check[] {
	const queries = ((file.grants ?? []) as GrantVector[]).flatMap((vector) => vector.queries.map((query) => ({ rules: vector.rules, ...query })));
	return each(
		queries,
		(query) => `what ${query.src} may do at ${query.dst}`,
		(query) => {
			const chunk = compileRules(query.rules, { capabilities: new Interner(1000), grants: true });
			expect(Object.fromEntries(grantedCapabilities([chunk], query.src, query.dst))).toEqual(query.caps);
		},
	);
}

/** Single IPv4 sources of the rules in force, sorted. */
export function sourcesInForce(lab: Lab): string[] {
	const block = new FilterBlock(lab.netmap.filter as Uint8Array);
	const found: string[] = [];
	// Set 0 is the local networks.
	for (let i = 1; i < (block.destinations4At - block.setsAt) / SET_BYTES; i += 1) {
		const { ranges4, flags } = block.set(i);
		if (flags !== 0) found.push("*");
		for (let at = 0; at < ranges4.length; at += 8) found.push(`${ranges4[at + 3]}.${ranges4[at + 2]}.${ranges4[at + 1]}.${ranges4[at]}`);
	}
	return found.sort();
}

export function filterChunks(file: FilterVectors): Check[] {
	return each(
		file.chunks as ChunkVector[] | undefined,
		(vector) => vector.name,
		(vector) => {
			const lab = new Lab();
			lab.feed(firstMessage([]));
			for (const step of vector.steps) {
				lab.feed(step.mapResponse as JSONObject);
				expect(lab.netmap.chunks.names).toEqual(step.chunkNames);
				const wanted = step.matchFirstSources.map((prefix) => prefix.replace("/32", "")).sort();
				expect([wanted.length, sourcesInForce(lab)]).toEqual([step.matches, wanted]);
			}
		},
	);
}

export function filterChecks(file: FilterVectors): Check[] {
	return [...filterCompilation(file), ...filterGrants(file), ...filterChunks(file)];
}
