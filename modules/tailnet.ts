/**
 * The public face: one node of a tailnet.
 *
 *   const tailnet = new Tailnet({ hostname: "greenhouse-1", authKey });
 *   new HTTPServer({ io: tailnet.Listener, port: 80, onConnect(connection) {} });
 *   await tailnet.ping("laptop");
 *
 * What happens inside, and in which order, stands in node.ts.
 */
import { machine, monotonicMS, startTimer, stopTimer } from "tailnet/host";
import { TailnetError } from "./errors.js";
import type { HealthCondition, TailnetState, Verdict } from "./health.js";
import type { Timer } from "./host-contract.js";
import { resetIdentity } from "./identity.js";
import { addressToText, parseAddress, parseEndpoint, parsePrefix, prefixToText } from "./netmap/address.js";
import type { NetmapChange, PeerView } from "./netmap/types.js";
import type { NetworkReport } from "./network-report.js";
import { Node } from "./node.js";
import type { NodeOptions } from "./node-options.js";
import { PeerAPI } from "./peerapi.js";
import type { ResumeRefusal } from "./resumption.js";
import { Listener, type ListenerOptions } from "./socket/listener.js";
import { Resolver } from "./socket/resolver.js";
import { TCP, type TCPOptions } from "./socket/tcp.js";
import { UDP, type UDPOptions } from "./socket/udp.js";

export { type ErrorCode, TailnetError } from "./errors.js";
export type { HealthCondition, TailnetState } from "./health.js";
export type { NetcheckReport } from "./path/netcheck.js";
export type { ResumeRefusal } from "./resumption.js";

export type PingKind =
	| "disco" // the node there, by every way
	| "tsmp" // through the tunnel, to its interface
	| "icmp" // through the tunnel, to its IP stack
	| "peerapi"; // through the tunnel, to its HTTP server

export interface PeersChange {
	/** Peers in the map now. */
	total: number;
	/** IDs of peers that are new. */
	added: string[];
	/** IDs of peers that are different. */
	changed: string[];
	/** One entry for each peer that is gone; its value means nothing. */
	removed: number[];
}

export interface TailnetOptions extends Partial<NodeOptions> {
	/** The state, or its reason; "" when there is nothing to say. */
	onStateChange?(state: TailnetState, reason: string): void;
	/** A person has to visit the URL: show it as text or as QR code. */
	onLogin?(url: string): void;
	/** Own name, addresses or home region changed. */
	onSelfChange?(): void;
	/** Peers of the map came, changed or went. */
	onPeersChange?(change: PeersChange): void;
	/** Packets for a peer take another way: "192.0.2.7:41641", or "DERP fra". */
	onPathChange?(peer: string, via: string): void;
	/** What `health` gives is different. */
	onHealthChange?(conditions: HealthCondition[]): void;
	/** Something went wrong; the node goes on by itself where it can. */
	onError?(error: TailnetError): void;
}

export interface Peer {
	/** Stable, decimal text. */
	id: string;
	/** FQDN without trailing dot. */
	name: string;
	/** The first address, IPv4 if there is one. */
	address: string;
	/** All of them. */
	addresses: string[];
	/** Whether control sees it; undefined: not known. */
	online: boolean | undefined;
	/** Its node key has expired. */
	expired: boolean;
	/** Code of the relay region where it is reached; undefined: none yet. */
	relay: string | undefined;
	/** Where packets to it go: "192.0.2.7:41641", "DERP fra"; undefined for a peer nobody talks to. */
	path: string | undefined;
	/** Milliseconds that the last answer by a direct path took. */
	latencyMS: number | undefined;
	/** Bytes of WireGuard sent since it is talked to, at most a second old; undefined for a peer nobody talks to. */
	bytesSent: number | undefined;
	/** The same received. */
	bytesReceived: number | undefined;
	/** Since the last handshake with it, undefined = none. */
	sinceHandshakeMS: number | undefined;
}

