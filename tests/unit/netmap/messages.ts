/** Messages that change every part of the map, and the proof that a cut changes none; for the scanner of the tests and for that of the product. */
import { expect } from "../../harness.js";
import { firstMessage, frame, type JSONObject, keyText, Lab, node, picture, selfNode } from "./fixtures.js";

const rules = [{ SrcIPs: ["100.64.0.2", "cap:x"], DstPorts: [{ IP: "*", Ports: { First: 22, Last: 22 } }], IPProto: [6] }];
const region = (id: number) => ({ RegionID: id, Nodes: [{ Name: `${id}a`, HostName: `derp${id}.example.com` }] });

export const start = firstMessage([node(2), node(3), node(4), node(5, { AllowedIPs: ["10.0.0.0/8"] })], {
	DERPMap: { Regions: { "1": region(1), "2": region(2) } },
	PacketFilters: { base: rules, x: [] },
	DNSConfig: { Proxied: true, Domains: ["example.ts.net"], ExtraRecords: [{ Name: "a.b", Value: "10.0.0.1" }] },
	Domain: "old",
});

/** A node with little to say, to keep the number of bytes to cut at low. */
function small(id: number, members: JSONObject = {}): JSONObject {
	return {
		ID: id,
		Name: `h${id}.example.ts.net.`,
		Key: node(id)["Key"],
		DiscoKey: node(id)["DiscoKey"],
		Addresses: [`100.64.0.${id}/32`],
		HomeDERP: 1,
		Online: true,
		...members,
	};
}

/** A message that changes every part of the map. */
export const delta: JSONObject = {
	Node: selfNode({ Name: "other.example.ts.net." }),
	DERPMap: { Regions: { "1": region(1), "3": region(3) }, HomeParams: { RegionScore: { "1": 0.5 } } },
	PeersChanged: [small(6), small(3, { Name: "renamed.example.ts.net.", Key: keyText("nodekey", 77) })],
	PeersRemoved: [4],
	PeersChangedPatch: [{ NodeID: 2, Endpoints: ["203.0.113.1:5"], DiscoKey: keyText("discokey", 78) }],
	PeerSeenChange: { "5": true },
	OnlineChange: { "2": false, "5": false },
	DNSConfig: { Routes: { "x.y": null }, Proxied: false },
	PacketFilter: [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }],
	PacketFilters: { "*": null, y: rules },
	Health: ["something"],
	TKAInfo: { Head: "ABC" },
	Domain: "new",
};
export const replacement: JSONObject = { Peers: [small(8), small(3), small(2, { HomeDERP: 9 })], PacketFilters: { base: null }, OnlineChange: { "8": false } };

/** Feeds each message cut at every byte, then whole: the old map or the new one. */
export function cutEverywhere(): void {
	for (const message of [delta, replacement]) {
		const done = new Lab();
		done.feed(start);
		const before = picture(done.netmap);
		done.feed(message);
		const after = picture(done.netmap);
		expect(after).not.toBe(before);
		const bytes = frame(message);
		const lab = new Lab();
		lab.feed(start);
		for (let cut = 0; cut < bytes.length; cut += 1) {
			expect(lab.reader.push(bytes.subarray(0, cut), 0).length).toBe(0);
			if (cut % 50 === 0) expect(picture(lab.netmap)).toBe(before);
			lab.reader.begin();
			if (cut % 100 === 0) lab.feed(start);
		}
		expect(picture(lab.netmap)).toBe(before);
		lab.reader.begin();
		lab.feed(start, message);
		expect(picture(lab.netmap)).toBe(after);
	}
}
