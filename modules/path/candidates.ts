/**
 * The addresses at which one peer might be reachable by UDP. Source: protocol/paths.md §5.7.
 *
 *   origin            enters                              leaves
 *   netmap            each endpoint list of the netmap    next list without it, unless a CallMeMaybe holds it
 *   CallMeMaybe       named in the message                next message without it: at once, even if the netmap lists it
 *   received ping     source address unknown so far       45 s after the last ping from it, unless one of the others holds it by then
 *
 * At most 24 a peer: a valid peer can make us add addresses as fast as it can send. When full, one that never answered goes: first
 * those learned by ping, then the one pinged longest ago; never the best path and never one that is being pinged. If all are worth more, the newcomer is refused.
 */
import { isIPv4, parseEndpoint } from "../netmap/address.js";
import { isLinkLocal } from "./better.js";

export const CANDIDATES_MAX = 24;
/** A learned address is forgotten so long after the last ping from it. Longer: dead ones are pinged. Shorter: an idle peer's new mapping is lost. */
export const LEARNED_MS = 45_000;
/** A ping younger than this may still be answered. */
const OUTSTANDING_MS = 5_000;
const NEVER = Number.NEGATIVE_INFINITY;
const NOT_LISTED = -1;

export interface Candidate {
	/** Our last ping to it that the 5 s gap counts from. */
	lastPing: number;
	/** Last ping from it, if a ping created this candidate; else -Infinity. */
	lastGotPing: number;
	/** Transaction of the last ping from it: the same one again is a copy of the same datagram. */
	lastGotPingTransaction: string;
	/** When a CallMeMaybe named it. */
	callMeMaybeAt: number;
	/** Position in the netmap's list, -1 = not there. */
	netmapIndex: number;
	lastPong: number;
	/** Latency of the last pong. */
	latencyMS: number;
	lastPingBack: number;
}

export class Candidates {
	#byAddress = new Map<string, Candidate>();

	get size(): number {
		return this.#byAddress.size;
	}

	has(address: string): boolean {
		return this.#byAddress.has(address);
	}

	get(address: string): Candidate | undefined {
		return this.#byAddress.get(address);
	}

	[Symbol.iterator](): IterableIterator<[string, Candidate]> {
		return this.#byAddress.entries();
	}

