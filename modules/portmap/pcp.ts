/**
 * PCP (RFC 6887), as much as maps one UDP port. To port 5351 of the gateway, integers big-endian. Source: protocol/paths.md §4.4.
 *
 *   request   02  opcode  00 00             lifetime u32  own address 16                   24
 *   answer    02  opcode | 80  00  result   lifetime u32  epoch u32  reserved 12           24
 *
 *   opcode 0  ANNOUNCE: the head alone
 *   opcode 1  MAP: nonce 12, protocol (17 = UDP), 00 00 00, internal port u16, external port u16, external address 16      36 more
 *
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. The router takes a renewal or a deletion only with the nonce that the mapping was made with, and so do
 * we its answers.
 */
import { addressToText, isIPv4 } from "../netmap/address.js";

export const PCP_NONCE_BYTES = 12;

const VERSION = 2;
const MAP = 1;
const ANSWER = 0x80;
const HEAD_BYTES = 24;
const MAP_BYTES = 60;
const UDP = 17;

export type PCPAnswer =
	/** result: 0 = success. */
	| { readonly kind: "announce"; readonly result: number; readonly epoch: number }
	| {
			readonly kind: "map";
			readonly result: number;
			readonly epoch: number;
			readonly lifetimeSeconds: number;
			/** 12 bytes, a copy. */
			readonly nonce: Uint8Array;
			readonly protocol: number;
			readonly internalPort: number;
			readonly externalPort: number;
			/** IPv4 text, "" for an address of another kind. */
			readonly address: string;
	  };

/** Asks whether there is a PCP server, and for its epoch. @param address own address, 16 bytes. @returns 24 bytes */
export function pcpAnnounceRequest(address: Uint8Array): Uint8Array {
	return head(new Uint8Array(HEAD_BYTES), 0, 0, address);
}

/**
 * Asks for a UDP mapping.
 * @param address own address towards the gateway, 16 bytes
 * @param nonce 12 random bytes, the same for the whole life of a mapping
 * @param externalPort wanted, 0 = any
 * @param lifetimeSeconds 0 = delete
 * @returns 60 bytes
 */
export function pcpMapRequest(address: Uint8Array, nonce: Uint8Array, internalPort: number, externalPort: number, lifetimeSeconds: number): Uint8Array {
	const packet = head(new Uint8Array(MAP_BYTES), MAP, lifetimeSeconds, address);
	const view = new DataView(packet.buffer);
	packet.set(nonce, 24);
	packet[36] = UDP;
	view.setUint16(40, internalPort);
	view.setUint16(42, externalPort);
	view.setUint16(54, 0xffff); // ::ffff:0.0.0.0, any IPv4 address
	return packet;
}

/** Bytes after the answer are ignored: options may stand there. @returns undefined for anything but an answer */
export function parsePCPAnswer(packet: Uint8Array): PCPAnswer | undefined {
	if (packet.length < HEAD_BYTES || packet[0] !== VERSION) return;
	const isMap = packet[1] === (ANSWER | MAP);
	if (!isMap && packet[1] !== ANSWER) return;
	const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
	const result = packet[3] as number;
	const epoch = view.getUint32(8);
	if (!isMap) return { kind: "announce", result, epoch };
	if (packet.length < MAP_BYTES) return;
	return {
		kind: "map",
		result,
		epoch,
		lifetimeSeconds: view.getUint32(4),
		nonce: packet.slice(24, 36),
		protocol: packet[36] as number,
		internalPort: view.getUint16(40),
		externalPort: view.getUint16(42),
		address: isIPv4(packet, 44) ? addressToText(packet, 44) : "",
	};
}

function head(packet: Uint8Array, opcode: number, lifetimeSeconds: number, address: Uint8Array): Uint8Array {
	packet[0] = VERSION;
	packet[1] = opcode;
	new DataView(packet.buffer).setUint32(4, lifetimeSeconds);
	packet.set(address, 8);
	return packet;
}
