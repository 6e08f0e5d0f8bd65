/** What ends tailnet lock, computed by the addon, against the official client's. */
import { argon2i, ed25519Verify, utf8Encode } from "tailnet/host";
import { DISABLEMENT_SALT } from "../../../modules/lock/disablement.js";
import { describe, expect, fromHex, test, toHex } from "../../harness.js";
import vectors from "../../vectors/lock.json" with { type: "json" };

describe("Argon2i", () => {
	test("makes of secrets what the official client does", () => {
		const salt = utf8Encode(DISABLEMENT_SALT);
		for (const { secret, value } of vectors.disablement) expect(toHex(argon2i(fromHex(secret), salt) as Uint8Array)).toBe(value);
	});
});

describe("Ed25519", () => {
	// RFC 8032 §7.1, test 3.
	const key = fromHex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	const message = fromHex("af82");
	const signature = fromHex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");

	test("takes a signature, and none that is a bit off", () => {
		expect(ed25519Verify(key, message, signature)).toBe(true);
		for (const part of [key, message, signature]) {
			(part as Uint8Array)[1] = (part[1] as number) ^ 1;
			expect(ed25519Verify(key, message, signature)).toBe(false);
			(part as Uint8Array)[1] = (part[1] as number) ^ 1;
		}
	});

	test("takes no key and no signature of another length", () => {
		expect(ed25519Verify(key.subarray(1), message, signature)).toBe(false);
		expect(ed25519Verify(key, message, signature.subarray(1))).toBe(false);
	});
});
