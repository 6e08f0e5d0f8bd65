/**
 * Keys in text: prefix, then 64 lower-case hex digits for 32 bytes. See protocol/control.md §1.1.
 *
 *   machine key  "mkey:"      node key  "nodekey:"      disco key  "discokey:"      challenge  "chalpub:"      private  "privkey:"
 *
 * The all-zero key means "absent". Parsers take upper-case hex; prefix and length must be exact.
 */
import { isHex } from "./digits.js";

export const KEY_BYTES = 32;

export type KeyPrefix = "mkey:" | "nodekey:" | "discokey:" | "chalpub:" | "privkey:";

const DIGITS = "0123456789abcdef";

/**
 * Parses a key text into 32 bytes at offset.
 * @returns false (bytes unchanged) if prefix, length or a digit is wrong
 */
export function parseKeyInto(text: string, prefix: KeyPrefix, bytes: Uint8Array, offset: number): boolean {
	if (!text.startsWith(prefix)) return false;
	const hex = text.slice(prefix.length);
	if (!isHex(hex, 2 * KEY_BYTES)) return false;
	// Six digits a step: parseInt is native in XS and a loop turn is not. 64 = 10 * 6 + 4.
	let at = offset;
	for (let i = 0; i < 60; i += 6) {
		const value = Number.parseInt(hex.slice(i, i + 6), 16);
		bytes[at] = value >> 16;
		bytes[at + 1] = (value >> 8) & 255;
		bytes[at + 2] = value & 255;
		at += 3;
	}
	const last = Number.parseInt(hex.slice(60), 16);
	bytes[at] = last >> 8;
	bytes[at + 1] = last & 255;
	return true;
}

/** Parses a key text. @returns 32 new bytes, or undefined */
export function parseKey(text: string, prefix: KeyPrefix): Uint8Array | undefined {
	const bytes = new Uint8Array(KEY_BYTES);
	return parseKeyInto(text, prefix, bytes, 0) ? bytes : undefined;
}

/** Text of the 32 bytes at offset. */
export function keyToText(prefix: KeyPrefix, bytes: Uint8Array, offset = 0): string {
	let text: string = prefix;
	for (let i = offset; i < offset + KEY_BYTES; i += 1) {
		const byte = bytes[i] as number;
		text += DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15);
	}
	return text;
}

/** Whether the 32 bytes at offset are all zero, which means "no key". */
export function isZeroKey(bytes: Uint8Array, offset = 0): boolean {
	for (let i = offset; i < offset + KEY_BYTES; i += 1) if (bytes[i] !== 0) return false;
	return true;
}

/** Whether two public keys are the same (not constant time: public keys are no secrets). */
export function sameKey(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean {
	for (let i = 0; i < KEY_BYTES; i += 1) if (a[aOffset + i] !== b[bOffset + i]) return false;
	return true;
}
