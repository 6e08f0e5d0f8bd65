/**
 * How to reach one peer: which UDP address is proven, until when it is trusted, and when to ask again. Source: protocol/paths.md §5.
 *
 * N: no proven address.   T: a pong from the best address within 6.5 s.   U: best is known, but trust has passed.
 * P(x) pings address x. F pings every candidate not pinged for 5 s and, if that pinged any, wants a CallMeMaybe. F0 is F without the CallMeMaybe.
 *
 *   event                        N                          T                                          U
 *   sent (activity)              F; arm heartbeat           arm heartbeat                              F; arm heartbeat
 *   heartbeat, sent <= 45 s ago  F; again in 3 s            P(best); F if > 5 ms and 60 s since F;     P(best); F; again in 3 s
 *                                                           again in 3 s
 *   heartbeat, sent > 45 s ago   disarm                     disarm                                     disarm
 *   pong for candidate x         best = x, T                x = best: trust. Else replace if better    best = x, T
 *   pong, id or x unknown        -                          -                                          -
 *   pong over DERP               answer of ping()           the same                                   the same
 *   ping timeout, best           -                          -                                          best gone, N
 *   trust passes                 -                          U, no timer: compared at use               -
 *   ping received                candidate; perhaps P(x)    candidate                                  candidate; perhaps P(x)
 *   CallMeMaybe                  replace set; F0 now        the same                                   the same
 *   best is unreachable          -                          best gone, its history forgotten, N        the same
 *   connectivity changed         histories forgotten        also best gone, N                          also best gone, N
 *   endpoints, home region       updated                    N if best's candidate goes                 the same
 *   resume, of the run before    best = x, U; P(x)          -                                          -
 *   expired                      nothing is sent            the same                                   the same
 *   reset                        all forgotten              N                                          N
 *
 * Where packets go follows from it in the tunnel: T to best; U to best and DERP; N to DERP. Only a pong for a ping to that very address makes trust.
 *
 * No I/O and no clock: every method takes now (monotonic milliseconds) and first does what had become due, so that a late tick() ends in the same state.
 */
import { better } from "./better.js";
import { type Candidate, Candidates } from "./candidates.js";

/** Gap between pings of the best address. Larger: trust runs out between beats (it must stay below half of TRUST_MS). Smaller: battery. */
export const HEARTBEAT_MS = 3_000;
/** Exclusive trust after a pong. Larger: a longer black hole when a path dies. Smaller: one lost beat sends everything twice. */
export const TRUST_MS = 6_500;
/** Heartbeats stop so long after we last sent. */
export const SESSION_MS = 45_000;
/** Life of one ping. Smaller: satellite links time out. Larger: a dead path is held longer. */
export const PING_TIMEOUT_MS = 5_000;
/** Gap between discovery pings to one address. Smaller: every packet sent without a path asks again. */
export const DISCOVERY_GAP_MS = 5_000;
/** Search for something better than a working path. */
export const UPGRADE_MS = 60_000;
/** At or below: not searched. */
export const GOOD_ENOUGH_MS = 5;
/** Headers and packet that every path is taken to carry; there is no path MTU discovery. */
export const WIRE_MTU = 1360;
const TRANSACTION_BYTES = 12;
/** Pings that may wait for their pong at once; a heartbeat is never refused. */
const SENT_MAX = 96;
const NEVER = Number.NEGATIVE_INFINITY;

/** What a machine asks for. Called from inside its methods; must not call back into the machine. */
export interface EndpointOutput {
	/** A DISCO ping is to be sent to a UDP address. */
	sendPing(address: string, transaction: Uint8Array): void;
	/** A DISCO ping is to be sent through the peer's home region. */
	sendPingDERP(region: number, transaction: Uint8Array): void;
	/** The peer should ping us: tell it our addresses through its home region. */
	wantCallMeMaybe(): void;
	/** best, trustUntil or region has changed. */
	pathChanged(): void;
	/** The first pong for a ping(). address is "" when the pinged way was DERP. */
	pingAnswered(token: number, latencyMS: number, address: string, region: number): void;
}

