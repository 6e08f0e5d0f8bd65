/**
 * What every host puts behind the specifier "tailnet/host": the machine, as the modules see it.
 *
 * This file holds types only. hosts/node/host.ts, hosts/xs/host.ts and tests/xs/host.ts satisfy it; each has a
 * tsconfig that proves so. Nothing else in modules/ may know which machine it runs on.
 *
 * Bytes are Uint8Array, time is milliseconds, keys are raw (32 bytes). A callback is never run from inside the call
 * that was given it.
 */

/** Milliseconds of a clock that only goes forward; its zero is arbitrary. */
export declare function monotonicMS(): number;

/** Milliseconds since 1970 as this machine believes, or 0 if it has no idea. */
export declare function wallClockMS(): number;

/** Facts of the machine, for Hostinfo and for health. */
export declare const machine: {
	/** "linux", "darwin", "windows", "esp32" ... */
	readonly os: string;
	readonly osVersion: string;
	readonly model: string;
	/** Host name to use when the app gives none. */
	readonly hostname: string;
	/** Options of the machine's own software that the node goes without: "NAME: what that costs" each. */
	readonly lacks: readonly string[];
};

/** A one-shot timer. */
export interface Timer {
	readonly timer: unknown;
}

/** Runs callback once, delayMS from now (0 is allowed: a later turn). */
export declare function startTimer(callback: () => void, delayMS: number): Timer;

/** Stops a timer; harmless if it has fired. */
export declare function stopTimer(timer: Timer | undefined): void;

/** Cryptographically secure random bytes. */
export declare function randomBytes(lengthBytes: number): Uint8Array;

export declare function utf8Encode(text: string): Uint8Array;

/** Decodes UTF-8; malformed sequences become U+FFFD, nothing is thrown. */
export declare function utf8Decode(bytes: Uint8Array): string;

export declare function base64Encode(bytes: Uint8Array): string;

/** @returns undefined for text that is not standard base64 with padding */
export declare function base64Decode(text: string): Uint8Array | undefined;

// ---- Cryptography (libsodium and native/tn_blake2s on real hosts; @noble/* in tests) ----

/** X25519. @returns 32 bytes, or undefined when the result is all zero (low-order public key) */
export declare function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

/** @returns the 32-byte X25519 public key of a private key */
export declare function x25519PublicKey(privateKey: Uint8Array): Uint8Array;

/** BLAKE2s-256, unkeyed, of the concatenation of its arguments. @returns 32 bytes */
export declare function blake2s(...parts: Uint8Array[]): Uint8Array;

/** HKDF with HMAC-BLAKE2s-256 and empty info. @returns count outputs of 32 bytes */
export declare function hkdfBlake2s(salt: Uint8Array, inputKey: Uint8Array, count: number): Uint8Array[];

/** ChaCha20-Poly1305 (RFC 8439). @returns ciphertext followed by its 16-byte tag */
export declare function aeadSeal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;

