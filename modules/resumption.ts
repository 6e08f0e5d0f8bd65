/**
 * A node that was resumed: what became of its record (suspend-record.ts), and the sessions in it until there is a network map that says whose they are. That is the
 * map of the last run, or control's where there is none. Peers that it does not have lose their sessions.
 */
import { crc32, monotonicMS, type Store, wallClockMS, wipe } from "tailnet/host";
import type { Netmap } from "./netmap/netmap.js";
import { ageSession, openRecord, type ResumeRefusal, SESSION_BYTES, SESSION_DISCO_AT, SESSION_SAVED_AT } from "./suspend-record.js";

export type { ResumeRefusal } from "./suspend-record.js";

const WHY: Readonly<Record<ResumeRefusal, string>> = Object.freeze({
	damaged: "it is damaged, or not the last one",
	used: "it was used before, or the node has run without it, or it is another store's",
	old: "its sessions have ended",
	clock: "the machine does not know the time, or its clock went back",
	"other-node": "it is that of another node key",
	store: "its key cannot be deleted from the store",
});

export class Resumption {
	/** Sessions that went on. */
	sessions = 0;
	/** Why the record is not used, undefined = it is. */
	readonly refused: ResumeRefusal | undefined;
	/** 32 bytes, of the run before; undefined where the record is refused. */
	readonly discoPrivateKey: Uint8Array | undefined;
	/** Those that wait for a map. */
	#waiting: Uint8Array | undefined;
	readonly #openedAtMS = monotonicMS();

	/** @param nodeKey 32 bytes, our public key */
	constructor(store: Store, record: Uint8Array, nodeKey: Uint8Array) {
		const opened = openRecord(store, record, nodeKey, wallClockMS());
		if (typeof opened === "string") {
			this.refused = opened;
			return;
		}
		this.discoPrivateKey = opened.discoPrivateKey;
		this.#waiting = opened.sessions;
	}

	/** For people. */
	get message(): string {
		return this.refused ? `the record of suspend() is not used: ${WHY[this.refused]}` : "";
	}

	/**
	 * The first map is in force: sessions go to those peers that it has. Later calls do nothing.
	 * @param isCached it is that of the last run, which may have an older disco key of a peer than the session
	 * @param resume gives a peer its session (endpoint 18, session 96, to be copied). @returns whether it was taken
	 */
	adopt(netmap: Netmap, isCached: boolean, resume: (index: number, saved: Uint8Array, discoHash: number) => boolean): void {
		const waiting = this.#waiting;
		if (!waiting) return;
		const view = new DataView(waiting.buffer, waiting.byteOffset, waiting.length);
		const { peers } = netmap;
		for (let at = 0; at < waiting.length; at += SESSION_BYTES) {
			const session = waiting.subarray(at, at + SESSION_BYTES);
			const index = peers.findByNodeKey(session.subarray(0, SESSION_DISCO_AT));
			const discoKey = index < 0 ? undefined : peers.discoKey(index);
			if (!discoKey || !ageSession(session, monotonicMS() - this.#openedAtMS)) continue;
			const discoHash = view.getUint32(at + SESSION_DISCO_AT, true);
			if (!isCached && crc32(discoKey, discoKey.length) !== discoHash) continue;
			if (resume(index, session.subarray(SESSION_SAVED_AT), discoHash)) this.sessions += 1;
		}
		this.drop();
	}

	/** The sessions that still wait are not to be used. */
	drop(): void {
		if (this.#waiting) wipe(this.#waiting);
		this.#waiting = undefined;
	}
}
