/**
 * The server's side of one HTTP/2 connection, for tests: answers are scripted by the test, the client's windows are obeyed to the byte, and every frame that
 * came is kept. Frames are cut by the same FrameReader as the client's, headers are read by the same decoder.
 */
import { HPACKDecoder } from "../../../modules/control/hpack.js";
import {
	ACK,
	DATA,
	END_HEADERS,
	END_STREAM,
	FrameReader,
	type FrameSink,
	frame,
	getUint32,
	HEADERS,
	numbersFrame,
	RST_STREAM,
	SETTINGS,
	settingsFrame,
	WINDOW_UPDATE,
} from "../../../modules/control/http2-frames.js";
import { ascii, concat, latin1 } from "./pieces.js";

const PREFACE_BYTES = 24;

/** SETTINGS as Go's server sends them (protocol/control.md §4.1). */
export const GO_SETTINGS = settingsFrame([5, 1048576, 3, 250, 6, 1048896, 1, 4096, 4, 1048576]);

/** A header block of literals that no table keeps. @param lists name and value */
export function headerBlock(headers: readonly (readonly [string, string])[]): Uint8Array {
	const parts: Uint8Array[] = [];
	for (const [name, value] of headers) parts.push(Uint8Array.of(0, name.length), ascii(name), Uint8Array.of(value.length), ascii(value));
	return concat(...parts);
}

export interface Frame {
	type: number;
	flags: number;
	stream: number;
	payload: Uint8Array;
}

/** One request of the client, and the hand that answers it. */
export class ServerRequest {
	readonly stream: number;
	readonly headers = new Map<string, string>();
	body: Uint8Array = new Uint8Array(0);
	/** The client has sent all of it. */
	isComplete = false;
	/** The client gave it up. */
	isReset = false;
	sendWindow: number;
	readonly #server: HTTP2Server;
	readonly #queue: Uint8Array[] = [];
	#endsAfterQueue = false;
	#isEnded = false;

	constructor(server: HTTP2Server, stream: number, window: number) {
		this.#server = server;
		this.stream = stream;
		this.sendWindow = window;
	}

	get path(): string {
		return this.headers.get(":path") ?? "";
	}

	get json(): Record<string, unknown> {
		return JSON.parse(latin1(this.body)) as Record<string, unknown>;
	}

	/** HEADERS. @param ends no body follows */
	head(status: number, headers: readonly (readonly [string, string])[] = [], ends = false): void {
		const block = headerBlock([[":status", String(status)], ...headers]);
		this.#server.send(frame(HEADERS, END_HEADERS | (ends ? END_STREAM : 0), this.stream, block));
		if (ends) this.#isEnded = true;
	}

	/** Body, as far as the client's windows allow; the rest when they open. */
	write(bytes: Uint8Array): void {
		if (bytes.length > 0) this.#queue.push(bytes);
		this.flush();
	}

	end(): void {
		this.#endsAfterQueue = true;
		this.flush();
	}

	/** Status, headers, body, end. */
	answer(status: number, body = "", headers: readonly (readonly [string, string])[] = []): void {
		this.head(status, headers);
		this.write(ascii(body));
		this.end();
	}

	flush(): void {
		while (this.#queue.length > 0) {
			const next = this.#queue[0] as Uint8Array;
			const count = Math.min(next.length, this.sendWindow, this.#server.sendWindow, 16384);
			if (count <= 0) return;
			this.#server.send(frame(DATA, 0, this.stream, next.subarray(0, count)));
			this.sendWindow -= count;
			this.#server.sendWindow -= count;
			if (count === next.length) this.#queue.shift();
			else this.#queue[0] = next.subarray(count);
		}
		if (this.#endsAfterQueue && !this.#isEnded) {
			this.#isEnded = true;
			this.#server.send(frame(DATA, END_STREAM, this.stream, new Uint8Array(0)));
		}
	}

	reset(code: number): void {
		this.#server.send(numbersFrame(RST_STREAM, this.stream, code));
	}
}

export class HTTP2Server implements FrameSink {
	readonly frames: Frame[] = [];
	readonly requests = new Map<number, ServerRequest>();
	/** What the server may send on the connection. */
	sendWindow = 65535;
	initialWindow = 65535;
	/** Settings of the client, by identifier. */
	readonly settings = new Map<number, number>();
	/** What was wrong with the client's frames, "" = nothing. */
	problem = "";
	/** Refills on receipt: what the client may send is not limited. */
	refills = true;
	readonly #send: (bytes: Uint8Array) => void;
	readonly #onRequest: (request: ServerRequest) => void;
	readonly #reader = new FrameReader(this);
	readonly #decoder = new HPACKDecoder(4096);
	#preface = 0;

	constructor(send: (bytes: Uint8Array) => void, onRequest: (request: ServerRequest) => void, settings: Uint8Array = GO_SETTINGS) {
		this.#send = send;
		this.#onRequest = onRequest;
		if (settings.length > 0) this.send(settings);
	}

	send(bytes: Uint8Array): void {
		this.#send(bytes);
	}

	receive(bytes: Uint8Array): void {
		const skip = Math.min(PREFACE_BYTES - this.#preface, bytes.length);
		this.#preface += skip;
		this.problem ||= this.#reader.push(bytes.subarray(skip));
	}

	onDataBegin(): string {
		return "";
	}

	onData(stream: number, bytes: Uint8Array): void {
		const request = this.requests.get(stream);
		if (request) request.body = concat(request.body, bytes);
	}

	onDataEnd(stream: number, flags: number, lengthBytes: number): void {
		this.frames.push({ type: DATA, flags, stream, payload: new Uint8Array(lengthBytes) });
		if (this.refills && lengthBytes > 0) this.send(concat(numbersFrame(WINDOW_UPDATE, 0, lengthBytes), numbersFrame(WINDOW_UPDATE, stream, lengthBytes)));
		if ((flags & END_STREAM) !== 0) this.#complete(this.requests.get(stream));
	}

	onFrame(type: number, flags: number, stream: number, payload: Uint8Array): string {
		this.frames.push({ type, flags, stream, payload: payload.slice() });
		if (type === HEADERS) {
			const request = new ServerRequest(this, stream, this.initialWindow);
			this.requests.set(stream, request);
			if (!this.#decoder.decode(payload, (name, value) => request.headers.set(name, value))) return "bad header block";
			if ((flags & END_STREAM) !== 0) this.#complete(request);
		} else if (type === SETTINGS && (flags & ACK) === 0) {
			for (let at = 0; at < payload.length; at += 6)
				this.settings.set(((payload[at] as number) << 8) | (payload[at + 1] as number), getUint32(payload, at + 2));
			this.initialWindow = this.settings.get(4) ?? 65535;
			this.send(frame(SETTINGS, ACK, 0, new Uint8Array(0)));
		} else if (type === WINDOW_UPDATE) {
			const increment = getUint32(payload, 0);
			const request = this.requests.get(stream);
			if (stream === 0) this.sendWindow += increment;
			else if (request) request.sendWindow += increment;
			for (const each of this.requests.values()) each.flush();
		} else if (type === RST_STREAM) {
			const request = this.requests.get(stream);
			if (request) request.isReset = true;
		}
		return "";
	}

	#complete(request: ServerRequest | undefined): void {
		if (!request) return;
		request.isComplete = true;
		this.#onRequest(request);
	}
}
