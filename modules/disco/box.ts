/**
 * The envelope of DISCO messages and its NaCl box. Source: protocol/relay.md §2.1-2.2, §2.6; protocol/paths.md §5.9.
 *
 *   0      6 bytes   magic 54 53 f0 9f 92 ac ("TS" and U+1F4AC in UTF-8)
 *   6     32         sender's disco public key
 *   38    24         nonce, random for each packet
 *   62    16         Poly1305 tag
 *   78     n         ciphertext
 *
 * The key shared by two disco keys costs an X25519, so it is computed once per peer key and kept while that key is in use. Who is a known sender is the
 * caller's question, to be asked before open(): disco keys travel in the clear, and an open for everybody would let anyone spend our CPU.
 */
import { boxOpen, boxSeal, boxSharedKey, randomBytes, wipe, x25519PublicKey } from "tailnet/host";

/** Magic and sender key: what the tunnel demands of a datagram before it calls it DISCO. */
export const DISCO_HEAD_BYTES = 38;
/** Bytes of a packet that are not plaintext. */
export const DISCO_OVERHEAD_BYTES = 78;

const MAGIC: readonly number[] = Object.freeze([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]);
const KEY_AT = 6;
const NONCE_AT = 38;
const TAG_AT = 62;
const NONCE_BYTES = 24;
const CACHED_KEYS = 32;

/** Whether bytes begin like a DISCO packet (test 4 of protocol/relay.md §1.1). */
export function isDisco(bytes: Uint8Array): boolean {
	if (bytes.length < DISCO_HEAD_BYTES) return false;
	for (let i = 0; i < 6; i += 1) if (bytes[i] !== MAGIC[i]) return false;
	return true;
}

/** The sender's disco key, as a view into a packet that isDisco. */
export function senderOf(packet: Uint8Array): Uint8Array {
	return packet.subarray(KEY_AT, NONCE_AT);
}

/** Bytes as a string of one character a byte: a key for Map that costs one native call. */
export function bytesKey(bytes: Uint8Array): string {
	return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

export class DiscoBox {
	/** Our disco public key, new for every run. */
	readonly publicKey: Uint8Array;
	/** X25519 and box operations so far; stays still while strangers send. */
	operations = 0;

	#privateKey: Uint8Array;
	/** By peer disco key, least recently used first; undefined for a low-order key, so that it costs one X25519 only. */
	#shared = new Map<string, Uint8Array | undefined>();
	#random: (lengthBytes: number) => Uint8Array;

	/**
	 * @param privateKey 32 bytes; kept, wiped by close()
	 * @param random source of nonces, at least 24 bytes at a time; nonces must never repeat, also not after a restart
	 */
	constructor(privateKey: Uint8Array, random: (lengthBytes: number) => Uint8Array = randomBytes) {
		this.#privateKey = privateKey;
		this.#random = random;
		this.publicKey = x25519PublicKey(privateKey);
	}

	/**
	 * Seals one message to a peer.
	 * @param peerKey 32 bytes, disco public key of the receiver
	 * @param plaintext message bytes, at most 1200
	 * @returns 78 bytes more than plaintext, or undefined when peerKey is a low-order point
	 */
	seal(peerKey: Uint8Array, plaintext: Uint8Array): Uint8Array | undefined {
		const key = this.#sharedKey(peerKey);
		if (!key) return undefined;
		const nonce = this.#random(NONCE_BYTES);
		this.operations += 1;
		const sealed = boxSeal(key, nonce, plaintext);
		const packet = new Uint8Array(TAG_AT + sealed.length);
		packet.set(MAGIC, 0);
		packet.set(this.publicKey, KEY_AT);
		packet.set(nonce, NONCE_AT);
		packet.set(sealed, TAG_AT);
		return packet;
	}

	/**
	 * Opens a packet that isDisco and whose sender is known.
	 * @returns the plaintext, or undefined when the packet is too short or the box does not open
	 */
	open(packet: Uint8Array): Uint8Array | undefined {
		if (packet.length < DISCO_OVERHEAD_BYTES) return undefined;
		const key = this.#sharedKey(senderOf(packet));
		if (!key) return undefined;
		this.operations += 1;
		return boxOpen(key, packet.subarray(NONCE_AT, TAG_AT), packet.subarray(TAG_AT));
	}

	/** Forgets what is cached for a peer's disco key that is no longer its key. */
	forget(peerKey: Uint8Array): void {
		const name = bytesKey(peerKey);
		const key = this.#shared.get(name);
		if (key) wipe(key);
		this.#shared.delete(name);
	}

	/** Wipes every secret; the box is useless afterwards. */
	close(): void {
		for (const key of this.#shared.values()) if (key) wipe(key);
		this.#shared.clear();
		wipe(this.#privateKey);
	}

	#sharedKey(peerKey: Uint8Array): Uint8Array | undefined {
		const name = bytesKey(peerKey);
		if (this.#shared.has(name)) {
			const known = this.#shared.get(name);
			this.#shared.delete(name);
			this.#shared.set(name, known);
			return known;
		}
		if (this.#shared.size >= CACHED_KEYS) {
			for (const [oldest, key] of this.#shared) {
				if (key) wipe(key);
				this.#shared.delete(oldest);
				break;
			}
		}
		this.operations += 1;
		const key = boxSharedKey(this.#privateKey, peerKey);
		this.#shared.set(name, key);
		return key;
	}
}
