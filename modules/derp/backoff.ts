/**
 * How long one region rests after a failure (protocol/relay.md §3.7, §3.9).
 *
 *   n-th failure in a row          n*n*10 ms, at most 5 s, times 0.5..1.5
 *   after a life of 10 s           n begins again at 1
 *   a login that lived less        at least 1 s: a server that closes after every login must not be dialled 100 times a second
 *   server said Restarting         reconnect-in, then about every 250 ms for try-for, then as above; both at most 30 s
 */
const UNIT_MS = 10;
const CAP_MS = 5000;
const FAIR_LIFE_MS = 10000;
const LEAST_REST_MS = 1000;
const RESTART_CAP_MS = 30000;
const RESTART_RETRY_MS = 250;

export class Backoff {
	#failures = 0;
	#restartAt = Number.POSITIVE_INFINITY;
	#retryUntil = Number.NEGATIVE_INFINITY;

	/** Failures in a row. */
	get failures(): number {
		return this.#failures;
	}

	/** When the server wants us to leave and come again; Infinity if it did not say. */
	get restartAt(): number {
		return this.#restartAt;
	}

	/** The server announced its restart. */
	restarting(reconnectInMS: number, tryForMS: number, now: number): void {
		this.#restartAt = now + Math.min(reconnectInMS, RESTART_CAP_MS);
		this.#retryUntil = this.#restartAt + Math.min(tryForMS, RESTART_CAP_MS);
	}

	/** The server admitted us. */
	admitted(): void {
		this.#restartAt = Number.POSITIVE_INFINITY;
		this.#retryUntil = Number.NEGATIVE_INFINITY;
	}

	/** Nothing has failed yet. */
	reset(): void {
		this.#failures = 0;
		this.admitted();
	}

	/**
	 * An attempt failed or a connection ended.
	 * @param lifeMS how long we were logged in, undefined = not at all
	 * @param fraction random, 0..1
	 * @returns milliseconds to wait
	 */
	failed(lifeMS: number | undefined, fraction: number, now: number): number {
		const jitter = 0.5 + fraction;
		this.#failures = lifeMS !== undefined && lifeMS >= FAIR_LIFE_MS ? 1 : this.#failures + 1;
		let rest = Math.min(this.#failures * this.#failures * UNIT_MS, CAP_MS) * jitter;
		if (now < this.#retryUntil || (now < this.#restartAt && this.#retryUntil >= this.#restartAt)) {
			rest = now < this.#restartAt ? this.#restartAt - now : RESTART_RETRY_MS * jitter;
			this.#failures = 0;
		}
		return lifeMS !== undefined && lifeMS < FAIR_LIFE_MS ? Math.max(rest, LEAST_REST_MS) : rest;
	}
}
