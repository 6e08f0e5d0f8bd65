/**
 * Addresses, prefixes and endpoints: text to bytes and back.
 *
 *   address   16 bytes, network order; IPv4 a.b.c.d as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)
 *   prefix    17 bytes: address 16, length in bits u8, 0..128 (IPv4 /n is 96 + n); bits beyond the length are zero
 *   endpoint  18 bytes: address 16, port u16 big-endian (the form of DISCO, protocol/relay.md §2.4)
 *
 * The text is that of Go's netip, which control uses: IPv4 in four decimal parts without leading zeros, IPv6 by RFC 4291, written back by RFC 5952.
 * The byte form cannot tell "1.2.3.4" from "::ffff:1.2.3.4"; who must (protocol/filter.md §1.2) looks at the family that parseAddressInto returns.
 *
 * Parsing goes by split() where it can: that is native in XS, a loop over characters is not.
 */
import { isDigits, parseHexGroup, parseSmall } from "./digits.js";

export const ADDRESS_BYTES = 16;
export const PREFIX_BYTES = 17;
export const ENDPOINT_BYTES = 18;

/** Family of a text: 0 = not an address. */
export type Family = 0 | 4 | 6;

/** A set of addresses that share their first bits. */
export interface Prefix {
	/** 16 bytes. */
	address: Uint8Array;
	/** 0..128; an IPv4 prefix has 96..128. */
	bits: number;
}

function parseIPv4Into(text: string, bytes: Uint8Array, offset: number): boolean {
	const parts = text.split(".");
	if (parts.length !== 4) return false;
	for (let i = 0; i < 4; i += 1) {
		const value = parseSmall(parts[i] as string);
		if (value < 0 || value > 255) return false;
		bytes[offset + i] = value;
	}
	return true;
}

/** Writes the groups of one side of "::" (or of a whole address) and returns how many bytes they took, or -1. */
function parseGroups(text: string, bytes: Uint8Array, offset: number, end: number): number {
	if (text === "") return 0;
	const groups = text.split(":");
	const start = offset;
	for (let i = 0; i < groups.length; i += 1) {
		const group = groups[i] as string;
		if (i === groups.length - 1 && group.includes(".")) {
			if (offset + 4 > end || !parseIPv4Into(group, bytes, offset)) return -1;
			return offset + 4 - start;
		}
		const value = parseHexGroup(group);
		if (offset + 2 > end || value < 0) return -1;
		bytes[offset] = value >> 8;
		bytes[offset + 1] = value & 255;
		offset += 2;
	}
	return offset - start;
}

function parseIPv6Into(text: string, bytes: Uint8Array, offset: number): boolean {
	const gap = text.indexOf("::");
	const end = offset + ADDRESS_BYTES;
	if (gap < 0) return parseGroups(text, bytes, offset, end) === ADDRESS_BYTES;
	const head = text.slice(0, gap);
	const tail = text.slice(gap + 2);
	// A dotted tail ends the address, so none may stand before the gap.
	if (tail.includes("::") || head.includes(".")) return false;
	const before = parseGroups(head, bytes, offset, end);
	if (before < 0) return false;
	const after = parseGroups(tail, bytes, offset + before, end);
	// "::" stands for at least one group.
	if (after < 0 || before + after > ADDRESS_BYTES - 2) return false;
	bytes.copyWithin(end - after, offset + before, offset + before + after);
	bytes.fill(0, offset + before, end - after);
	return true;
}

/**
 * Parses an address text into 16 bytes.
 * @param bytes receives 16 bytes at offset; undefined content when 0 is returned
 * @returns the family of the text; "::ffff:1.2.3.4" is 6. Zones ("%eth0") are refused: see withoutZone
 */
export function parseAddressInto(text: string, bytes: Uint8Array, offset: number): Family {
	if (text.includes(":")) return parseIPv6Into(text, bytes, offset) ? 6 : 0;
	if (!parseIPv4Into(text, bytes, offset + 12)) return 0;
	bytes.fill(0, offset, offset + 10);
	bytes[offset + 10] = 255;
	bytes[offset + 11] = 255;
	return 4;
}

