/**
 * Frames of HTTP/2 (RFC 9113 §4, §6): builds the few that a client sends, cuts those it receives out of a byte stream.
 *
 *   0  3  length of the payload, big endian; at most 16384 for us
 *   3  1  type
 *   4  1  flags
 *   5  4  stream, 31 bits, big endian; 0 = the connection
 *   9  n  payload
 *
 * DATA and HEADERS may be PADDED (0x8): a byte n first, n bytes last. HEADERS may carry PRIORITY (0x20): 5 bytes. Both are taken off here. The payload of
 * DATA is handed on piece by piece as it comes, every other frame whole.
 */

export const FRAME_HEADER_BYTES = 9;
/** The largest payload we accept: the default, which our SETTINGS leave alone. */
export const MAXIMUM_FRAME_BYTES = 16384;

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITISED = 0x20;

/** Builds one frame. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
	bytes[0] = payload.length >> 16;
	bytes[1] = payload.length >> 8;
	bytes[2] = payload.length;
	bytes[3] = type;
	bytes[4] = flags;
	putUint32(bytes, 5, stream);
	bytes.set(payload, FRAME_HEADER_BYTES);
	return bytes;
}

/** A SETTINGS frame. @param settings identifier and value, in turn */
export function settingsFrame(settings: readonly number[]): Uint8Array {
	const payload = new Uint8Array(settings.length * 3);
	for (let i = 0; i < settings.length; i += 2) {
		payload[i * 3 + 1] = settings[i] as number;
		putUint32(payload, i * 3 + 2, settings[i + 1] as number);
	}
	return frame(SETTINGS, 0, 0, payload);
}

/** A frame whose payload is 32-bit numbers (WINDOW_UPDATE, RST_STREAM, GOAWAY without text). */
export function numbersFrame(type: number, stream: number, ...numbers: number[]): Uint8Array {
	const payload = new Uint8Array(numbers.length * 4);
	for (let i = 0; i < numbers.length; i += 1) putUint32(payload, i * 4, numbers[i] as number);
	return frame(type, 0, stream, payload);
}

export function putUint32(bytes: Uint8Array, at: number, value: number): void {
	bytes[at] = value >>> 24;
	bytes[at + 1] = value >>> 16;
	bytes[at + 2] = value >>> 8;
	bytes[at + 3] = value;
}

export function getUint32(bytes: Uint8Array, at: number): number {
	return (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

/** What FrameReader hands on. Each returns "" or what is wrong with the connection. */
export interface FrameSink {
	/** A whole frame that is not DATA; padding and priority are off. The bytes belong to the receiver only during the call. */
	onFrame(type: number, flags: number, stream: number, payload: Uint8Array): string;
	/** The header of a DATA frame; lengthBytes is what counts for flow control. */
	onDataBegin(stream: number, lengthBytes: number): string;
	/** A piece of content. */
	onData(stream: number, bytes: Uint8Array): void;
	onDataEnd(stream: number, flags: number, lengthBytes: number): void;
}

/** Cuts the stream, however it is split. */
export class FrameReader {
	readonly #sink: FrameSink;
	readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
	#headerLength = 0;
	#length = 0;
	#flags = 0;
	#stream = 0;
	/** Payload of a frame that is not DATA and came in pieces. */
	#payload: Uint8Array = new Uint8Array(256);
	#filled = 0;
	/** Padding of the DATA frame at hand; -1 = its length byte has not come yet. */
	#padding = 0;
	/** Content of the DATA frame at hand that has not come yet. */
	#content = 0;

	constructor(sink: FrameSink) {
		this.#sink = sink;
	}

	/** Feeds bytes. @returns "" or what is wrong: nothing more can be read */
	push(bytes: Uint8Array): string {
		let at = 0;
		for (;;) {
			if (this.#headerLength < FRAME_HEADER_BYTES) {
				if (at === bytes.length) return "";
				this.#header[this.#headerLength] = bytes[at] as number;
				this.#headerLength += 1;
				at += 1;
				if (this.#headerLength < FRAME_HEADER_BYTES) continue;
				const problem = this.#beginFrame();
				if (problem) return problem;
			}
			const wanted = this.#length - this.#filled;
			if (wanted > 0 && at === bytes.length) return "";
			const part = bytes.subarray(at, at + Math.min(wanted, bytes.length - at));
			at += part.length;
			this.#filled += part.length;
			const isLast = this.#filled === this.#length;
			if (isLast) this.#headerLength = 0;
			const problem = this.#header[3] === DATA ? this.#data(part, isLast) : this.#other(part, isLast);
			if (problem) return problem;
		}
	}

	#beginFrame(): string {
		const header = this.#header;
		this.#length = ((header[0] as number) << 16) | ((header[1] as number) << 8) | (header[2] as number);
		this.#flags = header[4] as number;
		this.#stream = getUint32(header, 5) & 0x7fff_ffff;
		this.#filled = 0;
		if (this.#length > MAXIMUM_FRAME_BYTES) return `an HTTP/2 frame of at most ${MAXIMUM_FRAME_BYTES} bytes was expected, not ${this.#length}`;
		if (header[3] !== DATA) return "";
		const isPadded = (this.#flags & PADDED) !== 0;
		if (isPadded && this.#length === 0) return "a padded HTTP/2 DATA frame without its padding length came";
		this.#padding = isPadded ? -1 : 0;
		this.#content = this.#length;
		return this.#sink.onDataBegin(this.#stream, this.#length);
	}

	#data(part: Uint8Array, isLast: boolean): string {
		if (this.#padding < 0 && part.length > 0) {
			this.#padding = part[0] as number;
			this.#content = this.#length - 1 - this.#padding;
			if (this.#content < 0) return "an HTTP/2 DATA frame with more padding than payload came";
			part = part.subarray(1);
		}
		const count = Math.min(part.length, this.#content);
		if (count > 0) {
			this.#content -= count;
			this.#sink.onData(this.#stream, part.subarray(0, count));
		}
		if (isLast) this.#sink.onDataEnd(this.#stream, this.#flags, this.#length);
		return "";
	}

	#other(part: Uint8Array, isLast: boolean): string {
		let payload = part;
		if (part.length < this.#length) {
			if (this.#payload.length < this.#length) {
				const larger = new Uint8Array(this.#length);
				larger.set(this.#payload.subarray(0, this.#filled - part.length));
				this.#payload = larger;
			}
			this.#payload.set(part, this.#filled - part.length);
			payload = this.#payload.subarray(0, this.#length);
		}
		if (!isLast) return "";
		const type = this.#header[3] as number;
		if (type === HEADERS) {
			const bare = stripHeaders(payload, this.#flags);
			if (!bare) return "an HTTP/2 HEADERS frame with more padding than payload came";
			payload = bare;
		}
		return this.#sink.onFrame(type, this.#flags, this.#stream, payload);
	}
}

function stripHeaders(payload: Uint8Array, flags: number): Uint8Array | undefined {
	let from = 0;
	let to = payload.length;
	if ((flags & PADDED) !== 0) {
		if (to === 0) return undefined;
		from = 1;
		to -= payload[0] as number;
	}
	if ((flags & PRIORITISED) !== 0) from += 5;
	return to >= from ? payload.subarray(from, to) : undefined;
}
