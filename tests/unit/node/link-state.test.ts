/** What changes of addresses, routes and clocks mean: protocol/paths.md §6.1. */
import { clockPeriodMS, type LinkFacts, LinkState } from "../../../modules/link-state.js";
import { LinkWatch } from "../../../modules/link-watch.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

const gateway = { gateway: "192.168.1.1", address: "192.168.1.20" };
const home: LinkFacts = { addresses: ["192.168.1.20", "2001:db8::20"], gateway };
const none: LinkFacts = { addresses: [], gateway: undefined };
const day = 86_400_000;

describe("link state", () => {
	const rows: [string, LinkFacts, string][] = [
		["nothing changed", { addresses: [...home.addresses], gateway: { ...gateway } }, "none"],
		["the same addresses in another order", { addresses: [...home.addresses].reverse(), gateway }, "none"],
		["another address", { addresses: ["192.168.1.21", "2001:db8::20"], gateway }, "major"],
		["one address more", { addresses: [...home.addresses, "10.0.0.1"], gateway }, "major"],
		["one address less", { addresses: ["192.168.1.20"], gateway }, "major"],
		["another gateway", { ...home, gateway: { ...gateway, gateway: "192.168.1.254" } }, "major"],
		["another way to the same gateway", { ...home, gateway: { ...gateway, address: "192.168.1.22" } }, "major"],
		["no gateway any more", { ...home, gateway: undefined }, "major"],
		["no address", none, "down"],
	];
	for (const [name, facts, change] of rows) {
		test(name, () => {
			const state = new LinkState(home, 0, 0);
			expect([state.look(facts, 1000), state.look(facts, 2000)]).toEqual([change, "none"]);
		});
	}

	test("down and up again: minor if it looks the same and was short, else major", () => {
		const back = (facts: LinkFacts, awayMS: number): string => {
			const state = new LinkState(home, 0, 0);
			state.look(none, 1000);
			expect(state.downSinceMS).toBe(1000);
			const change = state.look(facts, 1000 + awayMS);
			expect(state.downSinceMS).toBe(undefined);
			return change;
		};
		expect([back(home, 10_000), back(home, 10_001), back({ ...home, gateway: undefined }, 1)]).toEqual(["minor", "major", "major"]);
	});

	test("a machine that starts without a network is down from the start", () => {
		const state = new LinkState(none, 5, 0);
		expect([state.downSinceMS, state.look(none, 6), state.look(home, 7)]).toEqual([5, "none", "major"]);
	});

	test("sleep: a timer that is late, or a wall clock that went on; not a clock that is set for the first time, or set back", () => {
		const slept = (passedMS: number, wallBefore: number, wallAfter: number): string => new LinkState(home, 0, wallBefore).tick(passedMS, wallAfter);
		expect(slept(clockPeriodMS, day, day + clockPeriodMS)).toBe("none");
		expect(slept(22_500, day, day + 22_500)).toBe("none");
		expect(slept(22_501, day, day + 22_501)).toBe("minor");
		expect(slept(clockPeriodMS + 600_000, 0, 0)).toBe("major");
		expect(slept(clockPeriodMS, day, day + clockPeriodMS + 600_000)).toBe("major");
		expect(slept(clockPeriodMS, day, day + clockPeriodMS + 60_000)).toBe("minor");
		expect(slept(clockPeriodMS, 0, 20_000 * day)).toBe("none");
		expect(slept(clockPeriodMS, 2 * day, day)).toBe("none");
	});
});

describe("link watch", () => {
	let told: string[];
	let watch: LinkWatch;
	beforeEach(() => {
		testing.reset();
		told = [];
		watch = new LinkWatch((change) => told.push(change));
	});
	const move = (...addresses: string[]): void => {
		testing.addresses = addresses;
		watch.news();
	};

	test("a network that has a gateway is complete: it is looked at after 10 ms", () => {
		testing.gateway = gateway;
		move("192.0.2.77");
		testing.advance(9);
		expect(told).toEqual([]);
		testing.advance(1);
		expect(told).toEqual(["major"]);
	});

	test("news that come together are looked at once, when an address and its route can be there", () => {
		move();
		testing.advance(50);
		move("192.0.2.77");
		testing.advance(49);
		expect(told).toEqual([]);
		testing.advance(1);
		expect(told).toEqual(["major"]);
		watch.news();
		testing.advance(60_000);
		expect(told).toEqual(["major"]);
	});

	test("major changes are a second apart, and the last is not forgotten", () => {
		for (let i = 0; i < 50; i += 1) {
			move(`192.0.2.${i}`);
			testing.advance(100);
		}
		expect(told.length).toBe(5);
		testing.advance(1000);
		expect([told.length, new Set(told)]).toEqual([6, new Set(["major"])]);
	});

	test("down is told at once, and the way up soon after", () => {
		move();
		testing.advance(100);
		expect(told).toEqual(["down"]);
		move("192.0.2.10");
		testing.advance(100);
		expect(told).toEqual(["down", "minor"]);
	});

	test("[paths 41] the wall clock jumps by a day: no burst; the machine sleeps for 20 minutes: one major change", () => {
		testing.advance(60_000);
		testing.setWallClock(1_700_000_000_000 - day);
		testing.advance(60_000);
		expect(told).toEqual([]);
		testing.setWallClock(1_700_000_000_000 + 20 * 60_000);
		testing.advance(60_000);
		expect(told).toEqual(["major"]);
	});

	test("is over when it is closed: no timer stays", () => {
		watch.news();
		watch.close();
		watch.news();
		expect(testing.timers).toBe(0);
	});
});
