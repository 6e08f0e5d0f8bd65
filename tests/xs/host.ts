/**
 * "tailnet/host" for unit tests, in jest and in an XS engine: cryptography from @noble/* (independent of libsodium), a clock that moves only when a
 * test says so, streams that a test plays the other end of, and no network.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 as curve, ed25519 } from "@noble/curves/ed25519.js";
import { blake2s as hashBlake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import type * as contract from "../../modules/host-contract.js";

export { JSONScanner } from "./json-scanner.js";

// ---- Time ----

interface Entry {
	at: number;
	order: number;
	callback: () => void;
}

let clockMS = 1_000_000;
let wallMS = 1_700_000_000_000;
let order = 0;
const entries = new Set<Entry>();
let seed = 1;

export const machine = {
	os: "linux",
	osVersion: "test",
	model: "test",
	hostname: "test",
	get lacks() {
		return testing.lacks;
	},
};

export function monotonicMS(): number {
	return clockMS;
}

export function wallClockMS(): number {
	return wallMS;
}

export function startTimer(callback: () => void, delayMS: number): contract.Timer {
	const entry = { at: clockMS + Math.max(0, delayMS), order: order++, callback };
	entries.add(entry);
	return { timer: entry };
}

export function stopTimer(timer: contract.Timer | undefined): void {
	if (timer) entries.delete(timer.timer as Entry);
}

function nextEntry(until: number): Entry | undefined {
	let next: Entry | undefined;
	for (const entry of entries) {
		if (entry.at > until) continue;
		if (!next || entry.at < next.at || (entry.at === next.at && entry.order < next.order)) next = entry;
	}
	return next;
}

/** What a test may do to the machine. */
export const testing = {
	/** Lets ms pass, running due timers in order. Promise reactions between timers need `await testing.settle()`. */
	advance(ms: number): void {
		const until = clockMS + ms;
		for (let entry = nextEntry(until); entry; entry = nextEntry(until)) {
			entries.delete(entry);
			wallMS += Math.max(0, entry.at - clockMS);
			clockMS = Math.max(clockMS, entry.at);
			entry.callback();
		}
		wallMS += until - clockMS;
		clockMS = until;
	},
	/** Lets pending promise reactions run. */
	async settle(): Promise<void> {
		for (let i = 0; i < 20; i += 1) await undefined;
	},
	setWallClock(ms: number): void {
		wallMS = ms;
	},
	/** Timers that are waiting. */
	get timers(): number {
		return entries.size;
	},
	/** Streams opened since reset, oldest first. */
	connections: [] as Connection[],
	/** Answers of resolveHost, by name. */
	names: new Map<string, string[]>(),
	/** Interface addresses. */
	addresses: ["192.0.2.10"],
	/** The default gateway and our address towards it. */
	gateway: undefined as contract.Gateway | undefined,
	/** Pool sizes that the tunnel tells among its counters. */
	pools: {} as Record<string, number>,
	/** Options that the machine lacks. */
	lacks: [] as readonly string[],
	/** What argon2i() makes of a secret (as text: its bytes with commas), as far as this machine has memory for it. */
	derived: new Map<string, Uint8Array>(),
	/** No signature can be verified at present, for want of memory. */
	isShortOfMemory: false,
	/** Lines given to log(). */
	lines: [] as string[],
	/** Everything as at start: clock, timers, streams, names, random seed. */
	reset(newSeed = 1): void {
		clockMS = 1_000_000;
		wallMS = 1_700_000_000_000;
		entries.clear();
		seed = newSeed;
		testing.connections.length = 0;
		testing.names.clear();
		testing.lines.length = 0;
		testing.derived.clear();
		testing.isShortOfMemory = false;
		testing.pools = {};
		testing.lacks = [];
		testing.gateway = undefined;
		testing.addresses = ["192.0.2.10"];
		stores.clear();
		tunnels.length = 0;
	},
};

export function randomBytes(lengthBytes: number): Uint8Array {
	const bytes = new Uint8Array(lengthBytes);
	for (let i = 0; i < lengthBytes; i += 1) {
		seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
		bytes[i] = seed >>> 24;
	}
	return bytes;
}

// ---- Text ----

export function utf8Encode(text: string): Uint8Array {
	const bytes: number[] = [];
	for (const character of text) {
		const point = character.codePointAt(0) as number;
		if (point < 0x80) bytes.push(point);
		else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
		else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
		else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
	}
	return Uint8Array.from(bytes);
}

