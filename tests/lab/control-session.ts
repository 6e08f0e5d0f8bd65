/**
 * One ts2021 connection on the server's side: Noise records on the socket, and node:http2 behind them (protocol/control.md §3.5-§4).
 *
 *   socket <-> FaultyWriter <-> records <-> inner socket <-> HTTP/2 server <-> ControlServer
 *
 * The inner socket is a real one on loopback: node:http2 on a Duplex of JavaScript trips over assertions of its own when such a stream is cut.
 */
import { randomBytes } from "node:crypto";
import { createServer as createHTTP2Server, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { concat, toHex } from "./bytes.js";
import { type Established, RecordOpener, RecordSealer } from "./noise-responder.js";
import { FaultyWriter, type StreamFaults } from "./pieces.js";

const EARLY_MAGIC = Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53);

/** A request that came in whole. */
export interface ControlRequest {
	readonly session: ControlSession;
	readonly method: string;
	readonly path: string;
	readonly headers: Record<string, unknown>;
	readonly body: Uint8Array;
	readonly stream: ServerHttp2Stream;
}

export interface SessionSettings {
	readonly earlyPayload: boolean;
	readonly faults: StreamFaults;
	readonly backend: HTTP2Backend;
	readonly onClose: (session: ControlSession) => void;
}

export class ControlSession {
	/** Of the client, hex. */
	readonly machineKey: string;
	readonly version: number;
	readonly writer: FaultyWriter;
	readonly startedMS = Date.now();
	readonly #socket: Duplex;
	readonly #inner: Socket;
	readonly #backend: HTTP2Backend;
	readonly #onClose: (session: ControlSession) => void;
	#isOpen = true;

	/** @param surplus bytes that came behind the HTTP request */
	constructor(socket: Duplex, established: Established, opening: Uint8Array, surplus: Uint8Array, settings: SessionSettings) {
		this.#socket = socket;
		this.#onClose = settings.onClose;
		this.#backend = settings.backend;
		this.machineKey = toHex(established.machineKey);
		this.version = established.version;
		this.writer = new FaultyWriter(socket, settings.faults);
		const sealer = new RecordSealer(established.serverToClient);
		const opener = new RecordOpener(established.clientToServer);
		const early = settings.earlyPayload ? earlyRecords(sealer) : new Uint8Array(0);
		// The 101, message 2 and the early payload leave together, as from the real server.
		this.writer.write(concat(opening, established.response, early));
		this.#inner = this.#backend.connect(this);
		this.#outbound(sealer);
		this.#inbound(opener, surplus);
		for (const stream of [socket, this.#inner]) {
			stream.on("error", () => this.close());
			stream.on("close", () => this.close());
		}
	}

	get isOpen(): boolean {
		return this.#isOpen;
	}

	close(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		this.#inner.destroy();
		this.#socket.destroy();
		this.#onClose(this);
	}

	/** Asks the client to go: no new streams. */
	goaway(code = 0): void {
		this.#backend.session(this.#inner)?.goaway(code);
	}

	/** HTTP/2 PING. @returns milliseconds until the client echoed it */
	ping(): Promise<number> {
		return new Promise((resolve, reject) => {
			const session = this.#backend.session(this.#inner);
			if (!session?.ping((error, duration) => (error ? reject(error) : resolve(duration)))) reject(new Error("no ping possible"));
		});
	}

	/** Bytes that are no record. */
	garbage(bytes: Uint8Array = new Uint8Array(randomBytes(64))): void {
		this.writer.write(bytes);
	}

	/** A record whose tag is wrong. */
	corrupt(): void {
		this.writer.write(concat(Uint8Array.of(4, 0, 32), randomBytes(32)));
	}

	/** HTTP/2 bytes to the client, one batch of records at a time. */
	#outbound(sealer: RecordSealer): void {
		const inner = this.#inner;
		inner.on("data", (bytes: Buffer) => {
			inner.pause();
			this.writer.write(sealer.seal(new Uint8Array(bytes)), () => inner.resume());
		});
	}

	/** Records of the client to HTTP/2. */
	#inbound(opener: RecordOpener, surplus: Uint8Array): void {
		const inner = this.#inner;
		const feed = (bytes: Uint8Array) => {
			try {
				if (inner.write(opener.push(bytes))) return;
			} catch {
				this.close();
				return;
			}
			this.#socket.pause();
			inner.once("drain", () => this.#socket.resume());
		};
		this.#socket.on("data", (bytes: Buffer) => feed(new Uint8Array(bytes)));
		this.#socket.on("end", () => inner.end());
		if (surplus.length > 0) feed(surplus);
	}
}

/** The HTTP/2 server behind every session of one control server. */
export class HTTP2Backend {
	readonly #server: Http2Server;
	/** By the inner socket's own port. */
	readonly #owners = new Map<number, ControlSession>();
	readonly #sessions = new Map<number, ServerHttp2Session>();

	private constructor(onRequest: (request: ControlRequest) => void) {
		this.#server = createHTTP2Server({
			settings: { maxFrameSize: 1048576, maxConcurrentStreams: 250, maxHeaderListSize: 1048896, initialWindowSize: 1048576, enablePush: false },
		});
		this.#server.on("connection", (socket: Socket) => socket.setNoDelay(true));
		this.#server.on("session", (session) => {
			const port = session.socket.remotePort ?? 0;
			this.#sessions.set(port, session);
			session.on("error", () => {});
			session.on("close", () => this.#sessions.delete(port));
		});
		this.#server.on("stream", (stream, headers) => {
			const owner = this.#owners.get(stream.session?.socket.remotePort ?? 0);
			if (!owner) {
				stream.session?.destroy(); // not one of ours
				return;
			}
			stream.on("error", () => {});
			const parts: Buffer[] = [];
			stream.on("data", (bytes: Buffer) => parts.push(bytes));
			stream.on("end", () => {
				const body = new Uint8Array(Buffer.concat(parts));
				onRequest({ session: owner, method: String(headers[":method"]), path: String(headers[":path"]), headers, body, stream });
			});
		});
	}

	static async start(onRequest: (request: ControlRequest) => void): Promise<HTTP2Backend> {
		const backend = new HTTP2Backend(onRequest);
		await new Promise<void>((resolve) => backend.#server.listen(0, "127.0.0.1", resolve));
		return backend;
	}

	/** A socket to the server. What is written to it before it is connected waits. */
	connect(owner: ControlSession): Socket {
		const socket = connect({ port: (this.#server.address() as AddressInfo).port, host: "127.0.0.1", noDelay: true });
		let port = 0;
		// Runs before the first byte of the client leaves, so that no stream is without its owner.
		socket.once("connect", () => {
			port = socket.localPort ?? 0;
			this.#owners.set(port, owner);
		});
		socket.once("close", () => this.#owners.delete(port));
		return socket;
	}

	session(socket: Socket): ServerHttp2Session | undefined {
		return this.#sessions.get(socket.localPort ?? 0);
	}

	close(): void {
		for (const session of this.#sessions.values()) session.destroy();
		this.#server.close();
	}
}

/** The three records that precede HTTP/2: magic, length, JSON. */
function earlyRecords(sealer: RecordSealer): Uint8Array {
	const json = Buffer.from(JSON.stringify({ nodeKeyChallenge: `chalpub:${randomBytes(32).toString("hex")}` }));
	const length = new Uint8Array(4);
	new DataView(length.buffer).setUint32(0, json.length);
	return concat(sealer.record(EARLY_MAGIC), sealer.record(length), sealer.record(new Uint8Array(json)));
}
