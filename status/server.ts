/**
 * The status page by the SDK's HTTP server, on the tailnet only:
 *
 *   import { serveStatus } from "tailnet/status/server";
 *   serveStatus(tailnet);          // http://greenhouse-1/ for every machine of the tailnet
 *
 * That server tells nothing of who is connected and waits for ever for a request, so connections are looked at as the listener gives them. Answers are made, and
 * sent, on turns of their own: from inside the server's callbacks the stack of a board would not do.
 */

import Resource from "Resource";
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers, type HTTPResponse } from "embedded:network/http/server";
import type Tailnet from "tailnet";
import { log, startTimer, stopTimer, type Timer } from "tailnet/host";
import type { Body, Bytes } from "./body.js";
import { EventStream } from "./events.js";
import { Status, type StatusAnswer, type StatusOptions, type StatusRequest } from "./status.js";

export interface ServerOptions extends StatusOptions {
	/** Default 80. */
	port?: number;
}

/** Connections at the same time, those of viewers among them; more are closed unheard. */
const spareConnections = 3;
const defaultViewers = 2;
/** A request takes no longer, nor does an answer that is no stream of events: those have a bound of their own. */
const requestMS = 10_000;
const answerMS = 60_000;
/** Longest body of a request: what an action has to say stands in its head. */
const largestBodyBytes = 1024;

type Serving = HTTPConnection & { serving: Connection };

function resource(name: string): Bytes {
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
				log("error", `status page: ${(error as { message?: string }).message ?? String(error)}`);
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

/**
 * Serves the status page of a node on its tailnet.
 * @returns what ends it
 * @throws TailnetError "in-use", "full" for the port, "closed"
 */
export function serveStatus(tailnet: Tailnet, options: ServerOptions = {}): { close(): void } {
	const viewers = options.viewers ?? defaultViewers;
	const status = new Status(tailnet, resource, { ...options, viewers });
	let connections = 0;
	/** Of the connection that the server has just taken. */
	let remoteAddress = "";
	const io = class extends tailnet.Listener {
		override read() {
			const connection = super.read();
			remoteAddress = connection?.remoteAddress ?? "";
			return connection;
		}
	};
	const server = new HTTPServer({
		io: io as never,
		port: options.port ?? 80,
		onConnect(connection) {
			if (connections >= viewers + spareConnections) {
				connection.close();
				return;
			}
			connections += 1;
			let isOpen = true;
			const address = remoteAddress;
			const ended = (): void => {
				if (isOpen) connections -= 1;
				isOpen = false;
			};
			const serving = new Connection(connection, (request) => status.answer(request), ended);
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
			status.close();
			server.close();
		},
	};
}
