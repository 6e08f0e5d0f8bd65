/**
 * The peers of the network map. No JavaScript object lives for a peer: it is a packed record (record.ts, peer-store.ts) of about 150 bytes, 9 bytes of
 * columns and 15 of indexes (peer-indexes.ts), decoded by view() when asked. Messages change it through `staging`.
 */
import { utf8Encode } from "tailnet/host";
import { ADDRESS_BYTES } from "./address.js";
import { isZeroKey, KEY_BYTES, sameKey } from "./keys.js";
import { Indexed, PeerIndexes } from "./peer-indexes.js";
import { PeerStaging } from "./peer-staging.js";
import { PeerStore } from "./peer-store.js";
import { decodeAllowedIPs, decodeName, decodePeer } from "./peer-view.js";
import { addressesAt, endpointsAt, Flag, load16, Offset, Online, Sections, unpackAddress, unpackCapabilities, unpackEndpoints } from "./record.js";
import { normalName } from "./record-writer.js";
import type { PeerLookup, PeerView } from "./types.js";
import { ID_BYTES, load32, parseIDInto } from "./wide-id.js";

export class PeerTable implements PeerLookup {
	readonly store = new PeerStore();
	readonly staging: PeerStaging;
	readonly #indexes: PeerIndexes;
	readonly #id = new Uint8Array(ID_BYTES);
	readonly #sections = new Sections();

	constructor() {
		this.#indexes = new PeerIndexes(this.store, (index) => this.staging.placeOf(index));
		this.staging = new PeerStaging(this.store, this.#indexes);
	}

	get count(): number {
		return this.store.count;
	}

	get limit(): number {
		return this.store.limit;
	}

	/** Bytes of everything that grows with the number of peers. */
	get bytes(): number {
		return this.store.bytes + this.#indexes.bytes;
	}

	has(index: number): boolean {
		return this.store.has(index);
	}

	view(index: number): PeerView | undefined {
		const { store } = this;
		if (!store.has(index)) return undefined;
		const view = decodePeer(index, store.page(index), store.offset(index), this.#sections, store);
		const online = store.online[index];
		view.online = online === Online.unknown ? undefined : online === Online.yes;
		view.lastSeen = store.lastSeen[index] as number;
		view.expired = store.isExpired(index);
		view.untrusted = !store.isTrusted(index);
		return view;
	}

	usable(index: number): boolean {
		return this.store.usable(index);
	}

	findByID(id: string): number {
		const index = parseIDInto(id, this.#id, 0) ? this.#indexes.findID(this.#id) : -1;
		return this.store.has(index) ? index : -1;
	}

	findByNodeKey(key: Uint8Array, offset = 0): number {
		const index = this.#indexes.findNodeKey(key, offset);
		return index >= 0 && this.store.isTrusted(index) ? index : -1;
	}

	findByDiscoKey(key: Uint8Array, offset = 0): number[] {
		return this.#indexes.findDiscoKey(key, offset).filter((index) => this.store.isTrusted(index));
	}

	findByAddress(address: Uint8Array, offset = 0): number {
		return this.#indexes.findAddress(address, offset);
	}

	findByName(name: string): number {
		const text = normalName(name);
		if (text === "") return -1;
		const dot = text.indexOf(".");
		const suffix = dot < 0 ? 0 : this.store.suffixes.find(text.slice(dot + 1));
		const found = suffix < 0 ? -1 : this.#indexes.findName(utf8Encode(dot < 0 ? text : text.slice(0, dot)), suffix);
		// A name whose suffix found no room is kept whole, as one label.
		return found >= 0 || dot < 0 ? found : this.#indexes.findName(utf8Encode(text), 0);
	}

	/** Own addresses of the peer, 16 bytes each. */
	addresses(index: number): Uint8Array[] {
		if (!this.has(index)) return [];
		const page = this.store.page(index);
		let at = addressesAt(page, this.store.offset(index));
		const addresses: Uint8Array[] = [];
		for (let count = page[at++] as number; count > 0; count -= 1) {
			const address = new Uint8Array(ADDRESS_BYTES);
			at = unpackAddress(page, at, address, 0);
			addresses.push(address);
		}
		return addresses;
	}

	/** AllowedIPs as control gave them, texts; for those who must not trust what they were clamped to. */
	declaredPrefixes(index: number): string[] {
		if (!this.has(index)) return [];
		const page = this.store.page(index);
		return decodeAllowedIPs(page, this.store.offset(index), this.#sections);
	}

	/** FQDN without trailing dot, "" if none. */
	name(index: number): string {
		return this.has(index) ? decodeName(this.store.page(index), this.store.offset(index), this.store.suffixes) : "";
	}

	nodeKey(index: number): Uint8Array | undefined {
		return this.has(index) ? this.#key(index, Offset.nodeKey) : undefined;
	}

	discoKey(index: number): Uint8Array | undefined {
		const key = this.has(index) ? this.#key(index, Offset.discoKey) : undefined;
		return key === undefined || isZeroKey(key) ? undefined : key;
	}

	homeRegion(index: number): number {
		return this.has(index) ? load16(this.store.page(index), this.store.offset(index) + Offset.region) : 0;
	}

	endpoints(index: number): Uint8Array {
		if (!this.has(index)) return new Uint8Array(0);
		const page = this.store.page(index);
		return unpackEndpoints(page, endpointsAt(page, this.store.offset(index)));
	}

	isJailed(index: number): boolean {
		return (this.store.flags(index) & Flag.jailed) !== 0;
	}

	/** Numbers of the peer's capabilities in store.capabilities. */
	capabilityIDs(index: number): Uint16Array {
		if ((this.store.flags(index) & Flag.capabilities) === 0) return new Uint16Array(0);
		const page = this.store.page(index);
		return unpackCapabilities(page, this.#sections.locate(page, this.store.offset(index)).capabilities);
	}

	/** The earliest key expiry after store.unixSeconds, in Unix seconds; 0 if none. */
	nextExpiry(): number {
		const { store } = this;
		let next = 0;
		for (let i = 0; i < store.limit; i += 1) {
			if (store.places[i] === 0) continue;
			const expiry = load32(store.page(i), store.offset(i) + Offset.keyExpiry);
			if (expiry > store.unixSeconds && (next === 0 || expiry < next)) next = expiry;
		}
		return next;
	}

	/** Sets a disco key that was learned otherwise, outside of messages. @returns whether it is another one */
	learnDiscoKey(index: number, key: Uint8Array): boolean {
		if (!this.has(index)) return false;
		const page = this.store.page(index);
		const at = this.store.offset(index) + Offset.discoKey;
		if (sameKey(key, 0, page, at)) return false;
		this.#indexes.remove(index, Indexed.discoKey);
		page.set(key.subarray(0, KEY_BYTES), at);
		this.#indexes.add(index, Indexed.discoKey);
		return true;
	}

	#key(index: number, field: number): Uint8Array {
		const offset = this.store.offset(index) + field;
		return this.store.page(index).slice(offset, offset + KEY_BYTES);
	}
}
