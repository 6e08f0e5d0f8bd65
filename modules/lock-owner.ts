/**
 * What a node and the part of it that knows of tailnet lock are to each other. Types only: modules/lock/lock.ts is behind them, or, in an app that leaves it
 * out, hosts/xs/without-lock.ts.
 */
import type { Store } from "tailnet/host";
import type { TailnetError } from "./errors.js";
import type { Netmap } from "./netmap/netmap.js";
import type { MapMessage, NetmapChange } from "./netmap/types.js";

/** Whom questions to control are from. */
export interface LockAsker {
	/** Capability version. */
	readonly version: number;
	/** 32 bytes, public. */
	readonly nodeKey: Uint8Array;
}

export interface LockOwner {
	readonly store: Store;
	readonly netmap: Netmap;
	readonly controlURL: string;
	readonly asker: LockAsker;
	/** Memory is short. */
	readonly isDevice: boolean;
	/** Asks control on its session. @param limitBytes of the answer. @returns false if there is none */
	ask(path: string, body: string, limitBytes: number, done: (error: TailnetError | undefined, status: number, text: string) => void): boolean;
	/** Less is trusted than before: a map that is kept must not come back. */
	trustShrinks(): void;
	/** Another complete map is needed. */
	mapWanted(): void;
	/** Other peers carry traffic than before, if any; a condition or our own state may be another. */
	changed(change: NetmapChange | undefined): void;
	/** Head of the authority that we know, as text, "" = none. */
	headChanged(head: string): void;
	report(error: unknown): void;
}

export interface TailnetLock {
	/** Signatures verified, and that wait; peers kept out. */
	readonly counters: { verified: number; waiting: number; refused: number };
	/** A map of the last run is in force: its peers were trusted when it was stored. */
	restored(): void;
	/**
	 * A message is in force, and nobody has been told of it.
	 * @returns what else it changed
	 */
	map(message: MapMessage): NetmapChange | undefined;
	/** After a logout. @throws TailnetError "store" */
	forget(): void;
	close(): void;
}
