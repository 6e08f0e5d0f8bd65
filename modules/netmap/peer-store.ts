/**
 * Where peers are kept: one packed record a peer (record.ts) in an arena, and columns by slot for what changes all the time. A slot is a peer's
 * index; it is free when it has no place. Committed state only: what a message is about to change is peer-staging.ts.
 */
import { Arena } from "./arena.js";
import { Interner } from "./interner.js";
import { isZeroKey } from "./keys.js";
import { type LockMarks, Mark } from "./lock-marks.js";
import { addressesAt, Flag, isPackedIPv4, load16, Offset, packedAddressBytes } from "./record.js";
import { load32 } from "./wide-id.js";

const MAXIMUM_SUFFIXES = 1024;
const MAXIMUM_USERS = 256;
const MAXIMUM_CAPABILITY_NAMES = 8192;

export class PeerStore {
	readonly arena = new Arena();
	/** Name suffixes that peers share; number 0 is "". */
	readonly suffixes = new Interner(MAXIMUM_SUFFIXES);
	/** Names of capabilities; compiled filters use the same numbers. */
	readonly capabilities = new Interner(MAXIMUM_CAPABILITY_NAMES);
	/** The first users met: most peers have one of them. */
	readonly users = new Interner(MAXIMUM_USERS);
	/** Slot to place + 1; 0 = no peer. */
	places: Uint32Array<ArrayBuffer> = new Uint32Array(0);
	/** Unix seconds, 0 = unknown. */
	lastSeen: Uint32Array<ArrayBuffer> = new Uint32Array(0);
	/** Numbers of Online in record.ts. */
	online: Uint8Array<ArrayBuffer> = new Uint8Array(0);
	/** What tailnet lock has found of them; undefined while it is not in force. */
	marks: LockMarks | undefined;
	/** One more than the highest slot in use. */
	limit = 0;
	count = 0;
	/** No free slot below this one. */
	firstFree = 0;
	/** Corrected time in Unix seconds, 0 = not known: decides who has expired. */
	unixSeconds = 0;

	constructor() {
		this.suffixes.intern("");
	}

	/** Bytes held for peers, without indexes. */
	get bytes(): number {
		return this.arena.bytes + this.places.byteLength + this.lastSeen.byteLength + this.online.byteLength + (this.marks?.bytes ?? 0);
	}

	has(index: number): boolean {
		return index >= 0 && index < this.limit && this.places[index] !== 0;
	}

	/** Page that holds the record of a peer there is; valid until the next change of the table. */
	page(index: number): Uint8Array {
		return this.arena.page((this.places[index] as number) - 1);
	}

	/** Offset of the record in its page. */
	offset(index: number): number {
		return this.arena.offset((this.places[index] as number) - 1);
	}

	/** Flag bits of record.ts; 0 if there is no peer. */
	flags(index: number): number {
		return this.has(index) ? load16(this.page(index), this.offset(index) + Offset.flags) : 0;
	}

	isExpired(index: number): boolean {
		const page = this.page(index);
		const offset = this.offset(index);
		if ((load16(page, offset + Offset.flags) & Flag.expired) !== 0) return true;
		const expiry = load32(page, offset + Offset.keyExpiry);
		return expiry !== 0 && this.unixSeconds !== 0 && expiry <= this.unixSeconds;
	}

	/** Tailnet lock has nothing against the peer, or does not cover it. */
	isTrusted(index: number): boolean {
		return this.marks === undefined || this.marks.get(index) === Mark.trusted || (this.flags(index) & Flag.unsignedPeerAPIOnly) !== 0;
	}

	usable(index: number): boolean {
		if (!this.has(index) || this.isExpired(index) || !this.isTrusted(index)) return false;
		const page = this.page(index);
		const offset = this.offset(index);
		if ((load16(page, offset + Offset.flags) & Flag.wireGuardOnly) !== 0 || load16(page, offset + Offset.region) !== 0) return true;
		return !isZeroKey(page, offset + Offset.discoKey);
	}

	/** The peer has AllowedIPs other than its addresses, or more than one address of a family. */
	hasRoutes(index: number): boolean {
		if ((this.flags(index) & Flag.allowedIPs) !== 0) return true;
		const page = this.page(index);
		let at = addressesAt(page, this.offset(index));
		let short = 0;
		let long = 0;
		for (let count = page[at++] as number; count > 0; count -= 1) {
			if (isPackedIPv4(page, at)) short += 1;
			else long += 1;
			at += packedAddressBytes(page, at);
		}
		return short > 1 || long > 1;
	}

	/** More slots. */
	grow(): void {
		this.#resize(Math.ceil(this.places.length * 1.25) + 8);
	}

	/** Gives back slots at the end, if most of them are unused. */
	trim(): void {
		while (this.limit > 0 && this.places[this.limit - 1] === 0) this.limit -= 1;
		this.firstFree = Math.min(this.firstFree, this.limit);
		if (this.limit * 2 + 64 < this.places.length) this.#resize(Math.ceil(this.limit * 1.125) + 8);
	}

	#resize(length: number): void {
		this.places = widen32(this.places.subarray(0, length), length);
		this.lastSeen = widen32(this.lastSeen.subarray(0, length), length);
		this.online = widen8(this.online.subarray(0, length), length);
		this.marks?.resize(length);
	}
}

/** A longer copy, zeros at the end. */
export function widen32(from: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
	const to = new Uint32Array(length);
	to.set(from);
	return to;
}

export function widen8(from: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
	const to = new Uint8Array(length);
	to.set(from);
	return to;
}
