/**
 * The client side of one HTTP/2 connection, without I/O (RFC 9113; protocol/control.md §4).
 *
 * receive(bytes) takes what came, takeOutput() gives what has to leave; requests report to a StreamHandler. Bodies are streamed, never collected.
 *
 *   a stream     event                           then
 *   open         request body left               half closed (local)
 *                HEADERS 1xx                     as before
 *                HEADERS                         onHeaders
 *                DATA                            onData
 *                END_STREAM, RST_STREAM, error   onEnd, gone; what still comes for it counts on the connection's window only
 *
 * Flow control: a window that is not refilled stalls the stream silently. SETTINGS do not move the connection's window, it stays 65535 unless
 * raised by WINDOW_UPDATE. Every byte of a DATA frame counts on both, padding and unwanted bodies too. Refills are sent when half is used up.
 */
import { HPACKDecoder, HPACKEncoder } from "./hpack.js";
import {
	ACK,
	CONTINUATION,
	DATA,
	END_HEADERS,
	END_STREAM,
	FrameReader,
	type FrameSink,
	frame,
	GOAWAY,
	getUint32,
	HEADERS,
	numbersFrame,
	PING,
	PUSH_PROMISE,
	RST_STREAM,
	SETTINGS,
	settingsFrame,
	WINDOW_UPDATE,
} from "./http2-frames.js";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DEFAULT_WINDOW = 65535;
const MAXIMUM_WINDOW = 0x7fff_ffff;
const MAXIMUM_HEADER_BLOCK = 16384;
const SETTINGS_HEADER_TABLE_SIZE = 1;
const SETTINGS_ENABLE_PUSH = 2;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;
const SETTINGS_MAX_FRAME_SIZE = 5;
const SETTINGS_MAX_HEADER_LIST_SIZE = 6;
const ERROR_PROTOCOL = 1;
const ERROR_CANCEL = 8;
/** Answers to PING and SETTINGS that wait for takeOutput(); more is a flood. */
const MAXIMUM_QUEUED_FRAMES = 1000;
const NO_BYTES = Object.freeze(new Uint8Array(0)) as Uint8Array;

/** Hears about one request. No call after onEnd, nor after cancel(). */
export interface StreamHandler {
	/** @param retryAfter the header's text, "" = absent */
	onHeaders(status: number, retryAfter: string): void;
	/** The buffer belongs to the receiver only during the call. */
	onData(bytes: Uint8Array): void;
	/** @param error "" = the answer is complete */
	onEnd(error: string): void;
}

interface Stream {
	readonly id: number;
	readonly handler: StreamHandler;
	sendWindow: number;
	/** Not yet acknowledged by WINDOW_UPDATE. */
	received: number;
	/** Request body that waits for a window. */
	body: Uint8Array;
	sent: number;
	hasHeaders: boolean;
}

export class HTTP2Client implements FrameSink {
	readonly #authority: string;
	readonly #windowBytes: number;
	readonly #reader: FrameReader;
	readonly #decoder = new HPACKDecoder(0);
	readonly #encoder = new HPACKEncoder();
	readonly #streams = new Map<number, Stream>();
	#output: Uint8Array[] = [];
	#nextStream = 1;
	#connectionWindow: number;
	#connectionReceived = 0;
	#connectionSendWindow = DEFAULT_WINDOW;
	#initialSendWindow = DEFAULT_WINDOW;
	#maximumFrame = 16384;
	#sawSettings = false;
	#isGoingAway = false;
	#isBroken = false;
	#isClosed = false;
	/** The header block at hand: which stream, flags of its HEADERS frame, bytes so far. */
	#blockStream = 0;
	#blockFlags = 0;
	#block = NO_BYTES;
	#onPong: (() => void) | undefined;

