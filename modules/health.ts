/**
 * The truth about the node, layer by layer, and the one state that follows from it.
 *
 *   layer     condition                what is wrong                                                bound
 *   control   control-unreachable      no session could be made                                     130 s until degraded
 *   control   control-silent           there is a session, but no map message                       130 s
 *   control   login                    a person has to log in, or approve                           at once
 *   control   refused                  control says no                                              at once
 *   control   locked-out               tailnet lock is on and our node key is not signed            at once
 *   key       key-expired              our node key has expired                                     at once
 *   key       key-expires-soon         it expires within 7 days                                     -
 *   relay     relay-none               no DERP region is home                                       75 s
 *   relay     relay-down               the home region does not admit us or is silent               75 s
 *   relay     relay-problem            the relay says that it has a problem                         -
 *   network   network-down             there is no network; it hides what follows from it           5 s
 *   udp       udp4-unbound             no UDP socket can be bound: everything goes by relay         -
 *   udp       udp-blocked              no STUN answer twice, and a relay works: all goes by it      -
 *   netmap    (of the map itself)      a part does not fit, the filter is invalid                   at once
 *   pools     pool-full                a pool refused something since the last look                 -
 *   board     board-option             an option of the board's sdkconfig is off, which costs       -
 *
 * A layer beyond its bound makes the node degraded: it never says running while it is deaf.
 */
import { type ControlStatus, DEGRADED_AFTER_MS } from "./control/types.js";
import type { RegionStatus } from "./derp/types.js";
import type { HealthCondition } from "./netmap/types.js";

export type { HealthCondition } from "./netmap/types.js";

export type TailnetState =
	| "connecting" // there is no network map of control yet, or no relay connection yet; with the network map of the last run (kept in the store) known peers are reached all the same
	| "needs-login" // a person has to visit the URL of `onLogin`
	| "needs-approval" // an administrator has to approve the machine
	| "running" // peers reach the node
	| "degraded" // a layer is past its bound; the reason says which. The rest goes on
	| "key-expired" // the node key has expired
	| "locked-out" // tailnet lock: the node key is not signed
	| "stopped"; // closed, or logged out

/** A relay connection that is silent or gone for longer makes the node degraded. */
export const RELAY_BOUND_MS = 75_000;
/** Without a network for longer the node is degraded. */
export const NETWORK_BOUND_MS = 5_000;
/** A new node waits so long for its first relay connection before it says that it runs: peers with a direct path reach it all the same. */
export const RELAY_GRACE_MS = 3_000;
const KEY_WARNING_SECONDS = 7 * 86_400;
const NETWORK_DOWN = "there is no network";
const LOCKED_OUT = "tailnet lock: an administrator has to sign this node before peers accept it";

/** What the layers say of themselves. */
export interface Layers {
	control: ControlStatus;
	/** A map of control is in force. */
	hasMap: boolean;
	/** Monotonic milliseconds since when the map of the last run is in force instead, undefined = it is not. */
	cachedSince?: number | undefined;
	authorized: boolean;
	/** Tailnet lock is on, and our node key has no signature: peers refuse us. */
	lockedOut: boolean;
	keyExpired: boolean;
	/** Unix seconds, 0 = never. */
	keyExpiry: number;
	/** Unix seconds, 0 = not known. */
	unixSeconds: number;
	/** The DERP map has a region that could be home. */
	hasRegions: boolean;
	/** Status of the home region, undefined = there is none. */
	home: RegionStatus | undefined;
	/** Monotonic milliseconds since when the relay is not usable, undefined = it is. */
	relayDownSince: number | undefined;
	/** The relay has been usable since the start. */
	relayWasUp: boolean;
	/** Monotonic milliseconds since when there is no network, undefined = there is one. */
	networkDownSince: number | undefined;
	/** There is a UDP socket. */
	isUDPBound: boolean;
	/** UDP works; undefined = not known. */
	udp: boolean | undefined;
	/** Conditions of the network map. */
	netmap: readonly HealthCondition[];
	/** Names of pools that refused something lately. */
	fullPools: readonly string[];
	/** Options that the machine's software lacks: "NAME: what that costs" each. */
	lacks: readonly string[];
}

export interface Verdict {
	state: TailnetState;
	/** For people, "" when there is nothing to say. */
	reason: string;
	conditions: HealthCondition[];
}

