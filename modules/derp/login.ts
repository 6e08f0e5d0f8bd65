/**
 * Proof of our node key to a DERP server, and its answer (protocol/relay.md §3.6).
 *
 *   ClientInfo   our node public key 32 | nonce 24 | NaCl box of {"version":2,"CanAckPings":true}
 *   ServerInfo                            nonce 24 | NaCl box of {"version":2, ...}
 *
 * Both boxes use the key shared by our node key and the server's key. There is no challenge: TLS prevents a replay.
 */
import { boxOpen, boxSeal, boxSharedKey, utf8Decode, utf8Encode, wipe } from "tailnet/host";
import { FRAME_CLIENT_INFO, FRAME_HEADER_LENGTH, writeFrameHeader } from "./frames.js";

const CLIENT_INFO = '{"version":2,"CanAckPings":true}';
const KEY_LENGTH = 32;
const NONCE_LENGTH = 24;
const TAG_LENGTH = 16;

/** What a server tells in ServerInfo. */
export interface ServerInfo {
	readonly version: number;
	/** Limit of our SendPacket frames, 0 = none told. */
	readonly bytesPerSecond: number;
	readonly burstBytes: number;
}

/** One login. Holds the shared key until finish() has wiped it. */
export class Login {
	readonly #sharedKey: Uint8Array;

	/** @param sharedKey 32 bytes; owned by this object from now on */
	private constructor(sharedKey: Uint8Array) {
		this.#sharedKey = sharedKey;
	}

	/**
	 * @param privateKey our node private key, 32 bytes
	 * @param serverKey the server's public key out of its ServerKey frame, 32 bytes
	 * @returns undefined for a low-order server key
	 */
	static start(privateKey: Uint8Array, serverKey: Uint8Array): Login | undefined {
		const sharedKey = boxSharedKey(privateKey, serverKey);
		return sharedKey ? new Login(sharedKey) : undefined;
	}

	/**
	 * The ClientInfo frame, header included.
	 * @param publicKey our node public key, 32 bytes
	 * @param nonce 24 random bytes, never used before
	 * @returns 109 bytes
	 */
	clientInfoFrame(publicKey: Uint8Array, nonce: Uint8Array): Uint8Array {
		const box = boxSeal(this.#sharedKey, nonce, utf8Encode(CLIENT_INFO));
		const length = KEY_LENGTH + NONCE_LENGTH + box.length;
		const bytes = new Uint8Array(FRAME_HEADER_LENGTH + length);
		writeFrameHeader(bytes, 0, FRAME_CLIENT_INFO, length);
		bytes.set(publicKey, FRAME_HEADER_LENGTH);
		bytes.set(nonce, FRAME_HEADER_LENGTH + KEY_LENGTH);
		bytes.set(box, FRAME_HEADER_LENGTH + KEY_LENGTH + NONCE_LENGTH);
		return bytes;
	}

	/**
	 * Opens the payload of a ServerInfo frame.
	 * @returns undefined when it is short, not sealed by the server's key, or not a JSON object
	 */
	openServerInfo(payload: Uint8Array): ServerInfo | undefined {
		if (payload.length < NONCE_LENGTH + TAG_LENGTH) return;
		const plaintext = boxOpen(this.#sharedKey, payload.slice(0, NONCE_LENGTH), payload.slice(NONCE_LENGTH));
		if (!plaintext) return;
		let value: unknown;
		try {
			value = JSON.parse(utf8Decode(plaintext));
		} catch {
			return;
		}
		if (typeof value !== "object" || value === null || Array.isArray(value)) return;
		const members = value as Record<string, unknown>;
		return {
			version: count(members["version"]),
			bytesPerSecond: count(members["TokenBucketBytesPerSecond"]),
			burstBytes: count(members["TokenBucketBytesBurst"]),
		};
	}

	/** Wipes the shared key. */
	finish(): void {
		wipe(this.#sharedKey);
	}
}

/** A JSON number that can be a size, else 0. */
function count(value: unknown): number {
	return typeof value === "number" && value > 0 && Number.isSafeInteger(value) ? value : 0;
}
