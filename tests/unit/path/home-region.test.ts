/** The choice of the home region: the table of protocol/paths.md §3.5 and the sentences of §10.1. */
import { type HomeInput, HomeRegion } from "../../../modules/path/home-region.js";
import type { NetcheckReport } from "../../../modules/path/netcheck.js";
import type { ProbeRegion } from "../../../modules/path/probe-plan.js";
import { describe, expect, test } from "../../harness.js";

const regions: ProbeRegion[] = [1, 2, 3].map((id) => ({
	id,
	nodes: [{ hostName: "x", ipv4: "192.0.2.1", ipv6: "", stunPort: 3478 }],
	avoid: false,
	noMeasureNoHome: false,
}));
const minute = 60_000;

function report(latencies: Record<number, number>, startedAt: number): NetcheckReport {
	const latency = new Map(Object.entries(latencies).map(([id, ms]) => [Number(id), ms]));
	return { startedAt, latency } as unknown as NetcheckReport;
}

function input(fields: Partial<HomeInput> = {}): HomeInput {
	return { regions, score: () => 1, heardAt: () => undefined, inMapPoll: true, deadRegion: 0, ...fields };
}

/** Home is 1, measured at oldMS; then region 2 appears. */
function homeAfter(oldThen: Record<number, number>, now: Record<number, number>, fields: Partial<HomeInput> = {}): number {
	const home = new HomeRegion(() => new Uint8Array(2));
	home.choose(report(oldThen, 0), input(), 100);
	expect(home.current).toBe(1);
	return home.choose(report(now, minute), input(fields), minute + 100);
}

