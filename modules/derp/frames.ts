/**
 * DERP frames, as far as TypeScript sees them: the ones that are not packets (protocol/relay.md §3.5).
 *
 *   offset 0   u8    type
 *   offset 1   u32   length n of the payload, big-endian, without these 5 bytes
 *   offset 5   n     payload
 *
 *   type  name           payload
 *   01    ServerKey      magic 8, server key 32, future bytes                        greeting.ts
 *   02    ClientInfo     our node key 32, nonce 24, box                              login.ts
 *   03    ServerInfo     nonce 24, box                                               login.ts
 *   04    SendPacket     destination 32, packet                                      native/tn_derp
 *   05    RecvPacket     source 32, packet                                           native/tn_derp
 *   06    KeepAlive      ignored
 *   07    NotePreferred  01 this is our home, 00 it is not
 *   08    PeerGone       node key 32, reason 1 (absent: 0)
 *   12    Ping           8 bytes
 *   13    Pong           the 8 bytes of the ping
 *   14    Health         UTF-8 text, empty: healthy
 *   15    Restarting     reconnect-in 4, try-for 4, milliseconds
 *
 * Frames of another type, or shorter than their fields, are skipped; bytes after the known fields are ignored.
 */
import { utf8Decode } from "tailnet/host";

export const FRAME_HEADER_LENGTH = 5;
/** A longer frame ends the connection. */
export const MAXIMUM_FRAME_LENGTH = 1048576;

export const FRAME_SERVER_KEY = 0x01;
export const FRAME_CLIENT_INFO = 0x02;
export const FRAME_SERVER_INFO = 0x03;
export const FRAME_SEND_PACKET = 0x04;
export const FRAME_RECV_PACKET = 0x05;
export const FRAME_KEEP_ALIVE = 0x06;
export const FRAME_NOTE_PREFERRED = 0x07;
export const FRAME_PEER_GONE = 0x08;
export const FRAME_PING = 0x12;
export const FRAME_PONG = 0x13;
export const FRAME_HEALTH = 0x14;
export const FRAME_RESTARTING = 0x15;

/** One frame from the server, understood. Byte arrays are copies. */
export type ServerMessage =
	| { readonly kind: "serverInfo"; readonly payload: Uint8Array }
	| { readonly kind: "keepAlive" }
	| { readonly kind: "peerGone"; readonly nodeKey: Uint8Array; readonly reason: number }
	| { readonly kind: "ping" | "pong"; readonly data: Uint8Array }
	| { readonly kind: "health"; readonly problem: string }
	| { readonly kind: "restarting"; readonly reconnectInMS: number; readonly tryForMS: number }
	| { readonly kind: "skipped" };

/**
 * Reads one frame header.
 * @returns the payload's length
 */
export function frameLength(bytes: Uint8Array, offset: number): number {
	return read32(bytes, offset + 1);
}

/** Writes one frame header. */
export function writeFrameHeader(into: Uint8Array, offset: number, type: number, lengthBytes: number): void {
	into[offset] = type;
	into[offset + 1] = lengthBytes >>> 24;
	into[offset + 2] = lengthBytes >>> 16;
	into[offset + 3] = lengthBytes >>> 8;
	into[offset + 4] = lengthBytes;
}

/** NotePreferred: whether this connection is to our home region. */
export function notePreferredFrame(preferred: boolean): Uint8Array {
	return frame(FRAME_NOTE_PREFERRED, Uint8Array.of(preferred ? 1 : 0));
}

/** @param data 8 bytes that the server sends back in a Pong */
export function pingFrame(data: Uint8Array): Uint8Array {
	return frame(FRAME_PING, data);
}

/** @param data the 8 bytes of the server's Ping */
export function pongFrame(data: Uint8Array): Uint8Array {
	return frame(FRAME_PONG, data);
}

/** A frame of any type around a copy of payload. */
export function frame(type: number, payload: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(FRAME_HEADER_LENGTH + payload.length);
	writeFrameHeader(bytes, 0, type, payload.length);
	bytes.set(payload, FRAME_HEADER_LENGTH);
	return bytes;
}

/**
 * Reads whole frames that lie one after the other, as Tunnel.derpReceive returns them.
 * @param onMessage called for each; returns false to stop
 * @returns false when onMessage stopped it or the bytes do not end with a frame
 */
export function readFrames(bytes: Uint8Array, onMessage: (message: ServerMessage) => boolean): boolean {
	let offset = 0;
	while (offset < bytes.length) {
		const start = offset + FRAME_HEADER_LENGTH;
		if (start > bytes.length) return false;
		const end = start + frameLength(bytes, offset);
		if (end > bytes.length) return false;
		if (!onMessage(parseFrame(bytes[offset] as number, bytes.subarray(start, end)))) return false;
		offset = end;
	}
	return true;
}

/** Understands one frame. A payload shorter than its fields gives "skipped". */
export function parseFrame(type: number, payload: Uint8Array): ServerMessage {
	switch (type) {
		case FRAME_SERVER_INFO:
			return { kind: "serverInfo", payload: payload.slice() };
		case FRAME_KEEP_ALIVE:
			return { kind: "keepAlive" };
		case FRAME_PEER_GONE:
			if (payload.length < 32) break;
			return { kind: "peerGone", nodeKey: payload.slice(0, 32), reason: payload.length > 32 ? (payload[32] as number) : 0 };
		case FRAME_PING:
		case FRAME_PONG:
			if (payload.length < 8) break;
			return { kind: type === FRAME_PING ? "ping" : "pong", data: payload.slice(0, 8) };
		case FRAME_HEALTH:
			return { kind: "health", problem: utf8Decode(payload) };
		case FRAME_RESTARTING:
			if (payload.length < 8) break;
			return { kind: "restarting", reconnectInMS: read32(payload, 0), tryForMS: read32(payload, 4) };
	}
	return { kind: "skipped" };
}

function read32(bytes: Uint8Array, offset: number): number {
	return (
		(((bytes[offset] as number) << 24) | ((bytes[offset + 1] as number) << 16) | ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number)) >>> 0
	);
}
