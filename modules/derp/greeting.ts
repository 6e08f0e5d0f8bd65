/**
 * The first frame of a DERP connection: ServerKey (protocol/relay.md §3.5, §3.6).
 *
 *   offset 0    u8   01
 *   offset 1    u32  length, big-endian: 40..1024
 *   offset 5    8    44 45 52 50 f0 9f 94 91 ("DERP" and U+1F511)
 *   offset 13   32   the server's public key
 *   offset 45   ...  future bytes, ignored
 *
 * It may come in one piece with what precedes and follows it, or byte by byte.
 */
import { FRAME_HEADER_LENGTH, FRAME_SERVER_KEY, frameLength } from "./frames.js";

const MAGIC = Object.freeze([0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91]);
const KEY_OFFSET = FRAME_HEADER_LENGTH + 8;
const MINIMUM_LENGTH = 40;
const MAXIMUM_LENGTH = 1024;

/** "more", "bad", or the server's key and where the next frame begins in the bytes that completed the greeting. */
export type GreetingResult = "more" | "bad" | { readonly serverKey: Uint8Array; readonly consumed: number };

export class Greeting {
	/** Header, magic and key: everything worth keeping. */
	readonly #head = new Uint8Array(KEY_OFFSET + 32);
	#received = 0;

	/** Feeds the stream's next bytes. Not to be called again after "bad" or a key. */
	push(bytes: Uint8Array): GreetingResult {
		for (let i = 0; i < bytes.length; ) {
			const wanted = this.#received < FRAME_HEADER_LENGTH ? FRAME_HEADER_LENGTH : FRAME_HEADER_LENGTH + frameLength(this.#head, 0);
			const taken = Math.min(wanted - this.#received, bytes.length - i);
			if (this.#received < this.#head.length) {
				this.#head.set(bytes.subarray(i, i + Math.min(taken, this.#head.length - this.#received)), this.#received);
			}
			this.#received += taken;
			i += taken;
			if (!this.#plausible()) return "bad";
			if (this.#received > FRAME_HEADER_LENGTH && this.#received === wanted) return { serverKey: this.#head.slice(KEY_OFFSET), consumed: i };
		}
		return "more";
	}

	/** What has come so far can still become a greeting. */
	#plausible(): boolean {
		if (this.#received > 0 && this.#head[0] !== FRAME_SERVER_KEY) return false;
		if (this.#received < FRAME_HEADER_LENGTH) return true;
		const length = frameLength(this.#head, 0);
		if (length < MINIMUM_LENGTH || length > MAXIMUM_LENGTH) return false;
		const magicEnd = Math.min(this.#received, KEY_OFFSET);
		for (let i = FRAME_HEADER_LENGTH; i < magicEnd; i += 1) {
			if (this.#head[i] !== MAGIC[i - FRAME_HEADER_LENGTH]) return false;
		}
		return true;
	}
}
