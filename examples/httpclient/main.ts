/** Reads a page of a peer once a minute, wherever the peer is. */
import HTTPClient from "embedded:network/http/client";
import config from "mc/config";
import Tailnet from "tailnet";
import Timer from "timer";

const everyMS = 60_000;

const tailnet = new Tailnet({
	hostname: config.hostname,
	authKey: config.authKey,
	controlURL: config.controlURL,
	store: config.hostname,
	onStateChange: (state, reason) => trace(`${state} ${reason}\n`),
	onLogin: (url) => trace(`visit ${url}\n`),
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});

function get(host: string, path: string): void {
	let text = "";
	const client = new HTTPClient({
		host,
		dns: { io: tailnet.Resolver },
		socket: { io: tailnet.TCP },
		onError: () => trace(`no connection to ${host}\n`),
	});
	client.request({
		path,
		onHeaders: (status) => trace(`${host}${path}: ${status}\n`),
		onReadable(count) {
			text += String.fromArrayBuffer(this.read(count) as ArrayBuffer);
		},
		onDone(error) {
			if (!error) trace(`${text}\n`);
			Timer.set(() => client.close());
		},
	});
}

tailnet.running.then(() => {
	get(config.host, config.path);
	Timer.repeat(() => get(config.host, config.path), everyMS);
});