describe("home region", () => {
	test("the home of the last run stays until there is a reason to move", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.restore(2);
		expect(home.choose(report({ 1: 20, 2: 25 }, 0), input({ inMapPoll: false }), 100)).toBe(2);
		expect(home.choose(report({ 1: 20, 2: 25 }, minute), input(), minute + 100)).toBe(2);
		expect(home.choose(report({ 1: 20, 2: 200 }, 2 * minute), input(), 2 * minute + 100)).toBe(1);
	});

	for (const [old, best, moves] of [
		[30, 21, false],
		[30, 20, true],
		[100, 70, false],
		[100, 66, true],
	] as const) {
		test(`[paths 6] ${old} ms now, another in ${best} ms: ${moves ? "moves" : "stays"}`, () => {
			expect(homeAfter({ 1: old }, { 1: old, 2: best })).toBe(moves ? 2 : 1);
		});
	}

	test("[paths 8] no answer from home, but a frame 7 s ago: kept", () => {
		expect(homeAfter({ 1: 30 }, { 2: 5 }, { heardAt: (id) => (id === 1 ? minute + 100 - 7_000 : undefined) })).toBe(1);
	});

	test("[paths 8] no answer, the last frame 9 s ago and before the report began: moves", () => {
		expect(homeAfter({ 1: 30 }, { 2: 200 }, { heardAt: () => minute + 100 - 9_000 })).toBe(2);
	});

	test("[paths 8] no answer, a frame since the report began, however long ago: kept", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.choose(report({ 1: 30 }, 0), input(), 100);
		expect(home.choose(report({ 2: 5 }, minute), input({ heardAt: () => minute + 1 }), minute + 20_000)).toBe(1);
	});

	test("[paths 8, paths 5] no answer from anyone: kept", () => {
		expect(homeAfter({ 1: 30 }, {}, { heardAt: () => minute + 100 - 119_000 })).toBe(1);
		expect(homeAfter({ 1: 30 }, {})).toBe(1);
	});

	test("[paths 8] after a report without any answer home is still preferred if it was heard within 120 s, else anything is", () => {
		for (const [silentMS, result] of [
			[120_000, 1],
			[120_001, 2],
		] as const) {
			const home = new HomeRegion(() => new Uint8Array(2));
			home.choose(report({ 1: 30 }, 0), input(), 100);
			expect(home.choose(report({}, minute), input({ heardAt: () => minute - silentMS }), minute)).toBe(1);
			expect(home.choose(report({ 1: 30, 2: 25 }, minute + 23_000), input(), minute + 23_000)).toBe(result);
		}
	});

	test("of two equal regions the first of the map", () => {
		expect(new HomeRegion(() => new Uint8Array(2)).choose(report({ 3: 20, 2: 20 }, 0), input(), 0)).toBe(2);
	});

	test("[paths 6] scores change the result", () => {
		expect(homeAfter({ 1: 30 }, { 1: 30, 2: 25 }, { score: (id) => (id === 2 ? 0.5 : 1) })).toBe(2);
		expect(homeAfter({ 1: 30 }, { 1: 30, 2: 10 }, { score: (id) => (id === 2 ? 3 : 1) })).toBe(1);
		expect(homeAfter({ 1: 30 }, { 1: 30, 2: 10 }, { score: (id) => (id === 2 ? 0 : -1) })).toBe(2);
	});

	test("[paths 7] outside a map poll home does not move, but a node without one picks one", () => {
		expect(homeAfter({ 1: 100 }, { 1: 100, 2: 5 }, { inMapPoll: false })).toBe(1);
		const home = new HomeRegion(() => new Uint8Array(2));
		expect(home.choose(report({ 2: 50 }, 0), input({ inMapPoll: false }), 100)).toBe(2);
		expect(home.choose(report({ 2: 100, 3: 10 }, minute), input({ inMapPoll: false }), minute)).toBe(2);
		expect(home.choose(report({ 2: 100, 3: 10 }, 2 * minute), input(), 2 * minute)).toBe(3);
	});

	test("nobody ever answered: a random region, the same for the whole run", () => {
		let draws = 0;
		const home = new HomeRegion(() => {
			draws += 1;
			return new Uint8Array([1, 4]);
		});
		expect(home.choose(report({}, 0), input(), 0)).toBe(3);
		expect(home.choose(report({}, 1), input(), 1)).toBe(3);
		home.forget();
		expect(home.choose(report({}, 2), input(), 2)).toBe(3);
		expect(draws).toBe(1);
		expect(new HomeRegion(() => new Uint8Array(2)).choose(report({}, 0), input({ regions: [] }), 0)).toBe(0);
	});

	test("the choice is by the best of 5 minutes, for regions that answered now", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.choose(report({ 1: 100, 2: 20, 3: 1 }, 0), input({ inMapPoll: true }), 0);
		expect(home.current).toBe(3);
		// 3 is silent now; 2 has a bad moment but was the best before.
		expect(home.choose(report({ 1: 100, 2: 110 }, minute), input(), minute)).toBe(2);
		// After 5 minutes that is forgotten.
		expect(home.choose(report({ 1: 50, 2: 110 }, 6 * minute), input(), 6 * minute)).toBe(1);
	});

	test("regions to avoid are home only if nothing else answered; a dead region is as if it had not", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		const odd = regions.map((region) => ({ ...region, avoid: region.id === 1, noMeasureNoHome: region.id === 2 }));
		expect(home.choose(report({ 1: 5, 2: 5, 3: 200 }, 0), input({ regions: odd }), 0)).toBe(3);
		const only = new HomeRegion(() => new Uint8Array(2));
		expect(only.choose(report({ 1: 5 }, 0), input({ regions: odd }), 0)).toBe(1);
		expect(homeAfter({ 1: 5 }, { 1: 5, 2: 200 }, { deadRegion: 1, heardAt: () => minute })).toBe(2);
		expect(homeAfter({ 1: 5 }, { 1: 5 }, { deadRegion: 1 })).toBe(1);
	});

	test("a dead home is as if it had not answered for 10 minutes, unless it is home and in use again", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.choose(report({ 1: 5 }, 0), input(), 0);
		expect(home.choose(report({ 1: 5, 2: 100 }, minute), input({ deadRegion: 1 }), minute)).toBe(2);
		expect(home.choose(report({ 1: 5, 2: 100 }, 2 * minute), input(), 2 * minute)).toBe(2);
		expect(home.choose(report({ 1: 5, 2: 100 }, 11 * minute - 1), input(), 11 * minute - 1)).toBe(2);
		expect(home.choose(report({ 1: 5, 2: 100 }, 11 * minute), input(), 11 * minute)).toBe(1);
		// Nobody else answers: it stays home, comes back, and is not held to be dead when others appear.
		expect(home.choose(report({ 1: 5 }, 12 * minute), input({ deadRegion: 1 }), 12 * minute)).toBe(1);
		expect(home.choose(report({ 1: 5, 2: 100 }, 13 * minute), input(), 13 * minute)).toBe(1);
	});

	test("where all others were found dead, the first of them is tried again: none is given up for 10 minutes while home is silent, or dead", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.choose(report({ 1: 5, 2: 50, 3: 100 }, 0), input(), 0);
		expect(home.choose(report({ 1: 5, 2: 50, 3: 100 }, minute), input({ deadRegion: 1 }), minute)).toBe(2);
		expect(home.choose(report({ 1: 5, 2: 50, 3: 100 }, 2 * minute), input({ deadRegion: 2 }), 2 * minute)).toBe(3);
		// One report without home is no reason, as long as it was heard.
		const heardAt = (): number => 2.5 * minute;
		expect(home.choose(report({ 1: 5, 2: 50 }, 3 * minute), input({ heardAt }), 3 * minute)).toBe(3);
		expect(home.choose(report({ 1: 5, 2: 50 }, 5 * minute), input({ heardAt }), 5 * minute)).toBe(1);
		expect(home.choose(report({ 1: 5, 2: 50 }, 6 * minute), input({ deadRegion: 1 }), 6 * minute)).toBe(2);
	});

	test("a home that is dead together with everything else is not: without any answer it is the network that is gone", () => {
		const home = new HomeRegion(() => new Uint8Array(2));
		home.choose(report({ 1: 5 }, 0), input(), 0);
		expect(home.choose(report({}, minute), input({ deadRegion: 1 }), minute)).toBe(1);
		expect(home.choose(report({ 1: 5, 2: 100 }, 2 * minute), input(), 2 * minute)).toBe(1);
	});
});
