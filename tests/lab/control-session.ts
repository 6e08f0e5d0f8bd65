/**
 * One ts2021 connection on the server's side: the Noise stream as a Duplex, and node:http2 on top of it (protocol/control.md §3.5-§4).
 *
 *   socket <-> FaultyWriter <-> records <-> Duplex <-> HTTP/2 server session <-> ControlServer
 */

import { randomBytes } from "node:crypto";
import { createServer as createHTTP2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
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
	readonly onRequest: (request: ControlRequest) => void;
	readonly onClose: (session: ControlSession) => void;
}

export class ControlSession {
	/** Of the client, hex. */
	readonly machineKey: string;
	readonly version: number;
	readonly writer: FaultyWriter;
	readonly startedMS = Date.now();
	readonly #socket: Duplex;
	readonly #noise: NoiseStream;
	readonly #onClose: (session: ControlSession) => void;
	#http2: ServerHttp2Session | undefined;
	#isOpen = true;

	/** @param surplus bytes that came behind the HTTP request */
	constructor(socket: Duplex, established: Established, opening: Uint8Array, surplus: Uint8Array, settings: SessionSettings) {
		this.#socket = socket;
		this.#onClose = settings.onClose;
		this.machineKey = toHex(established.machineKey);
		this.version = established.version;
		this.writer = new FaultyWriter(socket, settings.faults);
		const sealer = new RecordSealer(established.serverToClient);
		const early = settings.earlyPayload ? earlyRecords(sealer) : new Uint8Array(0);
		// The 101, message 2 and the early payload leave together, as from the real server.
		this.writer.write(concat(opening, established.response, early));
		this.#noise = new NoiseStream(socket, this.writer, sealer, new RecordOpener(established.clientToServer));
		socket.on("close", () => this.close());
		socket.on("error", () => this.close());
		this.#noise.on("error", () => this.close());
		this.#noise.on("close", () => this.close());
		this.#startHTTP2(settings);
		if (surplus.length > 0) this.#noise.feed(surplus);
	}

	get isOpen(): boolean {
		return this.#isOpen;
	}

	close(): void {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		this.#http2?.destroy();
		this.#noise.destroy();
		this.#socket.destroy();
		this.#onClose(this);
	}

	/** Asks the client to go: no new streams. */
	goaway(code = 0): void {
		this.#http2?.goaway(code);
	}

	/** HTTP/2 PING. @returns milliseconds until the client echoed it */
	ping(): Promise<number> {
		return new Promise((resolve, reject) => {
			if (!this.#http2?.ping((error, duration) => (error ? reject(error) : resolve(duration)))) reject(new Error("no ping possible"));
		});
	}

	/** Bytes that are no record. */
	garbage(bytes: Uint8Array = Uint8Array.from(randomBytes(64))): void {
		this.writer.write(bytes);
	}

	/** A record whose tag is wrong. */
	corrupt(): void {
		this.writer.write(concat(Uint8Array.of(4, 0, 32), randomBytes(32)));
	}

	#startHTTP2(settings: SessionSettings): void {
		const server = createHTTP2Server({
			settings: { maxFrameSize: 1048576, maxConcurrentStreams: 250, maxHeaderListSize: 1048896, initialWindowSize: 1048576, enablePush: false },
		});
		server.on("session", (session) => {
			this.#http2 = session;
			session.on("error", () => {});
		});
		server.on("sessionError", () => this.close());
		server.on("stream", (stream, headers) => {
			stream.on("error", () => {});
			const parts: Buffer[] = [];
			stream.on("data", (bytes: Buffer) => parts.push(bytes));
			stream.on("end", () =>
				settings.onRequest({
					session: this,
					method: String(headers[":method"]),
					path: String(headers[":path"]),
					headers,
					body: Uint8Array.from(Buffer.concat(parts)),
					stream,
				}),
			);
		});
		server.emit("connection", this.#noise);
	}
}

/** The three records that precede HTTP/2: magic, length, JSON. */
function earlyRecords(sealer: RecordSealer): Uint8Array {
	const json = Buffer.from(JSON.stringify({ nodeKeyChallenge: `chalpub:${randomBytes(32).toString("hex")}` }));
	const length = new Uint8Array(4);
	new DataView(length.buffer).setUint32(0, json.length);
	return concat(sealer.record(EARLY_MAGIC), sealer.record(length), sealer.record(Uint8Array.from(json)));
}

/** Plaintext on this side, records on the socket's. */
class NoiseStream extends Duplex {
	readonly #writer: FaultyWriter;
	readonly #sealer: RecordSealer;
	readonly #opener: RecordOpener;
	readonly #socket: Duplex;

	constructor(socket: Duplex, writer: FaultyWriter, sealer: RecordSealer, opener: RecordOpener) {
		super({ allowHalfOpen: false });
		this.#socket = socket;
		this.#writer = writer;
		this.#sealer = sealer;
		this.#opener = opener;
		socket.on("data", (bytes: Buffer) => this.feed(Uint8Array.from(bytes)));
		socket.on("end", () => this.push(null));
	}

	feed(bytes: Uint8Array): void {
		let plaintext: Uint8Array;
		try {
			plaintext = this.#opener.push(bytes);
		} catch (error) {
			this.destroy(error as Error);
			return;
		}
		if (plaintext.length > 0 && !this.push(plaintext)) this.#socket.pause();
	}

	override _read(): void {
		this.#socket.resume();
	}

	override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
		this.#writer.write(this.#sealer.seal(Uint8Array.from(chunk)), callback);
	}

	override _final(callback: () => void): void {
		this.#socket.end();
		callback();
	}

	override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
		this.#socket.destroy();
		callback(error);
	}
}
