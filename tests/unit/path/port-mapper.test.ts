/** Port mapping by NAT-PMP and PCP: protocol/paths.md §4.1-4.5, §10.2. */
import { parsePMPAnswer, pmpAddressRequest, pmpMapRequest } from "../../../modules/portmap/nat-pmp.js";
import { parsePCPAnswer, pcpAnnounceRequest, pcpMapRequest } from "../../../modules/portmap/pcp.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import { gateway, kindOf, link, Router } from "./router.js";

const own = fromHex("00000000000000000000ffffc0a80114");
const nonce = fromHex("0102030405060708090a0b0c");

describe("NAT-PMP messages", () => {
	const address = fromHex("0080000000000e10cb007107");
	const map = fromHex("0081000000000e10a2a9c35100001c20");

	test("requests are byte for byte those of RFC 6886", () => {
		expect(toHex(pmpAddressRequest())).toBe("0000");
		expect(toHex(pmpMapRequest(41641, 50001, 7200))).toBe("00010000a2a9c35100001c20");
		expect(toHex(pmpMapRequest(41641, 0, 0))).toBe("00010000a2a9000000000000");
	});

	test("answers are read", () => {
		expect(parsePMPAnswer(address)).toEqual({ kind: "address", result: 0, epoch: 3600, address: "203.0.113.7" });
		expect(parsePMPAnswer(map)).toEqual({ kind: "map", result: 0, epoch: 3600, internalPort: 41641, externalPort: 50001, lifetimeSeconds: 7200 });
	});

	test("an answer cut anywhere, a longer one, and a request are none", () => {
		for (const answer of [address, map])
			for (let length = 0; length <= answer.length + 4; length += 1) {
				const bytes = new Uint8Array(length);
				bytes.set(answer.subarray(0, length));
				expect([length, parsePMPAnswer(bytes) !== undefined]).toEqual([length, length === answer.length]);
			}
		expect(parsePMPAnswer(pmpMapRequest(1, 2, 3))).toBe(undefined);
	});

	test("random bytes give an answer of whole numbers, or none", () => {
		const random = new Random(7);
		for (let i = 0; i < 3000; i += 1) {
			const bytes = random.bytes(random.below(20));
			if (i % 2) bytes.set([0, 128 + (i % 3)].slice(0, bytes.length));
			const answer = parsePMPAnswer(bytes);
			if (answer?.kind === "map") expect(answer.externalPort >= 0 && answer.externalPort <= 65535 && answer.lifetimeSeconds >= 0).toBe(true);
		}
	});
});

describe("PCP messages", () => {
	const map = fromHex(`0281000000001c2000000e10${"00".repeat(12)}${toHex(nonce)}11000000a2a9c35100000000000000000000ffffcb007107`);
	const announce = fromHex(`028000000000000000000e10${"00".repeat(12)}`);

	test("requests are byte for byte those of RFC 6887", () => {
		expect(toHex(pcpAnnounceRequest(own))).toBe("020000000000000000000000000000000000ffffc0a80114");
		expect(toHex(pcpMapRequest(own, nonce, 41641, 50001, 7200))).toBe(
			`0201000000001c2000000000000000000000ffffc0a80114${toHex(nonce)}11000000a2a9c35100000000000000000000ffff00000000`,
		);
	});

	test("answers are read, whatever follows them", () => {
		const expected = {
			kind: "map",
			result: 0,
			epoch: 3600,
			lifetimeSeconds: 7200,
			nonce,
			protocol: 17,
			internalPort: 41641,
			externalPort: 50001,
			address: "203.0.113.7",
		};
		expect(parsePCPAnswer(map)).toEqual(expected);
		expect(parsePCPAnswer(fromHex(`${toHex(map)}0203`))).toEqual(expected);
		expect(parsePCPAnswer(announce)).toEqual({ kind: "announce", result: 0, epoch: 3600 });
	});

	test("an answer cut anywhere and a request are none; an IPv6 address is no address for us", () => {
		for (let length = 0; length < map.length; length += 1) expect(parsePCPAnswer(map.subarray(0, length))).toBe(undefined);
		for (let length = 0; length < announce.length; length += 1) expect(parsePCPAnswer(announce.subarray(0, length))).toBe(undefined);
		expect(parsePCPAnswer(pcpMapRequest(own, nonce, 1, 2, 3))).toBe(undefined);
		const v6 = map.slice();
		v6[44] = 0x20;
		expect((parsePCPAnswer(v6) as { address: string }).address).toBe("");
	});

	test("random bytes give an answer of whole numbers, or none", () => {
		const random = new Random(8);
		for (let i = 0; i < 3000; i += 1) {
			const bytes = random.bytes(random.below(80));
			if (i % 2) bytes.set([2, 128 + (i % 3)].slice(0, bytes.length));
			const answer = parsePCPAnswer(bytes);
			if (answer?.kind === "map") expect(answer.nonce.length === 12 && answer.externalPort <= 65535).toBe(true);
		}
	});
});

