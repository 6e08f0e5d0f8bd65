/**
 * Which peer a packet belongs to, and what counts of a peer's AllowedIPs. See protocol/tunnel.md §3.5, §3.6.
 *
 *   own address of the peer                  always
 *   another single tailnet address           always (a service that the peer serves)
 *   0.0.0.0/0, ::/0                          only of the selected exit node
 *   any other prefix                         only with "accept routes"
 *   peer not covered by tailnet lock         own addresses only
 *
 * Own addresses are found by the peers' own indexes. All else is in one small table here, sorted by length (longest first), then by address; it is
 * made anew when a peer that has such prefixes changes, or a preference does.
 */
import { ADDRESS_BYTES, isIPv4, isTailnetAddress, maskAddress, sameAddress } from "./address.js";
import type { PeerTable } from "./peers.js";
import { addressesAt, Flag, load16, Offset, Sections, unpackAddress } from "./record.js";
import { compareIDs } from "./wide-id.js";

const HOST_BITS = 128;
const MAPPED_BITS = 96;
/** Entry: address 16, bits u8, flags u8; as in the PEER record. */
const ENTRY_BYTES = 18;
const OWN_ADDRESS = 1;

interface Group {
	bits: number;
	first: number;
	end: number;
}

export class Routes {
	/** Take subnet routes of peers. */
	acceptRoutes = false;
	/** Index of the peer whose default routes count, -1 = none. */
	exitNode = -1;

	readonly #peers: PeerTable;
	readonly #sections = new Sections();
	readonly #key = new Uint8Array(ADDRESS_BYTES);
	/** Entries of 18 bytes, sorted, each with the peer beside it. */
	#entries = new Uint8Array(0);
	#owners = new Uint32Array(0);
	#groups: Group[] = [];
	#stale = false;

	constructor(peers: PeerTable) {
		this.#peers = peers;
	}

	/** Peers, their expiry or a preference changed: the table is made anew before the next look-up. */
	invalidate(): void {
		this.#stale = true;
	}

	/** Bytes of the table. */
	get bytes(): number {
		return this.#entries.byteLength + this.#owners.byteLength;
	}

