/**
 * Finds peers by id, node key, disco key, own address and name: six hash tables of slots over the packed records. Several nodes may share a disco key
 * (one machine, several accounts), and for a short time a node key, address or name (registration anew); then a usable one counts, and of
 * those the one with the higher id, which is the later one (protocol/control.md §7).
 */
import { crc32, equalBytes } from "tailnet/host";
import { isIPv4, sameAddress } from "./address.js";
import { HashIndex } from "./hash-index.js";
import { isZeroKey, sameKey } from "./keys.js";
import type { PeerStore } from "./peer-store.js";
import { addressesAt, isPackedIPv4, load16, Offset, packedAddressBytes, unpackAddress } from "./record.js";
import { compareIDs } from "./wide-id.js";

/** Indexes that a record is in, as bits; the id index is apart because a node keeps its id for life. */
export const Indexed = { nodeKey: 1, discoKey: 2, addresses: 4, name: 8, all: 15 } as const;

/** Place of any record of a slot, committed or staged: they agree on the id. */
export type PlaceOf = (index: number) => number;

export class PeerIndexes {
	readonly #store: PeerStore;
	readonly #placeOf: PlaceOf;
	readonly #byID = new HashIndex((index) => this.#hashID(index));
	readonly #byNodeKey = new HashIndex((index) => this.#hashKey(index, Offset.nodeKey));
	readonly #byDiscoKey = new HashIndex((index) => this.#hashKey(index, Offset.discoKey));
	readonly #byAddress4 = new HashIndex((index) => this.#hashFirstAddress(index, true));
	readonly #byAddress6 = new HashIndex((index) => this.#hashFirstAddress(index, false));
	readonly #byName = new HashIndex((index) => this.#hashName(index));
	readonly #scratch = new Uint8Array(16);

	constructor(store: PeerStore, placeOf: PlaceOf) {
		this.#store = store;
		this.#placeOf = placeOf;
	}

	/** Bytes held. */
	get bytes(): number {
		return this.#byID.bytes + this.#byNodeKey.bytes + this.#byDiscoKey.bytes + this.#byAddress4.bytes + this.#byAddress6.bytes + this.#byName.bytes;
	}

