/** DISCO messages against the vectors of the official implementation, then against anything. */
import { appendMessage, type DiscoMessage, parseMessage } from "../../../modules/disco/message.js";
import { discoMessages, discoParsing, fieldsOf } from "../../checks/disco.js";
import { describe, expect, fromHex, Random, test } from "../../harness.js";
import vectors from "../../vectors/disco.json" with { type: "json" };

describe("DISCO messages", () => {
	for (const { name, run } of discoMessages(vectors)) test(`[relay 7] writes and reads: ${name}`, run);
	for (const { name, run } of discoParsing(vectors)) test(`[relay 8] parses as stated: ${name}`, run);

	test("takes any bytes without throwing, and what it reads it writes back", () => {
		const random = new Random(1);
		for (let i = 0; i < 3000; i += 1) {
			const plaintext = random.bytes(random.below(200));
			if (plaintext.length > 0 && i % 4 > 0) plaintext[0] = random.below(11);
			if (plaintext.length > 1 && i % 4 > 1) plaintext[1] = 0;
			const message = parseMessage(plaintext);
			if (typeof message === "string" || plaintext[1] !== 0) continue;
			const again = appendMessage(message);
			expect(again.length).toBeLessThanOrEqual(plaintext.length);
			expect(fieldsOf(parseMessage(again) as DiscoMessage)).toEqual(fieldsOf(message));
		}
	});

	test("takes every message cut anywhere", () => {
		for (const vector of vectors.cases) {
			const plaintext = fromHex(vector.plaintext);
			for (let length = 0; length < Math.min(plaintext.length, 260); length += 1) parseMessage(plaintext.subarray(0, length));
		}
	});

	test("refuses to write a field of the wrong length", () => {
		expect(() => appendMessage({ type: "ping", transaction: new Uint8Array(11), padding: 0 })).toThrow(RangeError);
		expect(() => appendMessage({ type: "call-me-maybe", endpoints: [new Uint8Array(17)] })).toThrow(RangeError);
	});
});
