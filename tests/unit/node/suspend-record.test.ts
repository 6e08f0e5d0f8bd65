/** The record of a node that sleeps: opened once, young, whole, by the node and on the store that made it, or not at all. */
import { aeadSeal, crc32, openStore, type Store } from "tailnet/host";
import { forgetRecord, MOST_SESSIONS, type Opened, openRecord, SESSION_BYTES, sealRecord } from "../../../modules/suspend-record.js";
import { Suspension } from "../../../modules/suspension.js";
import { beforeEach, describe, expect, fromHex, test, toHex } from "../../harness.js";
import { testing } from "../../xs/host.js";

beforeEach(() => testing.reset());

const wallMS = 1_764_000_000_123;
const nodeKey = new Uint8Array(32).fill(0x0a);
const discoKey = new Uint8Array(32).fill(0xd1);
const AGE_AT = 142;

function session(byte: number, ageMS = 0): Uint8Array {
	const bytes = new Uint8Array(SESSION_BYTES).fill(byte);
	new DataView(bytes.buffer).setUint32(AGE_AT, ageMS, true);
	return bytes;
}

function seal(store: Store, sessions = [session(1), session(2)], at = wallMS): Uint8Array {
	return sealRecord(store, nodeKey, discoKey, sessions, at);
}

/** What becomes of a record that is opened so long after. */
function outcome(store: Store, record: Uint8Array, afterMS = 1000, key = nodeKey): string {
	const opened = openRecord(store, record, key, wallMS + afterMS);
	return typeof opened === "string" ? opened : `${opened.sessions.length / SESSION_BYTES} sessions`;
}

const store = (): Store => openStore(undefined);
const ages = (opened: Opened): number[] => {
	const view = new DataView(opened.sessions.buffer);
	return Array.from({ length: opened.sessions.length / SESSION_BYTES }, (_, i) => view.getUint32(i * SESSION_BYTES + AGE_AT, true));
};

describe("a record", () => {
	test("gives what was sealed, its sessions older by the sleep, and leaves nothing in the store", () => {
		const values = store();
		const record = seal(values, [session(1, 5), session(2, 60_000)]);
		expect(record.length).toBe(89 + 2 * 150);
		expect(values.get("suspend-key")?.length).toBe(32);
		const opened = openRecord(values, record, nodeKey, wallMS + 30_000) as Opened;
		expect(toHex(opened.discoPrivateKey)).toBe(toHex(discoKey));
		expect(ages(opened)).toEqual([30_005, 90_000]);
		expect(toHex(opened.sessions.subarray(0, AGE_AT))).toBe("01".repeat(AGE_AT));
		expect(values.get("suspend-key")).toBe(undefined);
	});

	test("has the size that is documented: 89 bytes and 150 for each session, 1,289 at most", () => {
		for (let count = 0; count <= MOST_SESSIONS; count += 1) {
			const values = store();
			const record = seal(
				values,
				Array.from({ length: count }, () => session(3)),
			);
			expect(record.length).toBe(89 + 150 * count);
			expect(outcome(values, record)).toBe(`${count} sessions`);
		}
		expect(89 + 150 * MOST_SESSIONS).toBe(1289);
	});

	test("hides its keys, and every one is sealed under another key", () => {
		const values = store();
		const first = seal(values);
		const key = toHex(values.get("suspend-key") as Uint8Array);
		const second = seal(values);
		expect(toHex(values.get("suspend-key") as Uint8Array)).not.toBe(key);
		expect(toHex(first)).not.toContain(toHex(discoKey));
		expect(toHex(first)).not.toContain("01".repeat(16));
		expect(toHex(first.subarray(1))).not.toBe(toHex(second.subarray(1)));
	});

	test("the sessions given to it are wiped", () => {
		const sessions = [session(1), session(2)];
		seal(store(), sessions);
		for (const bytes of sessions) expect(bytes.every((byte) => byte === 0)).toBe(true);
	});

	test("is used up by the first start, whatever that is: with it, with another one, or without", () => {
		const values = store();
		const record = seal(values);
		expect([outcome(values, record), outcome(values, record), outcome(values, record)]).toEqual(["2 sessions", "used", "used"]);
		const other = seal(values);
		expect([outcome(values, record), outcome(values, other)]).toEqual(["damaged", "used"]);
		const third = seal(values);
		forgetRecord(values);
		expect(outcome(values, third)).toBe("used");
		expect(outcome(store(), seal(store()))).toBe("used");
	});

	test("damage of any byte, or an end anywhere, is seen, and the key is gone all the same", () => {
		const sealed = seal(store(), [session(7)]);
		for (let i = 0; i < sealed.length; i += 1) {
			const values = store();
			const record = seal(values, [session(7)]);
			record[i] = (record[i] as number) ^ (1 << (i % 8));
			expect([i, outcome(values, record), values.get("suspend-key")]).toEqual([i, "damaged", undefined]);
		}
		for (let length = 0; length < sealed.length; length += 1) {
			const values = store();
			const record = seal(values, [session(7)]).subarray(0, length);
			expect([length, outcome(values, record), values.get("suspend-key")]).toEqual([length, "damaged", undefined]);
		}
		const values = store();
		const longer = new Uint8Array([...seal(values), 0]);
		expect(outcome(values, longer)).toBe("damaged");
	});

	test("a version that is not ours, however well sealed, and one with more sessions than there may be", () => {
		const values = store();
		const key = new Uint8Array(32).fill(9);
		const sealed = (version: number, count: number): Uint8Array =>
			new Uint8Array([version, ...aeadSeal(key, new Uint8Array(12), Uint8Array.of(version), new Uint8Array(72 + 150 * count))]);
		for (const [version, count] of [
			[2, 0],
			[0, 0],
			[1, MOST_SESSIONS + 1],
		] as const) {
			values.set("suspend-key", key);
			expect(outcome(values, sealed(version, count))).toBe("damaged");
		}
		values.set("suspend-key", key);
		expect(outcome(values, sealed(1, 0))).toBe("other-node");
	});

	test("a key in the store that has another length opens nothing", () => {
		const values = store();
		const record = seal(values);
		values.set("suspend-key", new Uint8Array(31));
		expect(outcome(values, record)).toBe("damaged");
	});

	test("another node key", () => {
		const values = store();
		expect(outcome(values, seal(values), 1000, new Uint8Array(32).fill(0x0b))).toBe("other-node");
	});

	test("179 s after the handshake a session goes on, 181 s after it not; each counts for itself", () => {
		const slept = (afterMS: number, ...agesMS: number[]): string => {
			const values = store();
			return outcome(
				values,
				seal(
					values,
					agesMS.map((ageMS) => session(1, ageMS)),
				),
				afterMS,
			);
		};
		expect(slept(179_000, 0)).toBe("1 sessions");
		expect(slept(179_999, 0)).toBe("1 sessions");
		expect(slept(180_000, 0)).toBe("old");
		expect(slept(181_000, 0)).toBe("old");
		expect(slept(59_000, 120_000)).toBe("1 sessions");
		expect(slept(61_000, 120_000)).toBe("old");
		expect(slept(61_000, 120_000, 100_000, 170_000, 0)).toBe("2 sessions");
		expect(slept(0xffff_ffff + 1, 0)).toBe("old");
		expect(slept(179_000)).toBe("0 sessions");
		expect(slept(181_000)).toBe("old");
	});

	test("a clock that went back, that is not known now, or was not known then", () => {
		const values = store();
		expect(outcome(values, seal(values), -1)).toBe("clock");
		expect(outcome(values, seal(values), -wallMS)).toBe("clock");
		expect(outcome(values, seal(values, [session(1)], 0), 1000)).toBe("clock");
		expect(outcome(values, seal(values), 0)).toBe("2 sessions");
	});

	test("a store that does not let the key go: nothing is opened", () => {
		const values = store();
		const record = seal(values);
		const failing: Store = {
			...values,
			delete() {
				throw new Error("the store is full");
			},
		};
		expect(outcome(failing, record)).toBe("store");
		expect(() => forgetRecord(failing)).toThrow("full");
	});

	test("the key leaves the store before the record is opened", () => {
		const steps: string[] = [];
		const values = store();
		const record = seal(values);
		const watched: Store = { get: (key) => values.get(key), set: (key, value) => values.set(key, value), delete: (key) => void steps.push(`delete ${key}`) };
		const opened = new Proxy(record, {
			get(target, name) {
				steps.push("read");
				const value = Reflect.get(target, name);
				return typeof value === "function" ? value.bind(target) : value;
			},
		});
		openRecord(watched, opened, nodeKey, wallMS);
		expect(steps[0]).toBe("delete suspend-key");
		expect(steps).toContain("read");
	});
});

