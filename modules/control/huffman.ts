/**
 * The Huffman code of HPACK (RFC 7541 appendix B), decoding only.
 *
 * The code is canonical: codes of one length are consecutive numbers, in the order of their symbols, and the first code of the next length follows the last of this
 * one. So the number of codes of each length and the symbols in the order of their codes are the whole table. The symbol 256 (EOS, thirty 1 bits) must
 * not occur; fewer than 8 bits of it end a text.
 */

/** How many codes have 0, 1, 2 ... 30 bits, EOS not counted. */
const COUNTS = Object.freeze([0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 3]);

/** The 256 symbols in the order of their codes, two hex digits each. */
const SYMBOLS =
	"303132616365696f737420252d2e2f333435363738393d415f62646667686c6d6e7072753a42434445464748494a4b4c4d4e4f5051525354555657596a6b7176" +
	"7778797a262a2c3b585a212228293f272b7c233e0024405b5d7e5e7d3c607b5cc3d0808283a2b8c2e0e299a1a7acb0b1b3d1d8d9e3e5e68184858688929a9ca0" +
	"a3a4a9aaadb2b5b9babbbdbec4c6e4e8e90187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef098e9091949fabced7e1ecedc7cfeaebc0c1" +
	"c8c9cacdd2d5dadbeef0f2f3ffcbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf90a0d16";

/**
 * Decodes one Huffman text.
 * @returns its bytes as characters 0 to 255, or undefined if it is malformed
 */
export function huffmanDecode(bytes: Uint8Array): string | undefined {
	let text = "";
	let code = 0;
	let length = 0;
	let first = 0; // code of the first symbol that has `length` bits
	let index = 0; // its place in SYMBOLS
	for (let i = 0; i < bytes.length; i += 1) {
		const byte = bytes[i] as number;
		for (let shift = 7; shift >= 0; shift -= 1) {
			index += COUNTS[length] as number;
			first = (first + (COUNTS[length] as number)) * 2;
			code = code * 2 + ((byte >> shift) & 1);
			length += 1;
			if (length > 30) return undefined;
			const place = code - first;
			if (place >= (COUNTS[length] as number)) continue;
			text += String.fromCharCode(Number.parseInt(SYMBOLS.slice(2 * (index + place), 2 * (index + place) + 2), 16));
			code = 0;
			length = 0;
			first = 0;
			index = 0;
		}
	}
	// What is left is padding: fewer than 8 bits, all 1.
	return length < 8 && code === 2 ** length - 1 ? text : undefined;
}
