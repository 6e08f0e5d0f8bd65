/**
 * Node and user ids: 64-bit numbers that exceed 2^53 on some tailnets, so JavaScript numbers would merge different nodes. Outside they are decimal
 * text, inside 8 bytes little-endian. See protocol/control.md §7 and modules/host-contract.ts (JSONScanner quotes integers of more than 15 digits).
 */
import { isDigits } from "./digits.js";

export const ID_BYTES = 8;

/** 2^64 has as many. */
const LONGEST_ID = 20;
const STEP = 1_000_000;
const WORD = 4_294_967_296;

/** The text of an id as it stood in JSON: a number of at most 15 digits, or a string. @returns undefined for anything else */
export function idFromJSON(value: unknown): string | undefined {
	if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
	return typeof value === "string" && isDigits(value, LONGEST_ID) ? value : undefined;
}

/** Writes a decimal text as 8 bytes. @returns false (bytes undefined) if it is not a number below 2^64 */
export function parseIDInto(text: string, bytes: Uint8Array, offset: number): boolean {
	if (!isDigits(text, LONGEST_ID)) return false;
	let high = 0;
	let low = 0;
	// Six digits a step: low * 10^6 stays below 2^53.
	for (let i = 0; i < text.length; ) {
		const end = i === 0 && text.length % 6 !== 0 ? text.length % 6 : i + 6;
		low = low * STEP + Number(text.slice(i, end));
		const carry = Math.floor(low / WORD);
		low -= carry * WORD;
		high = high * STEP + carry;
		i = end;
	}
	if (high >= WORD) return false;
	for (let i = 0; i < 4; i += 1) {
		bytes[offset + i] = (low >>> (8 * i)) & 255;
		bytes[offset + 4 + i] = (high >>> (8 * i)) & 255;
	}
	return true;
}

/** Reads 4 bytes little-endian, 0 .. 2^32 - 1. */
export function load32(bytes: Uint8Array, offset: number): number {
	const top = bytes[offset + 3] as number;
	return top * 16_777_216 + (((bytes[offset + 2] as number) << 16) | ((bytes[offset + 1] as number) << 8) | (bytes[offset] as number));
}

/** Writes 4 bytes little-endian. */
export function store32(bytes: Uint8Array, offset: number, value: number): void {
	bytes[offset] = value & 255;
	bytes[offset + 1] = (value >>> 8) & 255;
	bytes[offset + 2] = (value >>> 16) & 255;
	bytes[offset + 3] = (value >>> 24) & 255;
}

/** Decimal text of the 8 bytes at offset. */
export function idText(bytes: Uint8Array, offset: number): string {
	let high = load32(bytes, offset + 4);
	let low = load32(bytes, offset);
	let text = "";
	while (high >= 2_097_152) {
		// Long division by 10^6, word by word.
		const quotient = Math.floor(high / STEP);
		const middle = (high - quotient * STEP) * WORD + low;
		high = quotient;
		low = Math.floor(middle / STEP);
		text = String(middle - low * STEP).padStart(6, "0") + text;
		if (low >= WORD) {
			high += Math.floor(low / WORD);
			low %= WORD;
		}
	}
	return String(high * WORD + low) + text;
}

/** Order of two ids in bytes: negative, 0 or positive. */
export function compareIDs(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
	return load32(a, aOffset + 4) - load32(b, bOffset + 4) || load32(a, aOffset) - load32(b, bOffset);
}
