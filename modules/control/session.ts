/**
 * One ts2021 connection after its Noise handshake: early payload, then HTTP/2. All requests of the node share it: the map poll, lite updates, the
 * answers to pings.
 */
import { monotonicMS, startTimer, stopTimer, utf8Decode } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import { EarlyPayload } from "./early-payload.js";
import { HTTP2Client, type StreamHandler } from "./http2.js";
import type { NoiseStream } from "./noise-stream.js";

/** The server's first HTTP/2 frame has to come within this time. */
const GREETING_MS = 10_000;
const NO_BODY = Object.freeze(new Uint8Array(0)) as Uint8Array;

export interface SessionOptions {
	stream: NoiseStream;
	/** For :authority. */
	authority: string;
	windowBytes: number;
	version: number;
	/** The connection is gone. Requests that are not closed now end with an error next. Not called after close(). */
	onClose(error: TailnetError): void;
	/** The server takes no new requests on it. */
	onGoingAway(): void;
}

/** A small answer, collected. */
export interface Answer {
	readonly status: number;
	readonly text: string;
	readonly retryAfter: string;
}

export interface RequestOptions {
	method: string;
	path: string;
	body?: Uint8Array;
	/** Further headers, lower-case names. */
	headers?: readonly (readonly [string, string])[];
	/** Instead of the session's. */
	authority?: string;
}

/** A request under way; close() gives it up without a callback. */
export interface Request {
	close(): void;
}

export class Session {
	readonly #stream: NoiseStream;
	readonly #http: HTTP2Client;
	readonly #early = new EarlyPayload();
	readonly #options: SessionOptions;
	#greeting: Timer | undefined;
	/** Timers of requests, which must not outlive the session. */
	readonly #timers = new Set<Timer>();
	/** Answers that have come and are not told yet. */
	readonly #answers: (() => void)[] = [];
	/** When the last bytes came. */
	#heardMS = monotonicMS();
	#isGoingAway = false;
	#isClosed = false;

