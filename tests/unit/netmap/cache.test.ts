/** The cached network map: what comes back is what was kept, a store cut short at any write never mixes maps, and no bytes whatever do more than refuse. */
import { openStore, type Store } from "tailnet/host";
import { CacheReader, CacheWriter } from "../../../modules/netmap/cache-bytes.js";
import { readPeer, readRegion, readSelf } from "../../../modules/netmap/cache-codec.js";
import {
	type CacheBudget,
	type CacheFacts,
	CacheRefused,
	DESKTOP_BUDGET,
	DEVICE_BUDGET,
	FILTER_LIFE_SECONDS,
	forgetMap,
	type RestoredMap,
	restoreMap,
	saveMap,
} from "../../../modules/netmap/cache-values.js";
import { MapReader } from "../../../modules/netmap/map-reader.js";
import { Netmap } from "../../../modules/netmap/netmap.js";
import { beforeEach, describe, expect, Random, test, toHex } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { firstMessage, frame, type JSONObject, keyText, Lab, node, picture, selfNode } from "./fixtures.js";

const nowSeconds = 1_700_000_000;
const nodeKey = new Random(5).bytes(32);
const facts = (members: Partial<CacheFacts> = {}): CacheFacts => ({ nodeKey, control: 7, homeRegion: 2, heardAt: nowSeconds, recent: [], ...members });
const region = (id: number): JSONObject => ({
	RegionID: id,
	RegionCode: `r${id}`,
	RegionName: `Region ${id}`,
	Avoid: id === 3,
	Nodes: [
		{ Name: `${id}a`, HostName: `derp${id}.example.com`, IPv4: "203.0.113.9", IPv6: "none", DERPPort: 8443, STUNPort: -1, CertName: "other.example.com" },
		{ Name: `${id}b`, HostName: `derp${id}b.example.com`, STUNOnly: true, CanPort80: true, STUNTestIP: "127.0.0.1" },
	],
});
const everything = { "1": region(1), "2": region(2), "3": region(3) };
const anybody = [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }];
const rules = [
	{ SrcIPs: ["100.64.0.2", "100.64.0.3-100.64.0.9", "fd7a:115c:a1e0::3", "cap:x"], DstPorts: [{ IP: "*", Ports: { First: 22, Last: 80 } }], IPProto: [6] },
	{ SrcIPs: ["cap:far"], DstPorts: [{ IP: "192.0.2.0/24", Ports: { First: 0, Last: 65535 } }] },
	{ SrcIPs: ["*"], DstPorts: [{ IP: "100.64.0.1", Ports: { First: 7, Last: 7 } }], IPProto: Array.from({ length: 256 }, (_, i) => i) },
];

beforeEach(() => testing.reset());

let stores = 0;
function newStore(): Store {
	stores += 1;
	return openStore(`cache-${stores}`);
}

function labWith(peers: JSONObject[], members: JSONObject = {}): Lab {
	const lab = new Lab();
	lab.feed(
		firstMessage(peers, {
			Node: selfNode({ Key: keyText("nodekey", 1) }),
			DERPMap: { Regions: everything },
			PacketFilter: rules,
			Domain: "d.example",
			...members,
		}),
	);
	return lab;
}

function restored(store: Store, members: { control?: number; nodeKey?: Uint8Array } = {}): { netmap: Netmap; map: RestoredMap | undefined } {
	const netmap = new Netmap();
	return { netmap, map: restoreMap(store, netmap, { nodeKey, control: 7, ...members }, 1_000_000) };
}

function refusal(store: Store): string {
	const netmap = new Netmap();
	try {
		return restoreMap(store, netmap, { nodeKey, control: 7 }, 1_000_000) ? "restored" : "none";
	} catch (error) {
		if (!(error instanceof CacheRefused)) throw error;
		expect([netmap.peers.count, netmap.filter, netmap.self.addresses.length, netmap.derpMap.regions.size]).toEqual([0, undefined, 0, 0]);
		return error.message;
	}
}

