/**
 * DISCO messages: what stands inside the box. Source: protocol/relay.md §2.3-2.5.
 *
 *   0      1        2
 *   type | version | payload                              integers big-endian; an endpoint is address 16 (IPv4 as ::ffff:a.b.c.d) + port 2
 *
 *   01 ping                  transaction 12 | node key 32 | padding n               no key when fewer than 32 bytes follow the transaction
 *   02 pong                  transaction 12 | endpoint 18 (where the ping was seen)
 *   03 call-me-maybe         endpoint 18 * k
 *   04 bind                  VNI 4 | generation 4 | remote disco key 32 | challenge 32 (zero)
 *   05 bind-challenge        the same
 *   06 bind-answer           the same
 *   07 call-me-maybe-via     body
 *   08 allocate-request      two disco keys 64 | generation 4
 *   09 allocate-response     generation 4 | body
 *
 *   body                     relay disco key 32 | two disco keys 64 | Lamport 8 | VNI 4 | bind lifetime ns 8 | steady lifetime ns 8 | endpoint 18 * k, k >= 1
 *
 * Senders write version 0. Bytes at the end of 01, 02, 04, 05, 06 and 08 are always ignored, so that newer senders may add some; 03, 07 and 09 end in a
 * list and cannot be extended. Another version than 0 is no error: 03, 07, 08 and 09 are then empty, the others are read as version 0.
 */

export const TRANSACTION_BYTES = 12;
export const KEY_BYTES = 32;
export const ENDPOINT_BYTES = 18;

const HEAD = 2;
const PING = 1;
const PONG = 2;
const CALL_ME_MAYBE = 3;
const BIND = 4;
const BIND_CHALLENGE = 5;
const BIND_ANSWER = 6;
const CALL_ME_MAYBE_VIA = 7;
const ALLOCATE_REQUEST = 8;
const ALLOCATE_RESPONSE = 9;
const RELAY_BODY_BYTES = 124;

export interface Ping {
	type: "ping";
	/** 12 bytes, random for each ping: the only thing that makes a pong hard to guess for someone who holds the disco key of another peer. */
	transaction: Uint8Array;
	/** The sender's node key; absent from very old senders. */
	nodeKey?: Uint8Array;
	/** Bytes after the key, for path MTU probes. Never echoed. */
	padding: number;
}

export interface Pong {
	type: "pong";
	transaction: Uint8Array;
	/** Where the ping came from: 18 bytes. For a ping over DERP 127.3.3.40 with the region as port. */
	source: Uint8Array;
}

export interface CallMeMaybe {
	type: "call-me-maybe";
	/** 18 bytes each; nothing is filtered. */
	endpoints: Uint8Array[];
}

export interface Bind {
	type: "bind" | "bind-challenge" | "bind-answer";
	vni: number;
	generation: number;
	/** Disco key of the other client of this relay. */
	remoteKey: Uint8Array;
	challenge: Uint8Array;
}

/** What a relay serves for two clients. */
export interface RelayBody {
	serverKey: Uint8Array;
	/** In ascending byte order. */
	clientKeys: [Uint8Array, Uint8Array];
	lamport: bigint;
	vni: number;
	bindLifetimeNS: bigint;
	steadyLifetimeNS: bigint;
	endpoints: Uint8Array[];
}

export interface CallMeMaybeVia extends RelayBody {
	type: "call-me-maybe-via";
}

export interface AllocateRequest {
	type: "allocate-request";
	clientKeys: [Uint8Array, Uint8Array];
	generation: number;
}

export interface AllocateResponse extends RelayBody {
	type: "allocate-response";
	generation: number;
}

export type DiscoMessage = Ping | Pong | CallMeMaybe | Bind | CallMeMaybeVia | AllocateRequest | AllocateResponse;

/** Why plaintext is no message: "short", or a type that only newer nodes know. Neither deserves a log line. */
export type ParseError = "short" | "unknown";

/**
 * Reads one message. Keys, transactions and endpoints are views into plaintext.
 * @returns the message, or why there is none
 */
export function parseMessage(plaintext: Uint8Array): DiscoMessage | ParseError {
	if (plaintext.length < HEAD) return "short";
	const version = plaintext[1] as number;
	const payload = plaintext.subarray(HEAD);
	switch (plaintext[0]) {
		case PING:
			return parsePing(payload);
		case PONG:
			return parsePong(payload);
		case CALL_ME_MAYBE:
			return parseCallMeMaybe(version, payload);
		case BIND:
			return parseBind("bind", payload);
		case BIND_CHALLENGE:
			return parseBind("bind-challenge", payload);
		case BIND_ANSWER:
			return parseBind("bind-answer", payload);
		case CALL_ME_MAYBE_VIA:
			return parseCallMeMaybeVia(version, payload);
		case ALLOCATE_REQUEST:
			return parseAllocateRequest(version, payload);
		case ALLOCATE_RESPONSE:
			return parseAllocateResponse(version, payload);
		default:
			return "unknown";
	}
}

