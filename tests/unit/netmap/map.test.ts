import { parseAddress } from "../../../modules/netmap/address.js";
import { parseKey } from "../../../modules/netmap/keys.js";
import type { PeerView } from "../../../modules/netmap/types.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import { firstMessage, frame, type JSONObject, keyText, Lab, node, picture, selfNode } from "./fixtures.js";

const regions = {
	Regions: {
		"1": { RegionID: 1, RegionCode: "fra", Nodes: [{ Name: "1a", RegionID: 1, HostName: "derp1.example.com", IPv4: "192.0.2.1" }] },
		"2": { RegionID: 2, RegionCode: "par", NoMeasureNoHome: true, Nodes: [{ Name: "2a", RegionID: 2, HostName: "derp2.example.com", STUNPort: -1 }] },
		"3": null,
	},
};

function view(lab: Lab, id: string): PeerView | undefined {
	return lab.netmap.peers.view(lab.netmap.peers.findByID(id));
}

function route(lab: Lab, address: string): string {
	const index = lab.netmap.route(parseAddress(address)!);
	return index < 0 ? "" : (lab.netmap.peers.view(index) as PeerView).id;
}

describe("map messages", () => {
	test("[control 17] first message without Node is rejected; keep-alive only resets the watchdog", () => {
		const lab = new Lab();
		const alive = lab.feed({ KeepAlive: true, ControlTime: "2026-11-24T12:00:00.123456789Z" });
		expect(alive.keepAlive).toBe(true);
		expect(alive.change).toBe(undefined);
		expect(alive.controlTimeMS).toBe(Date.parse("2026-11-24T12:00:00Z"));
		expect(lab.refuse({ Peers: [node(2)] })).toBe("no-node");
		expect(lab.netmap.peers.count).toBe(0);
		expect(lab.reader.push(frame(firstMessage([node(2)])), 1)).toEqual([]);
		lab.reader.begin();
		expect(lab.feed(firstMessage([node(2)])).change!.added.length).toBe(1);
		expect(lab.feed({ KeepAlive: true, Peers: [node(9)] }).change).toBe(undefined);
		expect(lab.names).toEqual(["host-2"]);
	});

	test("[control 20] Peers, PeersChanged, PeersRemoved (ints), PeersChangedPatch (array), OnlineChange apply as in 6.7, ids kept as text", () => {
		const big = "9007199254740993";
		const bigger = "18446744073709551615";
		const lab = new Lab();
		const text = JSON.stringify(firstMessage([node(2), node(big), node(3)])).replaceAll(`"ID":"${big}"`, `"ID":${big}`);
		lab.feed(text);
		expect(view(lab, big)!.id).toBe(big);
		expect(lab.netmap.peers.findByID("9007199254740992")).toBe(-1);

		let change = lab.feed({ PeersChanged: [node(4), node(3, { HomeDERP: 9 })], PeersRemoved: [2] }).change!;
		expect([change.full, change.added.length, change.changed.length, change.removed.length]).toEqual([false, 1, 1, 1]);
		expect(view(lab, "3")!.homeRegion).toBe(9);
		expect(lab.netmap.peers.findByID("2")).toBe(-1);

		change = lab.feed(`{"PeersRemoved":[${big}],"PeersChanged":[{"ID":${bigger},"Key":"${keyText("nodekey", 5)}","Name":"big."}]}`).change!;
		expect(change.removed.length).toBe(1);
		expect(view(lab, bigger)!.name).toBe("big");

		const index = lab.netmap.peers.findByID("3");
		change = lab.feed({
			PeersChangedPatch: [
				{ NodeID: 3, DERPRegion: 4, Cap: 120, Endpoints: ["203.0.113.9:1"], DiscoKey: keyText("discokey", 99), KeyExpiry: "2031-01-01T00:00:00Z" },
				{ NodeID: 4, Key: keyText("nodekey", 98), Online: false, LastSeen: "2026-01-01T00:00:00Z", CapMap: { a: null, b: [1] } },
				{ NodeID: 12345, DERPRegion: 1 },
			],
		}).change!;
		expect(Array.from(change.discoChanged)).toEqual([index]);
		expect(Array.from(change.keyChanged)).toEqual([lab.netmap.peers.findByID("4")]);
		const third = view(lab, "3")!;
		expect([third.homeRegion, third.capVersion, third.endpoints, third.index]).toEqual([4, 120, ["203.0.113.9:1"], index]);
		expect(third.keyExpiry).toBe(Date.parse("2031-01-01T00:00:00Z") / 1000);
		expect([view(lab, "4")!.online, view(lab, "4")!.lastSeen, view(lab, "4")!.capabilities]).toEqual([
			false,
			Date.parse("2026-01-01T00:00:00Z") / 1000,
			["a", "b"],
		]);
		expect(lab.netmap.peers.findByNodeKey(parseKey(keyText("nodekey", 98), "nodekey:")!)).toBe(lab.netmap.peers.findByID("4"));
		expect(lab.netmap.peers.findByNodeKey(parseKey(keyText("nodekey", 4), "nodekey:")!)).toBe(-1);

		lab.feed({ PeersChangedPatch: [{ NodeID: 3, Endpoints: [], KeyExpiry: "0001-01-01T00:00:00Z", CapMap: {} }] });
		expect([view(lab, "3")!.endpoints, view(lab, "3")!.keyExpiry]).toEqual([[], 0]);

		change = lab.feed({ OnlineChange: { "3": false, "4": true, "777": true }, PeerSeenChange: { "4": false } }).change!;
		expect(change.changed.length).toBe(2);
		expect([view(lab, "3")!.online, view(lab, "4")!.online, view(lab, "4")!.lastSeen]).toEqual([false, true, 0]);

		change = lab.feed({ Peers: [node(3), node(8)], PeersChanged: [node(9)], PeersRemoved: [8], PeersChangedPatch: [{ NodeID: 8, DERPRegion: 200 }] }).change!;
		expect(change.full).toBe(true);
		expect(lab.names).toEqual(["host-3", "host-8"]);
		expect(view(lab, "8")!.homeRegion).not.toBe(200);
		expect(lab.netmap.peers.findByID("3")).toBe(index);
	});

	test("Peers absent, null or empty leaves the peers alone; the first message of a poll is complete without it", () => {
		const lab = new Lab();
		lab.feed(firstMessage([node(2), node(3)]));
		lab.feed({ Peers: [] }, { Peers: null }, { Domain: "x" });
		expect(lab.names).toEqual(["host-2", "host-3"]);
		lab.reader.begin();
		expect(lab.names).toEqual(["host-2", "host-3"]);
		const { change } = lab.feed({ Node: selfNode() });
		expect(change!.removed.length).toBe(2);
		expect(lab.names).toEqual([]);
	});

	test("a reconnect that says the same changes nothing", () => {
		const lab = new Lab();
		const message = firstMessage([node(2), node(3), node(4)], {
			DERPMap: regions,
			PacketFilter: [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }],
		});
		lab.feed(message);
		const bytes = lab.netmap.bytes;
		for (let n = 0; n < 20; n += 1) {
			lab.reader.begin();
			const { change } = lab.feed(message);
			expect([change!.added.length, change!.changed.length, change!.removed.length, change!.self, change!.derp, change!.filter]).toEqual([
				0,
				0,
				0,
				false,
				false,
				false,
			]);
		}
		expect(lab.netmap.bytes).toBe(bytes);
	});

	test("a stale patch (disco key, offline, older than known) is dropped", () => {
		const lab = new Lab();
		lab.feed(firstMessage([node(2, { LastSeen: "2026-05-01T00:00:00Z" })]));
		const before = toHex(view(lab, "2")!.discoKey!);
		lab.feed({ PeersChangedPatch: [{ NodeID: 2, DiscoKey: keyText("discokey", 50), Online: false, LastSeen: "2026-04-01T00:00:00Z" }] });
		expect(toHex(view(lab, "2")!.discoKey!)).toBe(before);
		lab.feed({ PeersChangedPatch: [{ NodeID: 2, DiscoKey: keyText("discokey", 50), Online: false, LastSeen: "2026-06-01T00:00:00Z" }] });
		expect(toHex(view(lab, "2")!.discoKey!)).not.toBe(before);
	});

	test("[control 21] unknown members, nulls, any member order and messages split at any byte are accepted", () => {
		const message: JSONObject = {
			Peers: [node(2, { New: { deep: [1, { a: "}" }] }, Tags: null, CapMap: null, Endpoints: null, Hostinfo: null, User: null, Online: null }), node(3)],
			PacketFilters: {
				base: null,
				'team "x"': [{ DstPorts: [{ Ports: { Last: 22, First: 22 }, IP: "*", New: 1 }], SrcIPs: ["100.64.0.2"], CapGrant: null, New: {} }],
			},
			SomethingNew: [[[{}]], "x", 1e3, -0.5, true, null],
			DNSConfig: { ExtraRecords: null, Routes: null, Resolvers: null, Domains: ["example.ts.net"], Proxied: true },
			DERPMap: regions,
			Node: selfNode({ Capabilities: null, Tags: [] }),
			PeersRemoved: null,
			PeersChangedPatch: null,
			OnlineChange: null,
			PingRequest: null,
			UserProfiles: [{ ID: 7, LoginName: "é\u20ac\ud83d\ude00" }],
			Health: null,
		};
		const whole = new Lab();
		whole.feed(message);
		const expected = picture(whole.netmap);
		expect(whole.names).toEqual(["host-2", "host-3"]);
		const bytes = frame(message);
		for (let cut = 0; cut <= bytes.length; cut += 1 + (cut % 37)) {
			const lab = new Lab();
			const first = lab.reader.push(bytes.subarray(0, cut), 0).length;
			const second = lab.reader.push(bytes.subarray(cut), 0).length;
			expect(first + second).toBe(1);
			expect(picture(lab.netmap)).toBe(expected);
		}
		const single = new Lab();
		for (let i = 0; i < bytes.length; i += 1) single.reader.push(bytes.subarray(i, i + 1), 0);
		expect(picture(single.netmap)).toBe(expected);
		const reversed = new Lab();
		reversed.feed(Object.fromEntries(Object.entries(message).reverse()));
		expect(picture(reversed.netmap)).toBe(expected);
	});

	test("several messages in one piece come out in order", () => {
		const lab = new Lab();
		const parts = [frame(firstMessage([node(2)])), frame({ KeepAlive: true }), frame({ PeersChanged: [node(3)] })];
		const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
		let at = 0;
		for (const part of parts) {
			bytes.set(part, at);
			at += part.length;
		}
		const messages = lab.reader.push(bytes, 5);
		expect(messages.map((message) => message.keepAlive)).toEqual([false, true, false]);
		expect(lab.names).toEqual(["host-2", "host-3"]);
	});

	test("[control 22] AllowedIPs absent = Addresses; HomeDERP and 127.3.3.40:N both work; Expired/past-KeyExpiry peers are unusable", () => {
		const lab = new Lab();
		const addresses = ["100.64.0.5/32", "fd7a:115c:a1e0::5/128"];
		lab.feed(
			firstMessage(
				[
					node(2, { AllowedIPs: undefined, Addresses: addresses, HomeDERP: 0, DERP: "127.3.3.40:17" }),
					node(3, { AllowedIPs: null, HomeDERP: undefined, DERP: "127.3.3.41:17" }),
					node(4, { AllowedIPs: [] }),
					node(5, { Expired: true }),
					node(6, { KeyExpiry: "2026-11-24T00:00:00Z" }),
					node(7, { KeyExpiry: "2026-11-25T00:00:00Z" }),
					node(8, { KeyExpiry: "0001-01-01T00:00:00Z", DERP: "127.3.3.40:4", HomeDERP: 3 }),
					node(9, { DiscoKey: "", HomeDERP: 0 }),
				],
				{ ControlTime: "2026-11-24T12:00:00Z" },
			),
		);
		expect(view(lab, "2")!.allowedIPs).toEqual(addresses);
		expect(view(lab, "2")!.homeRegion).toBe(17);
		expect(view(lab, "3")!.homeRegion).toBe(0);
		expect(view(lab, "3")!.allowedIPs.length).toBe(2);
		expect(view(lab, "4")!.allowedIPs).toEqual([]);
		expect(view(lab, "8")!.homeRegion).toBe(3);
		const usable = [2, 3, 4, 5, 6, 7, 8, 9].filter((id) => lab.netmap.peers.usable(lab.netmap.peers.findByID(String(id))));
		expect(usable).toEqual([2, 3, 4, 7, 8]);
		expect(lab.netmap.prefixes(lab.netmap.peers.findByID("5")).length).toBe(0);
		expect(lab.netmap.prefixes(lab.netmap.peers.findByID("4")).length).toBe(0);
		expect(route(lab, "100.64.0.6")).toBe("");
		// The day passes without a message.
		const day = lab.now + 86_400_000;
		expect(Array.from(lab.netmap.tick(day)!.routingChanged)).toEqual([lab.netmap.peers.findByID("7")]);
		expect(view(lab, "7")!.expired).toBe(true);
		expect(lab.netmap.tick(day + 1)).toBe(undefined);
	});

	test("[control 23] DERPMap partial update (HomeParams only) and null regions do not lose the map; NoMeasureNoHome is never home", () => {
		const lab = new Lab();
		expect(lab.feed(firstMessage([], { DERPMap: regions })).change!.derp).toBe(true);
		const first = lab.netmap.derpMap.region(1);
		expect(Array.from(lab.netmap.derpMap.regions.keys())).toEqual([1, 2]);
		expect(lab.netmap.derpMap.region(2)!.noMeasureNoHome).toBe(true);
		expect([first!.nodes[0]!.derpPort, first!.nodes[0]!.stunPort, lab.netmap.derpMap.region(2)!.nodes[0]!.stunPort]).toEqual([443, 3478, 0]);
		expect(lab.feed({ DERPMap: { HomeParams: { RegionScore: { "1": 0.5, "2": -1 } } } }).change!.derp).toBe(true);
		expect(lab.netmap.derpMap.region(1)).toBe(first);
		expect([lab.netmap.derpMap.score(1), lab.netmap.derpMap.score(2)]).toEqual([0.5, 1]);
		lab.feed({ DERPMap: { Regions: null } }, { DERPMap: null }, { DERPMap: { HomeParams: null } });
		expect(lab.netmap.derpMap.score(1)).toBe(0.5);
		lab.feed({ DERPMap: { HomeParams: { RegionScore: {} } } });
		expect(lab.netmap.derpMap.score(1)).toBe(1);
		expect(lab.feed({ DERPMap: { Regions: {} } }).change!.derp).toBe(true);
		expect(lab.netmap.derpMap.regions.size).toBe(0);
	});

	test("[relay 54] a redefined region is another object in the map, an unchanged one the same, a removed one is gone", () => {
		const lab = new Lab();
		lab.feed(firstMessage([], { DERPMap: regions }));
		const [one, two] = [lab.netmap.derpMap.region(1), lab.netmap.derpMap.region(2)];
		expect(lab.feed({ DERPMap: regions }).change!.derp).toBe(false);
		const moved = { ...regions.Regions["1"], Nodes: [{ Name: "1a", RegionID: 1, HostName: "derp1.example.com", IPv4: "192.0.2.99" }] };
		expect(lab.feed({ DERPMap: { Regions: { ...regions.Regions, "1": moved } } }).change!.derp).toBe(true);
		expect(lab.netmap.derpMap.region(1)).not.toBe(one);
		expect(lab.netmap.derpMap.region(2)).toBe(two);
		lab.feed({ DERPMap: { Regions: { "2": regions.Regions["2"] } } });
		expect(lab.netmap.derpMap.region(1)).toBe(undefined);
	});
});

