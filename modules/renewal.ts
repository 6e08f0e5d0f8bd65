/**
 * When a node key that has expired is replaced: once, at once. Control may call its successor expired before it ever was valid (an administrator expired it
 * again, or a clock is wrong): that one is replaced as well, but after a while, for every new key costs control a registration.
 *
 *   the map says                       then
 *   valid                              all is forgotten
 *   expired, a key not given up yet    replace it: at once the first time, else 1 min, 4 min, 9 min ... after the last time, at most an hour
 *   expired, a key given up            nothing: its successor is being registered
 */
import { Backoff } from "./control/backoff.js";

const STEP_MS = 60_000;
const LIMIT_MS = 3_600_000;

export class Renewal {
	/** Key that was given up last, 32 bytes, public. */
	#key: Uint8Array | undefined;
	/** Monotonic milliseconds before which no other is given up. */
	#quietUntilMS = 0;
	readonly #backoff = new Backoff(STEP_MS, LIMIT_MS);

	/**
	 * What the map says of our key.
	 * @param nodeKey 32 bytes, public, copied
	 * @returns milliseconds until the key is to be replaced; 0 = now, and it counts as given up from then on; undefined = it is not to be replaced
	 */
	look(isExpired: boolean, nodeKey: Uint8Array, now: number): number | undefined {
		if (!isExpired) {
			this.#key = undefined;
			this.#backoff.reset();
			return undefined;
		}
		if (this.#key?.every((byte, index) => byte === nodeKey[index])) return undefined;
		if (this.#key && now < this.#quietUntilMS) return this.#quietUntilMS - now;
		this.#key = nodeKey.slice();
		this.#quietUntilMS = now + this.#backoff.next();
		return 0;
	}
}
