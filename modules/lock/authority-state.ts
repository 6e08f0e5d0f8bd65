/**
 * What a tailnet's key authority trusts at one point of its history, and how an update changes it. A state is never changed: an update makes another one.
 * The rules are those of the official client's package tka (state.go, key.go, v1.98.9).
 */
import { equalBytes } from "tailnet/host";
import type { Update } from "./update.js";

/** Kinds of updates that change a state; others, which later versions may have, change nothing but the head. */
export const Kind = { addKey: 1, removeKey: 2, noOperation: 3, updateKey: 4, checkpoint: 5 } as const;

/** A key that may sign nodes and updates. */
export interface TrustedKey {
	/** Ed25519; its own id. 32 bytes, or it verifies nothing. */
	readonly bytes: Uint8Array;
	/** Weight of its signatures where the history forks, 1 to 4,096. */
	readonly votes: number;
}

/** What a checkpoint says, and what follows from updates after it. */
export interface Trust {
	readonly keys: readonly TrustedKey[];
	/** Argon2i of the secrets that end the lock, 32 bytes each. */
	readonly disablement: readonly Uint8Array[];
	/** Two numbers of 8 bytes, big-endian, which stay the same for the life of the authority. */
	readonly id: Uint8Array;
}

export interface AuthorityState extends Trust {
	/** Hash of the last update, 32 bytes: the head. */
	readonly head: Uint8Array;
}

export function findKey(state: Trust, id: Uint8Array): TrustedKey | undefined {
	return state.keys.find((key) => sameBytes(key.bytes, id));
}

/** Applies an update whose signatures are verified. @returns the state after it, or why it cannot be applied */
export function applyUpdate(state: AuthorityState, update: Update): AuthorityState | string {
	if (!update.parent || !sameBytes(update.parent, state.head)) return "it follows another update";
	const { keys } = state;
	const after = (changed: readonly TrustedKey[]): AuthorityState => ({ ...state, keys: changed, head: update.hash });
	if (update.kind === Kind.checkpoint) {
		const { checkpoint } = update;
		if (!checkpoint || !sameBytes(checkpoint.id, state.id)) return "a checkpoint of another authority";
		return { ...checkpoint, head: update.hash };
	}
	if (update.kind === Kind.addKey) {
		const key = update.key as TrustedKey;
		return findKey(state, key.bytes) ? "the key is trusted already" : after([...keys, key]);
	}
	if (update.kind !== Kind.removeKey && update.kind !== Kind.updateKey) return after(keys);
	const known = findKey(state, update.keyID as Uint8Array);
	if (!known) return "no such key";
	if (update.kind === Kind.removeKey) return after(keys.filter((key) => key !== known));
	return after(keys.map((key) => (key === known ? { bytes: key.bytes, votes: update.votes ?? key.votes } : key)));
}

/** Whether every key of before is trusted after as well. */
export function keepsKeys(before: Trust, after: Trust): boolean {
	return before.keys.every((key) => findKey(after, key.bytes) !== undefined);
}

/** Public bytes: not in constant time. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	return a.length === b.length && equalBytes(a, b);
}
