/**
 * What follows the head of an answer, in parts: a part is made when there is room to send it, so a reader that is slow costs time and no memory.
 */
import { utf8Encode } from "tailnet/host";

export interface Body {
	/** undefined: it ends when the connection does. */
	readonly lengthBytes: number | undefined;
	/** Nothing follows. */
	readonly isEnded: boolean;
	/** Called when there is something again after next() gave nothing. */
	onMore: (() => void) | undefined;
	/** @param space bytes that can be sent now, above 0. @returns at most so many; undefined: nothing at present */
	next(space: number): Uint8Array | undefined;
	/** The reader is gone. Idempotent. */
	close(): void;
}

/** Bytes that lie somewhere: a resource in flash, a buffer. */
export interface Bytes {
	readonly lengthBytes: number;
	/** A copy, or a view, of bytes[begin, end). */
	slice(begin: number, end: number): Uint8Array;
}

export class BytesBody implements Body {
	onMore: (() => void) | undefined;
	readonly #bytes: Bytes;
	#at = 0;

	constructor(bytes: Bytes) {
		this.#bytes = bytes;
	}

	get lengthBytes(): number {
		return this.#bytes.lengthBytes;
	}

	get isEnded(): boolean {
		return this.#at === this.#bytes.lengthBytes;
	}

	next(space: number): Uint8Array | undefined {
		if (this.isEnded) return undefined;
		const begin = this.#at;
		this.#at = Math.min(begin + space, this.#bytes.lengthBytes);
		return this.#bytes.slice(begin, this.#at);
	}

	close(): void {
		this.#at = this.#bytes.lengthBytes;
	}
}

/** A text as a whole. */
export function textBody(text: string): Body {
	const bytes = utf8Encode(text);
	return new BytesBody({ lengthBytes: bytes.length, slice: (begin, end) => bytes.subarray(begin, end) });
}

/** Cuts texts to what there is room for. */
export class Cutter {
	#rest: Uint8Array | undefined;
	#pieces: Iterator<string> | undefined;
	#head = "";
	#tail = "";

	/** Everything of the last begin() has been given. */
	get isEmpty(): boolean {
		return this.#rest === undefined && this.#pieces === undefined && this.#head === "" && this.#tail === "";
	}

	/** @param head, tail what stands around the pieces */
	begin(pieces: Iterator<string>, head = "", tail = ""): void {
		this.#pieces = pieces;
		this.#head = head;
		this.#tail = tail;
	}

	next(space: number): Uint8Array | undefined {
		while (this.#rest === undefined) {
			const text = this.#text();
			if (text === undefined) return undefined;
			if (text !== "") this.#rest = utf8Encode(text);
		}
		const rest = this.#rest;
		this.#rest = rest.length > space ? rest.subarray(space) : undefined;
		return rest.length > space ? rest.subarray(0, space) : rest;
	}

	drop(): void {
		this.#rest = undefined;
		this.#pieces = undefined;
		this.#head = "";
		this.#tail = "";
	}

	/** What comes next, undefined: nothing. */
	#text(): string | undefined {
		if (this.#head !== "") {
			const head = this.#head;
			this.#head = "";
			return head;
		}
		const piece = this.#pieces?.next();
		if (piece && !piece.done) return piece.value;
		this.#pieces = undefined;
		if (this.#tail === "") return undefined;
		const tail = this.#tail;
		this.#tail = "";
		return tail;
	}
}

/** Texts one after the other. */
export class PiecesBody implements Body {
	readonly lengthBytes = undefined;
	onMore: (() => void) | undefined;
	readonly #cutter = new Cutter();

	constructor(pieces: Iterator<string>) {
		this.#cutter.begin(pieces);
	}

	get isEnded(): boolean {
		return this.#cutter.isEmpty;
	}

	next(space: number): Uint8Array | undefined {
		return this.#cutter.next(space);
	}

	close(): void {
		this.#cutter.drop();
	}
}
