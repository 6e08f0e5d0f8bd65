/**
 * Where the contract of the sockets is tried: two nodes that reach each other, and time that passes. What it says must hold on any of them: on a tunnel that a test plays (loopback.ts;
 * in Node and in an XS engine), on two real nodes in Node, and on two in the simulator.
 */
import type { Listener, ListenerOptions } from "../../modules/socket/listener.js";
import type { Resolver } from "../../modules/socket/resolver.js";
import type { TCP, TCPOptions } from "../../modules/socket/tcp.js";
import type { UDP, UDPOptions } from "../../modules/socket/udp.js";

/** One node. */
export interface Side {
	readonly TCP: new (options?: TCPOptions) => TCP;
	readonly UDP: new (options?: UDPOptions) => UDP;
	readonly Listener: new (options?: ListenerOptions) => Listener;
	readonly Resolver: new (options?: object) => Resolver;
	readonly v4: string;
	readonly v6: string;
	/** Short name. */
	readonly name: string;
	/** Messages of exceptions that left an app's callback. */
	readonly reported: string[];
}

export interface Place {
	readonly a: Side;
	readonly b: Side;
	/** @throws Error that names what did not come */
	until(what: string, condition: () => boolean): Promise<void>;
	/** Lets everything happen that is under way. A listener and a UDP socket are heard by the other node from the next turn of their tunnel on, which is after this at the latest. */
	rest(): Promise<void>;
}

export interface Case {
	/** The sentence that it proves. */
	name: string;
	run(place: Place): Promise<void> | void;
}

function show(value: unknown): string {
	if (value instanceof Error) return `${value.name}: ${value.message}`;
	return JSON.stringify(value) ?? String(value);
}

/** @throws Error unless both are the same as JSON says them */
export function same(actual: unknown, expected: unknown, what = "it"): void {
	if (!Object.is(actual, expected) && show(actual) !== show(expected)) throw new Error(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

export function holds(condition: boolean, what: string): void {
	if (!condition) throw new Error(`does not hold: ${what}`);
}

/** @throws Error unless the action throws an error of that type */
export function throws(type: new (...parameters: never[]) => Error, action: () => unknown, what: string): void {
	try {
		action();
	} catch (error) {
		if (error instanceof type) return;
		throw new Error(`${what}: expected a ${type.name}, got ${show(error)}`);
	}
	throw new Error(`${what}: expected a ${type.name}, nothing was thrown`);
}

/** @returns the code of the TailnetError that the action throws */
export function codeOf(action: () => unknown): string {
	try {
		action();
	} catch (error) {
		return String((error as { code?: string }).code ?? error);
	}
	return "none";
}

/** A byte of a long stream, by its place. */
export const byteAt = (at: number): number => (at * 151 + (at >> 8) * 31) & 255;

export function pattern(at: number, length: number): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(length);
	for (let i = 0; i < length; i += 1) bytes[i] = byteAt(at + i);
	return bytes;
}

/** What a socket said, in order. */
export interface Told {
	readonly events: string[];
	/** Counts given last. */
	readable: number;
	writable: number;
	ended: string;
}

/** Callbacks that write down what they hear. `this` must be the socket, and the call must not come from inside a call of ours. */
export function listen(): Told & {
	callbacks: Required<Pick<TCPOptions, "onReadable" | "onWritable" | "onError">>;
	socket: TCP | undefined;
	isInside: boolean;
} {
	const told = {
		events: [] as string[],
		readable: 0,
		writable: 0,
		ended: "",
		socket: undefined as TCP | undefined,
		isInside: false,
		callbacks: {
			onReadable(this: TCP, count: number) {
				note(this, `readable ${count}`);
				told.readable = count;
			},
			onWritable(this: TCP, count: number) {
				note(this, `writable ${count}`);
				told.writable = count;
			},
			onError(this: TCP, error: { code: string }) {
				note(this, `error ${error.code}`);
				told.ended = error.code;
			},
		},
	};
	const note = (caller: TCP, text: string): void => {
		if (told.isInside) told.events.push("(called from inside a call)");
		if (told.socket && caller !== told.socket) told.events.push("(this is another object)");
		told.events.push(text);
	};
	return told;
}

/** Two ends of a connection that is open. */
export interface Pair {
	client: TCP;
	server: TCP;
	atClient: ReturnType<typeof listen>;
	atServer: ReturnType<typeof listen>;
	close(): void;
}

let nextPort = 2000;
export const freshPort = (): number => nextPort++;

/** Connects a to b. */
export async function connect(place: Place, options: TCPOptions = {}, serverOptions: TCPOptions = {}): Promise<Pair> {
	const { a, b, until } = place;
	const port = freshPort();
	const atClient = listen();
	const atServer = listen();
	const listener = new b.Listener({ port });
	await place.rest();
	const client = new a.TCP({ address: b.v4, port, ...atClient.callbacks, ...options });
	atClient.socket = client;
	let shell: TCP | undefined;
	await until("a connection at the listener", () => {
		shell ??= listener.read();
		return shell !== undefined;
	});
	const server = new b.TCP({ from: shell as TCP, ...atServer.callbacks, ...serverOptions });
	atServer.socket = server;
	if (!options.onWritable) await until("the client may write", () => atClient.writable > 0);
	if (!serverOptions.onWritable) await until("the server may write", () => atServer.writable > 0);
	return {
		client,
		server,
		atClient,
		atServer,
		close() {
			client.close();
			server.close();
			listener.close();
		},
	};
}

/** Reads that many bytes, as they come. */
export async function take(place: Place, socket: TCP, count: number): Promise<Uint8Array> {
	const bytes = new Uint8Array(count);
	let got = 0;
	await place.until(`${count} bytes`, () => {
		while (got < count) {
			const part = socket.read(bytes.subarray(got)) as number | undefined;
			if (part === undefined) return false;
			got += part;
		}
		return true;
	});
	return bytes;
}
