/** Dead sockets lead to a rebind at once, and to the next one not before 5 s: the tunnel says so with every packet that it cannot send. protocol/paths.md §6.2 */
import { monotonicMS, startTimer, stopTimer, type Timer } from "tailnet/host";

const gapMS = 5_000;

export class RebindLimit {
	readonly #rebind: () => void;
	#doneAtMS = Number.NEGATIVE_INFINITY;
	#timer: Timer | undefined;
	#closed = false;

	constructor(rebind: () => void) {
		this.#rebind = rebind;
	}

	/** The sockets are dead. */
	want(): void {
		if (this.#timer || this.#closed) return;
		const restMS = this.#doneAtMS + gapMS - monotonicMS();
		if (restMS <= 0) this.#rebind();
		else {
			this.#timer = startTimer(() => {
				this.#timer = undefined;
				this.#rebind();
			}, restMS);
		}
	}

	/** There was a rebind, whoever wanted it. */
	done(): void {
		this.#doneAtMS = monotonicMS();
	}

	close(): void {
		this.#closed = true;
		stopTimer(this.#timer);
	}
}
