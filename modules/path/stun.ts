/**
 * STUN as Tailscale's servers speak it (RFC 5389; protocol/relay.md §4): "from which address do my packets come?"
 *
 * Request, always 40 bytes, sent from the WireGuard sockets because their NAT mapping is the point:
 *
 *   offset 0    00 01        binding request
 *   offset 2    00 14        20 bytes follow the header
 *   offset 4    21 12 a4 42  cookie
 *   offset 8    12           transaction id, random, unique
 *   offset 20   80 22 00 08  SOFTWARE
 *   offset 24   "tailnode"   a server answers nobody else
 *   offset 32   80 28 00 04  FINGERPRINT
 *   offset 36   u32          CRC-32 of bytes 0..31, XOR 5354554e ("STUN"), big-endian
 *
 * Response: 01 01, length, cookie, transaction id, attributes of type 2, length 2, value, padding to 4. The address is in XOR-MAPPED-ADDRESS
 * (0020; 8020 was seen), else in MAPPED-ADDRESS (0001): 00, family 01 or 02, port 2, address 4 or 16. A dual-stack server answers an IPv4 client with family 02
 * and a v4-mapped address, so the family byte does not tell IPv4 from IPv6. FINGERPRINT of a response is not checked.
 */
import { crc32 } from "tailnet/host";
import { endpointToText } from "../netmap/address.js";

export const STUN_REQUEST_LENGTH = 40;
export const STUN_TRANSACTION_LENGTH = 12;
export const STUN_DEFAULT_PORT = 3478;

const HEADER_LENGTH = 20;
const COOKIE = Object.freeze([0x21, 0x12, 0xa4, 0x42]);
const REQUEST_HEAD = Object.freeze([0x00, 0x01, 0x00, 0x14, ...COOKIE]);
// SOFTWARE "tailnode", then the head of FINGERPRINT.
const REQUEST_TAIL = Object.freeze([0x80, 0x22, 0x00, 0x08, 0x74, 0x61, 0x69, 0x6c, 0x6e, 0x6f, 0x64, 0x65, 0x80, 0x28, 0x00, 0x04]);
const FINGERPRINT_XOR = 0x5354554e;
const FINGERPRINT_OFFSET = 36;

const ATTRIBUTE_MAPPED_ADDRESS = 0x0001;
const ATTRIBUTE_XOR_MAPPED_ADDRESS = 0x0020;
const ATTRIBUTE_XOR_MAPPED_ADDRESS_ALTERNATIVE = 0x8020;

/** Why a datagram is no usable answer. */
export type StunError = "not-stun" | "not-a-response" | "malformed";

export interface StunAnswer {
	/** 12 bytes. */
	readonly transactionID: Uint8Array;
	/** Our address as the server saw it: "1.2.3.4:5" or "[v6]:5". */
	readonly endpoint: string;
}

/**
 * Builds a binding request.
 * @param transactionID 12 random bytes, never used before
 * @returns 40 bytes
 */
export function stunRequest(transactionID: Uint8Array): Uint8Array {
	const packet = new Uint8Array(STUN_REQUEST_LENGTH);
	packet.set(REQUEST_HEAD);
	packet.set(transactionID.subarray(0, STUN_TRANSACTION_LENGTH), 8);
	packet.set(REQUEST_TAIL, HEADER_LENGTH);
	// The checksum covers what precedes the FINGERPRINT attribute, not its own head.
	const fingerprint = crc32(packet, FINGERPRINT_OFFSET - 4) ^ FINGERPRINT_XOR;
	packet[36] = fingerprint >>> 24;
	packet[37] = fingerprint >>> 16;
	packet[38] = fingerprint >>> 8;
	packet[39] = fingerprint;
	return packet;
}

/** Whether a datagram is STUN at all: 20 bytes, top bits of byte 0 clear, cookie. */
export function isStun(packet: Uint8Array): boolean {
	return packet.length >= HEADER_LENGTH && ((packet[0] as number) & 0xc0) === 0 && COOKIE.every((byte, i) => packet[4 + i] === byte);
}

