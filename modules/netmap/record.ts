/**
 * One peer in bytes, as the table keeps it. About 150 bytes for a peer with two addresses and four endpoints.
 *
 *   offset  0  u16  length of the record
 *           2  u16  flags, below
 *           4  u64  node id
 *          12  32   node key
 *          44  32   disco key (zero = none)
 *          76  u16  home DERP region
 *          78  u16  number of the name's suffix
 *          80  u16  capability version
 *          82  u32  key expiry, Unix seconds (0 = never)
 *          86       sections, in this order:
 *     name           u8 n, n bytes UTF-8: the first label, lower case
 *     addresses      u8 n, then each: u8 kind, bytes of the address
 *     endpoints      u8 n, u8 families (bit i: endpoint i is IPv6), then each: 4 or 16 bytes, port u16 big-endian
 *     user           u8 n, n bytes of the id, little-endian, leading zeros cut
 *     allowed IPs    if flagged; u16 n, then each: u8 kind, bytes of the address, u8 bits (IPv4 96..128)
 *     capabilities   if flagged; u8 n, then each: one byte below 128, or 128 | high bits, low byte
 *     masquerade     if flagged; 4 bytes (IPv4), 16 bytes (IPv6)
 *     PeerAPI        if flagged; u16 port IPv4, u16 port IPv6
 *
 * Kinds of addresses: 0 IPv4, 4 bytes; 1 inside fd7a:115c:a1e0::/48, the last 10 bytes; 2 any, 16 bytes. Integers are little-endian.
 */
import { isIPv4, isTailnetAddress } from "./address.js";

export const Flag = {
	expired: 0x0001,
	jailed: 0x0002,
	wireGuardOnly: 0x0004,
	unsignedPeerAPIOnly: 0x0008,
	tagged: 0x0010,
	/** AllowedIPs differ from the addresses: there is a section. */
	allowedIPs: 0x0020,
	capabilities: 0x0040,
	masquerade4: 0x0080,
	masquerade6: 0x0100,
	peerAPI: 0x0200,
} as const;

/** What control says of a peer's presence; kept beside the record. */
export const Online = { unknown: 0, no: 1, yes: 2 } as const;

export const Offset = { length: 0, flags: 2, id: 4, nodeKey: 12, discoKey: 44, region: 76, suffix: 78, capVersion: 80, keyExpiry: 82, sections: 86 } as const;

export const MAXIMUM_ENDPOINTS = 8;
export const MAXIMUM_ADDRESSES = 8;
export const MAXIMUM_CAPABILITIES = 255;

const KIND_IPV4 = 0;
const KIND_TAILNET = 1;
const KIND_ANY = 2;
const KIND_BYTES = [4, 10, 16];
const KIND_SKIPPED = [12, 6, 0];
const TAILNET_PREFIX = Uint8Array.of(0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0);
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255);