	/**
	 * @param authority host, or host:port, for :authority
	 * @param windowBytes what the server may send ahead on one stream, at most 2^31 - 1
	 */
	constructor(authority: string, windowBytes: number) {
		this.#authority = authority;
		this.#windowBytes = windowBytes;
		this.#connectionWindow = Math.max(windowBytes, DEFAULT_WINDOW);
		this.#reader = new FrameReader(this);
		const preface = new Uint8Array(PREFACE.length);
		for (let i = 0; i < PREFACE.length; i += 1) preface[i] = PREFACE.charCodeAt(i);
		this.#output.push(
			preface,
			settingsFrame([
				SETTINGS_HEADER_TABLE_SIZE,
				0,
				SETTINGS_ENABLE_PUSH,
				0,
				SETTINGS_INITIAL_WINDOW_SIZE,
				windowBytes,
				SETTINGS_MAX_HEADER_LIST_SIZE,
				MAXIMUM_HEADER_BLOCK,
			]),
		);
		if (windowBytes > DEFAULT_WINDOW) this.#output.push(numbersFrame(WINDOW_UPDATE, 0, windowBytes - DEFAULT_WINDOW));
	}

	/** Requests that have not ended. */
	get openStreams(): number {
		return this.#streams.size;
	}

	/** The server takes no new requests on this connection. */
	get isGoingAway(): boolean {
		return this.#isGoingAway;
	}

	/** The server's SETTINGS have come: it speaks HTTP/2. */
	get sawSettings(): boolean {
		return this.#sawSettings;
	}

	/** What has to leave now, in one piece; undefined = nothing. */
	takeOutput(): Uint8Array | undefined {
		const parts = this.#output;
		if (parts.length === 0) return undefined;
		this.#output = [];
		if (parts.length === 1) return parts[0];
		let length = 0;
		for (const part of parts) length += part.length;
		const all = new Uint8Array(length);
		let at = 0;
		for (const part of parts) {
			all.set(part, at);
			at += part.length;
		}
		return all;
	}

	/**
	 * Starts a request.
	 * @param headers further headers, lower-case names
	 * @param body kept by reference until it is sent
	 * @returns the stream's id, or 0 if the connection takes no requests any more
	 * @throws {RangeError} if a header holds anything but printable ASCII
	 */
	request(
		method: string,
		path: string,
		headers: readonly (readonly [string, string])[],
		body: Uint8Array,
		handler: StreamHandler,
		authority = this.#authority,
	): number {
		if (this.#isClosed || this.#isGoingAway || this.#nextStream > MAXIMUM_WINDOW) return 0;
		const block = this.#encoder.request(method, authority, path, headers);
		const id = this.#nextStream;
		this.#nextStream += 2;
		const stream: Stream = { id, handler, sendWindow: this.#initialSendWindow, received: 0, body, sent: 0, hasHeaders: false };
		this.#streams.set(id, stream);
		this.#output.push(frame(HEADERS, END_HEADERS | (body.length === 0 ? END_STREAM : 0), id, block));
		this.#sendBody(stream);
		return id;
	}

	/** Gives a request up; its handler hears nothing more. Harmless if it has ended. */
	cancel(id: number): void {
		if (this.#streams.delete(id) && !this.#isClosed) this.#output.push(numbersFrame(RST_STREAM, id, ERROR_CANCEL));
	}

	/** Sends a PING; onPong is called when it comes back. One at a time: another one replaces the callback. */
	ping(onPong: () => void): void {
		if (this.#isClosed) return;
		this.#onPong = onPong;
		this.#output.push(frame(PING, 0, 0, new Uint8Array(8)));
	}

	/** Ends the connection: every open request ends with error. */
	close(error: string): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#onPong = undefined;
		const streams = [...this.#streams.values()];
		this.#streams.clear();
		for (const stream of streams) stream.handler.onEnd(error);
	}

	/**
	 * Takes bytes of the server.
	 * @returns "" or what is wrong: then a GOAWAY is in the output, nothing more is taken, and close() is due
	 */
	receive(bytes: Uint8Array): string {
		if (this.#isClosed || this.#isBroken) return "";
		const problem = this.#reader.push(bytes);
		if (!problem || this.#isClosed) return "";
		this.#isBroken = true;
		this.#output.push(numbersFrame(GOAWAY, 0, 0, ERROR_PROTOCOL));
		return problem;
	}

	// ---- Frames that came (FrameSink) ----

	onDataBegin(id: number, _lengthBytes: number): string {
		if (this.#isClosed) return "closed";
		if (this.#blockStream !== 0) return "an HTTP/2 CONTINUATION was expected, not DATA";
		if (!this.#sawSettings) return "HTTP/2 SETTINGS were expected first";
		if (id % 2 === 0 || id >= this.#nextStream) return `HTTP/2 DATA for stream ${id}, which we never opened`;
		return "";
	}

	onData(id: number, bytes: Uint8Array): void {
		const stream = this.#streams.get(id);
		if (stream?.hasHeaders) stream.handler.onData(bytes);
	}

	onDataEnd(id: number, flags: number, lengthBytes: number): void {
		if (this.#isClosed) return;
		this.#connectionReceived += lengthBytes;
		if (this.#connectionReceived * 2 >= this.#connectionWindow) {
			this.#output.push(numbersFrame(WINDOW_UPDATE, 0, this.#connectionReceived));
			this.#connectionReceived = 0;
		}
		const stream = this.#streams.get(id);
		if (!stream) return;
		if ((flags & END_STREAM) !== 0) {
			this.#end(stream, stream.hasHeaders ? "" : "HTTP/2 DATA without HEADERS came");
			return;
		}
		stream.received += lengthBytes;
		if (stream.received * 2 < this.#windowBytes) return;
		this.#output.push(numbersFrame(WINDOW_UPDATE, id, stream.received));
		stream.received = 0;
	}

	onFrame(type: number, flags: number, id: number, payload: Uint8Array): string {
		if (this.#isClosed) return "closed";
		if (this.#blockStream !== 0 && (type !== CONTINUATION || id !== this.#blockStream)) return "an HTTP/2 CONTINUATION was expected";
		if (!this.#sawSettings && type !== SETTINGS) return "HTTP/2 SETTINGS were expected first";
		if (this.#output.length > MAXIMUM_QUEUED_FRAMES) return "a flood of HTTP/2 control frames came";
		switch (type) {
			case HEADERS:
				if (id % 2 === 0 || id >= this.#nextStream) return `HTTP/2 HEADERS for stream ${id}, which we never opened`;
				this.#blockStream = id;
				this.#blockFlags = flags;
				this.#block = payload;
				return this.#blockPart(flags);
			case CONTINUATION: {
				if (this.#blockStream === 0) return "an HTTP/2 CONTINUATION without HEADERS came";
				const block = new Uint8Array(this.#block.length + payload.length);
				block.set(this.#block);
				block.set(payload, this.#block.length);
				this.#block = block;
				return this.#blockPart(flags);
			}
			case SETTINGS:
				return this.#settings(flags, id, payload);
			case PING:
				if (payload.length !== 8 || id !== 0) return "an HTTP/2 PING of 8 bytes was expected";
				if ((flags & ACK) === 0) this.#output.push(frame(PING, ACK, 0, payload));
				else {
					const onPong = this.#onPong;
					this.#onPong = undefined;
					onPong?.();
				}
				return "";
			case WINDOW_UPDATE:
				return this.#windowUpdate(id, payload);
			case RST_STREAM: {
				if (payload.length !== 4 || id === 0) return "an HTTP/2 RST_STREAM of 4 bytes was expected";
				const stream = this.#streams.get(id);
				if (stream) this.#end(stream, `control reset the request (HTTP/2 error ${getUint32(payload, 0)})`);
				return "";
			}
			case GOAWAY:
				return this.#goAway(payload);
			case PUSH_PROMISE:
				return "an HTTP/2 PUSH_PROMISE came although push is off";
			default:
				return ""; // PRIORITY, and whatever is invented later
		}
	}

	#blockPart(flags: number): string {
		if (this.#block.length > MAXIMUM_HEADER_BLOCK) return `an HTTP/2 header block of at most ${MAXIMUM_HEADER_BLOCK} bytes was expected`;
		if ((flags & END_HEADERS) === 0) {
			this.#block = this.#block.slice(); // the reader's buffer is used again
			return "";
		}
		const stream = this.#streams.get(this.#blockStream);
		this.#blockStream = 0;
		let status = "";
		let retryAfter = "";
		// Decoded for a stream that is gone as well: a dynamic table has to stay in step.
		const isGood = this.#decoder.decode(this.#block, (name, value) => {
			if (name === ":status") status = value;
			else if (name === "retry-after") retryAfter = value;
		});
		this.#block = NO_BYTES;
		if (!isGood) return "an HTTP/2 header block cannot be decoded";
		if (!stream) return "";
		const isEnd = (this.#blockFlags & END_STREAM) !== 0;
		if (stream.hasHeaders) {
			this.#end(stream, isEnd ? "" : "HTTP/2 HEADERS in the middle of a body came"); // trailers
			return "";
		}
		if (!/^[1-9][0-9][0-9]$/.test(status)) return "an HTTP/2 answer without a status came";
		if (status.startsWith("1")) return isEnd ? "an interim HTTP/2 answer that ends the stream came" : "";
		stream.hasHeaders = true;
		stream.handler.onHeaders(Number(status), retryAfter);
		if (isEnd && this.#streams.get(stream.id) === stream) this.#end(stream, "");
		return "";
	}

	#settings(flags: number, id: number, payload: Uint8Array): string {
		if (id !== 0 || payload.length % 6 !== 0) return "malformed HTTP/2 SETTINGS came";
		if ((flags & ACK) !== 0) return payload.length === 0 ? "" : "an HTTP/2 SETTINGS acknowledgement with a payload came";
		this.#sawSettings = true;
		for (let at = 0; at < payload.length; at += 6) {
			const identifier = ((payload[at] as number) << 8) | (payload[at + 1] as number);
			const value = getUint32(payload, at + 2);
			if (identifier === SETTINGS_INITIAL_WINDOW_SIZE) {
				if (value > MAXIMUM_WINDOW) return "an HTTP/2 window above 2^31 - 1 came";
				for (const stream of this.#streams.values()) stream.sendWindow += value - this.#initialSendWindow;
				this.#initialSendWindow = value;
			} else if (identifier === SETTINGS_MAX_FRAME_SIZE) {
				if (value < 16384 || value > 0xff_ffff) return "an HTTP/2 frame size out of range came";
				this.#maximumFrame = value;
			}
		}
		this.#output.push(frame(SETTINGS, ACK, 0, NO_BYTES));
		this.#sendBodies();
		return "";
	}

	#windowUpdate(id: number, payload: Uint8Array): string {
		if (payload.length !== 4) return "an HTTP/2 WINDOW_UPDATE of 4 bytes was expected";
		const increment = getUint32(payload, 0) & MAXIMUM_WINDOW;
		if (id === 0) {
			this.#connectionSendWindow += increment;
			if (increment === 0 || this.#connectionSendWindow > MAXIMUM_WINDOW) return "an HTTP/2 WINDOW_UPDATE out of range came";
			this.#sendBodies();
			return "";
		}
		const stream = this.#streams.get(id);
		if (!stream) return "";
		stream.sendWindow += increment;
		if (increment === 0 || stream.sendWindow > MAXIMUM_WINDOW) {
			this.#output.push(numbersFrame(RST_STREAM, id, ERROR_PROTOCOL));
			this.#end(stream, "an HTTP/2 WINDOW_UPDATE out of range came");
		} else this.#sendBody(stream);
		return "";
	}

	#goAway(payload: Uint8Array): string {
		if (payload.length < 8) return "an HTTP/2 GOAWAY of 8 bytes was expected";
		this.#isGoingAway = true;
		const last = getUint32(payload, 0) & MAXIMUM_WINDOW;
		const code = getUint32(payload, 4);
		for (const stream of [...this.#streams.values()]) if (stream.id > last) this.#end(stream, `control goes away (HTTP/2 error ${code})`);
		return "";
	}

	// ---- Request bodies ----

	#sendBodies(): void {
		for (const stream of this.#streams.values()) this.#sendBody(stream);
	}

	#sendBody(stream: Stream): void {
		while (stream.sent < stream.body.length) {
			const count = Math.min(stream.body.length - stream.sent, stream.sendWindow, this.#connectionSendWindow, this.#maximumFrame);
			if (count <= 0) return;
			const part = stream.body.subarray(stream.sent, stream.sent + count);
			stream.sent += count;
			stream.sendWindow -= count;
			this.#connectionSendWindow -= count;
			this.#output.push(frame(DATA, stream.sent === stream.body.length ? END_STREAM : 0, stream.id, part));
		}
		// All of it is out; the request may last for months.
		stream.body = NO_BYTES;
		stream.sent = 0;
	}

	#end(stream: Stream, error: string): void {
		this.#streams.delete(stream.id);
		// The answer may come before the request is out (an error status): the rest of the request is of no use.
		if (stream.sent < stream.body.length && !this.#isClosed) this.#output.push(numbersFrame(RST_STREAM, stream.id, ERROR_CANCEL));
		stream.handler.onEnd(error);
	}
}
