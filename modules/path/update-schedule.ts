/**
 * When our own endpoints are looked at again. Source: protocol/paths.md §2.2.
 *
 *   state     event                       next
 *   waiting   request(reason)             running: the owner makes a netcheck
 *   waiting   the timer                   running, reason "periodic"
 *   running   request(reason)             running, and once more afterwards with the last reason
 *   running   finished()                  running again if asked meanwhile; else waiting, with the timer armed if the node is in use
 *
 * The timer is 20..26 s, below the common 30 s life of a NAT mapping. It is armed only if there are peers, a key, a network, and the tunnel was used within
 * 45 s: an idle node sends no STUN at all. The CallMeMaybe of the next packet brings it back.
 */

export type UpdateReason =
	| "set-private-key"
	| "derp-map-update"
	| "non-zero-peers"
	| "periodic"
	| "refresh-for-peering"
	| "link-change-major"
	| "link-change-minor"
	| "derp-recv-error"
	| "portmap-changed"
	| "socket-error"
	| "home-unreachable"
	| "udp-heard";

const PERIOD_MINIMUM_MS = 20_000;
const PERIOD_SPREAD_MS = 6_000;
/** Not used for so long: no more STUN. */
const IN_USE_MS = 45_000;

export class UpdateSchedule {
	/** Updates begun, by reason. */
	readonly counts = new Map<UpdateReason, number>();

	#random: (lengthBytes: number) => Uint8Array;
	#start: (reason: UpdateReason) => void;
	#isRunning = false;
	#again: UpdateReason | undefined;
	#periodicAt: number | undefined;
	#lastUsed = Number.NEGATIVE_INFINITY;

	/** @param start begins an update; finished() follows when it is done, also when it failed. Called from inside the methods here */
	constructor(random: (lengthBytes: number) => Uint8Array, start: (reason: UpdateReason) => void) {
		this.#random = random;
		this.#start = start;
	}

	get isRunning(): boolean {
		return this.#isRunning;
	}

	/** When tick() is to be called next. */
	get deadline(): number | undefined {
		return this.#periodicAt;
	}

	/** Asks for an update. */
	request(reason: UpdateReason): void {
		if (this.#isRunning) this.#again = reason;
		else this.#begin(reason);
	}

	/** A packet went through the tunnel, in either direction. */
	used(now: number): void {
		this.#lastUsed = now;
	}

	/** The update is done. @param canRepeat network up, peers known, key set */
	finished(canRepeat: boolean, now: number): void {
		this.#isRunning = false;
		const again = this.#again;
		this.#again = undefined;
		if (again) {
			this.#begin(again);
			return;
		}
		if (!canRepeat || now - this.#lastUsed > IN_USE_MS) return;
		const bytes = this.#random(2);
		const part = (((bytes[0] as number) << 8) | (bytes[1] as number)) / 65536;
		this.#periodicAt = now + PERIOD_MINIMUM_MS + part * PERIOD_SPREAD_MS;
	}

	tick(now: number): void {
		if (this.#periodicAt === undefined || now < this.#periodicAt) return;
		this.#periodicAt = undefined;
		if (now - this.#lastUsed <= IN_USE_MS) this.request("periodic");
	}

	/** No update is wanted any more. */
	stop(): void {
		this.#periodicAt = undefined;
		this.#again = undefined;
	}

	#begin(reason: UpdateReason): void {
		this.#isRunning = true;
		this.#periodicAt = undefined;
		this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
		this.#start(reason);
	}
}