describe("a mapping by NAT-PMP", () => {
	test("[paths 14] is made after one look, with the address and the port that the router says", () => {
		const router = new Router();
		router.look();
		expect(router.endpoint).toBe("203.0.113.7:50001");
		expect(router.mapper.services).toEqual({ pmp: true, pcp: false, upnp: undefined });
		expect(router.taken()).toEqual(["address", "announce", "pmp map"]);
		expect(router.changes.at(-1)).toBe("203.0.113.7:50001");
	});

	test("[paths 14] is renewed at half of its life by itself, with the same external port, and not before", () => {
		const router = new Router();
		router.look();
		router.taken();
		router.freePort = 60_000;
		router.pass(3_598_000);
		expect(router.taken()).toEqual([]);
		router.pass(3_000);
		expect(router.sent.some(({ packet }) => toHex(packet) === "00010000a2a9c35100001c20")).toBe(true);
		expect([router.endpoint, router.mapper.counters.renewed]).toEqual(["203.0.113.7:50001", 1]);
	});

	test("[paths 14] is deleted on close, and nothing follows", () => {
		const router = new Router();
		router.look();
		router.taken();
		router.mapper.close();
		expect(toHex((router.sent[0] as { packet: Uint8Array }).packet)).toBe("00010000a2a9000000000000");
		expect([router.taken(), router.endpoint, router.mapper.deadline]).toEqual([["pmp delete"], "", undefined]);
		router.mapper.close();
		expect(router.taken()).toEqual([]);
	});

	test("[paths 14] is deleted and remade at once when our port is another one", () => {
		const router = new Router();
		router.look();
		router.taken();
		router.look({ ...link, port: 41642 });
		expect(router.taken()).toEqual(["pmp delete", "pmp map"]);
		expect([router.endpoint, router.mapper.counters.mapped]).toEqual(["203.0.113.7:50001", 2]);
	});

	test("is deleted when the gateway or our address is another one, and what is known of services with it", () => {
		for (const other of [
			{ ...link, gateway: "192.168.2.1" },
			{ ...link, address: "192.168.1.21" },
		]) {
			const router = new Router();
			router.look();
			router.taken();
			router.mapper.update(other, router.now);
			expect([router.endpoint, router.mapper.services.pmp]).toEqual(["", undefined]);
			expect(router.sent.map(({ destination, packet }) => `${destination} ${kindOf(packet)}`)).toEqual([
				`${gateway} pmp delete`,
				`${other.gateway}:5351 address`,
				`${other.gateway}:5351 announce`,
			]);
		}
	});

	test("is gone when its time is over; meanwhile renewals are tried, less and less far apart, never more often than each 30 s", () => {
		const router = new Router();
		router.look();
		router.isSilent = true;
		router.taken();
		router.pass(7_198_000);
		expect(router.endpoint).toBe("203.0.113.7:50001");
		const times = router.sent.filter(({ packet }) => kindOf(packet) === "pmp map").map(({ at }) => at);
		expect(times.length < 30).toBe(true);
		for (let i = 2; i < times.length; i += 2) expect((times[i] as number) - (times[i - 1] as number)).toBeGreaterThan(29_000);
		router.pass(3_000);
		expect([router.endpoint, router.changes.at(-1)]).toEqual(["", ""]);
	});

	test("a lost request is repeated once", () => {
		const router = new Router();
		router.mapper.update(link, router.now);
		router.pass(249);
		router.isSilent = true;
		router.pass(10);
		router.isSilent = false;
		router.pass(600);
		expect(router.endpoint).toBe("203.0.113.7:50001");
	});

	test("follows the public address of the router, which is asked for every 10 minutes at most", () => {
		const router = new Router();
		router.look();
		router.taken();
		router.publicAddress = [203, 0, 113, 8];
		for (let i = 0; i < 25; i += 1) {
			router.pass(24_000);
			router.look();
		}
		expect([router.taken(), router.endpoint]).toEqual([["address"], "203.0.113.8:50001"]);
		expect(router.changes.at(-1)).toBe("203.0.113.8:50001");
	});
});

