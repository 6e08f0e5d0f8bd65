/**
 * One name asked of servers for its addresses of both families: the sockets and streams of its exchanges, on the host's clock.
 *
 *   servers inside the tailnet    UDP and TCP of the node
 *   others                        UDP of the network below, from a port of its own; TCP of the machine
 *
 * When one family has addresses the other is waited for a moment only (RFC 8305 §3). A server whose socket cannot be had is asked by stream.
 */
import { Connection, monotonicMS, randomBytes, startTimer, stopTimer, type Timer } from "tailnet/host";
import { timerAt } from "../deadline.js";
import { addressToText, ENDPOINT_BYTES } from "../netmap/address.js";
import type { SocketNode } from "../socket/node.js";
import { TCP } from "../socket/tcp.js";
import { answerReader, type StreamAnswer, streamRequest } from "./answer-stream.js";
import { Exchange, type Outcome } from "./exchange.js";
import type { AddressType } from "./message.js";
import type { DNSServer } from "./server.js";

export interface AskingOptions {
	/** Lower case, without trailing dot; one that can be asked. */
	readonly name: string;
	readonly servers: readonly DNSServer[];
	readonly node: SocketNode;
	/** Whether a server's address (16 bytes) is reached through the tunnel. */
	isInside(address: Uint8Array): boolean;
	/** Once, unless it is closed before; not from inside the constructor. */
	done(outcomes: readonly Outcome[]): void;
}

const ADDRESS_BYTES = 16;
const STREAM_MS = 5_000;
const OTHER_FAMILY_MS = 50;
const TYPES: readonly AddressType[] = Object.freeze(["A", "AAAA"]);
const FIRST_PORT = 32_768;
const PORTS = 16_384;
const PORT_TRIES = 8;

interface Asked extends DNSServer {
	readonly address: Uint8Array;
	readonly port: number;
	readonly isInside: boolean;
}

export class Asking {
	readonly #options: AskingOptions;
	readonly #servers: readonly Asked[];
	readonly #exchanges: Exchange[] = [];
	/** UDP sockets of the tunnel: of the tailnet, and outside of it. */
	readonly #sockets: { isInside: boolean; handle: number; port: number }[] = [];
	readonly #streams = new Set<{ close(): void }>();
	#timer: Timer | undefined;
	/** When the first family had addresses. */
	#firstAt: number | undefined;
	#closed = false;

