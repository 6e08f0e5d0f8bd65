/**
 * Factory reset: of what a node keeps (identity.ts), nothing stays in its store, whatever control says and whenever the power goes.
 *
 *   1  the network map is deleted      it can be had again, and may be what fills the store
 *   2  "reset" is written              from here on it is decided: whoever opens the store next goes on with 3
 *   3  everything else is deleted
 *   4  "reset" is deleted
 *
 * Cut before 2, the node is the one that it was, with all its keys; after 2, it is a new one. Never a machine key of today with the login of yesterday.
 */
import type { Store } from "tailnet/host";
import { forgetMap } from "./netmap/cache-values.js";

const MARK = "reset";
/** What modules/ writes into a store, besides the map; secrets first. */
const KEYS = Object.freeze(["machine-key", "node-key", "suspend-key", "registered", "old-node-key", "lock", "udp-port", "clock-floor"]);

/** Erases what a node keeps, also what it could not read. Nobody else has the store open. */
export function reset(store: Store): void {
	forgetMap(store);
	store.set(MARK, Uint8Array.of(1));
	erase(store);
}

/** Before anything else is read of a store. */
export function finishReset(store: Store): void {
	if (store.get(MARK)) erase(store);
}

function erase(store: Store): void {
	for (const key of KEYS) store.delete(key);
	store.delete(MARK);
}