export function utf8Decode(bytes: Uint8Array): string {
	const parts: string[] = [];
	for (let i = 0; i < bytes.length; ) {
		const first = bytes[i] as number;
		const extra = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
		let point = extra <= 0 ? first : first & (0x3f >> extra);
		let ok = extra >= 0 && i + extra < bytes.length + 0;
		for (let k = 1; ok && k <= extra; k += 1) {
			const next = bytes[i + k] as number;
			if ((next & 0xc0) !== 0x80) ok = false;
			point = (point << 6) | (next & 63);
		}
		if (!ok || point > 0x10ffff) {
			parts.push("\ufffd");
			i += 1;
			continue;
		}
		parts.push(String.fromCodePoint(point));
		i += 1 + extra;
	}
	return parts.join("");
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function base64Encode(bytes: Uint8Array): string {
	let text = "";
	for (let i = 0; i < bytes.length; i += 3) {
		const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
		text += alphabet[group >> 18] as string;
		text += alphabet[(group >> 12) & 63] as string;
		text += i + 1 < bytes.length ? (alphabet[(group >> 6) & 63] as string) : "=";
		text += i + 2 < bytes.length ? (alphabet[group & 63] as string) : "=";
	}
	return text;
}

export function base64Decode(text: string): Uint8Array | undefined {
	if (text.length % 4 !== 0) return undefined;
	const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
	const bytes = new Uint8Array((text.length / 4) * 3 - padding);
	let at = 0;
	for (let i = 0; i < text.length; i += 4) {
		let group = 0;
		for (let k = 0; k < 4; k += 1) {
			const isPadding = i + k >= text.length - padding;
			const value = isPadding ? 0 : alphabet.indexOf(text[i + k] as string);
			if (value < 0) return undefined;
			group = (group << 6) | value;
		}
		for (let k = 16; k >= 0 && at < bytes.length; k -= 8) bytes[at++] = (group >> k) & 255;
	}
	return bytes;
}

// ---- Cryptography ----

/**
 * Curve results by their inputs: X25519 in BigInt takes 60 ms in an XS engine, and tests that begin with the same random seed make the same handshakes.
 */
const curveResults = new Map<string, Uint8Array | undefined>();
const MAXIMUM_CURVE_RESULTS = 4096;

function remembered(key: string, calculate: () => Uint8Array | undefined): Uint8Array | undefined {
	if (!curveResults.has(key)) {
		if (curveResults.size >= MAXIMUM_CURVE_RESULTS) curveResults.clear();
		curveResults.set(key, calculate());
	}
	return curveResults.get(key)?.slice(); // the caller may wipe it
}

export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
	return remembered(`${privateKey} ${publicKey}`, () => {
		try {
			return curve.getSharedSecret(privateKey, publicKey);
		} catch {
			return undefined; // @noble throws for a low-order key
		}
	});
}

export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
	return remembered(`${privateKey}`, () => curve.getPublicKey(privateKey)) as Uint8Array;
}

export function blake2s(...parts: Uint8Array[]): Uint8Array {
	const hash = hashBlake2s.create({});
	for (const part of parts) hash.update(part);
	return hash.digest();
}

export function hkdfBlake2s(salt: Uint8Array, inputKey: Uint8Array, count: number): Uint8Array[] {
	const output = hkdf(hashBlake2s, inputKey, salt, new Uint8Array(0), 32 * count);
	const keys: Uint8Array[] = [];
	for (let i = 0; i < count; i += 1) keys.push(output.slice(32 * i, 32 * i + 32));
	return keys;
}

export function aeadSeal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
	return chacha20poly1305(key, nonce, associatedData).encrypt(plaintext);
}

export function aeadOpen(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
	try {
		return chacha20poly1305(key, nonce, associatedData).decrypt(ciphertext);
	} catch {
		return undefined;
	}
}

/** X25519 and Salsa20 operations, and signatures verified so far, for tests that count them. */
export const operations = { box: 0, ed25519: 0 };

export function boxSharedKey(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
	operations.box += 1;
	const secret = x25519(privateKey, publicKey);
	if (!secret) return undefined;
	const words = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer);
	const out = new Uint32Array(8);
	hsalsa(words(utf8Encode("expand 32-byte k")), words(secret), new Uint32Array(4), out);
	return new Uint8Array(out.buffer);
}

export function boxSeal(sharedKey: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
	operations.box += 1;
	return xsalsa20poly1305(sharedKey, nonce).encrypt(plaintext);
}

export function boxOpen(sharedKey: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
	operations.box += 1;
	try {
		return xsalsa20poly1305(sharedKey, nonce).decrypt(sealed);
	} catch {
		return undefined;
	}
}

/** 16 MiB of hashing take minutes in an XS engine: what comes of a secret is said by the test. */
export function argon2i(secret: Uint8Array, _salt: Uint8Array): Uint8Array | undefined {
	return testing.derived.get(`${secret}`);
}

export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
	if (testing.isShortOfMemory) throw new Error("no memory to verify a signature");
	operations.ed25519 += 1;
	const isRight = remembered(`${publicKey} ${message} ${signature}`, () => {
		try {
			return Uint8Array.of(ed25519.verify(signature, message, publicKey, { zip215: false }) ? 1 : 0);
		} catch {
			return Uint8Array.of(0); // @noble throws for a wrong length
		}
	});
	return isRight?.[0] === 1;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
	let difference = a.length ^ b.length;
	for (let i = 0; i < a.length; i += 1) difference |= (a[i] as number) ^ (b[i] ?? 0);
	return difference === 0;
}

export function wipe(bytes: Uint8Array): void {
	bytes.fill(0);
}

