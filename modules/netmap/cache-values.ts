/**
 * A cached network map as values of a store: "netmap-head", and parts "netmap-0" ... of entries. A store that is cut short between two writes must not
 * mix two maps into one that never was, so the head, written last, names each part by its checksum; a part that it does not name is left out.
 *
 *   head   0   u8  version, 1
 *          1   u8  n, number of parts
 *          2  u16  home region
 *          4  u32  when control last vouched for all this, Unix seconds, 0 = not known
 *          8  u32  checksum of the control server's URL
 *         12  32   our public node key
 *         44       n times u32: checksums of the parts; self (cache-codec.ts)
 *                  u32 checksum of all before
 *   part       entries, kinds below
 *
 * Only what differs from what is stored is written, and what changes often stands nowhere. Checksums are CRC-32.
 */
import { crc32, equalBytes, type Store } from "tailnet/host";
import { CacheReader, CacheWriter } from "./cache-bytes.js";
import { type CachedNames, isCacheable, readID, readPeer, readRegion, readSelf, writePeer, writeRegion, writeSelf } from "./cache-codec.js";
import { readFilter, writeFilter } from "./cache-filter.js";
import { sameKey } from "./keys.js";
import { WrongType } from "./members.js";
import type { Netmap } from "./netmap.js";
import type { NetmapChange } from "./types.js";
import { load32 } from "./wide-id.js";

const VERSION = 1;
const HEAD = "netmap-head";
const Kind = { region: 1, rule: 2, peer: 3 } as const;
const SAVED_AT = 4;
const PARTS_AT = 44;
const CHECKSUM_BYTES = 4;
const HEAD_BYTES = 1024;

/** How much is kept. */
export interface CacheBudget {
	/** Of all parts together. */
	bytes: number;
	/** Of one part: what is in memory while writing. At most 4,096. */
	partBytes: number;
	peers: number;
	regions: number;
	/** Servers of a region; one with more is another region for its connection when the first map comes. */
	nodes: number;
}

/** What memory and NVS of a device have room for: all values together stay below 3.5 KB. */
export const DEVICE_BUDGET: CacheBudget = Object.freeze({ bytes: 3072, partBytes: 512, peers: 16, regions: 4, nodes: 4 });
export const DESKTOP_BUDGET: CacheBudget = Object.freeze({ bytes: 65_536, partBytes: 4096, peers: 256, regions: 64, nodes: 16 });

/** A filter that nobody vouched for in so long lets nothing new in. */
export const FILTER_LIFE_SECONDS = 86_400;
/** A younger savedAt is good enough. */
const RENEW_SECONDS = 21_600;

/** Whose map it is. */
export interface CacheOwner {
	/** 32 bytes, public. */
	nodeKey: Uint8Array;
	/** URL of the control server, as a checksum. */
	control: number;
}

export interface CacheFacts extends CacheOwner {
	homeRegion: number;
	/** Unix seconds of control's last message, 0 = not known. */
	heardAt: number;
	/** Indexes of the peers in use, the latest first. */
	recent: readonly number[];
}

export interface RestoredMap {
	change: NetmapChange;
	homeRegion: number;
	/** Indexes of peers that were in use. */
	recent: number[];
	/** Unix seconds until when the filter holds, 0 = there is none. */
	filterUntil: number;
	/** Parts that were not as the head names them. */
	lost: number;
}

/** Thrown for a cache that is not to be used; the message says why. */
export class CacheRefused extends Error {}

const partName = (number: number): string => `netmap-${number}`;

// ---- Writing ----

/** Writes the map in force. What the store throws comes through: the parts that are written by then are no harm. @returns bytes written */
export function saveMap(store: Store, netmap: Netmap, facts: CacheFacts, budget: CacheBudget): number {
	const before = readHead(store);
	const parts = new PartWriter(store, budget);
	const peers = choosePeers(store, netmap, facts, budget);
	writeRegions(parts, netmap, facts.homeRegion, peers, budget);
	writeRules(parts, netmap, peers);
	// A rule that changes must not move every peer.
	parts.flush();
	for (const index of peers) {
		const view = netmap.peers.view(index);
		if (!view) continue;
		const capabilities = Array.from(netmap.capabilityIDs(index), (number) => netmap.peers.store.capabilities.text(number));
		do writePeer(parts.begin(Kind.peer), view, facts.recent.includes(index), capabilities);
		while (parts.isAgain());
	}
	parts.flush();
	const head = makeHead(netmap, facts, parts.checksums);
	let written = parts.written;
	if (head && !(before && isSameHead(before.bytes, head))) {
		store.set(HEAD, head);
		written += head.length;
	}
	deleteParts(store, parts.checksums.length);
	return written;
}

class PartWriter {
	readonly checksums: number[] = [];
	written = 0;
	readonly #store: Store;
	readonly #writer: CacheWriter;
	#left: number;
	#before = 0;

	constructor(store: Store, budget: CacheBudget) {
		this.#store = store;
		this.#writer = new CacheWriter(Math.min(budget.partBytes, budget.bytes));
		this.#left = budget.bytes;
	}

