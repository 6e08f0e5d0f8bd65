/**
 * One node at work: brings control, netmap, relay, paths and tunnel together. Nothing here knows a wire format; each line of it says who tells whom.
 *
 *   control   -> map messages -> netmap -> tunnel (identity, filter), relay (map), paths (peers), names
 *   tunnel    -> STUN, port mapping -> network;  DISCO, activity, sessions -> paths;  DERP frames <-> relay
 *   network   -> home region -> relay, control;  endpoints -> control, paths
 *   any layer -> health -> state
 */
import { localAddresses, log, machine, monotonicMS, randomBytes, startTimer, stopTimer, type Timer, wallClockMS } from "tailnet/host";
import { Control } from "./control/control.js";
import { CAPABILITY_VERSION, type ControlCallbacks, DEFAULT_CONTROL_URL, type Registration } from "./control/types.js";
import { countersOf } from "./counters.js";
import { timerAt } from "./deadline.js";
import { DERP } from "./derp/derp.js";
import type { RegionStatus } from "./derp/types.js";
import { DiscoBox } from "./disco/box.js";
import { TailnetError } from "./errors.js";
import type { Verdict } from "./health.js";
import { HealthWatch, type LayerFacts } from "./health-watch.js";
import { type Identity, openIdentity } from "./identity.js";
import type { LinkChange } from "./link-state.js";
import { LinkWatch } from "./link-watch.js";
import { isLockStored, openLock, signatureRoom } from "./lock/lock.js";
import type { TailnetLock } from "./lock-owner.js";
import { NameResolver } from "./name-resolver.js";
import { isTailnetAddress } from "./netmap/address.js";
import type { RestoredMap } from "./netmap/cache-values.js";
import { MapReader } from "./netmap/map-reader.js";
import { Netmap } from "./netmap/netmap.js";
import type { MapMessage, NetmapChange } from "./netmap/types.js";
import { NetmapCache } from "./netmap-cache.js";
import { Network } from "./network.js";
import { type NetworkReport, networkReport } from "./network-report.js";
import type { NodeOptions } from "./node-options.js";
import type { NetInfo } from "./path/net-info.js";
import type { NetcheckReport } from "./path/netcheck.js";
import type { OwnEndpoint } from "./path/own-endpoints.js";
import type { PathView } from "./path/path-table.js";
import type { PingResult, PingKind as TunnelPingKind } from "./path/ping.js";
import { PathDriver } from "./path-driver.js";
import { peerAPIPort } from "./peerapi.js";
import { pingForControl } from "./ping-for-control.js";
import { RebindLimit } from "./rebind-limit.js";
import { Renewal } from "./renewal.js";
import { Resumption } from "./resumption.js";
import { PortSet, type SocketNode } from "./socket/node.js";
import { forgetRecord } from "./suspend-record.js";
import { Suspension } from "./suspension.js";
import { type Limits, limitsOf } from "./tunnel/limits.js";
import { type Identity as TunnelIdentity, TunnelLink } from "./tunnel/link.js";

/** What the node tells the public face. */
export interface NodeOwner {
	login(url: string): void;
	selfChanged(): void;
	peersChanged(change: NetmapChange): void;
	pathChanged(index: number): void;
	/** The state, its reason or a condition. */
	healthChanged(verdict: Verdict, before: Verdict): void;
	error(error: TailnetError): void;
}

/** Self attribute by which an administrator forbids everything but TCP 443: no UDP, only relays. */
const relayOnlyCapability = "only-tcp-443";
/** A home relay that cannot be connected to for so long is no candidate for home. */
const deadRelayMS = 30_000;
/** Bytes for a relay in one write. */
const largestRelayBufferBytes = 8192;
/** Addresses that no change of the network takes away. */
const loopback = Object.freeze(["127.0.0.1", "::1"]);
/** Peers are told that we are back so soon, or not at all. */
const returnTimeoutMS = 5_000;
/** As many of them. */
const mostReturns = 16;
/** The home relay is back: whoever was in use within the life of a session may be waiting for it. */
const waitingMS = 180_000;
/** Keys of the map are not looked at more often. */
const expiryGapMS = 1000;

