/** STUN requests, answers and transactions: protocol/relay.md §4, vectors of the reference. */
import { randomBytes } from "tailnet/host";
import { parseStunResponse, type StunAnswer, StunTransactions, stunPort, stunRequest } from "../../../modules/path/stun.js";
import { stunAnswers, stunRequests, stunServerAnswers } from "../../checks/stun.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/stun.json" with { type: "json" };

const good = fromHex(vectors.responses[0]?.packet as string);
const transaction = fromHex(vectors.responses[0]?.txid as string);

describe("STUN", () => {
	for (const { name, run } of stunRequests(vectors)) test(`[relay 57] for the txids of the vectors the request is byte for byte the one given: ${name}`, run);
	for (const { name, run } of stunAnswers(vectors)) test(`[relay 58] a parseResponse case gives the stated address or error: ${name}`, run);
	for (const { name, run } of stunServerAnswers(vectors)) test(`reads what the reference server builds: ${name}`, run);

	test("[relay 59] a response with an unknown or already used id, or from another address, changes nothing", () => {
		const transactions = new StunTransactions<string>();
		expect(toHex(transactions.begin("fra", "192.0.2.1:3478", transaction, 1000))).toBe(toHex(stunRequest(transaction)));
		const unknown = good.slice();
		unknown[19] = (unknown[19] as number) ^ 1;
		expect(transactions.answer(unknown, "192.0.2.1:3478", 1020)).toBe(undefined);
		expect(transactions.answer(good, "192.0.2.1:3479", 1020)).toBe(undefined);
		expect(transactions.answer(good.subarray(0, 30), "192.0.2.1:3478", 1020)).toBe(undefined);
		expect(transactions.size).toBe(1);
		expect(transactions.answer(good, "192.0.2.1:3478", 1020)).toEqual({ subject: "fra", endpoint: "1.2.3.4:1234", latencyMS: 20 });
		expect(transactions.answer(good, "192.0.2.1:3478", 1030)).toBe(undefined);
		expect(transactions.size).toBe(0);
	});

	test("forgets its requests when told to", () => {
		const transactions = new StunTransactions<number>();
		transactions.begin(1, "192.0.2.1:3478", transaction, 0);
		transactions.clear();
		expect(transactions.answer(good, "192.0.2.1:3478", 1)).toBe(undefined);
	});

	test("[relay 60] a family-02 answer with a v4-mapped address yields an IPv4 endpoint", () => {
		const vector = vectors.parseResponse.find((one) => one.name.startsWith("family 2 carrying"));
		expect((parseStunResponse(fromHex(vector?.packet as string)) as StunAnswer).endpoint).toBe("1.2.3.4:1234");
	});

	test("[relay 61] a node with STUNPort -1 gets no STUN; 0 goes to 3478", () => {
		expect([-1, 0, 3479, 65535, 65536].map(stunPort)).toEqual([0, 3478, 3479, 65535, 0]);
	});

	test("any truncation of an answer is refused, whatever follows it is ignored", () => {
		for (let length = 0; length < good.length; length += 1) expect(typeof parseStunResponse(good.subarray(0, length))).toBe("string");
		const longer = new Uint8Array(good.length + 9).fill(0xff);
		longer.set(good);
		expect((parseStunResponse(longer) as StunAnswer).endpoint).toBe("1.2.3.4:1234");
	});

	test("random bytes behind a right head neither throw nor hang", () => {
		const random = new Random(5);
		for (let i = 0; i < 3000; i += 1) {
			const packet = random.bytes(20 + random.below(60));
			packet.set(good.subarray(0, 8));
			packet[2] = 0;
			packet[3] = random.below(packet.length - 15);
			const result = parseStunResponse(packet);
			expect(typeof result === "string" || typeof result.endpoint === "string").toBe(true);
		}
	});

	test("two requests never share an id when the ids are random", () => {
		const ids = new Set<string>();
		for (let i = 0; i < 100; i += 1) ids.add(toHex(stunRequest(randomBytes(12)).subarray(8, 20)));
		expect(ids.size).toBe(100);
	});
});