/** @returns the plaintext, or undefined when the tag is wrong */
export declare function aeadOpen(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;

/** NaCl box: the 32-byte key shared by two X25519 keys (X25519, then HSalsa20). @returns undefined for a low-order key */
export declare function boxSharedKey(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

/** NaCl box with a precomputed key. @param nonce 24 bytes. @returns 16-byte tag followed by the ciphertext */
export declare function boxSeal(sharedKey: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array;

/** @returns the plaintext, or undefined when the tag is wrong */
export declare function boxOpen(sharedKey: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;

/**
 * Verifies an Ed25519 signature (RFC 8032) of a short message: the keys of tailnet lock.
 *
 * Real hosts ask libsodium, which refuses keys and nonces of small order and encodings that are not canonical, and takes the equation without cofactor. The
 * official client verifies what trusted keys sign by the rules of ZIP-215, which take all of that. Both agree on every signature that an honest signer makes.
 * They differ on those that the holder of a private key makes on purpose: such a one is refused here and taken there, so it can never make a node trust
 * more; the holder of a trusted key can so leave our node behind in the history of the authority, which is shown (condition "lock").
 * @param publicKey 32 bytes; @param signature 64 bytes. @returns false for other lengths as well
 * @throws Error if a device has no memory for it at present
 */
export declare function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;

/**
 * Argon2i (RFC 9106, version 0x13), 4 passes over 16 MiB in 4 lanes: what a tailnet's key authority keeps of a secret that ends tailnet lock. Blocks for some
 * 300 ms on a desktop.
 * @returns 32 bytes, or undefined where the machine has no such memory, as no device has
 */
export declare function argon2i(secret: Uint8Array, salt: Uint8Array): Uint8Array | undefined;

/** Constant-time comparison; false when the lengths differ. */
export declare function equalBytes(a: Uint8Array, b: Uint8Array): boolean;

/** Overwrites with zeros, in a way that no compiler removes. */
export declare function wipe(bytes: Uint8Array): void;

/** CRC-32 (IEEE, reflected) of bytes[0, lengthBytes). */
export declare function crc32(bytes: Uint8Array, lengthBytes: number): number;

// ---- Names and streams outside the tailnet (control, DERP) ----

/** Resolves a name with the platform's resolver. @returns address texts, IPv4 first; rejects with a HostError */
export declare function resolveHost(host: string): Promise<string[]>;

export interface TLSOptions {
	/** Name for SNI; absent for an IP literal. */
	serverName?: string;
	/** Name that the certificate must carry; default serverName, or the address for a literal. */
	certificateName?: string;
	/** Instead of a chain: lower-case hex SHA-256 of the DER of the only ordinary certificate. See protocol/relay.md §3.3. */
	certificateSHA256?: string;
	/** Additional trusted roots, PEM text. */
	authorities?: string[];
	/** No certificate check at all; only where the protocol authenticates by other means (ts2021, protocol/control.md §3.1). */
	unverified?: boolean;
}

export type HostErrorCode =
	| "not-found" // the name does not exist
	| "refused"
	| "unreachable"
	| "timeout"
	| "certificate" // the peer's certificate is not acceptable
	| "tls" // any other TLS failure
	| "closed" // the other side ended the stream
	| "io";

export interface HostError {
	code: HostErrorCode;
	/** What was expected and what came; never a secret. */
	message: string;
}

export interface ConnectionOptions {
	/** IP literal to dial. */
	address: string;
	port: number;
	/** Present: TLS. */
	tls?: TLSOptions;
	/** Limit for TCP and TLS together. */
	timeoutMS: number;
	/** Limit for TCP alone, default timeoutMS: an address that does not answer is left for the next one, a slow TLS handshake is not. */
	connectTimeoutMS?: number;
	/** Connected (with TLS: certificate accepted). */
	onOpen(): void;
	/** The buffer belongs to the receiver only during the call. */
	onData(bytes: Uint8Array): void;
	/** Everything written has left; called only after pendingBytes was above 0. */
	onDrain?(): void;
	/** Once, last. error is absent after an orderly end by the other side. Not called after close(). */
	onClose(error?: HostError): void;
}

/** A TCP or TLS byte stream outside the tailnet. */
export declare class Connection {
	constructor(options: ConnectionOptions);
	/** Queues bytes; they are copied before the call returns. */
	write(bytes: Uint8Array): void;
	/** Bytes written that the system has not taken yet. */
	readonly pendingBytes: number;
	/** Our own address of this stream, "" before onOpen. */
	readonly localAddress: string;
	/** Idempotent. No callback afterwards. */
	close(): void;
}

/** Addresses of this machine's interfaces, without loopback and link-local, outside the tailnet. */
export declare function localAddresses(): string[];

/** Where packets to other networks go: the router of the default route, and our own address towards it. */
export interface Gateway {
	/** IPv4 address, "192.168.1.1". */
	readonly gateway: string;
	/** IPv4 address of the interface that leads there. */
	readonly address: string;
}

/** The IPv4 default gateway; undefined if there is none, or the machine does not say. May be asked often. */
export declare function defaultGateway(): Gateway | undefined;

// ---- Store ----

/** Small values that survive a restart; a set is atomic and on disk when it returns. Values are at most 4 KB each. */
export interface Store {
	get(key: string): Uint8Array | undefined;
	set(key: string, value: Uint8Array): void;
	delete(key: string): void;
	/** Others may open it from now on. Not called twice. */
	close?(): void;
}

/**
 * Opens the store called name (a folder on desktops, an NVS namespace on ESP32). Without a name: memory only. @throws HostError code "io", also where
 * somebody else has it open: two nodes of one key would take each other's packets
 */
export declare function openStore(name: string | undefined): Store;

// ---- JSON scanner (native/tn_json) ----

/**
 * Cuts one JSON document into values worth parsing while it streams by. The schema says what to go into, what to keep and what to skip:
 * modules/netmap/json-schema.ts builds it, native/tn_json.h describes it.
 */
export declare class JSONScanner {
	/** @param schema compiled schema bytes; @param bufferBytes size of the one working buffer, at least 16 */
	constructor(schema: Uint8Array, bufferBytes: number);
	/**
	 * Feeds bytes. onValue(path, key, text) is called for every value kept: path is the schema's path number, key the member's name if the schema says
	 * "each member" ("" else), text its JSON. Members the schema drops are left out of text; integers of more than 15 digits come as strings.
	 * Text that is not JSON: "{", "[" before and "}", "]" after the content of a container that the schema announces; "" for a value that did not fit the buffer.
	 * @returns 0 = more is needed, 1 = the document is complete, -1 = malformed, nothing is taken until reset(), -2 = complete, but at least one value did not fit
	 */
	push(bytes: Uint8Array, onValue: (path: number, key: string, text: string) => void): number;
	/** Ready for the next document. */
	reset(): void;
	/** Largest number of buffer bytes used since construction. */
	readonly peakBytes: number;
}

// ---- The tunnel (native/tn_node) ----

/**
 * One node's data plane: WireGuard, filter, lwIP, UDP sockets, on a thread of its own. Talks to modules/ by records (modules/tunnel-records.ts, native/tn_records.h):
 * commands go in by send(), events come out by receive() after onWake.
 */
export declare class Tunnel {
	/** @param configuration the "configuration" record. @throws HostError code "io" when no UDP socket can be bound */
	constructor(configuration: Uint8Array, onWake: () => void);
	/** UDP port that is bound (both families). */
	readonly port: number;
	/** Queues one command record. @returns false when the ring is full: nothing was queued, try again after the next onWake */
	send(record: Uint8Array): boolean;
	/** Copies the next event record into buffer. @returns its length, 0 when there is none */
	receive(buffer: Uint8Array): number;
	/** Takes a free socket (TCP, listener or UDP). @returns its handle, or 0 when the pool is full */
	openSocket(): number;
	/** Copies bytes into a stream's send ring. @returns bytes taken (0..length) */
	streamWrite(socket: number, bytes: Uint8Array): number;
	/** Copies received bytes of a stream. @returns bytes copied */
	streamRead(socket: number, into: Uint8Array): number;
	/**
	 * Gives the bytes of one DERP connection to the tunnel, in order. RecvPacket frames are taken (data to WireGuard, DISCO to an event); every other frame is
	 * returned whole, concatenated, header included. @returns undefined when nothing is left; -1 when the stream is broken (frame above 1 MiB)
	 */
	derpReceive(region: number, bytes: Uint8Array): Uint8Array | undefined | -1;
	/** A new connection to region begins: forget any half frame. */
	derpReset(region: number): void;
	/** Fills buffer with whole SendPacket frames queued for region. @returns bytes filled, 0 when none */
	derpSend(region: number, buffer: Uint8Array): number;
	/** Counters and pool sizes, by name. */
	counters(): Record<string, number>;
	/** Stops the node's part of the thread, wipes keys, frees everything. Idempotent; blocks for at most one turn of the loop. */
	close(): void;
}

/** Writes one line of log (stderr, xsbug). Never called with a secret. */
export declare function log(level: "debug" | "info" | "warning" | "error", text: string): void;
