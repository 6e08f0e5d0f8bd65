/** "tailnet/host" under Node: the machine through node:*, cryptography and the tunnel through the native core. See modules/host-contract.ts. */
import { lookup } from "node:dns";
import * as os from "node:os";
import type * as contract from "../../modules/host-contract.js";
import { addon } from "./addon.js";
import { readRoots } from "./roots.js";
import { openStore as openFolder } from "./store.js";

export { Connection } from "./connection.js";
export { defaultGateway } from "./gateway.js";

export const {
	monotonicMS,
	x25519,
	x25519PublicKey,
	blake2s,
	hkdfBlake2s,
	aeadSeal,
	aeadOpen,
	boxSharedKey,
	boxSeal,
	boxOpen,
	argon2i,
	ed25519Verify,
	equalBytes,
	wipe,
	crc32,
} = addon;
export const { JSONScanner } = addon;

export class Tunnel extends addon.Tunnel {
	constructor(...parameters: ConstructorParameters<typeof addon.Tunnel>) {
		super(...parameters);
		readRoots();
	}
}

/** Node's timers are 31 bits of milliseconds. */
const longestTimerMS = 0x7fffffff;

export function wallClockMS(): number {
	return Date.now();
}

export const machine = Object.freeze({
	os: os.platform() === "win32" ? "windows" : os.platform(),
	osVersion: os.release(),
	model: os.machine(),
	hostname: os.hostname(),
	lacks: [],
});

export function startTimer(callback: () => void, delayMS: number): contract.Timer {
	// A later one would fire at once; whoever waits for so long looks again then.
	return { timer: setTimeout(callback, Math.min(delayMS, longestTimerMS)) };
}

export function stopTimer(timer: contract.Timer | undefined): void {
	if (timer) clearTimeout(timer.timer as NodeJS.Timeout);
}

export function randomBytes(lengthBytes: number): Uint8Array {
	return crypto.getRandomValues(new Uint8Array(lengthBytes));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function utf8Encode(text: string): Uint8Array {
	return encoder.encode(text);
}

export function utf8Decode(bytes: Uint8Array): string {
	return decoder.decode(bytes);
}

export function base64Encode(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

export function base64Decode(text: string): Uint8Array | undefined {
	if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
	return new Uint8Array(Buffer.from(text, "base64"));
}

export function resolveHost(host: string): Promise<string[]> {
	return new Promise((resolve, reject) => {
		lookup(host, { all: true, verbatim: true }, (error, addresses) => {
			if (error) {
				const refusal: contract.HostError = { code: error.code === "ENOTFOUND" ? "not-found" : "io", message: `no address for ${host} (${error.code})` };
				reject(refusal);
				return;
			}
			const texts = addresses.sort((a, b) => a.family - b.family).map((entry) => entry.address);
			resolve(texts);
		});
	});
}

export function localAddresses(): string[] {
	const addresses: string[] = [];
	for (const entries of Object.values(os.networkInterfaces())) {
		for (const entry of entries ?? []) {
			if (entry.internal || entry.address.startsWith("fe80:")) continue;
			addresses.push(entry.address);
		}
	}
	return addresses;
}

export function openStore(name: string | undefined): contract.Store {
	return openFolder(name, (path) => addon.lockFile(path));
}

const levels = ["debug", "info", "warning", "error"] as const;

/** What is written: everything from this level up. The command line sets it. */
export const logging: { level: (typeof levels)[number] | "silent" } = { level: "warning" };

export function log(level: (typeof levels)[number], text: string): void {
	if (logging.level === "silent" || levels.indexOf(level) < levels.indexOf(logging.level)) return;
	process.stderr.write(`${level}: ${text}\n`);
}