/** Judges the layers. Pure; @param now monotonic milliseconds */
export function judge(layers: Layers, now: number): Verdict {
	const conditions: HealthCondition[] = [];
	const add = (id: string, severity: HealthCondition["severity"], text: string): void => void conditions.push({ id, severity, text });
	const { control } = layers;

	if (layers.keyExpired) add("key-expired", "high", "the node key has expired: log in again");
	else if (layers.keyExpiry !== 0 && layers.unixSeconds !== 0 && layers.keyExpiry - layers.unixSeconds < KEY_WARNING_SECONDS) {
		add("key-expires-soon", "low", `the node key expires on ${new Date(layers.keyExpiry * 1000).toISOString()}`);
	}
	if (control.state === "needs-login") add("login", "high", "a person has to log in");
	if (control.state === "refused") add("refused", "high", `control refused this node: ${control.reason}`);
	const relayLateMS = layers.relayDownSince === undefined ? 0 : now - layers.relayDownSince;
	const relayText = relayProblem(layers);
	const isCacheLate = layers.cachedSince !== undefined && now - layers.cachedSince > DEGRADED_AFTER_MS;
	const isNetworkDown = layers.networkDownSince !== undefined && now - layers.networkDownSince > NETWORK_BOUND_MS;
	if (isNetworkDown) add("network-down", "high", NETWORK_DOWN);
	else addConnections(layers, isCacheLate, relayText, relayLateMS, add);
	if (layers.lockedOut) add("locked-out", "high", LOCKED_OUT);
	for (const pool of layers.fullPools) add(`pool-full:${pool}`, "medium", `the pool of ${pool} was full`);
	for (const lack of layers.lacks) add(`board-option:${lack.slice(0, lack.indexOf(":"))}`, "low", `sdkconfig has no CONFIG_${lack}`);
	conditions.push(...layers.netmap);

	const [state, reason] = stateOf(layers, isNetworkDown, isCacheLate, relayText, relayLateMS);
	return { state, reason, conditions };
}

/** What needs a network: control, relay, UDP. */
function addConnections(
	layers: Layers,
	isCacheLate: boolean,
	relayText: string,
	relayLateMS: number,
	add: (id: string, severity: HealthCondition["severity"], text: string) => void,
): void {
	const { control, home } = layers;
	if (isCacheLate) add("control-unreachable", "high", control.error?.message ?? "control has not answered");
	else if (control.state === "degraded") {
		if (control.sessionSinceMS !== 0) add("control-silent", "high", control.reason || "control is silent");
		else add("control-unreachable", "high", control.reason || "control cannot be reached");
	} else if (control.failures > 0 && control.error) add("control-unreachable", "medium", control.error.message);
	if (relayText !== "") add(home ? "relay-down" : "relay-none", relayLateMS > RELAY_BOUND_MS ? "high" : "medium", relayText);
	if (home?.problem) add("relay-problem", "medium", `relay ${home.code}: ${home.problem}`);
	if (!layers.isUDPBound) add("udp4-unbound", "high", "no UDP socket can be bound: everything goes by relay");
	else if (layers.udp === false && layers.relayDownSince === undefined) add("udp-blocked", "medium", "UDP does not get through: everything goes by relay");
}

function relayProblem(layers: Layers): string {
	if (layers.relayDownSince === undefined || !layers.hasMap) return "";
	if (!layers.hasRegions) return "the tailnet has no relay";
	if (!layers.home) return "no relay is chosen yet";
	const { code, error } = layers.home;
	return error ? `relay ${code}: ${error.message}` : `relay ${code} is not connected`;
}

function stateOf(layers: Layers, isNetworkDown: boolean, isCacheLate: boolean, relayText: string, relayLateMS: number): [TailnetState, string] {
	const { control } = layers;
	if (control.state === "stopped") return ["stopped", control.reason];
	if (control.state === "needs-login") return ["needs-login", control.reason];
	if (control.state === "key-expired" || layers.keyExpired) return ["key-expired", control.reason];
	if (control.state === "refused") return [layers.hasMap ? "degraded" : "needs-login", control.reason];
	if (isNetworkDown) return [layers.hasMap ? "degraded" : "connecting", NETWORK_DOWN];
	if (!layers.hasMap) {
		const reason = control.error?.message ?? control.reason;
		if (layers.cachedSince === undefined) return ["connecting", reason];
		return [isCacheLate ? "degraded" : "connecting", `with the network map of the last run: ${reason || "control has not answered yet"}`];
	}
	if (!layers.authorized) return ["needs-approval", "an administrator has to approve this machine"];
	if (layers.lockedOut) return ["locked-out", LOCKED_OUT];
	if (control.state === "degraded") return ["degraded", control.reason];
	if (layers.hasRegions && !layers.relayWasUp && relayLateMS <= RELAY_GRACE_MS) return ["connecting", relayText];
	if (!layers.hasRegions && !layers.isUDPBound) return ["degraded", "there is no relay, and no UDP socket can be bound"];
	// A tailnet without any relay can still work by UDP; one whose relay is down cannot be reached by those who have no path yet.
	if (layers.hasRegions && layers.relayDownSince !== undefined && relayLateMS > RELAY_BOUND_MS) return ["degraded", relayText];
	const blocking = layers.netmap.find((condition) => condition.id === "filter" || condition.id === "netmap");
	if (blocking) return ["degraded", blocking.text];
	return ["running", ""];
}
