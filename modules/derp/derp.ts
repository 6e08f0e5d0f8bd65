/**
 * The relay client of one node: region-set.ts with the host's streams, names and clock. The only file of modules/derp that does I/O.
 *
 * Packets never come by here: the tunnel takes RecvPacket frames out of what arrives (derpReceive) and gives SendPacket frames in batches (derpTake).
 */
import { Connection, monotonicMS, randomBytes, resolveHost, stopTimer, type Timer, x25519PublicKey } from "tailnet/host";
import { timerAt } from "../deadline.js";
import type { RegionConnection, RegionTarget } from "./region-connection.js";
import { RegionSet, type RegionStream } from "./region-set.js";
import type { DERPRegion, DERPSource, RegionStatus } from "./types.js";

export interface DERPOptions {
	/** Our node private key, 32 bytes. Kept by reference: to be wiped by its owner after close() or setNodeKey(). */
	privateKey: Uint8Array;
	source: DERPSource;
	/** Additional trusted roots, PEM text. */
	authorities?: readonly string[] | undefined;
	/** Honour InsecureForTests of the DERP map. */
	allowInsecure?: boolean | undefined;
	/** Connections at the same time, home included; default 16. A small device takes 2. */
	maximumConnections?: number | undefined;
	/** Buffer between the tunnel and a stream; default 8192. */
	bufferBytes?: number | undefined;
	// Each of these is called in a turn of its own, never from inside a method of DERP.
	/** State, error or health of a region changed. */
	onStatus(status: RegionStatus): void;
	/** A connection that was up ended: the network may have changed, a netcheck is wanted. */
	onLost(region: number): void;
	/** The map redefined or removed the home region; home is 0 now and has to be chosen again. */
	onHomeLost(region: number): void;
	/** An exception left one of the callbacks above. */
	onError(error: unknown): void;
}

export class DERP {
	readonly #options: DERPOptions;
	readonly #set: RegionSet;
	/** What waits to be told. */
	readonly #changed = new Set<RegionConnection>();
	readonly #lost = new Set<number>();
	#homeLost = 0;
	#wakeAt = Number.POSITIVE_INFINITY;
	#timer: Timer | undefined;
	#closed = false;