	constructor(options: SessionOptions) {
		this.#options = options;
		this.#stream = options.stream;
		this.#http = new HTTP2Client(options.authority, options.windowBytes);
		this.#greeting = startTimer(() => this.#end(this.#error("no HTTP/2 SETTINGS came")), GREETING_MS);
		const toHTTP = (bytes: Uint8Array) => this.#receive(bytes);
		this.#stream.attach(
			(plaintext) => {
				this.#heardMS = monotonicMS();
				if (this.#early.isThrough) {
					this.#receive(plaintext);
					return;
				}
				const problem = this.#early.push(plaintext, toHTTP);
				if (problem) this.#end(this.#error(problem));
			},
			(error) => this.#end(error ?? this.#ended()),
		);
		this.#flush();
	}

	get isTLS(): boolean {
		return this.#stream.isTLS;
	}

	get localAddress(): string {
		return this.#stream.localAddress;
	}

	/** Monotonic ms of the last bytes that came. */
	get heardMS(): number {
		return this.#heardMS;
	}

	/** No new requests can be made. */
	get isOver(): boolean {
		return this.#isClosed || this.#http.isGoingAway;
	}

	/** Starts a request whose answer is streamed. If the session is over, the handler's onEnd is called in a later turn. */
	request(options: RequestOptions, handler: StreamHandler): Request {
		const { method, path, headers, body, authority } = options;
		const id = this.#isClosed ? 0 : this.#http.request(method, path, headers ?? [], body ?? NO_BODY, handler, authority);
		if (id === 0) {
			const timer = this.#startTimer(() => handler.onEnd("the session is over"), 0);
			return { close: () => this.#stopTimer(timer) };
		}
		this.#flush();
		return {
			close: () => {
				this.#http.cancel(id);
				this.#flush();
			},
		};
	}

	/**
	 * Starts a request with a small answer.
	 * @param limit largest answer in bytes; the rest of a larger one is dropped
	 * @param timeoutMS 0 = as long as the session lives
	 * @param done called once, unless the request is closed before
	 */
	ask(options: RequestOptions, limit: number, timeoutMS: number, done: (error: TailnetError | undefined, answer: Answer) => void): Request {
		// Callbacks that live as long as the request know its path, not its body.
		const { path } = options;
		let status = 0;
		let retryAfter = "";
		let length = 0;
		const parts: Uint8Array[] = [];
		let timer: Timer | undefined;
		let isClosed = false;
		const request = this.request(options, {
			onHeaders: (code, after) => {
				status = code;
				retryAfter = after;
			},
			onData: (bytes) => {
				if (length >= limit) return;
				parts.push(bytes.slice(0, limit - length));
				length += bytes.length;
			},
			onEnd: (error) => {
				this.#stopTimer(timer);
				const text = error ? "" : textOf(parts);
				this.#answer(() => isClosed || done(error ? this.#error(`${path}: ${error}`) : undefined, { status, text, retryAfter }));
			},
		});
		if (timeoutMS > 0) {
			timer = this.#startTimer(() => {
				request.close();
				done(new TailnetError("control-unreachable", `${this.#options.authority}${path}: no answer within ${timeoutMS} ms`), {
					status,
					text: "",
					retryAfter,
				});
			}, timeoutMS);
		}
		return {
			close: () => {
				isClosed = true;
				this.#stopTimer(timer);
				request.close();
			},
		};
	}

	/**
	 * Tells an answer on a turn of its own: who gets one asks the next question, and the stack of a board has no room for both, one on top of
	 * the other. If the session ends before, it is told first.
	 */
	#answer(tell: () => void): void {
		if (this.#isClosed) {
			tell();
			return;
		}
		this.#answers.push(tell);
		if (this.#answers.length === 1) this.#startTimer(() => this.#tellAnswers(), 0);
	}

	#tellAnswers(): void {
		while (!this.#isClosed && this.#answers.length > 0) (this.#answers.shift() as () => void)();
	}

	/** Asks the server for a sign of life. */
	ping(onPong: () => void): void {
		this.#http.ping(onPong);
		this.#flush();
	}

	/** Ends the connection; open requests and onClose are not called. Idempotent. */
	close(): void {
		this.#isClosed = true;
		stopTimer(this.#greeting);
		for (const timer of this.#timers) stopTimer(timer);
		this.#timers.clear();
		this.#answers.length = 0;
		this.#stream.close();
	}

	#receive(bytes: Uint8Array): void {
		if (this.#isClosed) return;
		const problem = this.#http.receive(bytes);
		this.#flush();
		if (problem) {
			this.#end(this.#error(problem));
			return;
		}
		if (this.#greeting && this.#http.sawSettings) {
			stopTimer(this.#greeting);
			this.#greeting = undefined;
		}
		if (this.#http.isGoingAway && !this.#isGoingAway && !this.#isClosed) {
			this.#isGoingAway = true;
			this.#options.onGoingAway();
		}
	}

	#startTimer(callback: () => void, delayMS: number): Timer {
		const timer = startTimer(() => {
			this.#timers.delete(timer);
			callback();
		}, delayMS);
		this.#timers.add(timer);
		return timer;
	}

	#stopTimer(timer: Timer | undefined): void {
		if (!timer) return;
		this.#timers.delete(timer);
		stopTimer(timer);
	}

	#flush(): void {
		if (this.#isClosed) return;
		const bytes = this.#http.takeOutput();
		if (bytes) this.#stream.write(bytes);
	}

	#end(error: TailnetError): void {
		this.#tellAnswers();
		if (this.#isClosed) return;
		this.close();
		// The owner first: it gives up the requests that mean nothing to it any more.
		this.#options.onClose(error);
		this.#http.close(error.message);
	}

	#ended(): TailnetError {
		if (this.#http.sawSettings) return new TailnetError("control-unreachable", `${this.#options.authority}: control closed the connection`);
		return this.#error(`the stream ended after the Noise handshake: version ${this.#options.version} may not be accepted`);
	}

	#error(text: string): TailnetError {
		return new TailnetError("control-protocol", `${this.#options.authority}: ${text}`);
	}
}

function textOf(parts: readonly Uint8Array[]): string {
	let length = 0;
	for (const part of parts) length += part.length;
	const all = new Uint8Array(length);
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return utf8Decode(all);
}