export class Node implements SocketNode {
	readonly netmap: Netmap;
	readonly network: Network;
	readonly resolver: NameResolver;
	readonly ports = { tcp: new PortSet(portSeed()), udp: new PortSet(portSeed()) };
	readonly #options: NodeOptions;
	readonly #owner: NodeOwner;
	readonly #identity: Identity;
	readonly #box: DiscoBox;
	readonly #link: TunnelLink;
	readonly #limits: Limits;
	readonly #control: Control;
	readonly #derp: DERP;
	readonly #paths: PathDriver;
	readonly #cache: NetmapCache;
	/** From when the tailnet is locked on. */
	#lock: TailnetLock | undefined;
	#hasMap = false;
	/** The home relay was connected, and is not. */
	#isHomeLost = false;
	#closed = false;
	readonly #renewal = new Renewal();
	#renewalTimer: Timer | undefined;
	#logout: Promise<void> | undefined;
	/** Nobody waits for a logout, or rejects the one that is under way. */
	#endLogout: (error: TailnetError) => void = () => {};
	readonly #health: HealthWatch;
	readonly #lacks = machine.lacks;
	#clockTimer: Timer | undefined;
	#netmapTimer: Timer | undefined;
	/** Rebinds that the tunnel asks for. */
	readonly #repair = new RebindLimit(() => this.rebind());
	readonly #linkWatch: LinkWatch;
	/** What became of the record that the node was started with. */
	readonly resumption: Resumption | undefined;
	#suspension: Suspension | undefined;

