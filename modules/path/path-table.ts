/**
 * The active peers: who has a slot in the tunnel, and the path machine of each. The peers that nobody talks to have only their entry in the netmap.
 *
 *   from the tunnel or the netmap          to
 *   packet for an unconfigured address     netmap.route -> PEER, PATH; perhaps somebody else's slot
 *   handshake or DERP from unknown key     netmap.findByNodeKey -> the same, but only an idle peer makes room: anyone may claim a key
 *   activity, unreachable                  that peer's machine
 *   DISCO                                  DiscoReceiver, which activates peers here; only a peer without traffic makes room
 *   TSMP advertisement                     the peer's disco key; its session stays
 *   netmap change                          PEER again, or removal; another disco key: SESSION_DROP, the peer restarted
 *
 * A slot is reserved as soon as the peer has a machine; the PEER record goes when the tunnel wants the peer. Source: protocol/paths.md §5, §7.1;
 * protocol/tunnel.md §3.3.
 */
import { bytesKey, type DiscoBox } from "../disco/box.js";
import { endpointToText, parseAddress, parseEndpoint } from "../netmap/address.js";
import type { NetmapChange, NetmapLookup } from "../netmap/types.js";
import type { Activity } from "../tunnel/link.js";
import { ActivePeer, type PathOwner, type PathTunnel } from "./active-peer.js";
import { DiscoReceiver } from "./disco-receiver.js";
import { PING_TIMEOUT_MS, SESSION_MS } from "./endpoint.js";

export type { PathOwner, PathTunnel } from "./active-peer.js";

/** Who may be displaced by whom: the victim's silence that is needed. */
const EVICT_FOR_PACKET_MS = 1_000;
const EVICT_FOR_CLAIM_MS = 10_000;
const EVICT_FOR_DISCO_MS = SESSION_MS;
const ENDPOINT_BYTES = 18;
const TSMP_ADVERTISEMENT = 0x61;
const KEY_BYTES = 32;

/** Our own addresses as UDP sees them; OwnEndpoints is one. */
export interface OwnEndpointList {
	/** "ip:port" and "[v6]:port" */
	readonly addresses: readonly string[];
	/** Young enough that the NAT mappings among them still live. */
	isFresh(now: number): boolean;
}

export interface PathTableOptions {
	tunnel: PathTunnel;
	owner: PathOwner;
	netmap: NetmapLookup;
	/** 32 bytes. */
	nodeKey: Uint8Array;
	box: DiscoBox;
	ownEndpoints: OwnEndpointList;
	/** Size of the tunnel's peer pool. */
	slots: number;
	random: (lengthBytes: number) => Uint8Array;
}

/** Where packets to a peer go, for people. */
export interface PathView {
	/** "" = by DERP only. */
	address: string;
	latencyMS: number;
	/** address alone is used. */
	trusted: boolean;
	/** Home region of the peer, 0 = none. */
	region: number;
}

export class PathTable {
	/** DISCO comes in here. */
	readonly disco: DiscoReceiver;
	/** Peers refused because every slot was in use by a busier one. */
	full = 0;
	/** Slots taken from the least recently used. */
	evicted = 0;
	callMeMaybesSent = 0;

	#options: PathTableOptions;
	#slots: (ActivePeer | undefined)[] = [];
	/** The last generation given to each slot. */
	#generations: Uint16Array;
	#byIndex = new Map<number, ActivePeer>();
	/** Peers that are to get a CallMeMaybe as soon as our own endpoints are fresh. */
	#waitingCalls = new Set<ActivePeer>();
	/** Time of the event being handled, for what the machines ask meanwhile. */
	#now = 0;

	constructor(options: PathTableOptions) {
		this.#options = options;
		this.#generations = new Uint16Array(options.slots);
		for (let slot = 0; slot < options.slots; slot += 1) this.#slots.push(undefined);
		this.disco = new DiscoReceiver(options.box, options.netmap.peers, options.tunnel, {
			activate: (index, now) => this.#activate(index, now, EVICT_FOR_DISCO_MS),
			known: (index, now) => {
				this.#now = now;
				return this.#byIndex.get(index);
			},
		});
	}