	constructor(options: AskingOptions) {
		this.#options = options;
		this.#servers = options.servers.map((server) => {
			const address = server.endpoint.slice(0, ADDRESS_BYTES);
			const port = ((server.endpoint[ADDRESS_BYTES] as number) << 8) | (server.endpoint[ENDPOINT_BYTES - 1] as number);
			return { ...server, address, port, isInside: options.isInside(address) };
		});
		const hasDatagrams = this.#servers.map(({ path, isInside }) => path === undefined && this.#socket(isInside) !== 0);
		for (const type of TYPES) {
			const io = {
				random: () => random16(),
				send: (server: number, message: Uint8Array) => this.#send(server, message),
				stream: (server: number, message: Uint8Array) => this.#stream(type, server, message),
			};
			this.#exchanges.push(new Exchange({ name: options.name, type }, hasDatagrams, io, monotonicMS()));
		}
		this.#arm();
	}

	/** Idempotent; done is not called any more. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		stopTimer(this.#timer);
		for (const stream of this.#streams) stream.close();
		this.#streams.clear();
		const { link, ports } = this.#options.node;
		for (const { isInside, handle, port } of this.#sockets) {
			if (handle === 0) continue;
			link.socketClose(handle, false);
			if (isInside) ports.udp.free(port);
		}
	}

	/** The socket for servers of that side, opened when the first is asked. @returns 0 if none is to be had */
	#socket(isInside: boolean): number {
		const known = this.#sockets.find((socket) => socket.isInside === isInside);
		if (known) return known.handle;
		const { link, ports } = this.#options.node;
		const handle = link.openSocket({
			received: (address, port, payload) => this.#received(isInside, address, port, payload),
			closed: () => {}, // streams are left
		});
		let port = 0;
		if (handle !== 0 && isInside) {
			for (let i = 0; i < PORT_TRIES && port === 0; i += 1) port = ports.udp.take(FIRST_PORT + (random16() % PORTS));
			if (port === 0) port = ports.udp.take(0);
		}
		this.#sockets.push({ isInside, handle, port });
		if (handle !== 0) link.udpBind(handle, port, !isInside);
		return handle;
	}

	#send(index: number, message: Uint8Array): void {
		const { address, port, isInside } = this.#servers[index] as Asked;
		this.#options.node.link.udpSend(this.#socket(isInside), address, port, message);
	}

	#received(isInside: boolean, address: Uint8Array, port: number, payload: Uint8Array): void {
		for (const [i, server] of this.#servers.entries()) {
			if (server.isInside !== isInside || server.port !== port || server.address.some((byte, at) => byte !== address[at])) continue;
			for (const exchange of this.#exchanges) exchange.receive(i, payload);
		}
		this.#look();
	}

	#stream(type: AddressType, index: number, message: Uint8Array): void {
		const server = this.#servers[index] as Asked;
		const reader = answerReader(server);
		const finish = (answer: StreamAnswer): void => {
			if (answer === "more" || !this.#streams.delete(stream)) return;
			stream.close();
			const exchange = this.#exchanges[TYPES.indexOf(type)] as Exchange;
			if (answer !== "failed") exchange.receive(index, answer);
			// What does not answer the question is no answer, and nothing follows.
			exchange.streamFailed(index);
			this.#look();
		};
		const stream = this.#open(server, streamRequest(server, message), (bytes) => finish(bytes ? reader.push(bytes) : "failed"));
		this.#streams.add(stream);
	}

	/** @param receive told of bytes; undefined = the stream is over. Not called from inside */
	#open(server: Asked, request: Uint8Array, receive: (bytes: Uint8Array | undefined) => void): { close(): void } {
		const address = addressToText(server.address);
		if (!server.isInside) {
			const connection: Connection = new Connection({
				address,
				port: server.port,
				timeoutMS: STREAM_MS,
				onOpen: () => connection.write(request),
				onData: receive,
				onClose: () => receive(undefined),
			});
			return this.#limited(connection, receive);
		}
		return this.#limited(openInside(this.#options.node, address, server.port, request, receive), receive);
	}

	/** Streams that say nothing are given up. */
	#limited(stream: { close(): void }, receive: (bytes: undefined) => void): { close(): void } {
		const timer = startTimer(() => receive(undefined), STREAM_MS);
		return {
			close() {
				stopTimer(timer);
				stream.close();
			},
		};
	}

	#look(): void {
		if (this.#closed) return;
		const outcomes: Outcome[] = [];
		for (const { outcome } of this.#exchanges) if (outcome) outcomes.push(outcome);
		const now = monotonicMS();
		if (outcomes.some(({ kind }) => kind === "addresses")) this.#firstAt ??= now;
		const isOver = outcomes.length === TYPES.length || (this.#firstAt !== undefined && now >= this.#firstAt + OTHER_FAMILY_MS);
		if (!isOver) {
			this.#arm();
			return;
		}
		this.close();
		this.#options.done(outcomes);
	}

	#arm(): void {
		const now = monotonicMS();
		let next = this.#firstAt === undefined ? Number.POSITIVE_INFINITY : this.#firstAt + OTHER_FAMILY_MS;
		// Nothing is left to wait for where no server could be asked at all: that is told in the next turn.
		for (const { deadline } of this.#exchanges) next = Math.min(next, deadline ?? (this.#exchanges.every(({ outcome }) => outcome) ? now : next));
		this.#timer = timerAt(this.#timer, next, () => this.#tick());
	}

	#tick(): void {
		for (const exchange of this.#exchanges) exchange.tick(monotonicMS());
		this.#look();
	}
}

/** A stream over the tailnet. Its failures are told as its end, also that no socket is free. */
function openInside(node: SocketNode, address: string, port: number, request: Uint8Array, receive: (bytes: Uint8Array | undefined) => void): { close(): void } {
	let isWritten = false;
	try {
		const socket = new TCP(node, {
			address,
			port,
			onWritable() {
				if (isWritten) return;
				isWritten = true;
				this.write(request);
			},
			onReadable(count) {
				receive(new Uint8Array(this.read(count) as ArrayBuffer));
			},
			onError: () => receive(undefined),
		});
		return socket;
	} catch {
		const timer = startTimer(() => receive(undefined), 0);
		return { close: () => stopTimer(timer) };
	}
}

function random16(): number {
	const bytes = randomBytes(2);
	return ((bytes[0] as number) << 8) | (bytes[1] as number);
}
