/**
 * A hand-driven tunnel for benches: command and event records written by hand, no control server, no path machine.
 */
import { createRequire } from "node:module";
import { buildAddon } from "../../hosts/node/build-addon.js";

export const addon = createRequire(import.meta.url)(process.env.TAILNET_ADDON ?? (await buildAddon()));

/** 16 bytes of "a.b.c.d". */
export function address(text) {
	return Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...text.split(".").map(Number)]);
}

function record(type, flags, argument, ...parts) {
	const bytes = Buffer.concat([Buffer.from([type, flags, argument & 255, argument >> 8]), ...parts.map((part) => Buffer.from(part))]);
	return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function u32(value) {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

function u64(value) {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(Math.floor(value)));
	return bytes;
}

/** A filter block that lets everybody reach every port of one address (native/tn_filter.h). */
function openFilter(own) {
	const number = own.slice(12).reduce((sum, byte) => sum * 256 + byte, 0) >>> 0;
	const head = Buffer.alloc(48);
	const tables = [
		// source sets: 0 the local networks (our address), 1 everybody
		Buffer.concat([u32(0), u32(1), u32(0), u32(0), u32(0), Buffer.from([0, 0, 0, 0])]),
		Buffer.concat([u32(1), u32(0), u32(0), u32(0), u32(0), Buffer.from([0, 0, 1, 0])]),
		// one IPv4 destination: our address, ports 0..65535, source set 1, protocol class 0
		Buffer.concat([u32(number), u32(number), Buffer.from([0, 0, 255, 255, 1, 0, 0, 0])]),
		Buffer.alloc(32, 255),
		Buffer.concat([u32(number), u32(number)]),
	];
	const body = Buffer.concat(tables);
	head.write("TNF1", 0, "latin1");
	head.writeUInt32LE(48 + body.length, 4);
	head.writeUInt32LE(2, 8);
	head.writeUInt32LE(1, 12);
	head.writeUInt32LE(0, 16);
	head.writeUInt32LE(1, 20);
	head.writeUInt32LE(1, 24);
	return Buffer.concat([head, body]);
}

/** One node. `on` has functions connected, readable, writable, closed, accepted, each given (socket, number, other). */
export class Node {
	constructor(privateKey, own, on) {
		this.on = on;
		this.own = address(own);
		this.buffer = new Uint8Array(4096);
		this.view = new DataView(this.buffer.buffer);
		const now = Date.now();
		this.tunnel = new addon.Tunnel(
			record(1, 0, 0, privateKey, Buffer.alloc(32, 7), this.own.slice(12), Buffer.alloc(16), [0, 0, 0, 0], u64(now), u64(now / 1000 + 86400)),
			() => this.wake(),
		);
		this.tunnel.send(record(2, 0, 0, openFilter(this.own)));
	}

	peer(slot, publicKey, own, port, trusted = true) {
		const handle = slot | (1 << 16);
		this.tunnel.send(record(3, 0, 0, u32(handle), publicKey, Buffer.alloc(20), [0, 0, 1, 0], address(own), [128, 1]));
		const until = trusted ? addon.monotonicMS() + 1e9 : 0;
		this.tunnel.send(record(5, 0, 0, u32(handle), address("127.0.0.1"), [port >> 8, port & 255], [0, 0], u64(until)));
	}

	listen(port) {
		const socket = this.tunnel.openSocket();
		this.tunnel.send(record(33, 0, port, u32(socket)));
		return socket;
	}

	connect(own, port) {
		const socket = this.tunnel.openSocket();
		this.tunnel.send(record(32, 1, port, u32(socket), address(own)));
		return socket;
	}

	closeSocket(socket, abort = false) {
		this.tunnel.send(record(36, abort ? 1 : 0, 0, u32(socket)));
	}

	wake() {
		for (;;) {
			const length = this.tunnel.receive(this.buffer);
			if (length === 0) {
				return;
			}
			const socket = this.view.getUint32(4, true);
			const number = length >= 12 ? this.view.getUint32(8, true) : 0;
			switch (this.buffer[0]) {
				case 32:
					this.on.connected?.(socket);
					break;
				case 33:
					this.on.readable?.(socket, number);
					break;
				case 34:
					this.on.writable?.(socket, number);
					break;
				case 35:
					this.on.closed?.(socket, this.buffer[1]);
					break;
				case 36:
					this.on.accepted?.(number, socket);
					break;
				default:
					this.on.event?.(this.buffer.slice(0, length));
			}
		}
	}
}