const names = (netmap: Netmap): string[] => {
	const list: string[] = [];
	for (let index = 0; index < netmap.peers.limit; index += 1) if (netmap.peers.has(index)) list.push(netmap.peers.name(index).split(".")[0] as string);
	return list.sort();
};

function sizes(store: Store): number[] {
	const list: number[] = [(store.get("netmap-head") as Uint8Array).length];
	for (let part = 0; store.get(`netmap-${part}`); part += 1) list.push((store.get(`netmap-${part}`) as Uint8Array).length);
	return list;
}

describe("what comes back", () => {
	test("peers, our own node, regions, names and filter are those of the map; the peers in use are known", () => {
		const peers = [
			node(2, { AllowedIPs: ["100.64.0.2/32", "fd7a:115c:a1e0::3/128", "10.0.0.0/8", "fd00:1::/64"], CapMap: { x: null } }),
			node("9007199254740993", { Tags: ["tag:a"], IsJailed: true, Endpoints: ["[2001:db8::1]:5", "192.0.2.1:6"], Hostinfo: {} }),
			node(4, { HomeDERP: 3, KeyExpiry: null, Name: "" }),
		];
		const lab = labWith(peers, { DNSConfig: { Proxied: true, Domains: ["example.ts.net", "b.c"] } });
		// Nobody asks for it; after the rules, so that the numbers in both filters are the same.
		lab.feed({ PeersChangedPatch: [{ NodeID: 2, CapMap: { x: null, unasked: null } }] });
		const store = newStore();
		saveMap(store, lab.netmap, facts({ recent: [lab.netmap.peers.findByID("4")] }), DESKTOP_BUDGET);
		const { netmap, map } = restored(store);
		const facts1 = (from: Netmap) => {
			const all = JSON.parse(picture(from)) as Record<string, unknown>;
			for (const [, , , view] of all["peers"] as [string, string, string, Record<string, unknown>][]) {
				view["capabilities"] = (view["capabilities"] as string[]).filter((name) => name === "x");
				for (const name of ["online", "lastSeen", "user"]) delete view[name];
			}
			const regions = (all["regions"] as { id: number }[]).sort((a, b) => a.id - b.id);
			return { ...all, regions, chunks: 0 };
		};
		expect(facts1(netmap)).toEqual(facts1(lab.netmap));
		expect(toHex(netmap.filter as Uint8Array)).toBe(toHex(lab.netmap.filter as Uint8Array));
		expect([map?.homeRegion, map?.recent, map?.lost, map?.filterUntil]).toEqual([2, [netmap.peers.findByID("4")], 0, nowSeconds + FILTER_LIFE_SECONDS]);
		expect([netmap.self.stableID, netmap.self.tagged, toHex(netmap.self.nodeKey)]).toEqual(["n1CNTRL", false, toHex(nodeKey)]);
	});

	test("the first map after it is no change where nothing changed: relay connections, sessions and paths live on", () => {
		const message = firstMessage([node(2), node(3)], { DERPMap: { Regions: everything }, PacketFilter: rules });
		const lab = new Lab();
		lab.feed(message);
		const store = newStore();
		saveMap(store, lab.netmap, facts({ nodeKey: lab.netmap.self.nodeKey }), DEVICE_BUDGET);
		const { netmap } = restored(store, { nodeKey: lab.netmap.self.nodeKey });
		const regions = [...netmap.derpMap.regions.values()];
		const [{ change } = { change: undefined }] = new MapReader(netmap).push(frame(message), 1);
		expect([change?.added, change?.removed, change?.keyChanged, change?.discoChanged].map((list) => list?.length)).toEqual([0, 0, 0, 0]);
		for (const region of regions) expect(netmap.derpMap.region(region.id)).toBe(region);
	});

	test("the attributes of our own node that it obeys", () => {
		const lab = labWith([], { Node: selfNode({ CapMap: { "only-tcp-443": null, other: null }, Tags: ["tag:x"] }) });
		const store = newStore();
		saveMap(store, lab.netmap, facts(), DESKTOP_BUDGET);
		const { self } = restored(store).netmap;
		expect([self.capabilities, self.tagged]).toEqual([["only-tcp-443"], true]);
	});

	test("peers that a cache cannot do justice to are left out", () => {
		const peers = [
			node(2),
			node(3, { DiscoKey: "" }),
			node(4, { SelfNodeV4MasqAddrForThisPeer: "100.99.0.1" }),
			node(5, { IsWireGuardOnly: true }),
			node(6, { UnsignedPeerAPIOnly: true, AllowedIPs: [] }),
			node(7, { Expired: true }),
			node(8, { KeyExpiry: "2020-01-01T00:00:00Z" }),
		];
		const store = newStore();
		saveMap(store, labWith(peers).netmap, facts(), DESKTOP_BUDGET);
		expect(names(restored(store).netmap)).toEqual(["host-2"]);
	});

	test("of the sources of rules only those of kept peers: a list of thousands does not displace them", () => {
		const many = Array.from({ length: 4000 }, (_, i) => `100.80.${(i * 2) >> 8}.${(i * 2) & 255}`);
		const lab = labWith([node(2)], { PacketFilter: [{ SrcIPs: ["100.64.0.2", ...many], DstPorts: [{ IP: "*", Ports: { First: 1, Last: 2 } }] }] });
		const store = newStore();
		saveMap(store, lab.netmap, facts(), DEVICE_BUDGET);
		const { netmap } = restored(store);
		expect(names(netmap)).toEqual(["host-2"]);
		expect((netmap.filter as Uint8Array).length).toBe(
			labWith([node(2)], { PacketFilter: [{ SrcIPs: ["100.64.0.2"], DstPorts: [{ IP: "*", Ports: { First: 1, Last: 2 } }] }] }).netmap.filter?.length,
		);
	});
});

