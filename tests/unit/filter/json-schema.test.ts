/** Schemas of the JSON scanner: bytes, mistakes, and what they make a scanner report. */
import { JSONScanner, utf8Encode } from "tailnet/host";
import { compileSchema, eachElement, eachMember, keys, list, members, project, skip, take } from "../../../modules/netmap/json-schema.js";
import { describe, expect, test, toHex } from "../../harness.js";

function scan(schema: Uint8Array, text: string, bufferBytes = 1024): { result: number; events: string[] } {
	const events: string[] = [];
	const result = new JSONScanner(schema, bufferBytes).push(utf8Encode(text), (path, key, json) => {
		events.push(`${path} ${key} ${json}`);
	});
	return { result, events };
}

describe("schema", () => {
	test("has the layout of native/tn_json.h", () => {
		const schema = compileSchema(members({ ab: take(258) }, { path: 3, announce: true }));
		expect(toHex(schema)).toBe(
			[
				"4a53", // "JS"
				"0300", // three nodes
				"0000000000000000", // skip
				"050103001c000000", // members, announced, path 3, entries at 28, others to skip
				"0100020100000000", // take, path 258
				"0100", // one entry
				"026124000200", // two letters, "a", name at 36, node 2
				"6162",
			].join(""),
		);
	});

	test("a node or a name used twice is held once", () => {
		const inner = project(0, { Key: take(), Name: take() });
		const once = compileSchema(members({ a: eachElement(1, project(2, { Key: take(), x: inner })) }));
		const node = project(0, { Key: take(), Name: take() });
		const kept = take();
		const twice = compileSchema(members({ a: eachElement(1, project(2, { Key: kept, x: node, y: node })) }));
		expect(twice.length).toBeLessThan(once.length + 8);
	});

	test("mistakes are thrown, not compiled", () => {
		const wrong = [
			skip,
			take(),
			members({ a: take() }),
			members({ a: take(65536) }),
			members({ a: take(-1) }),
			members({ a: take(1.5) }),
			members({ "": take(1) }),
			members({ ["x".repeat(64)]: take(1) }),
			members({ 'a"': take(1) }),
			members({ "\u00e9": take(1) }),
			members({}, { announce: true }),
			members({ a: eachElement(1, take()) }),
			members({ a: project(1, { b: members({}) }) }),
			members({ a: list(1, skip) }),
			members({ a: list(1, eachElement(2, take(3))) }),
		];
		for (const schema of wrong) expect(() => compileSchema(schema)).toThrow(RangeError);
	});

	test("a rule larger than the buffer comes in pieces", () => {
		const rule = members(
			{ SrcIPs: eachElement(4, take(5)), DstPorts: eachElement(6, project(7, { IP: take(), Bits: take() })), IPProto: take(8) },
			{ path: 3, announce: true },
		);
		const schema = compileSchema(members({ PacketFilters: eachMember(1, eachElement(2, rule, true), true) }));
		const sources = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
		const text = JSON.stringify({
			PacketFilters: { base: [{ SrcIPs: sources, DstPorts: [{ IP: "*", Ports: {} }], IPProto: [6] }, {}], gone: null, empty: [] },
		});
		const { result, events } = scan(schema, text, 64);
		expect(result).toBe(1);
		expect(events.slice(0, 4)).toEqual(["1  {", "2 base [", "3  {", '5  "10.0.0.0"']);
		expect(events.slice(1003)).toEqual(['7  {"IP":"*"}', "8  [6]", "3  }", "3  {", "3  }", "2  ]", "2 gone null", "2 empty [", "2  ]", "1  }"]);
	});

	test("emptiness and null of what is gone into are told apart from absence", () => {
		const schema = compileSchema(members({ Peers: eachElement(1, take(2)), Changes: eachMember(3, take(4)), CapMap: keys(5) }));
		expect(scan(schema, "{}").events).toEqual([]);
		expect(scan(schema, '{"Peers":[],"Changes":{},"CapMap":{}}').events).toEqual(["1  []", "3  {}", "5  {}"]);
		expect(scan(schema, '{"Peers":null,"Changes":null,"CapMap":null}').events).toEqual(["1  null", "3  null", "5  null"]);
		expect(scan(schema, '{"Peers":[null],"Changes":{"a":null},"CapMap":{"b":[1]}}').events).toEqual(["2  null", "4 a null", '5  {"b":null}']);
	});

	test("another type than the schema wants is seen as it is", () => {
		const schema = compileSchema(members({ SrcIPs: eachElement(1, take(2)), Rule: members({ a: take(3) }, { path: 4 }) }));
		expect(scan(schema, '{"SrcIPs":"*","Rule":[1, 2]}').events).toEqual(['1  "*"', "4  [1,2]"]);
		expect(scan(schema, '{"SrcIPs":{"a":1},"Rule":7}').events).toEqual(['1  {"a":1}', "4  7"]);
	});
});
