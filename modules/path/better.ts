/**
 * Which of two confirmed paths to a peer is better. Source: protocol/paths.md §5.5.
 *
 * Points: the slower gets 0, the faster 100 - 100 * fast / slow. To that: loopback 50, link-local 30, private (RFC 1918, fc00::/7) 20, and IPv6 10.
 * The hysteresis of one point keeps two equal paths from taking turns.
 */
import { addressToText, isIPv4, parseEndpoint } from "../netmap/address.js";

/** A path as a pong has just proven it. */
export interface MeasuredPath {
	/** "ip:port" or "[v6]:port" */
	address: string;
	latencyMS: number;
	/** Through a peer that forwards UDP. */
	relayed: boolean;
	/** Largest packet known to fit, all headers included. */
	wireMTU: number;
}

/** Whether a should replace b, the best path so far. Never true in both directions. */
export function better(a: MeasuredPath | undefined, b: MeasuredPath | undefined): boolean {
	if (!a) return false;
	if (!b) return true;
	if (a.address === b.address && a.relayed === b.relayed) return a.wireMTU > b.wireMTU;
	if (a.relayed !== b.relayed) return b.relayed;
	let pointsA = 0;
	let pointsB = 0;
	if (a.latencyMS > b.latencyMS) pointsB = speedPoints(b.latencyMS, a.latencyMS);
	else if (a.latencyMS < b.latencyMS) pointsA = speedPoints(a.latencyMS, b.latencyMS);
	pointsA += addressPoints(a.address);
	pointsB += addressPoints(b.address);
	if (pointsA <= 1 && pointsB === 0) return false;
	return pointsA > pointsB;
}

function speedPoints(fast: number, slow: number): number {
	return 100 - Math.floor((100 * fast) / slow);
}

function addressPoints(endpoint: string): number {
	const bytes = parseEndpoint(endpoint);
	if (!bytes) return 0;
	const v4 = isIPv4(bytes);
	const bonus = v4 ? 0 : 10;
	if (isLoopback(bytes, v4)) return bonus + 50;
	if (isLinkLocal(bytes, v4)) return bonus + 30;
	if (isPrivate(bytes, v4)) return bonus + 20;
	return bonus;
}

function isLoopback(bytes: Uint8Array, v4: boolean): boolean {
	return v4 ? bytes[12] === 127 : addressToText(bytes) === "::1";
}

/** 169.254.0.0/16 or fe80::/10. */
export function isLinkLocal(bytes: Uint8Array, v4 = isIPv4(bytes)): boolean {
	return v4 ? bytes[12] === 169 && bytes[13] === 254 : bytes[0] === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80;
}

/** RFC 1918 or fc00::/7. Carrier NAT (100.64.0.0/10) is not private. */
export function isPrivate(bytes: Uint8Array, v4 = isIPv4(bytes)): boolean {
	if (!v4) return ((bytes[0] as number) & 0xfe) === 0xfc;
	const first = bytes[12] as number;
	const second = bytes[13] as number;
	return first === 10 || (first === 172 && (second & 0xf0) === 16) || (first === 192 && second === 168);
}
