/** "tailnet/host" under XS: the machine through hosts/xs/native.js. See modules/host-contract.ts. */

import type * as contract from "tailnet/host-contract";
import {
	Alarm,
	aeadOpen as aeadOpenInto,
	aeadSeal as aeadSealInto,
	argon2i as argon2iInto,
	blake2s as blake2sInto,
	boxOpen as boxOpenInto,
	boxSeal as boxSealInto,
	boxSharedKey as boxSharedKeyInto,
	defaultGateway as gatewayAndAddress,
	hkdfBlake2s as hkdfBlake2sInto,
	Lookup,
	machineFact,
	NativeStore,
	NativeTunnel,
	random,
	log as writeLine,
	x25519 as x25519Into,
	x25519Public,
} from "tailnet/native";

export { Connection } from "tailnet/host/connection";
export type * from "tailnet/host-contract";
export { crc32, ed25519Verify, equalBytes, JSONScanner, localAddresses, monotonicMS, utf8Decode, wallClockMS, wipe } from "tailnet/native";

const KEY_BYTES = 32;
const TAG_BYTES = 16;

export const machine: typeof contract.machine = Object.freeze({
	get os() {
		return machineFact(0);
	},
	get osVersion() {
		return machineFact(1);
	},
	get model() {
		return machineFact(2);
	},
	get hostname() {
		return machineFact(3);
	},
	get lacks() {
		return machineFact(4).split("\n").slice(0, -1);
	},
});

export function startTimer(callback: () => void, delayMS: number): contract.Timer {
	return { timer: new Alarm(callback, delayMS) };
}

export function stopTimer(timer: contract.Timer | undefined): void {
	if (timer) (timer.timer as Alarm).stop();
}

export function randomBytes(lengthBytes: number): Uint8Array {
	const out = new Uint8Array(lengthBytes);
	random(out);
	return out;
}

export function utf8Encode(text: string): Uint8Array {
	return new Uint8Array(ArrayBuffer.fromString(text));
}

export function base64Encode(bytes: Uint8Array): string {
	return bytes.toBase64();
}

export function base64Decode(text: string): Uint8Array | undefined {
	if (text.length % 4 !== 0) return undefined;
	try {
		return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
	} catch {
		return undefined;
	}
}

export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
	const out = new Uint8Array(KEY_BYTES);
	return x25519Into(out, privateKey, publicKey) ? out : undefined;
}

export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
	const out = new Uint8Array(KEY_BYTES);
	x25519Public(out, privateKey);
	return out;
}

export function blake2s(...parts: Uint8Array[]): Uint8Array {
	const out = new Uint8Array(KEY_BYTES);
	blake2sInto(out, ...parts);
	return out;
}

export function argon2i(secret: Uint8Array, salt: Uint8Array): Uint8Array | undefined {
	const out = new Uint8Array(KEY_BYTES);
	return argon2iInto(out, secret, salt) ? out : undefined;
}

export function hkdfBlake2s(salt: Uint8Array, inputKey: Uint8Array, count: number): Uint8Array[] {
	const out = new Uint8Array(count * KEY_BYTES);
	hkdfBlake2sInto(out, salt, inputKey);
	const outputs: Uint8Array[] = [];
	for (let i = 0; i < count; i += 1) outputs.push(out.slice(i * KEY_BYTES, (i + 1) * KEY_BYTES));
	return outputs;
}

export function aeadSeal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
	const out = new Uint8Array(plaintext.length + TAG_BYTES);
	aeadSealInto(out, key, nonce, associatedData, plaintext);
	return out;
}

export function aeadOpen(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
	const out = new Uint8Array(Math.max(0, ciphertext.length - TAG_BYTES));
	return aeadOpenInto(out, key, nonce, associatedData, ciphertext) ? out : undefined;
}

export function boxSharedKey(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
	const out = new Uint8Array(KEY_BYTES);
	return boxSharedKeyInto(out, privateKey, publicKey) ? out : undefined;
}

