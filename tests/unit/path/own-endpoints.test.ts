/** Our own endpoints and when they are looked at: protocol/paths.md §2 and §10.1. */
import { type OwnEndpointInput, OwnEndpoints, type SeenEndpoints } from "../../../modules/path/own-endpoints.js";
import { type UpdateReason, UpdateSchedule } from "../../../modules/path/update-schedule.js";
import { describe, expect, Random, test } from "../../harness.js";

function seen(v4: string[], v6: string[] = [], varies?: boolean): SeenEndpoints {
	const count = (list: string[]): Map<string, number> => {
		const map = new Map<string, number>();
		for (const one of list) map.set(one, (map.get(one) ?? 0) + 1);
		return map;
	};
	return { globalV4: v4[0] ?? "", globalV6: v6[v6.length - 1] ?? "", seenV4: count(v4), seenV6: count(v6), mappingVaries: varies };
}

function input(fields: Partial<OwnEndpointInput>): OwnEndpointInput {
	return { seen: undefined, interfaces: [], port: 41641, isFixedPort: false, explicit: [], hasDERPMap: true, ...fields };
}

const texts = (own: OwnEndpoints): string[] => own.list.map(({ endpoint, type }) => `${endpoint} ${type}`);

describe("own endpoints", () => {
	test("[paths 9] order of sources, the first type stays, no link-local IPv6, nothing of the tailnet, as many types as addresses", () => {
		const own = new OwnEndpoints();
		const v4 = ["203.0.113.1:5", "203.0.113.1:6", "203.0.113.1:7", "203.0.113.1:7"];
		const interfaces = [
			"192.168.1.5",
			"fe80::1",
			"100.64.0.9",
			"fd7a:115c:a1e0::9",
			"2001:db8::1",
			"10.0.0.1",
			"100.115.92.1",
			"fd00::1",
			"127.0.0.1",
			"169.254.1.1",
		];
		own.update(input({ seen: seen(v4, ["[2001:db8::1]:41641"]), interfaces, explicit: ["198.51.100.9:1", "192.168.1.5:41641", "nonsense"] }), 0);
		expect(texts(own)).toEqual([
			"203.0.113.1:5 2",
			"203.0.113.1:7 2",
			"[2001:db8::1]:41641 2",
			"198.51.100.9:1 5",
			"192.168.1.5:41641 5",
			"10.0.0.1:41641 1",
			"100.115.92.1:41641 1",
		]);
		expect(own.addresses.length).toBe(own.list.length);
	});

	test("[paths 9] a port mapped on the gateway comes first, keeps its type where STUN sees it as well, and is gone with the mapping", () => {
		const own = new OwnEndpoints();
		const fields = { seen: seen(["203.0.113.1:5", "203.0.113.1:50001", "203.0.113.1:50001"]), interfaces: ["192.168.1.5"] };
		own.update(input({ ...fields, mapped: "203.0.113.1:50001" }), 0);
		expect(texts(own)).toEqual(["203.0.113.1:50001 3", "203.0.113.1:5 2", "192.168.1.5:41641 1"]);
		expect(own.update(input({ ...fields, seen: seen(["203.0.113.1:5"]), mapped: "" }), 400_000)).toBe("changed");
		expect(texts(own)).toEqual(["203.0.113.1:5 2", "192.168.1.5:41641 1"]);
		own.update(input({ mapped: "203.0.113.1:50001", hasDERPMap: false, seen: seen(["203.0.113.1:5"]) }), 800_000);
		own.update(input({ mapped: "203.0.113.1:50002" }), 800_001);
		expect(texts(own)).toEqual(["203.0.113.1:50002 3", "203.0.113.1:5 2"]);
	});

	test("[paths 9] ULA and 169.254 only when alone, loopback only when nothing else is known", () => {
		const own = new OwnEndpoints();
		own.update(input({ interfaces: ["fd00::1", "169.254.1.1", "127.0.0.1", "::1"] }), 0);
		expect(texts(own)).toEqual(["169.254.1.1:41641 1", "[fd00::1]:41641 1"]);
		own.update(input({ interfaces: ["127.0.0.1", "::1"] }), 1);
		expect(texts(own)).toEqual(["127.0.0.1:41641 1", "[::1]:41641 1"]);
		own.update(input({ interfaces: ["127.0.0.1"], seen: seen(["203.0.113.1:5"]) }), 2);
		expect(texts(own)).toEqual(["203.0.113.1:5 2"]);
	});

	test("at most two IPv6 addresses of one subnet, ten endpoints in all, ascending with IPv4 first", () => {
		const own = new OwnEndpoints();
		own.update(input({ interfaces: ["2001:db8::3", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "10.0.0.2", "10.0.0.1"] }), 0);
		expect(texts(own)).toEqual(["10.0.0.1:41641 1", "10.0.0.2:41641 1", "[2001:db8::1]:41641 1", "[2001:db8::3]:41641 1", "[2001:db8:0:1::1]:41641 1"]);
		own.update(input({ interfaces: Array.from({ length: 20 }, (_, i) => `10.0.0.${i + 1}`) }), 1);
		expect(own.list.length).toBe(10);
	});

	test("hard NAT with a fixed port: the public address with our port, in case of a manual forward", () => {
		const own = new OwnEndpoints();
		const hard = seen(["203.0.113.1:5", "203.0.113.1:6"], [], true);
		own.update(input({ seen: hard, isFixedPort: true }), 0);
		expect(texts(own)).toEqual(["203.0.113.1:5 2", "203.0.113.1:41641 4"]);
		const other = new OwnEndpoints();
		other.update(input({ seen: hard }), 0);
		expect(texts(other)).toEqual(["203.0.113.1:5 2"]);
	});

	test("[paths 10] endpoints seen in the last 310 s stay listed, at most 6 an address, and then vanish", () => {
		const own = new OwnEndpoints();
		for (let i = 0; i < 8; i += 1) own.update(input({ seen: seen([`203.0.113.1:${i + 1}`]) }), 1_000 * i);
		expect(own.addresses).toEqual(["203.0.113.1:8", "203.0.113.1:3", "203.0.113.1:4", "203.0.113.1:5", "203.0.113.1:6", "203.0.113.1:7"]);
		own.update(input({}), 6_000 + 309_999);
		expect(own.addresses).toEqual(["203.0.113.1:7", "203.0.113.1:8"]);
		own.update(input({}), 7_000 + 310_000);
		expect(own.addresses).toEqual([]);
	});

	test("[paths 11] the same set in another order is no change, and is fresh again all the same", () => {
		const own = new OwnEndpoints();
		expect(own.update(input({ seen: seen(["203.0.113.1:5", "203.0.113.1:6", "203.0.113.1:6"]) }), 0)).toBe("changed");
		const list = own.list;
		expect(own.isFresh(26_999)).toBe(true);
		expect(own.isFresh(27_000)).toBe(false);
		expect(own.update(input({ seen: seen(["203.0.113.1:6", "203.0.113.1:5", "203.0.113.1:5"]) }), 27_000)).toBe("same");
		expect(own.list).toBe(list);
		expect(own.isFresh(27_001)).toBe(true);
		expect(own.update(input({ seen: seen(["203.0.113.1:6"]), explicit: ["203.0.113.1:7"] }), 27_100)).toBe("changed");
	});

	test("no STUN endpoint and no DERP map yet: start-up noise, not even fresh", () => {
		const own = new OwnEndpoints();
		expect(own.update(input({ interfaces: ["10.0.0.1"], hasDERPMap: false }), 0)).toBe("dropped");
		expect(own.list).toEqual([]);
		expect(own.isFresh(1)).toBe(false);
	});

	test("other sockets: nothing is fresh or remembered", () => {
		const own = new OwnEndpoints();
		own.update(input({ seen: seen(["203.0.113.1:5"]) }), 0);
		own.expire();
		expect(own.isFresh(1)).toBe(false);
		own.update(input({}), 2);
		expect(own.addresses).toEqual([]);
	});
});

