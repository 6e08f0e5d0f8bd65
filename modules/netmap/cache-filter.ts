/**
 * The packet filter of a cached network map: what of the linked block (filter-link.ts) concerns peers that are kept, and back into rules for the compiler
 * (filter-rules.ts). Only what can accept is in it, so that a part that is lost allows less. One entry for each set of sources:
 *
 *   flags u8 (1 every IPv4 source, 2 every IPv6 source), u16 n, ranges (first u32, last u32), u16 n, prefixes, u8 n, names of capabilities,
 *   u8 n, destinations: u8 n, n protocols (255: a bit map of 32 bytes); u8 family 4: first u32, last u32, or 6: prefix; first port u16, last port u16
 *
 * A capability that opens ICMP beside its rule's destinations (protocol/filter.md §3.5) has an entry with a destination that nobody has: 0.0.0.0 or ::.
 */
import { addressToText, isIPv4, prefixToText } from "./address.js";
import type { CacheReader, CacheWriter } from "./cache-bytes.js";
import { overlaps4, overlaps6, readPrefixes } from "./filter-link.js";
import type { FilterCompiler } from "./filter-rules.js";
import type { SourceSet } from "./filter-sources.js";
import { CAPABILITY_BYTES, CLASS_BYTES, DESTINATION_BYTES, FilterBlock, PREFIX6_BYTES, RANGE4_BYTES, SET_BYTES } from "./filter-tables.js";
import type { Interner } from "./interner.js";
import { load16 } from "./record.js";

/** Sets times destinations: a block with more is left out, it would take long. */
const MOST_WORK = 1_000_000;
const MOST_DESTINATIONS = 255;
const BIT_MAP = 255;

/** Where entries go: each is written after begin(), and again as long as isAgain() says so. */
export interface CacheEntries {
	begin(): CacheWriter;
	isAgain(): boolean;
}

/**
 * Writes the rules of a block that concern some peers.
 * @param prefixes of these peers
 * @param names of capabilities, by number
 */
export function writeFilter(block: Uint8Array, prefixes: readonly string[], names: Interner, entries: CacheEntries): void {
	const filter = new FilterBlock(block);
	const sets = (filter.destinations4At - filter.setsAt) / SET_BYTES;
	const destinations = (filter.classesAt - filter.destinations4At) / DESTINATION_BYTES;
	if (sets * destinations > MOST_WORK) return;
	const peers = readPrefixes(prefixes);
	// Set 0 holds the local networks.
	for (let number = 1; number < sets; number += 1) {
		const sources = sourcesOf(filter, number, peers, names);
		if (!sources) continue;
		const places: number[] = [];
		for (let at = filter.destinations4At; at < filter.classesAt; at += DESTINATION_BYTES) if (filter.view.getUint16(at + 12, true) === number) places.push(at);
		for (let i = 0; i < places.length; i += MOST_DESTINATIONS)
			do writeRule(entries.begin(), filter, sources, places.slice(i, i + MOST_DESTINATIONS));
			while (entries.isAgain());
	}
	for (const family of [4, 6]) {
		const capabilities = filter.icmp(family).map((number) => names.text(number));
		if (capabilities.length === 0) continue;
		do writeICMP(entries.begin(), family, capabilities);
		while (entries.isAgain());
	}
}

function writeRule(writer: CacheWriter, filter: FilterBlock, sources: Sources, places: readonly number[]): void {
	writeSources(writer, sources);
	writer.u8(places.length);
	for (const at of places) writeDestination(writer, filter, at);
}

interface Sources {
	flags: number;
	/** Numbers, first and last in turn. */
	ranges4: number[];
	/** 17 bytes each. */
	prefixes6: Uint8Array[];
	capabilities: string[];
}

/** What of a set concerns the peers; undefined = nothing. */
function sourcesOf(filter: FilterBlock, number: number, peers: SourceSet, names: Interner): Sources | undefined {
	const set = filter.set(number);
	const sources: Sources = { flags: set.flags, ranges4: [], prefixes6: [], capabilities: [] };
	const ranges = new DataView(set.ranges4.buffer, set.ranges4.byteOffset, set.ranges4.byteLength);
	for (let at = 0; at < set.ranges4.length; at += RANGE4_BYTES) {
		const first = ranges.getUint32(at, true);
		const last = ranges.getUint32(at + 4, true);
		if (overlaps4(peers, first, last)) sources.ranges4.push(first, last);
	}
	for (let at = 0; at < set.prefixes6.length; at += PREFIX6_BYTES) {
		const prefix = set.prefixes6.subarray(at, at + PREFIX6_BYTES);
		// A v4-mapped prefix is IPv6 (protocol/filter.md §1.2): its text here would not be, and no peer has such an address.
		if (!isIPv4(prefix) && overlaps6(peers, prefix, 0, prefix[16] as number)) sources.prefixes6.push(prefix);
	}
	for (let at = 0; at < set.capabilities.length; at += CAPABILITY_BYTES) sources.capabilities.push(names.text(load16(set.capabilities, at)));
	const isEmpty = sources.flags === 0 && sources.ranges4.length + sources.prefixes6.length + sources.capabilities.length === 0;
	return isEmpty ? undefined : sources;
}

