/**
 * Verifies the signatures of peers' node keys, in the background: those that a message brought wait here, and a few of them are verified a turn. Nothing of a
 * signature is kept afterwards but what came of it and which key vouches for the peer (netmap/lock-marks.ts), and of rotations what rotations.ts keeps.
 *
 *   another node key               unchecked: the peer carries no traffic until its signature is verified
 *   another signature              verified as well; what was trusted stays so until then
 *   the authority removes a key    those for whom it vouched are refused, at once; the sessions of the others stay
 *   the authority adds a key       those that were refused are verified again, when another map has brought their signatures
 */
import { base64Decode, log, monotonicMS, startTimer, stopTimer, type Timer } from "tailnet/host";
import { Mark, type MarkNumber, NO_NUMBER } from "../netmap/lock-marks.js";
import type { Netmap } from "../netmap/netmap.js";
import type { NetmapChange } from "../netmap/types.js";
import { findKey, sameBytes, type Trust } from "./authority-state.js";
import { type Authorized, verifyNodeKey } from "./node-signature.js";
import { Rotations } from "./rotations.js";

/** No longer at a time: one verification takes some 10 ms on the slowest device, 0.1 ms on a desktop. */
const TURN_MS = 4;
/** Keys that have a number; for whom others vouch is verified again when any key is removed. */
const MOST_SIGNERS = 255;
/** Until a signature is verified again that could not be, for want of memory. */
const RETRY_MS = 1_000;
/** In place of a peer's index. */
const SELF = -1;
const NO_BYTES = Object.freeze(new Uint8Array(0)) as Uint8Array;

export interface ChecksOwner {
	readonly netmap: Netmap;
	/** What the authority trusts; undefined: it is not known yet, signatures wait. */
	readonly trust: Trust | undefined;
	/** Other peers carry traffic than before. */
	changed(change: NetmapChange): void;
	/** All that waited is verified. */
	done(): void;
	/** Signatures are missing: another complete map is needed. */
	mapWanted(): void;
}

export class PeerChecks {
	/** Signatures verified so far, ours among them. */
	verified = 0;
	readonly #owner: ChecksOwner;
	readonly #rotations = new Rotations();
	readonly #pending = new Map<number, string>();
	/** Keys that vouch for peers; their numbers are their places, from 1 on. */
	readonly #signers: Uint8Array[] = [];
	#isSelfPending = false;
	#isShort = false;
	#timer: Timer | undefined;

	constructor(owner: ChecksOwner) {
		this.#owner = owner;
	}

	/** Signatures that wait. */
	get waiting(): number {
		return this.#pending.size;
	}

	/** What a message changed; to be called for each, in their order. */
	news(change: NetmapChange): void {
		for (const index of [...change.removed, ...change.keyChanged]) {
			this.#pending.delete(index);
			this.#rotations.delete(index);
		}
		const unsigned: number[] = [];
		for (const { index, text } of change.signatures ?? []) {
			this.#pending.delete(index);
			if (text === "") unsigned.push(index);
			else this.#pending.set(index, text);
		}
		this.#mark(unsigned, Mark.refused);
		if (change.areSignaturesShort) this.#isShort = true;
		if (change.self) this.#isSelfPending = true;
		this.#arm();
	}

	/** Tailnet lock comes into force with this message: peers whose signature it did not bring have none, or one that was not kept before. */
	begin(change: NetmapChange): void {
		const { netmap } = this.#owner;
		this.#isSelfPending = true;
		this.news(change);
		const others = this.#peers((index, mark) => mark === Mark.unchecked && !this.#pending.has(index));
		if (!change.full) this.#isShort = true;
		else if (!change.areSignaturesShort) this.#mark(others, Mark.refused);
		if (netmap.peers.count > 0) this.#arm();
	}

	/** The peers of the map of the last run were trusted when it was stored. */
	restored(): void {
		// Nobody has been told of them.
		const all = this.#peers(() => true);
		this.#owner.netmap.markPeers(all, Mark.trusted);
		for (const index of all) this.#owner.netmap.lockMarks?.setSigner(index, NO_NUMBER);
	}

