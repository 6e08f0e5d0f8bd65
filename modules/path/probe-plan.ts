/** Which DERP regions a netcheck asks, how often, and over which family. Source: protocol/paths.md §3.3, §3.7; the table is in netcheck.ts. */
import type { NetcheckInput, NetcheckReport } from "./netcheck.js";

const FAST_REGIONS = 3;
const HOME_TRIES = 4;
const FULL_TRIES = 2;
/** Gap between probes in a full report, and where nothing is known of the region's latency. */
const FULL_GAP_MS = 100;
const UNKNOWN_GAP_MS = 200;

/** One server of a region, as STUN needs it. */
export interface ProbeNode {
	/** DNS name or literal. */
	readonly hostName: string;
	/** "" = DNS, a literal = this address, any other text = family disabled. */
	readonly ipv4: string;
	readonly ipv6: string;
	/** UDP port, 0 = this node has no STUN (stunPort() of stun.ts has been applied). */
	readonly stunPort: number;
}

export interface ProbeRegion {
	readonly id: number;
	readonly nodes: readonly ProbeNode[];
	/** Not to be home. */
	readonly avoid: boolean;
	/** Never to be measured. */
	readonly noMeasureNoHome: boolean;
}

/** The probes to one region over one family. */
export interface ProbeSet {
	readonly region: number;
	readonly v6: boolean;
	/** With STUN; probe k goes to node k mod their number. */
	readonly nodes: readonly ProbeNode[];
	readonly tries: number;
	readonly gapMS: number;
	/** The third probe of an incremental set waits longer by 100 ms, the fourth by 50. */
	readonly spread: boolean;
	startedAt: number;
	sent: number;
	/** When the next probe is due. */
	nextAt: number;
	/** Answered, or nothing left to learn. */
	ended: boolean;
}

/**
 * @param last the report that an incremental one continues; undefined: full
 * @returns the sets of each region, in the order in which regions have their turn
 */
export function planProbes(input: NetcheckInput, last: NetcheckReport | undefined, now: number): ProbeSet[][] {
	const regions = probedRegions(input, last);
	const plan: ProbeSet[][] = [];
	for (let i = 0; i < regions.length; i += 1) {
		const region = regions[i] as ProbeRegion;
		const nodes = region.nodes.filter((node) => node.stunPort !== 0);
		const isHome = region.id === input.home;
		const tries = isHome ? HOME_TRIES : !last ? FULL_TRIES : i < 2 ? 2 : 1;
		let v4 = input.hasV4;
		let v6 = input.hasV6;
		if (last && tries === 1) {
			// One probe is worth one family; which one takes turns, once both are known to work.
			if (!last.ipv6) v6 = false;
			else if (last.ipv4) [v4, v6] = i % 2 === 0 ? [v4, v6 && !v4] : [v4 && !v6, v6];
		}
		const latencyMS = last?.latency.get(region.id);
		const gapMS = !last ? FULL_GAP_MS : latencyMS === undefined ? UNKNOWN_GAP_MS : latencyMS * 1.2;
		const sets: ProbeSet[] = [];
		if (v4 && nodes.some((node) => node.ipv4 === "" || node.ipv4.includes(".")))
			sets.push(setOf(region.id, false, nodes, tries, gapMS, last !== undefined, now));
		if (v6 && nodes.some((node) => node.ipv6 === "" || node.ipv6.includes(":")))
			sets.push(setOf(region.id, true, nodes, last && !last.ipv6 ? 1 : tries, gapMS, last !== undefined, now));
		if (sets.length > 0) plan.push(sets);
	}
	return plan;
}

/** Time from the last probe sent to the next: probe k of an incremental set is due at k * gap, and k * 50 ms later from the third on. */
export function gapAfter(set: ProbeSet): number {
	if (!set.spread || set.sent < 2) return set.gapMS;
	return set.gapMS + (set.sent === 2 ? 100 : 50);
}

function setOf(region: number, v6: boolean, nodes: readonly ProbeNode[], tries: number, gapMS: number, spread: boolean, now: number): ProbeSet {
	return { region, v6, nodes, tries, gapMS, spread, startedAt: now, sent: 0, nextAt: now, ended: false };
}

/** Home is always among them; regions to avoid only if it is one of those, or there is nothing else. */
function probedRegions(input: NetcheckInput, last: NetcheckReport | undefined): ProbeRegion[] {
	const measurable = input.regions.filter((region) => !region.noMeasureNoHome && region.nodes.some((node) => node.stunPort !== 0));
	let regions = measurable.filter((region) => !region.avoid || region.id === input.home);
	if (regions.length === 0) regions = measurable;
	if (!last) {
		// Home first: nothing is as useful to know, and only 8 have their turn at once.
		return regions.filter((region) => region.id === input.home).concat(regions.filter((region) => region.id !== input.home));
	}
	const latency = last.latency;
	const sorted = regions.slice().sort((a, b) => compareLatency(latency.get(a.id), latency.get(b.id)));
	const fast = sorted.slice(0, FAST_REGIONS);
	const home = sorted.find((region) => region.id === input.home);
	if (home && !fast.includes(home)) fast.push(home);
	return fast;
}

/** Unknown last; the sort keeps the map's order among equals. */
function compareLatency(a: number | undefined, b: number | undefined): number {
	if (a === undefined) return b === undefined ? 0 : 1;
	return b === undefined ? -1 : a - b;
}
