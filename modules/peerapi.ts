/**
 * The PeerAPI in its smallest form: what `tailscale ping --peerapi` needs, and nothing that is worth protecting. Source: protocol/tunnel.md §5.5.
 *
 *   Origin, Referer, or a Host that is not ours   403
 *   GET, HEAD /                                   200
 *   /dns-query                                    403
 *   anything else                                 404
 *
 * Two connections at a time, 2 KiB of request head, 10 s, and the connection closes after the answer.
 */
import { startTimer, stopTimer, type Timer, utf8Decode, utf8Encode } from "tailnet/host";
import type { Listener } from "./socket/listener.js";
import type { TCP, TCPOptions } from "./socket/tcp.js";

/** A free choice, told to peers in Hostinfo.Services. */
export const peerAPIPort = 32801;

const largestHeadBytes = 2048;
const idleMS = 10_000;
const largestConnections = 2;

export interface PeerAPIOwner {
	readonly TCP: new (options?: TCPOptions) => TCP;
	readonly Listener: new (options: { port: number; onReadable(this: Listener): void }) => Listener;
	/** The address belongs to a peer of the network map. */
	isPeer(address: string): boolean;
	/** The address is one of ours. */
	isOwn(address: string): boolean;
}

/** @param head the request head without its last blank line. @returns status and body */
export function answerPeerAPI(head: string, isOwn: (address: string) => boolean): { status: number; reason: string; body: string; isHead: boolean } {
	const [line = "", ...fields] = head.split("\r\n");
	const [method = "", path = ""] = line.split(" ");
	const isHead = method === "HEAD";
	let host = "";
	for (const field of fields) {
		const colon = field.indexOf(":");
		const name = field.slice(0, colon).toLowerCase();
		const value = field.slice(colon + 1).trim();
		if (name === "origin" || (name === "referer" && value !== "")) return { status: 403, reason: "Forbidden", body: "invalid peerapi request\n", isHead };
		if (name === "host") host = value;
	}
	const address = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
	if (host !== "peer" && !isOwn(address)) return { status: 403, reason: "Forbidden", body: "invalid peerapi request\n", isHead };
	if (path === "/" && (method === "GET" || isHead)) return { status: 200, reason: "OK", body: "This is a Tailscale device.\n", isHead };
	if (path.startsWith("/dns-query")) return { status: 403, reason: "Forbidden", body: "denied\n", isHead };
	return { status: 404, reason: "Not Found", body: "unsupported peerapi path\n", isHead };
}

export class PeerAPI {
	readonly #owner: PeerAPIOwner;
	readonly #listener: Listener;
	#connections = new Set<PeerAPIConnection>();

	constructor(owner: PeerAPIOwner) {
		this.#owner = owner;
		const accept = (listener: Listener): void => this.#accept(listener);
		this.#listener = new owner.Listener({
			port: peerAPIPort,
			onReadable() {
				accept(this);
			},
		});
	}

	close(): void {
		this.#listener.close();
		for (const connection of [...this.#connections]) connection.close();
	}

	#accept(listener: Listener): void {
		for (let from = listener.read(); from; from = listener.read()) {
			if (!this.#owner.isPeer(from.remoteAddress)) {
				from.close();
				continue;
			}
			if (this.#connections.size >= largestConnections) {
				// The oldest has had its chance.
				const [oldest] = this.#connections;
				oldest?.close();
			}
			const connection = new PeerAPIConnection(this.#owner, from, () => this.#connections.delete(connection));
			this.#connections.add(connection);
		}
	}
}

class PeerAPIConnection {
	readonly #socket: TCP;
	readonly #owner: PeerAPIOwner;
	readonly #onClose: () => void;
	readonly #timer: Timer;
	readonly #head = new Uint8Array(largestHeadBytes);
	#used = 0;
	#answer: Uint8Array | undefined;
	#writable = 0;

	constructor(owner: PeerAPIOwner, from: TCP, onClose: () => void) {
		this.#owner = owner;
		this.#onClose = onClose;
		const readable = (): void => this.#readable();
		const writable = (count: number): void => this.#onWritable(count);
		const ended = (): void => this.close();
		this.#socket = new owner.TCP({
			from,
			onReadable() {
				readable();
			},
			onWritable(count) {
				writable(count);
			},
			onError() {
				ended();
			},
		});
		this.#timer = startTimer(ended, idleMS);
	}

	close(): void {
		stopTimer(this.#timer);
		this.#socket.close();
		this.#onClose();
	}

	#readable(): void {
		if (this.#answer) return;
		const room = this.#head.subarray(this.#used);
		if (room.length === 0) {
			this.close();
			return;
		}
		this.#used += (this.#socket.read(room) as number | undefined) ?? 0;
		const text = utf8Decode(this.#head.subarray(0, this.#used));
		const end = text.indexOf("\r\n\r\n");
		if (end < 0) {
			if (this.#used === largestHeadBytes) this.close();
			return;
		}
		const { status, reason, body, isHead } = answerPeerAPI(text.slice(0, end), (address) => this.#owner.isOwn(address));
		const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
		this.#answer = utf8Encode(isHead ? head : head + body);
		this.#finish();
	}

	#onWritable(count: number): void {
		this.#writable = count;
		this.#finish();
	}

	#finish(): void {
		if (!this.#answer || this.#writable < this.#answer.length) return;
		this.#socket.write(this.#answer);
		this.close();
	}
}
