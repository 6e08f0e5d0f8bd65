/**
 * A STUN server like those of the DERP fleet (protocol/relay.md §4): it answers binding requests that carry SOFTWARE "tailnode" and end in a right
 * FINGERPRINT, and nobody else.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { addressBytes6, concat } from "./bytes.js";

const COOKIE = Uint8Array.of(0x21, 0x12, 0xa4, 0x42);

/** How the server misbehaves. */
export interface StunFaults {
	/** Answers nothing. */
	silent?: boolean;
	/** Answers this much later. */
	delayMS?: number;
	/** Answers with another transaction id. */
	wrongTransaction?: boolean;
	/** Answers this instead. */
	garbage?: Uint8Array;
	/** Sends every answer twice. */
	twice?: boolean;
	/** IPv4 clients get family 02 with a v4-mapped address, as from a dual-stack socket. */
	mapped?: boolean;
	/** Tells this address instead of the one it saw. */
	tell?: { address: string; port: number };
}

export class StunServer {
	readonly #sockets: Socket[];
	readonly port: number;
	readonly faults: StunFaults = {};
	/** Requests seen, answered or not. */
	requests = 0;
	answers = 0;

	private constructor(sockets: Socket[], port: number) {
		this.#sockets = sockets;
		this.port = port;
		for (const socket of sockets) {
			socket.on("message", (packet, from) => this.#receive(socket, new Uint8Array(packet), from));
			socket.on("error", () => {});
		}
	}

	/** @param addresses to listen on, all with the same port; IPv6 ones that the machine lacks are left out */
	static async start(addresses: readonly string[] = ["127.0.0.1", "::1"], port = 0): Promise<StunServer> {
		const sockets: Socket[] = [];
		for (const address of addresses) {
			const socket = createSocket({ type: isIPv4(address) ? "udp4" : "udp6", ipv6Only: !isIPv4(address) });
			try {
				await new Promise<void>((resolve, reject) => {
					socket.once("error", reject);
					socket.bind(port, address, resolve);
				});
				sockets.push(socket);
				port = socket.address().port;
			} catch (error) {
				socket.close();
				if (isIPv4(address)) throw error;
			}
		}
		return new StunServer(sockets, port);
	}

	close(): void {
		for (const socket of this.#sockets) socket.close();
		this.#sockets.length = 0;
	}

	#receive(socket: Socket, packet: Uint8Array, from: RemoteInfo): void {
		this.requests += 1;
		const request = parseBindingRequest(packet);
		if (typeof request === "string" || this.faults.silent) return;
		const transaction = this.faults.wrongTransaction ? request.map((byte) => byte ^ 0xff) : request;
		const seen = this.faults.tell ?? from;
		const answer = this.faults.garbage ?? bindingResponse(transaction, seen.address, seen.port, this.faults.mapped === true);
		const send = () => {
			if (!this.#sockets.includes(socket)) return;
			for (let i = this.faults.twice ? 2 : 1; i > 0; i -= 1) socket.send(answer, from.port, from.address);
			this.answers += 1;
		};
		if (this.faults.delayMS) setTimeout(send, this.faults.delayMS);
		else send();
	}
}

/** @returns the transaction id, or why there is no answer, in the real server's words */
export function parseBindingRequest(packet: Uint8Array): Uint8Array | string {
	if (packet.length < 20 || ((packet[0] as number) & 0xc0) !== 0 || !COOKIE.every((byte, i) => packet[4 + i] === byte)) return "response is not a STUN packet";
	if (packet[0] !== 0 || packet[1] !== 1) return "STUN request not a binding request";
	const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
	let isTailnode = false;
	let last = 0;
	let lastOffset = 0;
	for (let offset = 20; offset < packet.length; ) {
		if (packet.length - offset < 4) return "STUN response has malformed attributes";
		const type = view.getUint16(offset);
		const length = view.getUint16(offset + 2);
		const end = offset + 4 + Math.ceil(length / 4) * 4;
		if (end > packet.length) return "STUN response has malformed attributes";
		if (type === 0x8022 && Buffer.from(packet.subarray(offset + 4, offset + 4 + length)).toString("latin1") === "tailnode") isTailnode = true;
		last = type;
		lastOffset = offset;
		offset = end;
	}
	if (last !== 0x8028) return "STUN request didn't end in fingerprint";
	if (!isTailnode) return "STUN request came from non-Tailscale software";
	if (view.getUint16(lastOffset + 2) !== 4 || view.getUint32(lastOffset + 4) !== fingerprint(packet.subarray(0, lastOffset))) {
		return "STUN request had bogus fingerprint";
	}
	return packet.slice(8, 20);
}

/** @param mapped IPv4 as a v4-mapped IPv6 address */
export function bindingResponse(transaction: Uint8Array, address: string, port: number, mapped = false): Uint8Array {
	const v4 = isIPv4(address) ? new Uint8Array(address.split(".").map(Number)) : undefined;
	const bytes = v4 ? (mapped ? concat(new Uint8Array(10), Uint8Array.of(255, 255), v4) : v4) : addressBytes6(address);
	const pad = concat(COOKIE, transaction);
	const value = concat(
		Uint8Array.of(0, bytes.length === 4 ? 1 : 2, (port >> 8) ^ 0x21, (port & 255) ^ 0x12),
		bytes.map((byte, i) => byte ^ (pad[i] as number)),
	);
	return concat(Uint8Array.of(1, 1, 0, 4 + value.length), COOKIE, transaction, Uint8Array.of(0, 0x20, 0, value.length), value);
}

function fingerprint(bytes: Uint8Array): number {
	let crc = 0xffffffff;
	for (const byte of bytes) {
		crc ^= byte;
		for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
	}
	return (crc ^ 0xffffffff ^ 0x5354554e) >>> 0;
}