function writeSources(writer: CacheWriter, { flags, ranges4, prefixes6, capabilities }: Sources): void {
	writer.u8(flags);
	writer.u16(ranges4.length / 2);
	for (const number of ranges4) writer.u32(number);
	writer.u16(prefixes6.length);
	for (const prefix of prefixes6) {
		writer.address(prefix);
		writer.u8(prefix[16] as number);
	}
	writer.u8(capabilities.length);
	for (const name of capabilities) writer.text(name);
}

function writeDestination(writer: CacheWriter, filter: FilterBlock, at: number): void {
	const { view, bytes } = filter;
	const classAt = filter.classesAt + CLASS_BYTES * view.getUint8(at + 14);
	const bits = bytes.subarray(classAt, classAt + CLASS_BYTES);
	const protocols = protocolsOf(bits);
	if (protocols.length < BIT_MAP) {
		writer.u8(protocols.length);
		for (const protocol of protocols) writer.u8(protocol);
	} else {
		writer.u8(BIT_MAP);
		writer.raw(bits);
	}
	if (at < filter.destinations6At) {
		writer.u8(4);
		writer.u32(view.getUint32(at, true));
		writer.u32(view.getUint32(at + 4, true));
	} else {
		writer.u8(6);
		writer.address(bytes, filter.addresses6At + 16 * view.getUint32(at, true));
		writer.u8(view.getUint32(at + 4, true));
	}
	writer.u16(view.getUint16(at + 8, true));
	writer.u16(view.getUint16(at + 10, true));
}

function writeICMP(writer: CacheWriter, family: number, capabilities: string[]): void {
	writeSources(writer, { flags: 0, ranges4: [], prefixes6: [], capabilities });
	writer.u8(1);
	writer.u8(1);
	writer.u8(0);
	writer.u8(family);
	if (family === 4) {
		writer.u32(0);
		writer.u32(0);
	} else {
		writer.address(new Uint8Array(16));
		writer.u8(128);
	}
	writer.u16(0);
	writer.u16(0);
}

function protocolsOf(bits: Uint8Array): number[] {
	const protocols: number[] = [];
	for (let protocol = 0; protocol < 256; protocol += 1) if (((bits[protocol >> 3] as number) & (1 << (protocol & 7))) !== 0) protocols.push(protocol);
	return protocols;
}

/** Gives one entry to the compiler, a rule for each destination. Void if the reader has failed. @throws WrongType */
export function readFilter(reader: CacheReader, compiler: FilterCompiler): void {
	const sources = readSources(reader);
	for (let count = reader.u8(); count > 0 && !reader.failed; count -= 1) {
		const protocols = readProtocols(reader);
		const address = reader.u8() === 4 ? readRange(reader) : readPrefix(reader);
		const first = reader.u16();
		const last = reader.u16();
		// An empty list would be the usual four.
		if (reader.failed || protocols.length === 0) continue;
		compiler.beginRule();
		compiler.sources(sources);
		compiler.destination({ IP: address, Ports: { First: first, Last: last } });
		compiler.protocols(protocols);
		compiler.endRule();
	}
}

function readSources(reader: CacheReader): string[] {
	const flags = reader.u8();
	const sources: string[] = [];
	if ((flags & 1) !== 0) sources.push("0.0.0.0/0");
	if ((flags & 2) !== 0) sources.push("::/0");
	for (let count = reader.u16(); count > 0 && !reader.failed; count -= 1) sources.push(readRange(reader));
	for (let count = reader.u16(); count > 0 && !reader.failed; count -= 1) sources.push(readPrefix(reader));
	for (const name of reader.texts(reader.u8())) sources.push(`cap:${name}`);
	return sources;
}

function readProtocols(reader: CacheReader): number[] {
	const count = reader.u8();
	if (count < BIT_MAP) return Array.from(reader.raw(count));
	const bits = reader.raw(CLASS_BYTES);
	return reader.failed ? [] : protocolsOf(bits);
}

function readRange(reader: CacheReader): string {
	const first = reader.u32();
	const last = reader.u32();
	return first === last ? dotted(first) : `${dotted(first)}-${dotted(last)}`;
}

function dotted(number: number): string {
	return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}

function readPrefix(reader: CacheReader): string {
	const bytes = new Uint8Array(16);
	reader.address(bytes);
	const bits = reader.bits();
	return isIPv4(bytes) ? prefixToText(bytes, bits) : `${addressToText(bytes)}/${bits}`;
}
