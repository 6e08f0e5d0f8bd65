/**
 * What a node keeps across restarts: its keys, whether they are registered, the floor of its handshake clock, its UDP port. Each value is written whole
 * before it is used, so that a power cut at any moment leaves a state that starts.
 *
 *   machine-key    32 bytes, private    tells control which machine this is; never changes
 *   node-key       32 bytes, private    WireGuard and DERP identity; changes at login after expiry
 *   old-node-key   32 bytes, public     the key that node-key replaces, until control has taken the new one
 *   registered     node key, public     the key that control took last
 *   clock-floor    8 bytes              Unix seconds that no handshake timestamp has passed (protocol/tunnel.md §1.7)
 *   udp-port       2 bytes              bound again at the next start: peers still trust the path to it (protocol/relay.md §2.8)
 *   netmap-...     up to 4,096 bytes    the last network map (netmap/cache-values.ts)
 *   suspend-key    32 bytes             opens the record of a node that sleeps (suspend-record.ts); there only while it does
 *   lock           up to 4,000 bytes    history of the key authority of a locked tailnet (lock/chain-codec.ts)
 *   reset          1 byte               all the rest is to be deleted (reset.ts)
 */
import { equalBytes, log, openStore, randomBytes, type Store, wipe, x25519PublicKey } from "tailnet/host";
import { TailnetError } from "./errors.js";
import { finishReset, reset } from "./reset.js";

/** The clock's floor is written so far ahead, and again when half of it is used up. */
const clockReserveSeconds = 3600;

function newPrivateKey(): Uint8Array {
	const key = randomBytes(32);
	key[0] = (key[0] as number) & 0xf8;
	key[31] = ((key[31] as number) & 0x7f) | 0x40;
	return key;
}

export class Identity {
	readonly machinePrivateKey: Uint8Array;
	/** New at each start, never stored. */
	#discoPrivateKey = newPrivateKey();
	#discoPublicKey = x25519PublicKey(this.#discoPrivateKey);
	#nodePrivateKey: Uint8Array;
	#nodePublicKey: Uint8Array;
	#oldNodeKey: Uint8Array | undefined;
	/** Private keys that were replaced; relay and tunnel may use them until control has taken the new one. */
	#retired: Uint8Array[] = [];
	readonly #store: Store;
	/** The handshake clock: clockStartMS (Unix) at monotonic clockSinceMS. */
	#clockStartMS = 0;
	#clockSinceMS = 0;
	#clockBoundSeconds = 0;

	/** Reads the store, and fills what is not there. @throws TailnetError "store" */
	constructor(store: Store) {
		this.#store = store;
		this.machinePrivateKey = this.#key("machine-key");
		this.#nodePrivateKey = this.#key("node-key");
		this.#nodePublicKey = x25519PublicKey(this.#nodePrivateKey);
		const old = this.#read("old-node-key", 32);
		// The power went after the first write of a rotation: there was none.
		this.#oldNodeKey = old && equalBytes(old, this.#nodePublicKey) ? undefined : old;
	}

