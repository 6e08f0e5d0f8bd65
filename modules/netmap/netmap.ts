/**
 * The network map: everything that control says about the tailnet, as it is in force. Messages are staged part by part (map-stage.ts) and committed whole.
 *
 *   peers      packed table              self      our own node             names   MagicDNS
 *   filter     compiled rules            derpMap   relay and STUN servers   health  conditions to show
 *
 * It owns no timer and no connection; time comes in as `now` (monotonic milliseconds).
 */
import { monotonicMS, wallClockMS } from "tailnet/host";
import { addressToText, parseAddress, parsePrefix, parsePrefixInto, prefixToText } from "./address.js";
import { DERPMap } from "./derp-map.js";
import { FilterChunks } from "./filter-chunks.js";
import { DEFAULT_BUDGET_BYTES } from "./filter-rules.js";
import { MapHealth } from "./health.js";
import { LockMarks, Mark, type MarkNumber } from "./lock-marks.js";
import { Logins } from "./logins.js";
import { Names } from "./names.js";
import { PeerChanges } from "./peer-staging.js";
import { PeerTable } from "./peers.js";
import { Flag, Offset } from "./record.js";
import { Routes } from "./routes.js";
import { SelfNode } from "./self.js";
import { MapClock } from "./time.js";
import type { HealthCondition, NetmapChange, NetmapLookup } from "./types.js";
import { load32 } from "./wide-id.js";

/** Exit nodes of this capability version or later answer questions about names. protocol/tunnel.md §7.3 */
const LEAST_PROXY_VERSION = 26;

/** A prefix as the tunnel takes it. */
const SUBNET_BYTES = 18;

export interface NetmapOptions {
	/** Use the subnet routes of peers. */
	acceptRoutes?: boolean;
	/** Peer through which everything else goes: name, address or id. */
	exitNode?: string | undefined;
	/** Subnets that this node offers, "10.0.0.0/24": they are local to the filter. */
	advertiseRoutes?: readonly string[];
	/** Keep what rules grant peers, for chunks.granted(). */
	grants?: boolean;
	/** Keep the login names of users. */
	logins?: boolean;
	/** Largest size of the compiled rules. */
	filterBudgetBytes?: number;
}

export class Netmap implements NetmapLookup {
	readonly peers = new PeerTable();
	readonly self = new SelfNode();
	readonly derpMap = new DERPMap();
	readonly names = new Names(this.peers, this.self);
	readonly chunks: FilterChunks;
	readonly conditions = new MapHealth();
	readonly logins: Logins | undefined;
	readonly clock = new MapClock(wallClockMS(), monotonicMS());
	/** Name of the tailnet. */
	domain = "";
	/** Tailnet lock is on (protocol/control.md §10.4): head of the key authority as control has it, "" = it is off. */
	lockHead = "";
	/** Our own signature is none that the key authority vouches for. */
	isSelfRefused = false;
	/** Most bytes that a reader's working buffer has held. */
	peakBufferBytes = 0;

	readonly #routes = new Routes(this.peers);
	#exitNode: string;
	#advertised: readonly string[];
	/** Unix seconds of the next expiry of a peer, 0 = none. */
	#nextExpiry = 0;

	constructor(options: NetmapOptions = {}) {
		this.chunks = new FilterChunks(this.peers.store.capabilities, options.filterBudgetBytes ?? DEFAULT_BUDGET_BYTES, options.grants === true);
		this.logins = options.logins === true ? new Logins() : undefined;
		this.#routes.acceptRoutes = options.acceptRoutes === true;
		this.#exitNode = options.exitNode ?? "";
		this.#advertised = localRoutes(options.advertiseRoutes ?? []);
	}

	// ---- Looking ----

	/** Compiled rules for the tunnel (native/tn_filter.h); undefined before the first map: block everything. */
	get filter(): Uint8Array | undefined {
		return this.chunks.block;
	}

	get health(): HealthCondition[] {
		return this.conditions.conditions;
	}