describe("endpoint updates", () => {
	function schedule(): { updates: UpdateSchedule; started: UpdateReason[] } {
		const random = new Random(1);
		const started: UpdateReason[] = [];
		return {
			updates: new UpdateSchedule(
				(lengthBytes) => random.bytes(lengthBytes),
				(reason) => started.push(reason),
			),
			started,
		};
	}

	test("one at a time; what was asked for meanwhile runs once afterwards, with the last reason", () => {
		const { updates, started } = schedule();
		updates.request("derp-map-update");
		updates.request("non-zero-peers");
		updates.request("refresh-for-peering");
		expect(started).toEqual(["derp-map-update"]);
		updates.finished(true, 100);
		expect(started).toEqual(["derp-map-update", "refresh-for-peering"]);
		updates.finished(true, 200);
		expect(updates.isRunning).toBe(false);
	});

	test("[paths 13] periodic updates are 20..26 s apart, and differ", () => {
		const { updates, started } = schedule();
		let now = 0;
		const gaps = new Set<number>();
		updates.request("set-private-key");
		for (let i = 0; i < 30; i += 1) {
			updates.used(now);
			updates.finished(true, now);
			const gap = (updates.deadline as number) - now;
			expect(gap).toBeGreaterThanOrEqual(20_000);
			expect(gap).toBeLessThan(26_000);
			gaps.add(gap);
			updates.tick(now + gap - 1);
			expect(updates.isRunning).toBe(false);
			now += gap;
			updates.tick(now);
			expect(updates.isRunning).toBe(true);
		}
		expect(gaps.size).toBeGreaterThan(20);
		expect(started.filter((reason) => reason === "periodic").length).toBe(30);
	});

	test("[paths 12] after 45 s without tunnel traffic no update comes by itself; a request restarts them", () => {
		const { updates, started } = schedule();
		updates.used(0);
		updates.request("set-private-key");
		updates.finished(true, 30_000);
		updates.tick(updates.deadline as number);
		expect(started).toEqual(["set-private-key"]);
		expect(updates.deadline).toBeUndefined();
		updates.used(200_000);
		updates.request("refresh-for-peering");
		updates.finished(true, 200_500);
		expect(updates.deadline).toBeDefined();
	});

	test("[paths 12] an update that ends long after the last use arms nothing", () => {
		const { updates } = schedule();
		updates.used(0);
		updates.request("derp-recv-error");
		updates.finished(true, 45_001);
		expect(updates.deadline).toBeUndefined();
	});

	test("[paths 12] no timer without peers, key or network, nor after stop()", () => {
		const { updates } = schedule();
		updates.used(0);
		updates.request("set-private-key");
		updates.finished(false, 10);
		expect(updates.deadline).toBeUndefined();
		updates.request("link-change-major");
		updates.finished(true, 20);
		updates.stop();
		expect(updates.deadline).toBeUndefined();
	});
});
