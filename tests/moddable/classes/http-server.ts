/** The SDK's HTTP server on a tailnet listener: pages, echoes of what is posted, and WebSockets. */
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers } from "embedded:network/http/server";
import WebSocketClient from "embedded:network/websocket/client";
import { WebPage, WebSocketHandshake } from "classes/sdk";
import type Tailnet from "tailnet";

type Bytes = Uint8Array<ArrayBuffer>;
type Served = HTTPConnection & { body?: Bytes; at?: number };

function append(body: Bytes | undefined, part: ArrayBuffer): Bytes {
	const all = new Uint8Array((body?.length ?? 0) + part.byteLength);
	if (body) all.set(body);
	all.set(new Uint8Array(part), body?.length ?? 0);
	return all;
}

const echo: HTTPConnectionHandlers = {
	onReadable(this: Served, count) {
		this.body = append(this.body, this.read(count) as ArrayBuffer);
	},
	onResponse(this: Served, response) {
		this.at = 0;
		response.headers.set("content-length", this.body?.length ?? 0);
		this.respond(response);
	},
	onWritable(this: Served, count) {
		const body = this.body ?? new Uint8Array(0);
		const at = this.at as number;
		const part = body.slice(at, at + count);
		this.at = at + part.length;
		if (part.length > 0) this.write(part.buffer);
	},
};

/** Everything that comes is sent back, message by message. */
function echoMessages(attach: { constructor: new (options: object) => object }): void {
	let message: Bytes = new Uint8Array(0);
	let writable = 0;
	let waiting: { data: Uint8Array; binary: boolean } | undefined;
	const flush = (): void => {
		if (!waiting || waiting.data.length > writable) return;
		const { data, binary } = waiting;
		waiting = undefined;
		writable = socket.write(data, { binary });
	};
	const socket = new WebSocketClient({
		attach,
		onReadable(count, { more, binary }) {
			message = append(message, this.read(count));
			if (more) return;
			waiting = { data: message, binary };
			message = new Uint8Array(0);
			flush();
		},
		onWritable(count) {
			writable = count;
			flush();
		},
		onClose() {},
		onError() {},
	});
}

export function serve(tailnet: Tailnet, port: number): void {
	const routes = new Map<string, object>([
		["/page", { ...WebPage, data: new Uint8Array(1000).fill(97).buffer, contentType: "text/plain" }],
		["/echo", echo],
		[
			"/socket",
			{
				...WebSocketHandshake,
				onDone(this: HTTPConnection) {
					echoMessages(this.detach() as never);
				},
			},
		],
	]);
	new HTTPServer({
		io: tailnet.Listener as never,
		port,
		onConnect(connection) {
			connection.accept({
				onRequest({ path }) {
					const route = routes.get(path);
					if (route) this.route = route;
				},
				onResponse(response) {
					response.status = 404;
					response.headers.set("content-length", 0);
					this.respond(response);
				},
			});
		},
	});
}
