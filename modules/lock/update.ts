/**
 * One update of a tailnet's key authority (an AUM): signed, and chained to the one before it by hash. CBOR, a map with these keys:
 *
 *    1  kind, authority-state.ts               5  state, of a checkpoint
 *    2  hash of the parent, 32 bytes, or null  6  votes, of a changed key
 *    3  key to add                             7  meta, of a changed key: a map of texts
 *    4  id of the key to remove or change     23  list of signatures: a map of 1 key id, 2 Ed25519 signature
 *
 *   key     1 kind (1 = Ed25519), 2 votes, 3 public key, 12 meta
 *   state   1 null, 2 list of disablement values, 3 list of keys, 4 and 5 numbers that tell authorities apart
 *
 * Its hash is BLAKE2s-256 of all of it; what is signed is the hash of it without key 23. Rules and bounds: package tka of the official client (aum.go,
 * state.go, limits.go, v1.98.9). Stricter here: only canonical CBOR, only known keys (cbor.ts), a parent of 32 bytes.
 */
import { blake2s, ed25519Verify } from "tailnet/host";
import { findKey, Kind, sameBytes, type Trust, type TrustedKey } from "./authority-state.js";
import { CBORReader } from "./cbor.js";

export const HASH_BYTES = 32;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const MOST_KEYS = 512;
const MOST_DISABLEMENTS = 32;
const DISABLEMENT_BYTES = 32;
const MOST_META_BYTES = 512;
const MOST_META_PAIRS = 1024;
const MOST_VOTES = 4096;
const MOST_SIGNATURES = 512;
/** Key material of another length is taken, as upstream does, and verifies nothing. */
const LONGEST_KEY_BYTES = 64;
const EDWARDS = 1;
const SIGNATURES = 23;
/** Head byte of a map with n pairs, n below 24. */
const MAP = 0xa0;

interface Signature {
	readonly keyID: Uint8Array;
	readonly bytes: Uint8Array;
}

