/**
 * NAT-PMP (RFC 6886): asks a router for a public UDP port. To port 5351 of the gateway, integers big-endian. Source: protocol/paths.md §4.3.
 *
 *   message          bytes
 *   address request  00 00
 *   address answer   00 80  result u16  epoch u32  public IPv4 4                                                            12
 *   map request      00 01  00 00  internal port u16  wanted external port u16 (0 = any)  lifetime u32 (0 = delete)         12
 *   map answer       00 81  result u16  epoch u32  internal port u16  external port u16  lifetime granted u32               16
 *
 * Epoch: seconds since the router began its table; a router that restarted has forgotten every mapping.
 */

/** UDP port of a gateway that speaks NAT-PMP or PCP. */
export const MAPPING_PORT = 5351;

const VERSION = 0;
const MAP_UDP = 1;
const ANSWER = 0x80;
const ADDRESS_ANSWER_BYTES = 12;
const MAP_ANSWER_BYTES = 16;

export type PMPAnswer =
	/** result: 0 = success. */
	| { readonly kind: "address"; readonly result: number; readonly epoch: number; readonly address: string }
	| {
			readonly kind: "map";
			readonly result: number;
			readonly epoch: number;
			readonly internalPort: number;
			readonly externalPort: number;
			readonly lifetimeSeconds: number;
	  };

/** Asks for the public address. @returns 2 bytes */
export function pmpAddressRequest(): Uint8Array {
	return new Uint8Array(2);
}

/**
 * Asks for a UDP mapping.
 * @param externalPort wanted, 0 = any
 * @param lifetimeSeconds 0 = delete the mapping of internalPort
 * @returns 12 bytes
 */
export function pmpMapRequest(internalPort: number, externalPort: number, lifetimeSeconds: number): Uint8Array {
	const packet = new Uint8Array(12);
	const view = new DataView(packet.buffer);
	packet[1] = MAP_UDP;
	view.setUint16(4, internalPort);
	view.setUint16(6, externalPort);
	view.setUint32(8, lifetimeSeconds);
	return packet;
}

/** @returns undefined for anything but a whole answer */
export function parsePMPAnswer(packet: Uint8Array): PMPAnswer | undefined {
	if (packet[0] !== VERSION) return;
	const isAddress = packet[1] === ANSWER;
	if (!isAddress && packet[1] !== (ANSWER | MAP_UDP)) return;
	if (packet.length !== (isAddress ? ADDRESS_ANSWER_BYTES : MAP_ANSWER_BYTES)) return;
	const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
	const result = view.getUint16(2);
	const epoch = view.getUint32(4);
	if (isAddress) return { kind: "address", result, epoch, address: packet.subarray(8, 12).join(".") };
	return { kind: "map", result, epoch, internalPort: view.getUint16(8), externalPort: view.getUint16(10), lifetimeSeconds: view.getUint32(12) };
}
