/** Keeps a WebSocket to a peer open: sends a reading every second, shows what comes. */
import WebSocketClient from "embedded:network/websocket/client";
import config from "mc/config";
import Tailnet from "tailnet";
import Timer from "timer";

const everyMS = 1000;
const retryMS = 5000;

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
	return 21 + 4 * Math.sin(Date.now() / 3_600_000);
}

function connect(): void {
	let timer: Timer | undefined;
	let writable = 0;
	let text = "";
	const send = (): void => {
		const message = ArrayBuffer.fromString(JSON.stringify({ celsius: temperature() }));
		if (writable >= message.byteLength) writable = socket.write(message, { binary: false });
	};
	const again = (): void => {
		Timer.clear(timer);
		Timer.set(connect, retryMS);
	};
	const socket = new WebSocketClient({
		host: config.host,
		port: Number(config.port),
		path: config.path,
		dns: { io: tailnet.Resolver },
		socket: { io: tailnet.TCP },
		onWritable(count) {
			writable = count;
			timer ??= Timer.repeat(send, everyMS);
		},
		onReadable(count, { more }) {
			text += String.fromArrayBuffer(this.read(count));
			if (more) return;
			trace(`${text}\n`);
			text = "";
		},
		onClose: again,
		onError: again,
	});
}

tailnet.running.then(connect);
