/**
 * Times of control (RFC 3339 text) and the clock that judges them. See protocol/control.md §1.3, §6.7 (ControlTime) and §7 (KeyExpiry).
 *
 * A microcontroller may have no idea of the date, or a wrong one. Control says its time in ControlTime; from then on that counts, carried on by the
 * monotonic clock. Before that the machine's own date counts if it is believable, else nothing ever expires.
 */
import { isDigits } from "./digits.js";

const SECONDS_CHARACTERS = "0001-01-01T00:00:00".length;

/** Earlier than this, a clock has not been set (the bound that official nodes use). */
export const BELIEVABLE_UNIX_SECONDS = 1_673_373_066;

/** Control's and our date may differ by this much before ours is thought wrong. */
const TOLERATED_DIFFERENCE_MS = 60_000;

/**
 * Unix milliseconds of an RFC 3339 text; fractions of a second are cut off.
 * @returns 0 for "no time" (0001-01-01T00:00:00Z and everything before 1970), NaN for text of another form
 */
export function parseTimeMS(text: string): number {
	const seconds = text.slice(0, SECONDS_CHARACTERS).toUpperCase();
	let at = SECONDS_CHARACTERS;
	if (!hasForm(seconds, "0000-00-00T00:00:00")) return Number.NaN;
	if (text.charAt(at) === ".") {
		const start = at + 1;
		do at += 1;
		while (isDigits(text.charAt(at), 1));
		if (at === start) return Number.NaN;
	}
	const zone = text.slice(at).toUpperCase();
	if (zone !== "Z" && !hasForm(zone, "+00:00") && !hasForm(zone, "-00:00")) return Number.NaN;
	return Math.max(0, Date.parse(seconds + zone));
}

/** Whether text has a digit wherever form has one, and is like form elsewhere. */
function hasForm(text: string, form: string): boolean {
	if (text.length !== form.length) return false;
	for (let i = 0; i < form.length; i += 1) {
		const wanted = form.charAt(i);
		const found = text.charAt(i);
		if (wanted === "0" ? !isDigits(found, 1) : found !== wanted) return false;
	}
	return true;
}

/** The corrected date. */
export class MapClock {
	/** Unix ms minus monotonic ms; undefined = no idea. */
	#offsetMS: number | undefined;

	/** @param wallMS what the machine believes (0: nothing); @param now monotonic ms */
	constructor(wallMS: number, now: number) {
		if (wallMS >= BELIEVABLE_UNIX_SECONDS * 1000) this.#offsetMS = wallMS - now;
	}

	/** Control said its time. A time that cannot be does not displace one that can. */
	controlTime(unixMS: number, now: number): void {
		if (unixMS < BELIEVABLE_UNIX_SECONDS * 1000 && this.unixSeconds(now) !== 0) return;
		const offset = unixMS - now;
		if (this.#offsetMS === undefined || Math.abs(offset - this.#offsetMS) > TOLERATED_DIFFERENCE_MS) this.#offsetMS = offset;
	}

	/** Unix seconds, 0 if there is no believable time. */
	unixSeconds(now: number): number {
		if (this.#offsetMS === undefined) return 0;
		const seconds = Math.floor((now + this.#offsetMS) / 1000);
		return seconds < BELIEVABLE_UNIX_SECONDS ? 0 : seconds;
	}
}
