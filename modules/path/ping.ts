/**
 * Pings that a person or an app asks for. Source: protocol/tunnel.md §5.4, protocol/paths.md §5.8.
 *
 *   kind    goes                                              answered by
 *   disco   DISCO ping by every way that is not certain       the first pong: that way is "via"
 *   tsmp    through the tunnel, IP protocol 99                the pong with the same 8 bytes
 *   icmp    through the tunnel, echo request                  the reply with the same id and sequence
 *
 * One question is one ping: who wants more asks again.
 */
import { bytesKey } from "../disco/box.js";
import { TailnetError } from "../errors.js";
import type { PeerLookup } from "../netmap/types.js";
import { addressPair, echoRequest, type OwnAddresses, TSMP_DATA_BYTES, tsmpPing, tsmpPongData } from "./ip-packet.js";
import type { PathView } from "./path-table.js";

export type PingKind = "disco" | "tsmp" | "icmp";

export interface PingResult {
	latencyMS: number;
	/** "192.0.2.7:41641", "[2001:db8::7]:41641" or "DERP fra". */
	via: string;
}

/** Called once for each question. */
export type PingDone = (error: TailnetError | undefined, result: PingResult | undefined) => void;

export interface PingOptions {
	/** PathTable. */
	paths: {
		ask(index: number, token: number, now: number): boolean;
		forget(index: number, token: number): void;
		view(index: number, now: number): PathView | undefined;
	};
	peers: PeerLookup;
	self: OwnAddresses;
	tunnel: { inject(packet: Uint8Array): void };
	/** Code of a DERP region, "" if it has none. */
	regionCode(region: number): string;
	random: (lengthBytes: number) => Uint8Array;
}

interface Question {
	kind: PingKind;
	index: number;
	at: number;
	deadline: number;
	/** What the answer must carry: TSMP data, or id and sequence. */
	tag: string;
	done: PingDone;
}

/** Questions that may wait at once. */
const QUESTIONS_MAX = 32;

export class Pings {
	#options: PingOptions;
	#questions = new Map<number, Question>();
	#lastToken = 0;
	#closed = false;

	constructor(options: PingOptions) {
		this.#options = options;
	}

	/** When tick() is to be called next. */
	get deadline(): number | undefined {
		let earliest: number | undefined;
		for (const question of this.#questions.values()) if (earliest === undefined || question.deadline < earliest) earliest = question.deadline;
		return earliest;
	}

	/**
	 * Asks one peer. done is called with a result, or with an error: "peer-expired", "policy" (tailnet lock), "no-route" (the peer has no disco key, or no address of a family of
	 * ours), "full" (too many questions), "timeout", "closed".
	 */
	start(kind: PingKind, index: number, timeoutMS: number, now: number, done: PingDone): void {
		const refusal =
			this.#questions.size >= QUESTIONS_MAX ? new TailnetError("full", "too many pings wait for their answer") : this.#send(kind, index, timeoutMS, now, done);
		if (refusal) done(refusal, undefined);
	}

	/** PathOwner.pingAnswered of the table. */
	answered(token: number, latencyMS: number, address: string, region: number): void {
		const question = this.#questions.get(token);
		if (!question) return;
		this.#questions.delete(token);
		question.done(undefined, { latencyMS, via: this.#via(address, region) });
	}

	/** TSMP came through the tunnel. @returns whether it was the answer of a question */
	tsmp(payload: Uint8Array, now: number): boolean {
		const data = tsmpPongData(payload);
		return data !== undefined && this.#replied("tsmp", bytesKey(data), now);
	}

	/** An echo reply came through the tunnel. */
	echoReply(id: number, sequence: number, now: number): boolean {
		return this.#replied("icmp", `${id}.${sequence}`, now);
	}

	tick(now: number): void {
		for (const [token, question] of this.#questions) {
			if (question.deadline > now) continue;
			this.#end(token, question);
			question.done(new TailnetError("timeout", `no pong within ${question.deadline - question.at} ms`), undefined);
		}
	}

	/** Every question ends with error "closed", those that are still to come too. */
	close(): void {
		this.#closed = true;
		for (const [token, question] of this.#questions) {
			this.#end(token, question);
			question.done(new TailnetError("closed", "the node was closed"), undefined);
		}
	}

	#send(kind: PingKind, index: number, timeoutMS: number, now: number, done: PingDone): TailnetError | undefined {
		const { peers, paths, self, tunnel, random } = this.#options;
		if (this.#closed) return new TailnetError("closed", "the node was closed");
		const view = peers.view(index);
		if (!view) return new TailnetError("not-found", "no such peer");
		if (view.expired) return new TailnetError("peer-expired", "the peer's node key has expired");
		if (view.untrusted) return new TailnetError("policy", "tailnet lock: nobody that the tailnet trusts has signed the peer's node key");
		const question: Question = { kind, index, at: now, deadline: now + timeoutMS, tag: "", done };
		const token = (this.#lastToken += 1);
		if (kind === "disco") {
			this.#questions.set(token, question);
			if (paths.ask(index, token, now)) return undefined;
			this.#questions.delete(token);
			return new TailnetError("no-route", "the peer cannot be asked: it has no disco key, or every slot is busy");
		}
		const pair = addressPair(self, view.addresses);
		if (!pair) return new TailnetError("no-route", "the peer has no address of a family that we have");
		this.#questions.set(token, question);
		if (kind === "tsmp") {
			const data = random(TSMP_DATA_BYTES);
			question.tag = bytesKey(data);
			tunnel.inject(tsmpPing(pair, data));
			return undefined;
		}
		const [a, b, c, d] = random(4) as unknown as [number, number, number, number];
		const id = (a << 8) | b;
		const sequence = (c << 8) | d;
		question.tag = `${id}.${sequence}`;
		tunnel.inject(echoRequest(pair, id, sequence));
		return undefined;
	}

	#replied(kind: PingKind, tag: string, now: number): boolean {
		for (const [token, question] of this.#questions) {
			if (question.kind !== kind || question.tag !== tag) continue;
			this.#questions.delete(token);
			const path = this.#options.paths.view(question.index, now);
			question.done(undefined, { latencyMS: now - question.at, via: path?.trusted ? path.address : this.#via("", path?.region ?? 0) });
			return true;
		}
		return false;
	}

	#end(token: number, question: Question): void {
		this.#questions.delete(token);
		if (question.kind === "disco") this.#options.paths.forget(question.index, token);
	}

	#via(address: string, region: number): string {
		return address === "" ? `DERP ${this.#options.regionCode(region) || region}` : address;
	}
}
