/** The judges of the soak (tests/soak): each says yes to what is well, and no to what is not. */
import { describe, expect, test } from "../../harness.js";

// Plain JavaScript, without types.
const load = (name: string) => import(`../../soak/${name}.js`);
const { LieWatch, lieBoundMS } = await load("canary");
const { isEnough, leaksOf } = await load("leaks");
const { lostAlone } = await load("outcomes");
const { Random } = await load("random");
const { laidOut } = await load("table");

describe("a lie", () => {
	/** Pings that fail, one a second, up to a time. */
	function deaf(watch: { failed(sentAt: number, now: number): void }, from: number, to: number): void {
		for (let now = from; now < to; now += 1000) watch.failed(now, now + 1000);
	}

	test("is running while pings have failed for longer than the bound, and is one lie however long it lasts", () => {
		const watch = new LieWatch();
		watch.said("running", 0);
		deaf(watch, 1000, 1000 + lieBoundMS);
		expect(watch.lies).toEqual([]);
		deaf(watch, 1000 + lieBoundMS, 3 * lieBoundMS);
		expect([watch.lies.length, watch.longestMS >= 2 * lieBoundMS]).toEqual([1, true]);
	});

	test("is none when a ping in between was answered, and is another one after it", () => {
		const watch = new LieWatch();
		watch.said("running", 0);
		for (let i = 0; i < 5; i += 1) {
			deaf(watch, i * lieBoundMS, (i + 1) * lieBoundMS);
			watch.answered();
		}
		expect(watch.lies).toEqual([]);
		for (let i = 0; i < 2; i += 1) {
			deaf(watch, i * 2 * lieBoundMS, (i + 1) * 2 * lieBoundMS);
			watch.answered();
		}
		expect(watch.lies.length).toBe(2);
	});

	test("is none while the node says that it is degraded, but is one when it says running too early", () => {
		const watch = new LieWatch();
		watch.said("running", 0);
		deaf(watch, 0, lieBoundMS);
		watch.said("degraded", lieBoundMS);
		deaf(watch, lieBoundMS, 3 * lieBoundMS);
		expect(watch.lies).toEqual([]);
		watch.said("running", 3 * lieBoundMS + 500);
		watch.failed(3 * lieBoundMS, 3 * lieBoundMS + 1000);
		expect(watch.lies).toEqual([]);
		watch.failed(3 * lieBoundMS + 1000, 3 * lieBoundMS + 2000);
		expect(watch.lies.length).toBe(1);
	});
});

describe("a leak", () => {
	const sample = (liveBytes = 1_000_000, residentBytes = 9_000_000, files = ["pipe:", "socket:"]) => ({ files, threads: ["node"], liveBytes, residentBytes });

	test("is a descriptor or thread that was not there", () => {
		expect(leaksOf([sample(), sample()], 1)).toEqual([]);
		expect(leaksOf([sample(), sample(1, 1, ["pipe:", "socket:", "socket:"])], 1)).toEqual(["3 files instead of 2: socket:"]);
		expect(leaksOf([sample(), { ...sample(), threads: ["node", "node"] }], 1)).toEqual(["2 threads instead of 1: node"]);
	});

	test("is memory that grew by more than a hundredth after the first round", () => {
		const grown = (factor: number, member: "liveBytes" | "residentBytes") =>
			leaksOf([sample(1), sample(1), ...[1, 1, 1, factor, factor, factor].map((by) => ({ ...sample(), [member]: Math.round(sample()[member] * by) }))], 2);
		for (const member of ["liveBytes", "residentBytes"] as const) {
			expect(grown(1.009, member)).toEqual([]);
			expect(grown(1.02, member).length).toBe(1);
		}
	});

	test("is not memory that came and went, nor what the process may still give back", () => {
		expect(
			leaksOf(
				[1, 1, 5, 1, 5, 1].map((by) => sample(by * 1_000_000)),
				0,
			),
		).toEqual([]);
		expect(
			leaksOf(
				[9, 9, 9, 13, 9, 13].map((by) => sample(1_000_000, by * 1_000_000)),
				0,
			),
		).toEqual([]);
	});

	test("is not looked for in memory with too few samples", () => {
		const few = [1, 1, 1, 2, 2].map((by) => sample(by * 1_000_000));
		expect([isEnough(few, 0), leaksOf(few, 0)]).toEqual([false, []]);
	});
});

describe("a lost connection", () => {
	const isOwn = (name: string) => name !== "s";
	const lost = (...outcomes: object[]) => lostAlone({ outcomes }, isOwn).length;
	const kept = { kind: "drip" };
	const broken = { kind: "drip", error: "reset" };

	test("counts when the stock node's of the same kind was kept", () => {
		expect(lost({ name: "a", ...kept }, { name: "s", ...kept })).toBe(0);
		expect(lost({ name: "a", ...broken }, { name: "s", ...kept })).toBe(1);
		expect(lost({ name: "a", ...broken }, { name: "s", ...broken })).toBe(0);
		expect(lost({ name: "a", ...broken }, { name: "s", ...kept }, { name: "s", kind: "flow", error: "reset" })).toBe(1);
	});

	test("counts when there is no stock node to compare with, unless the stock node lost any", () => {
		expect(lost({ name: "a", ...broken })).toBe(1);
		expect(lost({ name: "a", kind: "between", error: "reset" }, { name: "s", ...broken })).toBe(0);
	});
});

test("the same seed gives the same order and the same pauses", () => {
	const list = Array.from({ length: 20 }, (_, i) => i);
	const of = (seed: number) => {
		const random = new Random(seed);
		return [random.shuffled(list), random.between(3, 9), random.fraction()];
	};
	expect(of(5)).toEqual(of(5));
	expect(of(5)).not.toEqual(of(6));
	expect([...(of(5)[0] as number[])].sort((a, b) => a - b)).toEqual(list);
});

test("a table's figures stand under each other", () => {
	expect(
		laidOut([
			["what", "n"],
			["a", "100"],
		]),
	).toBe("what    n\na     100");
});
