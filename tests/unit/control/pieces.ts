/** Bytes and cuts for the tests of this folder. */
import type { Random } from "../../harness.js";

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
	let length = 0;
	for (const part of parts) length += part.length;
	const all = new Uint8Array(length);
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}

export function ascii(text: string): Uint8Array {
	const bytes = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
	return bytes;
}

/** Cuts bytes into pieces of random sizes from 1 to `largest`. */
export function cut(bytes: Uint8Array, random: Random, largest: number): Uint8Array[] {
	const parts: Uint8Array[] = [];
	for (let at = 0; at < bytes.length; ) {
		const count = Math.min(bytes.length - at, 1 + random.below(largest));
		parts.push(bytes.slice(at, at + count));
		at += count;
	}
	return parts;
}

/** Bytes as characters 0 to 255. In steps: an engine's stack limits how many arguments a call may have. */
export function latin1(bytes: Uint8Array): string {
	let text = "";
	for (let at = 0; at < bytes.length; at += 1024) text += String.fromCharCode(...bytes.subarray(at, at + 1024));
	return text;
}
