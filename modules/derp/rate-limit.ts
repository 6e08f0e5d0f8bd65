/**
 * The limit that a server told in ServerInfo (protocol/relay.md §3.9): a token bucket over the whole length of each SendPacket frame
 * (5 + 32 + packet). A packet over the limit is dropped silently, not queued. Other frames are not counted.
 */
import { FRAME_HEADER_LENGTH, FRAME_SEND_PACKET, frameLength } from "./frames.js";

export class RateLimit {
	readonly #bytesPerSecond: number;
	readonly #burstBytes: number;
	#tokens: number;
	#last: number;
	/** Packets dropped since the login. */
	dropped = 0;

	/** @param burstBytes 0: one second's worth */
	constructor(bytesPerSecond: number, burstBytes: number, now: number) {
		this.#bytesPerSecond = bytesPerSecond;
		this.#burstBytes = burstBytes > 0 ? burstBytes : bytesPerSecond;
		this.#tokens = this.#burstBytes;
		this.#last = now;
	}

	/**
	 * Removes from frames[0, lengthBytes), in place, the SendPacket frames that are over the limit.
	 * @returns the bytes that are left
	 */
	apply(frames: Uint8Array, lengthBytes: number, now: number): number {
		this.#tokens = Math.min(this.#burstBytes, this.#tokens + ((now - this.#last) * this.#bytesPerSecond) / 1000);
		this.#last = now;
		let kept = 0;
		for (let offset = 0; offset + FRAME_HEADER_LENGTH <= lengthBytes; ) {
			const end = offset + FRAME_HEADER_LENGTH + frameLength(frames, offset);
			const size = end - offset;
			if (frames[offset] === FRAME_SEND_PACKET && size > this.#tokens) {
				this.dropped += 1;
			} else {
				if (frames[offset] === FRAME_SEND_PACKET) this.#tokens -= size;
				if (kept !== offset) frames.copyWithin(kept, offset, end);
				kept += size;
			}
			offset = end;
		}
		return kept;
	}
}