export function load16(bytes: Uint8Array, offset: number): number {
	return (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
}

export function store16(bytes: Uint8Array, offset: number, value: number): void {
	bytes[offset] = value & 255;
	bytes[offset + 1] = (value >> 8) & 255;
}

/** Writes the 16 bytes at from as kind and bytes. @returns offset after them */
export function packAddress(bytes: Uint8Array, offset: number, address: Uint8Array, from: number): number {
	let kind: number = KIND_ANY;
	if (isIPv4(address, from)) kind = KIND_IPV4;
	else if (isTailnetAddress(address, from)) kind = KIND_TAILNET;
	bytes[offset] = kind;
	const skipped = KIND_SKIPPED[kind] as number;
	bytes.set(address.subarray(from + skipped, from + 16), offset + 1);
	return offset + 17 - skipped;
}

/** Bytes that the packed address at offset takes, kind included. */
export function packedAddressBytes(bytes: Uint8Array, offset: number): number {
	return 1 + (KIND_BYTES[bytes[offset] as number] as number);
}

/** Unpacks an address into 16 bytes at to. @returns offset after it */
export function unpackAddress(bytes: Uint8Array, offset: number, address: Uint8Array, to: number): number {
	const kind = bytes[offset] as number;
	if (kind === KIND_IPV4) address.set(MAPPED_PREFIX, to);
	else if (kind === KIND_TAILNET) address.set(TAILNET_PREFIX, to);
	const skipped = KIND_SKIPPED[kind] as number;
	const end = offset + 17 - skipped;
	address.set(bytes.subarray(offset + 1, end), to + skipped);
	return end;
}

/** Where the sections of a record begin and end. One object is reused: its fields hold until the next locate(). */
export class Sections {
	name = 0;
	addresses = 0;
	endpoints = 0;
	user = 0;
	allowedIPs = 0;
	capabilities = 0;
	masquerade4 = 0;
	masquerade6 = 0;
	peerAPI = 0;
	end = 0;

	/** Finds the sections of the record at offset; absent ones are empty (they begin where the next does). */
	locate(bytes: Uint8Array, offset: number): this {
		const flags = load16(bytes, offset + Offset.flags);
		let at = offset + Offset.sections;
		this.name = at;
		at += 1 + (bytes[at] as number);
		this.addresses = at;
		at = skipAddresses(bytes, at);
		this.endpoints = at;
		at = skipEndpoints(bytes, at);
		this.user = at;
		at += 1 + (bytes[at] as number);
		this.allowedIPs = at;
		if ((flags & Flag.allowedIPs) !== 0) {
			let count = load16(bytes, at);
			for (at += 2; count > 0; count -= 1) at += packedAddressBytes(bytes, at) + 1;
		}
		this.capabilities = at;
		if ((flags & Flag.capabilities) !== 0) {
			let count = bytes[at] as number;
			for (at += 1; count > 0; count -= 1) at += (bytes[at] as number) < 128 ? 1 : 2;
		}
		this.masquerade4 = at;
		if ((flags & Flag.masquerade4) !== 0) at += 4;
		this.masquerade6 = at;
		if ((flags & Flag.masquerade6) !== 0) at += 16;
		this.peerAPI = at;
		if ((flags & Flag.peerAPI) !== 0) at += 4;
		this.end = at;
		return this;
	}
}

/** Offset of the addresses section of the record at offset. */
export function addressesAt(bytes: Uint8Array, offset: number): number {
	const at = offset + Offset.sections;
	return at + 1 + (bytes[at] as number);
}

/** Offset of the endpoints section of the record at offset. */
export function endpointsAt(bytes: Uint8Array, offset: number): number {
	return skipAddresses(bytes, addressesAt(bytes, offset));
}

function skipAddresses(bytes: Uint8Array, at: number): number {
	let count = bytes[at] as number;
	for (at += 1; count > 0; count -= 1) at += packedAddressBytes(bytes, at);
	return at;
}

function skipEndpoints(bytes: Uint8Array, at: number): number {
	const count = bytes[at] as number;
	let families = bytes[at + 1] as number;
	at += 2 + 6 * count;
	for (; families !== 0; families &= families - 1) at += 12;
	return at;
}

/** Unpacks the endpoints section at offset: 18 bytes each. */
export function unpackEndpoints(bytes: Uint8Array, at: number): Uint8Array {
	const count = bytes[at] as number;
	const families = bytes[at + 1] as number;
	const endpoints = new Uint8Array(18 * count);
	at += 2;
	for (let i = 0; i < count; i += 1) {
		const length = ((families >> i) & 1) !== 0 ? 18 : 6;
		if (length === 6) endpoints.set(MAPPED_PREFIX, 18 * i);
		endpoints.set(bytes.subarray(at, at + length), 18 * i + 18 - length);
		at += length;
	}
	return endpoints;
}

/** Numbers of the capabilities section at offset (which must be there). */
export function unpackCapabilities(bytes: Uint8Array, at: number): Uint16Array {
	const numbers = new Uint16Array(bytes[at] as number);
	at += 1;
	for (let i = 0; i < numbers.length; i += 1) {
		let number = bytes[at] as number;
		at += 1;
		if (number >= 128) {
			number = ((number & 127) << 8) | (bytes[at] as number);
			at += 1;
		}
		numbers[i] = number;
	}
	return numbers;
}