/** Parses an address text. @returns 16 new bytes, or undefined */
export function parseAddress(text: string): Uint8Array | undefined {
	const bytes = new Uint8Array(ADDRESS_BYTES);
	return parseAddressInto(text, bytes, 0) === 0 ? undefined : bytes;
}

/** Cuts a non-empty zone off an IPv6 text; anything else comes back as it is (and does not parse, if it has a "%"). */
export function withoutZone(text: string): string {
	const zone = text.indexOf("%");
	return zone > 0 && zone < text.length - 1 && text.lastIndexOf(":", zone) >= 0 ? text.slice(0, zone) : text;
}

/** Whether the 16 bytes at offset hold an IPv4 address (::ffff:0:0/96). */
export function isIPv4(bytes: Uint8Array, offset = 0): boolean {
	if (bytes[offset + 10] !== 255 || bytes[offset + 11] !== 255) return false;
	for (let i = offset; i < offset + 10; i += 1) if (bytes[i] !== 0) return false;
	return true;
}

/** Text of the 16 bytes at offset: dotted for IPv4, RFC 5952 for IPv6. */
export function addressToText(bytes: Uint8Array, offset = 0): string {
	if (isIPv4(bytes, offset)) return `${bytes[offset + 12]}.${bytes[offset + 13]}.${bytes[offset + 14]}.${bytes[offset + 15]}`;
	// RFC 5952 §4.2: the longest run of at least two zero groups becomes "::", the first of equals.
	let gap = -1;
	let gapLength = 1;
	let run = 0;
	const groups: string[] = [];
	for (let i = 0; i < 8; i += 1) {
		const value = ((bytes[offset + 2 * i] as number) << 8) | (bytes[offset + 2 * i + 1] as number);
		groups.push(value.toString(16));
		run = value === 0 ? run + 1 : 0;
		if (run > gapLength) {
			gapLength = run;
			gap = i + 1 - run;
		}
	}
	if (gap < 0) return groups.join(":");
	return `${groups.slice(0, gap).join(":")}::${groups.slice(gap + gapLength).join(":")}`;
}

/** Clears the bits of the 16 bytes at offset that lie beyond a prefix length. @returns whether any was set */
export function maskAddress(bytes: Uint8Array, offset: number, bits: number): boolean {
	let changed = false;
	let i = offset + (bits >> 3);
	const end = offset + ADDRESS_BYTES;
	if ((bits & 7) !== 0) {
		const kept = (bytes[i] as number) & (0xff00 >> (bits & 7)) & 255;
		changed = kept !== bytes[i];
		bytes[i] = kept;
		i += 1;
	}
	for (; i < end; i += 1) {
		if (bytes[i] !== 0) changed = true;
		bytes[i] = 0;
	}
	return changed;
}

/**
 * Parses "address/length" into 17 bytes; host bits stay (see maskAddress).
 * @returns the family of the text, 0 if it is not a prefix
 */
export function parsePrefixInto(text: string, bytes: Uint8Array, offset: number): Family {
	const slash = text.indexOf("/");
	if (slash < 0) return 0;
	const family = parseAddressInto(text.slice(0, slash), bytes, offset);
	const bits = parseSmall(text.slice(slash + 1));
	if (family === 0 || bits < 0 || bits > (family === 4 ? 32 : 128)) return 0;
	bytes[offset + ADDRESS_BYTES] = family === 4 ? 96 + bits : bits;
	return family;
}

/** Parses "address/length"; host bits are cleared. @returns undefined if it is not a prefix */
export function parsePrefix(text: string): Prefix | undefined {
	const bytes = new Uint8Array(PREFIX_BYTES);
	if (parsePrefixInto(text, bytes, 0) === 0) return undefined;
	const bits = bytes[ADDRESS_BYTES] as number;
	maskAddress(bytes, 0, bits);
	return { address: bytes.subarray(0, ADDRESS_BYTES), bits };
}

/** Text of a prefix: "100.64.0.1/32", "fd7a:115c:a1e0::/48". */
export function prefixToText(address: Uint8Array, bits: number, offset = 0): string {
	return `${addressToText(address, offset)}/${bits >= 96 && isIPv4(address, offset) ? bits - 96 : bits}`;
}

