/**
 * The UDP addresses where peers might reach us, as told to control and in CallMeMaybe. Source: protocol/paths.md §2.
 *
 *   order  source                                          type
 *   1      a mapping of the gateway (modules/portmap) that is valid now             3 port mapped
 *   2      STUN over IPv4: the first answer, then others seen more than once       2 STUN
 *   3      STUN over IPv6: the last answer, then others seen more than once        2 STUN
 *   4      public IPv4 address + local port, if the mapping varies and the port is a fixed one (a manual forward may exist)   4 STUN4LocalPort
 *   5      what 2..4 said within 310 s, at most 6 for each address                 as then
 *   6      given by the app                                                        5 explicit
 *   7      interface addresses + our port                                          1 local
 *
 * The first type of an address stays. At most 10. IPv4 and IPv6 share one port here, so an IPv6 interface address is advertised truthfully.
 */
import { addressToText, endpointOf, endpointToText, isIPv4, isTailnetAddress, parseAddress, parseEndpoint } from "../netmap/address.js";
import { isLinkLocal, isPrivate } from "./better.js";

/** EndpointTypes of a map request: 1 local, 2 STUN, 3 port mapped, 4 STUN address with the local port, 5 given by the app. */
export type OwnEndpointType = 1 | 2 | 3 | 4 | 5;

export interface OwnEndpoint {
	/** "1.2.3.4:41641" or "[2001:db8::1]:41641" */
	readonly endpoint: string;
	readonly type: OwnEndpointType;
}

/** What a netcheck saw of us; NetcheckReport is one. */
export interface SeenEndpoints {
	readonly globalV4: string;
	readonly globalV6: string;
	readonly seenV4: ReadonlyMap<string, number>;
	readonly seenV6: ReadonlyMap<string, number>;
	readonly mappingVaries: boolean | undefined;
}

export interface OwnEndpointInput {
	/** undefined: no netcheck could be made. */
	seen: SeenEndpoints | undefined;
	/** Endpoint that the gateway has mapped for us, "" = none. */
	mapped?: string;
	/** Addresses of this machine's interfaces that are up, as texts. */
	interfaces: readonly string[];
	/** UDP port that is bound. */
	port: number;
	/** The app asked for that port. */
	isFixedPort: boolean;
	/** Endpoints given by the app. */
	explicit: readonly string[];
	/** There is a DERP map; without one a list without STUN is start-up noise. */
	hasDERPMap: boolean;
}

const ENDPOINTS_MAX = 10;
/** Older lists are never put into a CallMeMaybe: they name NAT mappings that died (30 s is a common limit). */
const FRESH_MS = 27_000;
const CACHE_MS = 310_000;
const CACHE_PER_ADDRESS = 6;
const V6_PER_SUBNET = 2;

interface Remembered {
	type: OwnEndpointType;
	until: number;
}

export class OwnEndpoints {
	#list: readonly OwnEndpoint[] = [];
	#updatedAt = Number.NEGATIVE_INFINITY;
	#cache = new Map<string, Remembered>();

	/** In order of preference, for display. */
	get list(): readonly OwnEndpoint[] {
		return this.#list;
	}

	/** The same as texts. */
	get addresses(): readonly string[] {
		return this.#list.map((own) => own.endpoint);
	}

	/** Whether the list may be told in a CallMeMaybe. */
	isFresh(now: number): boolean {
		return now - this.#updatedAt < FRESH_MS;
	}

	/** Sockets or network are others: what is listed no longer counts as fresh, and nothing is remembered. */
	expire(): void {
		this.#updatedAt = Number.NEGATIVE_INFINITY;
		this.#cache.clear();
	}

