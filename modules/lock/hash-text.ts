/**
 * Hashes of updates as control writes them in JSON: 32 bytes in base32 (RFC 4648 §6), 52 characters without padding. See protocol/control.md §6.1, TKAHead.
 */
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HASH_BYTES = 32;
const TEXT_LENGTH = 52;

/** @param hash 32 bytes */
export function hashToText(hash: Uint8Array): string {
	let text = "";
	let bits = 0;
	let held = 0;
	for (let i = 0; i < HASH_BYTES; i += 1) {
		held = (held << 8) | (hash[i] as number);
		for (bits += 8; bits >= 5; bits -= 5) text += DIGITS.charAt((held >> (bits - 5)) & 31);
		held &= 31;
	}
	return text + DIGITS.charAt((held << (5 - bits)) & 31);
}

/** @returns 32 bytes, or undefined if it is no such text */
export function parseHash(text: string): Uint8Array | undefined {
	if (text.length !== TEXT_LENGTH) return undefined;
	const hash = new Uint8Array(HASH_BYTES);
	let bits = 0;
	let held = 0;
	let at = 0;
	for (let i = 0; i < TEXT_LENGTH; i += 1) {
		const digit = DIGITS.indexOf(text.charAt(i));
		if (digit < 0) return undefined;
		held = ((held << 5) | digit) & 0xfff;
		bits += 5;
		if (bits < 8) continue;
		bits -= 8;
		hash[at] = held >> bits;
		at += 1;
	}
	return hash;
}
