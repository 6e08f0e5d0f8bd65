/**
 * One HTTP/1.1 request outside the Noise channel: /key, and ping answers that go to a public URL (protocol/control.md §2.1, §9.1). The connection is
 * used once. Redirects are not followed: an answer that is one is named.
 */
import { startTimer, stopTimer } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import { authorityOf, BodyReader, type Head, HeadReader, http1Request, type Target } from "./http1.js";
import { Stream } from "./stream.js";

export interface PlainRequestOptions {
	target: Target;
	method: string;
	headers?: readonly (readonly [string, string])[];
	body?: Uint8Array;
	/** Largest answer body, in bytes. */
	limit: number;
	timeoutMS: number;
	authorities: string[] | undefined;
	/** Once, unless closed before: an answer (whatever its status), or why there is none. */
	onAnswer(status: number, body: Uint8Array, head: Head): void;
	onFailure(error: TailnetError): void;
}

export class PlainRequest {
	readonly #options: PlainRequestOptions;
	readonly #stream: Stream;
	readonly #headReader = new HeadReader();
	#timer: Timer | undefined;
	#head: Head | undefined;
	#body: BodyReader | undefined;
	#isDone = false;

	constructor(options: PlainRequestOptions) {
		this.#options = options;
		const { target, method, headers, body, timeoutMS, authorities } = options;
		const defaultPort = target.isTLS ? 443 : 80;
		const fields: (readonly [string, string])[] = [...(headers ?? []), ["Connection", "close"]];
		if (body) fields.push(["Content-Length", String(body.length)]);
		this.#timer = startTimer(() => this.#fail(new TailnetError("control-unreachable", `${target.host}: no answer within ${timeoutMS} ms`)), timeoutMS);
		this.#stream = new Stream({
			host: target.host,
			port: target.port || defaultPort,
			isTLS: target.isTLS,
			authorities,
			timeoutMS,
			onOpen: () => this.#stream.write(http1Request(method, target.path, authorityOf(target.host, target.port, defaultPort), fields, body)),
			onData: (bytes) => this.#receive(bytes),
			onClose: (error) => this.#ended(error),
		});
	}

	/** Gives the request up. Idempotent; no callback afterwards. */
	close(): void {
		this.#isDone = true;
		stopTimer(this.#timer);
		this.#stream.close();
	}

	#receive(bytes: Uint8Array): void {
		if (!this.#body) {
			const result = this.#headReader.push(bytes);
			if (result === "more") return;
			if ("failed" in result) {
				this.#fail(this.#protocolError(result.failed));
				return;
			}
			if (result.head.status === 0) {
				this.#fail(this.#protocolError(`an HTTP status line was expected, not "${result.head.startLine}"`));
				return;
			}
			this.#head = result.head;
			this.#body = new BodyReader(result.head, this.#options.limit, true);
			bytes = bytes.subarray(result.consumed);
			if (this.#options.method === "HEAD") {
				this.#answer();
				return;
			}
		}
		const problem = this.#body.push(bytes);
		if (problem) this.#fail(this.#protocolError(problem));
		else if (this.#body.isDone) this.#answer();
	}

	#ended(error: TailnetError | undefined): void {
		if (this.#isDone) return;
		// Without a length the end of the stream is the end of the body.
		if (!error && this.#body && this.#head && !this.#head.headers.has("content-length") && !this.#head.headers.has("transfer-encoding")) this.#answer();
		else this.#fail(error ?? this.#protocolError("the stream ended before the answer was complete"));
	}

	#answer(): void {
		this.close();
		this.#options.onAnswer((this.#head as Head).status, (this.#body as BodyReader).take(), this.#head as Head);
	}

	#fail(error: TailnetError): void {
		if (this.#isDone) return;
		this.close();
		this.#options.onFailure(error);
	}

	#protocolError(text: string): TailnetError {
		return new TailnetError("control-protocol", `${this.#options.target.host}: ${text}`);
	}
}
