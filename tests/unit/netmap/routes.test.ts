import { parseAddress, prefixToText } from "../../../modules/netmap/address.js";
import { describe, expect, Random, test } from "../../harness.js";
import { firstMessage, type JSONObject, Lab, node, selfNode } from "./fixtures.js";

function host(id: number, more: string[] = [], members: JSONObject = {}): JSONObject {
	const own = [`100.64.0.${id}/32`, `fd7a:115c:a1e0::${id}/128`];
	return node(id, { Addresses: own, AllowedIPs: [...own, ...more], ...members });
}

function route(lab: Lab, address: string): string {
	const index = lab.netmap.route(parseAddress(address)!);
	return index < 0 ? "" : lab.netmap.peers.view(index)!.id;
}

/** What the tunnel would be told: "prefix" or "prefix own". */
function prefixes(lab: Lab, id: string): string[] {
	const bytes = lab.netmap.prefixes(lab.netmap.peers.findByID(id));
	const texts: string[] = [];
	for (let at = 0; at < bytes.length; at += 18) texts.push(prefixToText(bytes, bytes[at + 16] as number, at) + (bytes[at + 17] === 1 ? " own" : ""));
	return texts;
}

const tailnet = firstMessage([
	host(2),
	host(3, ["10.0.0.0/8", "0.0.0.0/0", "::/0", "10.9.9.9/32"]),
	host(4, ["10.1.0.0/16", "100.100.1.1/32", "fd7a:115c:a1e0:b1a::/64"]),
	host(5, ["10.1.0.0/16", "0.0.0.0/0", "::/0"]),
	host(6, ["10.1.2.0/24"], { Expired: true }),
	host(7, ["10.7.0.0/16"], { UnsignedPeerAPIOnly: true }),
]);

describe("routes", () => {
	test("a node's own address first; without accept-routes only single tailnet addresses besides", () => {
		const lab = new Lab();
		lab.feed(tailnet);
		expect(
			["100.64.0.2", "fd7a:115c:a1e0::5", "10.1.2.3", "8.8.8.8", "100.100.1.1", "100.64.0.6", "100.64.0.99", "10.9.9.9"].map((each) => route(lab, each)),
		).toEqual(["2", "5", "", "", "4", "", "", ""]);
		expect(prefixes(lab, "4")).toEqual(["100.64.0.4/32 own", "fd7a:115c:a1e0::4/128 own", "100.100.1.1/32"]);
		expect(prefixes(lab, "6")).toEqual([]);
	});

	test("with accept-routes the longest prefix of the usable peers wins, the later node of two with the same", () => {
		const lab = new Lab({ acceptRoutes: true });
		lab.feed(tailnet);
		expect(["10.1.2.3", "10.2.0.1", "10.9.9.9", "10.7.0.1", "8.8.8.8", "fd7a:115c:a1e0:b1a:0:7:a01:203"].map((each) => route(lab, each))).toEqual([
			"5",
			"3",
			"3",
			"3",
			"",
			"4",
		]);
		expect(prefixes(lab, "7")).toEqual(["100.64.0.7/32 own", "fd7a:115c:a1e0::7/128 own"]);
		lab.feed({ PeersRemoved: [5] });
		expect(route(lab, "10.1.2.3")).toBe("4");
		lab.feed({ PeersChanged: [host(6, ["10.1.2.0/24"])] });
		expect(route(lab, "10.1.2.3")).toBe("6");
		const change = lab.netmap.setPreferences({ acceptRoutes: false });
		expect(change.routingChanged.length > 0).toBe(true);
		expect(route(lab, "10.1.2.3")).toBe("");
	});

	test("default routes count only of the selected exit node, by name, address or id; if it vanishes nothing takes its place", () => {
		for (const exitNode of ["host-5", "host-5.example.ts.net.", "100.64.0.5", "5"]) {
			const lab = new Lab({ exitNode });
			const { change } = lab.feed(tailnet);
			const index = lab.netmap.peers.findByID("5");
			expect(Array.from(change!.routingChanged)).toEqual([index]);
			expect(["8.8.8.8", "2001:db8::1", "10.2.0.1", "100.64.0.2"].map((each) => route(lab, each))).toEqual(["5", "5", "5", "2"]);
			expect(prefixes(lab, "5")).toEqual(["100.64.0.5/32 own", "fd7a:115c:a1e0::5/128 own", "0.0.0.0/0", "::/0"]);
			expect(prefixes(lab, "3").length).toBe(2);
			lab.feed({ PeersRemoved: [5] });
			expect(route(lab, "8.8.8.8")).toBe("");
			lab.feed({ PeersChanged: [host(5, ["0.0.0.0/0"])] });
			expect([route(lab, "8.8.8.8"), route(lab, "2001:db8::1")]).toEqual(["5", ""]);
		}
	});

	test("own addresses that AllowedIPs leave out carry nothing; further own addresses do", () => {
		const lab = new Lab();
		lab.feed(
			firstMessage([
				node(2, { Addresses: ["100.64.0.2/32", "100.64.0.3/32"], AllowedIPs: ["100.64.0.2/32"] }),
				node(4, { Addresses: ["100.64.0.4/32", "100.64.0.5/32"], AllowedIPs: null }),
			]),
		);
		expect(["100.64.0.2", "100.64.0.3", "100.64.0.4", "100.64.0.5"].map((each) => route(lab, each))).toEqual(["2", "", "4", "4"]);
	});

	test("of two nodes with one address a usable one counts, then the later one", () => {
		const lab = new Lab();
		const twin = (id: number, members: JSONObject) =>
			node(id, { Addresses: ["100.64.0.9/32"], AllowedIPs: null, Name: "twin.example.ts.net.", Key: node(2).Key, ...members });
		const find = () => [
			route(lab, "100.64.0.9"),
			...[lab.netmap.peers.findByName("twin.example.ts.net"), lab.netmap.peers.findByNodeKey(lab.netmap.peers.nodeKey(lab.netmap.peers.findByID("2"))!)].map(
				(index) => lab.netmap.peers.view(index)!.id,
			),
		];
		lab.feed(firstMessage([twin(3, {}), twin(2, {})]));
		expect(find()).toEqual(["3", "3", "3"]);
		lab.feed({ PeersChanged: [twin(3, { Expired: true })] });
		expect(find()).toEqual(["2", "2", "2"]);
		lab.feed({ PeersRemoved: [3] });
		expect(find()).toEqual(["2", "2", "2"]);
	});

	test("random prefixes: the same peer as a walk over all of them", () => {
		const random = new Random(5);
		const peers: JSONObject[] = [];
		const all: { id: string; texts: string[] }[] = [];
		for (let id = 2; id < 60; id += 1) {
			const texts: string[] = [];
			for (let n = random.below(6); n > 0; n -= 1) texts.push(`10.${random.below(4)}.${random.below(4) * 64}.0/${8 + random.below(25)}`);
			for (let n = random.below(3); n > 0; n -= 1) texts.push(`fd00:${random.below(3)}::/${16 + random.below(40)}`);
			peers.push(host(id, texts));
			all.push({ id: String(id), texts });
		}
		const lab = new Lab({ acceptRoutes: true });
		lab.feed(firstMessage(peers));
		const bits = (address: string) => Array.from(parseAddress(address)!, (byte) => byte.toString(2).padStart(8, "0")).join("");
		for (let n = 0; n < 400; n += 1) {
			const address = random.below(3) > 0 ? `10.${random.below(5)}.${random.below(256)}.${random.below(3)}` : `fd00:${random.below(4)}::${random.below(9)}`;
			let best = "";
			let longest = -1;
			for (const { id, texts } of all) {
				for (const text of texts) {
					const [base, length] = text.split("/") as [string, string];
					const count = Number(length) + (base.includes(":") ? 0 : 96);
					if (base.includes(":") === address.includes(":") && bits(base).slice(0, count) === bits(address).slice(0, count) && count >= longest) {
						longest = count;
						best = id;
					}
				}
			}
			expect([address, route(lab, address)]).toEqual([address, best]);
		}
	});
});

