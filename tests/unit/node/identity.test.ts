/** What a node keeps: keys that survive a power cut at any moment, a clock floor that only rises (protocol/tunnel.md §1.7). */
import { x25519PublicKey } from "tailnet/host";
import type { TailnetError } from "../../../modules/errors.js";
import type { Store } from "../../../modules/host-contract.js";
import { Identity } from "../../../modules/identity.js";
import { beforeEach, describe, expect, Random, test, toHex } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { TestStore } from "./test-store.js";

beforeEach(() => testing.reset());

function facts(identity: Identity): string[] {
	return [toHex(identity.machinePrivateKey), toHex(identity.nodePrivateKey), String(identity.isRegistered)];
}

const wallMS = 1_764_000_000_000;

describe("keys", () => {
	test("are made once, kept, and clamped; the disco key is another one at each start", () => {
		const store = new TestStore();
		const first = new Identity(store);
		const second = new Identity(store);
		expect(facts(second)).toEqual(facts(first));
		expect(toHex(first.nodePublicKey)).toBe(toHex(x25519PublicKey(first.nodePrivateKey)));
		expect([(first.nodePrivateKey[0] as number) & 7, (first.nodePrivateKey[31] as number) >> 6]).toEqual([0, 1]);
		expect(toHex(second.discoPublicKey)).not.toBe(toHex(first.discoPublicKey));
		expect([...store.values.keys()].sort()).toEqual(["machine-key", "node-key"]);
	});

	test("a power cut between any two writes of a first start, a registration, a rotation and a logout: the next start has whole keys, those of before or those of after", () => {
		/** Everything that a life writes, and what the keys were at each step. */
		const story: [string, (identity: Identity) => void][] = [
			["clock", (identity) => void identity.clock(wallMS, 0)],
			["registered", (identity) => identity.registered()],
			["rotate", (identity) => void identity.rotate()],
			["registered again", (identity) => identity.registered()],
			[
				"port",
				(identity) => {
					identity.port = 41641;
				},
			],
			["forget", (identity) => identity.forget()],
		];
		const live = (store: TestStore): Set<string> => {
			const nodeKeys = new Set<string>();
			try {
				const identity = new Identity(store);
				for (const [, step] of story) {
					nodeKeys.add(toHex(identity.nodePrivateKey));
					step(identity);
				}
				nodeKeys.add(toHex(identity.nodePrivateKey));
			} catch (error) {
				expect((error as TailnetError).code ?? "store").toBe("store");
			}
			return nodeKeys;
		};
		const whole = new TestStore();
		live(whole);
		expect(whole.writes).toBeGreaterThan(8);
		for (let cut = 0; cut <= whole.writes; cut += 1) {
			testing.reset(cut + 1);
			const store = new TestStore();
			store.cutAt = cut;
			const used = live(store);
			const machineKey = store.values.get("machine-key");
			const after = new TestStore(store.values);
			const identity = new Identity(after);
			if (machineKey) expect(toHex(identity.machinePrivateKey)).toBe(toHex(machineKey));
			const stored = store.values.get("node-key");
			if (stored) expect([toHex(identity.nodePrivateKey), identity.nodePrivateKey.length]).toEqual([toHex(stored), 32]);
			// No key that was handed out is lost in favour of one that nobody has seen, but for the one that was being made.
			if (used.size > 0 && stored) expect(used.has(toHex(stored)) || cut > 0).toBe(true);
			expect(toHex(identity.oldNodeKey ?? new Uint8Array(0))).not.toBe(toHex(identity.nodePublicKey));
			if (identity.isRegistered) expect(toHex(after.values.get("registered") as Uint8Array)).toBe(toHex(identity.nodePublicKey));
			identity.clock(wallMS, 0);
			identity.rotate();
			identity.registered();
			expect(identity.isRegistered).toBe(true);
		}
	});

	test("a rotation that is cut short is known at the next start: the old public key is told to control until it has taken the new one", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		identity.registered();
		const before = toHex(identity.nodePublicKey);
		const made = identity.rotate();
		expect([toHex(made), toHex(identity.oldNodeKey as Uint8Array), identity.isRegistered]).toEqual([toHex(identity.nodePrivateKey), before, false]);
		const next = new Identity(store);
		expect([toHex(next.nodePrivateKey), toHex(next.oldNodeKey as Uint8Array), next.isRegistered]).toEqual([toHex(made), before, false]);
		next.registered();
		expect([next.oldNodeKey, next.isRegistered, store.values.has("old-node-key")]).toEqual([undefined, true, false]);
	});

	test("keys that were replaced are wiped when nobody uses them any more, all of them at the end", () => {
		const identity = new Identity(new TestStore());
		const old = identity.nodePrivateKey;
		identity.rotate();
		expect(old.some((byte) => byte !== 0)).toBe(true);
		identity.wipeRetired();
		expect(old.every((byte) => byte === 0)).toBe(true);
		identity.close(0);
		for (const key of [identity.machinePrivateKey, identity.nodePrivateKey, identity.discoPrivateKey]) expect(key.every((byte) => byte === 0)).toBe(true);
	});

	test("are wiped at the end also where the store fails, which is said", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		identity.clock(wallMS, 0);
		store.cutAt = store.writes;
		identity.close(1000);
		for (const key of [identity.machinePrivateKey, identity.nodePrivateKey, identity.discoPrivateKey]) expect(key.every((byte) => byte === 0)).toBe(true);
		expect(testing.lines).toEqual(["warning: the handshake clock's reserve cannot be given back: the power is gone"]);
		expect(new Identity(new TestStore(store.values)).clock(0, 0).clockMS).toBeGreaterThan(wallMS + 1000);
	});

	test("a logout whose store fails is a store error", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		identity.registered();
		store.cutAt = store.writes;
		expect(() => identity.forget()).toThrow("the power is gone");
		try {
			identity.forget();
		} catch (error) {
			expect((error as TailnetError).code).toBe("store");
		}
	});

	test("after a logout the node is another one on the same machine", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		identity.registered();
		const [machineKey, nodeKey] = facts(identity);
		identity.forget();
		expect(toHex(identity.machinePrivateKey)).toBe(machineKey);
		expect(toHex(identity.nodePrivateKey)).not.toBe(nodeKey);
		expect([identity.isRegistered, identity.oldNodeKey]).toEqual([false, undefined]);
		expect(facts(new Identity(store))).toEqual(facts(identity));
	});

	test("are in no JSON, and a value of the wrong length, or a store that fails, is a store error that shows none", () => {
		const store = new TestStore();
		expect(JSON.stringify(new Identity(store))).toBe("{}");
		store.values.set("node-key", new Uint8Array(31).fill(7));
		expect(() => new Identity(store)).toThrow("node-key: expected 32 bytes, got 31");
		const broken: Store = {
			get() {
				throw { code: "io", message: "the state cannot be read: EIO" };
			},
			set() {},
			delete() {},
		};
		expect(() => new Identity(broken)).toThrow("EIO");
	});

	test("the UDP port of the last run is kept", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		expect(identity.port).toBe(0);
		identity.port = 41641;
		const { writes } = store;
		identity.port = 41641;
		expect([new Identity(store).port, store.writes]).toEqual([41641, writes]);
	});
});

