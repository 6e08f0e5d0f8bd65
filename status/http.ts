/**
 * A page of ours by the SDK's HTTP server, over whichever listener.
 *
 * That server tells nothing of who is connected, waits for ever for a request, and keeps a head of any length, so connections are looked at, and bounded, as the
 * listener gives them. Answers are made, and sent, on turns of their own: from inside the server's callbacks the stack of a board would not do.
 */

import Resource from "Resource";
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers, type HTTPResponse } from "embedded:network/http/server";
import { log, startTimer, stopTimer, type Timer } from "tailnet/host";
import type { StatusAnswer, StatusRequest } from "./answer.js";
import type { Body, Bytes } from "./body.js";
import { EventStream } from "./events.js";

/** A connection as a listener gives it. */
interface Incoming {
	readonly remoteAddress?: string | undefined;
}

export interface HTTPOptions {
	/** Class of listener: the tailnet's or the system's. */
	io: new (
		options: never,
	) => { read(): Incoming | undefined };
	port: number;
	/** At the same time; more are closed unheard. */
	connections: number;
	/**
	 * A connection is taken so many milliseconds after it came, default 0. The SDK's own listener on an ESP32 wants some: its socket is handed over once more when it is
	 * taken, and what arrives at that very moment breaks it (Moddable SDK 8.2.3). By then a request is there, and the client is silent.
	 */
	settleMS?: number;
	answer(request: StatusRequest): StatusAnswer;
}

/** A request takes no longer, nor does an answer that is no stream of events: those have a bound of their own. */
const requestMS = 10_000;
const answerMS = 60_000;
/** Longest body of a request: what an action has to say stands in its head. */
const largestBodyBytes = 1024;
/** Longest request with its head: the server keeps that in memory, a line as a text and the values in a map. */
const largestRequestBytes = 8192;

type Serving = HTTPConnection & { serving: Connection };

/** A file of the app. */
export function resource(name: string): Bytes {
	const bytes = new Resource(name);
	return { lengthBytes: bytes.byteLength, slice: (begin, end) => new Uint8Array(bytes.slice(begin, end)) };
}

/** One connection: a request, its answer, the end. */
class Connection {
	readonly #http: HTTPConnection;
	readonly #answerTo: (request: StatusRequest) => StatusAnswer;
	readonly #ended: () => void;
	/** Ends what takes too long. */
	#timer: Timer | undefined;
	/** The next turn of ours. */
	#turn: Timer | undefined;
	#request: StatusRequest | undefined;
	#body: Body | undefined;
	#space = 0;
	#received = 0;

	constructor(http: HTTPConnection, answerTo: (request: StatusRequest) => StatusAnswer, ended: () => void) {
		this.#http = http;
		this.#answerTo = answerTo;
		this.#ended = ended;
		this.#timer = startTimer(() => this.close(), requestMS);
	}

	take(request: StatusRequest): void {
		this.#request = request;
	}

