/**
 * Which regions have a connection, without I/O (protocol/relay.md §3.7, §3.8).
 *
 *   home                     kept connected always; told by NotePreferred
 *   another region           opened when the tunnel has a packet for it, closed when nothing was written for 60 s (looked at every 15 s)
 *   too many connections     the least recently written one that is not home makes room, if it rested for 5 s; else the packet waits or is lost
 *   region redefined or gone its connection closes; if it was home, home is forgotten and has to be chosen again
 *   node key changed         all close, home comes back under the new key
 *   network down             all close
 */
import type { CertificatePolicy } from "./certificate.js";
import { IDLE_MS, type NodeKeys, RegionConnection, type RegionTarget } from "./region-connection.js";
import type { DERPRegion, DERPSource } from "./types.js";

const SWEEP_MS = 15000;
const LEAST_STAY_MS = 5000;
/** With this many buffers not yet taken by the system, frames stay in the tunnel, which drops the oldest. */
const PENDING_BUFFERS = 2;
/** Buffers written in one go; the rest waits for the next turn of the loop. */
const WRITES_A_TURN = 16;

/** The stream of one region, made by the host side. */
export interface RegionStream {
	resolve(host: string): void;
	open(target: RegionTarget): void;
	write(bytes: Uint8Array): void;
	close(): void;
	/** Bytes written that the system has not taken yet. */
	readonly pendingBytes: number;
	/** Our own address of the stream, "" while there is none. */
	readonly localAddress: string;
}

export interface RegionSetOptions {
	readonly keys: NodeKeys;
	readonly policy: CertificatePolicy;
	readonly source: DERPSource;
	readonly random: (lengthBytes: number) => Uint8Array;
	/** Makes the stream of a region; its events go to connection. */
	readonly stream: (connection: () => RegionConnection) => RegionStream;
	/** Connections at the same time, home included. */
	readonly maximumConnections: number;
	/** Size of the buffer between tunnel and stream, at least one frame of the tunnel. */
	readonly bufferBytes: number;
	/** State, error or health of a region changed. */
	readonly onChange: (connection: RegionConnection) => void;
	/** A connection that was up ended: the network may have changed, STUN is wanted. */
	readonly onLost: (region: number) => void;
	/** The home region is gone from the map, or is another one now: choose again. */
	readonly onHomeLost: (region: number) => void;
}

interface Entry {
	readonly connection: RegionConnection;
	readonly stream: RegionStream;
}

export class RegionSet {
	readonly #options: RegionSetOptions;
	/** There since something was to be sent. */
	#buffer: Uint8Array | undefined;
	readonly #entries = new Map<number, Entry>();
	#regions: ReadonlyMap<number, DERPRegion> = new Map();
	#keys: NodeKeys;
	#home = 0;
	#preferIPv6 = false;
	#networkUp = true;
	#sweepAt = Number.POSITIVE_INFINITY;
	/** Regions whose queue was not empty when their turn was over. */
	readonly #unfinished = new Set<number>();
	/** Regions that were wanted while there was no room for their connection; asked again at the next sweep. */
	readonly #refused = new Set<number>();

	constructor(options: RegionSetOptions) {
		this.#options = options;
		this.#keys = options.keys;
	}

	/** Home region, 0 = none. */
	get home(): number {
		return this.#home;
	}

	/** Connections that exist or existed, by region. */
	*entries(): IterableIterator<Entry> {
		yield* this.#entries.values();
	}