/**
 * Whether an address lies in a prefix. An IPv4 address lies in IPv4 prefixes only: ::/0 does not hold it.
 * @param prefix 16 bytes at prefixOffset
 * @param address 16 bytes at addressOffset
 */
export function prefixContains(prefix: Uint8Array, prefixOffset: number, bits: number, address: Uint8Array, addressOffset: number): boolean {
	const whole = bits >> 3;
	for (let i = whole - 1; i >= 0; i -= 1) if (prefix[prefixOffset + i] !== address[addressOffset + i]) return false;
	const rest = bits & 7;
	if (rest !== 0 && (((prefix[prefixOffset + whole] as number) ^ (address[addressOffset + whole] as number)) & (0xff00 >> rest) & 255) !== 0) return false;
	return bits >= 96 || !isIPv4(address, addressOffset);
}

/**
 * Parses "1.2.3.4:5" or "[v6]:5" into 18 bytes.
 * @returns the family of the address, 0 if the text is not an endpoint
 */
export function parseEndpointInto(text: string, bytes: Uint8Array, offset: number): Family {
	const colon = text.lastIndexOf(":");
	if (colon < 0) return 0;
	const portText = text.slice(colon + 1);
	if (!isDigits(portText, 5)) return 0;
	const port = Number(portText);
	if (port > 65535) return 0;
	let family: Family;
	if (text.startsWith("[")) {
		if (text.charAt(colon - 1) !== "]") return 0;
		family = parseAddressInto(withoutZone(text.slice(1, colon - 1)), bytes, offset);
		if (family !== 6) return 0;
	} else {
		family = parseAddressInto(text.slice(0, colon), bytes, offset);
		if (family !== 4) return 0;
	}
	bytes[offset + 16] = port >> 8;
	bytes[offset + 17] = port & 255;
	return family;
}

/** Parses an endpoint text. @returns 18 new bytes, or undefined */
export function parseEndpoint(text: string): Uint8Array | undefined {
	const bytes = new Uint8Array(ENDPOINT_BYTES);
	return parseEndpointInto(text, bytes, 0) === 0 ? undefined : bytes;
}

/** Text of the 18 bytes at offset: "1.2.3.4:5" or "[v6]:5". */
export function endpointToText(bytes: Uint8Array, offset = 0): string {
	const port = ((bytes[offset + 16] as number) << 8) | (bytes[offset + 17] as number);
	const address = addressToText(bytes, offset);
	return isIPv4(bytes, offset) ? `${address}:${port}` : `[${address}]:${port}`;
}

/** 18 bytes of an address and a port. */
export function endpointOf(address: Uint8Array, port: number): Uint8Array {
	const bytes = new Uint8Array(ENDPOINT_BYTES);
	bytes.set(address.subarray(0, ADDRESS_BYTES));
	bytes[16] = port >> 8;
	bytes[17] = port & 255;
	return bytes;
}

/** Whether two runs of 16 bytes are the same address (not constant time: addresses are no secrets). */
export function sameAddress(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean {
	// The last bytes differ most.
	for (let i = ADDRESS_BYTES - 1; i >= 0; i -= 1) if (a[aOffset + i] !== b[bOffset + i]) return false;
	return true;
}

/** Whether the address is one that only tailnet nodes have: 100.64.0.0/10 without 100.115.92.0/23, or fd7a:115c:a1e0::/48 (protocol/tunnel.md §3.4). */
export function isTailnetAddress(bytes: Uint8Array, offset = 0): boolean {
	if (isIPv4(bytes, offset)) {
		if (bytes[offset + 12] !== 100 || ((bytes[offset + 13] as number) & 0xc0) !== 64) return false;
		return bytes[offset + 13] !== 115 || ((bytes[offset + 14] as number) & 0xfe) !== 92;
	}
	return (
		bytes[offset] === 0xfd &&
		bytes[offset + 1] === 0x7a &&
		bytes[offset + 2] === 0x11 &&
		bytes[offset + 3] === 0x5c &&
		bytes[offset + 4] === 0xa1 &&
		bytes[offset + 5] === 0xe0
	);
}