	get isLocked(): boolean {
		return this.lockHead !== "";
	}

	/** Tailnet lock is on and our node key has no signature, or none that is good: peers refuse us. */
	get lockedOut(): boolean {
		return this.isLocked && (!this.self.signed || this.isSelfRefused);
	}

	/** Bytes of everything packed: peers with their indexes, routes, rules. */
	get bytes(): number {
		return this.peers.bytes + this.#routes.bytes + this.chunks.bytes;
	}

	route(address: Uint8Array, offset = 0): number {
		return this.#routes.find(address, offset);
	}

	prefixes(index: number): Uint8Array {
		return this.#routes.prefixes(index);
	}

	capabilityIDs(index: number): Uint16Array {
		// Only what rules ask for: the tunnel keeps few for each peer.
		return this.peers.capabilityIDs(index).filter((number) => this.chunks.used.has(number));
	}

	/** Subnets to forward to: those that we offer and that control has made us the router of. 18 bytes each: address, bits (IPv4: 96..128), 0. */
	get subnets(): Uint8Array {
		const given = this.#advertised.filter((route) => this.self.primaryRoutes.includes(route));
		const bytes = new Uint8Array(given.length * SUBNET_BYTES);
		for (const [i, route] of given.entries()) parsePrefixInto(route, bytes, i * SUBNET_BYTES);
		return bytes;
	}

	learnDiscoKey(index: number, key: Uint8Array): boolean {
		return this.peers.learnDiscoKey(index, key);
	}

	// ---- Preferences and time ----

	/** Other preferences than before. @returns what it changed */
	setPreferences(preferences: Pick<NetmapOptions, "acceptRoutes" | "exitNode" | "advertiseRoutes">): NetmapChange {
		const changes = new PeerChanges();
		this.#routes.acceptRoutes = preferences.acceptRoutes === true;
		this.#exitNode = preferences.exitNode ?? "";
		this.#advertised = localRoutes(preferences.advertiseRoutes ?? []);
		for (let index = 0; index < this.peers.limit; index += 1)
			if (this.peers.has(index) && this.peers.store.hasRoutes(index)) changes.routingChanged.push(index);
		this.#routes.invalidate();
		this.#selectExitNode(changes);
		const filter = this.chunks.block !== undefined && this.#link();
		return makeChange(changes, { filter });
	}

	/** When tick() is to be called next (monotonic milliseconds), undefined = not before another message. */
	get deadline(): number | undefined {
		const known = this.clock.unixSeconds(monotonicMS());
		return this.#nextExpiry === 0 || known === 0 ? undefined : monotonicMS() + (this.#nextExpiry - known) * 1000;
	}

	/** Lets keys of peers expire. @returns what it changed, if anything */
	tick(now: number): NetmapChange | undefined {
		const changes = new PeerChanges();
		this.#passTime(now, changes);
		return changes.changed.length === 0 ? undefined : makeChange(changes, {});
	}

	// ---- Tailnet lock, for modules/lock ----

	/** @param mostCharacters of signatures that are handed on with a message (NetmapChange.signatures), 0 = none */
	keepSignatures(mostCharacters: number): void {
		this.peers.staging.signatures.mostCharacters = mostCharacters;
	}

	/** From now on only peers with the mark "trusted" carry traffic, and nobody has it yet; or all do again. @returns what it changed, if anything */
	enforceLock(isOn: boolean): NetmapChange | undefined {
		const { store } = this.peers;
		if (isOn === (store.marks !== undefined)) return undefined;
		store.marks = isOn ? new LockMarks() : undefined;
		store.marks?.resize(store.places.length);
		return this.#trustChanged(Array.from({ length: store.limit }, (_, index) => index));
	}

	/** Marks of the peers; undefined while tailnet lock is not in force. */
	get lockMarks(): LockMarks | undefined {
		return this.peers.store.marks;
	}

