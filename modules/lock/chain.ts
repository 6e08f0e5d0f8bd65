/**
 * The history of a tailnet's key authority, as far as it is kept: a state, and the updates after it with all their forks. The head is where the rules of
 * forks lead, which are the same everywhere (package tka of the official client, tka.go and sync.go, v1.98.9):
 *
 *   of several updates that follow the same one, the one with the most votes goes on; then one that removes a key; then the one with the lowest hash
 *
 * The official client keeps two weeks and at least 24 updates. Here the oldest are folded into the state, so that what is kept fits a value of the store
 * (compact). What is thereby not possible: a fork that leaves the history before that state, as a revocation of a key after the fact may, cannot be judged;
 * add() refuses it, the head stays, and whoever asks control finds that the heads differ. Nor can control be given back updates that it lost before that.
 */
import { type AuthorityState, applyUpdate, Kind, sameBytes } from "./authority-state.js";
import { parseUpdate, type Update, verifyUpdate, weightOf } from "./update.js";

/** An offer names the ancestors after so many updates, then after four times as many, and so on. */
const FIRST_SKIP = 4;
const SKIP_FACTOR = 4;

export class Chain {
	#base: AuthorityState;
	#updates: Update[];
	#head: AuthorityState;
	/** Updates from the base to the head. */
	#path: Update[] = [];

	private constructor(base: AuthorityState, updates: readonly Update[]) {
		this.#base = base;
		this.#updates = [...updates];
		this.#head = base;
	}

	/** @param updates verified, each after its parent. @returns what is wrong if they do not follow the state */
	static from(base: AuthorityState, updates: readonly Update[]): Chain | string {
		const chain = new Chain(base, updates);
		return chain.settle() || chain;
	}

	/** The authority that begins with a checkpoint, its first update or a later one, signed by a key of its own. @returns what is wrong otherwise */
	static begin(bytes: Uint8Array): Chain | string {
		const update = parseUpdate(bytes);
		if (typeof update === "string") return update;
		if (update.kind !== Kind.checkpoint || !update.checkpoint) return "an authority begins with a checkpoint";
		const problem = verifyUpdate(update, update.checkpoint);
		return problem === "" ? new Chain({ ...update.checkpoint, head: update.hash }, []) : problem;
	}

	/** The state before all updates that are kept. */
	get base(): AuthorityState {
		return this.#base;
	}

	get updates(): readonly Update[] {
		return this.#updates;
	}

	/** The state in force. */
	get head(): AuthorityState {
		return this.#head;
	}

	/** Whether an update, or the state before all that are kept, has this hash. */
	knows(hash: Uint8Array): boolean {
		return sameBytes(hash, this.#base.head) || this.#find(hash) !== undefined;
	}

	/** One that can be changed and given up. */
	copy(): Chain {
		const copy = new Chain(this.#base, this.#updates);
		copy.#head = this.#head;
		copy.#path = [...this.#path];
		return copy;
	}

	/**
	 * Takes an update that control sent, verified by the state that it follows. One that is there already is no error.
	 * settle() has to be called after the last.
	 * @returns "" or why it is refused
	 */
	add(bytes: Uint8Array): string {
		const update = parseUpdate(bytes);
		if (typeof update === "string") return update;
		if (this.knows(update.hash)) return "";
		const { parent } = update;
		if (!parent) return "an update without a parent";
		const state = this.#stateAt(parent);
		if (typeof state === "string") return state;
		const problem = verifyUpdate(update, state);
		if (problem !== "") return problem;
		const applied = applyUpdate(state, update);
		if (typeof applied === "string") return applied;
		this.#updates.push(update);
		return "";
	}

	/** Finds the head among all updates. @returns "" or why there is none: the head stays then */
	settle(): string {
		let state = this.#base;
		const path: Update[] = [];
		for (;;) {
			const children = this.#updates.filter(({ parent }) => parent && sameBytes(parent, state.head));
			if (children.length === 0) break;
			const next = choose(state, children);
			const after = applyUpdate(state, next);
			if (typeof after === "string") return after;
			state = after;
			path.push(next);
		}
		this.#head = state;
		this.#path = path;
		return "";
	}

	/** Hashes to tell control where we are: ancestors of the head, the latest first, more and more apart, the oldest that is kept last. */
	get ancestors(): Uint8Array[] {
		const ancestors: Uint8Array[] = [];
		let skip = FIRST_SKIP;
		// Place 0 is the head; the base is behind all of the path.
		for (let place = 1; place < this.#path.length; place += 1) {
			if (place % skip !== 0) continue;
			ancestors.push((this.#path[this.#path.length - 1 - place] as Update).hash);
			skip *= SKIP_FACTOR;
		}
		ancestors.push(this.#base.head);
		return ancestors;
	}

	/**
	 * Updates on the way to the head that control may not have: those after its head, or after the latest of its ancestors that is on the way.
	 * @returns none also where control's history and what is kept here do not meet
	 */
	missing(head: Uint8Array, ancestors: readonly Uint8Array[]): Update[] {
		const hashes = [this.#base.head, ...this.#path.map(({ hash }) => hash)];
		for (const hash of [head, ...ancestors]) {
			const place = hashes.findIndex((each) => sameBytes(each, hash));
			if (place >= 0) return this.#path.slice(place);
		}
		return [];
	}

	/** Folds the oldest update into the state; forks before it are gone. @returns false if there is none */
	fold(): boolean {
		const [oldest] = this.#path;
		const state = oldest && applyUpdate(this.#base, oldest);
		if (state === undefined || typeof state === "string") return false;
		this.#base = state;
		this.#path.shift();
		const kept: Update[] = [];
		for (const update of this.#updates) {
			const parent = update.parent as Uint8Array;
			if (sameBytes(parent, state.head) || kept.some(({ hash }) => sameBytes(hash, parent))) kept.push(update);
		}
		this.#updates = kept;
		return true;
	}

	#find(hash: Uint8Array): Update | undefined {
		return this.#updates.find((update) => sameBytes(update.hash, hash));
	}

	#stateAt(hash: Uint8Array): AuthorityState | string {
		if (sameBytes(hash, this.#head.head)) return this.#head;
		const way: Update[] = [];
		let at = hash;
		while (!sameBytes(at, this.#base.head)) {
			const update = this.#find(at);
			if (!update?.parent) return "it leaves the history before what is kept of it";
			way.push(update);
			at = update.parent;
		}
		let state: AuthorityState | string = this.#base;
		for (let i = way.length - 1; i >= 0 && typeof state !== "string"; i -= 1) state = applyUpdate(state, way[i] as Update);
		return state;
	}
}

function choose(state: AuthorityState, children: readonly Update[]): Update {
	let [best] = children as [Update];
	for (const child of children) if (isBetter(state, child, best)) best = child;
	return best;
}

function isBetter(state: AuthorityState, a: Update, b: Update): boolean {
	const weight = weightOf(a, state) - weightOf(b, state);
	if (weight !== 0) return weight > 0;
	const isRemoval = a.kind === Kind.removeKey;
	if (isRemoval !== (b.kind === Kind.removeKey)) return isRemoval;
	for (let i = 0; i < a.hash.length; i += 1) if (a.hash[i] !== b.hash[i]) return (a.hash[i] as number) < (b.hash[i] as number);
	return false;
}