describe("age and owner", () => {
	const saved = (heardAt: number): Store => {
		const store = newStore();
		saveMap(store, labWith([node(2)]).netmap, facts({ heardAt }), DESKTOP_BUDGET);
		return store;
	};
	const isOpen = (netmap: Netmap): boolean => (netmap.filter as Uint8Array).length > (closed().filter as Uint8Array).length;
	const closed = (): Netmap => labWith([node(2)], { PacketFilter: [] }).netmap;

	test("a filter of 24 hours or of unknown age, or from the future, lets nothing new in; the peers are there all the same", () => {
		for (const [heardAt, open] of [
			[nowSeconds - FILTER_LIFE_SECONDS + 1, true],
			[nowSeconds - FILTER_LIFE_SECONDS, false],
			[nowSeconds + 1, false],
			[0, false],
		] as const) {
			const { netmap, map } = restored(saved(heardAt));
			expect([heardAt, isOpen(netmap), (map?.filterUntil ?? 0) > 0, names(netmap)]).toEqual([heardAt, open, open, ["host-2"]]);
		}
		testing.setWallClock(0);
		expect(isOpen(restored(saved(nowSeconds)).netmap)).toBe(false);
	});

	test("rules can be dropped later: answers still come in", () => {
		const { netmap } = restored(saved(nowSeconds));
		netmap.dropRules();
		expect(toHex(netmap.filter as Uint8Array)).toBe(toHex(closed().filter as Uint8Array));
	});

	test("another node key or another control server: there is none", () => {
		const store = saved(nowSeconds);
		expect([restored(store, { control: 8 }).map, restored(store, { nodeKey: new Uint8Array(32) }).map]).toEqual([undefined, undefined]);
		expect(restored(newStore()).map).toBe(undefined);
	});

	test("our key has expired since: refused", () => {
		const store = newStore();
		saveMap(store, labWith([node(2)], { Node: selfNode({ KeyExpiry: "2023-11-15T00:00:00Z" }) }).netmap, facts(), DESKTOP_BUDGET);
		expect(refusal(store)).toBe("restored");
		testing.setWallClock((nowSeconds + 86_400) * 1000);
		expect(refusal(store)).toBe("our node key has expired since");
	});

	test("a peer whose key has expired since is there, and carries nothing", () => {
		const store = newStore();
		saveMap(store, labWith([node(2, { KeyExpiry: "2023-11-15T00:00:00Z" })]).netmap, facts(), DESKTOP_BUDGET);
		testing.setWallClock((nowSeconds + 86_400) * 1000);
		const { netmap } = restored(store);
		expect([netmap.peers.count, netmap.peers.usable(0)]).toEqual([1, false]);
	});
});