/** Reads a binding response. Bytes behind the stated length are ignored. */
export function parseStunResponse(packet: Uint8Array): StunAnswer | StunError {
	if (!isStun(packet)) return "not-stun";
	if (packet[0] !== 0x01 || packet[1] !== 0x01) return "not-a-response";
	const end = HEADER_LENGTH + read16(packet, 2);
	if (end > packet.length) return "malformed";
	let mapped: Uint8Array | undefined;
	let xorMapped: Uint8Array | undefined;
	for (let offset = HEADER_LENGTH; offset < end; ) {
		if (end - offset < 4) return "malformed";
		const type = read16(packet, offset);
		const length = read16(packet, offset + 2);
		const value = offset + 4;
		offset = value + ((length + 3) & ~3);
		if (offset > end) return "malformed";
		const isXor = type === ATTRIBUTE_XOR_MAPPED_ADDRESS || type === ATTRIBUTE_XOR_MAPPED_ADDRESS_ALTERNATIVE;
		if (!isXor && type !== ATTRIBUTE_MAPPED_ADDRESS) continue;
		const endpoint = readAddress(packet, value, length, isXor);
		if (!endpoint) return "malformed";
		if (isXor) xorMapped = endpoint;
		else mapped = endpoint;
	}
	const endpoint = xorMapped ?? mapped;
	if (!endpoint) return "malformed";
	return { transactionID: packet.slice(8, HEADER_LENGTH), endpoint: endpointToText(endpoint) };
}

/** UDP port of a server, 0 = it has no STUN. @param stunPort of the DERP map: 0 = 3478 */
export function stunPort(stunPort: number): number {
	if (stunPort === 0) return STUN_DEFAULT_PORT;
	return stunPort < 0 || stunPort > 65535 ? 0 : stunPort;
}

interface Flight<T> {
	readonly subject: T;
	readonly destination: string;
	readonly sentMS: number;
}

/** Requests in flight. An answer counts once, and only from the address that was asked: the id is the protocol's only secret. */
export class StunTransactions<T> {
	readonly #flights = new Map<string, Flight<T>>();

	/** Requests that wait for an answer. */
	get size(): number {
		return this.#flights.size;
	}

	/**
	 * Begins a transaction.
	 * @param subject given back with the answer
	 * @param destination "ip:port" that the request goes to
	 * @param transactionID 12 random bytes
	 * @returns the request
	 */
	begin(subject: T, destination: string, transactionID: Uint8Array, now: number): Uint8Array {
		this.#flights.set(transactionID.join(), { subject, destination, sentMS: now });
		return stunRequest(transactionID);
	}

	/**
	 * Takes a datagram that was classified as STUN.
	 * @param source "ip:port" that it came from
	 * @returns undefined for anything but the first answer to one of our requests from where it was sent to
	 */
	answer(packet: Uint8Array, source: string, now: number): { readonly subject: T; readonly endpoint: string; readonly latencyMS: number } | undefined {
		const answer = parseStunResponse(packet);
		if (typeof answer === "string") return;
		const id = answer.transactionID.join();
		const flight = this.#flights.get(id);
		if (flight?.destination !== source) return;
		this.#flights.delete(id);
		return { subject: flight.subject, endpoint: answer.endpoint, latencyMS: now - flight.sentMS };
	}

	/** Forgets every request. */
	clear(): void {
		this.#flights.clear();
	}
}

/** @returns 18 bytes, or undefined when the value is too short or of an unknown family */
function readAddress(packet: Uint8Array, value: number, lengthBytes: number, isXor: boolean): Uint8Array | undefined {
	if (lengthBytes < 4) return;
	const family = packet[value + 1];
	const size = family === 1 ? 4 : family === 2 ? 16 : 0;
	if (size === 0 || lengthBytes < 4 + size) return;
	const endpoint = new Uint8Array(18);
	if (size === 4) {
		endpoint[10] = 255;
		endpoint[11] = 255;
	}
	for (let i = 0; i < size; i += 1) {
		// The pad is the cookie, then the transaction id: bytes 4..19 of the packet.
		endpoint[16 - size + i] = (packet[value + 4 + i] as number) ^ (isXor ? (packet[4 + i] as number) : 0);
	}
	for (let i = 0; i < 2; i += 1) endpoint[16 + i] = (packet[value + 2 + i] as number) ^ (isXor ? (packet[4 + i] as number) : 0);
	return endpoint;
}

function read16(bytes: Uint8Array, offset: number): number {
	return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}
