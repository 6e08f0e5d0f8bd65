/**
 * The status page by the SDK's HTTP server, on the tailnet only:
 *
 *   import { serveStatus } from "tailnet/status/server";
 *   serveStatus(tailnet);          // http://greenhouse-1/ for every machine of the tailnet
 *
 * That server tells nothing of who is connected and waits for ever for a request, so connections are looked at as the listener gives them.
 */

import Resource from "Resource";
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers } from "embedded:network/http/server";
import type Tailnet from "tailnet";
import { startTimer, stopTimer, type Timer } from "tailnet/host";
import type { Body, Bytes } from "./body.js";
import { EventStream } from "./events.js";
import { Status, type StatusAnswer, type StatusOptions } from "./status.js";

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
	readonly #ended: () => void;
	#timer: Timer | undefined;
	#answer: StatusAnswer | undefined;
	#body: Body | undefined;
	#space = 0;
	#received = 0;

	constructor(http: HTTPConnection, ended: () => void) {
		this.#http = http;
		this.#ended = ended;
		this.#timer = startTimer(() => this.close(), requestMS);
	}

	take(answer: StatusAnswer): void {
		this.#answer = answer;
	}

	/** What comes with a request is not looked at. */
	skip(count: number): void {
		this.#received += count;
		if (this.#received > largestBodyBytes) this.close();
		else this.#http.read(count);
	}

	respond(response: { status: number; headers: Map<string, string | number> }): void {
		const answer = this.#answer;
		if (!answer) return;
		stopTimer(this.#timer);
		this.#timer = answer.body instanceof EventStream ? undefined : startTimer(() => this.close(), answerMS);
		response.status = answer.status;
		for (const [name, value] of answer.headers) response.headers.set(name, value);
		this.#body = answer.body;
		// The server counts what is sent against a length that it is told; an answer without a body must not wait for that.
		if (answer.body.isEnded) response.headers.delete("content-length");
		answer.body.onMore = () => this.#send();
		this.#http.respond(response);
	}

	writable(count: number): void {
		this.#space = count;
		this.#send();
	}

	close(): void {
		this.#http.close();
		this.end();
	}

	/** The connection is gone. Idempotent. */
	end(): void {
		stopTimer(this.#timer);
		this.#timer = undefined;
		const body = this.#body ?? this.#answer?.body;
		this.#body = undefined;
		this.#answer = undefined;
		if (body) {
			body.onMore = undefined;
			body.close();
		}
		this.#ended();
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
			const serving = new Connection(connection, () => {
				if (isOpen) connections -= 1;
				isOpen = false;
			});
			(connection as Serving).serving = serving;
			connection.accept({
				...handlers,
				onRequest({ method, path, headers }) {
					serving.take(status.answer({ method, path, header: (name) => headers.get(name), remoteAddress: address }));
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
