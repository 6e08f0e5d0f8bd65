/** Updates, histories and signatures against what the official package tka makes of them (tests/interop/peers/vectors). */
import { findKey, type Trust } from "../../../modules/lock/authority-state.js";
import { Chain } from "../../../modules/lock/chain.js";
import { hashToText, parseHash } from "../../../modules/lock/hash-text.js";
import { verifyNodeKey } from "../../../modules/lock/node-signature.js";
import { Rotations } from "../../../modules/lock/rotations.js";
import { parseUpdate } from "../../../modules/lock/update.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/lock.json" with { type: "json" };

const genesis = vectors.chains[0]?.genesis as string;
const trust: Trust = { keys: vectors.keys.map((key) => ({ bytes: fromHex(key), votes: 1 })), disablement: [], id: new Uint8Array(16) };

function begin(bytes: string): Chain {
	const chain = Chain.begin(fromHex(bytes));
	if (typeof chain === "string") throw new Error(chain);
	return chain;
}

const keysOf = (chain: Chain): string[] => chain.head.keys.map(({ bytes, votes }) => `${toHex(bytes)} ${votes}`);

describe("Hashes", () => {
	test("are texts of 52 characters, and back", () => {
		for (const { hash, text } of vectors.texts) {
			expect(hashToText(fromHex(hash))).toBe(text);
			expect(toHex(parseHash(text) as Uint8Array)).toBe(hash);
		}
		for (const wrong of ["", "A", `${"A".repeat(51)}=`, "a".repeat(52), "A".repeat(53)]) expect(parseHash(wrong)).toBe(undefined);
	});
});

describe("An update", () => {
	for (const { name, bytes, ok, strict, head, keys } of vectors.updates as ((typeof vectors.updates)[number] & { strict?: boolean })[]) {
		test(`${name}: ${ok && !strict ? "is taken" : "is refused"}`, () => {
			const chain = begin(genesis);
			const before = hashToText(chain.head.head);
			const problem = chain.add(fromHex(bytes)) || chain.settle();
			expect(problem === "").toBe(ok && !strict);
			expect(hashToText(chain.head.head)).toBe(problem === "" ? head : before);
			if (problem === "") expect(keysOf(chain)).toEqual(keys);
		});
	}
});

describe("A history", () => {
	for (const { name, genesis: first, ok, steps } of vectors.chains) {
		test(name, () => {
			const begun = Chain.begin(fromHex(first));
			expect(typeof begun !== "string").toBe(ok);
			if (typeof begun === "string") return;
			let chain = begun;
			for (const step of steps ?? []) {
				const next = chain.copy();
				let problem = "";
				for (const bytes of step.updates ?? []) problem ||= next.add(fromHex(bytes));
				problem ||= next.settle();
				// The official client takes no empty list, and nothing of one with a wrong update in it.
				if (step.updates) expect(problem === "").toBe(step.ok);
				if (problem === "") chain = next;
				expect(hashToText(chain.head.head)).toBe(step.head);
				expect(keysOf(chain)).toEqual(step.keys);
				const offered = step.ancestors.filter((text, i) => step.ancestors.indexOf(text) === i);
				expect(chain.ancestors.map(hashToText)).toEqual(offered);
			}
		});
	}
});

describe("A signature", () => {
	for (const vector of vectors.signatures as ((typeof vectors.signatures)[number] & { strict?: boolean; previous?: string[]; wrapping?: string })[]) {
		const isTaken = vector.ok && !vector.strict;
		test(`${vector.name}: ${isTaken ? "is taken" : "is refused"}`, () => {
			const result = verifyNodeKey(trust, fromHex(vector.nodeKey), fromHex(vector.bytes));
			expect(typeof result !== "string").toBe(isTaken);
			if (typeof result === "string") return;
			expect(result.previous.map(toHex)).toEqual(vector.previous ?? []);
			expect(result.wrapping && toHex(result.wrapping)).toBe(vector.wrapping);
		});
	}
});

describe("Rotations", () => {
	for (const { name, nodes, obsolete } of vectors.rotations) {
		test(name, () => {
			for (const order of [nodes, [...nodes].reverse()]) {
				const rotations = new Rotations();
				const keys = order.map(({ nodeKey }) => fromHex(nodeKey));
				for (const [index, { bytes }] of order.entries()) {
					const result = verifyNodeKey(trust, keys[index] as Uint8Array, fromHex(bytes));
					if (typeof result === "string") throw new Error(result);
					rotations.set(index, result.previous, result.wrapping);
				}
				const found = rotations.obsolete(
					keys.map((_, index) => index),
					(index) => keys[index] as Uint8Array,
				);
				expect([...found].map((index) => toHex(keys[index] as Uint8Array)).sort()).toEqual([...obsolete].sort());
			}
		});
	}
});

describe("Hostile bytes", () => {
	/** A copy with a few bytes changed, cut out or put in. */
	function damaged(bytes: Uint8Array, random: Random): Uint8Array {
		const copy = Array.from(bytes);
		for (let n = 1 + random.below(3); n > 0; n -= 1) {
			const at = random.below(copy.length);
			const way = random.below(3);
			copy.splice(at, way === 2 ? 0 : 1, ...(way === 1 ? [] : [random.below(256)]));
		}
		return Uint8Array.from(copy);
	}

	test("make no update and no signature, and throw nothing", () => {
		const random = new Random(7);
		const update = fromHex(vectors.updates[3]?.bytes as string);
		const node = vectors.signatures.find(({ name }) => name === "a rotation") as { nodeKey: string; bytes: string };
		const signature = fromHex(node.bytes);
		for (let round = 0; round < 400; round += 1) {
			const wrong = damaged(update, random);
			if (toHex(wrong) !== toHex(update)) expect(begin(genesis).add(wrong)).not.toBe("");
			const forged = damaged(signature, random);
			if (toHex(forged) !== node.bytes) expect(typeof verifyNodeKey(trust, fromHex(node.nodeKey), forged)).toBe("string");
			parseUpdate(random.bytes(random.below(200)));
			verifyNodeKey(trust, fromHex(node.nodeKey), random.bytes(random.below(200)));
		}
	});
});

describe("The vectors", () => {
	test("have both verdicts of everything, and keys that are trusted", () => {
		for (const cases of [vectors.updates, vectors.signatures, vectors.chains]) expect(new Set(cases.map(({ ok }) => ok)).size).toBe(2);
		expect(findKey(begin(genesis).head, trust.keys[0]?.bytes as Uint8Array)?.votes).toBe(2);
	});
});
