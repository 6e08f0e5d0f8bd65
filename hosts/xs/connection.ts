/** Streams outside the tailnet (control, relays) under XS: native streams with room for what they cannot take at once. */

import type { ConnectionOptions, HostError, HostErrorCode } from "tailnet/host-contract";
import { Stream } from "tailnet/native";

const Event = Object.freeze({ opened: 1, readable: 2, drained: 4, closed: 8 });
const READ_BYTES = 1024;

export class Connection {
	readonly #options: ConnectionOptions;
	readonly #stream: Stream;
	#buffer: Uint8Array | undefined;
	/** Bytes that the stream had no room for, oldest first. */
	#waiting: Uint8Array[] = [];
	#waitingBytes = 0;
	#closed = false;

	constructor(options: ConnectionOptions) {
		const { tls } = options;
		this.#options = options;
		this.#stream = new Stream(
			(flags) => this.#event(flags),
			options.address,
			options.port,
			Math.min(options.connectTimeoutMS ?? options.timeoutMS, options.timeoutMS),
			options.timeoutMS,
			tls !== undefined,
			tls?.serverName,
			tls && (tls.certificateName ?? tls.serverName ?? options.address),
			tls?.certificateSHA256,
			tls?.authorities?.join("\n"),
			tls?.unverified === true,
		);
	}

	get pendingBytes(): number {
		return this.#closed ? 0 : this.#stream.pendingBytes + this.#waitingBytes;
	}

	get localAddress(): string {
		const address = this.#closed ? "" : this.#stream.localAddress;
		return address === "0:0:0:0:0:0:0:0" ? "" : address;
	}

	write(bytes: Uint8Array): void {
		if (this.#closed) return;
		const taken = this.#waitingBytes > 0 ? 0 : this.#stream.write(bytes, 0);
		if (taken === bytes.length) return;
		this.#waiting.push(bytes.slice(taken));
		this.#waitingBytes += bytes.length - taken;
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#stream.close();
		this.#buffer = undefined;
		this.#waiting = [];
	}

	#event(flags: number): void {
		if ((flags & Event.opened) !== 0 && !this.#closed) this.#options.onOpen();
		if ((flags & Event.readable) !== 0) this.#read();
		if ((flags & Event.drained) !== 0) this.#drain();
		if ((flags & Event.closed) !== 0) this.#end();
	}

	#read(): void {
		this.#buffer ??= new Uint8Array(READ_BYTES);
		while (!this.#closed) {
			const count = this.#stream.read(this.#buffer);
			if (count === 0) return;
			this.#options.onData(count === READ_BYTES ? this.#buffer : this.#buffer.subarray(0, count));
		}
	}

	/** The stream is empty: what waits goes in, as far as it fits. */
	#drain(): void {
		if (this.#closed) return;
		while (this.#waiting.length > 0) {
			const first = this.#waiting[0] as Uint8Array;
			const taken = this.#stream.write(first, 0);
			this.#waitingBytes -= taken;
			if (taken < first.length) {
				this.#waiting[0] = first.subarray(taken);
				return;
			}
			this.#waiting.shift();
		}
		if (this.#stream.pendingBytes === 0) this.#options.onDrain?.();
	}

	#end(): void {
		if (this.#closed) return;
		this.#read();
		if (this.#closed) return;
		const code = this.#stream.code as HostErrorCode | "";
		const message = this.#stream.reason;
		this.close();
		const error: HostError | undefined = code === "" ? undefined : { code, message };
		this.#options.onClose(error);
	}
}
