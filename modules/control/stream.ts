/**
 * One TCP or TLS stream to a named host outside the tailnet: resolves the name, tries its addresses in turn, tells what came of it in this library's
 * own errors. For /key, ts2021 and public ping URLs.
 *
 *   resolving → connecting (address after address) → open → closed
 */
import { Connection, log, resolveHost } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { HostError } from "../host-contract.js";
import { printable } from "./noise.js";

const MINIMUM_ADDRESS_MS = 3000;

export interface StreamOptions {
	/** Name or IP literal, without brackets. */
	host: string;
	port: number;
	isTLS: boolean;
	/** Trusted roots besides the machine's own, PEM. */
	authorities: string[] | undefined;
	/** For all addresses together; each gets its share, 3 s at least. */
	timeoutMS: number;
	onOpen(): void;
	/** The buffer belongs to the receiver only during the call. */
	onData(bytes: Uint8Array): void;
	/** Once, last; error is absent after an orderly end. Not called after close(). */
	onClose(error?: TailnetError): void;
}

export class Stream {
	readonly #options: StreamOptions;
	#connection: Connection | undefined;
	#isOpen = false;
	#isClosed = false;

	constructor(options: StreamOptions) {
		this.#options = options;
		if (isLiteral(options.host)) {
			this.#connect([options.host], 0);
			return;
		}
		resolveHost(options.host)
			.then(
				(addresses) => {
					if (this.#isClosed) return;
					if (addresses.length === 0) this.#end({ code: "not-found", message: "the name has no address" });
					else this.#connect(addresses, 0);
				},
				(error: unknown) => this.#end(asHostError(error)),
			)
			.catch((error: unknown) => log("error", `control: ${String(error)}`));
	}

	/** Our own address, "" before it is open. */
	get localAddress(): string {
		return this.#connection?.localAddress ?? "";
	}

	write(bytes: Uint8Array): void {
		if (this.#isOpen && !this.#isClosed) this.#connection?.write(bytes);
	}

	/** Idempotent. No callback afterwards. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#connection?.close();
	}

	#connect(addresses: string[], index: number): void {
		const { host, port, isTLS, authorities, timeoutMS } = this.#options;
		const tls = isTLS ? { ...(isLiteral(host) ? {} : { serverName: host }), ...(authorities ? { authorities } : {}) } : undefined;
		this.#connection = new Connection({
			address: addresses[index] as string,
			port,
			...(tls ? { tls } : {}),
			timeoutMS: Math.max(MINIMUM_ADDRESS_MS, Math.floor(timeoutMS / addresses.length)),
			onOpen: () => {
				if (this.#isClosed) return;
				this.#isOpen = true;
				this.#guard(() => this.#options.onOpen());
			},
			onData: (bytes) => {
				if (!this.#isClosed) this.#guard(() => this.#options.onData(bytes));
			},
			onClose: (error) => {
				if (this.#isClosed) return;
				// Another address may lead to another machine, but a bad certificate is a fact to be told.
				if (!this.#isOpen && index + 1 < addresses.length && error?.code !== "certificate") this.#connect(addresses, index + 1);
				else this.#end(error);
			},
		});
	}

	/** Nothing that comes from the network may throw out of a callback of the host: on XS that restarts the device. */
	#guard(call: () => void): void {
		try {
			call();
		} catch (error) {
			this.#connection?.close();
			this.#end({ code: "io", message: `internal error: ${error instanceof Error ? error.message : "not an Error"}` });
		}
	}

	#end(error?: HostError): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		if (!error && this.#isOpen) {
			this.#options.onClose();
			return;
		}
		const { host, port } = this.#options;
		const code = error?.code === "certificate" ? "certificate" : "control-unreachable";
		const text = error ? `${error.message} (${error.code})` : "the stream ended before it was open";
		this.#options.onClose(new TailnetError(code, `${host} port ${port}: ${printable(text)}`));
	}
}

/** Whether text is an IPv4 or IPv6 address rather than a name. */
export function isLiteral(host: string): boolean {
	return host.includes(":") || /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/.test(host);
}

function asHostError(error: unknown): HostError {
	const known = error as Partial<HostError> | undefined;
	if (typeof known?.code === "string" && typeof known.message === "string") return known as HostError;
	return { code: "io", message: String(error) };
}
