/**
 * The connection to one DERP region, as a state machine without I/O (protocol/relay.md §3.2, §3.6, §3.7).
 *
 *   state      event                                next, and action
 *   closed     want (home, or a packet to send)     dialling: start the 10 s limit
 *   dialling   open (TCP, TLS, certificate good)    upgrading: send the request
 *              TCP failed                           the next address or node, or waiting
 *              certificate or TLS failed            waiting
 *   upgrading  101 and an empty line                greeting: the surplus bytes go there
 *              other status, 4096 bytes             waiting
 *   greeting   ServerKey good                       up: send ClientInfo, NotePreferred 01 if home, then what is queued
 *              ServerKey bad                        waiting
 *   up         frame                                restart the read limit
 *              read limit, end, bad ServerInfo,     waiting: learned routes are forgotten, the network is in doubt
 *              frame above 1 MiB, Restarting due
 *   waiting    backoff over                         dialling if home or still wanted, else closed
 *   any        10 s limit (before up)               waiting
 *   any        shut (idle, map, key, network)       closed
 *
 * A frame every 60..65 s is what a server owes us (KeepAlive); our read limit is 75 s without a byte. How long "waiting" lasts: backoff.ts.
 */
import type { HostError, TLSOptions } from "tailnet/host";
import { Backoff } from "./backoff.js";
import { type CertificatePolicy, certificateRule } from "./certificate.js";
import { DialPlan, type DialStep } from "./dial-plan.js";
import { notePreferredFrame, pingFrame, pongFrame, readFrames, type ServerMessage } from "./frames.js";
import { Greeting } from "./greeting.js";
import { Login } from "./login.js";
import { RateLimit } from "./rate-limit.js";
import type { DERPError, DERPErrorCode, DERPNode, DERPRegion, DERPSource, RegionState } from "./types.js";
import { UpgradeAnswer, upgradeRequest } from "./upgrade.js";

const ATTEMPT_LIMIT_MS = 10000;
/** Stricter than the reference's 120 s: design.md §3. */
export const READ_LIMIT_MS = 75000;
const PROBE_LIMIT_MS = 3000;
/** A connection to a region that is not home ends this long after the last write. */
export const IDLE_MS = 60000;

/** What is dialled. */
export interface RegionTarget {
	readonly address: string;
	readonly port: number;
	readonly tls: TLSOptions;
	readonly connectTimeoutMS: number;
	readonly timeoutMS: number;
}

/** What the machine wishes. Nothing here may call back into the machine before it returns. */
export interface RegionOutput {
	/** Ask DNS; resolved() brings the answer. */
	resolve(host: string): void;
	/** Open a stream; opened(), received() and closed() follow. */
	open(target: RegionTarget): void;
	write(bytes: Uint8Array): void;
	/** Close the stream, and bring no more answers of it or of DNS. */
	close(): void;
	/** SendPacket frames may follow now. */
	up(): void;
	/** A connection that was up has ended; the network may have changed. */
	lost(): void;
	/** State, error, problem or admission changed. */
	changed(): void;
}

/** The node's key pair, 32 bytes each; the owner wipes it after every connection is shut. */
export interface NodeKeys {
	readonly privateKey: Uint8Array;
	readonly publicKey: Uint8Array;
}

export interface RegionOptions {
	readonly region: DERPRegion;
	readonly keys: NodeKeys;
	readonly policy: CertificatePolicy;
	readonly source: DERPSource;
	readonly output: RegionOutput;
	/** Random bytes: nonces, ping data, jitter. */
	readonly random: (lengthBytes: number) => Uint8Array;
}

export class RegionConnection {
	readonly region: DERPRegion;
	readonly #keys: NodeKeys;
	readonly #policy: CertificatePolicy;
	readonly #source: DERPSource;
	readonly #output: RegionOutput;
	readonly #random: (lengthBytes: number) => Uint8Array;

	#state: RegionState = "closed";
	#isHome = false;
	#lastWanted = Number.NEGATIVE_INFINITY;
	#preferIPv6 = false;
	/** Of the attempt while dialling, upgrading, greeting; end of the rest while waiting; read limit while up. */
	#deadline = Number.POSITIVE_INFINITY;

