/**
 * The records that carry everything after the Noise handshake (protocol/control.md §3.6).
 *
 *   0  1  type 4
 *   1  2  n = ciphertext with its 16-byte tag, big endian, 16 to 4093
 *   3  n  ChaCha20-Poly1305, no associated data; nonce: 4 zero bytes, then the record's number, 64 bits BIG endian, from 0
 *
 * A record has at most 4096 bytes on the wire, 4077 of plaintext; longer ones make the server drop the connection. Records are a byte stream: their
 * borders mean nothing. There is no new key for the life of a connection, and any bad record is the end of it.
 */
import { aeadOpen, aeadSeal, wipe } from "tailnet/host";

export const MAXIMUM_RECORD_BYTES = 4096;
export const MAXIMUM_PLAINTEXT_BYTES = 4077;

const TYPE_RECORD = 4;
const HEADER_BYTES = 3;
const TAG_BYTES = 16;
const NO_DATA = Object.freeze(new Uint8Array(0)) as Uint8Array;

/** Nonce of 12 bytes that counts. */
class Counter {
	readonly nonce = new Uint8Array(12);
	readonly #view = new DataView(this.nonce.buffer);
	#next: number;

	constructor(first: number) {
		this.#next = first;
	}

	advance(): Uint8Array {
		const n = this.#next;
		this.#view.setUint32(4, Math.floor(n / 0x1_0000_0000));
		this.#view.setUint32(8, n >>> 0);
		this.#next = n + 1;
		return this.nonce;
	}
}

/** Seals our direction. */
export class RecordWriter {
	readonly #key: Uint8Array;
	readonly #counter: Counter;

	/** @param key 32 bytes, owned from now on; @param first number of the first record */
	constructor(key: Uint8Array, first = 0) {
		this.#key = key;
		this.#counter = new Counter(first);
	}

	/** @returns the records for plaintext, concatenated; nothing for no bytes */
	seal(plaintext: Uint8Array): Uint8Array {
		const count = Math.ceil(plaintext.length / MAXIMUM_PLAINTEXT_BYTES);
		const wire = new Uint8Array(plaintext.length + count * (HEADER_BYTES + TAG_BYTES));
		let at = 0;
		for (let from = 0; from < plaintext.length; from += MAXIMUM_PLAINTEXT_BYTES) {
			const part = plaintext.subarray(from, Math.min(from + MAXIMUM_PLAINTEXT_BYTES, plaintext.length));
			const sealed = aeadSeal(this.#key, this.#counter.advance(), NO_DATA, part);
			wire[at] = TYPE_RECORD;
			wire[at + 1] = sealed.length >> 8;
			wire[at + 2] = sealed.length & 255;
			wire.set(sealed, at + HEADER_BYTES);
			at += HEADER_BYTES + sealed.length;
		}
		return wire;
	}

	close(): void {
		wipe(this.#key);
	}
}

/** Opens the other direction, cut anywhere. */
export class RecordReader {
	readonly #key: Uint8Array;
	readonly #counter: Counter;
	readonly #header = new Uint8Array(HEADER_BYTES);
	/** What has come of a record that does not come whole, without its header; there while it comes. */
	#record: Uint8Array = NO_DATA;
	#length = 0;
	#isClosed = false;

	/** @param key 32 bytes, owned from now on; @param first number of the first record */
	constructor(key: Uint8Array, first = 0) {
		this.#key = key;
		this.#counter = new Counter(first);
	}

	/**
	 * Feeds the stream's next bytes.
	 * @param onPlaintext called for every record that is not empty; may call close()
	 * @returns "" or what is wrong: the connection is of no use any more
	 */
	push(bytes: Uint8Array, onPlaintext: (plaintext: Uint8Array) => void): string {
		let at = 0;
		while (at < bytes.length && !this.#isClosed) {
			if (this.#length < HEADER_BYTES) {
				this.#header[this.#length] = bytes[at] as number;
				this.#length += 1;
				at += 1;
				if (this.#length < HEADER_BYTES) continue;
				const problem = this.#checkHeader();
				if (problem) return problem;
			}
			const total = HEADER_BYTES + this.#sealedLength();
			const count = Math.min(total - this.#length, bytes.length - at);
			// A record that lies whole in the input is opened where it is.
			const isWhole = this.#length === HEADER_BYTES && count === total - HEADER_BYTES;
			const part = bytes.subarray(at, at + count);
			if (!isWhole) this.#append(part);
			this.#length += count;
			at += count;
			if (this.#length < total) continue;
			const sealed = isWhole ? part : this.#record;
			this.#record = NO_DATA;
			this.#length = 0;
			const plaintext = aeadOpen(this.#key, this.#counter.advance(), NO_DATA, sealed);
			if (!plaintext) return "a Noise record cannot be opened";
			if (plaintext.length > 0) onPlaintext(plaintext);
		}
		return "";
	}

	close(): void {
		this.#isClosed = true;
		wipe(this.#key);
	}

	#append(part: Uint8Array): void {
		if (this.#length === HEADER_BYTES) this.#record = new Uint8Array(this.#sealedLength());
		this.#record.set(part, this.#length - HEADER_BYTES);
	}

	#sealedLength(): number {
		return ((this.#header[1] as number) << 8) | (this.#header[2] as number);
	}

	#checkHeader(): string {
		if (this.#header[0] !== TYPE_RECORD) return `a Noise record (type 4) was expected, not type ${this.#header[0]}`;
		const length = this.#sealedLength();
		if (length < TAG_BYTES || length > MAXIMUM_RECORD_BYTES - HEADER_BYTES) return `a Noise record of 16 to 4093 bytes was expected, not ${length}`;
		return "";
	}
}
