/** Maps of thousands of peers, with the scanner of native/tn_json: the one of the test host keeps whole documents. */
import { describe, expect, test } from "../../harness.js";
import { firstMessage, frame, type JSONObject, Lab, node, picture } from "./fixtures.js";
import { cutEverywhere } from "./messages.js";

/** Bytes of a record of Noise: what control's stream comes in. */
const PIECE_BYTES = 4077;

function push(lab: Lab, message: JSONObject): number {
	const bytes = frame(message);
	let messages = 0;
	for (let at = 0; at < bytes.length; at += PIECE_BYTES) messages += lab.reader.push(bytes.subarray(at, at + PIECE_BYTES), 0).length;
	return messages;
}

/** A node of the usual size: both addresses, three to five endpoints, six capabilities. */
function usual(i: number): JSONObject {
	const own = [`100.${70 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`, `fd7a:115c:a1e0::${(i + 1).toString(16)}:7777/128`];
	const all = [
		`203.0.113.${i % 250}:${1024 + i}`,
		`198.51.100.${i % 250}:41641`,
		`10.1.${(i >> 8) & 255}.${i & 255}:41641`,
		`[2001:db8::${i.toString(16)}]:41641`,
		"192.168.1.5:41641",
	];
	const capabilities = Object.fromEntries(
		["is-admin", "ssh", "file-sharing", "funnel", "default-auto-update", "store"].map((name) => [`https://example.com/cap/${name}`, null]),
	);
	return node(7_000_000_000_000_000 + i * 99991, {
		Name: `device-${i}.tail12345.ts.net.`,
		User: 6_123_456_789_012_345 + (i % 50),
		Addresses: own,
		AllowedIPs: own,
		Endpoints: all.slice(0, 3 + (i % 3)),
		CapMap: capabilities,
	});
}

describe("large maps", () => {
	test("[control 24] a 1000-peer map is processed in bounded RAM (no whole-message buffer)", () => {
		const lab = new Lab();
		const peers: JSONObject[] = [];
		for (let i = 0; i < 1000; i += 1) peers.push({ ...usual(i), Hostinfo: { Services: [], Junk: "x".repeat(1500) } });
		expect(push(lab, firstMessage(peers))).toBe(1);
		expect([lab.netmap.peers.count, lab.reader.failure]).toEqual([1000, undefined]);
		expect(lab.reader.peakBytes <= 1024).toBe(true);
	});

	test("a peer at rest takes at most 200 bytes, its name and all indexes included, also after replacements and removals", () => {
		const lab = new Lab();
		const peers: JSONObject[] = [];
		for (let i = 0; i < 5000; i += 1) peers.push(usual(i));
		push(lab, firstMessage(peers));
		expect(lab.netmap.peers.count).toBe(5000);
		expect(lab.netmap.bytes / 5000 <= 200).toBe(true);
		const bytes = lab.netmap.bytes;
		for (let round = 0; round < 3; round += 1) {
			lab.reader.begin();
			push(lab, firstMessage(peers.map((each) => ({ ...each, HomeDERP: 10 + round }))));
			expect(lab.netmap.bytes / 5000 <= 200).toBe(true);
		}
		push(lab, { PeersRemoved: peers.slice(1000).map((each) => each["ID"]) });
		expect(lab.netmap.peers.count).toBe(1000);
		// The columns of 5,000 slots stay, the records and indexes do not.
		expect(lab.netmap.bytes <= bytes / 4).toBe(true);
		for (const each of peers.slice(0, 1000)) expect(lab.netmap.peers.findByName(each["Name"] as string)).toBe(lab.netmap.peers.findByID(String(each["ID"])));
		push(lab, { PeersChanged: peers.slice(1000) });
		expect(lab.netmap.peers.count).toBe(5000);
		expect(lab.netmap.bytes / 5000 <= 200).toBe(true);
	});

	test("a message cut at every byte leaves the old map or makes the new one, never a mixture", cutEverywhere);

	test("a large map cut in pieces of any size is the same map; cut short it is the old one", () => {
		const lab = new Lab();
		const peers = Array.from({ length: 300 }, (_, i) => usual(i));
		push(lab, firstMessage(peers));
		const before = picture(lab.netmap);
		const bytes = frame(
			firstMessage(
				peers.slice(100).map((each) => ({ ...each, HomeDERP: 7 })),
				{ PacketFilters: { x: [] } },
			),
		);
		for (let cut = 5; cut < bytes.length; cut += 9973) {
			lab.reader.begin();
			expect(lab.reader.push(bytes.subarray(0, cut), 0)).toEqual([]);
			expect(picture(lab.netmap)).toBe(before);
		}
		lab.reader.begin();
		lab.reader.push(bytes, 0);
		const after = picture(lab.netmap);
		expect(lab.netmap.peers.count).toBe(200);
		for (const size of [1, 2, 3, 7, 64, 1000]) {
			lab.reader.begin();
			push(lab, firstMessage(peers));
			expect(picture(lab.netmap)).toBe(before);
			lab.reader.begin();
			for (let at = 0; at < bytes.length; at += size) lab.reader.push(bytes.subarray(at, at + size), 0);
			expect(picture(lab.netmap)).toBe(after);
		}
	});

	test("one rule with 10,000 sources passes through a buffer of 2 KB", () => {
		const lab = new Lab({}, 2048);
		const sources: string[] = [];
		for (let i = 0; i < 10000; i += 1) sources.push(`100.${64 + (i >> 13)}.${(i >> 5) & 255}.${(i & 31) * 8}`);
		const { change } = lab.feed(firstMessage([], { PacketFilters: { base: [{ SrcIPs: sources, DstPorts: [{ IP: "*", Ports: { First: 22, Last: 22 } }] }] } }));
		expect(change!.filter).toBe(true);
		expect(lab.netmap.health).toEqual([]);
		expect(lab.netmap.chunks.matches("base")).toBe(1);
		expect(lab.netmap.filter!.length > 70000).toBe(true);
	});

	test("thousands of small changes in one message are applied without waiting for its end", () => {
		const lab = new Lab();
		lab.feed(firstMessage(Array.from({ length: 1500 }, (_, i) => node(2 + i))));
		const online: JSONObject = {};
		for (let id = 2; id < 1502; id += 1) online[String(id)] = id % 2 === 0;
		const patches = Array.from({ length: 1500 }, (_, i) => ({ NodeID: 2 + i, DERPRegion: 5 }));
		const { change } = lab.feed({ OnlineChange: online, PeersRemoved: Array.from({ length: 700 }, (_, i) => 802 + i), PeersChangedPatch: patches });
		expect([change!.removed.length, change!.changed.length, lab.netmap.peers.count]).toEqual([700, 800, 800]);
		expect(lab.netmap.peers.view(lab.netmap.peers.findByID("3"))!.online).toBe(false);
		expect(lab.refuse(`{"OnlineChange":${JSON.stringify(online)},"PeersChanged":[${JSON.stringify(node(3))}]}`)).toBe("order");
		lab.reader.begin();
		lab.feed(firstMessage([node(2), node(3)]));
		expect(lab.refuse(`{"PeersChanged":[${JSON.stringify(node(3))}],"OnlineChange":${JSON.stringify(online)},"PeersRemoved":[3]}`)).toBe("order");
	});
});