	/** Marks peers, all alike. @returns what it changed, if anything */
	markPeers(indexes: readonly number[], mark: MarkNumber): NetmapChange | undefined {
		const { store } = this.peers;
		const changed = indexes.filter((index) => store.has(index) && (store.marks?.get(index) === Mark.trusted) !== (mark === Mark.trusted));
		for (const index of indexes) if (store.has(index)) store.marks?.set(index, mark);
		return this.#trustChanged(changed);
	}

	#trustChanged(indexes: readonly number[]): NetmapChange | undefined {
		const changes = new PeerChanges();
		const { store } = this.peers;
		for (const index of indexes) {
			if (!store.has(index)) continue;
			changes.changed.push(index);
			changes.routingChanged.push(index);
			if (store.hasRoutes(index)) this.#routes.invalidate();
		}
		return changes.changed.length === 0 ? undefined : makeChange(changes, {});
	}

	/** Nothing new comes in any more, only answers. */
	dropRules(): void {
		this.chunks.abort();
		this.chunks.commit(true);
		this.#link();
	}

	// ---- Commit and abort, for map-stage.ts ----

	/**
	 * All parts staged by one message come into force.
	 * @param isFirst the message is the first of a poll: complete by itself
	 * @param isFull the peers were replaced
	 */
	commit(isFirst: boolean, isFull: boolean, now: number): NetmapChange {
		const selfBefore = this.self.addresses.join("/");
		const changes = this.peers.staging.commit();
		const self = this.self.commit();
		const derp = this.derpMap.commit(isFirst);
		const dns = this.names.commit(isFirst);
		const rules = this.chunks.commit(isFirst);
		this.logins?.commit();
		if (changes.routes) this.#routes.invalidate();
		if (changes.added.length + changes.changed.length + changes.removed.length > 0) this.#nextExpiry = this.peers.nextExpiry();
		this.#passTime(now, changes);
		this.#selectExitNode(changes);
		this.#newCapabilities(changes);
		const isLocalChanged = selfBefore !== this.self.addresses.join("/");
		const filter = (rules || changes.unsigned || isLocalChanged) && this.#link();
		let health = this.conditions.commit(isFirst);
		if (this.conditions.set("filter", this.chunks.problem?.text)) health = true;
		const { truncated } = this.peers.staging;
		// What was left out stays out until all is said again.
		if (
			(isFull || truncated) &&
			this.conditions.set("peers", truncated ? "a peer has more prefixes or capabilities than fit; some were left out" : undefined, "medium")
		)
			health = true;
		return makeChange(changes, { full: isFull, self, derp, dns, filter, health });
	}

	/** Nothing of what was staged comes into force. */
	abort(): void {
		this.peers.staging.abort();
		this.self.abort();
		this.derpMap.abort();
		this.names.abort();
		this.chunks.abort();
		this.logins?.abort();
		this.conditions.abort();
	}

	// ---- Inside ----

	#link(): boolean {
		const local = this.self.addresses.map((address) => prefixToText(address, 128));
		return this.chunks.link([...local, ...this.#advertised], this.#unsignedPrefixes());
	}

	#unsignedPrefixes(): string[] {
		const prefixes: string[] = [];
		const { store } = this.peers;
		for (let index = 0; index < store.limit; index += 1) {
			if ((store.flags(index) & Flag.unsignedPeerAPIOnly) !== 0) prefixes.push(...this.peers.declaredPrefixes(index));
		}
		return prefixes;
	}

	/** The date moved: peers whose key expired in between are other ones for the tunnel. */
	#passTime(now: number, changes: PeerChanges): void {
		const { store } = this.peers;
		const before = store.unixSeconds;
		const after = this.clock.unixSeconds(now);
		store.unixSeconds = after;
		const isBack = after < before;
		if (before === 0 && after !== 0) this.#nextExpiry = this.peers.nextExpiry();
		else if (!isBack && (this.#nextExpiry === 0 || after < this.#nextExpiry)) return;
		for (let index = 0; index < store.limit; index += 1) {
			if (!store.has(index)) continue;
			const expiry = load32(store.page(index), store.offset(index) + Offset.keyExpiry);
			const was = expiry !== 0 && before !== 0 && expiry <= before;
			const is = expiry !== 0 && after !== 0 && expiry <= after;
			if (was === is) continue;
			changes.changed.push(index);
			changes.routingChanged.push(index);
			if (store.hasRoutes(index)) this.#routes.invalidate();
		}
		this.#nextExpiry = this.peers.nextExpiry();
	}

	/** The exit node is named; which peer that is, the map says. If it vanishes nothing takes its place (protocol/tunnel.md §8). */
	#selectExitNode(changes: PeerChanges): void {
		const before = this.#routes.exitNode;
		const after = this.#exitNode === "" ? -1 : this.find(this.#exitNode);
		this.names.exitResolver = this.#exitNode === "" ? undefined : this.#resolverOf(after);
		if (before === after) return;
		this.#routes.exitNode = after;
		this.#routes.invalidate();
		if (this.peers.has(before)) changes.routingChanged.push(before);
		if (after >= 0) changes.routingChanged.push(after);
	}

	/** Where the exit node answers questions about names for others, "" if it does not. */
	#resolverOf(index: number): string {
		const view = this.peers.view(index);
		if (view === undefined || view.capVersion < LEAST_PROXY_VERSION) return "";
		const isIPv6 = this.self.address4 === undefined;
		const port = isIPv6 ? view.peerAPI6 : view.peerAPI4;
		const address = view.addresses.find((text) => text.includes(":") === isIPv6);
		if (port === 0 || address === undefined) return "";
		return `http://${isIPv6 ? `[${address}]` : address}:${port}/dns-query`;
	}

	/** A peer by what people call it: name, short name, address or id. @returns index or -1 */
	find(text: string): number {
		const address = parseAddress(text);
		if (address !== undefined) return this.peers.findByAddress(address);
		const byName = this.peers.findByName(text);
		if (byName >= 0) return byName;
		const { suffix } = this.self;
		const short = suffix === "" || text.includes(".") ? -1 : this.peers.findByName(`${text}.${suffix}`);
		return short >= 0 ? short : this.peers.findByID(text);
	}

	/** Rules ask for capabilities that no rule asked for before: the tunnel has to learn who has them. */
	#newCapabilities(changes: PeerChanges): void {
		const numbers = this.chunks.takeNewlyUsed();
		if (numbers.length === 0) return;
		for (let index = 0; index < this.peers.limit; index += 1) {
			const held = this.peers.capabilityIDs(index);
			if (held.some((number) => numbers.includes(number))) changes.routingChanged.push(index);
		}
	}
}

