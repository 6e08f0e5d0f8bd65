/** Rules to chunks: every `compile` case of the vectors, rules in pieces, budgets. */
import { AddressEntry, forEachPrefix } from "../../../modules/netmap/filter-address.js";
import { compileRules, FilterCompiler } from "../../../modules/netmap/filter-rules.js";
import { ANY4, ANY6, FilterBlock, PREFIX6_BYTES } from "../../../modules/netmap/filter-tables.js";
import { Interner } from "../../../modules/netmap/interner.js";
import { WrongType } from "../../../modules/netmap/members.js";
import { compile, compiledDestinations, compiledRanges, expectedDestinations, expectedRanges, filterCompilation, numberOf } from "../../checks/filter.js";
import { describe, expect, Random, test } from "../../harness.js";
import vectors from "../../vectors/filter.json" with { type: "json" };

const EVERYTHING = { SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] };

describe("compile vectors", () => {
	for (const { name, run } of filterCompilation(vectors)) test(`compiles as upstream: ${name}`, run);
});

describe("rules", () => {
	test("[filter 3] `*` covers both families; a-b, CIDR, single IP and cap: work in SrcIPs, all but cap: in DstPorts", () => {
		const entries = ["10.0.0.0/8", "100.64.0.3-100.64.0.12", "192.0.2.1", "fd00::/8", "fc00::1-fc00::2", "2001:db8::1"];
		const both = compile([{ SrcIPs: ["*"], DstPorts: [{ IP: "*" }] }]);
		expect(new FilterBlock(both.block).set(1).flags).toBe(ANY4 | ANY6);
		expect(compiledDestinations(new FilterBlock(both.block), 6)).toHaveLength(1);
		for (const entry of entries) {
			const family = entry.includes(":") ? 6 : 4;
			const chunk = compile([{ SrcIPs: [entry, "cap:x"], DstPorts: [{ IP: entry }] }]);
			expect(chunk.errorCount).toBe(0);
			expect(compiledRanges(new FilterBlock(chunk.block), 1, family)).toHaveLength(1);
			expect(compiledDestinations(new FilterBlock(chunk.block), family).length).toBeGreaterThan(0);
		}
		const chunk = compile([{ SrcIPs: ["*"], DstPorts: [{ IP: "cap:x" }, { IP: "10.0.0.1" }] }]);
		expect(chunk.errorCount).toBe(1);
		expect(compiledDestinations(new FilterBlock(chunk.block), 4)).toHaveLength(1);
	});

	test("[filter 4] a CIDR with host bits drops only its entry; the rule's other entries work", () => {
		const chunk = compile([{ SrcIPs: ["10.0.0.1/8", "10.1.0.0/16"], DstPorts: [{ IP: "10.0.0.1/8" }, { IP: "10.0.0.1" }] }]);
		expect(chunk.errorCount).toBe(2);
		expect(compiledRanges(new FilterBlock(chunk.block), 1, 4)).toEqual(expectedRanges(["10.1.0.0/16"], 4));
		expect(compiledDestinations(new FilterBlock(chunk.block), 4)).toEqual(expectedDestinations(["10.0.0.1/32 0-0"], 4));
	});

	test("[filter 5] a reversed or mixed-family range drops only its entry", () => {
		const chunk = compile([{ SrcIPs: ["10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "fd00::2-fd00::1", "10.0.0.9"], DstPorts: [{ IP: "*" }] }]);
		expect(chunk.errorCount).toBe(3);
		expect(compiledRanges(new FilterBlock(chunk.block), 1, 4)).toEqual(expectedRanges(["10.0.0.9/32"], 4));
		expect(compiledRanges(new FilterBlock(chunk.block), 1, 6)).toEqual([]);
	});

	test("[filter 7] a JSON type error leaves the old filter in force: the compiler refuses the message", () => {
		const wrong = [
			{ ...EVERYTHING, SrcIPs: [5] },
			{ ...EVERYTHING, SrcIPs: "*" },
			{ ...EVERYTHING, DstPorts: {} },
			{ ...EVERYTHING, DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65536 } }] },
			{ ...EVERYTHING, DstPorts: [{ IP: "*", Ports: { First: -1 } }] },
			{ ...EVERYTHING, DstPorts: [{ IP: "*", Ports: { First: 1.5 } }] },
			{ ...EVERYTHING, DstPorts: [{ IP: 7 }] },
			{ ...EVERYTHING, DstPorts: [{ IP: "*", Bits: "8" }] },
			{ ...EVERYTHING, SrcBits: ["8"] },
			{ ...EVERYTHING, IPProto: ["tcp"] },
			{ ...EVERYTHING, IPProto: [6.5] },
			{ ...EVERYTHING, IPProto: 6 },
			{ ...EVERYTHING, CapGrant: [{ Dsts: ["10.0.0.1"] }] },
			{ ...EVERYTHING, CapGrant: [{ Dsts: ["*"] }] },
			{ ...EVERYTHING, CapGrant: [{ Caps: [1] }] },
			{ ...EVERYTHING, CapGrant: [{ CapMap: { a: 1 } }] },
			5,
			"*",
		];
		for (const rule of wrong) expect(() => compile([EVERYTHING, rule])).toThrow(WrongType);
		expect(() => compile({})).toThrow(WrongType);
	});

	test("a rule in pieces, members in any order, is the rule in one piece", () => {
		const rule = {
			SrcIPs: ["100.64.0.9", "fd7a::/16", "cap:x", "100.64.0.1-100.64.0.8"],
			DstPorts: [{ IP: "10.0.0.1", Ports: { First: 1, Last: 9 } }, { IP: "fd00::1-fd00::9" }],
			IPProto: [6, 132],
		};
		const compiler = new FilterCompiler({ capabilities: new Interner(10) });
		compiler.beginRule();
		compiler.protocols(rule.IPProto);
		for (const destination of rule.DstPorts) compiler.destination(destination);
		for (const source of rule.SrcIPs) compiler.source(source);
		compiler.endRule();
		expect(compiler.finish().block).toEqual(compileRules([rule], { capabilities: new Interner(10) }).block);
	});

	test("a rule without IPProto after one with it has the default protocols", () => {
		const two = compile([{ ...EVERYTHING, IPProto: [132] }, EVERYTHING]);
		const block = new FilterBlock(two.block);
		expect(block.view.getUint8(block.destinations4At + 14)).not.toBe(block.view.getUint8(block.destinations4At + 16 + 14));
	});
});

describe("size", () => {
	test("10,000 single sources of one rule, in any order, are held once, sorted and joined", () => {
		const random = new Random(1);
		const addresses: number[] = [];
		for (let i = 0; i < 10_000; i += 1) addresses.push(i);
		for (let i = addresses.length - 1; i > 0; i -= 1) {
			const k = random.below(i + 1);
			[addresses[i], addresses[k]] = [addresses[k] as number, addresses[i] as number];
		}
		const compiler = new FilterCompiler({ capabilities: new Interner(10) });
		compiler.beginRule();
		for (const i of addresses) compiler.source(`100.64.${i >> 8}.${i & 255}`);
		for (const i of addresses) compiler.source(`fd7a:115c:a1e0::${(i * 2).toString(16)}`);
		compiler.destination({ IP: "*", Ports: { First: 22, Last: 22 } });
		compiler.endRule();
		const chunk = compiler.finish();
		const block = new FilterBlock(chunk.block);
		expect(chunk.problem).toBeUndefined();
		expect(compiledRanges(block, 1, 4)).toEqual([{ first: 0x64400000n, last: 0x64400000n + 9999n }]);
		expect(block.set(1).prefixes6.length).toBe(10_000 * PREFIX6_BYTES);
		expect(compiledRanges(block, 1, 6)).toHaveLength(10_000);
	});

	test("equal sources of many rules are held once", () => {
		const rules = [];
		for (let port = 1; port <= 500; port += 1)
			rules.push({ SrcIPs: ["100.64.0.1", "fd7a::/16"], DstPorts: [{ IP: "fd7a::1", Ports: { First: port, Last: port } }] });
		const chunk = compile(rules);
		expect(chunk.block.length).toBe(48 + 2 * 24 + 500 * 16 + 32 + 8 + 16 + 17);
	});

	test("[filter 40] a filter over budget has no rule left and names limit and need", () => {
		const rules = [];
		for (let i = 0; i < 200; i += 1) rules.push({ SrcIPs: [`10.0.${i}.0/24`], DstPorts: [{ IP: "*", Ports: { First: i, Last: i } }] });
		const fits = compileRules(rules, { capabilities: new Interner(10), budgetBytes: 16384 });
		expect(fits.problem).toBeUndefined();
		const chunk = compileRules(rules, { capabilities: new Interner(10), budgetBytes: 4096 });
		expect(chunk.problem?.code).toBe("too-large");
		expect(chunk.problem?.text).toMatch(/need about \d+ bytes, the budget is 4096 bytes/);
		expect(chunk.matches).toBe(200);
		expect(compiledDestinations(new FilterBlock(chunk.block), 4)).toEqual([]);
		const need = Number(/about (\d+)/.exec(chunk.problem?.text ?? "")?.[1]);
		expect(need).toBeGreaterThan(fits.block.length * 0.8);
	});

	test("a single rule over budget keeps memory bounded", () => {
		const compiler = new FilterCompiler({ capabilities: new Interner(10), budgetBytes: 4096 });
		compiler.beginRule();
		for (let i = 0; i < 20_000; i += 1) compiler.source(`10.${i >> 8}.${i & 255}.2`);
		for (let i = 0; i < 2_000; i += 1) compiler.destination({ IP: `10.${i >> 8}.${i & 255}.2` });
		compiler.endRule();
		expect(compiler.finish().problem?.code).toBe("too-large");
	});

	test("capability names without room are a problem, not a silently smaller rule", () => {
		const chunk = compileRules([{ SrcIPs: ["cap:a", "cap:b"], DstPorts: [{ IP: "*" }] }], { capabilities: new Interner(1) });
		expect(chunk.problem?.code).toBe("too-large");
	});

	test("many wrong entries are counted, few are quoted, none at length", () => {
		const chunk = compile([{ SrcIPs: new Array(1000).fill("x".repeat(10_000)), DstPorts: [{ IP: "*" }] }]);
		expect(chunk.errorCount).toBe(1000);
		expect(chunk.errors.join("").length).toBeLessThan(2000);
	});
});

describe("addresses", () => {
	test("a range becomes the fewest prefixes that cover exactly it", () => {
		const random = new Random(2);
		for (let round = 0; round < 200; round += 1) {
			const low = random.bytes(16);
			const high = random.bytes(16);
			if (round % 3 === 0) high.set(low.subarray(0, 1 + random.below(15)));
			if (numberOf(low) > numberOf(high)) continue;
			const first = numberOf(low);
			let next = first;
			let count = 0;
			forEachPrefix(low.slice(), high, (address, bits) => {
				const size = 1n << BigInt(128 - bits);
				expect(numberOf(address)).toBe(next);
				expect(next % size).toBe(0n);
				next += size;
				count += 1;
			});
			expect(next - 1n).toBe(numberOf(high));
			expect(count).toBeLessThanOrEqual(254);
		}
	});

	test("the whole of IPv6 is one prefix", () => {
		const found: number[] = [];
		forEachPrefix(new Uint8Array(16), new Uint8Array(16).fill(255), (_address, bits) => found.push(bits));
		expect(found).toEqual([0]);
	});

	test("random texts are invalid or read, and never thrown", () => {
		const random = new Random(3);
		const letters = "0123456789abcdef.:/-%*cap ";
		const entry = new AddressEntry();
		for (let round = 0; round < 5000; round += 1) {
			let text = "";
			for (let i = random.below(20); i >= 0; i -= 1) text += letters[random.below(letters.length)];
			expect(typeof entry.read(text)).toBe("string");
		}
	});
});