export function crc32(bytes: Uint8Array, lengthBytes: number): number {
	let crc = 0xffffffff;
	for (let i = 0; i < lengthBytes; i += 1) {
		crc ^= bytes[i] as number;
		for (let k = 0; k < 8; k += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
	}
	return (crc ^ 0xffffffff) >>> 0;
}

// ---- Names and streams ----

export function resolveHost(host: string): Promise<string[]> {
	const addresses = testing.names.get(host);
	return addresses ? Promise.resolve(addresses.slice()) : Promise.reject({ code: "not-found", message: `no address for ${host}` });
}

/** A stream whose other end is the test: opened(), receive(bytes), closed(error); what was written is in `written`. */
export class Connection implements contract.Connection {
	readonly options: contract.ConnectionOptions;
	readonly written: Uint8Array[] = [];
	pendingBytes = 0;
	localAddress = "";
	isClosed = false;

	constructor(options: contract.ConnectionOptions) {
		this.options = options;
		testing.connections.push(this);
	}

	write(bytes: Uint8Array): void {
		if (this.isClosed) throw new Error("write after close");
		this.written.push(bytes.slice());
	}

	close(): void {
		this.isClosed = true;
	}

	/** Test side: everything written so far, and forget it. */
	take(): Uint8Array {
		let length = 0;
		for (const part of this.written) length += part.length;
		const all = new Uint8Array(length);
		let at = 0;
		for (const part of this.written) {
			all.set(part, at);
			at += part.length;
		}
		this.written.length = 0;
		return all;
	}

	/** Test side: connected. */
	opened(): void {
		this.localAddress = "192.0.2.10";
		if (!this.isClosed) this.options.onOpen();
	}

	/** Test side: bytes for the node. */
	receive(bytes: Uint8Array): void {
		if (!this.isClosed) this.options.onData(bytes);
	}

	/** Test side: everything written has left. */
	drained(): void {
		this.pendingBytes = 0;
		if (!this.isClosed) this.options.onDrain?.();
	}

	/** Test side: the end, or a failure. */
	closed(error?: contract.HostError): void {
		if (this.isClosed) return;
		this.isClosed = true;
		this.options.onClose(error);
	}
}

export function localAddresses(): string[] {
	return testing.addresses.slice();
}

export function defaultGateway(): contract.Gateway | undefined {
	return testing.gateway;
}

// ---- Store ----

const stores = new Map<string, contract.Store>();

function memoryStore(): contract.Store {
	const values = new Map<string, Uint8Array>();
	return {
		get: (key) => values.get(key)?.slice(),
		set: (key, value) => void values.set(key, value.slice()),
		delete: (key) => void values.delete(key),
	};
}

export function openStore(name: string | undefined): contract.Store {
	if (name === undefined) return memoryStore();
	let store = stores.get(name);
	if (!store) {
		store = memoryStore();
		stores.set(name, store);
	}
	return store;
}

// ---- The tunnel ----

/** Tunnels made since reset, oldest first. */
export const tunnels: Tunnel[] = [];

/** A data plane that a test plays: it keeps the commands it was sent, and says events. The real one needs the native core (*.addon.test.ts). */
export class Tunnel implements contract.Tunnel {
	readonly configuration: Uint8Array;
	/** Test side: 0 = no socket could be bound. */
	port = 41641;
	readonly sent: Uint8Array[] = [];
	/** Commands that the ring takes before it is full. */
	room = Number.POSITIVE_INFINITY;
	isClosed = false;
	readonly #onWake: () => void;
	readonly #events: Uint8Array[] = [];
	#sockets = 0;

	constructor(configuration: Uint8Array, onWake: () => void) {
		this.configuration = configuration.slice();
		this.#onWake = onWake;
		tunnels.push(this);
	}

	send(record: Uint8Array): boolean {
		if (this.room === 0) return false;
		this.room -= 1;
		this.sent.push(record.slice());
		return true;
	}

	receive(buffer: Uint8Array): number {
		const event = this.#events.shift();
		if (!event) return 0;
		buffer.set(event);
		return event.length;
	}

	openSocket(): number {
		this.#sockets += 1;
		return this.#sockets;
	}

	streamWrite(_socket: number, bytes: Uint8Array): number {
		return bytes.length;
	}

	streamRead(): number {
		return 0;
	}

	derpReceive(): undefined {}

	derpReset(): void {}

	derpSend(): number {
		return 0;
	}

	counters(): Record<string, number> {
		return { ...testing.pools, sent: this.sent.length };
	}

	close(): void {
		this.isClosed = true;
	}

	/** Test side: events that come with the next wake-up. */
	queue(...events: Uint8Array[]): void {
		this.#events.push(...events);
	}

	/** Test side. */
	wake(): void {
		this.#onWake();
	}

	/** Test side: an event, and its wake-up. */
	say(event: Uint8Array): void {
		this.queue(event);
		this.wake();
	}
}

export function log(level: string, text: string): void {
	testing.lines.push(`${level}: ${text}`);
}
