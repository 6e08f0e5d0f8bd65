/** Bytes and key texts as the lab's servers need them; independent of modules/. */
import { randomBytes } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";

export function toHex(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}

export function fromHex(text: string): Uint8Array {
	return new Uint8Array(Buffer.from(text, "hex"));
}

export function concat(...parts: Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(parts));
}

export interface KeyPair {
	readonly privateKey: Uint8Array;
	readonly publicKey: Uint8Array;
}

/** A clamped X25519 key pair. @param privateKey 32 bytes; random without */
export function keyPair(privateKey: Uint8Array = new Uint8Array(randomBytes(32))): KeyPair {
	const clamped = privateKey.slice();
	clamped[0] = (clamped[0] as number) & 0xf8;
	clamped[31] = ((clamped[31] as number) & 0x7f) | 0x40;
	return { privateKey: clamped, publicKey: x25519.getPublicKey(clamped) };
}

export type KeyPrefix = "mkey" | "nodekey" | "discokey" | "chalpub";

/** Text of a public key: "nodekey:" and 64 hex digits. */
export function keyText(prefix: KeyPrefix, key: Uint8Array): string {
	return `${prefix}:${toHex(key)}`;
}

/** @returns the 64 hex digits of a key text, "" for a zero or absent key, undefined for anything else */
export function keyHex(prefix: KeyPrefix, text: unknown): string | undefined {
	if (text === undefined || text === null) return "";
	if (typeof text !== "string" || !text.startsWith(`${prefix}:`)) return undefined;
	const hex = text.slice(prefix.length + 1).toLowerCase();
	if (!/^[0-9a-f]{64}$/.test(hex)) return undefined;
	return /^0+$/.test(hex) ? "" : hex;
}

/** 16 bytes of an IPv6 text; a zone is ignored. */
export function addressBytes6(text: string): Uint8Array {
	const halves = (text.split("%")[0] as string).split("::").map((half) => (half === "" ? [] : half.split(":")));
	const left = halves[0] ?? [];
	const right = halves[1] ?? [];
	const groups = halves.length === 2 ? [...left, ...new Array<string>(8 - left.length - right.length).fill("0"), ...right] : left;
	return fromHex(groups.map((group) => group.padStart(4, "0")).join(""));
}
