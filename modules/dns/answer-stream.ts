/**
 * One question and its answer on a byte stream, without I/O: plain DNS, where each message stands behind its length (RFC 1035 §4.2.2), or HTTP (RFC 8484).
 *
 *   0   length u16   2   message
 */
import { BodyReader, type Head, HeadReader, http1Request } from "../control/http1.js";
import { endpointToText } from "../netmap/address.js";
import { LARGEST_ANSWER_BYTES } from "./message.js";
import type { DNSServer } from "./server.js";

/** What has come: not enough yet, the answer, or what is none. */
export type StreamAnswer = "more" | "failed" | Uint8Array;

export interface AnswerReader {
	push(bytes: Uint8Array): StreamAnswer;
}

const TYPE = "application/dns-message";
const OK = 200;

/** What is written once the stream is open. */
export function streamRequest(server: DNSServer, query: Uint8Array): Uint8Array {
	if (server.path !== undefined) {
		const headers = [
			["Content-Type", TYPE],
			["Accept", TYPE],
			["Content-Length", String(query.length)],
			["Connection", "close"],
		] as const;
		return http1Request("POST", server.path, endpointToText(server.endpoint), headers, query);
	}
	const bytes = new Uint8Array(2 + query.length);
	new DataView(bytes.buffer).setUint16(0, query.length);
	bytes.set(query, 2);
	return bytes;
}

export function answerReader(server: DNSServer): AnswerReader {
	return server.path === undefined ? new PlainReader() : new HTTPReader();
}

class PlainReader implements AnswerReader {
	readonly #head = new Uint8Array(2);
	#headLength = 0;
	#message: Uint8Array | undefined;
	#length = 0;

	push(bytes: Uint8Array): StreamAnswer {
		let at = 0;
		while (this.#headLength < 2 && at < bytes.length) this.#head[this.#headLength++] = bytes[at++] as number;
		if (this.#headLength < 2) return "more";
		const expected = ((this.#head[0] as number) << 8) | (this.#head[1] as number);
		if (expected > LARGEST_ANSWER_BYTES) return "failed";
		this.#message ??= new Uint8Array(expected);
		const part = bytes.subarray(at, at + expected - this.#length);
		this.#message.set(part, this.#length);
		this.#length += part.length;
		return this.#length === expected ? this.#message : "more";
	}
}

class HTTPReader implements AnswerReader {
	readonly #heads = new HeadReader();
	#body: BodyReader | undefined;

	push(bytes: Uint8Array): StreamAnswer {
		let rest = bytes;
		if (this.#body === undefined) {
			const result = this.#heads.push(bytes);
			if (result === "more") return "more";
			if ("failed" in result || !isAnswer(result.head)) return "failed";
			this.#body = new BodyReader(result.head, LARGEST_ANSWER_BYTES, false);
			rest = bytes.subarray(result.consumed);
		}
		if (this.#body.push(rest) !== "") return "failed";
		return this.#body.isDone ? this.#body.take() : "more";
	}
}

function isAnswer({ status, headers }: Head): boolean {
	return status === OK && (headers.get("content-type") ?? "").toLowerCase() === TYPE && (headers.has("content-length") || headers.has("transfer-encoding"));
}
