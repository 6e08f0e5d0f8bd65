/**
 * The whole life with the control server: /key, dial, register, map poll, lite updates, and again after every failure, with a backoff that has no end.
 *
 * Interface; see types.ts for what is given and told.
 */
import type { ControlCallbacks, ControlOptions, ControlStatus, HostFacts, NetFacts, OwnEndpoint } from "./types.js";

export interface ControlInterface {
	/** Begins; the first callback comes in a later turn. Idempotent. */
	start(): void;
	/** Where peers may find us. Sent when it differs from what control has. */
	updateEndpoints(endpoints: readonly OwnEndpoint[]): void;
	updateNetInfo(facts: NetFacts): void;
	/** Members that are given replace those before. */
	updateHostinfo(facts: Partial<HostFacts>): void;
	/** Our disco key is another one (32 bytes, public). */
	updateDiscoKey(key: Uint8Array): void;
	/** Another auth key, or another try after "refused". */
	retry(authKey?: string): void;
	/** The network under us changed: the present session is not trusted any more, connect again now. */
	reconnect(): void;
	/** Our node key has expired (seen in the map): asks for a new one and registers it. */
	keyExpired(): void;
	/** Gives up the node key at control, then stops. done is called once; the owner forgets the node key whatever it says. */
	logout(done: (error?: import("../errors.js").TailnetError) => void): void;
	/** Stops everything; no callback afterwards. Idempotent. */
	close(): void;
	readonly status: ControlStatus;
}

export type ControlConstructor = new (options: ControlOptions, callbacks: ControlCallbacks) => ControlInterface;