interface SentPing {
	/** Pinged address, "" = DERP. */
	to: string;
	region: number;
	at: number;
	/** Of ping(), 0 = none. */
	token: number;
}

interface BestPath {
	address: string;
	latencyMS: number;
	relayed: boolean;
	wireMTU: number;
	/** Last confirmation. */
	at: number;
}

export class Endpoint {
	/** Home DERP region of the peer, 0 = none. */
	region = 0;
	expired = false;
	/** Discarded pongs: unknown, repeated, late, or for an address that is no candidate any more. */
	strayPongs = 0;
	readonly candidates = new Candidates();

	#output: EndpointOutput;
	#random: (lengthBytes: number) => Uint8Array;
	#pingBack: boolean;
	#best: BestPath | undefined;
	#trustUntil = NEVER;
	#lastSent = NEVER;
	#lastFullPing = NEVER;
	#heartbeatAt: number | undefined;
	/** By transaction, in the order of their deadlines (all live equally long). */
	#sent = new Map<string, SentPing>();
	/** Tokens of ping() without an answer so far. */
	#asked = new Set<number>();

	/**
	 * @param random transactions are taken from it
	 * @param pingBack answer a ping from an unproven address by a ping of our own, while we have traffic for the peer. It removes the up to 6 s in which
	 * one side is direct and the other is not (§5.3, §9.2)
	 */
	constructor(output: EndpointOutput, random: (lengthBytes: number) => Uint8Array, pingBack = true) {
		this.#output = output;
		this.#random = random;
		this.#pingBack = pingBack;
	}

	/** The proven address, "" = none. */
	get best(): string {
		return this.#best?.address ?? "";
	}

	/** Latency of the last pong from best. */
	get latencyMS(): number {
		return this.#best?.latencyMS ?? 0;
	}

	/** Best alone is used up to and including this moment. */
	get trustUntil(): number {
		return this.#trustUntil;
	}

	/** "T", "U" or "N". */
	state(now: number): "T" | "U" | "N" {
		return this.#best ? (now <= this.#trustUntil ? "T" : "U") : "N";
	}

	/** Nothing is sent, expected or waited for. */
	get isIdle(): boolean {
		return this.#heartbeatAt === undefined && this.#sent.size === 0;
	}

	/** When tick() is to be called next, or undefined: not before another event. */
	get deadline(): number | undefined {
		const ping = this.#earliestTimeout();
		const beat = this.#heartbeatAt;
		if (ping === undefined) return beat;
		return beat === undefined ? ping : Math.min(beat, ping);
	}