	#plan: DialPlan | undefined;
	#node: DERPNode | undefined;
	#idealNode = "";
	#answer: UpgradeAnswer | undefined;
	#greeting: Greeting | undefined;
	#login: Login | undefined;
	#limit: RateLimit | undefined;
	#upSince = 0;
	#probe: { readonly data: Uint8Array; readonly until: number } | undefined;

	#admitted = false;
	readonly #backoff = new Backoff();
	#lastFrameMS: number | undefined;
	#error: DERPError | undefined;
	#problem = "";

	constructor(options: RegionOptions) {
		this.region = options.region;
		this.#keys = options.keys;
		this.#policy = options.policy;
		this.#source = options.source;
		this.#output = options.output;
		this.#random = options.random;
	}

	get state(): RegionState {
		return this.#state;
	}

	get isHome(): boolean {
		return this.#isHome;
	}

	/** Last time somebody wanted to write here, or did. */
	get lastWantedMS(): number {
		return this.#lastWanted;
	}

	get admitted(): boolean {
		return this.#admitted;
	}

	get failures(): number {
		return this.#backoff.failures;
	}

	get lastFrameMS(): number | undefined {
		return this.#lastFrameMS;
	}

	get error(): DERPError | undefined {
		return this.#error;
	}

	get problem(): string {
		return this.#problem;
	}

	/** Name of the node we are connected to, "" = none. */
	get nodeName(): string {
		return this.#state === "up" ? (this.#node?.name ?? "") : "";
	}

	/** Home, or written to less than 60 s ago. */
	isWanted(now: number): boolean {
		return this.#isHome || now - this.#lastWanted < IDLE_MS;
	}

	/** IPv4 is known not to work here, IPv6 is. Counts from the next attempt on. */
	preferIPv6(prefer: boolean): void {
		this.#preferIPv6 = prefer;
	}

