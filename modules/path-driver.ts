/**
 * The paths on the host's clock: PathTable and Pings of modules/path with a timer, and a gate for datagrams that may not leave. Others are made when our
 * node key changes.
 */
import { monotonicMS, randomBytes, stopTimer, type Timer } from "tailnet/host";
import { timerAt } from "./deadline.js";
import type { DiscoBox } from "./disco/box.js";
import type { TailnetError } from "./errors.js";
import type { Netmap } from "./netmap/netmap.js";
import type { NetmapChange } from "./netmap/types.js";
import { type OwnEndpointList, PathTable, type PathTunnel, type PathView } from "./path/path-table.js";
import { type PingKind, type PingResult, Pings } from "./path/ping.js";
import type { Activity, TunnelLink } from "./tunnel/link.js";

export interface PathDriverOwner {
	readonly link: TunnelLink;
	readonly netmap: Netmap;
	readonly box: DiscoBox;
	readonly ownEndpoints: OwnEndpointList;
	/** 32 bytes, public. */
	readonly nodeKey: Uint8Array;
	/** Size of the tunnel's peer pool. */
	readonly peerSlots: number;
	regionCode(region: number): string;
	/** A CallMeMaybe waits for own endpoints that are fresh. */
	endpointsWanted(): void;
	pathChanged(index: number): void;
}

export class PathDriver {
	/** Everything by relay: no UDP leaves, and DISCO by UDP is not heard. */
	#isRelayOnly = false;
	readonly #owner: PathDriverOwner;
	#paths: PathTable;
	#pings: Pings;
	#timer: Timer | undefined;
	#closed = false;

	constructor(owner: PathDriverOwner) {
		this.#owner = owner;
		this.#paths = this.#makePaths();
		this.#pings = this.#makePings();
	}

	get table(): PathTable {
		return this.#paths;
	}

	get isRelayOnly(): boolean {
		return this.#isRelayOnly;
	}

	set isRelayOnly(isRelayOnly: boolean) {
		this.#isRelayOnly = isRelayOnly;
		this.connectivityChanged();
	}

	view(index: number): PathView | undefined {
		return this.#paths.view(index, monotonicMS());
	}

