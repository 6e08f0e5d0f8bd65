/** Publishes a reading to a broker on the tailnet every ten seconds, and shows what others publish there. */
import MQTTClient from "embedded:network/mqtt/client";
import config from "mc/config";
import Tailnet from "tailnet";
import Timer from "timer";

const everyMS = 10_000;
const retryMS = 5000;
const topic = `sensors/${config.hostname}/celsius`;

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
	let from = "";
	let text = "";
	const again = (): void => {
		Timer.clear(timer);
		Timer.set(connect, retryMS);
	};
	const client = new MQTTClient({
		host: config.host,
		id: config.hostname,
		keepAlive: 60_000,
		dns: { io: tailnet.Resolver },
		socket: { io: tailnet.TCP },
		onControl(control: unknown) {
			if ((control as { operation: number }).operation !== MQTTClient.CONNACK) return;
			Timer.set(() => {
				client.write(new ArrayBuffer(0), { operation: MQTTClient.SUBSCRIBE, topic: "", items: [{ topic: "sensors/#" }] });
				timer = Timer.repeat(() => client.write(ArrayBuffer.fromString(temperature().toFixed(1)), { topic }), everyMS);
			});
		},
		onReadable(count, options) {
			if (options.topic !== undefined) {
				from = options.topic;
				text = "";
			}
			text += String.fromArrayBuffer(client.read(count));
			if (!options.more) trace(`${from}: ${text}\n`);
		},
		onClose: again,
		onError: again,
	});
}

tailnet.running.then(connect);
