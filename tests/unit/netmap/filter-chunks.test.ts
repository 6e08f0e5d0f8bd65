import { FilterBlock } from "../../../modules/netmap/filter-tables.js";
import { filterChunks, sourcesInForce } from "../../checks/filter.js";
import { describe, expect, test } from "../../harness.js";
import vectors from "../../vectors/filter.json" with { type: "json" };
import { firstMessage, type JSONObject, Lab, node } from "./fixtures.js";

function rule(source: string): JSONObject {
	return { SrcIPs: [source], DstPorts: [{ IP: "*", Ports: { First: 1, Last: 1 } }] };
}

/** The named chunks and the sources in force after each of the messages. */
function outcome(...messages: JSONObject[]): [string[], string[]] {
	const lab = new Lab();
	lab.feed(firstMessage([]));
	for (const message of messages) lab.feed(message);
	return [lab.netmap.chunks.names, sourcesInForce(lab)];
}

describe("packet filter chunks", () => {
	for (const { name, run } of filterChunks(vectors)) test(`vector: ${name}`, run);

	test('[filter 12] PacketFilter replaces "base" only; null/absent leaves it; [] empties it', () => {
		const start = { PacketFilter: [rule("10.0.0.1")], PacketFilters: { x: [rule("10.0.0.2")] } };
		expect(outcome(start, { PacketFilter: [rule("10.0.0.3")] })).toEqual([
			["base", "x"],
			["10.0.0.2", "10.0.0.3"],
		]);
		expect(outcome(start, { PacketFilter: null }, { Domain: "d" })).toEqual([
			["base", "x"],
			["10.0.0.1", "10.0.0.2"],
		]);
		expect(outcome(start, { PacketFilter: [] })).toEqual([["base", "x"], ["10.0.0.2"]]);
	});

	test('[filter 13] "*":null clears first, also a base from the same message, and wherever it stands in the object; "*":[...] is ignored', () => {
		const start = { PacketFilters: { x: [rule("10.0.0.1")] } };
		for (const chunks of [
			{ "*": null, y: [rule("10.0.0.2")] },
			{ y: [rule("10.0.0.2")], "*": null },
		]) {
			expect(outcome(start, { PacketFilters: chunks, PacketFilter: [rule("10.0.0.9")] })).toEqual([["y"], ["10.0.0.2"]]);
			expect(outcome(start, { PacketFilter: [rule("10.0.0.9")], PacketFilters: chunks })).toEqual([["y"], ["10.0.0.2"]]);
		}
		expect(outcome(start, { PacketFilters: { "*": [rule("10.0.0.3")] } })).toEqual([["x"], ["10.0.0.1"]]);
	});

	test("[filter 14] name:null deletes, name:[] keeps an empty chunk, unknown names delete nothing", () => {
		const start = { PacketFilters: { x: [rule("10.0.0.1")], y: [rule("10.0.0.2")] } };
		expect(outcome(start, { PacketFilters: { x: null } })).toEqual([["y"], ["10.0.0.2"]]);
		expect(outcome(start, { PacketFilters: { x: [] } })).toEqual([["x", "y"], ["10.0.0.2"]]);
		expect(outcome(start, { PacketFilters: { z: null } })).toEqual([
			["x", "y"],
			["10.0.0.1", "10.0.0.2"],
		]);
	});

	test("[filter 15] PacketFilters:{} changes no chunk", () => {
		const start = { PacketFilters: { x: [rule("10.0.0.1")] } };
		expect(outcome(start, { PacketFilters: {} })).toEqual([["x"], ["10.0.0.1"]]);
		expect(outcome(start, { PacketFilters: null })).toEqual([["x"], ["10.0.0.1"]]);
	});

	test("a reconnect starts with no chunk, and the old filter stays until its first message is complete", () => {
		const lab = new Lab();
		expect(lab.netmap.filter).toBe(undefined);
		lab.feed(firstMessage([], { PacketFilters: { x: [rule("10.0.0.1")], y: [rule("10.0.0.2")] } }));
		lab.reader.begin();
		expect(sourcesInForce(lab)).toEqual(["10.0.0.1", "10.0.0.2"]);
		lab.feed(firstMessage([], { PacketFilters: { y: [rule("10.0.0.2")] } }));
		expect([lab.netmap.chunks.names, sourcesInForce(lab)]).toEqual([["y"], ["10.0.0.2"]]);
		lab.reader.begin();
		expect(lab.feed(firstMessage([])).change!.filter).toBe(true);
		expect(sourcesInForce(lab)).toEqual([]);
	});

	test("an unsigned peer that a source reaches closes the filter while it is there, and says so", () => {
		const lab = new Lab();
		const unsigned = node(5, { UnsignedPeerAPIOnly: true, AllowedIPs: ["100.64.0.5/32", "192.168.7.0/24"] });
		lab.feed(firstMessage([node(2)], { PacketFilters: { x: [rule("192.168.7.9")] } }));
		expect(sourcesInForce(lab)).toEqual(["192.168.7.9"]);
		expect(lab.feed({ PeersChanged: [unsigned] }).change!.filter).toBe(true);
		expect(sourcesInForce(lab)).toEqual([]);
		expect(lab.netmap.health.map((condition) => condition.id)).toEqual(["filter"]);
		expect(lab.netmap.peers.view(lab.netmap.peers.findByID("5"))!.allowedIPs).toEqual(["100.64.0.5/32"]);
		expect(lab.feed({ PeersRemoved: [5] }).change!.filter).toBe(true);
		expect(sourcesInForce(lab)).toEqual(["192.168.7.9"]);
		expect(lab.netmap.health).toEqual([]);
	});

	test("own addresses and advertised routes are the local networks; other addresses make another block", () => {
		const lab = new Lab({ advertiseRoutes: ["192.168.1.7/24", "0.0.0.0/0", "::/0", "junk"] });
		lab.feed(firstMessage([], { PacketFilters: { x: [rule("*")] } }));
		const block = new FilterBlock(lab.netmap.filter!);
		expect([block.set(0).ranges4.length / 8, block.set(0).prefixes6.length / 17, block.set(0).flags]).toEqual([2, 1, 0]);
		expect(lab.feed({ Node: node(1, { Addresses: ["100.64.9.9/32"] }) }).change!.filter).toBe(true);
	});

	test("peers show the capabilities that rules ask for, by the numbers of the rules; a new question makes them known", () => {
		const lab = new Lab();
		lab.feed(
			firstMessage([node(2, { CapMap: { a: null, b: ["x"], c: null } }), node(3, { Capabilities: ["b"] }), node(4)], { PacketFilters: { x: [rule("cap:b")] } }),
		);
		const index = (id: string) => lab.netmap.peers.findByID(id);
		const held = (id: string) => Array.from(lab.netmap.capabilityIDs(index(id)));
		expect([held("2").length, held("3"), held("4")]).toEqual([1, held("2"), []]);
		const { change } = lab.feed({ PacketFilters: { y: [rule("cap:c"), rule("cap:none")] } });
		expect(Array.from(change!.routingChanged)).toEqual([index("2")]);
		expect(held("2").length).toBe(2);
		const block = new FilterBlock(lab.netmap.filter!);
		expect(block.icmp(4).sort()).toEqual([...new Set([...held("2"), lab.netmap.peers.store.capabilities.find("none")])].sort());
	});

	test("more lists than there is room for close the filter, and are not kept; a clearing opens it again, and so does another poll", () => {
		const lab = new Lab();
		lab.feed(firstMessage([]));
		const many = (prefix: string): JSONObject => Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${prefix}${index}`, [rule("10.0.0.1")]]));
		for (const prefix of ["a", "b"]) {
			lab.feed({ PacketFilters: many(prefix) });
			expect([lab.netmap.chunks.names.length, lab.netmap.chunks.problem?.code, sourcesInForce(lab)]).toEqual([256, "too-large", []]);
		}
		// One of those that were kept is no proof that all are known.
		lab.feed({ PacketFilters: Object.fromEntries(lab.netmap.chunks.names.map((name) => [name, null])) });
		expect([lab.netmap.chunks.names, lab.netmap.chunks.problem?.code]).toEqual([[], "too-large"]);
		lab.feed({ PacketFilters: { "*": null, x: [rule("10.0.0.2")] } });
		expect([lab.netmap.chunks.names, lab.netmap.chunks.problem, sourcesInForce(lab)]).toEqual([["x"], undefined, ["10.0.0.2"]]);
		lab.feed({ PacketFilters: many("c") });
		lab.reader.begin();
		lab.feed(firstMessage([], { PacketFilters: { y: [rule("10.0.0.3")] } }));
		expect([lab.netmap.chunks.problem, sourcesInForce(lab)]).toEqual([undefined, ["10.0.0.3"]]);
	});
});
