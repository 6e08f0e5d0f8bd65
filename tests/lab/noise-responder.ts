/**
 * The control server's side of Noise IK and of its records (protocol/control.md §3.3-§3.6), on @noble/*, written from the specification and not from
 * modules/control, so that an error there has no twin here.
 *
 *   initiation  version 2 | 01 | length 2 | ephemeral 32 | sealed machine key 48 | tag 16        101 bytes
 *   response    02 | length 2 | ephemeral 32 | tag 16                                             51 bytes
 *   record      04 | length 2 | ciphertext | tag 16                                               at most 4096 bytes
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { concat, type KeyPair, keyPair } from "./bytes.js";

const PROTOCOL = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE = "Tailscale Control Protocol v";
const INITIATION_LENGTH = 101;
const EMPTY = new Uint8Array(0);
const NONCE_ZERO = new Uint8Array(12);

export const RECORD_LIMIT = 4096;
/** Most plaintext in one record. */
export const RECORD_PLAINTEXT = RECORD_LIMIT - 3 - 16;

/** What the handshake gives. */
export interface Established {
	readonly version: number;
	/** Of the client. */
	readonly machineKey: Uint8Array;
	readonly clientToServer: Uint8Array;
	readonly serverToClient: Uint8Array;
	readonly handshakeHash: Uint8Array;
	/** 51 bytes to send. */
	readonly response: Uint8Array;
}

/**
 * Answers an initiation.
 * @param ephemeral fixed in tests with vectors, else fresh
 * @throws Error in the words of the real server's log
 */
export function respond(initiation: Uint8Array, control: KeyPair, ephemeral: KeyPair = keyPair()): Established {
	if (initiation.length !== INITIATION_LENGTH) throw new Error("wrong handshake initiation size");
	const view = new DataView(initiation.buffer, initiation.byteOffset);
	const version = view.getUint16(0);
	if (initiation[2] !== 1 || view.getUint16(3) !== 96) throw new Error("unexpected handshake initiation header");

	const state = new SymmetricState();
	state.mixHash(Buffer.from(PROLOGUE + version));
	state.mixHash(control.publicKey);

	const clientEphemeral = initiation.slice(5, 37);
	state.mixHash(clientEphemeral);
	state.mixKey(x25519.getSharedSecret(control.privateKey, clientEphemeral));
	const machineKey = state.open(initiation.slice(37, 85), "decrypting machine key");
	state.mixKey(x25519.getSharedSecret(control.privateKey, machineKey));
	state.open(initiation.slice(85, 101), "decrypting initiation tag");

	state.mixHash(ephemeral.publicKey);
	state.mixKey(x25519.getSharedSecret(ephemeral.privateKey, clientEphemeral));
	state.mixKey(x25519.getSharedSecret(ephemeral.privateKey, machineKey));
	const tag = state.seal(EMPTY);
	const keys = state.split();
	return {
		version,
		machineKey,
		clientToServer: keys[0],
		serverToClient: keys[1],
		handshakeHash: state.hash,
		response: concat(Uint8Array.of(2, 0, 48), ephemeral.publicKey, tag),
	};
}

/** Turns a byte stream into records. */
export class RecordSealer {
	readonly #key: Uint8Array;
	/** Counter of the next record. */
	counter: bigint;

	constructor(key: Uint8Array, counter = 0n) {
		this.#key = key;
		this.counter = counter;
	}

	/** @param plaintext at most 4077 bytes */
	record(plaintext: Uint8Array): Uint8Array {
		const sealed = chacha20poly1305(this.#key, nonce(this.counter)).encrypt(plaintext);
		this.counter += 1n;
		return concat(Uint8Array.of(4, sealed.length >> 8, sealed.length & 255), sealed);
	}

	/** Any number of bytes, as many records as they need. */
	seal(plaintext: Uint8Array): Uint8Array {
		const records: Uint8Array[] = [];
		for (let at = 0; at < plaintext.length; at += RECORD_PLAINTEXT) records.push(this.record(plaintext.subarray(at, at + RECORD_PLAINTEXT)));
		return concat(...records);
	}
}

/** Turns records, cut anywhere, into the byte stream. */
export class RecordOpener {
	readonly #key: Uint8Array;
	counter: bigint;
	#kept: Uint8Array = EMPTY;

	constructor(key: Uint8Array, counter = 0n) {
		this.#key = key;
		this.counter = counter;
	}

	/** @throws Error for another frame than a record, one that is too long, or a wrong tag */
	push(bytes: Uint8Array): Uint8Array {
		let rest = this.#kept.length > 0 ? concat(this.#kept, bytes) : bytes;
		const parts: Uint8Array[] = [];
		while (rest.length >= 3) {
			const length = ((rest[1] as number) << 8) | (rest[2] as number);
			if (rest[0] !== 4) throw new Error(`received message with unexpected type ${rest[0]}`);
			if (3 + length > RECORD_LIMIT) throw new Error(`received record of ${3 + length} bytes, the limit is ${RECORD_LIMIT}`);
			if (rest.length < 3 + length) break;
			parts.push(chacha20poly1305(this.#key, nonce(this.counter)).decrypt(rest.slice(3, 3 + length)));
			this.counter += 1n;
			rest = rest.subarray(3 + length);
		}
		this.#kept = rest.slice();
		return concat(...parts);
	}
}

class SymmetricState {
	hash: Uint8Array = blake2s(Buffer.from(PROTOCOL));
	#chain: Uint8Array = this.hash;
	#key: Uint8Array = EMPTY;

	mixHash(bytes: Uint8Array): void {
		this.hash = blake2s(concat(this.hash, bytes));
	}

	mixKey(secret: Uint8Array): void {
		const output = hkdf(blake2s, secret, this.#chain, EMPTY, 64);
		this.#chain = output.slice(0, 32);
		this.#key = output.slice(32);
	}

	seal(plaintext: Uint8Array): Uint8Array {
		const sealed = chacha20poly1305(this.#key, NONCE_ZERO, this.hash).encrypt(plaintext);
		this.mixHash(sealed);
		return sealed;
	}

	open(sealed: Uint8Array, what: string): Uint8Array {
		let plaintext: Uint8Array;
		try {
			plaintext = chacha20poly1305(this.#key, NONCE_ZERO, this.hash).decrypt(sealed);
		} catch {
			throw new Error(`${what}: message authentication failed`);
		}
		this.mixHash(sealed);
		return plaintext;
	}

	split(): [Uint8Array, Uint8Array] {
		const output = hkdf(blake2s, EMPTY, this.#chain, EMPTY, 64);
		return [output.slice(0, 32), output.slice(32)];
	}
}

/** Four zero bytes and the counter, big-endian (not little-endian, as the Noise specification says for ChaChaPoly). */
function nonce(counter: bigint): Uint8Array {
	const bytes = new Uint8Array(12);
	new DataView(bytes.buffer).setBigUint64(4, counter);
	return bytes;
}