	/** The netmap has a new endpoint list for the peer. */
	setNetmap(endpoints: readonly string[], now: number, keep: string): void {
		for (const candidate of this.#byAddress.values()) candidate.netmapIndex = NOT_LISTED;
		for (let i = 0; i < endpoints.length; i += 1) {
			const known = this.#byAddress.get(endpoints[i] as string);
			if (known) known.netmapIndex = i;
		}
		for (const [address, candidate] of this.#byAddress) if (shouldDelete(candidate, now)) this.#byAddress.delete(address);
		for (let i = 0; i < endpoints.length; i += 1) {
			const address = endpoints[i] as string;
			if (this.#byAddress.has(address) || !isUsable(address)) continue;
			const candidate = this.#add(address, now, keep);
			if (candidate) candidate.netmapIndex = i;
		}
	}

	/** The peer named its addresses. Those that only an earlier message named go; every address may be pinged again at once. */
	setCallMeMaybe(endpoints: readonly string[], now: number, keep: string): void {
		const named = new Set<string>();
		for (const address of endpoints) if (isUsable(address) && !isLinkLocalV6(address)) named.add(address);
		for (const [address, candidate] of this.#byAddress) {
			if (named.has(address)) candidate.callMeMaybeAt = now;
			else if (candidate.callMeMaybeAt !== NEVER) this.#byAddress.delete(address);
		}
		for (const address of named) {
			if (this.#byAddress.has(address)) continue;
			const candidate = this.#add(address, now, keep);
			if (candidate) candidate.callMeMaybeAt = now;
		}
		for (const candidate of this.#byAddress.values()) candidate.lastPing = NEVER;
	}

	/**
	 * A ping came from address.
	 * @returns "copy" when it is the same ping again, "full" when there is no room for its source
	 */
	gotPing(address: string, transaction: string, now: number, keep: string): "new" | "known" | "copy" | "full" {
		const known = this.#byAddress.get(address);
		if (known) {
			if (known.lastGotPingTransaction === transaction) return "copy";
			known.lastGotPingTransaction = transaction;
			if (known.lastGotPing !== NEVER) known.lastGotPing = now;
			return "known";
		}
		const candidate = isUsable(address) ? this.#add(address, now, keep) : undefined;
		if (!candidate) return "full";
		candidate.lastGotPing = now;
		candidate.lastGotPingTransaction = transaction;
		return "new";
	}

	/** An address that was proven in the run before: kept as one learned just now. @returns undefined when there is no room for it */
	recall(address: string, now: number): Candidate | undefined {
		const known = this.#byAddress.get(address);
		if (known || !isUsable(address)) return known;
		const candidate = this.#add(address, now, "");
		if (candidate) candidate.lastGotPing = now;
		return candidate;
	}

	/** Whether the candidate's time is over; if so it is gone. */
	expire(address: string, candidate: Candidate, now: number): boolean {
		return shouldDelete(candidate, now) && this.#byAddress.delete(address);
	}

	/** Forgets what was learned about one address; that it exists, and from where, stays. */
	clear(candidate: Candidate): void {
		candidate.lastPing = NEVER;
		candidate.lastPong = NEVER;
		candidate.latencyMS = 0;
		candidate.callMeMaybeAt = NEVER;
		candidate.lastGotPingTransaction = "";
		candidate.lastPingBack = NEVER;
	}

	clearAll(): void {
		for (const candidate of this.#byAddress.values()) this.clear(candidate);
	}

	/** Every address may be pinged again at once. */
	forgetPings(): void {
		for (const candidate of this.#byAddress.values()) candidate.lastPing = NEVER;
	}

	#add(address: string, now: number, keep: string): Candidate | undefined {
		if (this.#byAddress.size >= CANDIDATES_MAX && !this.#evict(now, keep)) return undefined;
		const candidate: Candidate = {
			lastPing: NEVER,
			lastGotPing: NEVER,
			lastGotPingTransaction: "",
			callMeMaybeAt: NEVER,
			netmapIndex: NOT_LISTED,
			lastPong: NEVER,
			latencyMS: 0,
			lastPingBack: NEVER,
		};
		this.#byAddress.set(address, candidate);
		return candidate;
	}

	#evict(now: number, keep: string): boolean {
		let victim: string | undefined;
		let victimLearned = false;
		let oldest = Number.POSITIVE_INFINITY;
		for (const [address, candidate] of this.#byAddress) {
			if (address === keep || candidate.lastPong !== NEVER || now - candidate.lastPing < OUTSTANDING_MS) continue;
			const learned = candidate.lastGotPing !== NEVER && candidate.callMeMaybeAt === NEVER && candidate.netmapIndex === NOT_LISTED;
			// One that somebody listed and that was never tried is worth more than a newcomer.
			if (!learned && (victimLearned || candidate.lastPing === NEVER)) continue;
			if (learned === victimLearned && candidate.lastPing >= oldest) continue;
			victim = address;
			victimLearned = learned;
			oldest = candidate.lastPing;
		}
		return victim !== undefined && this.#byAddress.delete(victim);
	}
}

function shouldDelete(candidate: Candidate, now: number): boolean {
	if (candidate.callMeMaybeAt !== NEVER || candidate.netmapIndex !== NOT_LISTED) return false;
	// Neither listed nor learned: -Infinity, older than any limit.
	return now - candidate.lastGotPing > LEARNED_MS;
}

/** A unicast address with a port, and not the fake one that stands for a DERP region: that must never reach a socket. */
function isUsable(endpoint: string): boolean {
	const bytes = parseEndpoint(endpoint);
	if (!bytes || (bytes[16] === 0 && bytes[17] === 0)) return false;
	if (!isIPv4(bytes)) return bytes[0] !== 0xff && bytes.subarray(0, 16).some((byte) => byte !== 0);
	const first = bytes[12] as number;
	if (first === 0 || first >= 224) return false;
	return !(first === 127 && bytes[13] === 3 && bytes[14] === 3 && bytes[15] === 40);
}

function isLinkLocalV6(endpoint: string): boolean {
	const bytes = parseEndpoint(endpoint);
	return bytes !== undefined && !isIPv4(bytes) && isLinkLocal(bytes, false);
}
