/**
 * One client's connection on the lab's DERP server: frames in both directions, login, queues (protocol/relay.md §3.5-§3.9).
 * What concerns more than one client is decided in derp-server.ts.
 */

import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { concat, fromHex, type KeyPair, toHex } from "./bytes.js";
import { FaultyWriter, type StreamFaults } from "./pieces.js";

const MAGIC = fromHex("44455250f09f9491");
const DISCO_MAGIC = fromHex("5453f09f92ac");
/** Magic, key and nonce: what a server takes for DISCO. */
const DISCO_LENGTH = 62;
const QUEUE_LENGTH = 32;
const CLIENT_INFO_LIMIT_MS = 10000;
const KEEP_ALIVE_MS = 60000;
const KEEP_ALIVE_SPREAD_MS = 5000;

export const Frame = {
	serverKey: 0x01,
	clientInfo: 0x02,
	serverInfo: 0x03,
	sendPacket: 0x04,
	recvPacket: 0x05,
	keepAlive: 0x06,
	notePreferred: 0x07,
	peerGone: 0x08,
	forwardPacket: 0x0a,
	watchConns: 0x10,
	closePeer: 0x11,
	ping: 0x12,
	pong: 0x13,
	health: 0x14,
	restarting: 0x15,
} as const;

/** What a session asks of its server. */
export interface SessionOwner {
	readonly keys: KeyPair;
	/** Milliseconds between KeepAlives, undefined = as the real server. */
	readonly keepAliveMS: number | undefined;
	/** Additional members of ServerInfo. */
	readonly serverInfo: Record<string, unknown>;
	/** @returns false to close without a word */
	admit(session: DERPSession): boolean;
	packet(session: DERPSession, destination: string, packet: Uint8Array): void;
	/** A frame came: this connection of its key is the active one now. */
	active(session: DERPSession): void;
	ended(session: DERPSession): void;
}

export class DERPSession {
	/** The client's node key, hex; "" before ClientInfo. */
	key = "";
	clientInfo: Record<string, unknown> = {};
	/** undefined before the first NotePreferred. */
	preferred: boolean | undefined;
	/** Keys that this client has sent to and that were here. */
	readonly reached = new Set<string>();
	/** Types of the frames received, in order. */
	readonly received: number[] = [];
	packetsDropped = 0;
	pongs: string[] = [];
	readonly writer: FaultyWriter;
	readonly #owner: SessionOwner;
	readonly #stream: Duplex;
	#rest: Uint8Array = new Uint8Array(0);
	readonly #disco: Uint8Array[] = [];
	readonly #data: Uint8Array[] = [];
	#writing = 0;
	#timer: NodeJS.Timeout | undefined;
	#goneTokens = 3;
	#goneTime = Date.now();
	#isOpen = true;

	/**
	 * @param first bytes that came with the HTTP request
	 * @param opening what the server says first: HTTP answer and ServerKey frame
	 */
	constructor(owner: SessionOwner, stream: Duplex, first: Uint8Array, opening: Uint8Array, faults: StreamFaults) {
		this.#owner = owner;
		this.#stream = stream;
		this.writer = new FaultyWriter(stream, faults);
		stream.on("data", (bytes: Buffer) => this.#push(new Uint8Array(bytes)));
		stream.on("error", () => {});
		stream.on("close", () => this.close());
		stream.on("end", () => this.close());
		this.#timer = setTimeout(() => this.close(), CLIENT_INFO_LIMIT_MS);
		this.writer.write(opening);
		if (first.length > 0) this.#push(first);
	}

	get isOpen(): boolean {
		return this.#isOpen;
	}

	/** Ends the TCP connection. */
	close(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		clearTimeout(this.#timer);
		this.#stream.destroy();
		this.#owner.ended(this);
	}

	/** Queues one RecvPacket; the oldest of its queue is dropped when 32 wait. */
	deliver(source: string, packet: Uint8Array): void {
		const queue = isDisco(packet) ? this.#disco : this.#data;
		queue.push(frame(Frame.recvPacket, concat(fromHex(source), packet)));
		if (queue.length > QUEUE_LENGTH) {
			queue.shift();
			this.packetsDropped += 1;
		}
		this.#pump();
	}

	/** Any frame, behind what is being written. */
	send(type: number, payload: Uint8Array = new Uint8Array(0)): void {
		this.writer.write(frame(type, payload));
	}

	/** Bytes that need be no frame. */
	sendRaw(bytes: Uint8Array): void {
		this.writer.write(bytes);
	}

	/** PeerGone; reason 1 (not here) is told at most 3 times at once and once a second. */
	peerGone(key: string, reason: number): void {
		if (reason === 1) {
			const now = Date.now();
			this.#goneTokens = Math.min(3, this.#goneTokens + (now - this.#goneTime) / 1000);
			this.#goneTime = now;
			if (this.#goneTokens < 1) return;
			this.#goneTokens -= 1;
		}
		this.send(Frame.peerGone, concat(fromHex(key), Uint8Array.of(reason)));
	}

	#pump(): void {
		// The stream's own buffer holds one frame at a time, so that a client that does not read fills our queue and not the process.
		while (this.#writing < 1) {
			const next = this.#disco.shift() ?? this.#data.shift();
			if (!next) return;
			this.#writing += 1;
			this.writer.write(next, () => {
				this.#writing -= 1;
				this.#pump();
			});
		}
	}

	#push(bytes: Uint8Array): void {
		let rest = this.#rest.length > 0 ? concat(this.#rest, bytes) : bytes;
		while (this.#isOpen && rest.length >= 5) {
			const length = new DataView(rest.buffer, rest.byteOffset).getUint32(1);
			if (!this.#acceptable(rest[0] as number, length)) {
				this.close();
				return;
			}
			if (rest.length < 5 + length) break;
			this.#frame(rest[0] as number, rest.slice(5, 5 + length));
			rest = rest.subarray(5 + length);
		}
		this.#rest = rest.slice();
	}

	/** What can be told by type and length alone. */
	#acceptable(type: number, length: number): boolean {
		if (this.key === "") return type === Frame.clientInfo && length >= 56 && length <= 262144;
		switch (type) {
			case Frame.sendPacket:
				return length >= 32 && length <= 32 + 65536;
			case Frame.notePreferred:
				return length === 1;
			case Frame.ping:
				return length >= 8 && length <= 1000;
			case Frame.forwardPacket:
			case Frame.watchConns:
			case Frame.closePeer:
				return false; // only for servers of one mesh
		}
		return true;
	}

