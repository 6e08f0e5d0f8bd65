/**
 * HPACK (RFC 7541): reads what a server sends, writes what a client needs.
 *
 *   1xxxxxxx  indexed: name and value from the tables              7-bit index
 *   01xxxxxx  literal, to be added to the dynamic table            6-bit index of the name, 0 = a text follows
 *   001xxxxx  the dynamic table's new size                         5-bit size
 *   0001xxxx  literal that no one may add                          4-bit index of the name
 *   0000xxxx  literal that is not added                            4-bit index of the name
 *
 *   integer   what fits the prefix; all ones: the rest follows, 7 bits a byte, low ones first
 *   text      1 bit Huffman, 7-bit length, bytes
 *
 * We allow the server a dynamic table of 0 bytes, so entries are decoded and forgotten. The decoder can keep one all the same: its size is given.
 */
import { huffmanDecode } from "./huffman.js";

const STATIC_TABLE =
	":authority= :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 :status=206 :status=304 " +
	":status=400 :status=404 :status=500 accept-charset= accept-encoding=gzip,~deflate accept-language= accept-ranges= accept= " +
	"access-control-allow-origin= age= allow= authorization= cache-control= content-disposition= content-encoding= content-language= content-length= " +
	"content-location= content-range= content-type= cookie= date= etag= expect= expires= from= host= if-match= if-modified-since= if-none-match= " +
	"if-range= if-unmodified-since= last-modified= link= location= max-forwards= proxy-authenticate= proxy-authorization= range= referer= refresh= " +
	"retry-after= server= set-cookie= strict-transport-security= transfer-encoding= user-agent= vary= via= www-authenticate=";

type Entry = readonly [name: string, value: string];

const STATIC = Object.freeze(
	STATIC_TABLE.split(" ").map((text): Entry => {
		const at = text.indexOf("=");
		return Object.freeze([text.slice(0, at), text.slice(at + 1).replace("~", " ")] as const);
	}),
);

const STATIC_COUNT = 61;
const ENTRY_OVERHEAD = 32; // RFC 7541 §4.1
const MAXIMUM_INTEGER = 0x1f_ffff;
const MAXIMUM_HEADER_BYTES = 32768;

/** Decoder of one connection. Texts are returned with one character a byte. */
const NO_BLOCK = Object.freeze(new Uint8Array(0)) as Uint8Array;

export class HPACKDecoder {
	readonly #limit: number;
	#capacity: number;
	/** Newest first. */
	readonly #dynamic: Entry[] = [];
	#size = 0;
	#block = NO_BLOCK;
	#at = 0;

	/** @param tableBytes size of the dynamic table that our SETTINGS allow */
	constructor(tableBytes: number) {
		this.#limit = tableBytes;
		this.#capacity = tableBytes;
	}

	/** Bytes that the dynamic table takes, by the count of RFC 7541 §4.1. */
	get tableBytes(): number {
		return this.#size;
	}

	/**
	 * Decodes one whole header block.
	 * @returns false if it is malformed: the connection is of no use any more
	 */
	decode(block: Uint8Array, onHeader: (name: string, value: string) => void): boolean {
		this.#block = block;
		this.#at = 0;
		const isGood = this.#fields(onHeader);
		// The block may be part of a record of 4 KB, which would stay as long as it is known here.
		this.#block = NO_BLOCK;
		return isGood;
	}

	#fields(onHeader: (name: string, value: string) => void): boolean {
		const block = this.#block;
		let total = 0;
		let sawField = false;
		while (this.#at < block.length) {
			const first = block[this.#at] as number;
			if ((first & 0xe0) === 0x20) {
				const size = this.#integer(5);
				if (sawField || size < 0 || size > this.#limit) return false; // a new size stands at the beginning only
				this.#capacity = size;
				this.#evict(0);
				continue;
			}
			sawField = true;
			const entry = (first & 0x80) !== 0 ? this.#entry(this.#integer(7)) : this.#literal(first);
			if (!entry) return false;
			total += entry[0].length + entry[1].length;
			if (total > MAXIMUM_HEADER_BYTES) return false;
			onHeader(entry[0], entry[1]);
		}
		return true;
	}

	#literal(first: number): Entry | undefined {
		const isAdded = (first & 0x40) !== 0;
		const index = this.#integer(isAdded ? 6 : 4);
		if (index < 0) return undefined;
		const name = index === 0 ? this.#text() : this.#entry(index)?.[0];
		if (name === undefined) return undefined;
		const value = this.#text();
		if (value === undefined) return undefined;
		const entry: Entry = [name, value];
		if (isAdded) this.#add(entry);
		return entry;
	}

