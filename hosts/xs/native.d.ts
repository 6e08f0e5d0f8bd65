/** Types of native.js. Results that are bytes go into `out`, which must have their length. */
declare module "tailnet/native" {
	export function random(out: Uint8Array): void;
	export function x25519(out: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): boolean;
	export function x25519Public(out: Uint8Array, privateKey: Uint8Array): void;
	export function blake2s(out: Uint8Array, ...parts: Uint8Array[]): void;
	/** @param out 32 bytes for each output, up to three */
	export function hkdfBlake2s(out: Uint8Array, salt: Uint8Array, inputKey: Uint8Array): void;
	export function aeadSeal(out: Uint8Array, key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array): void;
	export function aeadOpen(out: Uint8Array, key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): boolean;
	export function boxSharedKey(out: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): boolean;
	export function boxSeal(out: Uint8Array, sharedKey: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): void;
	export function boxOpen(out: Uint8Array, sharedKey: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): boolean;
	export function argon2i(out: Uint8Array, secret: Uint8Array, salt: Uint8Array): boolean;
	export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
	export function equalBytes(a: Uint8Array, b: Uint8Array): boolean;
	export function wipe(bytes: Uint8Array): void;
	export function crc32(bytes: Uint8Array, lengthBytes: number): number;
	export function utf8Decode(bytes: Uint8Array): string;

	export function monotonicMS(): number;
	export function wallClockMS(): number;
	/** @param fact 0 OS, 1 its version, 2 model, 3 host name, 4 what it lacks: lines, each with its end */
	export function machineFact(fact: number): string;
	export function localAddresses(): string[];
	/** @returns the gateway and our address towards it */
	export function defaultGateway(): [string, string] | undefined;
	export function log(text: string): void;

	/** Calls back once, delayMS from now. */
	export class Alarm {
		constructor(callback: () => void, delayMS: number);
		stop(): void;
	}

	export class JSONScanner {
		constructor(schema: Uint8Array, bufferBytes: number);
		push(bytes: Uint8Array, onValue: (path: number, key: string, text: string) => void): number;
		reset(): void;
		readonly peakBytes: number;
	}

	export class NativeTunnel {
		constructor(configuration: Uint8Array, onWake: () => void);
		readonly port: number;
		send(record: Uint8Array): boolean;
		receive(buffer: Uint8Array): number;
		openSocket(): number;
		streamWrite(socket: number, bytes: Uint8Array): number;
		streamRead(socket: number, into: Uint8Array): number;
		derpReceive(region: number, bytes: Uint8Array): ArrayBuffer | undefined | -1;
		derpReset(region: number): void;
		derpSend(region: number, buffer: Uint8Array): number;
		counters(each: (name: string, value: number) => void): void;
		close(): void;
	}

	/** A connection outside the tailnet. Flags of an event: 1 opened, 2 readable, 4 everything written has left, 8 closed. */
	export class Stream {
		constructor(
			onEvent: (flags: number) => void,
			address: string,
			port: number,
			connectTimeoutMS: number,
			timeoutMS: number,
			hasTLS: boolean,
			serverName: string | undefined,
			expected: string | undefined,
			sha256: string | undefined,
			authorities: string | undefined,
			isUnverified: boolean,
		);
		/** @returns bytes taken, from offset on */
		write(bytes: Uint8Array, offset: number): number;
		read(into: Uint8Array): number;
		readonly pendingBytes: number;
		readonly localAddress: string;
		/** After closed: a HostErrorCode, "" for an orderly end. */
		readonly code: string;
		readonly reason: string;
		close(): void;
	}

	/** Looks up a name once: addresses, or a HostErrorCode. */
	export class Lookup {
		constructor(host: string, onDone: (result: string[] | string) => void);
	}

	/** Throws when the store cannot be used. */
	export class NativeStore {
		constructor(name: string);
		get(key: string): ArrayBuffer | undefined;
		set(key: string, value: Uint8Array): void;
		delete(key: string): void;
	}
}