	/** Becomes home, or ceases to be; an old home stays for 60 s at least, because peers still send there. */
	setHome(isHome: boolean, now: number): void {
		if (isHome === this.#isHome) return;
		this.#isHome = isHome;
		this.#lastWanted = Math.max(this.#lastWanted, now);
		if (this.#state === "up") this.#output.write(notePreferredFrame(isHome));
		if (isHome) this.want(now);
	}

	/** Somebody has a packet to send here. */
	want(now: number): void {
		this.#lastWanted = now;
		if (this.#state === "closed") this.#dial(now);
	}

	/** The network changed: do not wait for the backoff. */
	retryNow(now: number): void {
		if (this.#state === "waiting" && this.isWanted(now)) this.#dial(now);
	}

	/** Addresses of the host asked for, empty if DNS failed. */
	resolved(addresses: readonly string[], now: number): void {
		if (this.#state !== "dialling") return;
		this.#plan?.resolved(addresses);
		this.#step(now);
	}

	/** The stream is open and its certificate accepted. */
	opened(now: number): void {
		if (this.#state !== "dialling") return;
		const node = this.#node as DERPNode;
		let request: Uint8Array;
		try {
			request = upgradeRequest(node.hostName, this.#idealNode);
		} catch (error) {
			this.#fail("protocol", (error as Error).message, now);
			return;
		}
		this.#answer = new UpgradeAnswer();
		this.#enter("upgrading");
		this.#output.write(request);
	}

	/** The stream's next bytes. */
	received(bytes: Uint8Array, now: number): void {
		if (this.#state === "upgrading") bytes = this.#upgrade(bytes, now);
		if (this.#state === "greeting") bytes = this.#greet(bytes, now);
		if (this.#state === "up" && bytes.length > 0) this.#frames(bytes, now);
	}

	/** The stream has ended, or could not be opened. */
	closed(error: HostError | undefined, now: number): void {
		if (this.#state === "dialling") {
			const message = error?.message ?? "the connection ended before it was open";
			if (error?.code === "certificate") this.#fail("certificate", message, now);
			else if (error === undefined || error.code === "tls" || error.code === "closed") this.#fail("protocol", message, now);
			else {
				this.#error = { code: error.code === "timeout" ? "timeout" : "unreachable", message };
				this.#step(now);
			}
		} else if (this.#state === "up" && !this.#admitted && (error === undefined || error.code === "closed")) {
			this.#fail("refused", "the server ended the connection after our ClientInfo: it does not admit this node key", now);
		} else if (this.#state === "upgrading" || this.#state === "greeting" || this.#state === "up") {
			this.#fail("closed", error?.message ?? "the server ended the connection", now);
		}
	}

	/** Asks the server for a sign of life within 3 s (after a network change). */
	probe(now: number): void {
		if (this.#state !== "up" || this.#probe) return;
		this.#probe = { data: this.#random(8), until: now + PROBE_LIMIT_MS };
		this.#output.write(pingFrame(this.#probe.data));
	}

	/** Does what is due. @returns when it wants to be called next, Infinity for never */
	tick(now: number): number {
		if (now >= this.#deadline) {
			if (this.#state === "waiting") {
				if (this.isWanted(now)) this.#dial(now);
				else this.shut();
			} else if (this.#state === "up") {
				this.#fail("timeout", `no byte came for ${READ_LIMIT_MS / 1000} s`, now);
			} else {
				this.#fail("timeout", `the server was not ready ${ATTEMPT_LIMIT_MS / 1000} s after the dial began`, now);
			}
		} else if (this.#probe && now >= this.#probe.until) {
			this.#fail("timeout", `a ping was not answered within ${PROBE_LIMIT_MS / 1000} s`, now);
		} else if (this.#state === "up" && now >= this.#backoff.restartAt) {
			this.#fail("closed", "the server announced its restart", now);
		}
		return this.nextTick();
	}

	/** When tick() wants to be called, Infinity for never. */
	nextTick(): number {
		let next = this.#deadline;
		if (this.#probe && this.#probe.until < next) next = this.#probe.until;
		if (this.#state === "up" && this.#backoff.restartAt < next) next = this.#backoff.restartAt;
		return next;
	}

	/**
	 * Takes queued SendPacket frames.
	 * @param buffer filled from its start
	 * @returns bytes to write, 0 when nothing is queued
	 */
	take(buffer: Uint8Array, now: number): number {
		while (this.#state === "up") {
			const filled = this.#source.derpTake(this.region.id, buffer);
			if (filled === 0) break;
			this.#lastWanted = now;
			const kept = this.#limit ? this.#limit.apply(buffer, filled, now) : filled;
			if (kept > 0) return kept;
		}
		return 0;
	}

	/** Ends everything. A later want() begins afresh, without backoff. */
	shut(): void {
		if (this.#state === "closed") return;
		this.#leave();
		this.#backoff.reset();
		this.#enter("closed");
	}

	// ---- On the way up ----

	#dial(now: number): void {
		this.#plan = new DialPlan(this.region, this.#preferIPv6);
		this.#error = undefined;
		this.#deadline = now + ATTEMPT_LIMIT_MS;
		this.#enter("dialling");
		this.#step(now);
	}

	#step(now: number): void {
		for (;;) {
			const step = this.#plan?.next(now);
			if (!step) {
				const last = this.#error;
				this.#fail(last?.code ?? "unreachable", last?.message ?? "the region has no node that may be dialled", now);
				return;
			}
			if (step.kind === "resolve") {
				this.#output.resolve(step.host);
				return;
			}
			if (this.#open(step, now)) return;
		}
	}

	/** @returns false when the node can satisfy no rule: the next one may */
	#open(step: DialStep & { kind: "dial" }, now: number): boolean {
		const tls = certificateRule(step.node, this.#policy);
		if (!tls) {
			this.#error = { code: "certificate", message: "a certificate hash of 64 lower-case hex digits was expected in the DERP map" };
			return false;
		}
		this.#node = step.node;
		this.#idealNode = step.idealNode;
		this.#output.open({
			address: step.address,
			port: step.node.derpPort === 0 ? 443 : step.node.derpPort,
			tls,
			connectTimeoutMS: step.connectTimeoutMS,
			timeoutMS: this.#deadline - now,
		});
		return true;
	}

	/** @returns the bytes behind the answer's head */
	#upgrade(bytes: Uint8Array, now: number): Uint8Array {
		const result = (this.#answer as UpgradeAnswer).push(bytes);
		if (result === "more") return bytes.subarray(bytes.length);
		if ("refused" in result) {
			this.#fail("protocol", result.refused, now);
			return bytes;
		}
		this.#answer = undefined;
		this.#greeting = new Greeting();
		this.#enter("greeting");
		return bytes.subarray(result.consumed);
	}

	/** @returns the bytes behind the greeting */
	#greet(bytes: Uint8Array, now: number): Uint8Array {
		const result = (this.#greeting as Greeting).push(bytes);
		if (result === "more") return bytes.subarray(bytes.length);
		const login = result === "bad" ? undefined : Login.start(this.#keys.privateKey, result.serverKey);
		if (result === "bad" || !login) {
			this.#fail("protocol", "a ServerKey frame with a usable key was expected first", now);
			return bytes;
		}
		this.#greeting = undefined;
		this.#plan = undefined;
		this.#login = login;
		this.#upSince = now;
		this.#deadline = now + READ_LIMIT_MS;
		this.#source.derpReset(this.region.id);
		this.#enter("up");
		this.#output.write(login.clientInfoFrame(this.#keys.publicKey, this.#random(24)));
		if (this.#isHome) this.#output.write(notePreferredFrame(true));
		this.#source.derpState(this.region.id, true);
		this.#output.up();
		return bytes.subarray(result.consumed);
	}

	// ---- Up ----

	#frames(bytes: Uint8Array, now: number): void {
		this.#lastFrameMS = now;
		this.#deadline = now + READ_LIMIT_MS;
		const rest = this.#source.derpReceive(this.region.id, bytes);
		if (rest === -1) {
			this.#fail("protocol", "a frame of at most 1 MiB was expected", now);
			return;
		}
		if (rest) readFrames(rest, (message) => this.#message(message, now));
	}

	/** @returns false when the connection is over */
	#message(message: ServerMessage, now: number): boolean {
		switch (message.kind) {
			case "serverInfo":
				return this.#serverInfo(message.payload, now);
			case "ping":
				this.#output.write(pongFrame(message.data));
				break;
			case "pong":
				if (this.#probe && sameBytes(this.#probe.data, message.data)) this.#probe = undefined;
				break;
			case "peerGone":
				this.#source.derpGone(this.region.id, message.nodeKey);
				break;
			case "health":
				if (this.#problem !== message.problem) {
					this.#problem = message.problem;
					this.#output.changed();
				}
				break;
			case "restarting":
				this.#backoff.restarting(message.reconnectInMS, message.tryForMS, now);
				break;
		}
		return true;
	}

	#serverInfo(payload: Uint8Array, now: number): boolean {
		const info = this.#login?.openServerInfo(payload);
		if (!info) {
			this.#fail("protocol", "a ServerInfo sealed by the key of the ServerKey frame was expected", now);
			return false;
		}
		this.#limit = info.bytesPerSecond > 0 ? new RateLimit(info.bytesPerSecond, info.burstBytes, now) : undefined;
		this.#admitted = true;
		this.#backoff.admitted();
		this.#problem = "";
		this.#error = undefined;
		this.#output.changed();
		return true;
	}

	// ---- The way down ----

	#fail(code: DERPErrorCode, message: string, now: number): void {
		const wasUp = this.#state === "up";
		const rest = this.#backoff.failed(wasUp ? now - this.#upSince : undefined, (this.#random(1)[0] as number) / 255, now);
		this.#leave();
		this.#error = { code, message };
		this.#deadline = now + rest;
		this.#enter("waiting");
		if (wasUp) this.#output.lost();
	}

	/** Drops everything that belongs to one connection or attempt. */
	#leave(): void {
		const wasUp = this.#state === "up";
		this.#output.close();
		if (wasUp) this.#source.derpState(this.region.id, false);
		this.#login?.finish();
		this.#login = undefined;
		this.#limit = undefined;
		this.#plan = undefined;
		this.#answer = undefined;
		this.#greeting = undefined;
		this.#probe = undefined;
		this.#admitted = false;
		this.#problem = "";
		this.#deadline = Number.POSITIVE_INFINITY;
	}

	#enter(state: RegionState): void {
		this.#state = state;
		this.#output.changed();
	}
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
	return a.length === b.length;
}