/** Advertised prefixes that are local nets. Default routes are not: this node is no exit node, and they would make every destination local. */
function localRoutes(texts: readonly string[]): string[] {
	const routes: string[] = [];
	for (const text of texts) {
		const prefix = parsePrefix(text);
		if (prefix !== undefined && prefix.bits !== 0 && !(prefix.bits === 96 && addressToText(prefix.address) === "0.0.0.0"))
			routes.push(prefixToText(prefix.address, prefix.bits));
	}
	return routes;
}

function makeChange(changes: PeerChanges, flags: Partial<Pick<NetmapChange, "full" | "self" | "derp" | "dns" | "filter" | "health">>): NetmapChange {
	return {
		full: flags.full === true,
		added: changes.added.numbers(),
		changed: changes.changed.numbers(),
		removed: changes.removed.numbers(),
		keyChanged: changes.keyChanged.numbers(),
		discoChanged: changes.discoChanged.numbers(),
		routingChanged: changes.routingChanged.numbers(),
		self: flags.self === true,
		derp: flags.derp === true,
		dns: flags.dns === true,
		filter: flags.filter === true,
		health: flags.health === true,
		...(changes.signatures.length > 0 ? { signatures: changes.signatures } : {}),
		...(changes.areSignaturesShort ? { areSignaturesShort: true } : {}),
	};
}