describe("bounds and wear", () => {
	const crowd = (count: number, members: (id: number) => JSONObject = () => ({})): JSONObject[] =>
		Array.from({ length: count }, (_, i) => node(i + 2, { Endpoints: Array.from({ length: 8 }, (_, k) => `[2001:db8::${i}:${k}]:${k}`), ...members(i + 2) }));

	test("a device keeps at most 16 peers, and all values are at most 3,500 bytes, whatever the map", () => {
		for (const many of [crowd(3), crowd(40), crowd(40, () => ({ Name: `${"n".repeat(60)}.${"s".repeat(60)}.ts.net.`, HomeDERP: 2 }))]) {
			const lab = labWith(many, { PacketFilter: [...anybody, ...rules] });
			const store = newStore();
			saveMap(store, lab.netmap, facts(), DEVICE_BUDGET);
			expect(sizes(store).every((size) => size <= 512)).toBe(true);
			expect(sizes(store).reduce((a, b) => a + b)).toBeLessThanOrEqual(3500);
			expect(restored(store).netmap.peers.count).toBeLessThanOrEqual(16);
			expect(restored(store).netmap.peers.count).toBeGreaterThan(2);
		}
	});

	test("sixteen ordinary peers with home region and filter fit a device", () => {
		const peers = Array.from({ length: 16 }, (_, i) => node(i + 2, { HomeDERP: 2 }));
		const store = newStore();
		saveMap(store, labWith(peers, { PacketFilter: anybody }).netmap, facts(), DEVICE_BUDGET);
		const { netmap } = restored(store);
		expect([netmap.peers.count, [...netmap.derpMap.regions.keys()]]).toEqual([16, [2]]);
	});

	test("peers in use come first, then those that are kept already, then others", () => {
		const lab = labWith(crowd(40, () => ({ Endpoints: [] })));
		const store = newStore();
		const few: CacheBudget = { ...DEVICE_BUDGET, peers: 2 };
		const index = (id: number): number => lab.netmap.peers.findByID(String(id));
		saveMap(store, lab.netmap, facts({ recent: [index(30), index(20)] }), few);
		expect(names(restored(store).netmap)).toEqual(["host-20", "host-30"]);
		saveMap(store, lab.netmap, facts(), few);
		expect([names(restored(store).netmap), restored(store).map?.recent]).toEqual([["host-20", "host-30"], []]);
		saveMap(store, lab.netmap, facts({ recent: [index(10)] }), few);
		expect(names(restored(store).netmap)).toEqual(["host-10", "host-20"]);
		lab.feed({ PeersRemoved: [20] });
		saveMap(store, lab.netmap, facts({ recent: [index(10)] }), few);
		expect(names(restored(store).netmap)).toEqual(["host-10", "host-2"]);
	});

	test("nothing is written when nothing is different; one part when one peer is; the time of control every six hours", () => {
		const lab = labWith(crowd(12));
		const store = newStore();
		let writes: string[] = [];
		const { set } = store;
		store.set = (key, value) => {
			writes.push(key);
			set(key, value);
		};
		const save = (heardAt: number): string[] => {
			writes = [];
			saveMap(store, lab.netmap, facts({ heardAt }), DEVICE_BUDGET);
			return writes;
		};
		expect(save(nowSeconds).length).toBeGreaterThan(4);
		expect(save(nowSeconds + 21_599)).toEqual([]);
		expect(save(nowSeconds + 21_600)).toEqual(["netmap-head"]);
		lab.feed({ OnlineChange: { "3": false }, PeerSeenChange: { "4": true } });
		expect(save(nowSeconds + 21_600)).toEqual([]);
		lab.feed({ PeersChangedPatch: [{ NodeID: 3, DiscoKey: keyText("discokey", 77) }] });
		expect([save(nowSeconds + 21_600).length, writes.at(-1)]).toEqual([2, "netmap-head"]);
	});

	test("fewer parts than before: the others are deleted; forgotten, none is left", () => {
		const lab = labWith(crowd(14));
		const store = newStore();
		saveMap(store, lab.netmap, facts(), DEVICE_BUDGET);
		const before = sizes(store).length;
		lab.feed({ Peers: [node(2)] });
		saveMap(store, lab.netmap, facts(), DEVICE_BUDGET);
		expect(sizes(store).length).toBeLessThan(before);
		expect(store.get(`netmap-${before - 2}`)).toBe(undefined);
		forgetMap(store);
		expect([store.get("netmap-head"), store.get("netmap-0"), refusal(store)]).toEqual([undefined, undefined, "none"]);
	});
});

