/** Writing that goes wrong on purpose: in small pieces, or not at all. */
import type { Duplex } from "node:stream";

/** Faults of one direction of one stream; may change while it is open. */
export interface StreamFaults {
	/** Most bytes in one write; each piece leaves in a turn of its own. */
	pieceBytes?: number;
	/** Keeps everything back until it is false again. */
	stalled?: boolean;
	/** Ends the stream after this many more bytes. */
	cutAfterBytes?: number;
}

/** Writes to a stream under faults, in order. */
export class FaultyWriter {
	readonly faults: StreamFaults;
	readonly #stream: Duplex;
	readonly #queue: { bytes: Uint8Array; done?: (() => void) | undefined }[] = [];
	#busy = false;

	constructor(stream: Duplex, faults: StreamFaults = {}) {
		this.#stream = stream;
		this.faults = faults;
	}

	/** Bytes not yet given to the stream. */
	get queuedBytes(): number {
		return this.#queue.reduce((sum, item) => sum + item.bytes.length, 0);
	}

	/** @param done called when the stream has taken the bytes and wants more */
	write(bytes: Uint8Array, done?: () => void): void {
		this.#queue.push({ bytes, done });
		this.flush();
	}

	/** Goes on after a change of the faults. */
	flush(): void {
		if (this.#busy || this.faults.stalled || this.#stream.destroyed) return;
		const item = this.#queue[0];
		if (!item) return;
		let count = Math.min(item.bytes.length, this.faults.pieceBytes ?? item.bytes.length);
		const cut = this.faults.cutAfterBytes;
		if (cut !== undefined) count = Math.min(count, cut);
		const piece = item.bytes.slice(0, count);
		item.bytes = item.bytes.subarray(count);
		this.#busy = true;
		const next = () => {
			this.#busy = false;
			if (cut !== undefined) {
				this.faults.cutAfterBytes = cut - count;
				if (cut === count) {
					this.#stream.destroy();
					return;
				}
			}
			if (item.bytes.length === 0) {
				this.#queue.shift();
				item.done?.();
			}
			this.flush();
		};
		const after = this.faults.pieceBytes === undefined ? next : () => setImmediate(next);
		if (this.#stream.write(piece)) after();
		else this.#stream.once("drain", after);
	}
}
