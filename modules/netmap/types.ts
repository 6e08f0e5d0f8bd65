/**
 * What the network map shows to the rest of the node: one peer decoded, what a message changed, and what a map poll said besides.
 * Types only; modules/netmap/netmap.ts, peers.ts and map-reader.ts are behind them.
 *
 * A peer is known by its index: a small number that stays with the node (its ID) as long as the node is in the map. The index of a removed
 * peer is not given to another one by the message that removed it.
 */

import type { SignatureNews } from "./staged-signatures.js";

/** One peer, decoded from the packed table when asked for. A copy: changing it changes nothing. */
export interface PeerView {
	index: number;
	/** NodeID, decimal text (it may exceed 2^53). */
	id: string;
	/** 32 bytes: WireGuard public key and DERP address. */
	nodeKey: Uint8Array;
	/** 32 bytes, or undefined: unreachable unless wireGuardOnly. */
	discoKey: Uint8Array | undefined;
	/** FQDN, lower case, without trailing dot; "" if the node has none. */
	name: string;
	/** Own addresses as texts, in the order of control. */
	addresses: string[];
	/** Prefixes as texts: AllowedIPs as control gave them, clamped for unsigned peers. What counts of them: Netmap.prefixes(). */
	allowedIPs: string[];
	/** Candidate UDP endpoints, "ip:port" or "[v6]:port", at most 8. */
	endpoints: string[];
	/** DERP region, 0 = none. */
	homeRegion: number;
	/** Capability version, 0 = unknown. */
	capVersion: number;
	/** Keys of the peer's CapMap. */
	capabilities: string[];
	/** UserID of the owner, decimal text. */
	user: string;
	/** undefined = unknown. Display only: traffic is never refused for it. */
	online: boolean | undefined;
	/** Unix seconds, 0 = unknown. */
	lastSeen: number;
	/** Unix seconds, 0 = never. */
	keyExpiry: number;
	/** Flagged by control, or keyExpiry has passed: no traffic, no DISCO, no DERP. */
	expired: boolean;
	/** Tailnet lock is in force and nobody vouches for the node key, or that is not verified yet: no traffic, no DISCO, no DERP. */
	untrusted: boolean;
	/** May not start anything towards us. */
	jailed: boolean;
	/** Plain WireGuard: no DISCO, no DERP. */
	wireGuardOnly: boolean;
	/** Not covered by tailnet lock: own addresses only, PeerAPI only. */
	unsignedPeerAPIOnly: boolean;
	tagged: boolean;
	/** Our address towards this peer, if it is not our own one. */
	masquerade4: string | undefined;
	masquerade6: string | undefined;
	/** PeerAPI ports announced by the peer, 0 = none. */
	peerAPI4: number;
	peerAPI6: number;
}

/** What one committed message (or the passing of time) changed. Lists are indexes. */
export interface NetmapChange {
	/** The peers were replaced as a whole: first message of a poll, or Peers. The lists below are right all the same. */
	full: boolean;
	added: Uint32Array;
	/** In the map before and after, with something different; holds keyChanged, discoChanged and those that merely went on- or offline. */
	changed: Uint32Array;
	/** Gone. view() of such an index is undefined from now on. */
	removed: Uint32Array;
	/** Another node key: sessions of the old key are dead. */
	keyChanged: Uint32Array;
	/** Another disco key: the peer restarted. */
	discoChanged: Uint32Array;
	/** What the tunnel was told of the peer may be different: prefixes, capabilities, masquerade, jail, expiry, home region. */
	routingChanged: Uint32Array;
	/** Own addresses, name, key expiry, authorisation or capabilities. */
	self: boolean;
	derp: boolean;
	dns: boolean;
	/** Netmap.filter has to be handed to the tunnel again. */
	filter: boolean;
	/** Netmap.health is different. */
	health: boolean;
	/** Signatures of node keys that a message brought, if anybody wants them. */
	signatures?: readonly SignatureNews[];
	/** There were more than could be kept: another map brings them again. */
	areSignaturesShort?: boolean;
}

export interface PingRequest {
	URL: string;
	URLIsNoise?: boolean;
	Log?: boolean;
	Types?: string;
	IP?: string;
	/** Base64 of an HTTP request (c2n). */
	Payload?: string;
}

/** One complete message of a map poll. Its netmap part is already in force. */
export interface MapMessage {
	keepAlive: boolean;
	/** Absent on a keep-alive. */
	change?: NetmapChange;
	pingRequest?: PingRequest;
	popBrowserURL?: string;
	/** Unix milliseconds. */
	controlTimeMS?: number;
	debug?: { SleepSeconds?: number; DisableLogTail?: boolean; Exit?: number };
	/** Addresses to reach control by when DNS fails. */
	dialPlan?: string[];
	/** Tailnet lock: absent = not mentioned. */
	tka?: { Head?: string; Disabled?: boolean };
	/** A newer client exists, as control puts it. */
	clientVersion?: { RunningLatest?: boolean; LatestVersion?: string; UrgentSecurityUpdate?: boolean };
}

