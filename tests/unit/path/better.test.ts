/** better(): the table of protocol/paths.md §5.5 and what holds for all pairs. */
import { better, type MeasuredPath } from "../../../modules/path/better.js";
import { describe, expect, Random, test } from "../../harness.js";

const path = (address: string, latencyMS: number, relayed = false): MeasuredPath => ({ address, latencyMS, relayed, wireMTU: 1360 });

/** a, its latency, b, its latency, a better, b better. */
const rows: [string, number, string, number, boolean, boolean][] = [
	["192.168.1.2:1", 10, "203.0.113.1:1", 9, true, false],
	["192.168.1.2:1", 10, "203.0.113.1:1", 7, false, true],
	["[2001:db8::1]:1", 10, "203.0.113.1:1", 10, true, false],
	["[2001:db8::1]:1", 12, "203.0.113.1:1", 10, false, true],
	["203.0.113.1:1", 99, "203.0.113.2:1", 100, false, false],
	["203.0.113.1:1", 97, "203.0.113.2:1", 100, true, false],
	["[fd00::1]:1", 5, "10.0.0.2:1", 5, true, false],
	["127.0.0.1:1", 5, "10.0.0.2:1", 3, false, true],
	["169.254.1.1:1", 5, "10.0.0.2:1", 5, true, false],
	["100.64.0.1:1", 5, "203.0.113.1:1", 5, false, false],
];

describe("better()", () => {
	for (const [a, latencyA, b, latencyB, forward, backward] of rows) {
		test(`[paths 26] ${a} in ${latencyA} ms against ${b} in ${latencyB} ms`, () => {
			expect(better(path(a, latencyA), path(b, latencyB))).toBe(forward);
			expect(better(path(b, latencyB), path(a, latencyA))).toBe(backward);
		});
	}

	test("[paths 26] direct in 200 ms is better than relayed in 5 ms", () => {
		expect(better(path("203.0.113.1:1", 200), path("203.0.113.2:1", 5, true))).toBe(true);
		expect(better(path("203.0.113.2:1", 5, true), path("203.0.113.1:1", 200))).toBe(false);
	});

	test("anything is better than nothing, and nothing than nothing is not", () => {
		expect(better(path("203.0.113.1:1", 200), undefined)).toBe(true);
		expect(better(undefined, path("203.0.113.1:1", 200))).toBe(false);
		expect(better(undefined, undefined)).toBe(false);
	});

	test("the same address is better only with a larger MTU", () => {
		const a = path("203.0.113.1:1", 5);
		expect(better(a, { ...a, latencyMS: 100 })).toBe(false);
		expect(better({ ...a, latencyMS: 100, wireMTU: 1400 }, a)).toBe(true);
	});

	test("a zero latency on the other side gives it 100 points", () => {
		expect(better(path("127.0.0.1:1", 5), path("203.0.113.1:1", 0))).toBe(false);
	});

	test("[paths 26] is never true in both directions", () => {
		const random = new Random(5);
		const hosts = ["203.0.113.1", "203.0.113.2", "10.0.0.1", "192.168.0.1", "172.16.0.1", "172.32.0.1", "127.0.0.1", "169.254.0.1", "100.64.0.1"];
		const all = [...hosts, "[2001:db8::1]", "[fd00::1]", "[fe80::1]", "[::1]"].map((host) => `${host}:41641`);
		for (let i = 0; i < 3000; i += 1) {
			const a = path(all[random.below(all.length)] as string, random.below(30), random.below(5) === 0);
			const b = path(all[random.below(all.length)] as string, random.below(30), random.below(5) === 0);
			expect(better(a, b) && better(b, a)).toBe(false);
		}
	});
});
