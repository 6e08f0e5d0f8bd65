/**
 * Reads the CBOR of tailnet lock (RFC 8949 in the canonical form of CTAP2: shortest lengths, ascending keys, nothing indefinite, no tags, no floats).
 *
 *   u8  major type << 5 | information     information 0..23 is the argument itself, 24, 25, 26, 27: it follows in 1, 2, 4, 8 bytes, big-endian
 *
 *   0  unsigned integer      3  text: argument bytes of UTF-8         7  only 0xf6, null
 *   2  bytes                 4  list: argument values                 5  map: argument pairs
 *
 * Signatures are over this encoding. The official client decodes and encodes again to find what was signed; a text that is not canonical would hash
 * differently there than its bytes do, so it is refused here, and what was signed is always a part of what came. It never recurses: how deep a text goes is
 * its caller's to bound.
 */
import { equalBytes, utf8Decode, utf8Encode } from "tailnet/host";

const Major = { unsigned: 0, bytes: 2, text: 3, list: 4, map: 5 } as const;
const NULL = 0xf6;
/** Keys of more than this are no fields of ours. */
const NO_KEY = -1;

export class CBORReader {
	readonly bytes: Uint8Array;
	/** Offset of what is read next. */
	at = 0;
	/** Something was not canonical, not of the type that was asked for, too large, or ended too early. What is read from then on is nothing. */
	failed = false;
	/** The upper 32 bits of the last argument. */
	#high = 0;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}

	/** All is read, and well. */
	get isDone(): boolean {
		return !this.failed && this.at === this.bytes.length;
	}

	/** @param limit the largest that is accepted, below 2^32. @returns 0 if failed */
	unsigned(limit: number): number {
		const value = this.#argument(Major.unsigned);
		return this.#high === 0 && value <= limit ? value : this.#fail();
	}

	/** An integer of up to 64 bits, as 8 bytes, big-endian, into bytes at offset. */
	unsigned64(into: Uint8Array, offset: number): void {
		const low = this.#argument(Major.unsigned);
		const view = new DataView(into.buffer, into.byteOffset);
		view.setUint32(offset, this.#high);
		view.setUint32(offset + 4, low);
	}

	/** @param limit longest that is accepted. @returns a view into what is read */
	byteString(limit: number): Uint8Array {
		return this.#string(Major.bytes, limit);
	}

	/** @param limit longest that is accepted, in bytes. @returns its length in bytes */
	text(limit: number): number {
		return this.#text(limit).length;
	}

	/** @param limit most values that are accepted */
	list(limit: number): number {
		return this.#count(Major.list, limit);
	}

	/** @param limit most pairs that are accepted */
	map(limit: number): number {
		return this.#count(Major.map, limit);
	}

	/** Takes a null, if one stands here. */
	isNull(): boolean {
		if (this.failed || this.bytes[this.at] !== NULL) return false;
		this.at += 1;
		return true;
	}

	/** An integer key of a map. @param before the key before it, -1 = none: it has to be larger. @returns -1 if failed */
	key(before: number): number {
		const key = this.unsigned(23);
		if (!this.failed && key > before) return key;
		this.failed = true;
		return NO_KEY;
	}

	/** A map of texts to texts. @param limit most pairs. @returns bytes of all keys and values */
	texts(limit: number): number {
		let total = 0;
		let before: Uint8Array | undefined;
		for (let count = this.map(limit); count > 0 && !this.failed; count -= 1) {
			const key = this.#text(this.bytes.length);
			if (before && !isAscending(before, key)) this.failed = true;
			before = key;
			total += key.length + this.text(this.bytes.length);
		}
		return total;
	}

	#count(major: number, limit: number): number {
		const count = this.#argument(major);
		// Every value takes a byte: a count beyond the end is not believed.
		return this.#high === 0 && count <= limit && count <= this.bytes.length - this.at ? count : this.#fail();
	}

	#text(limit: number): Uint8Array {
		const bytes = this.#string(Major.text, limit);
		if (!equalBytes(utf8Encode(utf8Decode(bytes)), bytes)) this.#fail();
		return bytes;
	}

	#string(major: number, limit: number): Uint8Array {
		const length = this.#argument(major);
		if (this.failed || this.#high !== 0 || length > limit || length > this.bytes.length - this.at) {
			this.#fail();
			return this.bytes.subarray(0, 0);
		}
		this.at += length;
		return this.bytes.subarray(this.at - length, this.at);
	}

	/** @returns the lower 32 bits; the others in #high */
	#argument(major: number): number {
		this.#high = 0;
		const first = this.bytes[this.at];
		if (this.failed || first === undefined || first >> 5 !== major) return this.#fail();
		this.at += 1;
		const information = first & 31;
		if (information < 24) return information;
		if (information > 27) return this.#fail();
		const size = 1 << (information - 24);
		if (this.bytes.length - this.at < size) return this.#fail();
		if (size === 8) this.#high = this.#big(4);
		const low = this.#big(Math.min(size, 4));
		// The shortest form that holds it, or it is not canonical.
		const isShortest = size === 8 ? this.#high !== 0 : low >= (size === 1 ? 24 : 2 ** (4 * size));
		return isShortest ? low : this.#fail();
	}

	#big(size: number): number {
		let value = 0;
		for (let i = 0; i < size; i += 1) value = value * 256 + (this.bytes[this.at + i] as number);
		this.at += size;
		return value;
	}

	#fail(): number {
		this.failed = true;
		this.#high = 0;
		return 0;
	}
}

/** Shorter keys first, then by bytes; no key twice. */
function isAscending(before: Uint8Array, after: Uint8Array): boolean {
	if (before.length !== after.length) return before.length < after.length;
	for (let i = 0; i < before.length; i += 1) if (before[i] !== after[i]) return (before[i] as number) < (after[i] as number);
	return false;
}
