import { isZeroKey, keyToText, parseKey, parseKeyInto } from "../../../modules/netmap/keys.js";
import { describe, expect, Random, test, toHex } from "../../harness.js";

describe("keys", () => {
	test("prefix and 64 digits make 32 bytes, and back", () => {
		const random = new Random(3);
		for (let n = 0; n < 50; n += 1) {
			const bytes = random.bytes(32);
			const text = `nodekey:${toHex(bytes)}`;
			expect(toHex(parseKey(text, "nodekey:")!)).toBe(toHex(bytes));
			expect(keyToText("nodekey:", bytes)).toBe(text);
		}
	});

	test("upper case is read, a wrong prefix, length or digit is not", () => {
		const digits = "ab".repeat(32);
		expect(toHex(parseKey(`discokey:${digits.toUpperCase()}`, "discokey:")!)).toBe(digits);
		for (const bad of ["", "discokey:", digits, `nodekey:${digits}`, `discokey:${digits}0`, `discokey:${digits.slice(1)}`, `discokey:g${digits.slice(1)}`]) {
			expect(parseKey(bad, "discokey:")).toBe(undefined);
		}
	});

	test("a failed parse leaves the bytes alone", () => {
		const bytes = new Uint8Array(32).fill(7);
		expect(parseKeyInto(`mkey:${"0".repeat(63)}x`, "mkey:", bytes, 0)).toBe(false);
		expect(toHex(bytes)).toBe("07".repeat(32));
	});

	test("the zero key is absent", () => {
		expect(isZeroKey(parseKey(`discokey:${"0".repeat(64)}`, "discokey:")!)).toBe(true);
		expect(isZeroKey(parseKey(`discokey:${"0".repeat(63)}1`, "discokey:")!)).toBe(false);
	});
});