/** Who is behind an address of the tailnet. */
export interface Identity {
	/** The peer as it is in the map. */
	peer: Peer;
	/** ID of the user whose machine it is, decimal text; undefined for a machine with tags, which is nobody's. */
	user: string | undefined;
	/** Login name of that user ("alice@example.com"); undefined where control has not said it, and without the option logins. */
	login: string | undefined;
	/** Names of what the tailnet's policy grants it at this node ("example.com/cap/door"); empty without the option grants. */
	capabilities: string[];
}

/** A relay region of the tailnet. */
export interface Relay {
	/** Key of the region in a NetcheckReport's latency. */
	region: number;
	/** "fra", or the number where it has no code. */
	code: string;
	/** By the last look at the network, undefined = not measured. */
	latencyMS: number | undefined;
}

export interface PingOptions {
	/**
	 * Who is to answer.
	 * @default "disco"
	 */
	kind?: PingKind;
	/**
	 * Milliseconds until "timeout".
	 * @default 5000
	 */
	timeoutMS?: number;
}

export interface PingAnswer {
	/** Milliseconds until the answer came. */
	latencyMS: number;
	/** By which way: "192.0.2.7:41641", or "DERP fra". */
	via: string;
}

/** What became of the record of suspend(). */
export interface Resumed {
	/** Sessions that go on; 0 until there is a network map, that of the last run or control's. */
	sessions: number;
	/** Why the record is not used; undefined: it is. */
	refused: ResumeRefusal | undefined;
}

const defaultPeerSlots = 256;

/** Prefixes as control wants them, host bits cleared. @throws TailnetError "argument" */
function checkRoutes(texts: readonly string[]): string[] {
	return texts.map((text) => {
		const prefix = parsePrefix(text);
		if (!prefix) throw new TailnetError("argument", `advertiseRoutes: expected prefixes as 10.0.0.0/24, got ${text}`);
		return prefixToText(prefix.address, prefix.bits);
	});
}

function checkEndpoints(texts: readonly string[]): void {
	for (const text of texts)
		if (!parseEndpoint(text)) throw new TailnetError("argument", `endpoints: expected 192.0.2.1:41641 or [2001:db8::1]:41641, got ${text}`);
}

function checkPort(port: number): void {
	if (!(Number.isInteger(port) && port >= 0 && port <= 65535)) throw new TailnetError("argument", `port: expected 0 to 65535, got ${port}`);
}

function checkRecord(record: unknown): void {
	if (record !== undefined && !(record instanceof Uint8Array)) throw new TailnetError("argument", "resume: expected the Uint8Array that suspend() gave");
}

function guarded(tailnet: { report(error: unknown): void }, action: () => void): void {
	try {
		action();
	} catch (error) {
		tailnet.report(error);
	}
}

/** The address of a prefix text. */
function withoutBits(prefix: string): string {
	const slash = prefix.indexOf("/");
	return slash < 0 ? prefix : prefix.slice(0, slash);
}

export default class Tailnet {
	/** Connections, bound to this node, to the ECMA-419 contract: give it as `io` to the SDK's clients. */
	readonly TCP: new (
		options?: TCPOptions,
	) => TCP;
	/** Datagrams, bound to this node. */
	readonly UDP: new (
		options?: UDPOptions,
	) => UDP;
	/** Listens on the tailnet only: give it as `io` to the SDK's servers. */
	readonly Listener: new (
		options?: ListenerOptions,
	) => Listener;
	/** Names of the tailnet: give it as `dns: { io }` to the SDK's clients. */
	readonly Resolver: new (
		options?: object,
	) => Resolver;
	/** Fulfilled when the node is running for the first time; rejected when it is closed before. */
	readonly running: Promise<void>;
	readonly #node: Node;
	readonly #options: TailnetOptions;
	#peerAPI: PeerAPI | undefined;
	#settle: { done(): void; failed(error: TailnetError): void };
	#closed = false;
	/** Nothing is told any more. */
	#silent = false;
	/** What the app has not been told yet. */
	#news: (() => void)[] = [];
	#newsTimer: Timer | undefined;