export interface Update {
	/** As it came. */
	readonly bytes: Uint8Array;
	/** BLAKE2s-256 of it, 32 bytes. */
	readonly hash: Uint8Array;
	/** A number of Kind, or one that nobody knows yet. */
	readonly kind: number;
	/** undefined: it is the first of all. */
	readonly parent: Uint8Array | undefined;
	readonly key: TrustedKey | undefined;
	readonly keyID: Uint8Array | undefined;
	readonly checkpoint: Trust | undefined;
	readonly votes: number | undefined;
	readonly signatures: readonly Signature[];
	/** What the signatures are over, 32 bytes. */
	readonly signedHash: Uint8Array;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** @param bytes kept, not copied. @returns the update, well formed but not verified; or what is wrong */
export function parseUpdate(bytes: Uint8Array): Update | string {
	const reader = new CBORReader(bytes);
	const update: Mutable<Update> & { hasMeta: boolean } = {
		bytes,
		hash: bytes,
		kind: 0,
		parent: undefined,
		key: undefined,
		keyID: undefined,
		checkpoint: undefined,
		votes: undefined,
		hasMeta: false,
		signatures: [],
		signedHash: bytes,
	};
	const count = reader.map(SIGNATURES);
	let signaturesAt = bytes.length;
	let key = -1;
	for (let i = 0; i < count && !reader.failed; i += 1) {
		const at = reader.at;
		key = reader.key(key);
		// The first two are always there.
		if (i < 2 && key !== i + 1) reader.failed = true;
		else if (key === 1) update.kind = reader.unsigned(255);
		else if (key === 2) update.parent = reader.isNull() ? undefined : exactly(reader, HASH_BYTES);
		else if (key === 3) update.key = readKey(reader);
		else if (key === 4) update.keyID = notEmpty(reader, LONGEST_KEY_BYTES);
		else if (key === 5) update.checkpoint = readState(reader);
		else if (key === 6) update.votes = reader.unsigned(0xffff_ffff);
		else if (key === 7) update.hasMeta = readMeta(reader);
		else if (key === SIGNATURES) {
			signaturesAt = at;
			update.signatures = readSignatures(reader);
		} else reader.failed = true;
	}
	if (count < 2 || !reader.isDone) return "malformed";
	const problem = shapeProblem(update);
	if (problem !== "") return problem;
	update.hash = blake2s(bytes);
	const isSigned = signaturesAt < bytes.length;
	update.signedHash = isSigned ? blake2s(Uint8Array.of(MAP | (count - 1)), bytes.subarray(1, signaturesAt)) : update.hash;
	return update;
}

/**
 * Verifies all signatures by the keys of the state that it is applied to: one that is unknown or wrong refuses the update.
 * @param trust for the first update of an authority, its own
 * @returns "" or what is wrong
 */
export function verifyUpdate(update: Update, trust: Trust): string {
	if (update.signatures.length === 0) return "not signed";
	for (const { keyID, bytes } of update.signatures) {
		const key = findKey(trust, keyID);
		if (!key) return "signed by a key that is not trusted";
		if (key.bytes.length !== KEY_BYTES || !ed25519Verify(key.bytes, update.signedHash, bytes)) return "a signature is wrong";
	}
	const [only] = trust.keys;
	if (update.kind === Kind.removeKey && trust.keys.length === 1 && sameBytes((only as TrustedKey).bytes, update.keyID as Uint8Array))
		return "it removes the last key";
	return "";
}

/** Votes of the trusted keys that signed, each once: what counts where the history forks. */
export function weightOf(update: Update, trust: Trust): number {
	const seen = new Set<TrustedKey>();
	for (const { keyID } of update.signatures) {
		const key = findKey(trust, keyID);
		if (key) seen.add(key);
	}
	let weight = 0;
	for (const key of seen) weight += key.votes;
	return weight;
}

/** Which members a kind has to have, and which it must not. */
function shapeProblem(update: Update & { hasMeta: boolean }): string {
	const { kind, key, keyID, checkpoint, votes, hasMeta } = update;
	const has = (...members: unknown[]): boolean => members.some((member) => member !== undefined && member !== false);
	if (votes !== undefined && kind === Kind.updateKey && (votes === 0 || votes > MOST_VOTES)) return "votes: 1 to 4096 were expected";
	let isRight = true;
	if (kind === Kind.addKey) isRight = has(key) && !has(keyID, checkpoint, votes, hasMeta);
	else if (kind === Kind.removeKey) isRight = has(keyID) && !has(key, checkpoint, votes, hasMeta);
	else if (kind === Kind.updateKey) isRight = has(keyID) && has(votes, hasMeta) && !has(key, checkpoint);
	else if (kind === Kind.checkpoint) isRight = has(checkpoint) && !has(keyID, key, votes, hasMeta);
	return isRight ? "" : "members that do not belong to its kind";
}

function exactly(reader: CBORReader, lengthBytes: number): Uint8Array {
	const bytes = reader.byteString(lengthBytes);
	if (bytes.length !== lengthBytes) reader.failed = true;
	return bytes;
}

function notEmpty(reader: CBORReader, limit: number): Uint8Array {
	const bytes = reader.byteString(limit);
	if (bytes.length === 0) reader.failed = true;
	return bytes;
}

/** @returns true: there is one. An empty one is never written */
function readMeta(reader: CBORReader): boolean {
	const at = reader.at;
	const length = reader.texts(MOST_META_PAIRS);
	if (length > MOST_META_BYTES || reader.bytes[at] === MAP) reader.failed = true;
	return true;
}

function readKey(reader: CBORReader): TrustedKey {
	const count = reader.map(4);
	let kind = 0;
	let votes = 0;
	let bytes = reader.bytes;
	let key = -1;
	for (let i = 0; i < count && !reader.failed; i += 1) {
		key = reader.key(key);
		if (i < 3 && key !== i + 1) reader.failed = true;
		else if (key === 1) kind = reader.unsigned(255);
		else if (key === 2) votes = reader.unsigned(MOST_VOTES);
		else if (key === 3) bytes = reader.byteString(LONGEST_KEY_BYTES);
		else if (key === 12) readMeta(reader);
		else reader.failed = true;
	}
	if (count < 3 || kind !== EDWARDS || votes === 0) reader.failed = true;
	return { bytes, votes };
}

function readState(reader: CBORReader): Trust {
	const count = reader.map(5);
	const disablement: Uint8Array[] = [];
	const keys: TrustedKey[] = [];
	const id = new Uint8Array(16);
	let key = -1;
	for (let i = 0; i < count && !reader.failed; i += 1) {
		key = reader.key(key);
		if (i < 3 && key !== i + 1) reader.failed = true;
		else if (key === 1) reader.failed ||= !reader.isNull();
		else if (key === 2) for (let n = reader.list(MOST_DISABLEMENTS); n > 0 && !reader.failed; n -= 1) disablement.push(exactly(reader, DISABLEMENT_BYTES));
		else if (key === 3) for (let n = reader.list(MOST_KEYS); n > 0 && !reader.failed; n -= 1) keys.push(readKey(reader));
		else if (key === 4 || key === 5) {
			const at = reader.at;
			reader.unsigned64(id, 8 * (key - 4));
			// Zero is not written.
			if (reader.bytes[at] === 0) reader.failed = true;
		} else reader.failed = true;
	}
	const isUnique = areDistinct(disablement) && areDistinct(keys.map(({ bytes }) => bytes));
	if (count < 3 || disablement.length === 0 || keys.length === 0 || !isUnique) reader.failed = true;
	return { keys, disablement, id };
}

function areDistinct(list: readonly Uint8Array[]): boolean {
	return list.every((each, i) => list.findIndex((other) => sameBytes(other, each)) === i);
}

function readSignatures(reader: CBORReader): Signature[] {
	const signatures: Signature[] = [];
	const count = reader.list(MOST_SIGNATURES);
	if (count === 0) reader.failed = true;
	for (let n = count; n > 0 && !reader.failed; n -= 1) {
		if (reader.map(2) !== 2 || reader.key(-1) !== 1) reader.failed = true;
		const keyID = exactly(reader, KEY_BYTES);
		if (reader.key(1) !== 2) reader.failed = true;
		signatures.push({ keyID, bytes: exactly(reader, SIGNATURE_BYTES) });
	}
	return signatures;
}
