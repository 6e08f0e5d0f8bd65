/** A sensor with a page of its own, for the tailnet alone: http://sensor/ in a browser of any machine on it, http://sensor/reading for programs. */
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers } from "embedded:network/http/server";
import config from "mc/config";
import Tailnet from "tailnet";

const tailnet = new Tailnet({
	hostname: config.hostname,
	authKey: config.authKey,
	controlURL: config.controlURL,
	store: config.hostname,
	onStateChange: (state, reason) => trace(`${state} ${reason}\n`),
	onLogin: (url) => trace(`visit ${url}\n`),
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});

/** Degrees Celsius. Stands in for a driver: read your sensor here. */
function temperature(): number {
	const hours = Date.now() / 3_600_000;
	return 21 + 4 * Math.sin(hours) + Math.sin(hours * 17);
}

function page(): string {
	const peers = [...tailnet.peers].map(({ name, path }) => `<li>${name}${path ? ` by ${path}` : ""}`);
	return `<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="10">
<title>${config.hostname}</title>
<style>body { font: 1.2em sans-serif; margin: 2em } b { font-size: 4em }</style>
<h1>${tailnet.name}</h1>
<b>${temperature().toFixed(1)} °C</b>
<p>${tailnet.addresses.join(", ")}
<ul>${peers.join("")}</ul>
`;
}

type Answering = HTTPConnection & { path?: string; body?: Uint8Array };

const handlers: HTTPConnectionHandlers = {
	onRequest(this: Answering, { path }) {
		this.path = path;
	},
	onResponse(this: Answering, response) {
		let text = "not here\n";
		let type = "text/plain";
		if (this.path === "/") {
			text = page();
			type = "text/html";
		} else if (this.path === "/reading") {
			text = JSON.stringify({ celsius: temperature(), time: new Date().toISOString() });
			type = "application/json";
		} else response.status = 404;
		this.body = new Uint8Array(ArrayBuffer.fromString(text));
		response.headers.set("content-type", type);
		response.headers.set("content-length", this.body.length);
		this.respond(response);
	},
	onWritable(this: Answering, count) {
		const body = this.body as Uint8Array;
		this.body = body.subarray(count);
		this.write(body.subarray(0, count));
	},
};

// Listens on the tailnet only: on the local network the port is closed. (The SDK's types name its own listener; any class of that contract will do.)
new HTTPServer({ io: tailnet.Listener as never, port: 80, onConnect: (connection) => connection.accept(handlers) });
