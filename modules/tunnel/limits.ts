/** What the native core was built for: an app that builds it chooses in its manifest (documentation/configuration.md). */

/** A tunnel with room for so few peers is that of a device, where memory is short. */
const DEVICE_PEERS = 32;

export interface Limits {
	/** Peers with a session at the same time. */
	readonly peers: number;
	/** Memory is short. */
	readonly isDevice: boolean;
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
	return {
		peers: poolPeers,
		isDevice: poolPeers <= DEVICE_PEERS,
		hasIPv6: hasIPv6 !== 0,
		hasSubnets: hasSubnet !== 0,
		relays: poolRegions,
		relayQueueBytes: poolRelayBytes,
	};
}
