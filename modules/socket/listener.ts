/** A TCP listener on the tailnet only, to the contract of an ECMA-419 listener (platform/moddable.md §3.2). */
import { TailnetError } from "../errors.js";
import type { SocketEvents } from "../tunnel/link.js";
import { asCallback, checkFormat, checkPort, type SocketNode } from "./node.js";
import { TCP } from "./tcp.js";

export interface ListenerOptions {
	/**
	 * The getter tells which it is.
	 * @default any free one, as for 0
	 */
	port?: number;
	/** "socket/tcp", the only one. */
	format?: string;
	/** `read` gives so many connections now. */
	onReadable?(this: Listener, count: number): void;
	/** The listener is of no use any more. */
	onError?(this: Listener, error: TailnetError): void;
	/** Kept as `target` of the instance. */
	target?: unknown;
}

/** Connections that wait to be read; more are reset. */
const backlogLength = 32;

export class Listener {
	/** What the tunnel calls: no members of the listener, where every other name belongs to the app. */
	static readonly #Events = class implements SocketEvents {
		readonly #listener: Listener;

		constructor(listener: Listener) {
			this.#listener = listener;
		}

		accepted(socket: number, remoteAddress: Uint8Array, remotePort: number): void {
			this.#listener.#accepted(socket, remoteAddress, remotePort);
		}

		closed(reason: string): void {
			this.#listener.#closed(reason);
		}
	};

	/** The app's own. */
	target: unknown;
	readonly #node: SocketNode;
	readonly #makeTCP: () => TCP;
	#socket = 0;
	#port = 0;
	#queue: TCP[] = [];
	#refused = 0;
	#onReadable: ListenerOptions["onReadable"];
	#onError: ListenerOptions["onError"];

	/** @throws RangeError, TypeError for options of a wrong form; TailnetError "in-use", "full", "closed" */
	constructor(node: SocketNode, makeTCP: () => TCP, options: ListenerOptions = {}) {
		this.#node = node;
		this.#makeTCP = makeTCP;
		const onReadable = asCallback(options.onReadable, "onReadable");
		const onError = asCallback(options.onError, "onError");
		// As the SDK's listener: a port that is said and is undefined is a mistake of the app's.
		const wanted = "port" in options ? checkPort(options.port, 0) : 0;
		if (options.format !== undefined) this.format = options.format;
		if (options.target !== undefined) this.target = options.target;
		const port = node.ports.tcp.take(wanted);
		if (port === 0) throw new TailnetError("in-use", `TCP port ${wanted} is in use`);
		const socket = node.link.openSocket(new Listener.#Events(this));
		if (socket === 0) {
			node.ports.tcp.free(port);
			throw new TailnetError("full", "no socket is free");
		}
		this.#socket = socket;
		this.#port = port;
		this.#onReadable = onReadable;
		this.#onError = onError;
		node.link.tcpListen(socket, port);
	}

	/** "socket/tcp". */
	get format(): string {
		return "socket/tcp";
	}

	set format(value: string) {
		checkFormat(value, "socket/tcp");
	}

	/** The local one. */
	get port(): number {
		return this.#port;
	}

	/** Connections reset because 32 waited to be read already. */
	get refused(): number {
		return this.#refused;
	}

	/** A connection without callbacks, to be given as `from` to a new TCP; undefined when there is none. */
	read(): TCP | undefined {
		if (this.#socket === 0) throw new SyntaxError("closed");
		return this.#queue.shift();
	}

	/** Connections that nobody has read are closed. Idempotent. */
	close(): void {
		if (this.#socket === 0) return;
		this.#node.link.socketClose(this.#socket, false);
		this.#end();
	}

	#accepted(socket: number, remoteAddress: Uint8Array, remotePort: number): void {
		if (this.#queue.length === backlogLength) {
			this.#refused += 1;
			this.#node.link.socketClose(socket, true);
			return;
		}
		const connection = this.#makeTCP();
		TCP.accept(connection, socket, remoteAddress, remotePort);
		this.#queue.push(connection);
		if (!this.#onReadable) return;
		try {
			this.#onReadable.call(this, this.#queue.length);
		} catch (error) {
			this.#node.report(error);
		}
	}

	#closed(reason: string): void {
		if (this.#socket === 0) return;
		const onError = this.#onError;
		this.#node.link.socketClose(this.#socket, true);
		this.#end();
		onError?.call(this, new TailnetError("closed", `the listener was closed: ${reason}`));
	}

	#end(): void {
		this.#node.ports.tcp.free(this.#port);
		this.#socket = 0;
		for (const connection of this.#queue) connection.close();
		this.#queue = [];
		this.#onReadable = undefined;
		this.#onError = undefined;
	}
}
