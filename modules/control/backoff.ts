/**
 * How long to wait after the n-th failure in a row: n² steps, times a random 0.5 to 1.5, with a bound but without an end (protocol/control.md §6.5).
 * Without the randomness a restarted server would see its whole tailnet at the same instant, again and again; so it stays at the bound as well, where the
 * delay is a third of it to the whole.
 */
import { randomBytes } from "tailnet/host";

export class Backoff {
	readonly #stepMS: number;
	readonly #limitMS: number;
	#failures = 0;

	/** @param stepMS mean delay after the first failure; @param limitMS longest delay */
	constructor(stepMS: number, limitMS: number) {
		this.#stepMS = stepMS;
		this.#limitMS = limitMS;
	}

	/** Failures since the last success. */
	get failures(): number {
		return this.#failures;
	}

	/** Another failure. @returns how many ms to wait */
	next(): number {
		this.#failures += 1;
		const mean = Math.min(this.#failures * this.#failures * this.#stepMS, this.#limitMS / 1.5);
		return Math.round(mean * (0.5 + randomFraction()));
	}

	reset(): void {
		this.#failures = 0;
	}
}

/** A number in [0, 1). */
export function randomFraction(): number {
	const bytes = randomBytes(3);
	return ((bytes[0] as number) * 65536 + (bytes[1] as number) * 256 + (bytes[2] as number)) / 0x100_0000;
}