	/** The authority trusts others than before. @param isMore there is a key that it did not trust */
	trustChanged(after: Trust, isMore: boolean): void {
		const { lockMarks } = this.#owner.netmap;
		const isLost = [false, ...this.#signers.map((key) => findKey(after, key) === undefined)];
		const isAnyLost = isLost.includes(true);
		const refused = isMore ? this.#peers((_, mark) => mark === Mark.refused) : [];
		const good = this.#peers((_, mark) => mark === Mark.trusted || mark === Mark.obsolete);
		const lost = good.filter((index) => isLost[lockMarks?.signer(index) ?? NO_NUMBER]);
		const doubtful = isAnyLost ? good.filter((index) => lockMarks?.signer(index) === NO_NUMBER) : [];
		for (const index of lost) this.#rotations.delete(index);
		this.#mark(lost, Mark.refused);
		const again = [...refused, ...doubtful].filter((index) => !this.#pending.has(index));
		this.#mark(again, Mark.unchecked);
		if (again.length > 0) this.#isShort = true;
		this.#isSelfPending = true;
		this.#arm();
	}

	/** The authority is known: what waited for it is verified. */
	resume(): void {
		this.#isSelfPending = true;
		this.#arm();
	}

	/** The lock is over, or the node is. */
	close(): void {
		stopTimer(this.#timer);
		this.#timer = undefined;
		this.#pending.clear();
		this.#rotations.clear();
		this.#signers.length = 0;
		this.#isShort = false;
	}

	/** Peers that are kept out. */
	get refused(): number[] {
		const { store } = this.#owner.netmap.peers;
		return this.#peers((index, mark) => mark !== Mark.trusted && mark !== Mark.unchecked && !store.isTrusted(index));
	}

	#arm(delayMS = 0): void {
		if (!this.#owner.trust) return;
		this.#timer ??= startTimer(() => {
			this.#timer = undefined;
			this.#work();
		}, delayMS);
	}

	#work(): void {
		const { netmap, trust } = this.#owner;
		if (!trust) return;
		const endAt = monotonicMS() + TURN_MS;
		const good: number[] = [];
		const bad: number[] = [];
		let delayMS = 0;
		for (const [index, text] of this.#waitingFirst()) {
			const key = index === SELF ? netmap.self.nodeKey : netmap.peers.nodeKey(index);
			const result = key ? this.#verify(trust, key, text) : "the peer is gone";
			if (result === undefined) {
				delayMS = RETRY_MS;
				break;
			}
			if (index === SELF) this.#isSelfPending = false;
			else this.#pending.delete(index);
			if (!key) continue;
			if (index === SELF) netmap.isSelfRefused = typeof result === "string";
			else if (typeof result === "string") {
				bad.push(index);
				this.#rotations.delete(index);
			} else {
				good.push(index);
				netmap.lockMarks?.setSigner(index, this.#numberOf(result.signer, trust));
				this.#rotations.set(index, result.previous, result.wrapping);
			}
			if (monotonicMS() >= endAt) break;
		}
		this.#judge(good, bad);
		if (this.#pending.size > 0 || delayMS > 0) {
			this.#arm(delayMS);
			return;
		}
		this.#owner.done();
		if (!this.#isShort) return;
		this.#isShort = false;
		this.#owner.mapWanted();
	}

	/** Keys that are trusted no more give up their places. */
	#numberOf(signer: Uint8Array, trust: Trust): number {
		let place = this.#signers.findIndex((key) => sameBytes(key, signer));
		if (place < 0) place = this.#signers.findIndex((key) => findKey(trust, key) === undefined);
		if (place < 0) place = this.#signers.length;
		if (place >= MOST_SIGNERS) return NO_NUMBER;
		this.#signers[place] = signer;
		return place + 1;
	}

	/** What is good and obsolete is told apart before anybody is let in. */
	#judge(good: readonly number[], bad: readonly number[]): void {
		this.#mark(bad, Mark.refused);
		if (this.#rotations.isEmpty) {
			this.#mark([...good, ...this.#peers((_, mark) => mark === Mark.obsolete)], Mark.trusted);
			return;
		}
		const all = this.#peers((index, mark) => mark === Mark.trusted || mark === Mark.obsolete || good.includes(index));
		const obsolete = this.#rotations.obsolete(all, (index) => this.#owner.netmap.peers.nodeKey(index) as Uint8Array);
		this.#mark([...obsolete], Mark.obsolete);
		this.#mark(
			all.filter((index) => !obsolete.has(index)),
			Mark.trusted,
		);
	}

	/** What waits, our own signature before all. */
	*#waitingFirst(): Iterable<[index: number, text: string]> {
		if (this.#isSelfPending) yield [SELF, this.#owner.netmap.self.keySignature];
		yield* this.#pending;
	}

	/** @returns undefined if it cannot be told at present */
	#verify(trust: Trust, key: Uint8Array, text: string): Authorized | string | undefined {
		try {
			const result = verifyNodeKey(trust, key, base64Decode(text) ?? NO_BYTES);
			this.verified += 1;
			return result;
		} catch (error) {
			log("warning", `tailnet lock: ${(error as Error).message}`);
			return undefined;
		}
	}

	#peers(isWanted: (index: number, mark: MarkNumber) => boolean): number[] {
		const { netmap } = this.#owner;
		const indexes: number[] = [];
		for (let index = 0; index < netmap.peers.limit; index += 1) {
			const mark = netmap.peers.has(index) ? netmap.lockMarks?.get(index) : undefined;
			if (mark !== undefined && isWanted(index, mark)) indexes.push(index);
		}
		return indexes;
	}

	#mark(indexes: readonly number[], mark: MarkNumber): void {
		const change = indexes.length === 0 ? undefined : this.#owner.netmap.markPeers(indexes, mark);
		if (change) this.#owner.changed(change);
	}
}
