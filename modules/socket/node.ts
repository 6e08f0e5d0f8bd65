/** What a socket needs of the node that it belongs to. */
import type { TunnelLink } from "../tunnel/link.js";

export interface SocketNode {
	readonly link: TunnelLink;
	/** Ports of listeners and UDP sockets on the tailnet, by "tcp" and "udp". */
	readonly ports: Ports;
	/** false: the network map is there, and no peer in it owns the address (16 bytes). */
	canReach(address: Uint8Array): boolean;
	/** An exception left an app's callback. */
	report(error: unknown): void;
	/** Runs later, outside the present call. */
	later(callback: () => void): void;
}

const firstEphemeral = 32768;
const ephemeralCount = 16384; // 32768..49151; lwIP takes its own for outgoing connections from 49152 up

/** The local ports in use. One object a node and protocol. */
export class PortSet {
	readonly #used = new Set<number>();
	#next: number;

	/** @param seed any number: where the search for a free port begins */
	constructor(seed: number) {
		this.#next = seed % ephemeralCount;
	}

	/** @param port 0 = any. @returns the port taken, or 0 when it is in use */
	take(port: number): number {
		if (port !== 0) {
			if (this.#used.has(port)) return 0;
			this.#used.add(port);
			return port;
		}
		for (let i = 0; i < ephemeralCount; i += 1) {
			const candidate = firstEphemeral + this.#next;
			this.#next = (this.#next + 1) % ephemeralCount;
			if (this.#used.has(candidate)) continue;
			this.#used.add(candidate);
			return candidate;
		}
		return 0;
	}

	free(port: number): void {
		this.#used.delete(port);
	}
}

export interface Ports {
	readonly tcp: PortSet;
	readonly udp: PortSet;
}

/** Checks a port of an options dictionary. @throws RangeError */
export function checkPort(value: unknown, smallest: number): number {
	const port = Number(value);
	if (!(Number.isInteger(port) && port >= smallest && port <= 65535)) throw new RangeError(`port: expected ${smallest} to 65535, got ${String(value)}`);
	return port;
}

/** Any ByteBuffer (ArrayBuffer, view) as bytes, without copying. @throws TypeError */
export function asBytes(value: unknown): Uint8Array {
	if (value instanceof Uint8Array) return value;
	if (value instanceof ArrayBuffer) return new Uint8Array(value);
	if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
	throw new TypeError("expected a buffer");
}

/** A byte of format "number". @throws TypeError, RangeError */
export function checkByte(value: unknown): number {
	if (typeof value !== "number") throw new TypeError(`expected a byte, got ${typeof value}`);
	if (!(Number.isInteger(value) && value >= 0 && value <= 255)) throw new RangeError(`expected a byte, got ${value}`);
	return value;
}

/** The format of a class that has only one. @throws RangeError */
export function checkFormat(value: unknown, only: string): void {
	if (value !== only) throw new RangeError(`format: expected "${only}", got ${String(value)}`);
}

/** An option that must be absent or a function. @throws TypeError */
export function asCallback<T>(value: T | undefined, name: string): T | undefined {
	if (value === undefined || value === null) return undefined;
	if (typeof value !== "function") throw new TypeError(`${name}: expected a function`);
	return value;
}
