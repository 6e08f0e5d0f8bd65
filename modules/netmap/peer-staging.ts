/**
 * One map message's changes to the peers, from its first element to its end (design.md §1, one update's way):
 *
 *   begin -> replaceAll? -> upsert | remove | patch | seen | setOnline ... -> commit     everything visible at once
 *                                                                      \-> abort      nothing happened
 *
 * State of a slot while staging:
 *
 *   0          untouched (gone at the commit of a replacement)
 *   REMOVED    will be gone
 *   KEPT       mentioned, its record stays (its columns may change)
 *   else       place of its new record, + FIRST_PLACE
 *
 * New nodes get a slot and an entry in the id index at once and are invisible (no place) until the commit. The columns online and last seen are copied on
 * the first write of a message and swapped in by the commit. A message that repeats what is known, as after every reconnect, stages nothing but KEPT.
 */
import { equalBytes } from "tailnet/host";
import type { ArenaMark } from "./arena.js";
import { sameKey } from "./keys.js";
import { Mark } from "./lock-marks.js";
import { type Members, textMember } from "./members.js";
import { NumberList } from "./number-list.js";
import { Indexed, type PeerIndexes } from "./peer-indexes.js";
import { type PeerStore, widen8, widen32 } from "./peer-store.js";
import { addressesAt, endpointsAt, Flag, load16, Offset, Online, Sections } from "./record.js";
import { RecordWriter } from "./record-writer.js";
import { type SignatureNews, StagedSignatures } from "./staged-signatures.js";
import { ID_BYTES, parseIDInto } from "./wide-id.js";

const REMOVED = 1;
const KEPT = 2;
const FIRST_PLACE = 3;
/** From so many additions on, indexes make room in one step. */
const MANY = 16;

/** What a commit did; indexes of peers. */
export class PeerChanges {
	readonly added = new NumberList();
	readonly changed = new NumberList();
	readonly removed = new NumberList();
	readonly keyChanged = new NumberList();
	readonly discoChanged = new NumberList();
	readonly routingChanged = new NumberList();
	/** A peer with prefixes beyond its own first addresses came, went or changed. */
	routes = false;
	/** A peer that tailnet lock does not cover came, went or changed. */
	unsigned = false;
	/** Signatures of node keys that came with the message. */
	signatures: SignatureNews[] = [];
	/** There were more than could be kept. */
	areSignaturesShort = false;
}

export class PeerStaging {
	/** Something of a peer did not fit its record in this message: it is reachable by less than control meant. */
	truncated = false;
	/** Signatures of node keys, for tailnet lock. */
	readonly signatures = new StagedSignatures();

	readonly #store: PeerStore;
	readonly #indexes: PeerIndexes;
	readonly #writer: RecordWriter;
	#staged: Uint32Array | undefined;
	/** Slots whose state is not 0, each once. */
	#touched = new NumberList();
	#lastSeen: Uint32Array<ArrayBuffer> | undefined;
	#online: Uint8Array<ArrayBuffer> | undefined;
	#mark: ArenaMark | undefined;
	#replacing = false;
	#additions = 0;
	readonly #id = new Uint8Array(ID_BYTES);
	readonly #sections = new Sections();

	constructor(store: PeerStore, indexes: PeerIndexes) {
		this.#store = store;
		this.#indexes = indexes;
		this.#writer = new RecordWriter(store.suffixes, store.capabilities, store.users);
	}