	/** Rejects with a TailnetError. */
	ping(kind: PingKind, index: number, timeoutMS: number): Promise<PingResult> {
		return new Promise((resolve, reject) => {
			this.#pings.start(kind, index, timeoutMS, monotonicMS(), (error: TailnetError | undefined, result) => {
				if (result) resolve(result);
				else reject(error);
			});
			this.#arm();
		});
	}

	/** Our node key is another one: every peer and every question starts anew. */
	nodeKeyChanged(): void {
		this.#paths.clear();
		this.#pings.close();
		this.#paths = this.#makePaths();
		this.#pings = this.#makePings();
		this.#arm();
	}

	/** @param keepsSessions the map before was that of our last run */
	netmapChanged(change: NetmapChange, keepsSessions: boolean): void {
		this.#paths.netmapChanged(change, monotonicMS(), keepsSessions);
		this.#arm();
	}

	ownEndpointsUpdated(): void {
		this.#paths.ownEndpointsUpdated(monotonicMS());
		this.#arm();
	}

	/** Indexes of the peers that were used in so many milliseconds until now, and are reached by relays only as far as we know. */
	relayed(withinMS: number): number[] {
		const now = monotonicMS();
		return this.#paths.relayed(now - withinMS, now);
	}

	connectivityChanged(): void {
		this.#paths.connectivityChanged(monotonicMS());
		this.#arm();
	}

	/** STUN or DISCO by UDP. */
	sendRaw(endpoint: string, datagram: Uint8Array): void {
		if (!this.#isRelayOnly) this.#owner.link.sendRaw(endpoint, datagram);
	}

	close(): void {
		this.#closed = true;
		stopTimer(this.#timer);
		this.#pings.close();
	}

	// ---- From the tunnel ----

	disco(endpoint: string, datagram: Uint8Array): void {
		if (!this.#isRelayOnly) this.#paths.disco.receiveUDP(endpoint, datagram, monotonicMS());
		this.#arm();
	}

	derpDisco(region: number, source: Uint8Array, packet: Uint8Array): void {
		this.#paths.disco.receiveDERP(region, source, packet, monotonicMS());
		this.#arm();
	}

	peerWantedByAddress(address: Uint8Array): void {
		this.#paths.peerWantedByAddress(address, monotonicMS());
		this.#arm();
	}

	peerWantedByKey(key: Uint8Array): void {
		this.#paths.peerWantedByKey(key, monotonicMS());
		this.#arm();
	}

	activity(handle: number, activity: Activity): void {
		this.#paths.activity(handle, activity, monotonicMS());
		this.#arm();
	}

	peerIdle(handle: number): void {
		this.#paths.peerIdle(handle, monotonicMS());
	}

	session(handle: number): void {
		this.#paths.session(handle, monotonicMS());
	}

	/** The parameters are those of PathTable. */
	resume(index: number, saved: Uint8Array, discoHash: number): boolean {
		const isResumed = this.#paths.resume(index, saved, discoHash, monotonicMS());
		this.#arm();
		return isResumed;
	}

	tsmp(handle: number, source: Uint8Array, payload: Uint8Array): void {
		if (!this.#paths.tsmp(handle, source, payload)) this.#pings.tsmp(payload, monotonicMS());
	}

	echoReply(id: number, sequence: number): void {
		this.#pings.echoReply(id, sequence, monotonicMS());
	}

	unreachable(endpoint: string): void {
		this.#paths.unreachable(endpoint, monotonicMS());
		this.#arm();
	}

	// ---- Inside ----

	#makePaths(): PathTable {
		const owner = this.#owner;
		return new PathTable({
			tunnel: this.#tunnel(),
			owner: {
				endpointsWanted: () => owner.endpointsWanted(),
				pathChanged: (index) => owner.pathChanged(index),
				pingAnswered: (token, latencyMS, address, region) => this.#pings.answered(token, latencyMS, address, region),
			},
			netmap: owner.netmap,
			nodeKey: owner.nodeKey,
			box: owner.box,
			ownEndpoints: owner.ownEndpoints,
			slots: owner.peerSlots,
			random: randomBytes,
		});
	}

	#makePings(): Pings {
		const owner = this.#owner;
		return new Pings({
			paths: this.#paths,
			peers: owner.netmap.peers,
			self: owner.netmap.self,
			tunnel: owner.link,
			regionCode: (region) => owner.regionCode(region),
			random: randomBytes,
		});
	}

	/** The tunnel, but for the gate. */
	#tunnel(): PathTunnel {
		const { link } = this.#owner;
		return {
			peer: (peer) => link.peer(peer),
			peerRemove: (handle) => link.peerRemove(handle),
			path: (handle, endpoint, trustedUntilMS, homeRegion) => link.path(handle, endpoint, trustedUntilMS, homeRegion),
			sessionDrop: (handle) => link.sessionDrop(handle),
			sendRaw: (endpoint, datagram) => this.sendRaw(endpoint, datagram),
			derpSend: (region, nodeKey, packet) => link.derpSend(region, nodeKey, packet),
		};
	}

	/** Sets the next wake-up. */
	#arm(): void {
		if (this.#closed) return;
		const deadline = Math.min(this.#paths.deadline ?? Number.POSITIVE_INFINITY, this.#pings.deadline ?? Number.POSITIVE_INFINITY);
		this.#timer = timerAt(this.#timer, deadline, () => this.#tick());
	}

	#tick(): void {
		const now = monotonicMS();
		this.#paths.tick(now);
		this.#pings.tick(now);
		this.#arm();
	}
}
