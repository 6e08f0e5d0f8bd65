/**
 * The signature of a node key (KeySignature of a Node, protocol/control.md §7): who vouches for it, directly or through keys that a trusted key handed the
 * right to. CBOR, a map with these keys, nested up to 16 deep:
 *
 *   1  kind: 1 direct, 2 rotation, 3 credential     4  Ed25519 signature over the BLAKE2s-256 of this map without it
 *   2  "np", node key 32; of a credential: absent   5  the signature inside, of a rotation
 *   3  id of the trusted key that signed; of a      6  key that has to sign a rotation around this; a rotation without
 *      rotation: absent                                it hands on that of the one inside
 *
 *   direct       a trusted key signed the node key
 *   credential   a trusted key signed another key (of an auth key): good only inside a rotation
 *   rotation     the key named inside signed a further node key; the one inside is obsolete from then on
 *
 * See package tka of the official client (sig.go, v1.98.9).
 */
import { blake2s, ed25519Verify } from "tailnet/host";
import { findKey, sameBytes, type Trust } from "./authority-state.js";
import { CBORReader } from "./cbor.js";

const SignatureKind = { direct: 1, rotation: 2, credential: 3 } as const;
const DEEPEST = 16;
const KEY_BYTES = 32;
const NODE_KEY_BYTES = 34;
const LONGEST_FIELD_BYTES = 128;
const MAP = 0xa0;
/** "np" in ASCII. */
const NODE_PREFIX = Object.freeze([0x6e, 0x70]);

/** One map of the nested ones. */
interface Level {
	kind: number;
	nodeKey: Uint8Array | undefined;
	keyID: Uint8Array | undefined;
	signature: Uint8Array | undefined;
	wrapping: Uint8Array | undefined;
	inner: Level | undefined;
	/** Offsets: the map, its member 4, what follows it, its end. */
	start: number;
	signatureAt: number;
	afterSignature: number;
	end: number;
	/** Members in all, and still to be read. */
	count: number;
	left: number;
	key: number;
}

/** A node key is good; what else is known of a rotation. */
export interface Authorized {
	/** Id of the trusted key that vouches for it, in the end. */
	readonly signer: Uint8Array;
	/** 32 bytes each, the latest first: node keys that this one takes the place of. */
	readonly previous: readonly Uint8Array[];
	/** Of a rotation that begins with a direct signature: the key that signs its rotations. It belongs to one node. */
	readonly wrapping: Uint8Array | undefined;
}

/**
 * Whether a key of the authority vouches for a node key.
 * @param nodeKey 32 bytes; @param bytes KeySignature, decoded
 * @returns what is wrong otherwise
 */
export function verifyNodeKey(trust: Trust, nodeKey: Uint8Array, bytes: Uint8Array): Authorized | string {
	if (bytes.length === 0) return "no signature";
	const outer = parse(bytes);
	if (!outer) return "a malformed signature";
	if (outer.kind === SignatureKind.credential) return "a credential, which signs no node";
	let initial: Level | undefined = outer;
	while (initial?.kind === SignatureKind.rotation) initial = initial.inner;
	if (!initial) return "a rotation of nothing";
	if (initial.kind !== SignatureKind.direct && initial.kind !== SignatureKind.credential) return "a signature of an unknown kind";
	const trusted = initial.keyID && findKey(trust, initial.keyID);
	if (!trusted) return "signed by a key that is not trusted";
	if (!outer.nodeKey || !isNodeKey(outer.nodeKey) || !sameBytes(outer.nodeKey.subarray(2), nodeKey)) return "a signature of another node key";
	const previous: Uint8Array[] = [];
	for (let level: Level | undefined = outer; level; level = level.inner) {
		const isRotation = level.kind === SignatureKind.rotation;
		if (level !== outer && level.nodeKey) {
			if (!isNodeKey(level.nodeKey)) return "a malformed node key";
			previous.push(level.nodeKey.slice(2));
		} else if (level !== outer && level.kind !== SignatureKind.credential) return "a malformed node key";
		if (!isRotation && level.inner) return "a signature inside one that has none";
		const signer = isRotation ? wrappingOf(level.inner as Level) : trusted.bytes;
		if (signer?.length !== KEY_BYTES || !level.signature || level.signature.length !== 64) return "a wrong signature";
		if (!ed25519Verify(signer, signedHash(bytes, level), level.signature)) return "a wrong signature";
	}
	const isOfOneNode = outer.kind === SignatureKind.rotation && initial.kind === SignatureKind.direct;
	return { signer: trusted.bytes, previous, wrapping: isOfOneNode ? initial.wrapping?.slice() : undefined };
}

function isNodeKey(bytes: Uint8Array): boolean {
	return bytes.length === NODE_KEY_BYTES && bytes[0] === NODE_PREFIX[0] && bytes[1] === NODE_PREFIX[1];
}

/** Key that has to sign a rotation around a level. */
function wrappingOf(level: Level): Uint8Array | undefined {
	let at: Level | undefined = level;
	while (at && !at.wrapping && at.kind === SignatureKind.rotation) at = at.inner;
	return at?.wrapping;
}

function signedHash(bytes: Uint8Array, { start, signatureAt, afterSignature, end, count }: Level): Uint8Array {
	return blake2s(Uint8Array.of(MAP | (count - 1)), bytes.subarray(start + 1, signatureAt), bytes.subarray(afterSignature, end));
}

/** Nested maps without recursion: those that are open wait in a list, the innermost last. */
function parse(bytes: Uint8Array): Level | undefined {
	const reader = new CBORReader(bytes);
	const open: Level[] = [];
	const outer = begin(reader);
	open.push(outer);
	while (open.length > 0 && !reader.failed) {
		const level = open[open.length - 1] as Level;
		if (level.left === 0) {
			level.end = reader.at;
			open.pop();
			continue;
		}
		level.left -= 1;
		const at = reader.at;
		level.key = reader.key(level.key);
		if (level.key === 1) level.kind = reader.unsigned(255);
		else if (level.kind === -1) reader.failed = true;
		else if (level.key === 2) level.nodeKey = field(reader);
		else if (level.key === 3) level.keyID = field(reader);
		else if (level.key === 4) {
			level.signatureAt = at;
			level.signature = field(reader);
			level.afterSignature = reader.at;
		} else if (level.key === 5 && open.length < DEEPEST) {
			level.inner = begin(reader);
			open.push(level.inner);
		} else if (level.key === 6) level.wrapping = field(reader);
		else reader.failed = true;
	}
	return reader.isDone && outer.kind !== -1 ? outer : undefined;
}

function begin(reader: CBORReader): Level {
	const start = reader.at;
	const count = reader.map(6);
	if (count === 0) reader.failed = true;
	return {
		kind: -1,
		nodeKey: undefined,
		keyID: undefined,
		signature: undefined,
		wrapping: undefined,
		inner: undefined,
		start,
		signatureAt: 0,
		afterSignature: 0,
		end: 0,
		count,
		left: count,
		key: -1,
	};
}

/** One that is empty is never written. */
function field(reader: CBORReader): Uint8Array {
	const bytes = reader.byteString(LONGEST_FIELD_BYTES);
	if (bytes.length === 0) reader.failed = true;
	return bytes;
}
