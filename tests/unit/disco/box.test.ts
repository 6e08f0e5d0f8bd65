/** The DISCO envelope against the vectors, and what it costs. */
import { bytesKey, DiscoBox, isDisco, senderOf } from "../../../modules/disco/box.js";
import { FAILURES_PER_SECOND, OpenFailures } from "../../../modules/disco/failures.js";
import { classifyChecks } from "../../checks/classify.js";
import { discoKeys, discoPackets, discoSealing, boxOf as vectorBox } from "../../checks/disco.js";
import { describe, expect, fromHex, Random, test } from "../../harness.js";
import classify from "../../vectors/classify.json" with { type: "json" };
import vectors from "../../vectors/disco.json" with { type: "json" };

const keys = vectors.keys as Record<string, { private: string; public: string }>;
const keyOf = (name: string): Uint8Array => fromHex((keys[name] as { public: string }).public);
const boxOf = (name: string, nonce = ""): DiscoBox => vectorBox(vectors, name, nonce);

describe("DISCO box", () => {
	for (const { name, run } of discoKeys(vectors)) test(name, run);
	for (const { name, run } of discoSealing(vectors)) test(`[relay 7] seals and opens: ${name}`, run);
	for (const { name, run } of discoPackets(vectors)) test(`[relay 9] opens or refuses: ${name}`, run);
	for (const { name, run } of classifyChecks(classify)) test(`[relay 1] DISCO and STUN are told from WireGuard: ${name}`, run);

	test("computes the shared key once for a peer", () => {
		const box = boxOf("b");
		const packet = fromHex(vectors.cases[0]?.packet as string);
		box.open(packet);
		expect(box.operations).toBe(2);
		box.open(packet);
		expect(box.operations).toBe(3);
		box.forget(senderOf(packet));
		box.open(packet);
		expect(box.operations).toBe(5);
	});

	test("keeps 32 shared keys, the most recently used", () => {
		const random = new Random(2);
		const box = boxOf("b", "00".repeat(24));
		const first = keyOf("a");
		const others = Array.from({ length: 40 }, () => random.bytes(32));
		box.seal(first, new Uint8Array(2));
		for (const other of others) {
			box.seal(other, new Uint8Array(2));
			const before = box.operations;
			box.seal(first, new Uint8Array(2));
			expect(box.operations).toBe(before + 1);
		}
		const before = box.operations;
		box.seal(others[0] as Uint8Array, new Uint8Array(2));
		expect(box.operations).toBe(before + 2);
	});

	test("refuses a low-order key, at the price of one X25519", () => {
		const box = boxOf("b", "00".repeat(24));
		expect(box.seal(new Uint8Array(32), new Uint8Array(2))).toBeUndefined();
		expect(box.seal(new Uint8Array(32), new Uint8Array(2))).toBeUndefined();
		expect(box.operations).toBe(1);
	});

	test("[relay 18] takes 24 bytes of the random source for each packet and keeps no counter", () => {
		const asked: number[] = [];
		const random = new Random(3);
		const box = new DiscoBox(fromHex(vectors.keys.a.private), (lengthBytes) => {
			asked.push(lengthBytes);
			return random.bytes(lengthBytes);
		});
		const nonces = new Set<string>();
		for (let i = 0; i < 20; i += 1) nonces.add(bytesKey((box.seal(keyOf("b"), new Uint8Array(2)) as Uint8Array).subarray(38, 62)));
		expect(nonces.size).toBe(20);
		expect(asked).toEqual(new Array(20).fill(24));
	});

	test("takes any bytes without throwing", () => {
		const random = new Random(4);
		const box = boxOf("b");
		for (let i = 0; i < 300; i += 1) {
			const packet = random.bytes(random.below(130));
			packet.set(fromHex(vectors.magic).subarray(0, packet.length));
			if (packet.length >= 38) packet.set(keyOf("a"), 6);
			if (isDisco(packet)) expect(box.open(packet)).toBeUndefined();
		}
	});
});

describe("failures by source", () => {
	test("a source that fails 50 times in a second is refused until the second is over", () => {
		const failures = new OpenFailures();
		for (let i = 0; i < FAILURES_PER_SECOND; i += 1) {
			expect(failures.isRefused("a", 1000 + i)).toBe(false);
			failures.count("a", 1000 + i);
		}
		expect(failures.isRefused("a", 1500)).toBe(true);
		expect(failures.isRefused("b", 1500)).toBe(false);
		expect(failures.isRefused("a", 2000)).toBe(false);
		expect(failures.refused).toBe(1);
	});

	test("remembers 16 sources", () => {
		const failures = new OpenFailures();
		for (let i = 0; i < FAILURES_PER_SECOND; i += 1) failures.count("a", 0);
		for (let i = 0; i < 15; i += 1) failures.count(`b${i}`, 1);
		expect(failures.isRefused("a", 2)).toBe(true);
		failures.count("c", 2);
		expect(failures.isRefused("a", 2)).toBe(false);
	});
});