describe("subnets of ours", () => {
	const given = (lab: Lab): string[] => {
		const { subnets } = lab.netmap;
		const texts: string[] = [];
		for (let i = 0; i < subnets.length; i += 18) texts.push(prefixToText(subnets.subarray(i, i + 16), subnets[i + 16] as number));
		return texts;
	};
	const tell = (lab: Lab, routes: unknown): string[] => {
		lab.feed({ Node: selfNode({ PrimaryRoutes: routes }) });
		return given(lab);
	};

	test("are those that we offer and that control has made us the router of, and follow what it says", () => {
		const lab = new Lab({ advertiseRoutes: ["10.1.0.0/24", "fd00:1::/64", "0.0.0.0/0"] });
		expect(given(lab)).toEqual([]);
		lab.feed(firstMessage([]));
		expect(given(lab)).toEqual([]);
		expect(tell(lab, ["10.1.0.0/24"])).toEqual(["10.1.0.0/24"]);
		expect(tell(lab, ["fd00:1::/64", "10.1.0.0/24", "10.9.0.0/16", "0.0.0.0/0", "nonsense"])).toEqual(["10.1.0.0/24", "fd00:1::/64"]);
		expect(tell(lab, ["10.0.0.0/8"])).toEqual([]); // more than we offer is not what we offer
		expect(tell(lab, ["fd00:1::/64"])).toEqual(["fd00:1::/64"]);
		expect(tell(lab, null)).toEqual([]);
	});

	test("that we are their router, or not any more, is a change of our node", () => {
		const lab = new Lab({ advertiseRoutes: ["10.1.0.0/24"] });
		lab.feed(firstMessage([]));
		const changed = (routes: unknown): boolean | undefined => lab.feed({ Node: selfNode({ PrimaryRoutes: routes }) }).change?.self;
		expect([changed(["10.1.0.0/24"]), changed(["10.1.0.0/24"]), changed([])]).toEqual([true, false, true]);
	});
});
