/** The packets that TypeScript makes and reads itself: tests/vectors/tsmp.json, protocol/tunnel.md §5. The rest of the file is native/tn_tsmp.c's. */
import { parseAddress } from "../../modules/netmap/address.js";
import { type AddressPair, echoRequest, tsmpPing, tsmpPongData } from "../../modules/path/ip-packet.js";
import { expect, fromHex, toHex } from "../harness.js";
import type vectors from "../vectors/tsmp.json";
import { type Check, each } from "./check.js";

export type TSMPVectors = Partial<typeof vectors>;

interface Packet {
	packet: string;
	parsed: { src: string; dst: string; ip_version: number; is_echo_request: boolean };
}

function pairOf(vector: Packet): AddressPair {
	return { source: parseAddress(vector.parsed.src) as Uint8Array, destination: parseAddress(vector.parsed.dst) as Uint8Array };
}

/** The IP payload. */
function payloadOf(vector: Packet): Uint8Array {
	return fromHex(vector.packet).subarray(vector.parsed.ip_version === 4 ? 20 : 40);
}

/** IPv4 id, or IPv6 flow label: ours are zero. */
function isNumbered(vector: Packet): boolean {
	return vector.parsed.ip_version === 4 ? vector.packet.slice(8, 12) !== "0000" : vector.packet.slice(2, 8) !== "000000";
}

export function tsmpPings(file: TSMPVectors): Check[] {
	return each(
		file.messages?.filter((vector) => vector.parsed.tsmp.kind === "ping" && !isNumbered(vector)),
		(vector) => vector.name,
		(vector) => expect(toHex(tsmpPing(pairOf(vector), fromHex(vector.parsed.tsmp.data as string)))).toBe(vector.packet),
	);
}

export function tsmpPongs(file: TSMPVectors): Check[] {
	return each(
		file.messages?.filter((vector) => vector.parsed.tsmp.kind === "pong"),
		(vector) => vector.name,
		(vector) => {
			expect(toHex(tsmpPongData(payloadOf(vector)) as Uint8Array)).toBe(vector.parsed.tsmp.data);
			expect(vector.parsed.tsmp.data).toBe(file.ping_data);
		},
	);
}

/** Bytes after the ICMP head of an echo request of ours: id, sequence. */
const ourEchoBytes = 8;

export function echoRequests(file: TSMPVectors): Check[] {
	return each(
		file.icmp?.filter((vector) => vector.parsed.is_echo_request && payloadOf(vector).length === ourEchoBytes),
		(vector) => vector.name,
		(vector) => {
			const payload = payloadOf(vector);
			const view = new DataView(payload.buffer, payload.byteOffset);
			expect(toHex(echoRequest(pairOf(vector), view.getUint16(4), view.getUint16(6)))).toBe(vector.packet);
		},
	);
}

export function tsmpChecks(file: TSMPVectors): Check[] {
	return [...tsmpPings(file), ...tsmpPongs(file), ...echoRequests(file)];
}