describe("handshake clock", () => {
	/** One run: starts, lives for some time with clock() called when it wants to be, ends with or without close(). @returns first value, last value and bound */
	function run(store: TestStore, wall: number, lifeMS: number, isClosed: boolean): { first: number; last: number; bound: number } {
		const identity = new Identity(store);
		const start = identity.clock(wall, 1000);
		let { clockMS, boundSeconds } = start;
		let now = 1000;
		for (const end = 1000 + lifeMS; now < end; ) {
			const step = Math.min(identity.clockRenewMS, end - now);
			now += step;
			if (step < identity.clockRenewMS) break;
			const renewed = identity.clock(wall === 0 ? 0 : wall + now - 1000, now);
			expect(renewed.clockMS).toBeGreaterThanOrEqual(clockMS + step);
			({ clockMS, boundSeconds } = renewed);
		}
		if (isClosed) identity.close(now);
		return { first: start.clockMS, last: start.clockMS + lifeMS, bound: boundSeconds };
	}

	test("[tunnel 13] reboots without a clock: the first timestamp is above every one before, also when the power goes between flash write and send", () => {
		const random = new Random(5);
		const store = new TestStore();
		let greatest = 0;
		for (let boot = 0; boot < 60; boot += 1) {
			const { first, last, bound } = run(store, boot === 0 ? wallMS : 0, random.below(3) === 0 ? 0 : random.below(10_000_000), random.below(2) === 0);
			expect(first).toBeGreaterThanOrEqual(greatest);
			// Whatever the tunnel sends is at most the bound; what is in flash is never below what was sent.
			expect(last).toBeLessThanOrEqual(bound * 1000);
			greatest = last;
		}
	});

	test("[tunnel 13] the bound is in the store before the tunnel may use it", () => {
		const store = new TestStore();
		const identity = new Identity(store);
		store.cutAt = store.writes;
		expect(() => identity.clock(wallMS, 0)).toThrow("the power is gone");
		store.cutAt = Number.POSITIVE_INFINITY;
		const { boundSeconds } = identity.clock(wallMS, 0);
		expect(new DataView((store.values.get("clock-floor") as Uint8Array).buffer).getBigUint64(0)).toBe(BigInt(boundSeconds));
	});

	test("[tunnel 14] a trusted clock that jumps forward is followed; one that jumps backward does not lower the timestamp", () => {
		const identity = new Identity(new TestStore());
		const start = identity.clock(wallMS, 0).clockMS;
		expect(start).toBe(wallMS);
		expect(identity.clock(wallMS + 86_400_000, 1000).clockMS).toBe(wallMS + 86_400_000);
		const back = identity.clock(wallMS - 86_400_000, 2000);
		expect(back.clockMS).toBe(wallMS + 86_401_000);
		expect(back.boundSeconds * 1000).toBeGreaterThan(back.clockMS + identity.clockRenewMS - 1);
	});

	test("an orderly end gives back what was reserved", () => {
		const store = new TestStore();
		run(store, wallMS, 5000, true);
		const next = new Identity(store).clock(0, 0).clockMS;
		expect([next > wallMS + 5000, next <= wallMS + 7000]).toEqual([true, true]);
	});
});
