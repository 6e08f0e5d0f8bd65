/** Watches the machine's network, on the host's clock and news. What a change means is said by link-state.ts. */
import { defaultGateway, localAddresses, monotonicMS, startTimer, stopTimer, type Timer, wallClockMS } from "tailnet/host";
import { clockPeriodMS, type LinkChange, type LinkFacts, LinkState } from "./link-state.js";

/** News come in groups: an address, its prefix, its route. */
const groupMS = 10;
/** A network without address or gateway may be one that is not complete yet. */
const completeMS = 100;
/** After a major change the next look is not before. */
const gapMS = 1_000;

export class LinkWatch {
	readonly #changed: (change: Exclude<LinkChange, "none">) => void;
	readonly #state = new LinkState(facts(), monotonicMS(), wallClockMS());
	#majorAtMS = Number.NEGATIVE_INFINITY;
	#lookTimer: Timer | undefined;
	#clockTimer: Timer | undefined;
	#closed = false;

	/** @param changed told on a turn of its own */
	constructor(changed: (change: Exclude<LinkChange, "none">) => void) {
		this.#changed = changed;
		this.#armClock();
	}

	/** Monotonic milliseconds since when there is no network, undefined = there is one. */
	get downSinceMS(): number | undefined {
		return this.#state.downSinceMS;
	}

	/** The host has news; what they are is looked at when all of them are there. */
	news(): void {
		if (this.#lookTimer || this.#closed) return;
		this.#lookIn(groupMS, () => {
			const seen = facts();
			if (seen.gateway) this.#look(seen);
			else this.#lookIn(completeMS - groupMS, () => this.#look(facts()));
		});
	}

	close(): void {
		this.#closed = true;
		stopTimer(this.#lookTimer);
		stopTimer(this.#clockTimer);
	}

	#lookIn(delayMS: number, look: () => void): void {
		const delay = Math.max(delayMS, this.#majorAtMS + gapMS - monotonicMS());
		this.#lookTimer = startTimer(() => {
			this.#lookTimer = undefined;
			look();
		}, delay);
	}

	#look(seen: LinkFacts): void {
		this.#tell(this.#state.look(seen, monotonicMS()));
	}

	#armClock(): void {
		if (this.#closed) return;
		this.#clockTimer = startTimer(() => {
			this.#tell(this.#state.tick(monotonicMS(), wallClockMS()));
			this.#armClock();
		}, clockPeriodMS);
	}

	#tell(change: LinkChange): void {
		if (change === "none" || this.#closed) return;
		if (change === "major") this.#majorAtMS = monotonicMS();
		this.#changed(change);
	}
}

function facts(): LinkFacts {
	return { addresses: localAddresses(), gateway: defaultGateway() };
}