	/**
	 * The node connects by itself, and again after every failure, until close().
	 * @throws TailnetError "argument", "store", "io"
	 */
	constructor(options: TailnetOptions = {}) {
		this.#options = options;
		const hostname = options.hostname ?? machine.hostname;
		if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(hostname)) {
			throw new TailnetError("argument", `hostname: expected up to 63 letters, digits and hyphens, got ${hostname}`);
		}
		const advertiseRoutes = checkRoutes(options.advertiseRoutes ?? []);
		checkEndpoints(options.endpoints ?? []);
		checkPort(options.port ?? 0);
		checkRecord(options.resume);
		let settle: { done(): void; failed(error: TailnetError): void } = { done() {}, failed() {} };
		this.running = new Promise((resolve, reject) => {
			settle = { done: resolve, failed: reject };
		});
		this.#settle = settle;
		// Nobody has to wait for it: without this a close() before running would be an unhandled rejection.
		this.running.catch(() => {});

		const node = this.#makeNode({ ...options, hostname, advertiseRoutes, peerSlots: options.peerSlots ?? defaultPeerSlots });
		this.#node = node;
		this.TCP = class extends TCP {
			constructor(tcpOptions?: TCPOptions) {
				super(node, tcpOptions);
			}
		};
		const BoundTCP = this.TCP;
		this.UDP = class extends UDP {
			constructor(udpOptions?: UDPOptions) {
				super(node, udpOptions);
			}
		};
		this.Listener = class extends Listener {
			constructor(listenerOptions?: ListenerOptions) {
				super(node, () => new BoundTCP(), listenerOptions);
			}
		};
		const resolve = (name: string): Promise<string[]> => this.resolve(name);
		this.Resolver = class extends Resolver {
			constructor() {
				super(resolve, (error) => node.report(error));
			}
		};
		this.#peerAPI = new PeerAPI({
			TCP: this.TCP,
			Listener: this.Listener,
			isPeer: (address) => this.#peerByAddress(address) !== undefined,
			isOwn: (address) => this.addresses.includes(address),
		});
	}

	/**
	 * Factory reset: login and keys, the network map, the history of tailnet lock and the key of a record of suspend() are erased, and the next start is a new
	 * machine that needs a login. Asks nobody, so control still lists the old one until it is removed there or its key expires: logout() before, where control
	 * can be reached. A power cut leaves the old node whole, or a reset that the next start completes.
	 * @param store the option store of a node that is closed, or not made yet
	 * @throws TailnetError "argument"; "store" if it cannot be written, or (in Node) a node has it open
	 */
	static reset(store: string): void {
		if (typeof store !== "string" || store === "") throw new TailnetError("argument", "reset: expected the name of a store");
		resetIdentity(store);
	}

	/** What the node is in, as a program wants to know it. */
	get state(): TailnetState {
		return this.#node.verdict.state;
	}

	/** Why the state is what it is, for people; "" when there is nothing to say. */
	get reason(): string {
		return this.#node.verdict.reason;
	}

	/** FQDN without trailing dot; "" before the first map. */
	get name(): string {
		return this.#node.netmap.self.name;
	}

	/** Own addresses on the tailnet. */
	get addresses(): string[] {
		return this.#node.netmap.self.addresses.map((address) => addressToText(address));
	}

	/** Code of the relay region where peers reach us, undefined while there is none. */
	get homeRegion(): string | undefined {
		return this.#node.homeRegion === 0 ? undefined : this.#node.regionCode(this.#node.homeRegion);
	}

	/** When the node key expires, as RFC 3339 text; undefined: never, or not known. */
	get keyExpiry(): string | undefined {
		const seconds = this.#node.netmap.self.keyExpiry;
		return seconds === 0 ? undefined : new Date(seconds * 1000).toISOString();
	}

	/** What is wrong, layer by layer; empty when all is well. */
	get health(): HealthCondition[] {
		return this.#node.verdict.conditions;
	}

	/** What became of the option resume; undefined without one. A refusal is told to onError as well ("resume"), and the start is an ordinary one. */
	get resumed(): Resumed | undefined {
		const { resumption } = this.#node;
		return resumption && { sessions: resumption.sessions, refused: resumption.refused };
	}

	/** All peers of the map, decoded one by one while iterating: a tailnet of thousands costs no list. */
	get peers(): Iterable<Peer> {
		const { peers } = this.#node.netmap;
		const toPeer = (index: number): Peer | undefined => this.#peer(index);
		return {
			*[Symbol.iterator]() {
				for (let index = 0; index < peers.limit; index += 1) {
					const peer = peers.has(index) ? toPeer(index) : undefined;
					if (peer) yield peer;
				}
			},
		};
	}

	/** Those of peers that are talked to, the last used first. */
	get activePeers(): Iterable<Peer> {
		const indexes = this.#closed ? [] : this.#node.activePeers;
		const toPeer = (index: number): Peer | undefined => this.#peer(index);
		return {
			*[Symbol.iterator]() {
				for (const index of indexes) {
					const peer = toPeer(index);
					if (peer) yield peer;
				}
			},
		};
	}

	/** Peers in the map. */
	get peerCount(): number {
		return this.#node.netmap.peers.count;
	}

	/** Relay regions of the tailnet, in the order of control. */
	get relays(): Relay[] {
		const { netmap, network } = this.#node;
		return Array.from(netmap.derpMap.regions.keys(), (region) => ({
			region,
			code: this.#node.regionCode(region),
			latencyMS: network.last?.latency.get(region),
		}));
	}

	/** What the last look at the network has shown, undefined = there was none yet. netcheck() looks again. */
	get lastNetcheck(): NetworkReport | undefined {
		return this.#node.lastNetcheck;
	}

	/**
	 * Who is behind an address: ask it of a connection's remoteAddress. The tunnel has checked that packets from there are that peer's.
	 * @returns undefined for an address that is no peer's own: a host behind a subnet router, the node itself
	 */
	whois(address: string): Identity | undefined {
		const view = this.#peerByAddress(address);
		if (!view) return undefined;
		const isV6 = address.includes(":");
		const own = this.addresses.find((text) => text.includes(":") === isV6) ?? "";
		const user = view.tagged ? undefined : view.user;
		return {
			peer: this.#toPeer(view),
			user,
			login: user === undefined ? undefined : this.#node.netmap.logins?.get(user),
			capabilities: this.#node.netmap.chunks.granted(address, own),
		};
	}

	/** Counters and pool sizes of every layer, by name. */
	get counters(): Record<string, number> {
		return this.#closed ? {} : this.#node.counters;
	}

	/**
	 * Asks a peer for an answer.
	 * @param peer name, short name, or tailnet address
	 * @returns how long it took and by which way; rejects with TailnetError "not-found", "timeout", "peer-expired", "no-route", "refused" (the PeerAPI did not say 200), "argument",
	 * "closed"
	 */
	async ping(peer: string, options: PingOptions = {}): Promise<PingAnswer> {
		const { kind = "disco", timeoutMS = 5000 } = options;
		const index = await this.#find(peer);
		this.#check();
		if (kind === "peerapi") return this.#pingPeerAPI(index, timeoutMS);
		if (kind !== "disco" && kind !== "tsmp" && kind !== "icmp")
			throw new TailnetError("argument", `kind: expected disco, tsmp, icmp or peerapi, got ${String(kind)}`);
		return this.#node.ping(kind, index, timeoutMS);
	}

	/**
	 * Addresses of a name, IPv4 first: of the tailnet from the map, of a suffix that the tailnet has resolvers for from those, of others from the machine's resolver.
	 * Rejects with TailnetError "not-found"; "timeout", "refused" if no resolver answers; "full" if too many questions are open.
	 */
	async resolve(name: string): Promise<string[]> {
		this.#check();
		return this.#node.resolver.resolve(name);
	}

	/** Looks at the network: UDP, NAT, port mapping, latency of every relay region. */
	netcheck(): Promise<NetworkReport> {
		this.#check();
		return this.#node.netcheck();
	}

	/** Call it when the network under the node changed: other UDP sockets, other endpoints, control and relay anew where that is needed; connections over the tailnet live on. */
	rebind(): void {
		this.#check();
		this.#node.rebind();
	}

	/** Gives up the node key. The node is closed, also when control does not hear of it; its next start is a new login. */
	async logout(): Promise<void> {
		this.#check();
		try {
			await this.#node.logout();
		} finally {
			this.close();
		}
	}

	/**
	 * Closes the node to sleep, without a word to anybody: what was written before leaves, and from the moment that the counters of its sessions are read not one
	 * packet does. The next run goes on with the sessions (option resume) within 180 s of their handshakes, without another one.
	 * @returns the record for it: 89 bytes and 150 for each of at most 8 sessions, those of the peers used last, so 1,289 at most. It is sealed; its key lies in the
	 * store, so there has to be one. Good for one start of the same node on the same store: any start makes it void, before its first packet. Counters in it are
	 * 65,536 ahead of those used, so that not even a packet that should not have left could repeat a nonce. Rejects with a TailnetError "store", "closed"; the node is
	 * closed all the same
	 */
	async suspend(): Promise<Uint8Array> {
		this.#check();
		try {
			return await this.#node.suspend();
		} finally {
			this.close();
		}
	}

	/** Ends everything at once: connections, relay, control. The state becomes "stopped"; after that no callback of the node runs. Idempotent. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#peerAPI?.close();
		this.#node.close();
		this.#tellNews();
		this.#silent = true;
		this.#settle.failed(new TailnetError("closed", "the node was closed"));
	}

	/** @throws TailnetError "argument", "store", "io"; nothing is told then */
	#makeNode(nodeOptions: NodeOptions): Node {
		const options = this.#options;
		try {
			return new Node(nodeOptions, {
				login: (url) => this.#tell(() => options.onLogin?.(url)),
				selfChanged: () => this.#tell(() => options.onSelfChange?.()),
				peersChanged: (change) => this.#peersChanged(change),
				pathChanged: (index) => this.#pathChanged(index),
				healthChanged: (verdict, before) => this.#healthChanged(verdict, before),
				error: (error) => this.#tell(() => options.onError?.(error)),
			});
		} catch (error) {
			this.#silent = true;
			stopTimer(this.#newsTimer);
			throw error;
		}
	}

	#peersChanged(change: NetmapChange): void {
		if (!this.#options.onPeersChange) return;
		const told: PeersChange = {
			total: this.#node.netmap.peers.count,
			added: this.#ids(change.added),
			changed: this.#ids(change.changed),
			removed: [...change.removed],
		};
		this.#tell(() => this.#options.onPeersChange?.(told));
	}

	#healthChanged(verdict: Verdict, before: Verdict): void {
		const { state, reason, conditions } = verdict;
		if (state === "running") this.#settle.done();
		if (state !== before.state || reason !== before.reason) this.#tell(() => this.#options.onStateChange?.(state, reason));
		if (JSON.stringify(conditions) !== JSON.stringify(before.conditions)) this.#tell(() => this.#options.onHealthChange?.(conditions));
	}

	#pathChanged(index: number): void {
		const peer = this.#peer(index);
		if (peer) this.#tell(() => this.#options.onPathChange?.(peer.name, peer.path ?? ""));
	}

	/** Calls the app on a turn of its own, in the order of what happened: never from inside a call of its own, and with the whole stack of a board. */
	#tell(callback: () => void): void {
		if (this.#silent) return;
		this.#news.push(callback);
		this.#newsTimer ??= startTimer(() => this.#tellNews(), 0);
	}

	#tellNews(): void {
		stopTimer(this.#newsTimer);
		this.#newsTimer = undefined;
		const news = this.#news;
		this.#news = [];
		for (const each of news) if (!this.#silent) guarded(this.#node, each);
	}

	#ids(indexes: Uint32Array): string[] {
		const ids: string[] = [];
		for (const index of indexes) ids.push(this.#node.netmap.peers.view(index)?.id ?? "");
		return ids;
	}

	#peer(index: number): Peer | undefined {
		const view = this.#node.netmap.peers.view(index);
		return view && this.#toPeer(view);
	}

	#toPeer(view: PeerView): Peer {
		const path = this.#node.path(view.index);
		return {
			id: view.id,
			name: view.name,
			address: withoutBits(view.addresses[0] ?? ""),
			addresses: view.addresses.map(withoutBits),
			online: view.online,
			expired: view.expired,
			relay: view.homeRegion === 0 ? undefined : this.#node.regionCode(view.homeRegion),
			path: path && (path.address === "" ? `DERP ${this.#node.regionCode(path.region)}` : path.address),
			latencyMS: path && path.address !== "" ? path.latencyMS : undefined,
			bytesSent: path?.bytesSent,
			bytesReceived: path?.bytesReceived,
			sinceHandshakeMS: path?.sinceHandshakeMS,
		};
	}

	#peerByAddress(address: string): PeerView | undefined {
		const bytes = parseAddress(address);
		const index = bytes ? this.#node.netmap.peers.findByAddress(bytes) : -1;
		return index < 0 ? undefined : this.#node.netmap.peers.view(index);
	}

	/** Index of a peer by address or name. @throws TailnetError "not-found" */
	async #find(peer: string): Promise<number> {
		this.#check();
		const { peers } = this.#node.netmap;
		const literal = parseAddress(peer);
		const address = literal ?? parseAddress((await this.resolve(peer))[0] ?? "");
		const index = address ? peers.findByAddress(address) : -1;
		if (index < 0) throw new TailnetError("not-found", `no such peer: ${peer}`);
		return index;
	}

	/** A HEAD request to the peer's PeerAPI, through the tunnel. */
	#pingPeerAPI(index: number, timeoutMS: number): Promise<PingAnswer> {
		const view = this.#node.netmap.peers.view(index);
		const own = this.#node.netmap.self;
		const address = withoutBits(view?.addresses.find((text) => (text.includes(":") ? own.address6 && view.peerAPI6 : own.address4 && view.peerAPI4)) ?? "");
		if (!view || !address) return Promise.reject(new TailnetError("no-route", "the peer announces no PeerAPI"));
		const isV6 = address.includes(":");
		const port = isV6 ? view.peerAPI6 : view.peerAPI4;
		const host = isV6 ? `[${address}]:${port}` : `${address}:${port}`;
		const request = Uint8Array.from(`HEAD / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, (character) => character.charCodeAt(0));
		const expected = "HTTP/1.1 200";
		const started = monotonicMS();
		return new Promise((resolve, reject) => {
			let asked = false;
			let status = "";
			const socket = new this.TCP({
				address,
				port,
				onWritable() {
					if (asked) return;
					asked = true;
					this.write(request);
				},
				onReadable(count) {
					status += String.fromCharCode(...new Uint8Array(this.read(count) as ArrayBuffer).subarray(0, expected.length));
					if (status.length < expected.length) return;
					finish(status.startsWith(expected) ? undefined : new TailnetError("refused", "the PeerAPI did not answer 200"));
				},
				onError: (error) => finish(this.#closed ? new TailnetError("closed", "the node was closed") : error),
			});
			const timer = startTimer(() => finish(new TailnetError("timeout", `no answer within ${timeoutMS} ms`)), timeoutMS);
			const finish = (error?: TailnetError): void => {
				stopTimer(timer);
				socket.close();
				if (error) reject(error);
				else resolve({ latencyMS: monotonicMS() - started, via: this.#peer(index)?.path ?? "" });
			};
		});
	}

	#check(): void {
		if (this.#closed) throw new TailnetError("closed", "the node is closed");
	}
}
