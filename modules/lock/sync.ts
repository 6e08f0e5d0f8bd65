/**
 * Keeps our history of the key authority as control has it, and in the store (value "lock", chain-codec.ts). What is asked, and when:
 *
 *   control says      we have      then
 *   head              none         bootstrap: its first update is believed, as that of a new acquaintance; then sync
 *   head              another      sync: offer where we are, verify what we lack, a few updates a turn, all or nothing; send where we are, and what control lacks
 *   off               one          bootstrap: the secret that ends the lock, believed only if it is one
 *
 * A failure is shown, and tried again after a while; until then what was trusted stays so. See ipn/ipnlocal/network-lock.go of the official client, v1.98.9.
 */
import { type Store, startTimer, stopTimer, type Timer } from "tailnet/host";
import { Backoff } from "../control/backoff.js";
import { controlChecksum } from "../control-checksum.js";
import { TailnetError } from "../errors.js";
import type { LockAsker } from "../lock-owner.js";
import { type AuthorityState, keepsKeys, sameBytes } from "./authority-state.js";
import { Chain } from "./chain.js";
import { decodeChain, encodeChain } from "./chain-codec.js";
import { endsLock } from "./disablement.js";
import { hashToText } from "./hash-text.js";
import { bootstrapRequest, type Offer, offerRequest, Path, readBootstrap, readOffer, readSend, sendRequest } from "./messages.js";
import type { Update } from "./update.js";

/** Name of the value in the store. */
export const LOCK_VALUE = "lock";
const BACKOFF_STEP_MS = 5_000;
const BACKOFF_LIMIT_MS = 3_600_000;
/** An answer that has not come by then went down with its session. */
const ANSWER_MS = 60_000;
/** Updates verified in one turn. */
const UPDATES_A_TURN = 1;

export interface SyncOwner {
	readonly store: Store;
	readonly controlURL: string;
	readonly asker: LockAsker;
	/**
	 * Asks control. done is called in a later turn, and not at all if the session ends.
	 * @returns false if there is no session
	 */
	ask(path: string, body: string, done: (error: TailnetError | undefined, status: number, text: string) => void): boolean;
	/** Keys are not trusted any more, or there is an authority for the first time: what was kept on their word goes, before the new state is stored. */
	trustShrinks(): void;
	/** Another state is in force. undefined = tailnet lock is over */
	stateChanged(state: AuthorityState | undefined): void;
	/** What keeps our history from being control's, "" = nothing. */
	problem(text: string): void;
	report(error: unknown): void;
}

export class LockSync {
	/** What is trusted; undefined: there is no authority. */
	#state: AuthorityState | undefined;
	readonly #owner: SyncOwner;
	readonly #control: number;
	readonly #backoff = new Backoff(BACKOFF_STEP_MS, BACKOFF_LIMIT_MS);
	/** Head that control named last, "" = the lock is off. */
	#wanted = "";
	/** That #wanted needs nothing more. */
	#isSettled = false;
	/** An answer is waited for, or updates are being verified. Another number is another conversation. */
	#conversation = 0;
	#isBusy = false;
	#timer: Timer | undefined;
	#isClosed = false;

	/** Reads the store. @throws TailnetError "store" */
	constructor(owner: SyncOwner) {
		this.#owner = owner;
		this.#control = controlChecksum(owner.controlURL);
		const chain = this.#load();
		if (typeof chain === "string") {
			const error = new TailnetError("lock", `tailnet lock: what is stored of the key authority is not used: ${chain}`);
			this.#after(0, () => owner.report(error));
		} else this.#state = chain && owned(chain.head);
	}

	get state(): AuthorityState | undefined {
		return this.#state;
	}

	/** @param head as control has it, "" = the lock is off; @param isNewSession the session is another one than before */
	want(head: string, isNewSession: boolean): void {
		if (isNewSession) this.#abandon();
		if (head !== this.#wanted || isNewSession) this.#isSettled = false;
		this.#wanted = head;
		if (head === "" && !this.#state) this.#succeed();
		// On a turn of its own: a message comes from deep, and a request goes deep.
		if (!this.#isBusy && !this.#isSettled && this.#timer === undefined) this.#after(0, () => this.#begin());
	}

	/** Nothing stays, neither here nor in the store. @throws TailnetError "store" */
	forget(): void {
		this.#abandon();
		this.#state = undefined;
		this.#owner.store.delete(LOCK_VALUE);
	}

	close(): void {
		this.#isClosed = true;
		this.#abandon();
	}

	#load(): Chain | string | undefined {
		const value = this.#owner.store.get(LOCK_VALUE);
		return value && decodeChain(value, this.#control);
	}

	/** What is under way is not answered any more. */
	#abandon(): void {
		this.#conversation += 1;
		this.#isBusy = false;
		stopTimer(this.#timer);
		this.#timer = undefined;
	}

	/** The only thing that is waited for. */
	#after(waitMS: number, action: () => void): void {
		this.#timer = startTimer(() => {
			this.#timer = undefined;
			action();
		}, waitMS);
	}

	#begin(): void {
		const state = this.#state;
		const isOn = this.#wanted !== "";
		if (isOn !== (state !== undefined)) this.#bootstrap(state);
		else if (state && hashToText(state.head) !== this.#wanted) this.#sync();
		else this.#succeed();
	}

	// ---- Conversations ----

