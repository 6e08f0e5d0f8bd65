/** What the native core was built for: an app that builds it chooses in its manifest (documentation/configuration.md). */

export interface Limits {
	/** Peers with a session at the same time. */
	readonly peers: number;
	/** Whether there is IPv6 inside the tunnel. */
	readonly hasIPv6: boolean;
	/** Whether subnets that we offer are served. */
	readonly hasSubnets: boolean;
	/** Relays that packets may wait for. */
	readonly relays: number;
	/** Bytes that may wait for one. */
	readonly relayQueueBytes: number;
}

/** @param counters of the tunnel, where its pool sizes are too */
export function limitsOf(counters: Record<string, number>): Limits {
	const { poolPeers = Number.POSITIVE_INFINITY, hasIPv6, hasSubnet, poolRegions = 16, poolRelayBytes = 65_536 } = counters;
	return { peers: poolPeers, hasIPv6: hasIPv6 !== 0, hasSubnets: hasSubnet !== 0, relays: poolRegions, relayQueueBytes: poolRelayBytes };
}
