/**
 * As much of HTTP/1.1 (RFC 9112) as control needs outside its Noise channel, without I/O: /key, the answer to the upgrade, public ping URLs; and
 * the requests that control wraps into a c2n ping.
 *
 *   start line CRLF
 *   name: value CRLF ...
 *   CRLF
 *   body: Content-Length bytes, or chunks (size in hex CRLF bytes CRLF ... 0 CRLF CRLF), or all up to the end of the stream
 */
import { utf8Decode, utf8Encode } from "tailnet/host";
import { printable } from "./noise.js";

/** Limit of an answer's head; proxies add several KB. */
export const MAXIMUM_HEAD_BYTES = 16384;

const SWITCHING_PROTOCOLS = 101;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const TAB = 9;

/** Where a URL leads. */
export interface Target {
	readonly isTLS: boolean;
	/** Name or IP literal, without brackets. */
	readonly host: string;
	/** 0 = the scheme's default. */
	readonly port: number;
	/** Path and query, "/" at least. */
	readonly path: string;
}

/** Parses an absolute "http:" or "https:" URL without user information. @returns undefined if it is something else */
export function parseURL(url: string): Target | undefined {
	const match = /^(https?):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?([/?][\x21-\x7e]*)?(?:#.*)?$/i.exec(url);
	if (!match) return undefined;
	const port = match[3] === undefined ? 0 : Number(match[3]);
	if (port > 65535 || (match[3] !== undefined && port === 0)) return undefined;
	const host = match[2] as string;
	const tail = (match[4] ?? "/").replace(/#.*$/, "");
	return {
		isTLS: (match[1] as string).toLowerCase() === "https",
		host: host.startsWith("[") ? host.slice(1, -1) : host.toLowerCase(),
		port,
		path: tail.startsWith("/") ? tail : `/${tail}`,
	};
}

/** Host header and :authority. @param port 0 or the scheme's default: left out */
export function authorityOf(host: string, port: number, defaultPort: number): string {
	const name = host.includes(":") ? `[${host}]` : host;
	return port === 0 || port === defaultPort ? name : `${name}:${port}`;
}

/** A request's head and body. @throws {RangeError} if a text could break out of its line */
export function http1Request(method: string, path: string, authority: string, headers: readonly (readonly [string, string])[], body?: Uint8Array): Uint8Array {
	let text = `${method} ${path} HTTP/1.1\r\nHost: ${authority}\r\n`;
	for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
	if (!/^[\x20-\x7e\r\n]*$/.test(text) || text.split("\r\n").length !== headers.length + 3)
		throw new RangeError("a request of printable ASCII characters was expected");
	const head = utf8Encode(`${text}\r\n`);
	if (!body) return head;
	const bytes = new Uint8Array(head.length + body.length);
	bytes.set(head);
	bytes.set(body, head.length);
	return bytes;
}

/** The head of a message: its start line and its headers by lower-case name. */
export interface Head {
	readonly startLine: string;
	readonly headers: ReadonlyMap<string, string>;
	/** Status of an answer; 0 if the start line is no status line. */
	readonly status: number;
}

/** "more" bytes are wanted, what is wrong, or the head and where the body begins in the bytes pushed last. */
export type HeadResult = "more" | { readonly failed: string } | { readonly head: Head; readonly consumed: number };

/** Collects the head of a message, cut anywhere. Interim answers (1xx, but for 101) that come before the answer are passed over. */
export class HeadReader {
	#bytes: Uint8Array = new Uint8Array(512);
	#length = 0;
	#lineStart = 0;

	/** Feeds the stream's next bytes. Not to be called again after another result than "more". */
	push(bytes: Uint8Array): HeadResult {
		for (let i = 0; i < bytes.length; i += 1) {
			if (this.#length === MAXIMUM_HEAD_BYTES) return { failed: `an HTTP head of at most ${MAXIMUM_HEAD_BYTES} bytes was expected` };
			if (this.#length === this.#bytes.length) this.#grow();
			const byte = bytes[i] as number;
			this.#bytes[this.#length] = byte;
			this.#length += 1;
			if (byte !== LINE_FEED) {
				// Garbage is named at its first control character, not after 16 KB of it, or never.
				if (byte < 32 && byte !== CARRIAGE_RETURN && byte !== TAB) return { failed: "HTTP was expected, not binary data" };
				continue;
			}
			if (!this.#isEmptyLine()) {
				this.#lineStart = this.#length;
				continue;
			}
			const head = parseHead(utf8Decode(this.#bytes.slice(0, this.#length)));
			if (head.status === 0 || head.status === SWITCHING_PROTOCOLS || head.status >= 200) return { head, consumed: i + 1 };
			this.#length = 0;
			this.#lineStart = 0;
		}
		return "more";
	}

	#isEmptyLine(): boolean {
		const length = this.#length - this.#lineStart;
		return this.#lineStart > 0 && (length === 1 || (length === 2 && this.#bytes[this.#lineStart] === CARRIAGE_RETURN));
	}

	#grow(): void {
		const larger = new Uint8Array(2 * this.#bytes.length);
		larger.set(this.#bytes);
		this.#bytes = larger;
	}
}

function parseHead(text: string): Head {
	const lines = text.split("\n");
	const startLine = printable(lines[0] as string);
	const headers = new Map<string, string>();
	for (let i = 1; i < lines.length; i += 1) {
		const line = lines[i] as string;
		const colon = line.indexOf(":");
		if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
	}
	const match = /^HTTP\/1\.[01] ([1-9][0-9][0-9])(?: |$)/.exec(startLine);
	return { startLine: startLine.slice(0, 100), headers, status: match ? Number(match[1]) : 0 };
}

/** Collects a body of bounded size. */
export class BodyReader {
	readonly #limit: number;
	#parts: Uint8Array[] = [];
	/** Of all bytes that came, and of those that were taken away. */
	#length = 0;
	#takenLength = 0;
	/** Bytes of the body, or of the chunk at hand, still to come; -1 = up to the end of the stream. */
	#left: number;
	/** Chunked: what is read now. */
	#mode: "plain" | "size" | "chunk" | "chunk end" | "trailer" = "plain";
	#line = "";
	#isDone = false;

	/** @param hasEnd without a length the body ends with the stream (answers), else there is none (requests) */
	constructor(head: Head, limit: number, hasEnd: boolean) {
		this.#limit = limit;
		const length = head.headers.get("content-length");
		if (/chunked/i.test(head.headers.get("transfer-encoding") ?? "")) {
			this.#mode = "size";
			this.#left = 0;
		} else if (length !== undefined && /^[0-9]{1,12}$/.test(length)) this.#left = Number(length);
		else this.#left = hasEnd ? -1 : 0;
		if (head.status === 204 || head.status === 304) this.#left = 0;
		this.#isDone = this.#mode === "plain" && this.#left === 0;
	}

	/** The whole body is there. */
	get isDone(): boolean {
		return this.#isDone;
	}

	/** What has come so far, or since it was taken away. */
	take(): Uint8Array {
		const all = new Uint8Array(this.#length - this.#takenLength);
		let at = 0;
		for (const part of this.#parts) {
			all.set(part, at);
			at += part.length;
		}
		return all;
	}

	/** Takes away what has come since the last call, for a body that is read while it comes. */
	takeAway(): Uint8Array {
		const all = this.take();
		this.#parts = [];
		this.#takenLength = this.#length;
		return all;
	}

	/** Feeds bytes. @returns "" or what is wrong */
	push(bytes: Uint8Array): string {
		let at = 0;
		while (at < bytes.length && !this.#isDone) {
			if (this.#mode === "plain" || this.#mode === "chunk") {
				const count = this.#left < 0 ? bytes.length - at : Math.min(this.#left, bytes.length - at);
				if (this.#length + count > this.#limit) return `an HTTP body of at most ${this.#limit} bytes was expected`;
				this.#parts.push(bytes.slice(at, at + count));
				this.#length += count;
				at += count;
				if (this.#left > 0) this.#left -= count;
				if (this.#left === 0) {
					if (this.#mode === "plain") this.#isDone = true;
					else this.#mode = "chunk end";
				}
				continue;
			}
			const byte = bytes[at] as number;
			at += 1;
			if (byte !== LINE_FEED) {
				this.#line += String.fromCharCode(byte);
				if (this.#line.length > 1024) return "an HTTP chunk size was expected";
				continue;
			}
			const problem = this.#chunkLine(this.#line.trim());
			if (problem) return problem;
			this.#line = "";
		}
		return "";
	}

	#chunkLine(line: string): string {
		if (this.#mode === "chunk end") {
			if (line !== "") return "the end of an HTTP chunk was expected";
			this.#mode = "size";
			return "";
		}
		if (this.#mode === "trailer") {
			if (line === "") this.#isDone = true;
			return "";
		}
		const match = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;.*)?$/.exec(line);
		if (!match) return "an HTTP chunk size was expected";
		this.#left = Number.parseInt(match[1] as string, 16);
		this.#mode = this.#left === 0 ? "trailer" : "chunk";
		return "";
	}
}
