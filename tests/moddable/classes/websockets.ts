/** The SDK's WebSocket classes as clients of a peer's server, which sends every message back. */
import WebSocketClient from "embedded:network/websocket/client";
import { isPattern, pattern } from "classes/pattern";
import { WebSocket } from "classes/sdk";
import type Tailnet from "tailnet";

/** Bytes of one frame; a larger message goes in several. */
const frameBytes = 1000;

/**
 * Sends messages of these sizes, each when the one before has come back; then asks for a ping, and for a close or closes itself.
 * @returns what happened, in order
 */
export function webSocketClient(tailnet: Tailnet, host: string, port: number, sizes: number[], isClosing: boolean): Promise<string[]> {
	return new Promise((resolve, reject) => {
		const story: string[] = [];
		let writable = 0;
		let at = 0;
		/** Of the message under way. */
		let sent = 0;
		let received = 0;
		let text = "";
		const socket = new WebSocketClient({
			host,
			port,
			path: "/",
			dns: { io: tailnet.Resolver as never },
			socket: { io: tailnet.TCP as never },
			onWritable(count) {
				writable = count;
				send();
			},
			onReadable(count, { more, binary }) {
				const part = new Uint8Array(this.read(count));
				if (at < sizes.length) {
					if (!binary || !isPattern(part, received)) return reject(new Error(`message ${at} differs after ${received} bytes`));
					received += part.length;
					if (more) return;
					if (received !== sizes[at]) return reject(new Error(`message ${at}: ${received} of ${sizes[at]} bytes came back`));
					story.push(`message of ${received}`);
					at += 1;
					sent = received = 0;
					send();
					return;
				}
				text += String.fromArrayBuffer(part.buffer);
				if (more) return;
				story.push(text);
				text = "";
				if (isClosing) writable = this.write(Uint8Array.of(3, 232), { opcode: WebSocketClient.close });
				else writable = this.write(ArrayBuffer.fromString("close me"), { binary: false });
			},
			onControl(opcode) {
				story.push(opcode === WebSocketClient.ping ? "ping" : opcode === WebSocketClient.close ? "close" : "pong");
			},
			onClose: () => resolve([...story, "closed"]),
			onError: () => reject(new Error(`the connection failed after: ${story.join(", ")}`)),
		});
		const send = (): void => {
			if (at === sizes.length) {
				if (sent > 0 || writable < 20) return;
				sent = 1;
				writable = socket.write(ArrayBuffer.fromString("ping me"), { binary: false });
				return;
			}
			const size = sizes[at] as number;
			while (sent < size || (size === 0 && sent === 0)) {
				const part = pattern(sent, Math.min(frameBytes, size - sent)).slice();
				if (writable < part.length) return;
				writable = socket.write(part, { binary: true, more: sent + part.length < size });
				sent += part.length;
				if (size === 0) return;
			}
		};
	});
}

/** A short conversation with the class of the web's name. It takes its provider from its options. */
export function webSocket(tailnet: Tailnet, url: string): Promise<string[]> {
	return new Promise((resolve, reject) => {
		const story: string[] = [];
		const socket = new WebSocket({
			url,
			ws: { io: WebSocketClient, dns: { io: tailnet.Resolver }, socket: { io: tailnet.TCP } },
		});
		socket.onopen = () => {
			story.push("open");
			socket.send("a text");
		};
		socket.onmessage = ({ data }) => {
			if (typeof data === "string") {
				story.push(data);
				socket.send(pattern(0, 3000).slice().buffer);
				return;
			}
			story.push(`${data.byteLength} bytes ${isPattern(new Uint8Array(data), 0) ? "as sent" : "that differ"}`);
			socket.close(1000, "done");
		};
		socket.onclose = ({ code }) => resolve([...story, `closed with ${code}`]);
		socket.onerror = () => reject(new Error(`the connection failed after: ${story.join(", ")}`));
	});
}