	/** Does what is due. */
	tick(now: number): void {
		// A pong that meets its timeout comes too late, and a timeout of the same instant is seen by the heartbeat: timeouts go first.
		for (const [transaction, ping] of this.#sent) {
			const deadline = ping.at + PING_TIMEOUT_MS;
			if (deadline > now) break;
			this.#sent.delete(transaction);
			if (ping.to !== "" && ping.to === this.best && deadline > this.#trustUntil) this.#clearBest();
		}
		if (this.#heartbeatAt !== undefined && this.#heartbeatAt <= now) this.#heartbeat(now);
	}

	/** We sent WireGuard to the peer, by whatever way. */
	sent(now: number): void {
		this.tick(now);
		if (this.expired) return;
		if (this.state(now) !== "T") this.#fullPing(now, true);
		this.#touch(now);
	}

	/**
	 * A pong came for a transaction.
	 * @param overDERP it proves nothing about UDP then
	 * @returns whether we sent that ping; nothing has changed otherwise
	 */
	pong(transaction: string, overDERP: boolean, now: number): boolean {
		this.tick(now);
		const ping = this.#sent.get(transaction);
		if (!ping) return false;
		this.#sent.delete(transaction);
		const latencyMS = now - ping.at;
		const candidate = overDERP ? undefined : this.candidates.get(ping.to);
		if (!overDERP && !candidate) {
			this.strayPongs += 1;
			return true;
		}
		if (ping.token !== 0 && this.#asked.delete(ping.token)) this.#output.pingAnswered(ping.token, latencyMS, ping.to, ping.region);
		if (candidate) this.#confirm(ping.to, candidate, latencyMS, now);
		return true;
	}

	/**
	 * A ping came from a UDP address.
	 * @returns false when it is a copy of one already seen: no pong then
	 */
	ping(from: string, transaction: string, now: number): boolean {
		this.tick(now);
		if (this.candidates.gotPing(from, transaction, now, this.best) === "copy") return false;
		const candidate = this.candidates.get(from);
		if (this.#pingBack && candidate && this.state(now) !== "T" && !this.expired && now - this.#lastSent <= SESSION_MS) {
			// Our own ping may have died at the peer's firewall, which its ping has just opened; the 5 s gap would keep us from trying again.
			const silent = candidate.lastPong < candidate.lastPing || candidate.lastPong === NEVER;
			if (silent && now - candidate.lastPingBack >= DISCOVERY_GAP_MS) {
				candidate.lastPingBack = now;
				this.#discover(from, candidate, now);
			}
		}
		return true;
	}

	/** The peer has opened its firewall and named its addresses. */
	callMeMaybe(endpoints: readonly string[], now: number): void {
		this.tick(now);
		this.candidates.setCallMeMaybe(endpoints, now, this.best);
		// Never answered by a CallMeMaybe of ours: two nodes would go on for ever.
		this.#fullPing(now, false);
	}

	/** A datagram to address met "host unreachable". */
	unreachable(address: string, now: number): void {
		this.tick(now);
		if (address !== this.best) return;
		const candidate = this.candidates.get(address);
		if (candidate) this.candidates.clear(candidate);
		this.#clearBest();
	}

	/**
	 * We have other sockets or another network: nothing proven holds any more. A peer that we talk to hears of us at once: it still sends to our old
	 * address, and while nothing comes from it, nothing of ours may leave that would start the search.
	 */
	connectivityChanged(now: number): void {
		this.tick(now);
		this.candidates.clearAll();
		this.#clearBest();
		if (!this.expired && now - this.#lastSent <= SESSION_MS) this.#fullPing(now, true);
	}

	/** The netmap's endpoint list for the peer. */
	setEndpoints(endpoints: readonly string[], now: number): void {
		this.tick(now);
		this.candidates.setNetmap(endpoints, now, this.best);
		this.#dropVanishedBest();
	}

	setRegion(region: number): void {
		if (region === this.region) return;
		this.region = region;
		this.#output.pathChanged();
	}

	/**
	 * A person asks for a ping: every way that is not certain is tried at once. The first pong is the answer (pingAnswered); without one there is none.
	 * @param token names the question; not 0
	 */
	ask(token: number, now: number): void {
		this.tick(now);
		if (this.expired) return;
		this.#asked.add(token);
		const trusted = this.state(now) === "T";
		if (!trusted && this.region !== 0 && this.#sent.size < SENT_MAX) this.#send("", token, now);
		if (trusted) this.#send(this.best, token, now);
		else for (const [address] of this.candidates) if (this.#sent.size < SENT_MAX) this.#send(address, token, now);
		this.#touch(now);
	}

	/** The run before reached the peer at an address: packets go there as well as by DERP until it answers, or fails to. */
	resume(address: string, now: number): void {
		this.tick(now);
		const candidate = this.expired || this.#best ? undefined : this.candidates.recall(address, now);
		if (!candidate) return;
		this.#best = { address, latencyMS: 0, relayed: false, wireMTU: WIRE_MTU, at: now };
		this.#trustUntil = Math.max(0, now - 1);
		this.#output.pathChanged();
		this.#discover(address, candidate, now);
	}

	/** Nobody waits for the answer of ask() any more. */
	forget(token: number): void {
		this.#asked.delete(token);
	}

	/** Our key is gone, or the peer is another one. */
	reset(): void {
		this.#sent.clear();
		this.#asked.clear();
		this.#lastSent = NEVER;
		this.#lastFullPing = NEVER;
		this.#trustUntil = NEVER;
		this.#heartbeatAt = undefined;
		this.candidates.forgetPings();
		this.#clearBest();
	}

	#heartbeat(now: number): void {
		if (this.expired || now - this.#lastSent > SESSION_MS) {
			this.#heartbeatAt = undefined;
			return;
		}
		if (this.#best) {
			const candidate = this.candidates.get(this.best);
			if (candidate) candidate.lastPing = now;
			this.#send(this.best, 0, now);
		}
		if (this.#wantFullPing(now)) this.#fullPing(now, true);
		this.#heartbeatAt = now + HEARTBEAT_MS;
	}

	#wantFullPing(now: number): boolean {
		if (!this.#best || this.#lastFullPing === NEVER || now > this.#trustUntil) return true;
		return this.#best.latencyMS > GOOD_ENOUGH_MS && now - this.#lastFullPing >= UPGRADE_MS;
	}

	#fullPing(now: number, withCallMeMaybe: boolean): void {
		this.#lastFullPing = now;
		this.#expireCandidates(now);
		let pinged = false;
		for (const [address, candidate] of this.candidates) {
			if (now - candidate.lastPing < DISCOVERY_GAP_MS) continue;
			if (this.#discover(address, candidate, now)) pinged = true;
		}
		if (pinged && withCallMeMaybe && this.region !== 0) this.#output.wantCallMeMaybe();
	}

	#discover(address: string, candidate: Candidate, now: number): boolean {
		if (this.#sent.size >= SENT_MAX) return false;
		candidate.lastPing = now;
		this.#send(address, 0, now);
		return true;
	}

	#send(to: string, token: number, now: number): void {
		const transaction = this.#random(TRANSACTION_BYTES);
		this.#sent.set(String.fromCharCode.apply(null, transaction as unknown as number[]), { to, region: to === "" ? this.region : 0, at: now, token });
		if (to === "") this.#output.sendPingDERP(this.region, transaction);
		else this.#output.sendPing(to, transaction);
	}

	#confirm(address: string, candidate: Candidate, latencyMS: number, now: number): void {
		candidate.lastPong = now;
		candidate.latencyMS = latencyMS;
		const proven = { address, latencyMS, relayed: false, wireMTU: WIRE_MTU, at: now };
		if (address !== this.best && now <= this.#trustUntil && !better(proven, this.#best)) return;
		this.#best = proven;
		this.#trustUntil = now + TRUST_MS;
		this.#output.pathChanged();
	}

	/** Traffic from outside the path logic: the session goes on. */
	#touch(now: number): void {
		this.#lastSent = now;
		this.#heartbeatAt ??= now + HEARTBEAT_MS;
	}

	#expireCandidates(now: number): void {
		// A path that just proved itself is not given up because the peer, who has nothing to send, stopped pinging.
		const proven = now <= this.#trustUntil ? this.best : "";
		for (const [address, candidate] of this.candidates) if (address !== proven) this.candidates.expire(address, candidate, now);
		this.#dropVanishedBest();
	}

	#dropVanishedBest(): void {
		if (this.#best && !this.candidates.has(this.#best.address)) this.#clearBest();
	}

	#clearBest(): void {
		if (!this.#best) return;
		this.#best = undefined;
		this.#output.pathChanged();
	}

	#earliestTimeout(): number | undefined {
		for (const ping of this.#sent.values()) return ping.at + PING_TIMEOUT_MS;
		return undefined;
	}
}
