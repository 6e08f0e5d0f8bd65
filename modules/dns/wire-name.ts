/**
 * Names in DNS messages (RFC 1035 §3.1, §4.1.4).
 *
 *   length u8 (1 to 63), so many bytes; ... ; 00       at most 255 bytes
 *   11xxxxxx xxxxxxxx                                   instead of the rest: it stands at that offset of the message, which is an earlier one
 */

const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
const POINTER = 0xc0;
const DOT = 0x2e;

/**
 * @param name text without trailing dot, "" = the root
 * @returns its bytes, undefined if a label is empty or longer than 63, the name too long, or a character none that can be asked for
 */
export function writeName(name: string): Uint8Array | undefined {
	if (name === "") return new Uint8Array(1);
	const length = name.length + 2;
	if (length > LONGEST_NAME) return undefined;
	const bytes = new Uint8Array(length);
	let label = 0;
	for (let i = 0; i <= name.length; i += 1) {
		const code = i === name.length ? DOT : name.charCodeAt(i);
		if (code === DOT) {
			const count = i - label;
			if (count === 0 || count > LONGEST_LABEL) return undefined;
			bytes[label] = count;
			label = i + 1;
		} else if (code <= 0x20 || code >= 0x7f) return undefined;
		else bytes[i + 1] = code;
	}
	return bytes;
}

export interface ReadName {
	/** Lower case, without trailing dot. */
	readonly name: string;
	/** Where what follows the name begins. */
	readonly end: number;
}

/** Reads the name at an offset of a message. @returns undefined if it is none, leaves the message, or has a dot or a control character in a label */
export function readName(message: Uint8Array, offset: number): ReadName | undefined {
	let name = "";
	let end = -1;
	let at = offset;
	let earliest = offset;
	for (;;) {
		const length = message[at];
		if (length === undefined) return undefined;
		if ((length & POINTER) === POINTER) {
			const low = message[at + 1];
			if (low === undefined) return undefined;
			if (end < 0) end = at + 2;
			at = ((length & ~POINTER) << 8) | low;
			// Each step back is a shorter one, so that no message leads in circles.
			if (at >= earliest) return undefined;
			earliest = at;
			continue;
		}
		if (length > LONGEST_LABEL || at + 1 + length > message.length) return undefined;
		if (length === 0) return { name, end: end < 0 ? at + 1 : end };
		if (name !== "") name += ".";
		for (let i = at + 1; i <= at + length; i += 1) {
			const code = message[i] as number;
			if (code <= 0x20 || code >= 0x7f || code === DOT) return undefined;
			name += String.fromCharCode(code >= 0x41 && code <= 0x5a ? code + 32 : code);
		}
		if (name.length + 2 > LONGEST_NAME) return undefined;
		at += 1 + length;
	}
}