/**
 * The plaintext of one message, ready to be sealed.
 * @throws {RangeError} when a key, transaction or endpoint has a wrong length
 */
export function appendMessage(message: DiscoMessage): Uint8Array {
	switch (message.type) {
		case "ping":
			return appendPing(message);
		case "pong":
			return appendPong(message);
		case "call-me-maybe":
			return appendCallMeMaybe(message);
		case "bind":
		case "bind-challenge":
		case "bind-answer":
			return appendBind(message);
		case "call-me-maybe-via":
			return appendCallMeMaybeVia(message);
		case "allocate-request":
			return appendAllocateRequest(message);
		case "allocate-response":
			return appendAllocateResponse(message);
	}
}

function parsePing(payload: Uint8Array): Ping | ParseError {
	if (payload.length < TRANSACTION_BYTES) return "short";
	const transaction = payload.subarray(0, TRANSACTION_BYTES);
	const rest = payload.length - TRANSACTION_BYTES;
	if (rest < KEY_BYTES) return { type: "ping", transaction, padding: rest };
	const nodeKey = payload.subarray(TRANSACTION_BYTES, TRANSACTION_BYTES + KEY_BYTES);
	const padding = rest - KEY_BYTES;
	return isZero(nodeKey) ? { type: "ping", transaction, padding } : { type: "ping", transaction, nodeKey, padding };
}

function appendPing(message: Ping): Uint8Array {
	const keyBytes = message.nodeKey ? KEY_BYTES : 0;
	const out = start(PING, TRANSACTION_BYTES + keyBytes + message.padding);
	put(out, 2, message.transaction, TRANSACTION_BYTES);
	if (message.nodeKey) put(out, 14, message.nodeKey, KEY_BYTES);
	return out;
}

function parsePong(payload: Uint8Array): Pong | ParseError {
	if (payload.length < TRANSACTION_BYTES + ENDPOINT_BYTES) return "short";
	return { type: "pong", transaction: payload.subarray(0, TRANSACTION_BYTES), source: payload.subarray(TRANSACTION_BYTES, TRANSACTION_BYTES + ENDPOINT_BYTES) };
}

function appendPong(message: Pong): Uint8Array {
	const out = start(PONG, TRANSACTION_BYTES + ENDPOINT_BYTES);
	put(out, 2, message.transaction, TRANSACTION_BYTES);
	put(out, 14, message.source, ENDPOINT_BYTES);
	return out;
}

/** A list of the wrong length is a list without entries, not an error: the message still clears what an earlier one named. */
function parseCallMeMaybe(version: number, payload: Uint8Array): CallMeMaybe {
	const usable = version === 0 && payload.length % ENDPOINT_BYTES === 0;
	return { type: "call-me-maybe", endpoints: usable ? endpointsOf(payload) : [] };
}

function appendCallMeMaybe(message: CallMeMaybe): Uint8Array {
	const out = start(CALL_ME_MAYBE, message.endpoints.length * ENDPOINT_BYTES);
	putEndpoints(out, HEAD, message.endpoints);
	return out;
}

function parseBind(type: Bind["type"], payload: Uint8Array): Bind | ParseError {
	if (payload.length < 72) return "short";
	const view = viewOf(payload);
	return { type, vni: view.getUint32(0), generation: view.getUint32(4), remoteKey: payload.subarray(8, 40), challenge: payload.subarray(40, 72) };
}

function appendBind(message: Bind): Uint8Array {
	const type = message.type === "bind" ? BIND : message.type === "bind-challenge" ? BIND_CHALLENGE : BIND_ANSWER;
	const out = start(type, 72);
	const view = viewOf(out);
	view.setUint32(2, message.vni);
	view.setUint32(6, message.generation);
	put(out, 10, message.remoteKey, KEY_BYTES);
	put(out, 42, message.challenge, 32);
	return out;
}

function parseCallMeMaybeVia(version: number, payload: Uint8Array): CallMeMaybeVia | ParseError {
	const body = parseRelayBody(version, payload);
	return body === "short" ? body : { type: "call-me-maybe-via", ...body };
}

