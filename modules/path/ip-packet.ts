/**
 * The few IP packets that this node makes itself, outside its IP stack: TSMP and echo requests. Source: protocol/tunnel.md §5.
 *
 *   IPv4   45 00 | total length 2 | id 0000 | 0000 | TTL 64 | protocol | checksum 2 | source 4 | destination 4
 *   IPv6   60 00 00 00 | payload length 2 | next header | hop limit 64 | source 16 | destination 16
 *
 *   TSMP, protocol 99      ping 70 | 8 bytes to echo
 *   ICMP 1, ICMPv6 58      08 or 80 | 00 | checksum 2 | id 2 | sequence 2, no data
 */
import { isIPv4, parseAddress } from "../netmap/address.js";

const PROTOCOL_ICMP = 1;
const PROTOCOL_ICMPV6 = 58;
const PROTOCOL_TSMP = 99;
const HOPS = 64;
const TSMP_PING = 0x70;
const TSMP_PONG = 0x6f;
/** Bytes of a TSMP ping that come back. */
export const TSMP_DATA_BYTES = 8;

/** Our own tailnet addresses, 16 bytes each. */
export interface OwnAddresses {
	readonly address4: Uint8Array | undefined;
	readonly address6: Uint8Array | undefined;
}

/** From which address of ours to which of a peer's. 16 bytes each, of one family. */
export interface AddressPair {
	source: Uint8Array;
	destination: Uint8Array;
}

/** The first of a peer's addresses whose family we have too. @returns undefined if there is none */
export function addressPair(self: OwnAddresses, peerAddresses: readonly string[]): AddressPair | undefined {
	for (const text of peerAddresses) {
		const destination = parseAddress(text);
		if (!destination) continue;
		const source = isIPv4(destination) ? self.address4 : self.address6;
		if (source) return { source, destination };
	}
	return undefined;
}

/** @param data 8 bytes that the pong will carry */
export function tsmpPing(pair: AddressPair, data: Uint8Array): Uint8Array {
	const packet = start(pair, PROTOCOL_TSMP, 1 + TSMP_DATA_BYTES);
	const at = packet.length - 1 - TSMP_DATA_BYTES;
	packet[at] = TSMP_PING;
	packet.set(data, at + 1);
	return packet;
}

/** Reads a TSMP pong. @returns the 8 bytes that it echoes, or undefined if the payload is something else */
export function tsmpPongData(payload: Uint8Array): Uint8Array | undefined {
	return payload[0] === TSMP_PONG && payload.length > TSMP_DATA_BYTES ? payload.subarray(1, 1 + TSMP_DATA_BYTES) : undefined;
}

/** An echo request without data. @param id, sequence 16 bits each */
export function echoRequest(pair: AddressPair, id: number, sequence: number): Uint8Array {
	const v4 = isIPv4(pair.destination);
	const packet = start(pair, v4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6, 8);
	const at = packet.length - 8;
	packet[at] = v4 ? 8 : 128;
	put16(packet, at + 4, id);
	put16(packet, at + 6, sequence);
	// RFC 4443 §2.3: ICMPv6 covers a pseudo-header (addresses, length, next header); ICMP does not.
	const sum = v4 ? 0 : sumOf(packet, 8, 40) + 8 + PROTOCOL_ICMPV6;
	put16(packet, at + 2, checksum(sum + sumOf(packet, at, packet.length)));
	return packet;
}

function start(pair: AddressPair, protocol: number, payloadBytes: number): Uint8Array {
	if (!isIPv4(pair.destination)) {
		const packet = new Uint8Array(40 + payloadBytes);
		packet[0] = 0x60;
		put16(packet, 4, payloadBytes);
		packet[6] = protocol;
		packet[7] = HOPS;
		packet.set(pair.source, 8);
		packet.set(pair.destination, 24);
		return packet;
	}
	const packet = new Uint8Array(20 + payloadBytes);
	packet[0] = 0x45;
	put16(packet, 2, packet.length);
	packet[8] = HOPS;
	packet[9] = protocol;
	packet.set(pair.source.subarray(12), 12);
	packet.set(pair.destination.subarray(12), 16);
	put16(packet, 10, checksum(sumOf(packet, 0, 20)));
	return packet;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
	bytes[at] = value >> 8;
	bytes[at + 1] = value & 255;
}

/** Sum of big-endian 16-bit words of an even number of bytes. */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
	let sum = 0;
	for (let i = from; i < to; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
	return sum;
}

/** RFC 1071. */
function checksum(sum: number): number {
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	return ~sum & 0xffff;
}
