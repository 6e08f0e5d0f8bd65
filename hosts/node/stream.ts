/** A tailnet TCP connection as a Node stream, for Node's own http and for pipes. */
import { Duplex } from "node:stream";
import type { TCP, TCPOptions } from "../../modules/socket/tcp.js";

type TCPClass = new (options?: TCPOptions) => TCP;

/** Bytes taken from the connection at once. */
const readBytes = 65536;

export class TailnetStream extends Duplex {
	readonly #socket: TCP;
	readonly remoteAddress: string;
	readonly remotePort: number;
	#readable = 0;
	#writable = 0;
	#connected: boolean;
	#wantsData = false;
	/** What did not fit, and who waits for it. */
	#rest: Uint8Array | undefined;
	#done: ((error?: Error | null) => void) | undefined;
	#ended = false;

	/**
	 * @param TCPOf the node's class
	 * @param from an address and port to connect to, or a connection that a listener gave
	 */
	constructor(TCPOf: TCPClass, from: { address: string; port: number } | TCP) {
		super({ allowHalfOpen: true, highWaterMark: 262144 });
		const callbacks = {
			onReadable: (count: number) => this.#onReadable(count),
			onWritable: (count: number) => this.#onWritable(count),
			onError: (error: Error & { code?: string }) => this.#onEnd(error),
		};
		const isAccepted = from instanceof TCPOf;
		this.#connected = isAccepted;
		this.#socket = isAccepted
			? new TCPOf({ from: from as TCP, ...callbacks })
			: new TCPOf({ address: (from as { address: string }).address, port: (from as { port: number }).port, nodelay: true, ...callbacks });
		this.remoteAddress = this.#socket.remoteAddress;
		this.remotePort = this.#socket.remotePort;
	}

	override _read(): void {
		this.#wantsData = true;
		this.#pump();
	}

	override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
		this.#rest = chunk;
		this.#done = done;
		this.#flush();
	}

	/** The connection has no half-close: what was written leaves, then both directions end. */
	override _final(done: (error?: Error | null) => void): void {
		this.#close();
		if (!this.#ended) {
			this.#ended = true;
			this.push(null);
		}
		done();
	}

	override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
		this.#close();
		done(error);
	}

	#close(): void {
		this.#socket.close();
		this.#readable = 0;
		this.#writable = 0;
	}

	#onReadable(count: number): void {
		this.#readable = count;
		this.#pump();
	}

	#pump(): void {
		while (this.#wantsData && this.#readable > 0 && !this.#ended) {
			const buffer = Buffer.allocUnsafe(Math.min(this.#readable, readBytes));
			const count = (this.#socket.read(buffer) as number | undefined) ?? 0;
			this.#readable -= count;
			if (count === 0) return;
			this.#wantsData = this.push(count === buffer.length ? buffer : buffer.subarray(0, count));
		}
	}

	#onWritable(count: number): void {
		this.#writable = count;
		if (!this.#connected) {
			this.#connected = true;
			this.emit("connect");
		}
		this.#flush();
	}

	#flush(): void {
		const rest = this.#rest;
		if (!rest || this.#writable === 0 || this.destroyed) return;
		const part = rest.length <= this.#writable ? rest : rest.subarray(0, this.#writable);
		try {
			this.#writable = this.#socket.write(part);
		} catch (error) {
			// It has broken, and onError is still to come: whoever writes must not get the exception.
			this.destroy(error as Error);
			return;
		}
		if (part.length < rest.length) {
			this.#rest = rest.subarray(part.length);
			return;
		}
		const done = this.#done;
		this.#rest = undefined;
		this.#done = undefined;
		done?.();
	}

	/** "closed": the other side has stopped sending, and takes what we still have to write. */
	#onEnd(error: Error & { code?: string }): void {
		if (error.code !== "closed" || !this.#connected) this.destroy(error);
		else if (!this.#ended) {
			this.#ended = true;
			this.push(null);
		}
	}

	// What node:http asks of a socket.
	setTimeout(): this {
		return this;
	}

	setNoDelay(): this {
		return this;
	}

	setKeepAlive(): this {
		return this;
	}

	ref(): this {
		return this;
	}

	unref(): this {
		return this;
	}
}