export function boxSeal(sharedKey: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
	const out = new Uint8Array(plaintext.length + TAG_BYTES);
	boxSealInto(out, sharedKey, nonce, plaintext);
	return out;
}

export function boxOpen(sharedKey: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
	const out = new Uint8Array(Math.max(0, sealed.length - TAG_BYTES));
	return boxOpenInto(out, sharedKey, nonce, sealed) ? out : undefined;
}

export function resolveHost(host: string): Promise<string[]> {
	return new Promise((resolve, reject) => {
		new Lookup(host, (result) => {
			if (typeof result !== "string") resolve(result);
			else reject({ code: result, message: `no address for ${host}` } satisfies { code: string; message: string });
		});
	});
}

export function defaultGateway(): contract.Gateway | undefined {
	const pair = gatewayAndAddress();
	return pair && { gateway: pair[0], address: pair[1] };
}

function ioError(error: unknown): contract.HostError {
	return { code: "io", message: (error as { message?: string }).message ?? String(error) };
}

export class Tunnel implements contract.Tunnel {
	readonly #native: NativeTunnel;

	constructor(configuration: Uint8Array, onWake: () => void) {
		try {
			this.#native = new NativeTunnel(configuration, onWake);
		} catch (error) {
			throw ioError(error);
		}
	}

	get port(): number {
		return this.#native.port;
	}

	send(record: Uint8Array): boolean {
		return this.#native.send(record);
	}

	receive(buffer: Uint8Array): number {
		return this.#native.receive(buffer);
	}

	openSocket(): number {
		return this.#native.openSocket();
	}

	streamWrite(socket: number, bytes: Uint8Array): number {
		return this.#native.streamWrite(socket, bytes);
	}

	streamRead(socket: number, into: Uint8Array): number {
		return this.#native.streamRead(socket, into);
	}

	derpReceive(region: number, bytes: Uint8Array): Uint8Array | undefined | -1 {
		const rest = this.#native.derpReceive(region, bytes);
		return typeof rest === "object" ? new Uint8Array(rest) : rest;
	}

	derpReset(region: number): void {
		this.#native.derpReset(region);
	}

	derpSend(region: number, buffer: Uint8Array): number {
		return this.#native.derpSend(region, buffer);
	}

	counters(): Record<string, number> {
		const values: Record<string, number> = {};
		this.#native.counters((name, value) => {
			values[name] = value;
		});
		return values;
	}

	close(): void {
		this.#native.close();
	}
}

class PlatformStore implements contract.Store {
	readonly #native: NativeStore;

	constructor(name: string) {
		try {
			this.#native = new NativeStore(name);
		} catch (error) {
			throw ioError(error);
		}
	}

	get(key: string): Uint8Array | undefined {
		try {
			const value = this.#native.get(key);
			return value && new Uint8Array(value);
		} catch (error) {
			throw ioError(error);
		}
	}

	set(key: string, value: Uint8Array): void {
		try {
			this.#native.set(key, value);
		} catch (error) {
			throw ioError(error);
		}
	}

	delete(key: string): void {
		try {
			this.#native.delete(key);
		} catch (error) {
			throw ioError(error);
		}
	}
}

class MemoryStore implements contract.Store {
	readonly #values = new Map<string, Uint8Array>();

	get(key: string): Uint8Array | undefined {
		return this.#values.get(key)?.slice();
	}

	set(key: string, value: Uint8Array): void {
		this.#values.set(key, value.slice());
	}

	delete(key: string): void {
		this.#values.delete(key);
	}
}

/** @param name an NVS namespace on ESP32, a folder in the simulator; without one the values live as long as the VM */
export function openStore(name: string | undefined): contract.Store {
	return name === undefined ? new MemoryStore() : new PlatformStore(name);
}

export function log(level: "debug" | "info" | "warning" | "error", text: string): void {
	if (level === "warning" || level === "error") writeLine(`tailnet ${level}: ${text}`);
}