describe("a mapping by PCP", () => {
	const only = (): Router => {
		const router = new Router();
		router.pmp = false;
		router.pcp = true;
		return router;
	};

	test("[paths 14] is made, renewed with the same nonce and external port, and deleted with that nonce", () => {
		const router = only();
		router.look();
		expect([router.endpoint, router.mapper.services]).toEqual(["203.0.113.7:50001", { pmp: false, pcp: true, upnp: undefined }]);
		router.pass(3_600_000);
		router.mapper.close();
		const maps = router.sent.filter(({ packet }) => packet.length === 60).map(({ packet }) => packet);
		expect(maps.map(kindOf)).toEqual(["pcp map", "pcp map", "pcp delete"]);
		for (const packet of maps) expect(toHex(packet.subarray(24, 36))).toBe(toHex((maps[0] as Uint8Array).subarray(24, 36)));
		expect(maps.map((packet) => toHex(packet.subarray(42, 44)))).toEqual(["0000", "c351", "0000"]);
	});

	test("an answer with another nonce, protocol or port is not ours", () => {
		for (const at of [24, 35, 36, 41]) {
			const router = only();
			const answer = router.answer.bind(router);
			router.answer = (packet) => {
				const bytes = answer(packet);
				if (bytes && bytes.length === 60) bytes[at] = (bytes[at] as number) ^ 1;
				return bytes;
			};
			router.look();
			expect([router.endpoint, router.mapper.counters.unexpected]).toEqual(["", 2]);
		}
	});

	test("another version is what a server says to NAT-PMP: neither a service nor a refusal", () => {
		const router = new Router();
		router.pmp = false;
		router.mapper.update(link, router.now);
		router.say(fromHex(`0280000100000000000003e8${"00".repeat(12)}`));
		router.pass(1000);
		expect([router.mapper.services.pcp, router.mapper.counters.refused]).toEqual([false, 0]);
	});
});

describe("refusals and silence", () => {
	test("[paths 15] a router that answers 'not authorised' to MAP is not asked again within the same update", () => {
		for (const [pmp, pcp] of [
			[true, false],
			[false, true],
		]) {
			const router = new Router();
			router.pmp = pmp === true;
			router.pcp = pcp === true;
			router.mapResult = 2;
			router.look();
			expect(router.taken()).toEqual(["address", "announce", pmp ? "pmp map" : "pcp map"]);
			expect([router.endpoint, router.mapper.counters.refused, router.mapper.deadline]).toEqual(["", 1, undefined]);
		}
	});

	test("[paths 15] a PCP server that answers 'not authorised' or 'address mismatch' to ANNOUNCE is not asked for a mapping", () => {
		for (const result of [2, 12]) {
			const router = new Router();
			router.pmp = false;
			router.pcp = true;
			router.announceResult = result;
			router.look();
			expect(router.taken()).toEqual(["address", "announce"]);
			expect([router.mapper.services.pcp, router.mapper.counters.refused]).toEqual([false, 1]);
		}
	});

	test("three empty probes, then one every 10 minutes; never two within 5 s", () => {
		const router = new Router();
		router.isSilent = true;
		for (let i = 0; i < 3; i += 1) {
			router.look();
			router.look();
			expect(router.taken()).toEqual(["address", "announce"]);
			router.pass(21_000);
		}
		for (let i = 0; i < 24; i += 1) router.look();
		expect(router.taken()).toEqual([]);
		router.pass(600_000);
		router.look();
		expect(router.taken()).toEqual(["address", "announce"]);
		router.mapper.networkChanged(router.now);
		router.isSilent = false;
		router.look();
		expect(router.endpoint).toBe("203.0.113.7:50001");
	});

	test("an answer that comes late, within 3 s, begins the mapping all the same; a later one counts at the next look", () => {
		for (const [delayMS, first] of [
			[400, ["address", "announce", "pmp map", "pmp map"]],
			[2900, ["address", "announce", "pmp map", "pmp map"]],
			[3100, ["address", "announce"]],
		] as const) {
			const router = new Router();
			router.delayMS = delayMS;
			router.look();
			router.pass(5000);
			expect([delayMS, router.taken()]).toEqual([delayMS, [...first]]);
			router.delayMS = 3;
			router.look();
			expect(router.endpoint).toBe("203.0.113.7:50001");
		}
	});

	test("no gateway, one of the internet, IPv6, or no port: no packet", () => {
		const router = new Router();
		for (const where of [
			undefined,
			{ ...link, gateway: "203.0.113.1" },
			{ ...link, gateway: "fe80::1" },
			{ ...link, gateway: "" },
			{ ...link, address: "fe80::2" },
			{ ...link, port: 0 },
		]) {
			router.mapper.update(where, router.now);
			router.pass(1000);
		}
		expect([router.taken(), router.mapper.deadline]).toEqual([[], undefined]);
	});
});