describe("bad input", () => {
	test("a wrong type, malformed JSON, an early end or a zero length refuse the message and leave the map", () => {
		const cases: [JSONObject | string, string][] = [
			[{ PeersChanged: [{ ID: 5 }] }, "type"],
			[{ PeersChanged: [{ Key: keyText("nodekey", 1) }] }, "type"],
			[{ PeersChanged: [node(5, { IsJailed: "yes" })] }, "type"],
			[{ PeersChanged: [node(5, { AllowedIPs: "all" })] }, "type"],
			[{ PeersChanged: [node(5, { KeyExpiry: "soon" })] }, "type"],
			[{ PeersChanged: [5] }, "type"],
			[{ PeersChanged: "x" }, "type"],
			[{ PeersRemoved: ["x"] }, "type"],
			[{ PeersChangedPatch: [{ NodeID: 2, Endpoints: [1] }] }, "type"],
			[{ OnlineChange: { "2": 1 } }, "type"],
			[{ PacketFilter: [{ SrcIPs: [1] }] }, "type"],
			[{ PacketFilter: [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 70000, Last: 1 } }] }] }, "type"],
			[{ PacketFilters: { a: "x" } }, "type"],
			[{ DNSConfig: [], PacketFilter: "x" }, "type"],
			['{"Peers":[}', "json"],
			['{"KeepAlive":true', "json"],
			["[]x", "json"],
			["", "framing"],
		];
		for (const [message, code] of cases) {
			const lab = new Lab();
			lab.feed(firstMessage([node(2), node(3)]));
			const before = picture(lab.netmap);
			expect([message, lab.refuse(message)]).toEqual([message, code]);
			expect(picture(lab.netmap)).toBe(before);
			lab.reader.begin();
			lab.feed(firstMessage([node(2), node(3)]));
			expect(picture(lab.netmap)).toBe(before);
		}
	});

	test("a peer longer than the buffer is left out visibly in a whole map, and ends the poll in a delta", () => {
		const lab = new Lab({}, 2048);
		const long = node(3, { AllowedIPs: Array.from({ length: 300 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`) });
		lab.feed(firstMessage([node(2), long, node(4)]));
		expect(lab.names).toEqual(["host-2", "host-4"]);
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["netmap"]);
		lab.reader.begin();
		lab.feed(firstMessage([node(2), node(3)]));
		expect(lab.netmap.health).toEqual([]);
		expect(lab.refuse({ PeersChanged: [long] })).toBe("too-large");
		expect(lab.names).toEqual(["host-2", "host-3"]);
	});

	test("a rule entry longer than the buffer, or rules beyond the budget, close the filter and say so until they are replaced", () => {
		const open = { SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] };
		const lab = new Lab({ filterBudgetBytes: 4096 }, 1024);
		lab.feed(firstMessage([], { PacketFilters: { a: [open] } }));
		const opened = toHex(lab.netmap.filter!);
		expect(lab.netmap.health).toEqual([]);
		const { change } = lab.feed({ PacketFilters: { b: [{ SrcIPs: [`cap:${"x".repeat(2000)}`], DstPorts: open.DstPorts }] } });
		expect([change!.filter, change!.health]).toEqual([true, true]);
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["filter"]);
		expect(toHex(lab.netmap.filter!)).not.toBe(opened);
		lab.feed({ PacketFilters: { b: null } });
		expect(lab.netmap.health).toEqual([]);
		expect(toHex(lab.netmap.filter!)).toBe(opened);
		lab.feed({ PacketFilters: { c: [{ SrcIPs: Array.from({ length: 1000 }, (_, i) => `100.64.${i >> 7}.${(i & 127) * 2}`), DstPorts: open.DstPorts }] } });
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["filter"]);
	});

	test("random bytes are refused or wait, and never throw", () => {
		const random = new Random(11);
		for (let n = 0; n < 300; n += 1) {
			const lab = new Lab();
			lab.feed(firstMessage([node(2)]));
			const before = picture(lab.netmap);
			const bytes = frame({ PeersChanged: [node(3)], OnlineChange: { "2": false }, PacketFilters: { a: [] } });
			const wrong = bytes.slice();
			for (let k = random.below(4) + 1; k > 0; k -= 1) wrong[4 + random.below(wrong.length - 4)] = random.below(256);
			lab.reader.push(wrong, 0);
			if (lab.reader.failure !== undefined) expect(picture(lab.netmap)).toBe(before);
		}
	});
});

describe("what else a message says", () => {
	test("ping, URL, debug, dial plan, lock, version come out with the message", () => {
		const lab = new Lab();
		const message = lab.feed(
			firstMessage([], {
				PingRequest: { URL: "https://c/p", Types: "c2n", Payload: "AAAA", URLIsNoise: true },
				PopBrowserURL: "https://c/u",
				Debug: { SleepSeconds: 1.5 },
				ControlDialPlan: { Candidates: [{ IP: "192.0.2.3" }, { IP: "192.0.2.4", ACEHost: "x" }] },
				TKAInfo: { Head: "ABC" },
				ClientVersion: { RunningLatest: true },
				Domain: "example.com",
			}),
		);
		expect(message.pingRequest).toEqual({ URL: "https://c/p", Types: "c2n", Payload: "AAAA", URLIsNoise: true });
		expect([message.popBrowserURL, message.debug!.SleepSeconds, message.dialPlan, message.tka!.Head, message.clientVersion!.RunningLatest]).toEqual([
			"https://c/u",
			1.5,
			["192.0.2.3"],
			"ABC",
			true,
		]);
		expect(lab.netmap.domain).toBe("example.com");
	});

	test("Health replaces, DisplayMessages patch: null ends one, * null ends all before", () => {
		const lab = new Lab();
		lab.feed(firstMessage([], { Health: ["disk full"] }));
		expect(lab.netmap.health.map((condition) => condition.text)).toEqual(["disk full"]);
		expect(lab.feed({ Health: [] }).change!.health).toBe(true);
		expect(lab.netmap.health).toEqual([]);
		lab.feed({ DisplayMessages: { a: { Title: "A", Text: "is bad", Severity: "high" }, b: { Title: "B" } } });
		expect(lab.netmap.health.map((condition) => [condition.id, condition.text, condition.severity])).toEqual([
			["control:a", "A: is bad", "high"],
			["control:b", "B", "medium"],
		]);
		lab.feed({ DisplayMessages: { a: null } });
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["control:b"]);
		lab.feed({ DisplayMessages: { c: { Title: "C" }, "*": null } });
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["control:c"]);
	});

	test("of more messages than a person reads the first 64 are kept, and the map says so", () => {
		const lab = new Lab();
		lab.feed(firstMessage([]));
		const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, { Title: "A" }]));
		lab.feed({ DisplayMessages: many });
		expect(lab.netmap.health.map(({ id }) => id)).toEqual(["netmap", ...Array.from({ length: 64 }, (_, index) => `control:m${index}`)]);
		lab.feed({ DisplayMessages: { "*": null, b: { Title: "B" } } });
		expect(lab.netmap.health.map(({ id }) => id)).toEqual(["netmap", "control:b"]);
		lab.feed({ Health: Object.keys(many) });
		expect(lab.netmap.health.length).toBe(65);
	});

	test("another poll begins without the DisplayMessages and region scores of the one before, whatever its first message says", () => {
		const lab = new Lab();
		lab.feed(
			firstMessage([], { DisplayMessages: { a: { Title: "A" }, b: { Title: "B" } }, DERPMap: { ...regions, HomeParams: { RegionScore: { "1": 0.5 } } } }),
		);
		lab.reader.begin();
		lab.feed(firstMessage([], { DisplayMessages: { b: { Title: "B" }, c: { Title: "C" } }, DERPMap: regions }));
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["control:b", "control:c"]);
		expect(lab.netmap.derpMap.score(1)).toBe(1);
		lab.feed({ DERPMap: { HomeParams: { RegionScore: { "1": 0.5 } } } });
		lab.reader.begin();
		lab.feed(firstMessage([]));
		expect([lab.netmap.health, lab.netmap.derpMap.regions.size, lab.netmap.derpMap.score(1)]).toEqual([[], 2, 0.5]); // a map that is not sent stays whole
	});

	test("a peer that did not fit its record is told until all is said again, not only with the message that brought it", () => {
		const lab = new Lab({}, 65536);
		const CapMap = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`c${i}`, null]));
		const ids = () => lab.netmap.health.map((condition) => condition.id);
		lab.feed(firstMessage([node(2), node(3)]));
		expect(lab.feed({ PeersChanged: [node(2, { CapMap })] }).change!.health).toBe(true);
		expect(ids()).toEqual(["peers"]);
		expect(lab.feed({ OnlineChange: { "3": false } }).change!.health).toBe(false);
		expect(ids()).toEqual(["peers"]);
		lab.reader.begin();
		lab.feed(firstMessage([node(2, { CapMap }), node(3)]));
		expect(ids()).toEqual(["peers"]);
		lab.reader.begin();
		lab.feed(firstMessage([node(2), node(3)]));
		expect(ids()).toEqual([]);
	});

	test("[control 31] a node without a signature is locked out while tailnet lock is on, and no longer", () => {
		const lab = new Lab();
		const KeySignature = "omEBomECoWEBWCA=";
		const locked = (...messages: JSONObject[]) => {
			lab.feed(...messages);
			return lab.netmap.lockedOut;
		};
		expect(locked(firstMessage([]))).toBe(false);
		expect(locked({ TKAInfo: { Head: "ABC" } })).toBe(true);
		expect(locked({ OnlineChange: {} }, { KeepAlive: true, TKAInfo: { Disabled: true } })).toBe(true);
		expect(locked({ Node: selfNode({ KeySignature }) })).toBe(false);
		expect(locked({ Node: selfNode({ KeySignature: null }) })).toBe(true);
		expect(locked({ TKAInfo: { Disabled: true } })).toBe(false);
		expect(locked({ TKAInfo: { Head: "ABD" } })).toBe(true);
		expect(lab.refuse({ TKAInfo: { Disabled: true }, Health: 5 })).toBe("type");
		expect(lab.netmap.lockedOut).toBe(true);
		lab.reader.begin();
		expect(locked(firstMessage([], { TKAInfo: null }))).toBe(false); // a first message without it says that lock is off
		lab.reader.begin();
		expect(locked({ ...firstMessage([], { TKAInfo: { Head: "ABC" } }), Node: selfNode({ KeySignature }) })).toBe(false);
	});

	test("our own node: addresses, name, expiry, approval, capabilities", () => {
		const lab = new Lab();
		expect([lab.netmap.self.name, lab.netmap.self.authorized, lab.netmap.self.addresses.length]).toEqual(["", false, 0]);
		const own = selfNode({ CapMap: { "only-tcp-443": null, x: [1] }, Capabilities: ["y"], KeyExpiry: "2026-12-01T00:00:00Z", Name: "Me.Example.TS.net." });
		expect(lab.feed(firstMessage([], { Node: own })).change!.self).toBe(true);
		const { self } = lab.netmap;
		expect([self.name, self.suffix, self.authorized, self.addresses.length]).toEqual(["me.example.ts.net", "example.ts.net", true, 2]);
		expect(["only-tcp-443", "x", "y", "z"].map((name) => self.hasCapability(name))).toEqual([true, true, true, false]);
		const expiry = Date.parse("2026-12-01T00:00:00Z") / 1000;
		expect([self.isExpired(0), self.isExpired(expiry - 1), self.isExpired(expiry)]).toEqual([false, false, true]);
		expect(lab.feed({ Node: own }).change!.self).toBe(false);
		expect(lab.feed({ Node: { ...own, MachineAuthorized: false } }).change!.self).toBe(true);
		expect(toHex(self.address4!)).toBe(toHex(fromHex("00000000000000000000ffff64400001")));
	});
});
