/** The SDK's MQTT client with a broker on a peer. */
import MQTTClient from "embedded:network/mqtt/client";
import { isPattern, pattern } from "classes/pattern";
import type Tailnet from "tailnet";

interface Client {
	write(data: ArrayBuffer | Uint8Array | null, options: object): number;
	read(count?: number): ArrayBuffer;
	close(): void;
}

/** The class as it is; its types leave parts of it out. */
const MQTT = MQTTClient as unknown as { new (options: object): Client } & Record<string, number>;

/** Bytes of a payload given to one write. */
const partBytes = 1000;

export interface Conversation {
	host: string;
	port: number;
	user?: string;
	password?: string;
	topic: string;
	/** Sizes of the messages to publish on the topic, which is subscribed to; each with the next quality of service of 0, 1, 2. */
	sizes: number[];
	/** Left to be told, when the connection ends without a goodbye. */
	will?: string;
}

/**
 * Connects, subscribes, publishes and gets everything back.
 * @returns what happened, in order: control packets by name, and the messages
 */
export function mqtt(tailnet: Tailnet, { host, port, user, password, topic, sizes, will }: Conversation): Promise<string[]> {
	return new Promise((resolve, reject) => {
		const story: string[] = [];
		const names = new Map(["CONNACK", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK", "PINGRESP"].map((name) => [MQTT[name], name]));
		let writable = 0;
		let isSubscribed = false;
		let at = 0;
		let sent = 0;
		let received = 0;
		let isSame = true;
		let quality = 0;
		const finish = (error?: Error): void => {
			// With a will the goodbye is left out: the broker tells it.
			if (!error && !will) client.write(null, { operation: MQTT["DISCONNECT"] });
			client.close();
			if (error) reject(error);
			else resolve(story);
		};
		const publish = (): void => {
			const size = sizes[at];
			if (size === undefined || !isSubscribed) return;
			while (sent < size) {
				const part = pattern(sent, Math.min(partBytes, size - sent)).slice();
				if (writable < part.length + topic.length + 16) return;
				writable = client.write(part, ...((sent === 0 ? [{ topic, byteLength: size, QoS: at % 3 }] : []) as [object]));
				sent += part.length;
			}
		};
		const client = new MQTT({
			host,
			port,
			id: `client-${topic}`,
			...(user ? { user, password: ArrayBuffer.fromString(password ?? "") } : {}),
			...(will ? { will: { topic: "will", message: will, QoS: 1 } } : {}),
			keepAlive: 20_000,
			dns: { io: tailnet.Resolver },
			socket: { io: tailnet.TCP },
			onWritable(count: number) {
				writable = count;
				publish();
			},
			onControl({ operation }: { operation: number }) {
				const name = names.get(operation) ?? String(operation);
				story.push(name);
				if (name === "SUBACK") {
					isSubscribed = true;
					publish();
				}
				if (name === "PINGRESP") finish();
				if (name !== "CONNACK") return;
				// Not from inside: the client has to know that it is connected first.
				Promise.resolve().then(() => {
					writable = client.write(null, { operation: MQTT["SUBSCRIBE"], items: [{ topic, QoS: 2 }] });
				});
			},
			onReadable(count: number, options: { topic?: string; more: boolean; QoS?: number }) {
				const part = new Uint8Array(client.read(count));
				if (options.topic !== undefined) quality = options.QoS ?? 0;
				isSame &&= isPattern(part, received);
				received += part.length;
				if (options.more) return;
				story.push(`message of ${received}${isSame ? "" : " that differs"} with QoS ${quality}`);
				received = sent = 0;
				at += 1;
				if (at < sizes.length) publish();
				else Promise.resolve().then(() => (writable = client.write(null, { operation: MQTT["PINGREQ"] })));
			},
			onError: () => finish(new Error(`the client failed after: ${story.join(", ")}`)),
		});
	});
}