	/** Peers with a machine. */
	get active(): number {
		return this.#byIndex.size;
	}

	/** Indexes of the peers with a machine, the last used first. */
	get recent(): number[] {
		const peers = Array.from(this.#byIndex.values()).sort((a, b) => b.lastUsed - a.lastUsed);
		return peers.map((peer) => peer.index);
	}

	/** Indexes of the peers that were used since, and are reached by relays only as far as we know. @param since monotonic milliseconds */
	relayed(since: number, now: number): number[] {
		const peers = Array.from(this.#byIndex.values()).filter((peer) => peer.lastUsed >= since && peer.endpoint.state(now) !== "T");
		return peers.map((peer) => peer.index);
	}

	/** When tick() is to be called next, or undefined: not before another event. */
	get deadline(): number | undefined {
		let earliest: number | undefined;
		for (const peer of this.#byIndex.values()) {
			const deadline = peer.endpoint.deadline;
			if (deadline !== undefined && (earliest === undefined || deadline < earliest)) earliest = deadline;
		}
		return earliest;
	}

	tick(now: number): void {
		this.#now = now;
		for (const peer of this.#byIndex.values()) {
			const deadline = peer.endpoint.deadline;
			if (deadline !== undefined && deadline <= now) peer.endpoint.tick(now);
		}
	}

	// ---- From the tunnel ----

	/** A packet of ours waits for an address that no configured peer owns. @param address 16 bytes */
	peerWantedByAddress(address: Uint8Array, now: number): void {
		const index = this.#options.netmap.route(address);
		if (index >= 0) this.#configure(index, now, EVICT_FOR_PACKET_MS);
	}

	/** A handshake, or a DERP packet, came under a key that no configured peer has. @param key 32 bytes */
	peerWantedByKey(key: Uint8Array, now: number): void {
		const index = this.#options.netmap.peers.findByNodeKey(key);
		if (index >= 0) this.#configure(index, now, EVICT_FOR_CLAIM_MS);
	}

	activity(handle: number, activity: Activity, now: number): void {
		const peer = this.#find(handle);
		if (!peer) return;
		this.#now = now;
		peer.lastUsed = now;
		peer.bytesSent = activity.bytesSent;
		peer.bytesReceived = activity.bytesReceived;
		if (activity.sent) peer.endpoint.sent(now);
	}

	/** The tunnel has had no new session with the peer for 540 s. */
	peerIdle(handle: number, now: number): void {
		const peer = this.#find(handle);
		if (!peer) return;
		if (peer.endpoint.isIdle) {
			this.#remove(peer);
			return;
		}
		this.#unconfigure(peer);
		peer.lastUsed = Math.min(peer.lastUsed, now - SESSION_MS);
	}

	/** A WireGuard session was made. */
	session(handle: number, now: number): void {
		const peer = this.#find(handle);
		if (peer) peer.lastUsed = now;
	}

	/**
	 * TSMP came from a peer through the tunnel; advertisements of its disco key are taken here.
	 * @param source 16 bytes
	 * @returns whether it was one
	 */
	tsmp(handle: number, source: Uint8Array, payload: Uint8Array): boolean {
		if (payload[0] !== TSMP_ADVERTISEMENT || payload.length < 1 + KEY_BYTES) return false;
		const peer = this.#find(handle);
		const { netmap, box } = this.#options;
		if (!peer || netmap.peers.findByAddress(source) !== peer.index) return true;
		const key = payload.slice(1, 1 + KEY_BYTES);
		if (key.every((byte) => byte === 0) || !netmap.learnDiscoKey(peer.index, key)) return true;
		box.forget(peer.discoKey);
		peer.discoKey = key;
		return true;
	}

	/** A datagram to endpoint met "host unreachable". */
	unreachable(endpoint: string, now: number): void {
		this.#now = now;
		for (const peer of this.#byIndex.values()) if (peer.endpoint.best === endpoint) peer.endpoint.unreachable(endpoint, now);
	}

	// ---- From the netmap and our own side ----

	/** @param keepsSessions the map before was that of our last run: a peer that has another disco key had it already when this run's session was made */
	netmapChanged(change: NetmapChange, now: number, keepsSessions = false): void {
		this.#now = now;
		for (const index of change.removed) this.#removeIndex(index);
		for (const index of change.keyChanged) this.#removeIndex(index);
		for (const index of change.discoChanged) this.#discoChanged(index, keepsSessions);
		for (const index of change.changed) {
			const peer = this.#byIndex.get(index);
			if (!peer) continue;
			if (this.#isReachable(index)) this.#readEndpoints(peer, now);
			else this.#remove(peer);
		}
		for (const index of change.routingChanged) {
			const peer = this.#byIndex.get(index);
			if (peer?.configured) this.#sendPeer(peer);
		}
	}

	/** Our own endpoints were looked at again just now, whether they changed or not. */
	ownEndpointsUpdated(now: number): void {
		this.#now = now;
		const waiting = [...this.#waitingCalls];
		this.#waitingCalls.clear();
		for (const peer of waiting) this.#call(peer);
	}

	/** We have other sockets or another network. */
	connectivityChanged(now: number): void {
		this.#now = now;
		for (const peer of this.#byIndex.values()) peer.endpoint.connectivityChanged(now);
	}

	/** Our key is gone: every peer leaves the tunnel. */
	clear(): void {
		for (const peer of [...this.#byIndex.values()]) this.#remove(peer);
	}

	// ---- For people ----

	/**
	 * Asks a peer for a pong by every way; the first is told by PathOwner.pingAnswered.
	 * @param token not 0
	 * @returns false when the peer cannot be asked: unknown, expired, without disco key, or no slot is free for it
	 */
	ask(index: number, token: number, now: number): boolean {
		const peer = this.#activate(index, now, EVICT_FOR_PACKET_MS);
		if (!peer) return false;
		peer.lastUsed = now;
		peer.endpoint.ask(token, now);
		return true;
	}

	/** Nobody waits for the answer of ask() any more. */
	forget(index: number, token: number): void {
		this.#byIndex.get(index)?.endpoint.forget(token);
	}

	/** @returns undefined for a peer that nobody talks to */
	view(index: number, now: number): PathView | undefined {
		const endpoint = this.#byIndex.get(index)?.endpoint;
		if (!endpoint) return undefined;
		return { address: endpoint.best, latencyMS: endpoint.latencyMS, trusted: endpoint.state(now) === "T", region: endpoint.region };
	}

	/** The machine of a peer, for status pages and tests. */
	peer(index: number): ActivePeer | undefined {
		return this.#byIndex.get(index);
	}

	// ---- Slots ----

	/** A peer without disco key is unreachable both ways, DERP included, as it is for everybody else (protocol/paths.md §5.10). */
	#isReachable(index: number): boolean {
		const { peers } = this.#options.netmap;
		return peers.usable(index) && peers.discoKey(index) !== undefined;
	}

	#find(handle: number): ActivePeer | undefined {
		const peer = this.#slots[handle & 0xffff];
		return peer?.handle === handle ? peer : undefined;
	}

	#activate(index: number, now: number, evictSilentMS: number): ActivePeer | undefined {
		this.#now = now;
		const known = this.#byIndex.get(index);
		if (known) return known;
		const { netmap, nodeKey: ownNodeKey, tunnel, owner, box, random } = this.#options;
		const nodeKey = netmap.peers.nodeKey(index);
		const discoKey = netmap.peers.discoKey(index);
		if (!nodeKey || !discoKey || !this.#isReachable(index)) return undefined;
		const slot = this.#freeSlot(now, evictSilentMS);
		if (slot < 0) {
			this.full += 1;
			return undefined;
		}
		const generation = ((this.#generations[slot] as number) % 0xffff) + 1;
		this.#generations[slot] = generation;
		const identity = { handle: (slot | (generation << 16)) >>> 0, index, nodeKey: nodeKey.slice(), discoKey: discoKey.slice(), ownNodeKey };
		const peer = new ActivePeer(identity, tunnel, owner, box, random, (caller) => this.#call(caller), now);
		this.#slots[slot] = peer;
		this.#byIndex.set(index, peer);
		this.#readEndpoints(peer, now);
		return peer;
	}

	#configure(index: number, now: number, evictSilentMS: number): void {
		const peer = this.#activate(index, now, evictSilentMS);
		if (!peer) return;
		peer.lastUsed = now;
		peer.configured = true;
		this.#sendPeer(peer);
		peer.sendPath();
	}

	#sendPeer(peer: ActivePeer): void {
		const { netmap, tunnel } = this.#options;
		const view = netmap.peers.view(peer.index);
		if (!view) return;
		tunnel.peer({
			handle: peer.handle,
			publicKey: peer.nodeKey,
			homeRegion: view.homeRegion,
			jailed: view.jailed,
			masqueradeV4: view.masquerade4 === undefined ? undefined : parseAddress(view.masquerade4),
			masqueradeV6: view.masquerade6 === undefined ? undefined : parseAddress(view.masquerade6),
			capabilities: Array.from(netmap.capabilityIDs(peer.index)),
			prefixes: netmap.prefixes(peer.index),
		});
	}

	#freeSlot(now: number, evictSilentMS: number): number {
		let victim: ActivePeer | undefined;
		for (let slot = 0; slot < this.#slots.length; slot += 1) {
			const peer = this.#slots[slot];
			if (!peer) return slot;
			// Peers that only DISCO knows go first: no session is lost with them.
			if (now - peer.lastUsed < (peer.configured ? evictSilentMS : Math.min(evictSilentMS, PING_TIMEOUT_MS))) continue;
			if (!victim || (victim.configured && !peer.configured) || (victim.configured === peer.configured && peer.lastUsed < victim.lastUsed)) victim = peer;
		}
		if (!victim) return -1;
		this.evicted += 1;
		this.#remove(victim);
		return victim.handle & 0xffff;
	}

	#remove(peer: ActivePeer): void {
		this.#unconfigure(peer);
		peer.endpoint.reset();
		this.#byIndex.delete(peer.index);
		this.#waitingCalls.delete(peer);
		this.#slots[peer.handle & 0xffff] = undefined;
	}

	#unconfigure(peer: ActivePeer): void {
		if (peer.configured) this.#options.tunnel.peerRemove(peer.handle);
		peer.configured = false;
	}

	#removeIndex(index: number): void {
		const peer = this.#byIndex.get(index);
		if (!peer) return;
		this.#options.box.forget(peer.discoKey);
		this.#remove(peer);
	}

	#discoChanged(index: number, keepsSession: boolean): void {
		const peer = this.#byIndex.get(index);
		const key = this.#options.netmap.peers.discoKey(index);
		// Without a key the peer goes, with what else changed.
		if (!peer || !key || bytesKey(key) === bytesKey(peer.discoKey)) return;
		this.#options.box.forget(peer.discoKey);
		peer.discoKey = key.slice();
		// The path is kept: it fails to be confirmed if the peer has moved. Its WireGuard session died with the process that had the old key.
		if (peer.configured && !keepsSession) this.#options.tunnel.sessionDrop(peer.handle);
	}

	#readEndpoints(peer: ActivePeer, now: number): void {
		const { peers } = this.#options.netmap;
		const bytes = peers.endpoints(peer.index);
		const endpoints: string[] = [];
		for (let at = 0; at < bytes.length; at += ENDPOINT_BYTES) endpoints.push(endpointToText(bytes, at));
		peer.endpoint.setEndpoints(endpoints, now);
		peer.endpoint.setRegion(peers.homeRegion(peer.index));
	}

	// ---- What goes out ----

	#call(peer: ActivePeer): void {
		const { ownEndpoints, owner } = this.#options;
		if (!ownEndpoints.isFresh(this.#now)) {
			const first = this.#waitingCalls.size === 0;
			this.#waitingCalls.add(peer);
			if (first) owner.endpointsWanted();
			return;
		}
		const endpoints: Uint8Array[] = [];
		for (const address of ownEndpoints.addresses) {
			const bytes = parseEndpoint(address);
			if (bytes) endpoints.push(bytes);
		}
		this.callMeMaybesSent += 1;
		peer.sendCallMeMaybe(endpoints);
	}
}
