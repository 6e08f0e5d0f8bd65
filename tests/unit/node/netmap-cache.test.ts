/** When the network map is written, and what a node does with that of its last run. */
import { openStore, type Store } from "tailnet/host";
import { openIdentity } from "../../../modules/identity.js";
import { MapReader } from "../../../modules/netmap/map-reader.js";
import { Netmap } from "../../../modules/netmap/netmap.js";
import { NetmapCache } from "../../../modules/netmap-cache.js";
import Tailnet, { type TailnetError } from "../../../modules/tailnet.js";
import { Command } from "../../../modules/tunnel/records.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";
import { firstMessage, frame, node, selfNode } from "../netmap/fixtures.js";

beforeEach(() => testing.reset());

const region = { RegionID: 2, RegionCode: "fra", Nodes: [{ Name: "2a", HostName: "192.0.2.77", IPv4: "192.0.2.77" }] };
const anybody = [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }];
const message = firstMessage([node(2, { HomeDERP: 2 }), node(3, { HomeDERP: 2 })], { DERPMap: { Regions: { "2": region } }, PacketFilter: anybody });

function mapped(): Netmap {
	const netmap = new Netmap();
	new MapReader(netmap).push(frame(message), 1);
	return netmap;
}

class Owner {
	readonly store: Store;
	readonly netmap: Netmap;
	readonly nodeKey: Uint8Array;
	controlURL = "https://control.example";
	isDevice = true;
	homeRegion = 2;
	heardAtMS = 1_000_000;
	readonly told: string[] = [];
	writes: string[] = [];
	readonly cache: NetmapCache;

	constructor(store: Store, netmap: Netmap, nodeKey: Uint8Array = new Uint8Array(32).fill(7)) {
		this.nodeKey = nodeKey;
		this.store = {
			get: (key) => store.get(key),
			set: (key, value) => {
				this.writes.push(key);
				store.set(key, value);
			},
			delete: (key) => store.delete(key),
		};
		this.netmap = netmap;
		this.cache = new NetmapCache(this);
	}

	recentPeers(): number[] {
		return [0];
	}

	restored(): void {
		this.told.push("restored");
	}

	filterChanged(): void {
		this.told.push("filter");
	}

	report(error: unknown): void {
		this.told.push(`${(error as TailnetError).code} ${(error as TailnetError).message}`);
	}

	/** Whether anything was written in the next ms. */
	wrote(ms: number): boolean {
		this.writes = [];
		testing.advance(ms);
		return this.writes.length > 0;
	}
}

describe("when it is written", () => {
	test("10 s after the first map, then every 10 minutes at most and only if something is different; after 6 hours at the latest", () => {
		const owner = new Owner(openStore("s"), mapped());
		const reader = new MapReader(owner.netmap);
		const rename = (name: string): void => {
			reader.begin();
			reader.push(frame({ ...message, Node: selfNode({ Name: name }) }), 1);
			owner.cache.mapChanged();
		};
		owner.cache.mapChanged();
		expect([owner.wrote(9_999), owner.wrote(1)]).toEqual([false, true]);
		rename("b.example.ts.net.");
		expect([owner.wrote(599_999), owner.wrote(1)]).toEqual([false, true]);
		for (let i = 0; i < 30; i += 1) {
			testing.advance(60_000);
			owner.cache.mapChanged();
		}
		expect(owner.wrote(600_000)).toBe(false);
		rename("c.example.ts.net.");
		expect(owner.wrote(600_000)).toBe(true);
		owner.heardAtMS += 30_000_000;
		expect([owner.wrote(21_500_000), owner.wrote(100_000)]).toEqual([false, true]);
		expect([owner.cache.saves, owner.told]).toEqual([4, []]);
		owner.cache.close();
		expect(testing.timers).toBe(0);
	});

	test("nothing before a map of control, and nothing after forget() until the next", () => {
		const owner = new Owner(openStore("s"), mapped());
		owner.cache.changed();
		expect(owner.wrote(100_000_000)).toBe(false);
		owner.cache.mapChanged();
		expect(owner.wrote(10_000)).toBe(true);
		owner.cache.changed();
		owner.cache.forget();
		owner.cache.changed();
		expect([owner.wrote(100_000_000), owner.store.get("netmap-head"), testing.timers]).toEqual([false, undefined, 0]);
		owner.cache.mapChanged();
		expect(owner.wrote(700_000)).toBe(true);
	});

	test("a store that cannot be written is told, and tried again", () => {
		const owner = new Owner(openStore("s"), mapped());
		const { set } = owner.store;
		owner.store.set = () => {
			throw { code: "io", message: "ENOSPC" };
		};
		owner.cache.mapChanged();
		testing.advance(10_000);
		expect(owner.told).toEqual(["io ENOSPC"]);
		owner.store.set = set;
		owner.cache.mapChanged();
		expect(owner.wrote(600_000)).toBe(true);
	});
});