/** The stream is unusable: end this poll, start another with backoff. Nothing of the message at fault is in force. */
export interface MapFailure {
	code: "framing" | "json" | "type" | "no-node" | "order" | "too-large";
	/** What was expected and what came. */
	message: string;
}

/** A condition that a person should see. */
export interface HealthCondition {
	/** Stable, for programs; control's own begin with "control:". */
	id: string;
	/** For people. */
	text: string;
	/** "high": the node does less than it should; "low": worth knowing. */
	severity: "high" | "medium" | "low";
}

/** Lookups over the peers. All are by committed state. */
export interface PeerLookup {
	/** Peers in the map. */
	readonly count: number;
	/** One more than the highest index ever used: for (let i = 0; i < limit; i += 1) if (has(i)) ... */
	readonly limit: number;
	has(index: number): boolean;
	/** @returns undefined if there is no peer at index */
	view(index: number): PeerView | undefined;
	/** May carry traffic: not expired, not kept out by tailnet lock, and reachable by DISCO, DERP or plain WireGuard (protocol/tunnel.md §3.3). */
	usable(index: number): boolean;
	/** @returns index or -1 */
	findByID(id: string): number;
	/** @param key 32 bytes at offset. @returns index or -1; if two nodes have it, a usable one, then the one with the higher ID. None that tailnet lock keeps out */
	findByNodeKey(key: Uint8Array, offset?: number): number;
	/** @param key 32 bytes at offset. @returns indexes of every node with that disco key, without those that tailnet lock keeps out */
	findByDiscoKey(key: Uint8Array, offset?: number): number[];
	/** @param address 16 bytes at offset. @returns index of the node whose own address it is, or -1 */
	findByAddress(address: Uint8Array, offset?: number): number;
	/** @param name FQDN, any case, with or without trailing dot. @returns index or -1 */
	findByName(name: string): number;
	/** Cheap parts of view(), for those who ask often. */
	nodeKey(index: number): Uint8Array | undefined;
	discoKey(index: number): Uint8Array | undefined;
	homeRegion(index: number): number;
	/** Candidate endpoints, 18 bytes each, concatenated. */
	endpoints(index: number): Uint8Array;
	isJailed(index: number): boolean;
}

/** The whole map, as path/ and tailnet.ts use it. */
export interface NetmapLookup {
	readonly peers: PeerLookup;
	/**
	 * The peer that a packet to this address belongs to: a node's own address first, else the longest prefix over what counts of the usable peers' AllowedIPs
	 * (protocol/tunnel.md §3.5, §3.6).
	 * @param address 16 bytes at offset. @returns index or -1
	 */
	route(address: Uint8Array, offset?: number): number;
	/**
	 * What counts of a peer's AllowedIPs, in the form of the PEER record (native/tn_records.h): 18 bytes each, address 16, bits u8, flags u8
	 * (bit 0: a single address of the peer itself). Empty for an unusable peer.
	 */
	prefixes(index: number): Uint8Array;
	/** Ids of the peer's capabilities, as compiled filters know them. */
	capabilityIDs(index: number): Uint16Array;
	/** Applies what a TSMP advertisement said. @returns whether the peer's disco key is another one now */
	learnDiscoKey(index: number, key: Uint8Array): boolean;
}

/** modules/netmap/map-reader.ts: class MapReader(netmap, bufferBytes = 32768). One for all polls. */
export interface MapReading {
	/** Another poll begins: half a message is dropped, the next message has to be complete. The map in force stays until then. */
	begin(): void;
	/**
	 * Feeds bytes of the response body, cut anywhere.
	 * @param now monotonic milliseconds
	 * @returns the messages completed by them, in order; those before a failure are in force
	 */
	push(bytes: Uint8Array, now: number): MapMessage[];
	/** Why the stream is unusable; push() takes nothing more until begin(). */
	readonly failure: MapFailure | undefined;
	/** Most bytes of working buffer used so far. */
	readonly peakBytes: number;
}

/** modules/netmap/self.ts: our own node, as control sees it. */
export interface SelfLookup {
	readonly id: string;
	readonly stableID: string;
	/** FQDN, lower case, without trailing dot. */
	readonly name: string;
	/** Own addresses, 16 bytes each, in the order of control. */
	readonly addresses: readonly Uint8Array[];
	/** The first IPv4 and the first IPv6 one. */
	readonly address4: Uint8Array | undefined;
	readonly address6: Uint8Array | undefined;
	/** 32 bytes: the node key that control knows us by. */
	readonly nodeKey: Uint8Array;
	/** Unix seconds, 0 = never. */
	readonly keyExpiry: number;
	/** Our node key has a signature of tailnet lock. */
	readonly signed: boolean;
	/** That signature, base64, "" = none. One that comes from the map of the last run is no base64. */
	readonly keySignature: string;
	/** false: an administrator has to approve this machine. */
	readonly authorized: boolean;
	readonly tagged: boolean;
	readonly user: string;
	hasCapability(name: string): boolean;
	/** Our key has expired: flagged by control, or keyExpiry has passed. @param unixSeconds 0 = not known */
	isExpired(unixSeconds: number): boolean;
}