	/** @param address 16 bytes at offset. @returns index of the peer, -1 = nobody's */
	find(address: Uint8Array, offset: number): number {
		const owner = this.#peers.findByAddress(address, offset);
		if (owner >= 0 && this.#peers.usable(owner) && this.#counts(owner, address, offset)) return owner;
		if (this.#stale) this.#build();
		for (const group of this.#groups) {
			this.#key.set(address.subarray(offset, offset + ADDRESS_BYTES));
			maskAddress(this.#key, 0, group.bits);
			const found = this.#search(group);
			// An IPv4 address is in no IPv6 prefix, also not in ::/0 whose bits it shares.
			if (found >= 0 && (group.bits >= MAPPED_BITS || !isIPv4(address, offset))) return this.#owners[found] as number;
		}
		return -1;
	}

	/** What counts of a peer's AllowedIPs, 18 bytes each; empty for an unusable one. */
	prefixes(index: number): Uint8Array {
		if (!this.#peers.usable(index)) return new Uint8Array(0);
		return this.#collect(index);
	}

	/** Whether an own address of the peer is among what counts. */
	#counts(index: number, address: Uint8Array, offset: number): boolean {
		if ((this.#peers.store.flags(index) & Flag.allowedIPs) === 0) return true;
		const prefixes = this.#collect(index);
		for (let i = 0; i < prefixes.length; i += ENTRY_BYTES) if (prefixes[i + 16] === HOST_BITS && sameAddress(prefixes, i, address, offset)) return true;
		return false;
	}

	/** Entries that count, of one peer. */
	#collect(index: number): Uint8Array {
		const { store } = this.#peers;
		const page = store.page(index);
		const offset = store.offset(index);
		const flags = load16(page, offset + Offset.flags);
		const own = this.#ownAddresses(page, addressesAt(page, offset));
		if ((flags & Flag.allowedIPs) === 0) return own;
		let at = this.#sections.locate(page, offset).allowedIPs;
		const count = load16(page, at);
		const entries = new Uint8Array(count * ENTRY_BYTES);
		let end = 0;
		at += 2;
		for (let i = 0; i < count; i += 1) {
			at = unpackAddress(page, at, entries, end);
			const bits = page[at] as number;
			at += 1;
			const isOwn = bits === HOST_BITS && holds(own, entries, end);
			const isDefault = bits === 0 || (bits === MAPPED_BITS && isIPv4(entries, end));
			let counts = isOwn;
			if (!isOwn && (flags & Flag.unsignedPeerAPIOnly) === 0) {
				if (isDefault) counts = index === this.exitNode;
				else counts = this.acceptRoutes || (bits === HOST_BITS && isTailnetAddress(entries, end));
			}
			if (!counts) continue;
			entries[end + 16] = bits;
			entries[end + 17] = isOwn ? OWN_ADDRESS : 0;
			end += ENTRY_BYTES;
		}
		return entries.slice(0, end);
	}

	#ownAddresses(page: Uint8Array, at: number): Uint8Array {
		const count = page[at] as number;
		const own = new Uint8Array(count * ENTRY_BYTES);
		at += 1;
		for (let i = 0; i < count; i += 1) {
			at = unpackAddress(page, at, own, i * ENTRY_BYTES);
			own[i * ENTRY_BYTES + 16] = HOST_BITS;
			own[i * ENTRY_BYTES + 17] = OWN_ADDRESS;
		}
		return own;
	}

	#build(): void {
		this.#stale = false;
		const parts: Uint8Array[] = [];
		const owners: number[] = [];
		for (let index = 0; index < this.#peers.limit; index += 1) {
			if (!this.#peers.has(index) || !this.#peers.store.hasRoutes(index) || !this.#peers.usable(index)) continue;
			// Own addresses beyond the first of a family are in no index, so they are routes too.
			const entries = this.#collect(index);
			for (let i = 0; i < entries.length; i += ENTRY_BYTES) {
				parts.push(entries.subarray(i, i + ENTRY_BYTES));
				owners.push(index);
			}
		}
		const order = parts.map((_, i) => i);
		order.sort((a, b) => compareEntries(parts[a] as Uint8Array, parts[b] as Uint8Array) || this.#later(owners[a] as number, owners[b] as number));
		this.#entries = new Uint8Array(parts.length * ENTRY_BYTES);
		this.#owners = new Uint32Array(parts.length);
		this.#groups = [];
		for (let i = 0; i < order.length; i += 1) {
			const part = parts[order[i] as number] as Uint8Array;
			this.#entries.set(part, i * ENTRY_BYTES);
			this.#owners[i] = owners[order[i] as number] as number;
			const bits = part[16] as number;
			const group = this.#groups[this.#groups.length - 1];
			if (group?.bits === bits) group.end = i + 1;
			else this.#groups.push({ bits, first: i, end: i + 1 });
		}
	}

	/** Of two peers with the same prefix the one with the higher id, which stands later in the list, comes first. */
	#later(a: number, b: number): number {
		const { store } = this.#peers;
		return compareIDs(store.page(b), store.offset(b) + Offset.id, store.page(a), store.offset(a) + Offset.id);
	}

	/** First entry of the group whose address is #key, -1 if none. */
	#search(group: Group): number {
		let low = group.first;
		let high = group.end;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (compareAddresses(this.#entries, middle * ENTRY_BYTES, this.#key, 0) < 0) low = middle + 1;
			else high = middle;
		}
		return low < group.end && sameAddress(this.#entries, low * ENTRY_BYTES, this.#key, 0) ? low : -1;
	}
}

function holds(own: Uint8Array, address: Uint8Array, offset: number): boolean {
	for (let i = 0; i < own.length; i += ENTRY_BYTES) if (sameAddress(own, i, address, offset)) return true;
	return false;
}

function compareAddresses(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
	for (let i = 0; i < ADDRESS_BYTES; i += 1) {
		const difference = (a[aOffset + i] as number) - (b[bOffset + i] as number);
		if (difference !== 0) return difference;
	}
	return 0;
}

/** Longest prefix first, then by address. */
function compareEntries(a: Uint8Array, b: Uint8Array): number {
	return (b[16] as number) - (a[16] as number) || compareAddresses(a, 0, b, 0);
}
