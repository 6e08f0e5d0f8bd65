/**
 * The bytes of a cached network map (cache-codec.ts): written and read one field after the other. Integers are little-endian.
 *
 *   text      u8 n, n bytes UTF-8
 *   address   u8 kind, 3 to 16 bytes (record.ts)
 *   prefix    address, u8 bits (IPv4 96..128)
 *   entry     u8 kind, u16 n, n bytes
 *
 * Neither throws: a writer that is full drops the entry at hand, and a reader beyond the end, or at a field that cannot be, has failed and gives zeros.
 */
import { utf8Decode, utf8Encode } from "tailnet/host";
import { ADDRESS_BYTES } from "./address.js";
import { load16, packAddress, packedAddressBytes, store16, unpackAddress } from "./record.js";
import { load32, store32 } from "./wide-id.js";

export const ENTRY_HEADER_BYTES = 3;
const LONGEST_TEXT = 255;
const MOST_ADDRESS_BYTES = 17;
/** Kinds of packed addresses that there are: 0 to 4. */
const MOST_KIND = 4;
const MOST_BITS = 128;

export class CacheWriter {
	readonly bytes: Uint8Array;
	length = 0;
	/** Something did not fit; cleared by end() and clear(). */
	isFull = false;
	#start = 0;

	constructor(capacityBytes: number) {
		this.bytes = new Uint8Array(capacityBytes);
	}

	clear(): void {
		this.length = 0;
		this.isFull = false;
	}

	/** An entry begins. */
	begin(kind: number): void {
		this.#start = this.length;
		this.u8(kind);
		this.u16(0);
	}

	/** The entry is complete. @returns false if it did not fit: then it is as if it had not begun */
	end(): boolean {
		const isWhole = !this.isFull;
		if (isWhole) store16(this.bytes, this.#start + 1, this.length - this.#start - ENTRY_HEADER_BYTES);
		else this.length = this.#start;
		this.isFull = false;
		return isWhole;
	}

	u8(value: number): void {
		const at = this.#take(1);
		if (at >= 0) this.bytes[at] = value;
	}

	u16(value: number): void {
		const at = this.#take(2);
		if (at >= 0) store16(this.bytes, at, value);
	}

	u32(value: number): void {
		const at = this.#take(4);
		if (at >= 0) store32(this.bytes, at, value);
	}

	raw(bytes: Uint8Array): void {
		const at = this.#take(bytes.length);
		if (at >= 0) this.bytes.set(bytes, at);
	}

	text(text: string): void {
		const bytes = utf8Encode(text);
		if (bytes.length > LONGEST_TEXT) this.isFull = true;
		this.u8(bytes.length);
		this.raw(bytes);
	}

	/** @param address 16 bytes at offset */
	address(address: Uint8Array, offset = 0): void {
		if (this.isFull || this.length + MOST_ADDRESS_BYTES > this.bytes.length) this.isFull = true;
		else this.length = packAddress(this.bytes, this.length, address, offset);
	}

	#take(lengthBytes: number): number {
		const at = this.length;
		if (at + lengthBytes > this.bytes.length) this.isFull = true;
		if (this.isFull) return -1;
		this.length += lengthBytes;
		return at;
	}
}

export class CacheReader {
	/** The bytes are not what they should be: everything read is void. */
	failed = false;
	readonly #bytes: Uint8Array;
	#at = 0;
	#end: number;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#end = bytes.length;
	}

	/** Bytes are left, and all before them was in order. */
	get hasMore(): boolean {
		return !this.failed && this.#at < this.#end;
	}

	/** An entry begins. @returns what reads its body, and nothing beyond it */
	entry(): { kind: number; body: CacheReader } {
		const kind = this.u8();
		return { kind, body: new CacheReader(this.raw(this.u16())) };
	}

	u8(): number {
		const at = this.#take(1);
		return at < 0 ? 0 : (this.#bytes[at] as number);
	}

	u16(): number {
		const at = this.#take(2);
		return at < 0 ? 0 : load16(this.#bytes, at);
	}

	u32(): number {
		const at = this.#take(4);
		return at < 0 ? 0 : load32(this.#bytes, at);
	}

	/** A view of the next bytes; zeros if there are not so many. */
	raw(lengthBytes: number): Uint8Array {
		const at = this.#take(lengthBytes);
		return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + lengthBytes);
	}

	/** The next 32 bytes. */
	key(): Uint8Array {
		const bytes = this.raw(32);
		return this.failed ? new Uint8Array(32) : bytes;
	}

	text(): string {
		return utf8Decode(this.raw(this.u8()));
	}

	/** The next count texts. */
	texts(count: number): string[] {
		const texts: string[] = [];
		for (let i = 0; i < count && !this.failed; i += 1) texts.push(this.text());
		return texts;
	}

	/** The next address, into 16 bytes. */
	address(into: Uint8Array): void {
		const kind = this.#at < this.#end ? (this.#bytes[this.#at] as number) : MOST_KIND + 1;
		if (kind > MOST_KIND) this.failed = true;
		const at = this.failed ? -1 : this.#take(packedAddressBytes(this.#bytes, this.#at));
		if (at < 0) into.fill(0, 0, ADDRESS_BYTES);
		else unpackAddress(this.#bytes, at, into, 0);
	}

	/** Length of a prefix. */
	bits(): number {
		const bits = this.u8();
		if (bits > MOST_BITS) this.failed = true;
		return bits;
	}

	#take(lengthBytes: number): number {
		const at = this.#at;
		if (at + lengthBytes > this.#end) this.failed = true;
		if (this.failed) return -1;
		this.#at += lengthBytes;
		return at;
	}
}
