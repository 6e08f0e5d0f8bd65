/**
 * How often something may happen: burst times at once, then perSecond times a second (a token bucket).
 *
 * A valid peer may send pings and CallMeMaybes as fast as it likes, and each makes us send to an address of its choice.
 */
export class Budget {
	/** Refusals so far. */
	refused = 0;
	#left: number;
	#burst: number;
	#perMS: number;
	#filledAt = 0;

	constructor(burst: number, perSecond: number) {
		this.#left = burst;
		this.#burst = burst;
		this.#perMS = perSecond / 1000;
	}

	/** @returns whether it may happen now; if so it counts */
	take(now: number): boolean {
		if (!this.has(now)) return false;
		this.#left -= 1;
		return true;
	}

	/** @returns whether it may happen now; a refusal counts */
	has(now: number): boolean {
		this.#left = Math.min(this.#burst, this.#left + Math.max(0, now - this.#filledAt) * this.#perMS);
		this.#filledAt = now;
		if (this.#left >= 1) return true;
		this.refused += 1;
		return false;
	}
}