	/** What comes with a request is not looked at. */
	skip(count: number): void {
		this.#received += count;
		if (this.#received > largestBodyBytes) this.close();
		else this.#http.read(count);
	}

	/** The request is complete. */
	respond(response: HTTPResponse): void {
		this.#later(() => this.#respond(response));
	}

	/** Nothing else is waiting for a turn then. What goes wrong in it ends the connection alone. */
	#later(action: () => void): void {
		this.#turn ??= startTimer(() => {
			this.#turn = undefined;
			try {
				action();
			} catch (error) {
				log("error", `page: ${(error as { message?: string }).message ?? String(error)}`);
				this.close();
			}
		}, 0);
	}

	#respond(response: HTTPResponse): void {
		const answer = this.#answerTo(this.#request as StatusRequest);
		this.#request = undefined;
		stopTimer(this.#timer);
		this.#timer = answer.body instanceof EventStream ? undefined : startTimer(() => this.close(), answerMS);
		response.status = answer.status;
		for (const [name, value] of answer.headers) response.headers.set(name, value);
		this.#body = answer.body;
		// The server counts what is sent against a length that it is told; an answer without a body must not wait for that.
		if (answer.body.isEnded) response.headers.delete("content-length");
		answer.body.onMore = () => this.#sendSoon();
		this.#http.respond(response);
	}

	writable(count: number): void {
		this.#space = count;
		this.#sendSoon();
	}

	close(): void {
		this.#http.close();
		this.end();
	}

	/** The connection is gone. Idempotent. */
	end(): void {
		stopTimer(this.#timer);
		stopTimer(this.#turn);
		const body = this.#body;
		this.#body = undefined;
		if (body) {
			body.onMore = undefined;
			body.close();
		}
		this.#ended();
	}

	#sendSoon(): void {
		if (this.#body) this.#later(() => this.#send());
	}

	#send(): void {
		const body = this.#body;
		if (!body) return;
		while (this.#space > 0) {
			const part = body.next(this.#space);
			if (!part) break;
			this.#space = this.#http.write(part);
		}
		// With a length the server has ended by itself.
		if (body.isEnded && this.#body) this.close();
	}
}

const handlers: HTTPConnectionHandlers = {
	onReadable(this: Serving, count) {
		this.serving.skip(count);
	},
	onResponse(this: Serving, response) {
		this.serving.respond(response);
	},
	onWritable(this: Serving, count) {
		this.serving.writable(count);
	},
	onDone(this: Serving) {
		this.serving.end();
	},
	onError(this: Serving) {
		this.serving.end();
	},
};

/** What the server makes of a connection that it accepts ends when it is sent more than a request may have: all that there is, is read each time. */
function bound(connection: Incoming): void {
	const TCP = connection.constructor as new (options: object) => object;
	let received = 0;
	function accept(options: { onReadable(count: number): void; onError(error?: unknown): void }): object {
		return new TCP({
			...options,
			onReadable(count: number) {
				received += count;
				if (received > largestRequestBytes) options.onError();
				else options.onReadable(count);
			},
		});
	}
	Object.defineProperty(connection, "constructor", { value: accept });
}

/** @returns what ends it, and every connection of it @throws what the listener throws for the port */
export function serveHTTP({ io, port, connections, settleMS = 0, answer }: HTTPOptions): { close(): void } {
	const open = new Set<Connection>();
	/** Of the connection that the server has just taken. */
	let remoteAddress = "";
	const Listener = io as new (options: object) => { read(): Incoming | undefined };
	const settling = new Set<Timer>();
	const server = new HTTPServer({
		io: class extends Listener {
			constructor(options: { onReadable(count: number): void }) {
				super({
					...options,
					onReadable(count: number) {
						if (settleMS === 0) {
							options.onReadable.call(this, count);
							return;
						}
						const timer = startTimer(() => {
							settling.delete(timer);
							options.onReadable.call(this, count);
						}, settleMS);
						settling.add(timer);
					},
				});
			}

			override read() {
				const connection = super.read();
				remoteAddress = connection?.remoteAddress ?? "";
				if (connection) bound(connection);
				return connection;
			}
		} as never,
		port,
		onConnect(connection) {
			if (open.size >= connections) {
				connection.close();
				return;
			}
			const address = remoteAddress;
			const serving = new Connection(connection, answer, () => open.delete(serving));
			open.add(serving);
			(connection as Serving).serving = serving;
			connection.accept({
				...handlers,
				onRequest({ method, path, headers }) {
					serving.take({ method, path, header: (name) => headers.get(name), remoteAddress: address });
				},
			});
		},
	});
	return {
		close() {
			for (const timer of settling) stopTimer(timer);
			// Before the server, which does not know of them, and fails at the end of one that outlives it (Moddable SDK 8.2.3).
			for (const serving of [...open]) serving.close();
			server.close();
		},
	};
}