describe("what is restored", () => {
	function saved(): Store {
		const store = openStore("s");
		const owner = new Owner(store, mapped());
		owner.cache.mapChanged();
		testing.advance(10_000);
		owner.cache.close();
		return store;
	}

	test("a filter that turns 24 hours old without a map of control is dropped then", () => {
		const store = saved();
		const owner = new Owner(store, new Netmap());
		owner.cache.begin();
		testing.advance(1);
		const open = (owner.netmap.filter as Uint8Array).length;
		// Control was heard 10 s before it was saved.
		testing.advance(86_400_000 - 11_000);
		expect(owner.told).toEqual(["restored"]);
		testing.advance(1_000);
		expect([owner.told, (owner.netmap.filter as Uint8Array).length < open, testing.timers]).toEqual([["restored", "filter"], true, 0]);
	});

	test("a map of control in time: the filter is control's, whatever the age", () => {
		const store = saved();
		const owner = new Owner(store, new Netmap());
		owner.cache.begin();
		testing.advance(1);
		expect(owner.cache.sinceMS).toBe(1_010_000);
		owner.cache.mapChanged();
		owner.cache.close();
		expect([owner.cache.sinceMS, testing.timers]).toEqual([undefined, 0]);
	});

	test("a damaged one is told by name, counted, and as if there was none", () => {
		const store = saved();
		store.set("netmap-head", new Uint8Array(60));
		const owner = new Owner(store, new Netmap());
		owner.cache.begin();
		testing.advance(1);
		expect(owner.told).toEqual(["netmap the network map of the last run is not used: the checksum of its head is wrong"]);
		expect([owner.cache.refused, owner.netmap.peers.count, owner.cache.sinceMS]).toEqual([1, 0, undefined]);
	});
});

describe("a node", () => {
	const controlURL = "http://192.0.2.1";

	/** A store as a run leaves it that was registered and has a map. */
	function past(): void {
		const identity = openIdentity("node");
		identity.registered();
		const owner = new Owner(openStore("node"), mapped(), identity.nodePublicKey);
		owner.controlURL = controlURL;
		owner.cache.mapChanged();
		testing.advance(10_000);
		owner.cache.close();
		identity.close(0);
	}
	const records = (command: number): Uint8Array[] => (tunnels.at(-1)?.sent ?? []).filter((record) => record[0] === command);

	test("knows its peers a turn after it was made: addresses, filter and home relay are in force, peers in use are called, and it says connecting", () => {
		past();
		const states: string[] = [];
		const tailnet = new Tailnet({ controlURL, store: "node", onStateChange: (state, reason) => states.push(`${state}: ${reason}`) });
		expect([...tailnet.peers].length).toBe(0);
		testing.advance(0);
		expect([[...tailnet.peers].map((peer) => peer.name), tailnet.addresses, tailnet.homeRegion]).toEqual([
			["host-2.example.ts.net", "host-3.example.ts.net"],
			["100.64.0.1", "fd7a:115c:a1e0::2"],
			"fra",
		]);
		expect([records(Command.filter).length, records(Command.inject).length, records(Command.identity).length]).toEqual([1, 1, 1]);
		expect([tailnet.state, tailnet.reason]).toEqual(["connecting", "with the network map of the last run: control has not answered yet"]);
		testing.advance(130_001);
		expect([tailnet.state, tailnet.health.map(({ id }) => id).includes("control-unreachable")]).toEqual(["degraded", true]);
		expect(states.some((state) => state.startsWith("running"))).toBe(false);
		tailnet.close();
		expect(testing.timers).toBe(0);
	});

	test("that was never registered, or has another control server, knows nobody", () => {
		past();
		openStore("node").delete("registered");
		const fresh = new Tailnet({ controlURL, store: "node" });
		testing.advance(0);
		expect([...fresh.peers].length).toBe(0);
		fresh.close();
		past();
		const moved = new Tailnet({ controlURL: "http://192.0.2.2", store: "node" });
		testing.advance(0);
		expect([...moved.peers].length).toBe(0);
		moved.close();
	});
});