	/** The map changed; an empty one closes everything. */
	setMap(regions: ReadonlyMap<number, DERPRegion>, now: number): void {
		const old = this.#regions;
		this.#regions = regions;
		const again: number[] = [];
		for (const [id, { connection }] of [...this.#entries]) {
			if (sameRegion(old.get(id), regions.get(id))) continue;
			if (!connection.isHome && connection.state !== "closed" && connection.isWanted(now)) again.push(id);
			connection.shut();
			this.#entries.delete(id);
		}
		const home = this.#home;
		if (home !== 0 && old.has(home) && !sameRegion(old.get(home), regions.get(home))) {
			this.#home = 0;
			this.#options.onHomeLost(home);
		}
		this.#keepHome(now);
		for (const id of again) this.want(id, now);
	}

	/** @param id a region of the map, 0 = none. An id that the map lacks is remembered: the map may come later */
	setHome(id: number, now: number): void {
		if (id === this.#home) return;
		const old = this.#entries.get(this.#home);
		this.#home = id;
		old?.connection.setHome(false, now);
		this.#keepHome(now);
		this.#sweepSoon(now);
	}

	/** All connections close; home comes back under the new key. */
	setKeys(keys: NodeKeys, now: number): void {
		this.#keys = keys;
		this.#shutAll();
		this.#keepHome(now);
	}

	/** IPv4 is known not to work here, IPv6 is. */
	preferIPv6(prefer: boolean): void {
		this.#preferIPv6 = prefer;
		for (const entry of this.#entries.values()) entry.connection.preferIPv6(prefer);
	}

	/** Without network nothing is dialled. */
	setNetworkUp(isUp: boolean, now: number): void {
		this.#networkUp = isUp;
		if (isUp) this.#keepHome(now);
		else this.#shutAll();
	}

	/** The machine's addresses or its default route changed: what cannot have survived is closed, the rest is asked for a sign of life. */
	networkChanged(localAddresses: readonly string[], now: number): void {
		for (const { connection, stream } of this.#entries.values()) {
			const address = stream.localAddress;
			if (connection.state === "up" && (address === "" || localAddresses.includes(address))) {
				connection.probe(now);
			} else if (connection.state !== "closed") {
				const isWanted = connection.isWanted(now);
				connection.shut();
				if (isWanted && this.#networkUp) connection.want(now);
			}
		}
	}

	/** The tunnel has frames for a region, or wishes a connection. */
	want(id: number, now: number): void {
		const open = this.#entries.get(id);
		if (open?.connection.state === "up") {
			this.#pump(open, now);
			return;
		}
		if (!this.#networkUp || !this.#regions.has(id)) return;
		this.#sweepSoon(now);
		if ((!open || open.connection.state === "closed") && !this.#makeRoom(id, now)) this.#refused.add(id);
		else this.#entry(id).connection.want(now);
	}

	/** The system has taken everything written to a region. */
	drained(id: number, now: number): void {
		const entry = this.#entries.get(id);
		if (entry) this.#pump(entry, now);
	}

	/** Does what is due. @returns when it wants to be called next, Infinity for never */
	tick(now: number): number {
		for (const id of [...this.#unfinished]) {
			this.#unfinished.delete(id);
			this.drained(id, now);
		}
		for (const { connection } of this.#entries.values()) connection.tick(now);
		if (now >= this.#sweepAt) this.#sweep(now);
		return this.nextTick(now);
	}

	/** When tick() wants to be called, Infinity for never. */
	nextTick(now: number): number {
		let next = this.#unfinished.size > 0 ? now : this.#sweepAt;
		for (const { connection } of this.#entries.values()) next = Math.min(next, connection.nextTick());
		return next;
	}

	/** Ends everything. */
	close(): void {
		this.#networkUp = false;
		this.#shutAll();
		this.#entries.clear();
	}

	#entry(id: number): Entry {
		const existing = this.#entries.get(id);
		if (existing) return existing;
		const stream = this.#options.stream(() => connection);
		const connection: RegionConnection = new RegionConnection({
			region: this.#regions.get(id) as DERPRegion,
			keys: this.#keys,
			policy: this.#options.policy,
			source: this.#options.source,
			random: this.#options.random,
			output: {
				resolve: (host) => stream.resolve(host),
				open: (target) => stream.open(target),
				write: (bytes) => stream.write(bytes),
				close: () => stream.close(),
				up: () => this.#unfinished.add(id),
				lost: () => this.#options.onLost(id),
				changed: () => this.#options.onChange(connection),
			},
		});
		const entry = { connection, stream };
		connection.preferIPv6(this.#preferIPv6);
		this.#entries.set(id, entry);
		return entry;
	}

	#keepHome(now: number): void {
		if (this.#home === 0 || !this.#networkUp || !this.#regions.has(this.#home)) return;
		this.#makeRoom(this.#home, now);
		const { connection } = this.#entry(this.#home);
		connection.setHome(true, now);
		connection.want(now);
	}

	/** @returns whether one more connection may be opened */
	#makeRoom(id: number, now: number): boolean {
		let count = 0;
		let oldest: RegionConnection | undefined;
		for (const [other, { connection }] of this.#entries) {
			if (other === id || connection.state === "closed") continue;
			count += 1;
			if (!connection.isHome && (!oldest || connection.lastWantedMS < oldest.lastWantedMS)) oldest = connection;
		}
		if (count < this.#options.maximumConnections) return true;
		if (!oldest || (id !== this.#home && now - oldest.lastWantedMS < LEAST_STAY_MS)) return false;
		oldest.shut();
		return true;
	}

	#pump(entry: Entry, now: number): void {
		const id = entry.connection.region.id;
		const { bufferBytes } = this.#options;
		this.#buffer ??= new Uint8Array(bufferBytes);
		for (let turn = 0; entry.stream.pendingBytes < PENDING_BUFFERS * bufferBytes; turn += 1) {
			if (turn === WRITES_A_TURN) {
				this.#unfinished.add(id);
				return;
			}
			const length = entry.connection.take(this.#buffer, now);
			if (length === 0) return;
			entry.stream.write(this.#buffer.subarray(0, length));
		}
	}

	#sweepSoon(now: number): void {
		if (this.#sweepAt === Number.POSITIVE_INFINITY) this.#sweepAt = now + SWEEP_MS;
	}

	#sweep(now: number): void {
		let others = 0;
		for (const { connection } of this.#entries.values()) {
			if (connection.isHome || connection.state === "closed") continue;
			if (now - connection.lastWantedMS >= IDLE_MS) connection.shut();
			else others += 1;
		}
		this.#sweepAt = others > 0 ? now + SWEEP_MS : Number.POSITIVE_INFINITY;
		const refused = [...this.#refused];
		this.#refused.clear();
		for (const id of refused) this.want(id, now);
	}

	/** Forgets every connection. */
	#shutAll(): void {
		for (const entry of this.#entries.values()) entry.connection.shut();
		this.#entries.clear();
		this.#unfinished.clear();
		this.#refused.clear();
		this.#sweepAt = Number.POSITIVE_INFINITY;
	}
}

/** Whether two definitions of a region are the same, field by field, whatever fields the map's reader gives it. */
function sameRegion(a: unknown, b: unknown): boolean {
	if (a === b) return true;
	if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
	const left = a as Record<string, unknown>;
	const right = b as Record<string, unknown>;
	const names = Object.keys(left);
	if (names.length !== Object.keys(right).length) return false;
	return names.every((name) => sameRegion(left[name], right[name]));
}
