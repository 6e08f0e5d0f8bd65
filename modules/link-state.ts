/**
 * What a change of this machine's addresses and routes means. Pure. Source: protocol/paths.md §6.1.
 *
 *   before   facts now                                              change
 *   up       the same                                               none
 *   up       other addresses, or another way out                    major
 *   any      no address                                             down, once
 *   down     those from before, and it was short                    minor
 *   down     others, or it was long                                 major
 *
 * Sleep counts as a change: the clock that goes on while the machine sleeps is ahead of the one that does not, or a timer is late.
 */
import type { Gateway } from "tailnet/host";

export type LinkChange = "none" | "down" | "minor" | "major";

export interface LinkFacts {
	/** Addresses of the interfaces, without loopback, link-local and the tailnet's own. */
	readonly addresses: readonly string[];
	/** The way to other networks, if the machine says. */
	readonly gateway: Gateway | undefined;
}

/** A network that was away for longer may have forgotten us, even if it looks the same. */
const shortlyAwayMS = 10_000;
/** The clock is looked at so often. */
export const clockPeriodMS = 15_000;
const napMS = 22_500;
const sleepMS = 600_000;

export class LinkState {
	#known: string;
	#downSinceMS: number | undefined;
	#lookedAtMS: number;
	#wallMS: number;

	/** @param now monotonic milliseconds; @param wallMS Unix milliseconds, 0 = not known */
	constructor(facts: LinkFacts, now: number, wallMS: number) {
		this.#known = textOf(facts);
		this.#downSinceMS = facts.addresses.length === 0 ? now : undefined;
		this.#lookedAtMS = now;
		this.#wallMS = wallMS;
	}

	/** Monotonic milliseconds since when there is no network, undefined = there is one. */
	get downSinceMS(): number | undefined {
		return this.#downSinceMS;
	}

	/** The machine says that something changed. */
	look(facts: LinkFacts, now: number): LinkChange {
		const isDown = facts.addresses.length === 0;
		if (isDown) {
			if (this.#downSinceMS !== undefined) return "none";
			this.#downSinceMS = now;
			return "down";
		}
		const text = textOf(facts);
		const awayMS = this.#downSinceMS === undefined ? 0 : now - this.#downSinceMS;
		const wasDown = this.#downSinceMS !== undefined;
		const isSame = text === this.#known;
		this.#downSinceMS = undefined;
		this.#known = text;
		if (!isSame || awayMS > shortlyAwayMS) return "major";
		return wasDown ? "minor" : "none";
	}

	/** A period of clockPeriodMS is over. A wall clock that is set for the first time, or set back, says nothing of sleep. */
	tick(now: number, wallMS: number): LinkChange {
		const lateMS = now - this.#lookedAtMS - clockPeriodMS;
		const jumpedMS = this.#wallMS === 0 || wallMS === 0 ? 0 : wallMS - this.#wallMS - (now - this.#lookedAtMS);
		this.#lookedAtMS = now;
		this.#wallMS = wallMS;
		const sleptMS = Math.max(lateMS, jumpedMS);
		return sleptMS >= sleepMS ? "major" : sleptMS > napMS - clockPeriodMS ? "minor" : "none";
	}
}

function textOf({ addresses, gateway }: LinkFacts): string {
	return `${[...addresses].sort().join()} ${gateway?.gateway ?? ""} ${gateway?.address ?? ""}`;
}