	/** @throws TailnetError "store", "io" */
	constructor(options: NodeOptions, owner: NodeOwner) {
		this.#options = options;
		this.#owner = owner;
		this.#identity = openIdentity(options.store);
		const identity = this.#identity;
		this.resumption = this.#resume();
		this.#box = new DiscoBox(identity.discoPrivateKey);
		this.netmap = new Netmap({
			acceptRoutes: options.acceptRoutes === true,
			exitNode: options.exitNode,
			advertiseRoutes: options.advertiseRoutes ?? [],
			grants: options.grants === true,
			logins: options.logins === true,
		});
		this.#link = this.#openTunnel();
		this.#limits = limitsOf(this.#link.counters());
		if (!this.#limits.hasIPv6) this.netmap.self.leaveOutIPv6();
		try {
			if (!this.#limits.hasSubnets && (options.advertiseRoutes ?? []).length > 0)
				throw new TailnetError("argument", "advertiseRoutes: this node was built without subnet routes (tailnet.subnet of its manifest)");
			identity.port = this.#link.port;
			this.network = new Network(this.#networkOwner());
			this.resolver = new NameResolver(this, this.netmap.names, (address) => this.#isInside(address));
			this.#paths = this.#makePaths();
			this.#derp = new DERP({
				maximumConnections: this.#limits.relays,
				bufferBytes: Math.min(largestRelayBufferBytes, this.#limits.relayQueueBytes / 2),
				privateKey: identity.nodePrivateKey,
				source: this.#link,
				authorities: options.authorities,
				onStatus: (status) => this.#relayStatus(status),
				onLost: () => this.network.update("derp-recv-error"),
				onHomeLost: () => this.network.homeLost(),
				onError: (error) => this.report(error),
			});
			this.#control = new Control(
				{
					...(options.controlURL === undefined ? {} : { controlURL: options.controlURL }),
					...(options.authKey === undefined ? {} : { authKey: options.authKey }),
					machinePrivateKey: identity.machinePrivateKey,
					nodePrivateKey: identity.nodePrivateKey,
					...(identity.oldNodeKey ? { oldNodeKey: identity.oldNodeKey } : {}),
					isKnown: identity.isRegistered,
					discoPublicKey: identity.discoPublicKey,
					host: {
						hostname: options.hostname,
						routableIPs: options.advertiseRoutes ?? [],
						peerAPI4: peerAPIPort,
						peerAPI6: this.#limits.hasIPv6 ? peerAPIPort : 0,
						shieldsUp: options.shieldsUp === true,
					},
					ephemeral: options.ephemeral === true,
					tags: options.tags ?? [],
					authorities: options.authorities ?? [],
					mapReader: new MapReader(this.netmap),
				},
				this.#controlCallbacks(),
			);
			const node = this;
			this.#health = new HealthWatch({
				facts: () => this.#facts(),
				get counters() {
					return node.counters;
				},
				changed: (verdict, before) => this.#owner.healthChanged(verdict, before),
			});
			this.#cache = this.#makeCache();
			this.netmap.keepSignatures(signatureRoom(this.#limits.isDevice));
			if (isLockStored(identity.values)) this.#lock = this.#makeLock();
			this.#control.start();
			if (identity.isRegistered) this.#cache.begin();
			this.#linkWatch = new LinkWatch((change) => this.#linkChanged(change));
			this.#renewClock();
		} catch (error) {
			this.#link.close();
			this.#endIdentity();
			throw error;
		}
	}

	get link(): TunnelLink {
		return this.#link;
	}

	get verdict(): Verdict {
		return this.#health.verdict;
	}

	/** Home relay region, 0 = none. */
	get homeRegion(): number {
		return this.#derp.home;
	}

	/** Counters of every layer, by name. */
	get counters(): Record<string, number> {
		return countersOf({
			link: this.#link,
			paths: this.#paths.table,
			mapping: this.network.mapping.counters,
			names: this.resolver.counters,
			control: this.#control.status,
			netmap: this.netmap,
			cache: this.#cache,
			lock: this.#lock,
		});
	}

	/** Indexes of the peers that are talked to, the last used first. */
	get activePeers(): number[] {
		return this.#paths.table.recent;
	}

	path(index: number): PathView | undefined {
		return this.#paths.view(index);
	}

	/** Code of a DERP region, or its number. */
	regionCode(region: number): string {
		return this.netmap.derpMap.region(region)?.code || String(region);
	}

	/** Rejects with a TailnetError. */
	ping(kind: TunnelPingKind, index: number, timeoutMS: number): Promise<PingResult> {
		return this.#paths.ping(kind, index, timeoutMS);
	}

	/** Rejects with TailnetError "closed". */
	async netcheck(): Promise<NetworkReport> {
		return this.#toPeople(await this.network.check());
	}

	/** The last look at the network, undefined before the first. */
	get lastNetcheck(): NetworkReport | undefined {
		const { last } = this.network;
		return last && this.#toPeople(last);
	}

	#toPeople(report: NetcheckReport): NetworkReport {
		return networkReport(report, this.network.mapping, (region) => this.regionCode(region));
	}

	/** Another network, or dead sockets: other UDP sockets, control anew; sessions stay, and so do relay connections that still work. */
	rebind(): void {
		this.#reopenSockets();
		this.network.expire();
		this.#paths.connectivityChanged();
		this.#checkRelays();
		this.#control.reconnect();
		this.network.update("link-change-major");
		this.#health.look();
	}

	/** The node key is forgotten, whatever control says of it. Rejects with a TailnetError; "closed" if the node is closed before control has answered. */
	logout(): Promise<void> {
		this.#logout ??= new Promise((resolve, reject) => {
			this.#endLogout = reject;
			this.#control.logout((refusal) => {
				let error: unknown = refusal;
				try {
					this.#identity.forget();
					this.#cache.forget();
					this.#lock?.forget();
				} catch (failure) {
					error ??= failure;
				}
				this.#health.stop("logged out");
				if (error) reject(error);
				else resolve();
			});
		});
		return this.#logout;
	}

	/** Ends what leaves the tunnel; close() is to follow. @returns the record for the next run. Rejects with a TailnetError: "store", "closed" */
	suspend(): Promise<Uint8Array> {
		if (!this.#suspension) {
			this.#suspension = new Suspension();
			this.#link.suspend();
		}
		return this.#suspension.record;
	}

	report(error: unknown): void {
		if (error instanceof TailnetError && !this.#closed) this.#owner.error(error);
		else {
			log("error", `${(error as { stack?: string }).stack ?? String(error)}`);
			if (this.#closed) return;
			this.#owner.error(new TailnetError("io", `an exception left a callback: ${(error as { message?: string }).message ?? String(error)}`));
		}
	}

	/** Whether an address is asked through the tunnel. With an exit node everything is, also while there is none of that name: nothing goes out beside it. */
	#isInside(address: Uint8Array): boolean {
		return this.#options.exitNode !== undefined || isTailnetAddress(address) || this.netmap.route(address) >= 0;
	}

	canReach(address: Uint8Array): boolean {
		return !this.#hasMap || this.netmap.route(address) >= 0;
	}

	later(callback: () => void): void {
		startTimer(callback, 0);
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		stopTimer(this.#clockTimer);
		stopTimer(this.#renewalTimer);
		stopTimer(this.#netmapTimer);
		this.#cache.close();
		this.#lock?.close();
		this.#repair.close();
		this.#linkWatch.close();
		this.#paths.close();
		this.#control.close();
		this.network.close();
		this.resolver.close();
		this.#derp.close();
		this.#link.close();
		this.#box.close();
		this.#endLogout(new TailnetError("closed", "the node was closed"));
		this.#suspension?.close();
		this.resumption?.drop();
		this.#endIdentity();
		this.#health.stop("");
	}

	/** The store may be full by now; that the node ends is more important. */
	#endIdentity(): void {
		try {
			this.#identity.close(monotonicMS());
		} catch (error) {
			log("error", `the state cannot be written: ${(error as { message?: string }).message}`);
		}
	}

	// ---- Tunnel ----

	#openTunnel(): TunnelLink {
		try {
			return new TunnelLink(this.#tunnelIdentity(), {
				stun: (endpoint, datagram) => this.network.stun(endpoint, datagram),
				mapping: (endpoint, datagram) => this.network.mappingAnswer(endpoint, datagram),
				disco: (endpoint, datagram) => this.#paths.disco(endpoint, datagram),
				derpDisco: (region, source, packet) => this.#paths.derpDisco(region, source, packet),
				peerWantedByAddress: (address) => this.#paths.peerWantedByAddress(address),
				peerWantedByKey: (key) => this.#paths.peerWantedByKey(key),
				activity: (handle, activity) => {
					this.network.used();
					this.#paths.activity(handle, activity);
				},
				peerIdle: (handle) => this.#paths.peerIdle(handle),
				derpReady: (region) => this.#derp.ready(region),
				tsmp: (handle, source, payload) => this.#paths.tsmp(handle, source, payload),
				echoReply: (_handle, _source, id, sequence) => this.#paths.echoReply(id, sequence),
				session: (handle) => {
					this.#paths.session(handle);
					this.#cache.changed();
				},
				unreachable: (endpoint) => this.#paths.unreachable(endpoint),
				socketsDead: () => {
					this.#health.look();
					this.#repair.want();
				},
				linkNews: () => this.#linkWatch.news(),
				suspended: (handle, session) => this.#suspended(handle, session),
				report: (error) => this.report(error),
			});
		} catch (error) {
			this.#endIdentity();
			throw error instanceof TailnetError ? error : new TailnetError("io", (error as { message?: string }).message ?? "no UDP socket can be opened");
		}
	}

	#tunnelIdentity(): TunnelIdentity {
		const { self } = this.netmap;
		const { clockMS, boundSeconds } = this.#identity.clock(wallClockMS(), monotonicMS());
		return {
			nodePrivateKey: this.#identity.nodePrivateKey,
			discoPublicKey: this.#identity.discoPublicKey,
			addressV4: self.address4,
			addressV6: self.address6,
			peerAPIPortV4: peerAPIPort,
			peerAPIPortV6: peerAPIPort,
			shieldsUp: this.#options.shieldsUp === true,
			port: this.#options.port || this.#identity.port,
			clockMS,
			clockBoundSeconds: boundSeconds,
		};
	}

	#renewClock(): void {
		this.#clockTimer = startTimer(() => {
			try {
				const { clockMS, boundSeconds } = this.#identity.clock(wallClockMS(), monotonicMS());
				this.#link.clock(clockMS, boundSeconds);
			} catch (error) {
				this.report(error); // the old bound holds; it is tried again
			}
			if (!this.#closed) this.#renewClock();
		}, this.#identity.clockRenewMS);
	}

	#makePaths(): PathDriver {
		const node = this;
		return new PathDriver({
			link: this.#link,
			netmap: this.netmap,
			box: this.#box,
			ownEndpoints: this.network.endpoints,
			get nodeKey() {
				return node.#identity.nodePublicKey;
			},
			peerSlots: Math.min(this.#options.peerSlots, this.#limits.peers),
			regionCode: (region) => this.regionCode(region),
			endpointsWanted: () => this.network.update("refresh-for-peering"),
			pathChanged: (index) => {
				if (this.#paths.view(index)?.trusted) this.network.udpHeard();
				this.#owner.pathChanged(index);
			},
		});
	}

	// ---- Control ----

	#controlCallbacks(): ControlCallbacks {
		return {
			onState: () => this.#health.look(),
			onLogin: (url) => this.#owner.login(url),
			onRegistered: (registration) => this.#registered(registration),
			onNodeKeyWanted: () => this.#identity.rotate(),
			onMap: (message) => this.#map(message),
			onPing: (type, address, done) => void pingForControl(this, type, address, done),
			onError: (error) => {
				// A failure changes what is to be said of control, also where its state stays the same.
				this.#health.look();
				this.#owner.error(error);
			},
		};
	}

	/** Control has taken our node key; if it is another one than before, everything that speaks under it changes now, at once. */
	#registered(_registration: Registration): void {
		const isRotation = this.#identity.oldNodeKey !== undefined;
		try {
			this.#identity.registered();
			if (isRotation) this.#cache.forget();
		} catch (error) {
			this.report(error); // what control has taken is in force all the same; the next start asks it again
		}
		if (!isRotation) return;
		this.#link.identity(this.#tunnelIdentity());
		this.#derp.setNodeKey(this.#identity.nodePrivateKey);
		this.#paths.nodeKeyChanged();
		this.resumption?.drop();
		this.#identity.wipeRetired();
		this.#health.look();
	}

	#map(message: MapMessage): void {
		const { change } = message;
		if (!change) {
			this.#health.look();
			return;
		}
		const isFirst = !this.#hasMap;
		const isCached = this.#cache.sinceMS !== undefined;
		this.#hasMap = true;
		// Who is trusted follows the message, before anybody is told of it.
		if (this.netmap.isLocked) this.#lock ??= this.#makeLock();
		const locked = this.#lock?.map(message);
		this.#cache.mapChanged();
		this.#apply(change, isFirst, isCached);
		if (locked) this.#netmapChanged(locked);
		this.#adopt(false);
	}

	/** @param isFirst nothing of what is in force is told to anybody yet; @param wasCached the map before was that of the last run */
	#apply(change: NetmapChange, isFirst: boolean, wasCached = false): void {
		if (change.self || isFirst) this.#link.identity(this.#tunnelIdentity());
		if (change.self || isFirst) this.#setSubnets();
		if (change.filter || isFirst) this.#link.filter(this.netmap.filter, this.#options.shieldsUp === true);
		this.#setRelayOnly(this.netmap.self.hasCapability(relayOnlyCapability));
		if (change.derp) {
			this.#derp.setMap(this.netmap.derpMap.regions);
			this.network.setRegions(this.netmap.derpMap.probeRegions, (region) => this.netmap.derpMap.score(region));
		}
		this.#netmapChanged(change, wasCached);
		if (change.self || isFirst) this.#owner.selfChanged();
		this.#health.look();
	}

	/** What we forward to follows what control says, as long as we offer anything. */
	#setSubnets(): void {
		if ((this.#options.advertiseRoutes ?? []).length > 0) this.#link.subnets(this.netmap.subnets);
	}

	/** @param wasCached the map before was that of the last run */
	#netmapChanged(change: NetmapChange, wasCached = false): void {
		if (change.dns || change.self) this.resolver.forget();
		this.#paths.netmapChanged(change, wasCached);
		this.#owner.peersChanged(change);
		this.#armNetmap();
	}

	/** Keys expire without a message. */
	#armNetmap(): void {
		if (this.#closed) return;
		const { deadline } = this.netmap;
		const at = deadline === undefined ? undefined : Math.max(deadline, monotonicMS() + expiryGapMS);
		this.#netmapTimer = timerAt(this.#netmapTimer, at, () => {
			const change = this.netmap.tick(monotonicMS());
			if (change) this.#netmapChanged(change);
			else this.#armNetmap();
			this.#health.look();
		});
	}

	// ---- The map of the last run ----

	#makeCache(): NetmapCache {
		const node = this;
		return new NetmapCache({
			store: this.#identity.values,
			netmap: this.netmap,
			get nodeKey() {
				return node.#identity.nodePublicKey;
			},
			controlURL: this.#options.controlURL ?? DEFAULT_CONTROL_URL,
			isDevice: this.#limits.isDevice,
			get homeRegion() {
				return node.#derp.home;
			},
			get heardAtMS() {
				return node.#control.status.lastMessageMS;
			},
			recentPeers: () => this.#paths.table.recent,
			restored: (map) => this.#restored(map),
			filterChanged: () => this.#link.filter(this.netmap.filter, this.#options.shieldsUp === true),
			report: (error) => this.report(error),
		});
	}

	/** Peers that we talked to hold sessions with a process that is gone: they are called before they notice (protocol/relay.md §2.8). */
	#restored({ change, homeRegion, recent }: RestoredMap): void {
		this.#derp.setMap(this.netmap.derpMap.regions);
		this.network.restoreHome(homeRegion);
		this.#lock?.restored();
		this.#apply(change, true);
		this.#adopt(true);
		this.#call(recent.filter((index) => this.#paths.table.peer(index)?.resumedWith === undefined));
	}

	/** Peers hear that we are there: they try again in steps of 5 s and more otherwise. */
	#call(indexes: readonly number[]): void {
		if (this.#closed) return;
		for (const index of indexes.slice(0, mostReturns)) this.ping("tsmp", index, returnTimeoutMS).catch(() => {});
	}

	// ---- Sleep ----

	/** In any case the sessions that an earlier run left are void from now on. */
	#resume(): Resumption | undefined {
		const identity = this.#identity;
		const { resume } = this.#options;
		try {
			if (!resume) {
				forgetRecord(identity.values);
				return undefined;
			}
			const resumption = new Resumption(identity.values, resume, identity.nodePublicKey);
			if (resumption.discoPrivateKey) identity.takeDiscoKey(resumption.discoPrivateKey);
			else this.#owner.error(new TailnetError("resume", resumption.message));
			return resumption;
		} catch (error) {
			this.#endIdentity();
			throw error;
		}
	}

	/** @param isCached the first map is that of the last run */
	#adopt(isCached: boolean): void {
		this.resumption?.adopt(this.netmap, isCached, (index, saved, discoHash) => this.#paths.resume(index, saved, discoHash));
	}

	#suspended(handle: number, session: Uint8Array | undefined): void {
		const identity = this.#identity;
		if (!session) {
			this.#suspension?.finish(identity.values, identity.nodePublicKey, identity.discoPrivateKey, wallClockMS());
			return;
		}
		const peer = this.#paths.table.find(handle);
		if (peer) this.#suspension?.add({ nodeKey: peer.nodeKey, discoKey: peer.discoKey, endpoint: peer.endpoint.best, lastUsed: peer.lastUsed }, session);
	}

	// ---- Tailnet lock ----

	#makeLock(): TailnetLock {
		const node = this;
		return openLock({
			store: this.#identity.values,
			netmap: this.netmap,
			controlURL: this.#options.controlURL ?? DEFAULT_CONTROL_URL,
			get asker() {
				return { version: CAPABILITY_VERSION, nodeKey: node.#identity.nodePublicKey };
			},
			isDevice: this.#limits.isDevice,
			ask: (path, body, limitBytes, done) => this.#control.ask(path, body, limitBytes, done),
			trustShrinks: () => this.#cache.forget(),
			mapWanted: () => this.#control.reconnect(),
			changed: (change) => {
				if (change) this.#netmapChanged(change);
				this.#health.look();
			},
			headChanged: (head) => this.#control.updateLockHead(head),
			report: (error) => this.report(error),
		});
	}

	// ---- Network and relay ----

	/** UDP may not be used any more, or again. */
	#setRelayOnly(isRelayOnly: boolean): void {
		if (isRelayOnly === this.#paths.isRelayOnly) return;
		this.network.expire();
		this.#paths.isRelayOnly = isRelayOnly;
		this.network.update("link-change-major");
	}

	#reopenSockets(): void {
		this.#repair.done();
		this.link.rebind(this.#options.port || this.#link.port || this.#identity.port);
	}

	#linkChanged(change: LinkChange): void {
		if (change === "major") {
			this.rebind();
			return;
		}
		if (change === "minor") {
			this.#checkRelays();
			this.network.update("link-change-minor");
		}
		this.#health.look();
	}

	/** Relay connections from an address that is gone are made anew; the others are asked whether they still work. */
	#checkRelays(): void {
		this.#derp.networkChanged([...localAddresses(), ...loopback]);
	}

	#networkOwner(): ConstructorParameters<typeof Network>[0] {
		const node = this;
		return {
			sendRaw: (endpoint, datagram) => this.#paths.sendRaw(endpoint, datagram),
			get port() {
				return node.#link.port;
			},
			get isPortFixed() {
				return (node.#options.port ?? 0) !== 0;
			},
			explicitEndpoints: this.#options.endpoints ?? [],
			get mayMapPort() {
				return node.#options.portMapping !== false && !node.#paths.isRelayOnly;
			},
			get inMapPoll() {
				return node.#control.status.phase === "polling";
			},
			get hasPeers() {
				return node.netmap.peers.count > 0;
			},
			relayHeardAt: (region) => this.#derp.status.find((status) => status.region === region)?.lastFrameMS,
			get deadRegion() {
				return node.#isHomeDead ? node.#derp.home : 0;
			},
			endpointsChanged: (endpoints: readonly OwnEndpoint[]) => {
				this.#keepPort();
				this.#control.updateEndpoints(endpoints);
			},
			udpStopped: () => this.#reopenSockets(),
			endpointsFresh: () => {
				this.#paths.ownEndpointsUpdated();
				this.#health.look(); // a rebind has ended by now
			},
			homeChanged: (region) => {
				this.#derp.setHome(region);
				this.#health.look();
				this.#owner.selfChanged();
			},
			netInfoChanged: (info) => this.#netInfo(info),
		};
	}

	/** A rebind may have found another port. */
	#keepPort(): void {
		try {
			if (this.#link.port !== 0) this.#identity.port = this.#link.port;
		} catch (error) {
			this.report(error); // the next start tries the old one
		}
	}

	#netInfo(info: NetInfo): void {
		this.#control.updateNetInfo({
			preferredDERP: info.PreferredDERP,
			workingUDP: info.WorkingUDP,
			workingIPv6: info.WorkingIPv6,
			osHasIPv6: info.OSHasIPv6,
			havePortMap: info.HavePortMap,
			upnp: info.UPnP,
			pmp: info.PMP,
			pcp: info.PCP,
			mappingVariesByDestIP: info.MappingVariesByDestIP,
			derpLatency: info.DERPLatency,
		});
		this.#health.look();
	}

	#relayStatus(status: RegionStatus): void {
		if (status.error && status.error.code === "certificate")
			this.#owner.error(new TailnetError("certificate", `relay ${status.code}: ${status.error.message}`));
		if (!status.home) return;
		if (status.admitted && this.#isHomeLost) this.later(() => this.#call(this.#paths.relayed(waitingMS)));
		this.#isHomeLost = !status.admitted && (this.#isHomeLost || status.lastFrameMS !== undefined);
		this.#health.look();
		if (this.#isHomeDead) this.network.homeUnreachable();
	}

	/** The home relay has been unusable for so long that another has to be found. */
	get #isHomeDead(): boolean {
		return this.#health.homeDownMS() > deadRelayMS;
	}

	// ---- Health ----

	/** @param keyExpired the map says so */
	#renew(keyExpired: boolean): void {
		stopTimer(this.#renewalTimer);
		this.#renewalTimer = undefined;
		if (this.#closed) return;
		const waitMS = this.#renewal.look(keyExpired, this.netmap.self.nodeKey, monotonicMS());
		if (waitMS === 0) this.#control.keyExpired();
		else if (waitMS !== undefined) this.#renewalTimer = startTimer(() => this.#health.look(), waitMS);
	}

	#facts(): LayerFacts {
		const { self, derpMap, health } = this.netmap;
		// Control's time where it says one: a machine whose own clock is wrong must not give up a good key.
		const unixSeconds = this.netmap.clock.unixSeconds(monotonicMS());
		const keyExpired = this.#hasMap && self.isExpired(unixSeconds);
		this.#renew(keyExpired);
		return {
			control: this.#control.status,
			hasMap: this.#hasMap,
			cachedSince: this.#cache.sinceMS,
			authorized: self.authorized,
			lockedOut: this.netmap.lockedOut,
			keyExpired,
			keyExpiry: self.keyExpiry,
			unixSeconds,
			hasRegions: derpMap.regions.size > 0,
			home: this.#derp.status.find((status) => status.home),
			networkDownSince: this.#linkWatch.downSinceMS,
			udp: this.#paths.isRelayOnly ? undefined : this.network.udp,
			isUDPBound: this.#link.port !== 0,
			netmap: health,
			lacks: this.#lacks,
		};
	}
}

function portSeed(): number {
	const bytes = randomBytes(2);
	return ((bytes[0] as number) << 8) | (bytes[1] as number);
}
