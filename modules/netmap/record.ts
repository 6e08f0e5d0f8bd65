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
 *     endpoints      u8 n, u8 families (bit i: endpoint i is IPv6), u8 ports (bit i: endpoint i has the port of the last one), then each: 4 or 16 bytes,
 *                    port u16 big-endian unless that bit is set
 *     user           u8 n, n bytes of the id, little-endian, leading zeros cut; n = 255: u8 number of a user whom many peers have
 *     allowed IPs    if flagged; u16 n, then each: u8 kind, bytes of the address, u8 bits (IPv4 96..128)
 *     capabilities   if flagged; u8 n, then each: one byte below 128, or 128 | high bits, low byte
 *     masquerade     if flagged; 4 bytes (IPv4), 16 bytes (IPv6)
 *     PeerAPI        if flagged; u16 port IPv4, u16 port IPv6
 *
 * Kinds of addresses: what is cut off in front, and how many bytes are left:
 *
 *   0  ::ffff:0:0/96 (IPv4)      4        2  fd7a:115c:a1e0::/96                        4
 *   1  fd7a:115c:a1e0::/48      10        3  fd7a:115c:a1e0:ab12:4843:cd96:6200::/104   3        4  nothing   16
 *
 * Integers are little-endian.
 */

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

/** User section: the number of a shared user follows instead of an id. */
export const SHARED_USER = 255;

/** By kind: what all its addresses begin with. */
const KIND_PREFIXES: readonly Uint8Array[] = Object.freeze([
	Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255),
	Uint8Array.of(0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0),
	Uint8Array.of(0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0, 0, 0, 0, 0, 0),
	Uint8Array.of(0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0xab, 0x12, 0x48, 0x43, 0xcd, 0x96, 0x62),
	new Uint8Array(0),
]);
const KIND_IPV4 = 0;
const KIND_ANY = 4;
/** Kinds in the order in which they are tried. */
const KINDS = Object.freeze([KIND_IPV4, 3, 2, 1]);

function startsWith(address: Uint8Array, from: number, prefix: Uint8Array): boolean {
	for (let i = 0; i < prefix.length; i += 1) if (address[from + i] !== prefix[i]) return false;
	return true;
}

export function load16(bytes: Uint8Array, offset: number): number {
	return (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
}

export function store16(bytes: Uint8Array, offset: number, value: number): void {
	bytes[offset] = value & 255;
	bytes[offset + 1] = (value >> 8) & 255;
}

/** Writes the 16 bytes at from as kind and bytes. @returns offset after them */
export function packAddress(bytes: Uint8Array, offset: number, address: Uint8Array, from: number): number {
	const kind = KINDS.find((each) => startsWith(address, from, KIND_PREFIXES[each] as Uint8Array)) ?? KIND_ANY;
	const skipped = (KIND_PREFIXES[kind] as Uint8Array).length;
	bytes[offset] = kind;
	bytes.set(address.subarray(from + skipped, from + 16), offset + 1);
	return offset + 17 - skipped;
}

/** Bytes that the packed address at offset takes, kind included. */
export function packedAddressBytes(bytes: Uint8Array, offset: number): number {
	return 17 - (KIND_PREFIXES[bytes[offset] as number] as Uint8Array).length;
}

/** Whether the packed address at offset is IPv4. */
export function isPackedIPv4(bytes: Uint8Array, offset: number): boolean {
	return bytes[offset] === KIND_IPV4;
}

/** Unpacks an address into 16 bytes at to. @returns offset after it */
export function unpackAddress(bytes: Uint8Array, offset: number, address: Uint8Array, to: number): number {
	const prefix = KIND_PREFIXES[bytes[offset] as number] as Uint8Array;
	const end = offset + 17 - prefix.length;
	address.set(prefix, to);
	address.set(bytes.subarray(offset + 1, end), to + prefix.length);
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
		at += bytes[at] === SHARED_USER ? 2 : 1 + (bytes[at] as number);
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

function bitsOf(byte: number): number {
	let count = 0;
	for (; byte !== 0; byte &= byte - 1) count += 1;
	return count;
}

function skipEndpoints(bytes: Uint8Array, at: number): number {
	const long = bitsOf(bytes[at + 1] as number);
	const portless = bitsOf(bytes[at + 2] as number);
	return at + 3 + 6 * (bytes[at] as number) + 12 * long - 2 * portless;
}

/**
 * Packs endpoints of 18 bytes each.
 * @param endpoints count * 18 bytes, count at most MAXIMUM_ENDPOINTS
 * @returns offset after the section
 */
export function packEndpoints(bytes: Uint8Array, at: number, endpoints: Uint8Array, count: number): number {
	const last = 18 * (count - 1);
	const start = at;
	let families = 0;
	let ports = 0;
	at += 3;
	for (let i = 0; i < count; i += 1) {
		const from = 18 * i;
		const isLong = !startsWith(endpoints, from, KIND_PREFIXES[KIND_IPV4] as Uint8Array);
		const isShared = from < last && endpoints[from + 16] === endpoints[last + 16] && endpoints[from + 17] === endpoints[last + 17];
		const part = endpoints.subarray(isLong ? from : from + 12, isShared ? from + 16 : from + 18);
		bytes.set(part, at);
		at += part.length;
		if (isLong) families |= 1 << i;
		if (isShared) ports |= 1 << i;
	}
	bytes[start] = count;
	bytes[start + 1] = families;
	bytes[start + 2] = ports;
	return at;
}

/** Unpacks the endpoints section at offset: 18 bytes each. */
export function unpackEndpoints(bytes: Uint8Array, at: number): Uint8Array {
	const count = bytes[at] as number;
	const families = bytes[at + 1] as number;
	const ports = bytes[at + 2] as number;
	const endpoints = new Uint8Array(18 * count);
	const end = skipEndpoints(bytes, at);
	at += 3;
	for (let i = 0; i < count; i += 1) {
		const isLong = ((families >> i) & 1) !== 0;
		const length = isLong ? 16 : 4;
		if (!isLong) endpoints.set(KIND_PREFIXES[KIND_IPV4] as Uint8Array, 18 * i);
		endpoints.set(bytes.subarray(at, at + length), 18 * i + 16 - length);
		at += length;
		const isShared = ((ports >> i) & 1) !== 0;
		const portAt = isShared ? end - 2 : at;
		endpoints.set(bytes.subarray(portAt, portAt + 2), 18 * i + 16);
		if (!isShared) at += 2;
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
