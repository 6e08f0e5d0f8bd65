/** What the native core was built for: an app that builds it chooses in its manifest (documentation/configuration.md). */

export interface Limits {
	/** Peers with a session at the same time. */
	readonly peers: number;
	/** Whether there is IPv6 inside the tunnel. */
	readonly hasIPv6: boolean;
}

/** @param counters of the tunnel, where its pool sizes are too */
export function limitsOf(counters: Record<string, number>): Limits {
	return { peers: counters["poolPeers"] ?? Number.POSITIVE_INFINITY, hasIPv6: counters["hasIPv6"] !== 0 };
}