	/** An entry begins: it is to be written, and written again as long as isAgain() says so. */
	begin(kind: number): CacheWriter {
		this.#before = this.#writer.length;
		this.#writer.begin(kind);
		return this.#writer;
	}

	/** Ends an entry; one that fits no part, or goes beyond the budget, is left out. */
	isAgain(): boolean {
		const writer = this.#writer;
		const isWhole = writer.end();
		if (isWhole && writer.length > this.#left) writer.length = this.#before;
		if (isWhole || this.#before === 0) return false;
		this.flush();
		return true;
	}

	/** The part at hand is complete. */
	flush(): void {
		const { bytes, length } = this.#writer;
		if (length === 0) return;
		const name = partName(this.checksums.length);
		const stored = this.#store.get(name);
		if (!stored || !equalBytes(stored, bytes.subarray(0, length))) {
			this.#store.set(name, bytes.slice(0, length));
			this.written += length;
		}
		this.checksums.push(crc32(bytes, length));
		this.#left -= length;
		this.#writer.clear();
	}
}

/** Those in use, then those that are kept already, then others; each by index, so that what stays the same stays in its place. */
function choosePeers(store: Store, netmap: Netmap, facts: CacheFacts, budget: CacheBudget): number[] {
	const chosen = new Set<number>();
	const take = (index: number): void => {
		if (chosen.size >= budget.peers || index < 0 || chosen.has(index)) return;
		const view = netmap.peers.view(index);
		if (view && isCacheable(view)) chosen.add(index);
	};
	for (const index of facts.recent) take(index);
	const recent = Array.from(chosen).sort((a, b) => a - b);
	const takeKept = (kind: number, body: CacheReader): void => {
		if (kind === Kind.peer) take(netmap.peers.findByID(readID(body)));
	};
	for (let part = 0; chosen.size < budget.peers; part += 1) {
		const bytes = store.get(partName(part));
		if (!bytes) break;
		forEachEntry(bytes, takeKept);
	}
	for (let index = 0; index < netmap.peers.limit && chosen.size < budget.peers; index += 1) take(index);
	const others = Array.from(chosen).filter((index) => !recent.includes(index));
	return [...recent, ...others.sort((a, b) => a - b)];
}

/** Home first: without it nobody reaches us. */
function writeRegions(parts: PartWriter, netmap: Netmap, home: number, peers: readonly number[], budget: CacheBudget): void {
	const wanted = new Set<number>(home === 0 ? [] : [home]);
	for (const index of peers) wanted.add(netmap.peers.homeRegion(index));
	let count = 0;
	for (const id of wanted) {
		const region = netmap.derpMap.region(id);
		if (!region || count >= budget.regions) continue;
		count += 1;
		do writeRegion(parts.begin(Kind.region), region, budget.nodes);
		while (parts.isAgain());
	}
}

function writeRules(parts: PartWriter, netmap: Netmap, peers: readonly number[]): void {
	const { filter } = netmap;
	if (!filter) return;
	const prefixes: string[] = [];
	for (const index of peers) {
		// Through a default route anybody comes: such sources would be all there are.
		for (const prefix of netmap.peers.declaredPrefixes(index)) if (!prefix.endsWith("/0")) prefixes.push(prefix);
	}
	const entries = { begin: () => parts.begin(Kind.rule), isAgain: () => parts.isAgain() };
	writeFilter(filter, prefixes, netmap.peers.store.capabilities, entries);
}

function makeHead(netmap: Netmap, facts: CacheFacts, checksums: readonly number[]): Uint8Array | undefined {
	const { config } = netmap.names;
	const names: CachedNames = { domain: netmap.domain, proxied: config.proxied, searchDomains: config.domains };
	const writer = new CacheWriter(HEAD_BYTES);
	writer.u8(VERSION);
	writer.u8(checksums.length);
	writer.u16(facts.homeRegion);
	writer.u32(facts.heardAt);
	writer.u32(facts.control);
	writer.raw(facts.nodeKey);
	for (const checksum of checksums) writer.u32(checksum);
	writeSelf(writer, netmap.self, names);
	writer.u32(crc32(writer.bytes, writer.length));
	return writer.isFull ? undefined : writer.bytes.slice(0, writer.length);
}

/** The same but for a little time. */
function isSameHead(before: Uint8Array, after: Uint8Array): boolean {
	const age = load32(after, SAVED_AT) - load32(before, SAVED_AT);
	const isYoung = load32(before, SAVED_AT) !== 0 && age >= 0 && age < RENEW_SECONDS;
	const end = after.length - CHECKSUM_BYTES;
	return (
		(isYoung || age === 0) &&
		before.length === after.length &&
		equalBytes(before.subarray(0, SAVED_AT), after.subarray(0, SAVED_AT)) &&
		equalBytes(before.subarray(SAVED_AT + 4, end), after.subarray(SAVED_AT + 4, end))
	);
}

// ---- Reading ----

interface Head {
	bytes: Uint8Array;
	parts: readonly number[];
}

/** The head, if it is whole. @throws CacheRefused for one of another version */
function readHead(store: Store, isStrict = false): Head | undefined {
	const bytes = store.get(HEAD);
	if (!bytes) return undefined;
	const end = bytes.length - CHECKSUM_BYTES;
	const isWhole = end > PARTS_AT && load32(bytes, end) === crc32(bytes, end);
	const version = bytes[0] ?? 0;
	if (!isWhole || version !== VERSION) {
		if (isStrict) throw new CacheRefused(isWhole ? `expected version ${VERSION}, got ${version}` : "the checksum of its head is wrong");
		return undefined;
	}
	const reader = new CacheReader(bytes.subarray(PARTS_AT, end));
	const parts: number[] = [];
	for (let count = bytes[1] as number; count > 0; count -= 1) parts.push(reader.u32());
	if (reader.failed && isStrict) throw new CacheRefused("its head ends too early");
	return reader.failed ? undefined : { bytes, parts };
}

function forEachEntry(bytes: Uint8Array, take: (kind: number, body: CacheReader) => void): boolean {
	const reader = new CacheReader(bytes);
	while (reader.hasMore) {
		const { kind, body } = reader.entry();
		if (!reader.failed) take(kind, body);
	}
	return !reader.failed;
}

/**
 * Puts the cached map into force, in the place of none.
 * @param now monotonic milliseconds
 * @returns undefined if there is none, or it is another node's
 * @throws CacheRefused if it is damaged, of another version or expired: nothing of it is in force
 */
export function restoreMap(store: Store, netmap: Netmap, owner: CacheOwner, now: number): RestoredMap | undefined {
	const head = readHead(store, true);
	if (!head) return undefined;
	const { bytes } = head;
	if (load32(bytes, 8) !== owner.control || !sameKey(bytes, 12, owner.nodeKey, 0)) return undefined;
	try {
		return stage(store, netmap, owner.nodeKey, head, now);
	} catch (error) {
		netmap.abort();
		if (error instanceof WrongType) throw new CacheRefused(error.message);
		throw error;
	}
}

function stage(store: Store, netmap: Netmap, nodeKey: Uint8Array, { bytes, parts }: Head, now: number): RestoredMap {
	const reader = new CacheReader(bytes.subarray(PARTS_AT + CHECKSUM_BYTES * parts.length, bytes.length - CHECKSUM_BYTES));
	const { node, names, keyExpiry } = readSelf(reader, nodeKey);
	if (reader.failed || reader.hasMore) throw new CacheRefused("our own node in it is malformed");
	netmap.abort();
	netmap.peers.staging.replaceAll();
	netmap.self.stage(node);
	netmap.derpMap.replaceRegions();
	const dns = netmap.names.begin();
	dns.setProxied(names.proxied);
	dns.setDomains(names.searchDomains);
	const unixSeconds = netmap.clock.unixSeconds(now);
	const savedAt = load32(bytes, SAVED_AT);
	const hasFilter = savedAt !== 0 && unixSeconds >= savedAt && unixSeconds - savedAt < FILTER_LIFE_SECONDS;
	if (hasFilter) netmap.chunks.beginList();
	const ids: string[] = [];
	let lost = 0;
	for (let number = 0; number < parts.length; number += 1) {
		const part = store.get(partName(number));
		if (!part || crc32(part, part.length) !== parts[number]) lost += 1;
		else stagePart(netmap, part, ids);
	}
	if (hasFilter) netmap.chunks.endList(undefined);
	if (keyExpiry !== 0 && unixSeconds !== 0 && keyExpiry <= unixSeconds) throw new CacheRefused("our node key has expired since");
	const change = netmap.commit(true, true, now);
	netmap.domain = names.domain;
	const recent = ids.map((id) => netmap.peers.findByID(id)).filter((index) => index >= 0);
	return { change, homeRegion: load32(bytes, 0) >>> 16, recent, filterUntil: hasFilter ? savedAt + FILTER_LIFE_SECONDS : 0, lost };
}

/** @param ids receives those of peers in use */
function stagePart(netmap: Netmap, part: Uint8Array, ids: string[]): void {
	const isWhole = forEachEntry(part, (kind, body) => {
		if (kind === Kind.region) {
			const region = readRegion(body);
			if (!body.failed) netmap.derpMap.stageRegion("", region);
		} else if (kind === Kind.rule) {
			if (netmap.chunks.compiler) readFilter(body, netmap.chunks.compiler);
		} else if (kind === Kind.peer) {
			const { node, id, isRecent } = readPeer(body);
			if (!body.failed) netmap.peers.staging.upsert(node);
			if (isRecent) ids.push(id);
		}
		if (body.failed) throw new CacheRefused("an entry ends too early");
	});
	if (!isWhole) throw new CacheRefused("a part ends too early");
}

/** Nothing of it stays. */
export function forgetMap(store: Store): void {
	store.delete(HEAD);
	deleteParts(store, 0);
}

/** Those from number on, the last first: they stay numbered without a gap when the power goes. */
function deleteParts(store: Store, number: number): void {
	let end = number;
	while (store.get(partName(end))) end += 1;
	for (let part = end - 1; part >= number; part -= 1) store.delete(partName(part));
}