function appendCallMeMaybeVia(message: CallMeMaybeVia): Uint8Array {
	const out = start(CALL_ME_MAYBE_VIA, RELAY_BODY_BYTES + message.endpoints.length * ENDPOINT_BYTES);
	putRelayBody(out, HEAD, message);
	return out;
}

function parseAllocateRequest(version: number, payload: Uint8Array): AllocateRequest | ParseError {
	if (version !== 0) return { type: "allocate-request", clientKeys: [new Uint8Array(KEY_BYTES), new Uint8Array(KEY_BYTES)], generation: 0 };
	if (payload.length < 68) return "short";
	return { type: "allocate-request", clientKeys: [payload.subarray(0, 32), payload.subarray(32, 64)], generation: viewOf(payload).getUint32(64) };
}

function appendAllocateRequest(message: AllocateRequest): Uint8Array {
	const out = start(ALLOCATE_REQUEST, 68);
	put(out, 2, message.clientKeys[0], KEY_BYTES);
	put(out, 34, message.clientKeys[1], KEY_BYTES);
	viewOf(out).setUint32(66, message.generation);
	return out;
}

function parseAllocateResponse(version: number, payload: Uint8Array): AllocateResponse | ParseError {
	if (version === 0 && payload.length < 4) return "short";
	const body = parseRelayBody(version, payload.subarray(4));
	if (body === "short") return body;
	return { type: "allocate-response", generation: version === 0 ? viewOf(payload).getUint32(0) : 0, ...body };
}

function appendAllocateResponse(message: AllocateResponse): Uint8Array {
	const out = start(ALLOCATE_RESPONSE, 4 + RELAY_BODY_BYTES + message.endpoints.length * ENDPOINT_BYTES);
	viewOf(out).setUint32(2, message.generation);
	putRelayBody(out, 6, message);
	return out;
}

function parseRelayBody(version: number, bytes: Uint8Array): RelayBody | "short" {
	if (version !== 0) bytes = new Uint8Array(RELAY_BODY_BYTES);
	else if (bytes.length <= RELAY_BODY_BYTES || (bytes.length - RELAY_BODY_BYTES) % ENDPOINT_BYTES !== 0) return "short";
	const view = viewOf(bytes);
	return {
		serverKey: bytes.subarray(0, 32),
		clientKeys: [bytes.subarray(32, 64), bytes.subarray(64, 96)],
		lamport: view.getBigUint64(96),
		vni: view.getUint32(104),
		bindLifetimeNS: view.getBigUint64(108),
		steadyLifetimeNS: view.getBigUint64(116),
		endpoints: endpointsOf(bytes.subarray(RELAY_BODY_BYTES)),
	};
}

function putRelayBody(out: Uint8Array, offset: number, body: RelayBody): void {
	const view = viewOf(out);
	put(out, offset, body.serverKey, KEY_BYTES);
	put(out, offset + 32, body.clientKeys[0], KEY_BYTES);
	put(out, offset + 64, body.clientKeys[1], KEY_BYTES);
	view.setBigUint64(offset + 96, body.lamport);
	view.setUint32(offset + 104, body.vni);
	view.setBigUint64(offset + 108, body.bindLifetimeNS);
	view.setBigUint64(offset + 116, body.steadyLifetimeNS);
	putEndpoints(out, offset + RELAY_BODY_BYTES, body.endpoints);
}

function start(type: number, payloadBytes: number): Uint8Array {
	const out = new Uint8Array(HEAD + payloadBytes);
	out[0] = type;
	return out;
}

function put(out: Uint8Array, offset: number, field: Uint8Array, lengthBytes: number): void {
	if (field.length !== lengthBytes) throw new RangeError(`expected a field of ${lengthBytes} bytes, got ${field.length}`);
	out.set(field, offset);
}

function putEndpoints(out: Uint8Array, offset: number, endpoints: Uint8Array[]): void {
	for (let i = 0; i < endpoints.length; i += 1) put(out, offset + i * ENDPOINT_BYTES, endpoints[i] as Uint8Array, ENDPOINT_BYTES);
}

function endpointsOf(bytes: Uint8Array): Uint8Array[] {
	const endpoints: Uint8Array[] = [];
	for (let at = 0; at < bytes.length; at += ENDPOINT_BYTES) endpoints.push(bytes.subarray(at, at + ENDPOINT_BYTES));
	return endpoints;
}

function isZero(bytes: Uint8Array): boolean {
	for (let i = 0; i < bytes.length; i += 1) if (bytes[i] !== 0) return false;
	return true;
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