	/** Place of any record of a slot that has one, committed or staged. */
	placeOf(index: number): number {
		const place = this.#store.places[index] as number;
		return place !== 0 ? place - 1 : ((this.#staged as Uint32Array)[index] as number) - FIRST_PLACE;
	}

	/** A message begins. */
	begin(): void {
		this.abort();
		this.#mark = this.#store.arena.mark();
		this.truncated = false;
	}

	/** Peers not mentioned from here on are gone at the commit; what was staged before is dropped. */
	replaceAll(): void {
		this.begin();
		this.#replacing = true;
	}

	/** Adds a node or takes the place of the one with its id. @throws WrongType */
	upsert(node: Members): void {
		const writer = this.#writer;
		writer.node(node);
		this.truncated ||= writer.truncated;
		this.#id.set(writer.bytes.subarray(Offset.id, Offset.id + ID_BYTES));
		let index = this.#indexes.findID(this.#id);
		if (index < 0) index = this.#add();
		else this.#stage(index);
		this.#stageColumns(index);
		this.#stageSignature(index, node);
	}

	/**
	 * Takes a node out. Removals come first, wherever they stand: a node that the message brings itself stays.
	 * @param id decimal text; @param hasUpserts what is staged of the node may be such a one; else it is a patch of a node that is gone
	 */
	remove(id: string, hasUpserts: boolean): void {
		const index = this.#find(id);
		if (index < 0 || this.#store.places[index] === 0) return;
		const staged = this.#stagedTable();
		if (staged[index] === 0) this.#touched.push(index);
		else if (hasUpserts) return;
		this.#drop(index);
		staged[index] = REMOVED;
	}

	/** Applies a PeerChange; one for an unknown node is ignored. @param id decimal text. @throws WrongType */
	patch(id: string, change: Members): void {
		const index = this.#find(id);
		if (index < 0) return;
		const { arena } = this.#store;
		const state = this.#staged === undefined ? 0 : (this.#staged[index] as number);
		const place = state >= FIRST_PLACE ? state - FIRST_PLACE : (this.#store.places[index] as number) - 1;
		const writer = this.#writer;
		writer.online = (this.#online ?? this.#store.online)[index] as number;
		writer.lastSeen = (this.#lastSeen ?? this.#store.lastSeen)[index] as number;
		if (!writer.patch(arena.page(place), arena.offset(place), change)) return;
		this.truncated ||= writer.truncated;
		this.#stage(index);
		this.#stageColumns(index);
		if (change["Key"] != null || change["KeySignature"] != null) this.#stageSignature(index, change);
	}

	/** PeerSeenChange. @param unixSeconds 0: no longer known */
	seen(id: string, unixSeconds: number): void {
		const index = this.#find(id);
		if (index < 0) return;
		this.#touch(index);
		this.#lastSeen ??= this.#store.lastSeen.slice();
		this.#lastSeen[index] = unixSeconds;
	}

	/** OnlineChange. */
	setOnline(id: string, online: boolean): void {
		const index = this.#find(id);
		if (index < 0) return;
		this.#touch(index);
		this.#online ??= this.#store.online.slice();
		this.#online[index] = online ? Online.yes : Online.no;
	}

	/** The message is complete: all of it becomes visible. */
	commit(): PeerChanges {
		const changes = new PeerChanges();
		const store = this.#store;
		const staged = this.#staged;
		if (this.#replacing) {
			for (let i = 0; i < store.limit; i += 1) if (store.places[i] !== 0 && (staged === undefined || staged[i] === 0)) this.#commitRemoval(i, changes);
		}
		if (staged !== undefined) {
			if (this.#additions >= MANY) this.#indexes.reserve(this.#additions);
			for (let i = 0; i < this.#touched.length; i += 1) {
				const index = this.#touched.at(i);
				const state = staged[index] as number;
				if (state === KEPT) this.#commitColumns(index, changes);
				else if (state === REMOVED) this.#commitRemoval(index, changes);
				else if (store.places[index] === 0) this.#commitAddition(index, state - FIRST_PLACE, changes);
				else this.#commitChange(index, state - FIRST_PLACE, changes);
			}
		}
		store.lastSeen = this.#lastSeen ?? store.lastSeen;
		store.online = this.#online ?? store.online;
		changes.areSignaturesShort = this.signatures.isShort;
		changes.signatures = this.signatures.take();
		this.#end();
		if (changes.removed.length > 0) this.#indexes.trim();
		store.arena.tidy(store.places, 1, (page, offset) => load16(page, offset + Offset.length));
		return changes;
	}

	/** The message is not to be: everything is as it was before begin(). */
	abort(): void {
		if (this.#mark === undefined) return;
		const staged = this.#staged;
		// The id index knows additions already, and asks for their hashes: they leave it before their records do.
		for (let i = 0; i < this.#touched.length; i += 1) {
			const index = this.#touched.at(i);
			if (this.#store.places[index] !== 0 || staged === undefined) continue;
			if ((staged[index] as number) >= FIRST_PLACE) this.#indexes.removeID(index);
			this.#store.firstFree = Math.min(this.#store.firstFree, index);
		}
		this.#store.arena.release(this.#mark);
		this.#end();
	}

	#end(): void {
		this.#staged = undefined;
		this.#lastSeen = undefined;
		this.#online = undefined;
		this.#mark = undefined;
		this.#replacing = false;
		this.#additions = 0;
		this.#touched = new NumberList();
		this.signatures.abort();
		this.#writer.release();
		this.#store.trim();
	}

	// ---- Staging ----

	#stagedTable(): Uint32Array {
		this.#staged ??= new Uint32Array(this.#store.places.length);
		return this.#staged;
	}

	/** Slot of a node that is there after the message, as far as is known now; -1 if none. */
	#find(id: string): number {
		const index = parseIDInto(id, this.#id, 0) ? this.#indexes.findID(this.#id) : -1;
		if (index < 0) return -1;
		const state = this.#staged === undefined ? 0 : (this.#staged[index] as number);
		return state === REMOVED || (state === 0 && this.#replacing) ? -1 : index;
	}

	#touch(index: number): void {
		const staged = this.#stagedTable();
		if (staged[index] !== 0) return;
		staged[index] = KEPT;
		this.#touched.push(index);
	}

	/** The writer's record is the newest of a slot. */
	#stage(index: number): void {
		const staged = this.#stagedTable();
		const { arena, places } = this.#store;
		const writer = this.#writer;
		if (staged[index] === 0) this.#touched.push(index);
		this.#drop(index);
		const place = (places[index] as number) - 1;
		if (place >= 0) {
			const page = arena.page(place);
			const offset = arena.offset(place);
			const length = load16(page, offset + Offset.length);
			if (length === writer.length && equalBytes(page.subarray(offset, offset + length), writer.bytes.subarray(0, length))) {
				staged[index] = KEPT;
				return;
			}
		}
		staged[index] = arena.append(writer.bytes, 0, writer.length) + FIRST_PLACE;
	}

	#stageColumns(index: number): void {
		const { online, lastSeen } = this.#writer;
		if ((this.#online ?? this.#store.online)[index] !== online) {
			this.#online ??= this.#store.online.slice();
			this.#online[index] = online;
		}
		if ((this.#lastSeen ?? this.#store.lastSeen)[index] !== lastSeen) {
			this.#lastSeen ??= this.#store.lastSeen.slice();
			this.#lastSeen[index] = lastSeen;
		}
	}

	/** That there is none is news only while somebody asks for them. */
	#stageSignature(index: number, node: Members): void {
		const text = textMember(node, "KeySignature");
		const { marks } = this.#store;
		if (text !== "" || marks) this.signatures.stage(index, text, marks?.get(index) ?? Mark.unchecked);
	}

	/** A staged record is overtaken by another one of the same message. */
	#drop(index: number): void {
		const state = (this.#staged as Uint32Array)[index] as number;
		if (state < FIRST_PLACE) return;
		const { arena } = this.#store;
		const place = state - FIRST_PLACE;
		arena.discard(place, load16(arena.page(place), arena.offset(place) + Offset.length));
	}

	/** A slot for the writer's record, which becomes its staged one. */
	#add(): number {
		const store = this.#store;
		let index = store.firstFree;
		while (index < store.limit && (store.places[index] !== 0 || (this.#staged !== undefined && this.#staged[index] !== 0))) index += 1;
		store.firstFree = index + 1;
		if (index === store.limit) {
			if (index === store.places.length) this.#grow();
			store.limit += 1;
		}
		this.#stagedTable()[index] = store.arena.append(this.#writer.bytes, 0, this.#writer.length) + FIRST_PLACE;
		this.#touched.push(index);
		this.#indexes.addID(index);
		this.#additions += 1;
		return index;
	}

	#grow(): void {
		this.#store.grow();
		const length = this.#store.places.length;
		if (this.#staged !== undefined) this.#staged = widen32(this.#staged, length);
		if (this.#lastSeen !== undefined) this.#lastSeen = widen32(this.#lastSeen, length);
		if (this.#online !== undefined) this.#online = widen8(this.#online, length);
	}

	// ---- Commit ----

	#commitRemoval(index: number, changes: PeerChanges): void {
		const store = this.#store;
		store.firstFree = Math.min(store.firstFree, index);
		(this.#lastSeen ?? store.lastSeen)[index] = 0;
		(this.#online ?? store.online)[index] = 0;
		this.#note(index, changes);
		store.marks?.set(index, Mark.unchecked);
		this.#indexes.removeID(index);
		this.#indexes.remove(index, Indexed.all);
		store.arena.discard((store.places[index] as number) - 1, load16(store.page(index), store.offset(index) + Offset.length));
		store.places[index] = 0;
		store.count -= 1;
		changes.removed.push(index);
	}

	#commitAddition(index: number, place: number, changes: PeerChanges): void {
		this.#store.places[index] = place + 1;
		this.#store.count += 1;
		this.#store.marks?.set(index, Mark.unchecked);
		this.#indexes.add(index, Indexed.all);
		this.#note(index, changes);
		changes.added.push(index);
	}

	#commitColumns(index: number, changes: PeerChanges): void {
		const online = this.#online ?? this.#store.online;
		const lastSeen = this.#lastSeen ?? this.#store.lastSeen;
		if (online[index] !== this.#store.online[index] || lastSeen[index] !== this.#store.lastSeen[index]) changes.changed.push(index);
	}

	#commitChange(index: number, place: number, changes: PeerChanges): void {
		const store = this.#store;
		const old = store.page(index);
		const from = store.offset(index);
		const page = store.arena.page(place);
		const to = store.arena.offset(place);
		const isKey = !sameKey(old, from + Offset.nodeKey, page, to + Offset.nodeKey);
		const isDisco = !sameKey(old, from + Offset.discoKey, page, to + Offset.discoKey);
		const isAddress = !sameRange(old, addressesAt(old, from), endpointsAt(old, from), page, addressesAt(page, to), endpointsAt(page, to));
		const isSuffix = load16(old, from + Offset.suffix) !== load16(page, to + Offset.suffix);
		const isName = isSuffix || !sameRange(old, from + Offset.sections, addressesAt(old, from), page, to + Offset.sections, addressesAt(page, to));
		const which = (isKey ? Indexed.nodeKey : 0) | (isDisco ? Indexed.discoKey : 0) | (isAddress ? Indexed.addresses : 0) | (isName ? Indexed.name : 0);
		const isRouting = isAddress || this.#routingDiffers(old, from, page, to);
		this.#note(index, changes);
		this.#indexes.remove(index, which);
		store.arena.discard((store.places[index] as number) - 1, load16(old, from + Offset.length));
		store.places[index] = place + 1;
		this.#indexes.add(index, which);
		this.#note(index, changes);
		changes.changed.push(index);
		if (isKey) {
			changes.keyChanged.push(index);
			store.marks?.set(index, Mark.unchecked);
		}
		if (isDisco) changes.discoChanged.push(index);
		if (isRouting) changes.routingChanged.push(index);
	}

	/** Flags, region, expiry, reachability, and the sections that the tunnel is told of. */
	#routingDiffers(old: Uint8Array, from: number, page: Uint8Array, to: number): boolean {
		if (!sameRange(old, from + Offset.flags, from + Offset.id, page, to + Offset.flags, to + Offset.id)) return true;
		if (!sameRange(old, from + Offset.region, from + Offset.suffix, page, to + Offset.region, to + Offset.suffix)) return true;
		if (!sameRange(old, from + Offset.keyExpiry, from + Offset.sections, page, to + Offset.keyExpiry, to + Offset.sections)) return true;
		const sections = this.#sections.locate(old, from);
		const start = sections.allowedIPs;
		const end = sections.end;
		sections.locate(page, to);
		return !sameRange(old, start, end, page, sections.allowedIPs, sections.end);
	}

	/** Notes whether a committed record concerns the routes or the test of unsigned peers. */
	#note(index: number, changes: PeerChanges): void {
		if ((this.#store.flags(index) & Flag.unsignedPeerAPIOnly) !== 0) changes.unsigned = true;
		if (this.#store.hasRoutes(index)) changes.routes = true;
	}
}

function sameRange(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
	return aEnd - aStart === bEnd - bStart && equalBytes(a.subarray(aStart, aEnd), b.subarray(bStart, bEnd));
}
