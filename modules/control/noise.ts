/**
 * The Noise IK handshake of ts2021, as initiator, without I/O (protocol/control.md §3.3 to §3.5).
 *
 *   Noise_IK_25519_ChaChaPoly_BLAKE2s
 *     <- s                     control's machine key, known from /key
 *     -> e, es, s, ss          initiation
 *     <- e, ee, se             response
 *
 *   initiation, 101 bytes, sent as base64 in an HTTP header
 *      0   2  capability version, big endian; also in the prologue
 *      2   1  type 1
 *      3   2  96, big endian
 *      5  32  ephemeral public key
 *     37  48  machine public key, sealed
 *     85  16  tag of the empty payload
 *
 *   response, 51 bytes, raw                      error, instead of it
 *      0   1  type 2                               0  1  type 3
 *      1   2  48, big endian                       1  2  n, big endian
 *      3  32  control's ephemeral public key       3  n  text, not authenticated
 *     35  16  tag of the empty payload
 *
 * Every handshake key seals once, so its nonce is always zero. The HKDF uses HMAC over unkeyed BLAKE2s, not BLAKE2s's keyed mode.
 */

import { aeadOpen, aeadSeal, blake2s, hkdfBlake2s, utf8Decode, utf8Encode, wipe, x25519, x25519PublicKey } from "tailnet/host";
import { TailnetError } from "../errors.js";

export const INITIATION_BYTES = 101;
export const RESPONSE_BYTES = 51;

const PROTOCOL_NAME = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE = "Tailscale Control Protocol v";
const TYPE_INITIATION = 1;
const TYPE_RESPONSE = 2;
const TYPE_ERROR = 3;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const MAXIMUM_ERROR_BYTES = 512;

/** Keys of the two directions of one connection. */
export interface TransportKeys {
	/** 32 bytes, client to server. */
	send: Uint8Array;
	/** 32 bytes, server to client. */
	receive: Uint8Array;
	/** 32 bytes, names this connection. */
	handshakeHash: Uint8Array;
}

/** h, ck and k of the Noise specification §5.2, with its operations. */
export class SymmetricState {
	#h: Uint8Array;
	#ck: Uint8Array;
	#k: Uint8Array | undefined;

	/** @param version capability version, part of the prologue */
	constructor(version: number) {
		// The name is longer than a hash, so it is hashed, not padded.
		this.#h = blake2s(utf8Encode(PROTOCOL_NAME));
		this.#ck = this.#h.slice();
		this.mixHash(utf8Encode(PROLOGUE + version));
	}

	get hash(): Uint8Array {
		return this.#h;
	}

	mixHash(bytes: Uint8Array): void {
		this.#h = blake2s(this.#h, bytes);
	}