	constructor(options: DERPOptions) {
		this.#options = options;
		this.#set = new RegionSet({
			keys: keysOf(options.privateKey),
			policy: { authorities: options.authorities ?? [], allowInsecure: options.allowInsecure === true },
			source: options.source,
			random: randomBytes,
			stream: (connection) => new HostStream(this, connection),
			maximumConnections: options.maximumConnections ?? 16,
			bufferBytes: options.bufferBytes ?? 8192,
			onChange: (connection) => this.#changed.add(connection),
			onLost: (region) => this.#lost.add(region),
			onHomeLost: (region) => {
				this.#homeLost = region;
			},
		});
	}

	/** Home region, 0 = none. */
	get home(): number {
		return this.#set.home;
	}

	/** Every region that has, or had, a connection. */
	get status(): RegionStatus[] {
		const list: RegionStatus[] = [];
		for (const { connection, stream } of this.#set.entries()) list.push(statusOf(connection, stream.localAddress));
		return list;
	}

	/** A new DERP map; an empty one closes everything. */
	setMap(regions: ReadonlyMap<number, DERPRegion>): void {
		this.run(() => this.#set.setMap(regions, monotonicMS()));
	}

	/** @param region as told to control in NetInfo.PreferredDERP, 0 = none */
	setHome(region: number): void {
		this.run(() => this.#set.setHome(region, monotonicMS()));
	}

	/** @param privateKey 32 bytes, by reference as in the constructor */
	setNodeKey(privateKey: Uint8Array): void {
		this.run(() => this.#set.setKeys(keysOf(privateKey), monotonicMS()));
	}

	/** The tunnel's event DERP_READY: frames are queued for region, or a connection to it is wanted. */
	ready(region: number): void {
		this.run(() => this.#set.want(region, monotonicMS()));
	}

	/** What netcheck found: IPv4 does not work here, IPv6 does. */
	preferIPv6(prefer: boolean): void {
		this.#set.preferIPv6(prefer);
	}

	setNetworkUp(isUp: boolean): void {
		this.run(() => this.#set.setNetworkUp(isUp, monotonicMS()));
	}

	/** The machine's addresses or its default route changed. */
	networkChanged(localAddresses: readonly string[]): void {
		this.run(() => this.#set.networkChanged(localAddresses, monotonicMS()));
	}

	/** Closes every connection. No callback afterwards. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#set.close();
		stopTimer(this.#timer);
	}

	/** Runs one event and sets the next wake-up. For HostStream. */
	run(event: () => void): void {
		if (this.#closed) return;
		this.#guard(event);
		this.#arm();
	}

	/** Bytes of one stream: run() without a closure. For HostStream. */
	received(connection: RegionConnection, bytes: Uint8Array): void {
		if (this.#closed) return;
		try {
			connection.received(bytes, monotonicMS());
		} catch (error) {
			this.#options.onError(error);
		}
		this.#arm();
	}

	/** The system has taken everything written. For HostStream. */
	drained(region: number): void {
		this.run(() => this.#set.drained(region, monotonicMS()));
	}

	#tick(): void {
		this.#timer = undefined;
		this.#wakeAt = Number.POSITIVE_INFINITY;
		this.run(() => {
			this.#set.tick(monotonicMS());
			this.#tell();
		});
	}

	#tell(): void {
		const options = this.#options;
		const changed = [...this.#changed];
		const lost = [...this.#lost];
		const homeLost = this.#homeLost;
		this.#changed.clear();
		this.#lost.clear();
		this.#homeLost = 0;
		for (const connection of changed) if (!this.#closed) this.#guard(() => options.onStatus(this.#statusOf(connection)));
		for (const region of lost) if (!this.#closed) this.#guard(() => options.onLost(region));
		if (homeLost !== 0 && !this.#closed) this.#guard(() => options.onHomeLost(homeLost));
	}

	#arm(): void {
		if (this.#closed) return;
		const now = monotonicMS();
		const hasNews = this.#changed.size > 0 || this.#lost.size > 0 || this.#homeLost !== 0;
		const next = hasNews ? now : this.#set.nextTick(now);
		// A wake-up that comes too early costs less than moving the timer with every byte received.
		if (next >= this.#wakeAt) return;
		this.#wakeAt = next;
		this.#timer = timerAt(this.#timer, next, () => this.#tick());
	}

	#statusOf(connection: RegionConnection): RegionStatus {
		for (const entry of this.#set.entries()) if (entry.connection === connection) return statusOf(connection, entry.stream.localAddress);
		return statusOf(connection, "");
	}

	#guard(call: () => void): void {
		try {
			call();
		} catch (error) {
			this.#options.onError(error);
		}
	}
}

/** One region's stream on the host. Answers of a stream or a name that was given up are dropped. */
class HostStream implements RegionStream {
	readonly #derp: DERP;
	readonly #machine: () => RegionConnection;
	#connection: Connection | undefined;
	/** Counts what was given up, so that a late answer of DNS is known. */
	#generation = 0;

	constructor(derp: DERP, machine: () => RegionConnection) {
		this.#derp = derp;
		this.#machine = machine;
	}

	get pendingBytes(): number {
		return this.#connection?.pendingBytes ?? 0;
	}

	get localAddress(): string {
		return this.#connection?.localAddress ?? "";
	}

	resolve(host: string): void {
		const generation = this.#generation;
		const answer = (addresses: readonly string[]) => {
			if (generation === this.#generation) this.#derp.run(() => this.#machine().resolved(addresses, monotonicMS()));
		};
		resolveHost(host).then(answer, () => answer([]));
	}

	open(target: RegionTarget): void {
		this.#connection?.close();
		const connection: Connection = new Connection({
			address: target.address,
			port: target.port,
			tls: target.tls,
			connectTimeoutMS: target.connectTimeoutMS,
			timeoutMS: target.timeoutMS,
			onOpen: () => {
				if (connection === this.#connection) this.#derp.run(() => this.#machine().opened(monotonicMS()));
			},
			onData: (bytes) => {
				if (connection === this.#connection) this.#derp.received(this.#machine(), bytes);
			},
			onDrain: () => {
				if (connection === this.#connection) this.#derp.drained(this.#machine().region.id);
			},
			onClose: (error) => {
				if (connection !== this.#connection) return;
				this.#connection = undefined;
				this.#derp.run(() => this.#machine().closed(error, monotonicMS()));
			},
		});
		this.#connection = connection;
	}

	write(bytes: Uint8Array): void {
		this.#connection?.write(bytes);
	}

	close(): void {
		this.#generation += 1;
		this.#connection?.close();
		this.#connection = undefined;
	}
}

function keysOf(privateKey: Uint8Array): { privateKey: Uint8Array; publicKey: Uint8Array } {
	return { privateKey, publicKey: x25519PublicKey(privateKey) };
}

function statusOf(connection: RegionConnection, localAddress: string): RegionStatus {
	return {
		region: connection.region.id,
		code: connection.region.code,
		home: connection.isHome,
		state: connection.state,
		admitted: connection.admitted,
		lastFrameMS: connection.lastFrameMS,
		failures: connection.failures,
		error: connection.error,
		problem: connection.problem,
		node: connection.nodeName,
		localAddress,
	};
}
