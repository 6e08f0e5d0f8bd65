/**
 * What some servers say before HTTP/2 begins on a Noise channel (protocol/control.md §3.7).
 *
 *   0  5  ff ff ff 54 53
 *   5  4  n, big endian, at most 10 MiB
 *   9  n  JSON: {"nodeKeyChallenge":"chalpub:..."}, which no client answers; it is dropped
 *
 * Other first 9 bytes are the header of the server's first HTTP/2 frame: no frame of HTTP/2 begins with ff ff ff 54, a length above 16 MB. Only
 * the bytes decide, never a delay.
 */

const MAGIC = Object.freeze([0xff, 0xff, 0xff, 0x54, 0x53]);
const HEADER_BYTES = 9;
const MAXIMUM_PAYLOAD_BYTES = 10 * 1024 * 1024;

/** Takes an early payload off the front of a stream, cut anywhere. */
export class EarlyPayload {
	readonly #header = new Uint8Array(HEADER_BYTES);
	#headerLength = 0;
	#left = 0;
	#isThrough = false;

	/** What follows belongs to HTTP/2 as it is: push() need not see it. */
	get isThrough(): boolean {
		return this.#isThrough;
	}

	/**
	 * Feeds the stream's next bytes.
	 * @param onBytes gets what belongs to HTTP/2
	 * @returns "" or what is wrong
	 */
	push(bytes: Uint8Array, onBytes: (bytes: Uint8Array) => void): string {
		let at = 0;
		while (this.#headerLength < HEADER_BYTES) {
			if (at === bytes.length) return "";
			this.#header[this.#headerLength] = bytes[at] as number;
			this.#headerLength += 1;
			at += 1;
			if (this.#headerLength < HEADER_BYTES) continue;
			if (!MAGIC.every((byte, i) => this.#header[i] === byte)) {
				this.#isThrough = true;
				onBytes(this.#header);
				break;
			}
			const h = this.#header;
			this.#left = (h[5] as number) * 0x100_0000 + (((h[6] as number) << 16) | ((h[7] as number) << 8) | (h[8] as number));
			if (this.#left > MAXIMUM_PAYLOAD_BYTES) return `an early payload of at most ${MAXIMUM_PAYLOAD_BYTES} bytes was expected, not ${this.#left}`;
		}
		if (!this.#isThrough) {
			const count = Math.min(this.#left, bytes.length - at);
			this.#left -= count;
			at += count;
			if (this.#left > 0) return "";
			this.#isThrough = true;
		}
		if (at < bytes.length) onBytes(at === 0 ? bytes : bytes.subarray(at));
		return "";
	}
}