	/** Room for so many more peers at once, instead of growing step by step. */
	reserve(additions: number): void {
		const limit = this.#store.limit;
		for (const table of [this.#byNodeKey, this.#byDiscoKey, this.#byAddress4, this.#byAddress6, this.#byName]) table.reserve(table.count + additions, limit);
	}

	/** Gives back room after removals. */
	trim(): void {
		for (const table of [this.#byID, this.#byNodeKey, this.#byDiscoKey, this.#byAddress4, this.#byAddress6, this.#byName]) table.trim();
	}

	addID(index: number): void {
		this.#byID.add(index);
	}

	removeID(index: number): void {
		this.#byID.remove(index);
	}

	/** Enters a committed record. @param which bits of Indexed */
	add(index: number, which: number): void {
		const page = this.#store.page(index);
		const offset = this.#store.offset(index);
		if ((which & Indexed.nodeKey) !== 0 && !isZeroKey(page, offset + Offset.nodeKey)) this.#byNodeKey.add(index);
		if ((which & Indexed.discoKey) !== 0 && !isZeroKey(page, offset + Offset.discoKey)) this.#byDiscoKey.add(index);
		if ((which & Indexed.addresses) !== 0) {
			if (this.#loadFirstAddress(index, true)) this.#byAddress4.add(index);
			if (this.#loadFirstAddress(index, false)) this.#byAddress6.add(index);
		}
		if ((which & Indexed.name) !== 0 && page[offset + Offset.sections] !== 0) this.#byName.add(index);
	}

	/** Takes out a committed record, while it is still what it was when it was entered. */
	remove(index: number, which: number): void {
		const page = this.#store.page(index);
		const offset = this.#store.offset(index);
		if ((which & Indexed.nodeKey) !== 0 && !isZeroKey(page, offset + Offset.nodeKey)) this.#byNodeKey.remove(index);
		if ((which & Indexed.discoKey) !== 0 && !isZeroKey(page, offset + Offset.discoKey)) this.#byDiscoKey.remove(index);
		if ((which & Indexed.addresses) !== 0) {
			if (this.#loadFirstAddress(index, true)) this.#byAddress4.remove(index);
			if (this.#loadFirstAddress(index, false)) this.#byAddress6.remove(index);
		}
		if ((which & Indexed.name) !== 0 && page[offset + Offset.sections] !== 0) this.#byName.remove(index);
	}

	/** Slot of an id (8 bytes), staged or committed; -1 if none. */
	findID(id: Uint8Array): number {
		const arena = this.#store.arena;
		let cell = this.#byID.start(hashBytes(id, 0));
		for (let index = this.#byID.entry(cell); index >= 0; index = this.#byID.entry(cell)) {
			const place = this.#placeOf(index);
			if (compareIDs(id, 0, arena.page(place), arena.offset(place) + Offset.id) === 0) return index;
			cell = this.#byID.next(cell);
		}
		return -1;
	}

	findNodeKey(key: Uint8Array, offset: number): number {
		let best = -1;
		let cell = this.#byNodeKey.start(hashBytes(key, offset));
		for (let index = this.#byNodeKey.entry(cell); index >= 0; index = this.#byNodeKey.entry(cell)) {
			if (sameKey(key, offset, this.#store.page(index), this.#store.offset(index) + Offset.nodeKey)) best = this.#better(best, index);
			cell = this.#byNodeKey.next(cell);
		}
		return best;
	}

	findDiscoKey(key: Uint8Array, offset: number): number[] {
		const found: number[] = [];
		let cell = this.#byDiscoKey.start(hashBytes(key, offset));
		for (let index = this.#byDiscoKey.entry(cell); index >= 0; index = this.#byDiscoKey.entry(cell)) {
			if (sameKey(key, offset, this.#store.page(index), this.#store.offset(index) + Offset.discoKey)) found.push(index);
			cell = this.#byDiscoKey.next(cell);
		}
		return found;
	}

	/** By a peer's first IPv4 or first other address; further ones are the routes' (routes.ts). */
	findAddress(address: Uint8Array, offset: number): number {
		const isShort = isIPv4(address, offset);
		const table = isShort ? this.#byAddress4 : this.#byAddress6;
		let best = -1;
		let cell = table.start(hashAddress(address, offset));
		for (let index = table.entry(cell); index >= 0; index = table.entry(cell)) {
			if (this.#loadFirstAddress(index, isShort) && sameAddress(address, offset, this.#scratch, 0)) best = this.#better(best, index);
			cell = table.next(cell);
		}
		return best;
	}

	/** @param label UTF-8, lower case; @param suffix number of the rest of the name */
	findName(label: Uint8Array, suffix: number): number {
		let best = -1;
		let cell = this.#byName.start(hashLabel(label));
		for (let index = this.#byName.entry(cell); index >= 0; index = this.#byName.entry(cell)) {
			const page = this.#store.page(index);
			const offset = this.#store.offset(index);
			const at = offset + Offset.sections;
			const length = page[at] as number;
			if (length === label.length && load16(page, offset + Offset.suffix) === suffix && equalBytes(label, page.subarray(at + 1, at + 1 + length))) {
				best = this.#better(best, index);
			}
			cell = this.#byName.next(cell);
		}
		return best;
	}

	#hashID(index: number): number {
		const place = this.#placeOf(index);
		return hashBytes(this.#store.arena.page(place), this.#store.arena.offset(place) + Offset.id);
	}

	#hashKey(index: number, field: number): number {
		return hashBytes(this.#store.page(index), this.#store.offset(index) + field);
	}

	#hashFirstAddress(index: number, isShort: boolean): number {
		this.#loadFirstAddress(index, isShort);
		return hashAddress(this.#scratch, 0);
	}

	#hashName(index: number): number {
		const page = this.#store.page(index);
		const at = this.#store.offset(index) + Offset.sections;
		return hashLabel(page.subarray(at + 1, at + 1 + (page[at] as number)));
	}

	/** Puts the peer's first address of a family into #scratch. @returns false if it has none */
	#loadFirstAddress(index: number, isShort: boolean): boolean {
		const page = this.#store.page(index);
		let at = addressesAt(page, this.#store.offset(index));
		for (let count = page[at++] as number; count > 0; count -= 1) {
			if (isPackedIPv4(page, at) === isShort) {
				unpackAddress(page, at, this.#scratch, 0);
				return true;
			}
			at += packedAddressBytes(page, at);
		}
		return false;
	}

	#better(best: number, index: number): number {
		if (best < 0) return index;
		const store = this.#store;
		const usable = store.usable(index);
		if (usable !== store.usable(best)) return usable ? index : best;
		return compareIDs(store.page(index), store.offset(index) + Offset.id, store.page(best), store.offset(best) + Offset.id) > 0 ? index : best;
	}
}

// Hashes have 31 bits: XS computes with such numbers as integers.

function hashBytes(bytes: Uint8Array, offset: number): number {
	const word = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8) | ((bytes[offset + 2] as number) << 16) | ((bytes[offset + 3] as number) << 24);
	return Math.imul(word, 0x9e3779b1) >>> 1;
}

function hashAddress(address: Uint8Array, offset: number): number {
	const low =
		((address[offset + 12] as number) << 24) |
		((address[offset + 13] as number) << 16) |
		((address[offset + 14] as number) << 8) |
		(address[offset + 15] as number);
	const high =
		((address[offset + 8] as number) << 8) |
		(address[offset + 9] as number) |
		((address[offset + 10] as number) << 24) |
		((address[offset + 11] as number) << 16);
	return Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> 1;
}

function hashLabel(label: Uint8Array): number {
	return crc32(label, label.length) >>> 1;
}
