/**
 * One look at the network by STUN: does UDP work, from which addresses do our packets come, how far is each DERP region. Source: protocol/paths.md
 * §3.1-3.4, in the small-node form of §3.7.
 *
 *   plan          regions                                        probes for each family
 *   full          all that may be measured, 8 at a time          home 4, others 2; again after 100 ms
 *   incremental   the 3 fastest of the last report, and home     home 4, the two fastest 2, the third 1; again after 1.2 of its last latency, or 200 ms
 *
 * A full report is made first, when the last one is more than 5 minutes old, when the last report measured nothing, and on request.
 * Before each probe: is anything left to learn from it? If not, its set of probes ends, as it does with an answer.
 *
 * The report ends with the first of: every set ended; three regions have answered and their largest latency (twice, in a full report) has passed since;
 * 3 s. Without any answer UDP is blocked: nothing else is measured then (a TLS handshake for each region is beyond a device), the home region stays.
 */
import { parseAddress } from "../netmap/address.js";
import { gapAfter, type ProbeNode, type ProbeRegion, type ProbeSet, planProbes } from "./probe-plan.js";
import { StunTransactions } from "./stun.js";

export type { ProbeNode, ProbeRegion } from "./probe-plan.js";

/** Regions probed at the same time in a full report. */
const REGIONS_IN_FLIGHT = 8;
const STUN_LIMIT_MS = 3_000;
const ENOUGH_REGIONS = 3;
/** A full report is due when the last one is older. */
export const FULL_INTERVAL_MS = 300_000;
const TRANSACTION_BYTES = 12;
/** A server's name may take so long to resolve; it is looked at again after each gap. */
const RESOLVE_LIMIT_MS = 1_500;
const UNRESOLVED_GAP_MS = 100;
/** ProbeSet.nextAt when no probe is left. */
const ALL_SENT = Number.POSITIVE_INFINITY;

/** What one look at the network has shown. Latencies in milliseconds, above 0. */
export interface NetcheckReport {
	/** Monotonic milliseconds. */
	startedAt: number;
	/** Every region was asked, not only the nearest of the last report. */
	full: boolean;
	/** A STUN answer came. */
	udp: boolean;
	/** An answer came over IPv4. */
	ipv4: boolean;
	/** An answer came over IPv6. */
	ipv6: boolean;
	/** A probe was sent over IPv4. */
	ipv4CanSend: boolean;
	/** A probe was sent over IPv6. */
	ipv6CanSend: boolean;
	/** Our public IPv4 endpoint depends on whom we talk to (a NAT that maps each destination anew); undefined until two answers have come. */
	mappingVaries: boolean | undefined;
	/** Milliseconds by relay region: the minimum over the answers of both families. */
	latency: Map<number, number>;
	/** The same over IPv4. */
	latencyV4: Map<number, number>;
	/** The same over IPv6. */
	latencyV6: Map<number, number>;
	/** Our IPv4 endpoints as servers saw them, in the order of the first sighting, with the number of sightings. */
	seenV4: Map<string, number>;
	/** The same of IPv6. */
	seenV6: Map<string, number>;
	/** First IPv4 endpoint seen, "" when there is none. */
	globalV4: string;
	/** Last IPv6 endpoint seen, "" when there is none. */
	globalV6: string;
}

export interface NetcheckOptions {
	/** By the same socket as WireGuard: it is that socket's mapping which counts. */
	send(destination: string, datagram: Uint8Array): void;
	/** Addresses of a host name known so far; the owner resolves, a later probe finds the result. */
	addressesOf(host: string): readonly string[];
	random: (lengthBytes: number) => Uint8Array;
}

export interface NetcheckInput {
	/** In the order of the map. */
	regions: readonly ProbeRegion[];
	/** 0 = none. */
	home: number;
	/** This machine has a usable address of that family. */
	hasV4: boolean;
	hasV6: boolean;
	/** Measure everything, however fresh the last full report is. */
	full?: boolean;
}