	/**
	 * Rebuilds the list.
	 * @returns "dropped": start-up noise, nothing happened; "same": fresh again, CallMeMaybes that waited may go; "changed": control has to hear of it too
	 */
	update(input: OwnEndpointInput, now: number): "dropped" | "same" | "changed" {
		const seen = new Map<string, OwnEndpointType>();
		if (input.seen) addSeen(seen, input.seen, input.port, input.isFixedPort);
		if (seen.size === 0 && !input.hasDERPMap) return "dropped";
		// Not remembered: a mapping says itself how long it lasts.
		const all = new Map<string, OwnEndpointType>();
		if (input.mapped) add(all, input.mapped, 3);
		for (const [endpoint, type] of seen) add(all, endpoint, type);
		this.#remember(seen, now);
		for (const [endpoint, { type }] of this.#cache) add(all, endpoint, type);
		for (const endpoint of input.explicit) if (parseEndpoint(endpoint)) add(all, endpoint, 5);
		for (const address of interfaceAddresses(input.interfaces, all.size > 0)) add(all, endpointToText(endpointOf(address, input.port)), 1);
		const list: OwnEndpoint[] = [];
		for (const [endpoint, type] of all) if (list.length < ENDPOINTS_MAX) list.push(Object.freeze({ endpoint, type }));
		this.#updatedAt = now;
		const isSame = sameSet(this.#list, list);
		if (!isSame) this.#list = list;
		return isSame ? "same" : "changed";
	}

	/** Refreshes the cache with what was seen now, and forgets what is over. */
	#remember(seen: ReadonlyMap<string, OwnEndpointType>, now: number): void {
		for (const [endpoint, { until }] of this.#cache) if (now >= until) this.#cache.delete(endpoint);
		for (const [endpoint, type] of seen) {
			// Deleted first: the cache is in the order of expiry.
			this.#cache.delete(endpoint);
			this.#cache.set(endpoint, { type, until: now + CACHE_MS });
			const host = hostOf(endpoint);
			const same = [...this.#cache.keys()].filter((known) => hostOf(known) === host);
			if (same.length > CACHE_PER_ADDRESS) this.#cache.delete(same[0] as string);
		}
	}
}

function addSeen(to: Map<string, OwnEndpointType>, seen: SeenEndpoints, port: number, isFixedPort: boolean): void {
	if (seen.globalV4 !== "") add(to, seen.globalV4, 2);
	for (const [endpoint, count] of seen.seenV4) if (count > 1) add(to, endpoint, 2);
	if (seen.globalV6 !== "") add(to, seen.globalV6, 2);
	for (const [endpoint, count] of seen.seenV6) if (count > 1) add(to, endpoint, 2);
	if (seen.globalV4 !== "" && seen.mappingVaries === true && isFixedPort) add(to, `${hostOf(seen.globalV4)}:${port}`, 4);
}

function add(to: Map<string, OwnEndpointType>, endpoint: string, type: OwnEndpointType): void {
	if (!to.has(endpoint)) to.set(endpoint, type);
}

function hostOf(endpoint: string): string {
	return endpoint.slice(0, endpoint.lastIndexOf(":"));
}

/**
 * Interface addresses worth telling: never of the tailnet, never IPv6 link-local; IPv4 link-local and IPv6 ULA only if there is nothing else; loopback
 * only if moreover nothing else is known of us. Ascending, IPv4 first; at most two IPv6 addresses of one subnet (privacy extensions make many).
 */
function interfaceAddresses(texts: readonly string[], isKnownOtherwise: boolean): Uint8Array[] {
	const ordinary: Uint8Array[] = [];
	const lesser: Uint8Array[] = [];
	const loopback: Uint8Array[] = [];
	const subnets = new Map<string, number>();
	for (const text of texts) {
		const address = parseAddress(text);
		if (!address || isTailnetAddress(address)) continue;
		const v4 = isIPv4(address);
		if (v4 ? address[12] === 127 : addressToText(address) === "::1") loopback.push(address);
		else if (v4) (isLinkLocal(address, v4) ? lesser : ordinary).push(address);
		else if (isPrivate(address, v4)) lesser.push(address);
		else if (!isLinkLocal(address, v4)) {
			const subnet = address.subarray(0, 8).join();
			const count = subnets.get(subnet) ?? 0;
			subnets.set(subnet, count + 1);
			if (count < V6_PER_SUBNET) ordinary.push(address);
		}
	}
	const chosen = ordinary.length > 0 ? ordinary : lesser.length > 0 ? lesser : isKnownOtherwise ? [] : loopback;
	return chosen.sort(compareAddresses);
}

function compareAddresses(a: Uint8Array, b: Uint8Array): number {
	const aV4 = isIPv4(a);
	if (aV4 !== isIPv4(b)) return aV4 ? -1 : 1;
	for (let i = 0; i < 16; i += 1) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
	return 0;
}

/** Order says nothing: the same set in another order is no change. */
function sameSet(a: readonly OwnEndpoint[], b: readonly OwnEndpoint[]): boolean {
	if (a.length !== b.length) return false;
	const types = new Map<string, OwnEndpointType>();
	for (const own of a) types.set(own.endpoint, own.type);
	return b.every((own) => types.get(own.endpoint) === own.type);
}
