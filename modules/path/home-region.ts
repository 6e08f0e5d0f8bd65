/**
 * Which DERP region is home: where peers reach us. Moving is dear (control, every peer and a TLS connection have to follow), so the choice is sticky.
 * Source: protocol/paths.md §3.5.
 *
 *   1  best of each region: its minimum over 5 minutes, times its score
 *   2  the smallest best among the regions that answered this time is the choice
 *   3  the old one is kept if it is accessible (answered, or a frame came since the report began or within 8 s) and
 *      either the gain is below 10 ms, or the choice's best is above 2/3 of what the old one measured now
 *   4  no choice, but a frame from the old one within 120 s: keep it
 *   5  not in a map poll (peers could not learn of a move): keep the home there is
 *   6  still none: the home there is, else a random region, the same for the whole run
 *
 * A home whose relay cannot be connected to although others answer STUN counts as not measured for 10 minutes, §6.3: without that memory home would move
 * back with the next report, and be deaf again. Where every other one is such a region, the first of them is tried again.
 *
 * The 5 minutes are two buckets of 150 s for each region.
 */
import type { NetcheckReport } from "./netcheck.js";
import type { ProbeRegion } from "./probe-plan.js";

/** A smaller gain is not worth a move. */
const MINIMUM_GAIN_MS = 10;
const HEARD_RECENTLY_MS = 8_000;
const HEARD_LATELY_MS = 120_000;
const BUCKET_MS = 150_000;
const DEAD_MS = 600_000;

export interface HomeInput {
	regions: readonly ProbeRegion[];
	/** HomeParams.RegionScore of the DERP map; a missing, zero or negative score is 1. */
	score(region: number): number;
	/** When the last frame came from that region (monotonic milliseconds), undefined = never. */
	heardAt(region: number): number | undefined;
	/** Control streams the map, so it can tell peers. */
	inMapPoll: boolean;
	/** Home, if its relay connection cannot be made for long; 0 = it can. */
	deadRegion: number;
}

export class HomeRegion {
	#current = 0;
	/** What the reports alone would say; differs from current while we are not in a map poll. */
	#preferred = 0;
	#random: (lengthBytes: number) => Uint8Array;
	/** 0..65535, drawn at the first need. */
	#draw: number | undefined;
	#recent = new Map<number, number>();
	#older = new Map<number, number>();
	#recentSince = Number.NEGATIVE_INFINITY;
	/** Until when a region counts as not measured. */
	#dead = new Map<number, number>();

	/** @param random for the choice among regions that nobody measured */
	constructor(random: (lengthBytes: number) => Uint8Array) {
		this.#random = random;
	}

	/** 0 = none yet. */
	get current(): number {
		return this.#current;
	}

	/** The DERP map defines the home differently, or not at all. */
	forget(): void {
		this.#current = 0;
		this.#preferred = 0;
	}

	/** The home of the last run: kept until there is a reason to move. */
	restore(region: number): void {
		this.#current = region;
		this.#preferred = region;
	}

	/** Takes a report into account. @returns the home from now on */
	choose(report: NetcheckReport, input: HomeInput, now: number): number {
		this.#remember(report, now);
		this.#bury(report, input.deadRegion, now);
		this.#preferred = this.#prefer(report, input, now);
		if (!input.inMapPoll && this.#current !== 0) return this.#current;
		if (this.#preferred !== 0) this.#current = this.#preferred;
		else if (this.#current === 0) this.#current = this.#anyRegion(input);
		return this.#current;
	}

	#prefer(report: NetcheckReport, input: HomeInput, now: number): number {
		const old = this.#preferred;
		let choice = 0;
		let bestAny = 0;
		for (const eligible of this.#eligible(report, input)) {
			const best = this.#best(eligible) * scoreOf(input, eligible);
			if (choice !== 0 && best >= bestAny) continue;
			choice = eligible;
			bestAny = best;
		}
		const heardAt = input.heardAt(old);
		if (choice === 0) {
			const isKept = old !== 0 && !this.#dead.has(old) && heardAt !== undefined && now - heardAt <= HEARD_LATELY_MS;
			return isKept ? old : this.#longestDead(report, input);
		}
		if (old === 0 || old === choice || this.#dead.has(old)) return choice;
		const oldNow = (report.latency.get(old) ?? 0) * scoreOf(input, old);
		const isAccessible = oldNow !== 0 || (heardAt !== undefined && (heardAt >= report.startedAt || now - heardAt <= HEARD_RECENTLY_MS));
		if (isAccessible && (oldNow - bestAny < MINIMUM_GAIN_MS || bestAny > (oldNow / 3) * 2)) return old;
		return choice;
	}

	/** Regions that answered and may be home; those to avoid only if there is no other. */
	#eligible(report: NetcheckReport, input: HomeInput): number[] {
		const good: number[] = [];
		const avoided: number[] = [];
		for (const region of input.regions) {
			if (!report.latency.has(region.id) || this.#dead.has(region.id)) continue;
			(region.avoid || region.noMeasureNoHome ? avoided : good).push(region.id);
		}
		return good.length > 0 ? good : avoided;
	}

	/** Keeps the list of dead regions. A home in use is not on it, and without any answer the network is at fault, not the relay. */
	#bury(report: NetcheckReport, deadRegion: number, now: number): void {
		for (const [region, until] of this.#dead) if (now >= until) this.#dead.delete(region);
		if (deadRegion === 0) this.#dead.delete(this.#current);
		else if (report.latency.size > 0) this.#dead.set(deadRegion, now + DEAD_MS);
	}

	/** With nothing better, one that answers STUN again and was found dead before the others: it may be back. 0 = none */
	#longestDead(report: NetcheckReport, input: HomeInput): number {
		let choice = 0;
		for (const [region, until] of this.#dead)
			if (region !== input.deadRegion && report.latency.has(region) && (choice === 0 || until < (this.#dead.get(choice) as number))) choice = region;
		return choice;
	}

	#anyRegion(input: HomeInput): number {
		let regions = input.regions.filter((region) => !region.avoid && !region.noMeasureNoHome && region.nodes.length > 0);
		if (regions.length === 0) regions = input.regions.filter((region) => region.nodes.length > 0);
		if (regions.length === 0) return 0;
		if (this.#draw === undefined) {
			const bytes = this.#random(2);
			this.#draw = ((bytes[0] as number) << 8) | (bytes[1] as number);
		}
		return (regions[this.#draw % regions.length] as ProbeRegion).id;
	}

	#best(region: number): number {
		return Math.min(this.#recent.get(region) ?? Number.POSITIVE_INFINITY, this.#older.get(region) ?? Number.POSITIVE_INFINITY);
	}

	#remember(report: NetcheckReport, now: number): void {
		if (now - this.#recentSince >= BUCKET_MS) {
			this.#older = now - this.#recentSince >= 2 * BUCKET_MS ? new Map() : this.#recent;
			this.#recent = new Map();
			this.#recentSince = now;
		}
		for (const [region, latencyMS] of report.latency) {
			const known = this.#recent.get(region);
			if (known === undefined || latencyMS < known) this.#recent.set(region, latencyMS);
		}
	}
}

function scoreOf(input: HomeInput, region: number): number {
	const score = input.score(region);
	return score > 0 ? score : 1;
}