	/** MixKey(DH(privateKey, publicKey)). @returns false for a low-order public key */
	mixDH(privateKey: Uint8Array, publicKey: Uint8Array): boolean {
		const secret = x25519(privateKey, publicKey);
		if (!secret) return false;
		const [ck, k] = hkdfBlake2s(this.#ck, secret, 2) as [Uint8Array, Uint8Array];
		wipe(secret);
		this.wipeKeys();
		this.#ck = ck;
		this.#k = k;
		return true;
	}

	encryptAndHash(plaintext: Uint8Array): Uint8Array {
		const sealed = aeadSeal(this.#key(), new Uint8Array(12), this.#h, plaintext);
		this.mixHash(sealed);
		return sealed;
	}

	/** @returns undefined if the tag is wrong */
	decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
		const plaintext = aeadOpen(this.#key(), new Uint8Array(12), this.#h, sealed);
		if (plaintext) this.mixHash(sealed);
		return plaintext;
	}

	/** @returns keys initiator to responder, and back; this state is of no use afterwards */
	split(): [Uint8Array, Uint8Array] {
		const keys = hkdfBlake2s(this.#ck, new Uint8Array(0), 2) as [Uint8Array, Uint8Array];
		this.wipeKeys();
		return keys;
	}

	wipeKeys(): void {
		wipe(this.#ck);
		if (this.#k) wipe(this.#k);
		this.#k = undefined;
	}

	#key(): Uint8Array {
		if (!this.#k) throw new RangeError("a Diffie-Hellman result has to be mixed in first");
		return this.#k;
	}
}

/** Our side of one handshake: initiation once, then one response. */
export class NoiseInitiator {
	/** 101 bytes for the server. */
	readonly initiation: Uint8Array;
	readonly #state: SymmetricState;
	readonly #ephemeral: Uint8Array;
	readonly #machinePrivateKey: Uint8Array;

	/**
	 * @param machinePrivateKey 32 bytes; kept by reference until the handshake ends
	 * @param controlKey 32 bytes, control's public machine key
	 * @param version capability version, 16 bits
	 * @param ephemeralPrivateKey 32 random bytes, used for this handshake only; wiped at its end
	 * @throws {TailnetError} "control-key" if controlKey is no usable public key
	 */
	constructor(machinePrivateKey: Uint8Array, controlKey: Uint8Array, version: number, ephemeralPrivateKey: Uint8Array) {
		this.#machinePrivateKey = machinePrivateKey;
		this.#ephemeral = ephemeralPrivateKey;
		this.#state = new SymmetricState(version);
		const ephemeralPublic = x25519PublicKey(ephemeralPrivateKey);
		this.#state.mixHash(controlKey);
		this.#state.mixHash(ephemeralPublic);
		if (!this.#state.mixDH(ephemeralPrivateKey, controlKey)) throw new TailnetError("control-key", "control's public key is a low-order point");
		const sealedMachine = this.#state.encryptAndHash(x25519PublicKey(machinePrivateKey));
		if (!this.#state.mixDH(machinePrivateKey, controlKey)) throw new TailnetError("control-key", "control's public key is a low-order point");
		const tag = this.#state.encryptAndHash(new Uint8Array(0));

		const message = new Uint8Array(INITIATION_BYTES);
		message[0] = version >> 8;
		message[1] = version & 255;
		message[2] = TYPE_INITIATION;
		message[4] = INITIATION_BYTES - 5;
		message.set(ephemeralPublic, 5);
		message.set(sealedMachine, 37);
		message.set(tag, 85);
		this.initiation = message;
	}

	/**
	 * Reads the response.
	 * @param response 51 bytes
	 * @returns undefined if it is not from the owner of controlKey, or not for this initiation
	 */
	finish(response: Uint8Array): TransportKeys | undefined {
		const theirEphemeral = response.slice(3, 3 + KEY_BYTES);
		this.#state.mixHash(theirEphemeral);
		const mixed = this.#state.mixDH(this.#ephemeral, theirEphemeral) && this.#state.mixDH(this.#machinePrivateKey, theirEphemeral);
		const payload = mixed ? this.#state.decryptAndHash(response.subarray(3 + KEY_BYTES, 3 + KEY_BYTES + TAG_BYTES)) : undefined;
		const handshakeHash = this.#state.hash;
		const keys = payload && this.#state.split();
		this.close();
		return keys && { send: keys[0], receive: keys[1], handshakeHash };
	}

	/** Wipes the ephemeral key and what was derived; for a handshake that is given up. finish() does it by itself. */
	close(): void {
		wipe(this.#ephemeral);
		this.#state.wipeKeys();
	}
}

/** What ResponseReader has so far: "more" bytes are wanted, the handshake failed, or the 51 bytes and how many of the last push were used. */
export type ResponseResult = "more" | { readonly failed: string } | { readonly response: Uint8Array; readonly consumed: number };

/** Collects the response, cut anywhere, or the server's error text. */
export class ResponseReader {
	readonly #bytes = new Uint8Array(3 + MAXIMUM_ERROR_BYTES);
	#length = 0;

	/** Feeds the stream's next bytes. Not to be called again after another result than "more". */
	push(bytes: Uint8Array): ResponseResult {
		let consumed = 0;
		for (;;) {
			const wanted = this.#wanted();
			if (wanted < 0) return { failed: `a Noise response (type 2, length 48) was expected, not type ${this.#bytes[0]}, length ${this.#payloadLength()}` };
			if (this.#length === wanted) break;
			if (consumed === bytes.length) return "more";
			const count = Math.min(wanted - this.#length, bytes.length - consumed);
			this.#bytes.set(bytes.subarray(consumed, consumed + count), this.#length);
			this.#length += count;
			consumed += count;
		}
		if (this.#bytes[0] === TYPE_ERROR) return { failed: `control refused the Noise handshake: "${printable(utf8Decode(this.#bytes.slice(3, this.#length)))}"` };
		return { response: this.#bytes.slice(0, RESPONSE_BYTES), consumed };
	}

	/** Bytes that the message has as far as its header is known; -1 = it is no handshake message. */
	#wanted(): number {
		if (this.#length < 3) return 3;
		const length = this.#payloadLength();
		if (this.#bytes[0] === TYPE_ERROR) return 3 + Math.min(length, MAXIMUM_ERROR_BYTES);
		return this.#bytes[0] === TYPE_RESPONSE && length === RESPONSE_BYTES - 3 ? RESPONSE_BYTES : -1;
	}

	#payloadLength(): number {
		return ((this.#bytes[1] as number) << 8) | (this.#bytes[2] as number);
	}
}

/** Text of the other side, fit for one line of a log. */
export function printable(text: string): string {
	return text.replace(/[^\x20-\x7e]+/g, " ").trim();
}