describe("a suspension", () => {
	const add = (suspension: Suspension, byte: number, lastUsed: number, endpoint = ""): void =>
		suspension.add({ nodeKey: new Uint8Array(32).fill(byte), discoKey: new Uint8Array(32).fill(byte + 1), endpoint, lastUsed }, new Uint8Array(96).fill(byte));

	test("keeps the eight sessions whose peers were used last, the last first; the parts of each are where the tunnel expects them", async () => {
		const values = store();
		const suspension = new Suspension();
		const young = new Uint8Array(96).fill(0x55);
		young.fill(0, 88);
		for (let i = 0; i < 12; i += 1)
			suspension.add(
				{
					nodeKey: new Uint8Array(32).fill(i),
					discoKey: new Uint8Array(32).fill(0x40 + i),
					endpoint: i === 11 ? "192.0.2.7:41641" : "",
					lastUsed: (i * 7) % 12,
				},
				young,
			);
		suspension.finish(values, nodeKey, discoKey, wallMS);
		const { sessions } = openRecord(values, await suspension.record, nodeKey, wallMS + 9) as Opened;
		const order = Array.from({ length: 12 }, (_, i) => i).sort((a, b) => ((b * 7) % 12) - ((a * 7) % 12));
		expect(Array.from({ length: sessions.length / SESSION_BYTES }, (_, i) => sessions[i * SESSION_BYTES])).toEqual(order.slice(0, MOST_SESSIONS));
		const at = order.indexOf(11) * SESSION_BYTES;
		const entry = sessions.subarray(at, at + SESSION_BYTES);
		const peerDisco = new Uint8Array(32).fill(0x40 + 11);
		expect(new DataView(entry.buffer, entry.byteOffset).getUint32(32, true)).toBe(crc32(peerDisco, 32));
		expect(toHex(entry.subarray(36, 54))).toBe(toHex(fromHex("00000000000000000000ffffc0000207a2a9")));
		expect(toHex(entry.subarray(54))).toBe(`${"55".repeat(88)}0900000000000000`);
		expect(young[0]).toBe(0x55);
	});

	test("a store that cannot be written, and a node that is closed before, reject", async () => {
		const failing: Store = {
			get: () => undefined,
			set() {
				throw new Error("the store is full");
			},
			delete() {},
		};
		const first = new Suspension();
		add(first, 1, 1);
		first.finish(failing, nodeKey, discoKey, wallMS);
		await expect(first.record).rejects.toThrow("full");
		const second = new Suspension();
		add(second, 1, 1);
		second.close();
		await expect(second.record).rejects.toThrow("closed");
	});
});