	#entry(index: number): Entry | undefined {
		if (index <= 0) return undefined;
		return index <= STATIC_COUNT ? STATIC[index - 1] : this.#dynamic[index - STATIC_COUNT - 1];
	}

	#add(entry: Entry): void {
		const size = entry[0].length + entry[1].length + ENTRY_OVERHEAD;
		this.#evict(size);
		if (size > this.#capacity) return; // larger than the table: it has emptied it, no more
		this.#dynamic.unshift(entry);
		this.#size += size;
	}

	/** Makes room for another size bytes. */
	#evict(size: number): void {
		while (this.#dynamic.length > 0 && this.#size + size > this.#capacity) {
			const entry = this.#dynamic.pop() as Entry;
			this.#size -= entry[0].length + entry[1].length + ENTRY_OVERHEAD;
		}
	}

	/** @returns -1 if it is cut or too large */
	#integer(prefixBits: number): number {
		const mask = (1 << prefixBits) - 1;
		let value = (this.#block[this.#at] as number) & mask;
		this.#at += 1;
		if (value < mask) return value;
		for (let shift = 0; shift <= 21; shift += 7) {
			if (this.#at >= this.#block.length) return -1;
			const byte = this.#block[this.#at] as number;
			this.#at += 1;
			value += (byte & 127) * 2 ** shift;
			if (value > MAXIMUM_INTEGER) return -1;
			if (byte < 128) return value;
		}
		return -1;
	}

	#text(): string | undefined {
		if (this.#at >= this.#block.length) return undefined;
		const isHuffman = ((this.#block[this.#at] as number) & 0x80) !== 0;
		const length = this.#integer(7);
		if (length < 0 || length > this.#block.length - this.#at) return undefined;
		const bytes = this.#block.subarray(this.#at, this.#at + length);
		this.#at += length;
		if (isHuffman) return huffmanDecode(bytes);
		let text = "";
		for (let i = 0; i < length; i += 1) text += String.fromCharCode(bytes[i] as number);
		return text;
	}
}

/** Writes header blocks: static names, literals that no table keeps, no Huffman. */
export class HPACKEncoder {
	#bytes = new Uint8Array(256);
	#length = 0;

	/**
	 * Encodes the header block of a request (protocol/control.md §4.2).
	 * @param headers other headers, lower-case names
	 * @throws {RangeError} if a text holds anything but printable ASCII
	 */
	request(method: string, authority: string, path: string, headers: readonly (readonly [string, string])[]): Uint8Array {
		this.#length = 0;
		if (method === "GET") this.#byte(0x82);
		else if (method === "POST") this.#byte(0x83);
		else this.#literal(2, method);
		this.#byte(0x87); // :scheme https
		this.#literal(4, path);
		this.#literal(1, authority);
		for (const [name, value] of headers) {
			const index = staticName(name);
			if (index === 0) {
				this.#byte(0);
				this.#text(name);
				this.#text(value);
			} else {
				this.#literal(index, value);
			}
		}
		return this.#bytes.slice(0, this.#length);
	}

	#literal(index: number, value: string): void {
		this.#integer(index, 4);
		this.#text(value);
	}

	#integer(value: number, prefixBits: number): void {
		const mask = (1 << prefixBits) - 1;
		if (value < mask) {
			this.#byte(value);
			return;
		}
		this.#byte(mask);
		let rest = value - mask;
		for (; rest >= 128; rest >>= 7) this.#byte((rest & 127) | 128);
		this.#byte(rest);
	}

	#text(text: string): void {
		this.#integer(text.length, 7);
		for (let i = 0; i < text.length; i += 1) {
			const code = text.charCodeAt(i);
			if (code < 0x20 || code > 0x7e) throw new RangeError("a header of printable ASCII characters was expected");
			this.#byte(code);
		}
	}

	#byte(value: number): void {
		if (this.#length === this.#bytes.length) {
			const larger = new Uint8Array(2 * this.#bytes.length);
			larger.set(this.#bytes);
			this.#bytes = larger;
		}
		this.#bytes[this.#length] = value;
		this.#length += 1;
	}
}

function staticName(name: string): number {
	for (let i = 0; i < STATIC.length; i += 1) if ((STATIC[i] as Entry)[0] === name) return i + 1;
	return 0;
}
