/**
 * Signatures of node keys on their way through a message: they are no part of a peer's record, and are handed on with what the message changed.
 *
 * Their number is bounded in characters, since a map of thousands of peers comes faster than a device verifies. Those of peers that nobody has looked at go
 * first: what others may take is half of the room. Of those that are left out it is known that there are some (isShort), and another map brings them again.
 */
import { Mark, type MarkNumber } from "./lock-marks.js";

/** One of 16 rotations, which is as deep as they go, has some 2,500. A longer one is none. */
export const LONGEST_SIGNATURE = 4096;
/** No base64: nothing that anybody verifies. */
const TOO_LONG = "-";

/** A peer's signature as control gave it: base64, "" = none. */
export interface SignatureNews {
	readonly index: number;
	readonly text: string;
}

export class StagedSignatures {
	/** Characters that may be kept of one message, LONGEST_SIGNATURE or more; 0: nobody wants them. */
	mostCharacters = 0;
	/** One that nobody has looked at was left out. */
	isShort = false;
	#texts: Map<number, string> | undefined;
	#characters = 0;

	/** @param mark what is known of the peer so far */
	stage(index: number, text: string, mark: MarkNumber): void {
		if (this.mostCharacters === 0) return;
		if (text.length > LONGEST_SIGNATURE) text = TOO_LONG;
		const before = this.#texts?.get(index)?.length ?? 0;
		const isUnchecked = mark === Mark.unchecked;
		const room = isUnchecked ? this.mostCharacters : this.mostCharacters / 2;
		const after = this.#characters - before + text.length;
		if (text !== "" && after > room) {
			this.isShort ||= isUnchecked;
			this.#texts?.delete(index);
			this.#characters -= before;
			return;
		}
		this.#texts ??= new Map();
		this.#texts.set(index, text);
		this.#characters = after;
	}

	/** @returns those of the message, by index of the peer; none are left */
	take(): SignatureNews[] {
		const news = Array.from(this.#texts ?? [], ([index, text]) => ({ index, text }));
		this.abort();
		return news;
	}

	abort(): void {
		this.#texts = undefined;
		this.#characters = 0;
		this.isShort = false;
	}
}
