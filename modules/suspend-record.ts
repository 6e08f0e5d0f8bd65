/**
 * The record that a node leaves when it goes to sleep. The next run opens it, once, and goes on with its sessions without a handshake.
 *
 *   offset 0   u8      version, 1: the associated data of what follows
 *   offset 1           sealed, ChaCha20-Poly1305
 *
 *   sealed     8       wall clock of the suspend, Unix milliseconds
 *      8      32       our node key, public
 *     40      32       our disco key, private
 *     72     150 n     sessions, at most 8, that of the peer used last first
 *
 *   session   32       the peer's node key
 *     32       4       CRC-32 of its disco key: a peer that has another one has restarted
 *     36     114       endpoint 18 (port 0: none), session 96, as TN_COMMAND_PEER takes them (native/tn_records.h)
 *
 * Integers are little-endian. Each record has a sealing key of its own, which lies in the store (suspend-key, 32 bytes) and nowhere else; so a nonce of zeros is
 * right. The key is deleted, on flash, before the record is opened, let alone used: no record is opened twice, also not after a crash, and a counter of a session
 * cannot repeat.
 */
import { aeadOpen, aeadSeal, equalBytes, randomBytes, type Store, wipe } from "tailnet/host";

/** Sessions in a record. More: a longer record, and RTC memory is small. */
export const MOST_SESSIONS = 8;
export const SESSION_BYTES = 150;
/** Where in a session its parts are. */
export const SESSION_DISCO_AT = 32;
export const SESSION_SAVED_AT = 36;
const AGE_AT = 142;

/** A session's keys end at this age. protocol/tunnel.md §2.1 */
const REJECT_AFTER_MS = 180_000;
const VERSION = 1;
const KEY = "suspend-key";
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NODE_KEY_AT = 8;
const DISCO_KEY_AT = 40;
const SESSIONS_AT = 72;

/**
 * Why a record is not used:
 *   damaged      it is cut, changed, of another version, or not the last one
 *   used         the store has no key for it: it was used before, the node has run without it, or it is another store's
 *   old          none of its sessions is young enough
 *   clock        the machine does not know the time, or its clock went back
 *   other-node   it is that of another node key
 *   store        the store does not let its key be deleted
 */
export type ResumeRefusal = "damaged" | "used" | "old" | "clock" | "other-node" | "store";

/** A record that was opened. */
export interface Opened {
	/** 32 bytes; to be wiped. */
	discoPrivateKey: Uint8Array;
	/** SESSION_BYTES each, with their age of now; to be wiped. */
	sessions: Uint8Array;
}

/** Milliseconds, at most 2^53. */
function readTime(view: DataView): number {
	return view.getUint32(0, true) + view.getUint32(4, true) * 4_294_967_296;
}

/**
 * Seals a record and keeps its key.
 * @param nodeKey 32 bytes, our public key
 * @param discoPrivateKey 32 bytes
 * @param sessions SESSION_BYTES each, at most MOST_SESSIONS; wiped
 * @param wallMS Unix milliseconds, 0 = unknown: nobody will open it
 * @returns 89 bytes and 150 for each session: 1,289 at most
 * @throws TailnetError "store"
 */
export function sealRecord(store: Store, nodeKey: Uint8Array, discoPrivateKey: Uint8Array, sessions: readonly Uint8Array[], wallMS: number): Uint8Array {
	const plaintext = new Uint8Array(SESSIONS_AT + SESSION_BYTES * sessions.length);
	const view = new DataView(plaintext.buffer);
	view.setUint32(0, wallMS >>> 0, true);
	view.setUint32(4, Math.floor(wallMS / 4_294_967_296), true);
	plaintext.set(nodeKey, NODE_KEY_AT);
	plaintext.set(discoPrivateKey, DISCO_KEY_AT);
	for (let i = 0; i < sessions.length; i += 1) {
		plaintext.set(sessions[i] as Uint8Array, SESSIONS_AT + i * SESSION_BYTES);
		wipe(sessions[i] as Uint8Array);
	}
	const key = randomBytes(KEY_BYTES);
	try {
		store.set(KEY, key);
		const version = Uint8Array.of(VERSION);
		const sealed = aeadSeal(key, new Uint8Array(12), version, plaintext);
		const record = new Uint8Array(1 + sealed.length);
		record.set(version);
		record.set(sealed, 1);
		return record;
	} finally {
		wipe(key);
		wipe(plaintext);
	}
}

/** Sessions of an earlier run are void once another one has begun. @throws TailnetError "store" */
export function forgetRecord(store: Store): void {
	const key = takeKey(store);
	if (key) wipe(key);
}

/**
 * Opens a record, whose key is gone from the store by then, whatever comes of it.
 * @param nodeKey 32 bytes, our public key
 * @param wallMS Unix milliseconds, 0 = unknown
 */
export function openRecord(store: Store, record: Uint8Array, nodeKey: Uint8Array, wallMS: number): Opened | ResumeRefusal {
	let key: Uint8Array | undefined;
	try {
		key = takeKey(store);
	} catch {
		return "store";
	}
	if (!key) return "used";
	const plaintext = key.length === KEY_BYTES && isWhole(record) ? aeadOpen(key, new Uint8Array(12), record.subarray(0, 1), record.subarray(1)) : undefined;
	wipe(key);
	if (!plaintext) return "damaged";
	try {
		return read(plaintext, nodeKey, wallMS);
	} finally {
		wipe(plaintext);
	}
}

/** The key leaves the store before anybody has it. @throws TailnetError "store" */
function takeKey(store: Store): Uint8Array | undefined {
	const key = store.get(KEY);
	if (key) store.delete(KEY);
	return key;
}

function isWhole(record: Uint8Array): boolean {
	const sessionBytes = record.length - 1 - TAG_BYTES - SESSIONS_AT;
	return record[0] === VERSION && sessionBytes >= 0 && sessionBytes % SESSION_BYTES === 0 && sessionBytes <= MOST_SESSIONS * SESSION_BYTES;
}

function read(plaintext: Uint8Array, nodeKey: Uint8Array, wallMS: number): Opened | ResumeRefusal {
	const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.length);
	const sleptAt = readTime(view);
	const sleptMS = wallMS - sleptAt;
	if (!equalBytes(plaintext.subarray(NODE_KEY_AT, DISCO_KEY_AT), nodeKey)) return "other-node";
	if (sleptAt === 0 || wallMS === 0 || sleptMS < 0) return "clock";
	if (sleptMS >= REJECT_AFTER_MS) return "old";
	const young: Uint8Array[] = [];
	for (let at = SESSIONS_AT; at < plaintext.length; at += SESSION_BYTES) {
		const session = plaintext.subarray(at, at + SESSION_BYTES);
		if (ageSession(session, sleptMS)) young.push(session);
	}
	if (young.length === 0 && plaintext.length > SESSIONS_AT) return "old";
	const sessions = new Uint8Array(young.length * SESSION_BYTES);
	for (let i = 0; i < young.length; i += 1) sessions.set(young[i] as Uint8Array, i * SESSION_BYTES);
	return { discoPrivateKey: plaintext.slice(DISCO_KEY_AT, SESSIONS_AT), sessions };
}

/** Makes a session older. @returns false when it is too old then */
export function ageSession(session: Uint8Array, byMS: number): boolean {
	const view = new DataView(session.buffer, session.byteOffset, SESSION_BYTES);
	const ageMS = view.getUint32(AGE_AT, true) + byMS;
	view.setUint32(AGE_AT, Math.min(ageMS, 0xffff_ffff), true);
	return ageMS < REJECT_AFTER_MS;
}
