/** A timer that follows a deadline, which moves: what drives a state machine that has none of its own. */
import { monotonicMS, startTimer, stopTimer, type Timer } from "tailnet/host";

/** Timers of hosts are 32 bits of milliseconds: a later deadline is looked at again then. */
const longestMS = 86_400_000;

/**
 * Stops a timer, and starts another for the deadline.
 * @param deadline monotonic milliseconds; undefined or Infinity = none
 * @param look called once, at the deadline, or before it where that is more than a day away: what is not due then is to be asked for again
 */
export function timerAt(timer: Timer | undefined, deadline: number | undefined, look: () => void): Timer | undefined {
	stopTimer(timer);
	if (deadline === undefined || deadline === Number.POSITIVE_INFINITY) return undefined;
	return startTimer(look, Math.min(Math.max(0, Math.ceil(deadline - monotonicMS())), longestMS));
}