describe("hostile bytes", () => {
	/** A store with a map, and every value of it. */
	function kept(): { store: Store; values: Map<string, Uint8Array> } {
		const store = newStore();
		const peers = [node(2), node(3, { AllowedIPs: ["10.0.0.0/8"] }), node(4), node(5, { CapMap: { x: null } })];
		saveMap(store, labWith(peers).netmap, facts(), DEVICE_BUDGET);
		const values = new Map<string, Uint8Array>([["netmap-head", store.get("netmap-head") as Uint8Array]]);
		for (let part = 0; store.get(`netmap-${part}`); part += 1) values.set(`netmap-${part}`, store.get(`netmap-${part}`) as Uint8Array);
		return { store, values };
	}

	test("a head with any bit turned, or cut anywhere, is refused; a part like that is left out", () => {
		const { store, values } = kept();
		const random = new Random(3);
		for (const [name, value] of values)
			for (let round = 0; round < 60; round += 1) {
				const bytes = round % 3 === 0 ? value.slice(0, random.below(value.length)) : value.slice();
				if (round % 3 !== 0) {
					const at = random.below(bytes.length);
					bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
				}
				store.set(name, bytes);
				if (name === "netmap-head") expect(refusal(store)).toBe("the checksum of its head is wrong");
				else {
					const { map, netmap } = restored(store);
					expect([map?.lost, netmap.self.name]).toEqual([1, "me.example.ts.net"]);
				}
				store.set(name, value);
			}
		expect(restored(store).map?.lost).toBe(0);
	});

	test("a newer version is refused", () => {
		const { store, values } = kept();
		const head = values.get("netmap-head") as Uint8Array;
		const body = head.slice(0, head.length - 4);
		body[0] = 2;
		store.set("netmap-head", sealed(body));
		expect(refusal(store)).toBe("expected version 1, got 2");
	});

	test("whatever stands in values whose checksums are right: restored as a map, or refused with nothing in force, and never thrown", () => {
		const { store, values } = kept();
		const random = new Random(9);
		const head = values.get("netmap-head") as Uint8Array;
		let refusals = 0;
		for (let round = 0; round < 600; round += 1) {
			const parts = [...values.keys()].filter((name) => name !== "netmap-head");
			const name = parts[random.below(parts.length)] as string;
			const number = Number(name.slice(7));
			const original = values.get(name) as Uint8Array;
			const bytes = round % 5 === 0 ? random.bytes(random.below(300)) : damaged(original, random);
			store.set(name, bytes);
			const body = (round % 7 === 0 ? damaged(head.subarray(0, head.length - 4), random) : head.slice(0, head.length - 4)) as Uint8Array;
			if (body.length > 44 + 4 * number + 4) put32(body, 44 + 4 * number, checksum(bytes));
			body[0] = 1;
			store.set("netmap-head", sealed(body));
			const before = refusal(store);
			if (before !== "restored" && before !== "none") refusals += 1;
			store.set(name, original);
		}
		expect(refusals).toBeGreaterThan(50);
	});

	test("the readers of single entries end on any bytes", () => {
		const random = new Random(11);
		for (let round = 0; round < 1000; round += 1) {
			const bytes = random.bytes(random.below(200));
			readPeer(new CacheReader(bytes));
			readRegion(new CacheReader(bytes));
			readSelf(new CacheReader(bytes), nodeKey);
		}
	});

	test("a store that fails at the n-th write of a change: the old map or the new one, or fewer peers of either, and never one that is mixed", () => {
		const before = [node(2), node(3), node(4), node(5), node(6)];
		const after = before.map((each, i) => ({ ...each, DiscoKey: keyText("discokey", 900 + i), Name: `new-${i}.example.ts.net.` }));
		for (let failing = 1; failing < 8; failing += 1) {
			const store = newStore();
			saveMap(store, labWith(before).netmap, facts(), DEVICE_BUDGET);
			const { set } = store;
			let writes = 0;
			store.set = (key, value) => {
				writes += 1;
				if (writes === failing) throw { code: "io", message: "power cut" };
				set(key, value);
			};
			let threw = false;
			try {
				saveMap(store, labWith(after).netmap, facts(), DEVICE_BUDGET);
			} catch {
				threw = true;
			}
			const { netmap, map } = restored(store);
			const isNew = names(netmap).filter((name) => name.startsWith("new")).length;
			expect([failing, isNew === 0 || isNew === netmap.peers.count]).toEqual([failing, true]);
			if (!threw) expect([map?.lost, isNew]).toEqual([0, 5]);
			// The next whole write makes it good.
			store.set = set;
			saveMap(store, labWith(after).netmap, facts(), DEVICE_BUDGET);
			expect([restored(store).map?.lost, restored(store).netmap.peers.count]).toEqual([0, 5]);
		}
	});
});

