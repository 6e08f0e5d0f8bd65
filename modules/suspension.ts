/**
 * A node on its way to sleep: the tunnel tells its sessions one by one, and at the end there is a record (suspend-record.ts). Those of the peers used last are kept.
 */
import { crc32, type Store, wipe } from "tailnet/host";
import { TailnetError } from "./errors.js";
import { parseEndpoint } from "./netmap/address.js";
import { MOST_SESSIONS, SESSION_BYTES, SESSION_DISCO_AT, SESSION_SAVED_AT, sealRecord } from "./suspend-record.js";

/** What is to be known of the peer of a session. */
export interface SuspendedPeer {
	/** 32 bytes each. */
	readonly nodeKey: Uint8Array;
	readonly discoKey: Uint8Array;
	/** Where it is reached, "" = by relay alone. */
	readonly endpoint: string;
	/** Monotonic milliseconds of its last packet. */
	readonly lastUsed: number;
}

const ENDPOINT_BYTES = 18;

export class Suspension {
	/** Rejects with a TailnetError: "store", "closed". */
	readonly record: Promise<Uint8Array>;
	/** The peer used last first. */
	#sessions: { lastUsed: number; bytes: Uint8Array }[] = [];
	#done: (record: Uint8Array) => void = () => {};
	#failed: (error: unknown) => void = () => {};

	constructor() {
		this.record = new Promise((resolve, reject) => {
			this.#done = resolve;
			this.#failed = reject;
		});
	}

	/** @param session 96 bytes, copied */
	add(peer: SuspendedPeer, session: Uint8Array): void {
		const bytes = new Uint8Array(SESSION_BYTES);
		const endpoint = parseEndpoint(peer.endpoint);
		bytes.set(peer.nodeKey);
		new DataView(bytes.buffer).setUint32(SESSION_DISCO_AT, crc32(peer.discoKey, peer.discoKey.length), true);
		if (endpoint) bytes.set(endpoint, SESSION_SAVED_AT);
		bytes.set(session, SESSION_SAVED_AT + ENDPOINT_BYTES);
		const sessions = this.#sessions;
		sessions.push({ lastUsed: peer.lastUsed, bytes });
		sessions.sort((a, b) => b.lastUsed - a.lastUsed);
		if (sessions.length > MOST_SESSIONS) wipe((sessions.pop() as { bytes: Uint8Array }).bytes);
	}

	/** There are no more sessions. The parameters are those of sealRecord. */
	finish(store: Store, nodeKey: Uint8Array, discoPrivateKey: Uint8Array, wallMS: number): void {
		try {
			this.#done(
				sealRecord(
					store,
					nodeKey,
					discoPrivateKey,
					this.#sessions.map(({ bytes }) => bytes),
					wallMS,
				),
			);
		} catch (error) {
			this.#failed(error);
		}
		this.#sessions = [];
	}

	/** The node is closed. Without effect when there is a record. */
	close(): void {
		for (const { bytes } of this.#sessions) wipe(bytes);
		this.#sessions = [];
		this.#failed(new TailnetError("closed", "the node was closed"));
	}
}