	/** For what else is to survive a restart; its errors are TailnetError "store". */
	get values(): Store {
		return {
			get: (key) => guarded(() => this.#store.get(key)),
			set: (key, value) => this.#write(key, value),
			delete: (key) => this.#delete(key),
		};
	}

	get discoPrivateKey(): Uint8Array {
		return this.#discoPrivateKey;
	}

	get discoPublicKey(): Uint8Array {
		return this.#discoPublicKey;
	}

	/** Goes on with the disco key of a run that slept, before anybody has the new one. @param privateKey 32 bytes, kept */
	takeDiscoKey(privateKey: Uint8Array): void {
		wipe(this.#discoPrivateKey);
		this.#discoPrivateKey = privateKey;
		this.#discoPublicKey = x25519PublicKey(privateKey);
	}

	get nodePrivateKey(): Uint8Array {
		return this.#nodePrivateKey;
	}

	get nodePublicKey(): Uint8Array {
		return this.#nodePublicKey;
	}

	/** Public key of a rotation that was cut short. */
	get oldNodeKey(): Uint8Array | undefined {
		return this.#oldNodeKey;
	}

	/** Control has taken the node key before. */
	get isRegistered(): boolean {
		const registered = this.#read("registered", 32);
		return registered !== undefined && equalBytes(registered, this.#nodePublicKey);
	}

	/** A new node key; the one before is kept as old until registered() is called. @returns the new private key */
	rotate(): Uint8Array {
		this.#oldNodeKey = this.#nodePublicKey;
		this.#write("old-node-key", this.#oldNodeKey);
		this.#replaceNodeKey();
		return this.#nodePrivateKey;
	}

	/** Control has taken the node key. @throws TailnetError "store" */
	registered(): void {
		if (!this.isRegistered) this.#write("registered", this.#nodePublicKey);
		if (this.#oldNodeKey) this.#delete("old-node-key");
		this.#oldNodeKey = undefined;
	}

	/** Nobody uses the keys that were replaced any more. */
	wipeRetired(): void {
		for (const key of this.#retired) wipe(key);
		this.#retired = [];
	}

	/** After a logout: the next login is that of another node. @throws TailnetError "store" */
	forget(): void {
		this.#delete("registered");
		this.#delete("old-node-key");
		this.#oldNodeKey = undefined;
		this.#replaceNodeKey();
	}

	/** UDP port of the last run, 0 = none. */
	get port(): number {
		const bytes = this.#read("udp-port", 2);
		return bytes ? ((bytes[0] as number) << 8) | (bytes[1] as number) : 0;
	}

	set port(port: number) {
		if (port !== this.port) this.#write("udp-port", Uint8Array.of(port >> 8, port & 255));
	}

	/**
	 * Starts, or goes on with, the handshake clock: never below a value that an earlier run may have used, and never ahead of the bound in the store.
	 * @param wallMS Unix milliseconds as far as known, 0 = unknown
	 * @returns what the tunnel needs: the time to go on from, and the bound
	 */
	clock(wallMS: number, now: number): { clockMS: number; boundSeconds: number } {
		const current = this.#clockStartMS === 0 ? this.#floorSeconds * 1000 : this.#clockStartMS + (now - this.#clockSinceMS);
		this.#clockStartMS = Math.max(current, wallMS);
		this.#clockSinceMS = now;
		const usedSeconds = Math.ceil(this.#clockStartMS / 1000);
		if (usedSeconds + clockReserveSeconds / 2 > this.#clockBoundSeconds) {
			this.#writeFloor(usedSeconds + clockReserveSeconds);
			this.#clockBoundSeconds = usedSeconds + clockReserveSeconds;
		}
		return { clockMS: this.#clockStartMS, boundSeconds: this.#clockBoundSeconds };
	}

	/** How long until clock() has to be called again, in milliseconds. */
	get clockRenewMS(): number {
		return (clockReserveSeconds / 2) * 1000;
	}

	/** Gives back what was reserved and not used; wipes the keys, closes the store. @throws TailnetError "store", with the keys wiped all the same */
	close(now: number): void {
		try {
			if (this.#clockStartMS !== 0) this.#writeFloor(Math.ceil((this.#clockStartMS + (now - this.#clockSinceMS)) / 1000) + 1);
		} catch (error) {
			log("warning", `the handshake clock's reserve cannot be given back: ${(error as TailnetError).message}`);
		} finally {
			wipe(this.machinePrivateKey);
			wipe(this.#nodePrivateKey);
			wipe(this.#discoPrivateKey);
			this.wipeRetired();
			this.#store.close?.();
		}
	}

	toJSON(): object {
		return {};
	}

	get #floorSeconds(): number {
		const bytes = this.#read("clock-floor", 8);
		return bytes ? Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)) : 0;
	}

	#writeFloor(seconds: number): void {
		const bytes = new Uint8Array(8);
		new DataView(bytes.buffer).setBigUint64(0, BigInt(seconds));
		this.#write("clock-floor", bytes);
	}

	#replaceNodeKey(): void {
		const key = newPrivateKey();
		this.#write("node-key", key);
		this.#retired.push(this.#nodePrivateKey);
		this.#nodePrivateKey = key;
		this.#nodePublicKey = x25519PublicKey(key);
	}

	#key(name: string): Uint8Array {
		const stored = this.#read(name, 32);
		if (stored) return stored;
		const key = newPrivateKey();
		this.#write(name, key);
		return key;
	}

	#read(name: string, lengthBytes: number): Uint8Array | undefined {
		const value = guarded(() => this.#store.get(name));
		if (value && value.length !== lengthBytes) throw new TailnetError("store", `${name}: expected ${lengthBytes} bytes, got ${value.length}`);
		return value;
	}

	#write(name: string, value: Uint8Array): void {
		guarded(() => this.#store.set(name, value));
	}

	#delete(name: string): void {
		guarded(() => this.#store.delete(name));
	}
}

/** The identity in the store called name; without one it lives as long as the process. @throws TailnetError "store" */
export function openIdentity(name: string | undefined): Identity {
	const store = guarded(() => openStore(name));
	try {
		guarded(() => finishReset(store));
		return new Identity(store);
	} catch (error) {
		store.close?.();
		throw error;
	}
}

/** Nothing of an identity, or of what else was kept with it, stays in the store called name. @throws TailnetError "store" */
export function resetIdentity(name: string): void {
	const store = guarded(() => openStore(name));
	try {
		guarded(() => reset(store));
	} finally {
		store.close?.();
	}
}

function guarded<T>(action: () => T): T {
	try {
		return action();
	} catch (error) {
		throw new TailnetError("store", (error as { message?: string }).message ?? "the store cannot be used");
	}
}
