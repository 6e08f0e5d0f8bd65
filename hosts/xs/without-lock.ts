/**
 * In the place of modules/lock/lock.ts in an app that leaves tailnet lock out (without-lock.json): the node believes control about the keys of its peers, and
 * says so where the tailnet is locked.
 */
import type { LockOwner, TailnetLock } from "tailnet/lock-owner";

const UNVERIFIED = "tailnet lock is on, and this node was built without it: it believes control about the keys of its peers";

/** Nobody wants signatures. */
export function signatureRoom(_isDevice: boolean): number {
	return 0;
}

export function isLockStored(_store: LockOwner["store"]): boolean {
	return false;
}

export function openLock(owner: LockOwner): TailnetLock {
	const { conditions } = owner.netmap;
	return {
		counters: { verified: 0, waiting: 0, refused: 0 },
		restored() {},
		map() {
			conditions.set("lock-unverified", owner.netmap.isLocked ? UNVERIFIED : undefined, "medium");
			return undefined;
		},
		forget() {},
		close() {},
	};
}