	#bootstrap(state: AuthorityState | undefined): void {
		const { asker } = this.#owner;
		this.#ask(Path.bootstrap, bootstrapRequest(asker, state?.head), (text) => {
			const { genesis, secret } = readBootstrap(text);
			if (state) this.#end(state, secret);
			else if (!genesis) this.#fail("control does not tell how its history begins");
			else {
				const chain = Chain.begin(genesis);
				if (typeof chain === "string") this.#fail(`its first update is refused: ${chain}`);
				else if (this.#adopt(chain)) this.#offer(chain);
			}
		});
	}

	#end(state: AuthorityState, secret: Uint8Array | undefined): void {
		const isRight = secret ? endsLock(state, secret) : false;
		if (isRight) {
			this.forget();
			this.#owner.stateChanged(undefined);
			this.#succeed();
		} else if (isRight === undefined)
			this.#fail("control says that it is over, and this machine has not the memory to make sure: it stays in force until a logout");
		else this.#fail("control says that it is over, and cannot prove it: it stays in force");
	}

	#sync(): void {
		const chain = this.#load();
		// One that is too large is not stored: it comes anew, and has to lead to where it led before.
		if (chain === undefined || typeof chain === "string") this.#bootstrapAgain();
		else this.#offer(chain);
	}

	#bootstrapAgain(): void {
		const state = this.#state as AuthorityState;
		this.#ask(Path.bootstrap, bootstrapRequest(this.#owner.asker, state.head), (text) => {
			const { genesis } = readBootstrap(text);
			const chain = genesis ? Chain.begin(genesis) : "control does not tell it";
			if (typeof chain === "string") this.#fail(`its first update is refused: ${chain}`);
			else this.#offer(chain);
		});
	}

	#offer(chain: Chain): void {
		this.#ask(Path.offer, offerRequest(this.#owner.asker, chain), (text) => {
			const offer = readOffer(text);
			const head = hashToText(chain.head.head);
			if (hashToText(offer.head) === head) {
				if (this.#adopt(chain)) this.#succeed();
			} else this.#verify(chain.copy(), offer, chain.missing(offer.head, offer.ancestors), 0);
		});
	}

	/** Verifies updates from place on, on turns of their own. */
	#verify(chain: Chain, offer: Offer, lacking: readonly Update[], place: number): void {
		const { missing } = offer;
		const end = Math.min(missing.length, place + UPDATES_A_TURN);
		for (let i = place; i < end; i += 1) {
			const problem = chain.add(missing[i] as Uint8Array);
			if (problem !== "") {
				this.#fail(`an update is refused: ${problem}`);
				return;
			}
		}
		if (end < missing.length) {
			this.#after(0, () => this.#guarded(() => this.#verify(chain, offer, lacking, end)));
			return;
		}
		const problem = chain.settle();
		if (problem !== "") this.#fail(`its history leads nowhere: ${problem}`);
		else if (this.#adopt(chain)) this.#send(lacking);
	}

	#send(lacking: readonly Update[]): void {
		const head = (this.#state as AuthorityState).head;
		this.#ask(Path.send, sendRequest(this.#owner.asker, head, lacking), (text) => {
			if (hashToText(readSend(text)) === hashToText(head)) this.#succeed();
			else this.#fail("control's history and ours end in different places");
		});
	}

	#ask(path: string, body: string, then: (text: string) => void): void {
		const conversation = this.#conversation;
		this.#isBusy = true;
		stopTimer(this.#timer);
		const isSent = this.#owner.ask(path, body, (error, status, text) => {
			if (this.#isClosed || conversation !== this.#conversation) return;
			stopTimer(this.#timer);
			this.#timer = undefined;
			if (error) this.#fail(error.message);
			else if (status !== 200) this.#fail(`${path}: expected status 200, got ${status}`);
			else this.#guarded(() => then(text));
		});
		this.#after(isSent ? ANSWER_MS : 0, () => this.#fail(isSent ? `${path}: no answer` : "there is no session with control"));
	}

	/** What control wrote may be anything. */
	#guarded(action: () => void): void {
		try {
			action();
		} catch (error) {
			if (error instanceof TailnetError) this.#owner.report(error);
			this.#fail((error as Error).message);
		}
	}

	// ---- Outcomes ----

	/** The chain's head comes into force, if it is not. @returns false after a failure: what was trusted has to be a part of it */
	#adopt(chain: Chain): boolean {
		const before = this.#state;
		const after = owned(chain.head);
		if (before && sameBytes(before.head, after.head)) return true;
		if (before && !chain.knows(before.head)) {
			this.#fail("control tells the history of another authority");
			return false;
		}
		if (!before || !keepsKeys(before, after)) this.#owner.trustShrinks();
		const value = encodeChain(chain, this.#control);
		if (value) this.#owner.store.set(LOCK_VALUE, value);
		else this.#owner.store.delete(LOCK_VALUE);
		this.#state = after;
		this.#owner.stateChanged(after);
		if (!value) this.#owner.report(new TailnetError("lock", "tailnet lock: the key authority has more keys than are kept: it is learned anew after a restart"));
		return true;
	}

	#succeed(): void {
		this.#isBusy = false;
		this.#isSettled = true;
		this.#backoff.reset();
		this.#owner.problem("");
	}

	#fail(text: string): void {
		this.#abandon();
		if (this.#isClosed) return;
		this.#owner.problem(text);
		this.#after(this.#backoff.next(), () => this.#begin());
	}
}

/** A copy that holds on to nothing else: keys are parts of updates, which are large. */
function owned(state: AuthorityState): AuthorityState {
	return {
		head: state.head.slice(),
		id: state.id.slice(),
		disablement: state.disablement.map((value) => value.slice()),
		keys: state.keys.map(({ bytes, votes }) => ({ bytes: bytes.slice(), votes })),
	};
}