	#frame(type: number, payload: Uint8Array): void {
		this.received.push(type);
		if (this.key === "") {
			this.#login(payload);
			return;
		}
		this.#owner.active(this);
		switch (type) {
			case Frame.sendPacket:
				this.#owner.packet(this, toHex(payload.subarray(0, 32)), payload.slice(32));
				break;
			case Frame.notePreferred:
				this.preferred = payload[0] !== 0;
				break;
			case Frame.ping:
				this.send(Frame.pong, payload.subarray(0, 8));
				break;
			case Frame.pong:
				this.pongs.push(toHex(payload));
				break;
		}
	}

	#login(payload: Uint8Array): void {
		const clientKey = payload.slice(0, 32);
		const shared = sharedKey(this.#owner.keys.privateKey, clientKey);
		try {
			const plaintext = xsalsa20poly1305(shared, payload.slice(32, 56)).decrypt(payload.slice(56));
			this.clientInfo = JSON.parse(Buffer.from(plaintext).toString()) as Record<string, unknown>;
		} catch {
			this.close();
			return;
		}
		this.key = toHex(clientKey);
		clearTimeout(this.#timer);
		if (!this.#owner.admit(this)) {
			this.close();
			return;
		}
		const nonce = new Uint8Array(randomBytes(24));
		const info = Buffer.from(JSON.stringify({ version: 2, ...this.#owner.serverInfo }));
		this.send(Frame.serverInfo, concat(nonce, xsalsa20poly1305(shared, nonce).encrypt(new Uint8Array(info))));
		const interval = this.#owner.keepAliveMS ?? KEEP_ALIVE_MS + Math.random() * KEEP_ALIVE_SPREAD_MS;
		this.#timer = setInterval(() => this.send(Frame.keepAlive), interval);
		this.#timer.unref();
	}
}

export function frame(type: number, payload: Uint8Array): Uint8Array {
	const head = new Uint8Array(5);
	head[0] = type;
	new DataView(head.buffer).setUint32(1, payload.length);
	return concat(head, payload);
}

/** The first frame of a connection. */
export function serverKeyFrame(publicKey: Uint8Array): Uint8Array {
	return frame(Frame.serverKey, concat(MAGIC, publicKey));
}

export function isDisco(packet: Uint8Array): boolean {
	return packet.length >= DISCO_LENGTH && DISCO_MAGIC.every((byte, i) => packet[i] === byte);
}

/** NaCl box: X25519, then HSalsa20 with a zero input. */
function sharedKey(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
	const words = (bytes: Uint8Array) => new Uint32Array(new Uint8Array(bytes).buffer);
	const out = new Uint32Array(8);
	hsalsa(words(Buffer.from("expand 32-byte k")), words(x25519.getSharedSecret(privateKey, publicKey)), new Uint32Array(4), out);
	return new Uint8Array(out.buffer);
}
