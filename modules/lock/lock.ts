/**
 * Tailnet lock: control alone does not decide whose node key belongs to the tailnet; keys that its administrators hold sign it, and a peer without such a
 * signature is kept out, both ways. This is the part of a node that knows of it; there is none of it while the tailnet is not locked.
 *
 *   map message -> head of the authority -> sync.ts, which asks control for its history and verifies it
 *               -> signatures of peers   -> peer-checks.ts, which verifies them and marks the peers in the netmap
 *
 * In force is it as soon as control names a head, or as there is an authority in the store, whatever control says: until it proves that the lock has ended.
 * Stricter than the official client, which lets everybody in until it has the authority, also where control cannot tell it. A device may leave the folder out
 * (without-lock.json).
 */
import { type Store, startTimer, stopTimer } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import type { LockOwner, TailnetLock } from "../lock-owner.js";
import { LONGEST_SIGNATURE } from "../netmap/staged-signatures.js";
import type { MapMessage, NetmapChange } from "../netmap/types.js";
import { type AuthorityState, keepsKeys } from "./authority-state.js";
import { hashToText } from "./hash-text.js";
import { PeerChecks } from "./peer-checks.js";
import { LOCK_VALUE, LockSync } from "./sync.js";

/** Characters of signatures that may wait: some 25 on a device; a tailnet of thousands elsewhere. */
const DEVICE_CHARACTERS = 2 * LONGEST_SIGNATURE;
const DESKTOP_CHARACTERS = 1_048_576;
/** Longest answer of control. */
const DEVICE_ANSWER_BYTES = 65_536;
const DESKTOP_ANSWER_BYTES = 1_048_576;
/** Names that a condition shows. */
const MOST_NAMES = 8;

/** How many characters of signatures are wanted of a message (Netmap.keepSignatures). */
export function signatureRoom(isDevice: boolean): number {
	return isDevice ? DEVICE_CHARACTERS : DESKTOP_CHARACTERS;
}

/** Whether an authority is in the store. @throws TailnetError "store" */
export function isLockStored(store: Store): boolean {
	return store.get(LOCK_VALUE) !== undefined;
}

/** Once control names a head, or an authority is in the store. @throws TailnetError "store" */
export function openLock(owner: LockOwner): TailnetLock {
	return new Lock(owner);
}

class Lock implements TailnetLock {
	readonly #owner: LockOwner;
	readonly #sync: LockSync;
	readonly #checks: PeerChecks;
	/** What the peers were last judged by; another state is followed on a turn of its own. */
	#followed: AuthorityState | undefined;
	#turn: Timer | undefined;
	#refused = 0;

	constructor(owner: LockOwner) {
		this.#owner = owner;
		const { netmap } = owner;
		this.#sync = new LockSync({
			store: owner.store,
			controlURL: owner.controlURL,
			get asker() {
				return owner.asker;
			},
			ask: (path, body, done) => owner.ask(path, body, owner.isDevice ? DEVICE_ANSWER_BYTES : DESKTOP_ANSWER_BYTES, done),
			trustShrinks: () => owner.trustShrinks(),
			stateChanged: (state) => this.#stateChanged(state),
			problem: (text) => this.#problem(text),
			report: (error) => owner.report(error),
		});
		const sync = this.#sync;
		this.#checks = new PeerChecks({
			netmap,
			get trust() {
				return sync.state;
			},
			changed: (change) => owner.changed(change),
			done: () => this.#nameRefused(),
			mapWanted: () => owner.mapWanted(),
		});
		this.#followed = sync.state;
		if (!sync.state) return;
		netmap.enforceLock(true);
		owner.headChanged(hashToText(sync.state.head));
	}

	get counters(): TailnetLock["counters"] {
		return { verified: this.#checks.verified, waiting: this.#checks.waiting, refused: this.#refused };
	}

	restored(): void {
		if (this.#sync.state) this.#checks.restored();
	}

	map({ change }: MapMessage): NetmapChange | undefined {
		if (!change) return undefined;
		const { netmap } = this.#owner;
		const isInForce = netmap.isLocked || this.#sync.state !== undefined;
		const changed = netmap.enforceLock(isInForce);
		if (!isInForce) {
			this.#checks.close();
			netmap.isSelfRefused = false;
		} else if (changed) this.#checks.begin(change);
		else this.#checks.news(change);
		if (!isInForce) this.#nameRefused();
		this.#sync.want(netmap.lockHead, change.full);
		return changed;
	}

	forget(): void {
		stopTimer(this.#turn);
		this.#turn = undefined;
		this.#followed = undefined;
		this.#sync.forget();
		this.#checks.close();
	}

	close(): void {
		stopTimer(this.#turn);
		this.#sync.close();
		this.#checks.close();
	}

	/** Control's answer comes from deep, and new paths for every peer go deep: the stack of a board has room for one of them. */
	#stateChanged(state: AuthorityState | undefined): void {
		this.#owner.headChanged(state ? hashToText(state.head) : "");
		this.#turn ??= startTimer(() => {
			this.#turn = undefined;
			this.#follow();
		}, 0);
	}

	#follow(): void {
		const before = this.#followed;
		const after = this.#sync.state;
		this.#followed = after;
		if (!after) {
			this.#checks.close();
			this.#owner.netmap.isSelfRefused = false;
			const change = this.#owner.netmap.enforceLock(false);
			this.#nameRefused();
			this.#owner.changed(change);
		} else if (before) this.#checks.trustChanged(after, !keepsKeys(after, before));
		else this.#checks.resume();
	}

	#problem(text: string): void {
		const isNew = this.#owner.netmap.conditions.set("lock", text === "" ? undefined : `tailnet lock: ${text}`);
		if (!isNew) return;
		this.#owner.changed(undefined);
		if (text !== "") this.#owner.report(new TailnetError("lock", `tailnet lock: ${text}`));
	}

	#nameRefused(): void {
		const { netmap } = this.#owner;
		const refused = netmap.lockMarks === undefined ? [] : this.#checks.refused;
		const names = refused.slice(0, MOST_NAMES).map((index) => netmap.peers.name(index) || (netmap.peers.view(index)?.addresses[0] ?? "a peer"));
		const more = refused.length > names.length ? ` and ${refused.length - names.length} more` : "";
		const text = refused.length === 0 ? undefined : `tailnet lock keeps out peers whose node key nobody has signed: ${names.join(", ")}${more}`;
		this.#refused = refused.length;
		netmap.conditions.set("lock-refused", text, "medium");
		this.#owner.changed(undefined);
	}
}