describe("fields", () => {
	test("an entry that does not fit is as if it had not begun", () => {
		const writer = new CacheWriter(8);
		writer.begin(1);
		writer.u32(5);
		expect([writer.end(), writer.length]).toEqual([true, 7]);
		writer.begin(1);
		writer.u8(1);
		expect([writer.end(), writer.length, writer.isFull]).toEqual([false, 7, false]);
		writer.clear();
		writer.begin(1);
		writer.text("x".repeat(256));
		expect([writer.end(), writer.length]).toEqual([false, 0]);
	});
});

function checksum(bytes: Uint8Array): number {
	let crc = 0xffffffff;
	for (const byte of bytes) {
		crc ^= byte;
		for (let k = 0; k < 8; k += 1) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? 0xedb88320 : 0);
	}
	return (crc ^ 0xffffffff) >>> 0;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
	for (let i = 0; i < 4; i += 1) bytes[at + i] = (value >>> (8 * i)) & 255;
}

function sealed(body: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(body.length + 4);
	bytes.set(body);
	put32(bytes, body.length, checksum(body));
	return bytes;
}

function damaged(bytes: Uint8Array, random: Random): Uint8Array {
	const copy = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length) : bytes.length);
	for (let count = 1 + random.below(3); count > 0 && copy.length > 0; count -= 1) copy[random.below(copy.length)] = random.below(256);
	return copy;
}