describe("what a router may not say", () => {
	test("[paths 16] an external address 0.0.0.0 is refused, and so are loopback, groups and addresses of the tailnet; port 0; a life of seconds", () => {
		for (const change of [
			(router: Router) => (router.publicAddress = [0, 0, 0, 0]),
			(router: Router) => (router.publicAddress = [127, 0, 0, 1]),
			(router: Router) => (router.publicAddress = [224, 0, 0, 1]),
			(router: Router) => (router.publicAddress = [100, 64, 0, 1]),
			(router: Router) => (router.freePort = 0),
			(router: Router) => (router.lifetime = 0),
			(router: Router) => (router.lifetime = 59),
		])
			for (const pmp of [true, false]) {
				const router = new Router();
				router.pmp = pmp;
				router.pcp = !pmp;
				change(router);
				router.look();
				expect([router.endpoint, router.mapper.counters.refused > 0]).toEqual(["", true]);
			}
	});

	test("a life of a century is a day", () => {
		const router = new Router();
		router.lifetime = 0xffffffff;
		router.look();
		router.taken();
		router.pass(43_200_000);
		expect(router.taken()).toEqual(["address", "pmp map"]);
	});

	test("[paths 16] a lower epoch on a probe forgets the mapping, without deleting it, and the same port is asked for again", () => {
		for (const pmp of [true, false]) {
			const router = new Router();
			router.pmp = pmp;
			router.pcp = !pmp;
			router.look();
			router.taken();
			router.pass(610_000);
			router.startedAt = router.now - 60_000;
			router.mapper.update(link, router.now);
			router.pass(3);
			expect([router.endpoint, router.changes.at(-1), router.mapper.counters.restarts]).toEqual(["", "", 1]);
			router.freePort = 60_000;
			router.look();
			expect([router.taken(), router.endpoint]).toEqual([[pmp ? "address" : "announce", pmp ? "pmp map" : "pcp map"], "203.0.113.7:50001"]);
		}
	});

	test("a router that runs longer than at the last answer, but not as much longer as it has to, has restarted as well", () => {
		const router = new Router();
		router.startedAt = router.now - 10_000;
		router.look();
		router.pass(1_200_000);
		router.startedAt = router.now - 100_000;
		router.look();
		expect(router.mapper.counters.restarts).toBe(1);
	});

	test("epoch 0 is no statement, and a slow clock no restart", () => {
		const router = new Router();
		router.look();
		router.pass(610_000);
		router.startedAt = router.now;
		router.look();
		expect([router.endpoint, router.mapper.counters.restarts]).toEqual(["203.0.113.7:50001", 0]);
		const slow = new Router();
		slow.look();
		slow.pass(610_000);
		slow.startedAt += 70_000;
		slow.look();
		expect(slow.mapper.counters.restarts).toBe(0);
	});

	test("answers from elsewhere, garbage, and answers nobody asked for change nothing and are counted", () => {
		const router = new Router();
		router.look();
		const grant = fromHex("0081000000000e10a2a9115c00001c20");
		router.say(grant);
		router.say(grant, "192.168.1.1:5352");
		router.say(grant, "192.168.1.2:5351");
		router.say(fromHex("0083000000000000"));
		router.say(new Uint8Array(0));
		const { unexpected, malformed, mapped } = router.mapper.counters;
		expect([router.endpoint, unexpected, malformed, mapped]).toEqual(["203.0.113.7:50001", 3, 2, 1]);
	});

	test("random answers at any time neither throw nor leave a state without an end", () => {
		const random = new Random(11);
		for (let round = 0; round < 60; round += 1) {
			const router = new Router();
			router.pcp = round % 2 === 1;
			for (let i = 0; i < 60; i += 1) {
				if (random.below(4) === 0) router.mapper.update(random.below(8) ? link : undefined, router.now);
				const bytes = random.bytes(random.below(64));
				if (bytes.length >= 4 && random.below(2)) bytes.set([2 * random.below(2), 129, 0, 0]);
				router.say(bytes);
				router.pass(random.below(700));
			}
			router.look();
			router.pass(2_000);
			expect(router.mapper.deadline === undefined || router.mapper.deadline > router.now).toBe(true);
		}
	});
});
