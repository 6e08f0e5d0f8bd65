/** Factory reset: nothing stays, and a power cut at any moment leaves the node that was, whole, or a new one. */
import { openStore } from "tailnet/host";
import { Identity, openIdentity } from "../../../modules/identity.js";
import { LOCK_VALUE } from "../../../modules/lock/sync.js";
import { DEVICE_BUDGET, forgetMap, saveMap } from "../../../modules/netmap/cache-values.js";
import { finishReset, reset } from "../../../modules/reset.js";
import { sealRecord } from "../../../modules/suspend-record.js";
import Tailnet, { type TailnetError } from "../../../modules/tailnet.js";
import { beforeEach, describe, expect, test, toHex } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { firstMessage, Lab, node } from "../netmap/fixtures.js";
import { TestStore } from "./test-store.js";

beforeEach(() => testing.reset());

const wallMS = 1_764_000_000_000;
const names = (store: TestStore): string[] => [...store.values.keys()].sort();

/** All that a node keeps, written by those who keep it. */
function fullStore(): TestStore {
	const store = new TestStore();
	const identity = new Identity(store);
	identity.clock(wallMS, 0);
	identity.registered();
	identity.rotate();
	identity.port = 41641;
	sealRecord(store, identity.nodePublicKey, identity.discoPrivateKey, [], wallMS);
	store.set(LOCK_VALUE, new Uint8Array(100));
	const lab = new Lab();
	lab.feed(firstMessage([node(2), node(3), node(4), node(5)]));
	const facts = { nodeKey: identity.nodePublicKey, control: 7, homeRegion: 2, heardAt: wallMS / 1000, recent: [] };
	saveMap(store, lab.netmap, facts, { ...DEVICE_BUDGET, partBytes: 256 });
	expect(store.values.has("netmap-2")).toBe(true);
	store.writes = 0;
	return store;
}

describe("a reset", () => {
	test("leaves nothing, whatever was kept", () => {
		const store = fullStore();
		expect(names(store).filter((name) => !name.startsWith("netmap-"))).toEqual(
			["clock-floor", LOCK_VALUE, "machine-key", "node-key", "old-node-key", "registered", "suspend-key", "udp-port"].sort(),
		);
		reset(store);
		expect(names(store)).toEqual([]);
		reset(store);
		expect(names(store)).toEqual([]);
	});

	test("cut by the power before any of its writes: the next start has the machine of before with its login, or another one that has none, and no old value", () => {
		const before = fullStore();
		const keys = ["machine-key", "node-key", "old-node-key"].map((name) => toHex(before.values.get(name) as Uint8Array));
		const whole = new TestStore(before.values);
		reset(whole);
		const outcomes = new Set<string>();
		for (let cut = 0; cut < whole.writes; cut += 1) {
			const store = new TestStore(before.values);
			store.cutAt = cut;
			expect(() => reset(store)).toThrow("the power is gone");
			const next = new TestStore(store.values);
			finishReset(next);
			const kept = names(next).filter((name) => !name.startsWith("netmap-"));
			const identity = new Identity(next);
			const now = [identity.machinePrivateKey, identity.nodePrivateKey].map(toHex);
			const isOld = now[0] === keys[0];
			outcomes.add(isOld ? "old" : "new");
			if (isOld) {
				expect([now, toHex(identity.oldNodeKey as Uint8Array), kept.length]).toEqual([keys.slice(0, 2), keys[2], 8]);
				// What the cut left of the map goes with the next one that is forgotten.
				forgetMap(next);
				expect(names(next).filter((name) => name.startsWith("netmap-"))).toEqual([]);
			} else {
				expect([kept, identity.isRegistered, identity.oldNodeKey, identity.port]).toEqual([[], false, undefined, 0]);
				for (const value of next.values.values()) expect(keys).not.toContain(toHex(value));
			}
		}
		expect([...outcomes]).toEqual(["old", "new"]);
	});

	test("is finished by whoever opens the store next", () => {
		const store = openStore("cut");
		for (const [name, value] of fullStore().values) if (!name.startsWith("netmap-")) store.set(name, value);
		const old = toHex(store.get("machine-key") as Uint8Array);
		store.set("reset", Uint8Array.of(1));
		const identity = openIdentity("cut");
		expect([toHex(identity.machinePrivateKey) === old, identity.isRegistered, store.get("reset"), store.get(LOCK_VALUE)]).toEqual([
			false,
			false,
			undefined,
			undefined,
		]);
	});

	test("works on a store that has no room left, and on values that cannot be used", () => {
		const store = fullStore();
		const { size } = store.values;
		store.values.set("machine-key", new Uint8Array(3));
		const set = store.set.bind(store);
		store.set = (key, value) => {
			if (store.values.size >= size) throw { code: "io", message: "the state cannot be written: ENOSPC" };
			set(key, value);
		};
		reset(store);
		expect(names(store)).toEqual([]);
	});
});

describe("Tailnet.reset()", () => {
	test("makes the next start another machine", () => {
		const store = openStore("garden");
		new Tailnet({ store: "garden" }).close();
		const before = toHex(store.get("machine-key") as Uint8Array);
		Tailnet.reset("garden");
		expect([store.get("machine-key"), store.get("node-key"), store.get("clock-floor"), store.get("udp-port")]).toEqual(Array(4).fill(undefined));
		new Tailnet({ store: "garden" }).close();
		expect(toHex(store.get("machine-key") as Uint8Array)).not.toBe(before);
	});

	test("without a name of a store, or with a store that fails, says so", () => {
		const code = (name: unknown): string => {
			try {
				Tailnet.reset(name as string);
			} catch (error) {
				return (error as TailnetError).code;
			}
			return "none";
		};
		expect([code(undefined), code(""), code("none of it")]).toEqual(["argument", "argument", "none"]);
		openStore("broken").delete = () => {
			throw { code: "io", message: "the state cannot be written: EIO" };
		};
		expect(code("broken")).toBe("store");
	});
});