export class Netcheck {
	#options: NetcheckOptions;
	#flights = new StunTransactions<ProbeSet>();
	#report: NetcheckReport | undefined;
	#last: NetcheckReport | undefined;
	#lastFull = Number.NEGATIVE_INFINITY;
	/** Sets being probed, and those of regions whose turn has not come. */
	#sets: ProbeSet[] = [];
	#queue: ProbeSet[][] = [];
	#enoughAt: number | undefined;

	constructor(options: NetcheckOptions) {
		this.#options = options;
	}

	/** The last complete report. */
	get last(): NetcheckReport | undefined {
		return this.#last;
	}

	get isRunning(): boolean {
		return this.#report !== undefined;
	}

	/** When tick() is to be called next. */
	get deadline(): number | undefined {
		if (!this.#report) return undefined;
		let earliest = this.#enoughAt ?? Number.POSITIVE_INFINITY;
		earliest = Math.min(earliest, this.#report.startedAt + STUN_LIMIT_MS);
		for (const set of this.#sets) if (!set.ended) earliest = Math.min(earliest, set.nextAt);
		return earliest;
	}

	/** Begins a report; an unfinished one is dropped. Call tick() at once: it sends the first probes, or ends the report if there is nothing to probe. */
	start(input: NetcheckInput, now: number): void {
		const last = this.#last;
		const full = input.full === true || !last || last.latency.size === 0 || now - this.#lastFull > FULL_INTERVAL_MS;
		this.#flights.clear();
		this.#sets = [];
		this.#enoughAt = undefined;
		this.#queue = planProbes(input, full ? undefined : last, now);
		this.#report = {
			startedAt: now,
			full,
			udp: false,
			ipv4: false,
			ipv6: false,
			ipv4CanSend: false,
			ipv6CanSend: false,
			mappingVaries: undefined,
			latency: new Map(),
			latencyV4: new Map(),
			latencyV6: new Map(),
			seenV4: new Map(),
			seenV6: new Map(),
			globalV4: "",
			globalV6: "",
		};
	}

	/**
	 * A datagram that the tunnel took for STUN. An answer counts once, from where it was asked for.
	 * @returns whether it was an answer to one of our probes
	 */
	receive(source: string, datagram: Uint8Array, now: number): boolean {
		const answer = this.#flights.answer(datagram, source, now);
		const report = this.#report;
		if (!answer || !report) return false;
		const set = answer.subject;
		set.ended = true;
		// A clock of whole milliseconds measures 0 on a LAN, and 0 would mean "did not answer".
		const latencyMS = Math.max(answer.latencyMS, 0.1);
		report.udp = true;
		lower(report.latency, set.region, latencyMS);
		// By the probe, not by the family of the address in the answer: a mapped IPv4 address stands in IPv6 form in some.
		if (set.v6) this.#sawV6(report, set.region, latencyMS, answer.endpoint);
		else this.#sawV4(report, set.region, latencyMS, answer.endpoint);
		if (report.latency.size >= ENOUGH_REGIONS && this.#enoughAt === undefined) {
			let largest = 0;
			for (const value of report.latency.values()) largest = Math.max(largest, value);
			this.#enoughAt = now + largest * (report.full ? 2 : 1);
		}
		return true;
	}

	/** Sends what is due. @returns the report when it has just been completed */
	tick(now: number): NetcheckReport | undefined {
		const report = this.#report;
		if (!report) return undefined;
		const over = (this.#enoughAt !== undefined && now >= this.#enoughAt) || now >= report.startedAt + STUN_LIMIT_MS;
		if (!over) {
			this.#probe(report, now);
			if (this.#queue.length > 0 || this.#sets.some((set) => !set.ended)) return undefined;
		}
		this.#report = undefined;
		this.#flights.clear();
		this.#last = report;
		if (report.full) this.#lastFull = report.startedAt;
		return report;
	}

	#probe(report: NetcheckReport, now: number): void {
		for (const set of this.#sets) this.#advance(set, report, now);
		while (this.#queue.length > 0 && this.#regionsInFlight() < REGIONS_IN_FLIGHT) {
			for (const set of this.#queue.shift() as ProbeSet[]) {
				set.startedAt = now;
				set.nextAt = now;
				this.#sets.push(set);
				this.#advance(set, report, now);
			}
		}
	}

	/** Regions that may still answer soon: neither answered nor out of probes for one gap. */
	#regionsInFlight(): number {
		const regions = new Set<number>();
		for (const set of this.#sets) if (!set.ended && set.nextAt !== ALL_SENT) regions.add(set.region);
		return regions.size;
	}

	#advance(set: ProbeSet, report: NetcheckReport, now: number): void {
		if (set.ended || set.nextAt > now) return;
		if (set.sent >= set.tries) {
			// Late answers are welcome until the report ends.
			set.nextAt = ALL_SENT;
			return;
		}
		if (!isUseful(set, report)) {
			set.ended = true;
			return;
		}
		const node = set.nodes[set.sent % set.nodes.length] as ProbeNode;
		const destination = this.#destination(node, set.v6);
		if (destination === undefined && now - set.startedAt < RESOLVE_LIMIT_MS) {
			set.nextAt = now + UNRESOLVED_GAP_MS;
			return;
		}
		if (destination) this.#send(set, destination, report, now);
		set.sent += 1;
		set.nextAt = now + gapAfter(set);
	}

	#send(set: ProbeSet, destination: string, report: NetcheckReport, now: number): void {
		if (set.v6) report.ipv6CanSend = true;
		else report.ipv4CanSend = true;
		this.#options.send(destination, this.#flights.begin(set, destination, this.#options.random(TRANSACTION_BYTES), now));
	}

	/** @returns "" when the node has no such family, undefined when its name is not resolved yet */
	#destination(node: ProbeNode, v6: boolean): string | undefined {
		const given = v6 ? node.ipv6 : node.ipv4;
		if (given !== "") return endpointText(given, node.stunPort, v6);
		if (parseAddress(node.hostName)) return endpointText(node.hostName, node.stunPort, v6);
		const addresses = this.#options.addressesOf(node.hostName);
		for (const address of addresses) {
			const destination = endpointText(address, node.stunPort, v6);
			if (destination !== "") return destination;
		}
		return addresses.length === 0 ? undefined : "";
	}

	#sawV4(report: NetcheckReport, region: number, latencyMS: number, endpoint: string): void {
		report.ipv4 = true;
		lower(report.latencyV4, region, latencyMS);
		if (report.globalV4 === "") report.globalV4 = endpoint;
		else if (endpoint !== report.globalV4) report.mappingVaries = true;
		else report.mappingVaries ??= false;
		report.seenV4.set(endpoint, (report.seenV4.get(endpoint) ?? 0) + 1);
	}

	#sawV6(report: NetcheckReport, region: number, latencyMS: number, endpoint: string): void {
		report.ipv6 = true;
		lower(report.latencyV6, region, latencyMS);
		report.globalV6 = endpoint;
		report.seenV6.set(endpoint, (report.seenV6.get(endpoint) ?? 0) + 1);
	}
}

/** Whether an answer would tell something new: the region's latency, that IPv6 works, or whether the mapping varies. */
function isUseful(set: ProbeSet, report: NetcheckReport): boolean {
	if (!report.latency.has(set.region)) return true;
	return set.v6 ? !report.ipv6 : report.mappingVaries === undefined;
}

/** "ip:port" or "[v6]:port"; "" if the address is not one of that family. */
function endpointText(address: string, port: number, v6: boolean): string {
	if (address.includes(":") !== v6 || !parseAddress(address)) return "";
	return v6 ? `[${address}]:${port}` : `${address}:${port}`;
}

function lower(map: Map<number, number>, region: number, latencyMS: number): void {
	const known = map.get(region);
	if (known === undefined || latencyMS < known) map.set(region, latencyMS);
}
