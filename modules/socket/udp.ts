/** UDP over the tailnet, to the contract of an ECMA-419 UDP socket (platform/moddable.md §3.2). */
import { TailnetError } from "../errors.js";
import { addressToText, parseAddress } from "../netmap/address.js";
import type { SocketEvents } from "../tunnel/link.js";
import { asBytes, asCallback, checkFormat, checkPort, type SocketNode } from "./node.js";

export interface UDPOptions {
	/**
	 * Local port.
	 * @default any free one, as for 0
	 */
	port?: number;
	/** "buffer", the only one. */
	format?: string;
	/** `read` gives so many datagrams now. */
	onReadable?(this: UDP, packets: number): void;
	/** The socket is of no use any more. */
	onError?(this: UDP, error: TailnetError): void;
	/** Kept as `target` of the instance. */
	target?: unknown;
}

/** A datagram as read gives it: its bytes, with the sender as own properties. */
export type Datagram = ArrayBuffer & { address: string; port: number };

/** Datagrams that wait to be read; the oldest is dropped. */
const queueLength = 64;

/** Largest payload in one inner packet of 1,280 bytes over IPv6. */
export const largestPayloadBytes = 1232;

export class UDP {
	/** What the tunnel calls: no members of the socket, where every other name belongs to the app. */
	static readonly #Events = class implements SocketEvents {
		readonly #udp: UDP;

		constructor(udp: UDP) {
			this.#udp = udp;
		}

		received(address: Uint8Array, port: number, payload: Uint8Array): void {
			this.#udp.#received(address, port, payload);
		}

		closed(): void {
			this.#udp.#closed();
		}
	};

	/** The app's own. */
	target: unknown;
	readonly #node: SocketNode;
	#socket = 0;
	#port = 0;
	#queue: Datagram[] = [];
	#dropped = 0;
	#onReadable: UDPOptions["onReadable"];
	#onError: UDPOptions["onError"];

	/** @throws RangeError, TypeError for options of a wrong form; TailnetError "in-use", "full", "closed" */
	constructor(node: SocketNode, options: UDPOptions = {}) {
		this.#node = node;
		const onReadable = asCallback(options.onReadable, "onReadable");
		const onError = asCallback(options.onError, "onError");
		const wanted = checkPort(options.port ?? 0, 0);
		if (options.format !== undefined) this.format = options.format;
		if (options.target !== undefined) this.target = options.target;
		const port = node.ports.udp.take(wanted);
		if (port === 0) throw new TailnetError("in-use", `UDP port ${wanted} is in use`);
		const socket = node.link.openSocket(new UDP.#Events(this));
		if (socket === 0) {
			node.ports.udp.free(port);
			throw new TailnetError("full", "no socket is free");
		}
		this.#socket = socket;
		this.#port = port;
		this.#onReadable = onReadable;
		this.#onError = onError;
		node.link.udpBind(socket, port);
	}

	/** "buffer". */
	get format(): string {
		return "buffer";
	}

	set format(value: string) {
		checkFormat(value, "buffer");
	}

	/** Local port. */
	get port(): number {
		return this.#port;
	}

	/** Datagrams lost because nobody read them: 64 are kept. */
	get dropped(): number {
		return this.#dropped;
	}

	/** The oldest datagram that waits: an ArrayBuffer with the sender as own properties `address` and `port`; undefined when there is none. */
	read(): Datagram | undefined {
		this.#check();
		return this.#queue.shift();
	}

	/**
	 * Sends one datagram. As with any UDP, that it leaves does not mean that it arrives.
	 * @param data at most 1,232 bytes
	 * @param address IP literal of either family
	 * @param port 1 to 65535
	 * @throws TypeError for an address that is no IP literal; RangeError for a port or length out of range
	 */
	write(data: ArrayBuffer | ArrayBufferView, address: string, port: number): void {
		this.#check();
		const bytes = asBytes(data);
		const to = parseAddress(String(address));
		if (!to) throw new TypeError(`address: expected an IP literal, got ${String(address)}`);
		if (bytes.length > largestPayloadBytes) throw new RangeError(`expected at most ${largestPayloadBytes} bytes, got ${bytes.length}`);
		this.#node.link.udpSend(this.#socket, to, checkPort(port, 1), bytes);
	}

	/** Idempotent, nothing is told afterwards; `read` and `write` throw SyntaxError then. */
	close(): void {
		if (this.#socket === 0) return;
		this.#node.link.socketClose(this.#socket, false);
		this.#end();
	}

	#received(address: Uint8Array, port: number, payload: Uint8Array): void {
		const datagram = payload.slice().buffer as Datagram;
		datagram.address = addressToText(address);
		datagram.port = port;
		if (this.#queue.length === queueLength) {
			this.#queue.shift();
			this.#dropped += 1;
		}
		this.#queue.push(datagram);
		if (!this.#onReadable) return;
		try {
			this.#onReadable.call(this, this.#queue.length);
		} catch (error) {
			this.#node.report(error);
		}
	}

	#closed(): void {
		const onError = this.#onError;
		if (this.#socket === 0) return;
		this.#node.link.socketClose(this.#socket, true);
		this.#end();
		onError?.call(this, new TailnetError("closed", "the socket was closed"));
	}

	#end(): void {
		this.#node.ports.udp.free(this.#port);
		this.#socket = 0;
		this.#queue = [];
		this.#onReadable = undefined;
		this.#onError = undefined;
	}

	#check(): void {
		if (this.#socket === 0) throw new SyntaxError("closed");
	}
}
