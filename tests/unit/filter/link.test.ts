/** Chunks to the block for the tunnel: pruning, problems, order. */

import { linkFilter } from "../../../modules/netmap/filter-link.js";
import { compileRules, type FilterChunk } from "../../../modules/netmap/filter-rules.js";
import { FilterBlock } from "../../../modules/netmap/filter-tables.js";
import { Interner } from "../../../modules/netmap/interner.js";
import { describe, expect, test } from "../../harness.js";

const localNets = ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"];
const ALL_PORTS = { First: 0, Last: 65535 };

function compile(rules: unknown, capabilities = new Interner(100)): FilterChunk {
	return compileRules(rules, { capabilities });
}

function counts(bytes: Uint8Array) {
	const { view } = new FilterBlock(bytes);
	const names = ["sets", "destinations4", "destinations6", "classes", "ranges4", "addresses6", "prefixes6", "capabilities"];
	return Object.fromEntries(names.map((name, i) => [name, view.getUint32(8 + 4 * i, true)]));
}

describe("linking", () => {
	test("destinations that are not local, and sources that nothing uses any more, are left out", () => {
		const chunk = compile([
			{
				SrcIPs: ["10.0.0.1", "fd00::1"],
				DstPorts: [
					{ IP: "100.64.0.2", Ports: ALL_PORTS },
					{ IP: "fd7a:115c:a1e0::2", Ports: ALL_PORTS },
				],
			},
			{
				SrcIPs: ["10.0.0.2", "fd00::2"],
				DstPorts: [
					{ IP: "100.64.0.0/10", Ports: ALL_PORTS },
					{ IP: "fd7a:115c:a1e0::/48", Ports: ALL_PORTS },
				],
			},
			{ SrcIPs: ["10.0.0.3"], DstPorts: [{ IP: "*", Ports: { First: 1, Last: 1 } }], IPProto: [132] },
			{ SrcIPs: ["10.0.0.4"], DstPorts: [{ IP: "100.63.0.0-100.64.0.0", Ports: ALL_PORTS }], IPProto: [47] },
		]);
		const linked = linkFilter([chunk], { localNets });
		expect(linked.problem).toBeUndefined();
		expect(linked.matches).toBe(4);
		expect(counts(linked.block)).toEqual({ sets: 3, destinations4: 2, destinations6: 1, classes: 2, ranges4: 3, addresses6: 1, prefixes6: 2, capabilities: 0 });
	});

	test("a new local network brings rules back without compiling again", () => {
		const chunk = compile([{ SrcIPs: ["*"], DstPorts: [{ IP: "10.1.2.0/24", Ports: ALL_PORTS }] }]);
		expect(counts(linkFilter([chunk], { localNets }).block)["destinations4"]).toBe(0);
		expect(counts(linkFilter([chunk], { localNets: [...localNets, "10.1.2.128/25"] }).block)["destinations4"]).toBe(1);
		expect(counts(linkFilter([chunk], { localNets: ["0.0.0.0/0"] }).block)["destinations4"]).toBe(1);
	});

	test("capabilities that open ICMP survive the pruning of their destinations", () => {
		const chunk = compile([{ SrcIPs: ["cap:a"], DstPorts: [{ IP: "192.0.2.1", Ports: ALL_PORTS }] }]);
		const block = new FilterBlock(linkFilter([chunk], { localNets }).block);
		expect(block.icmp(4)).toEqual([0]);
		expect(block.icmp(6)).toEqual([]);
	});

	test("equal sources and protocol lists of several chunks are held once", () => {
		const rule = { SrcIPs: ["10.0.0.1"], DstPorts: [{ IP: "*", Ports: ALL_PORTS }], IPProto: [6] };
		const linked = linkFilter([compile([rule]), compile([rule]), compile([rule])], { localNets });
		expect(counts(linked.block)).toMatchObject({ sets: 2, destinations4: 3, classes: 1, ranges4: 2 });
	});

	test("a v4-mapped local network is IPv6", () => {
		const block = new FilterBlock(linkFilter([], { localNets: ["::ffff:100.64.0.1/128"] }).block);
		expect(block.set(0).ranges4.length).toBe(0);
		expect(block.set(0).prefixes6.length).toBe(17);
	});

	test("a filter linked over its budget is closed and says so", () => {
		const rules = [];
		for (let i = 0; i < 100; i += 1) rules.push({ SrcIPs: [`10.0.0.${i}`], DstPorts: [{ IP: "*", Ports: { First: i, Last: i } }] });
		const chunk = compile(rules);
		const linked = linkFilter([chunk, chunk], { localNets, budgetBytes: 2000 });
		expect(linked.problem?.code).toBe("too-large");
		expect(linked.problem?.text).toMatch(/need \d+ bytes, the budget is 2000/);
		expect(counts(linked.block)).toMatchObject({ sets: 1, destinations4: 0, destinations6: 0, ranges4: 1, prefixes6: 1 });
	});

	test("[filter 6] one non-empty SrcBits, or one non-null Bits, anywhere empties the whole filter; `SrcBits:[]` and `Bits:null` do not", () => {
		const open = { SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: ALL_PORTS }] };
		const good = compile([open]);
		const bad = [
			{ ...open, SrcBits: [32] },
			{ ...open, DstPorts: [{ IP: "*", Ports: ALL_PORTS, Bits: 0 }] },
		];
		for (const rule of bad)
			for (const chunks of [[compile([open, rule, open])], [good, compile([rule])], [compile([rule]), good]]) {
				const linked = linkFilter(chunks, { localNets });
				expect(linked.problem?.code).toBe("obsolete-bits");
				expect(counts(linked.block)).toMatchObject({ sets: 1, destinations4: 0, destinations6: 0 });
			}
		const harmless = [
			{ ...open, SrcBits: [] },
			{ ...open, SrcBits: null },
			{ ...open, DstPorts: [{ IP: "*", Ports: ALL_PORTS, Bits: null }] },
		];
		for (const rule of harmless) {
			const linked = linkFilter([good, compile([rule])], { localNets });
			expect(linked.problem).toBeUndefined();
			expect(counts(linked.block)["destinations4"]).toBe(2);
		}
	});

	test("[filter 40] an unsigned peer overlapping a source empties the filter and reports it", () => {
		const rule = (source: string, destination = "*") => compile([{ SrcIPs: [source], DstPorts: [{ IP: destination, Ports: ALL_PORTS }] }]);
		const unsignedPrefixes = ["100.64.0.9/32", "fd7a:115c:a1e0::9/128"];
		for (const source of ["*", "100.64.0.9", "100.64.0.0/10", "100.64.0.1-100.64.0.9", "::/0", "fd7a:115c:a1e0::/48", "fd7a:115c:a1e0::9"]) {
			const linked = linkFilter([rule("192.0.2.1"), rule(source)], { localNets, unsignedPrefixes });
			expect(linked.problem?.code).toBe("unsigned-peer");
			expect(counts(linked.block)).toMatchObject({ sets: 1, destinations4: 0, destinations6: 0, ranges4: 1, prefixes6: 1 });
		}
		// Also when the destination is none of ours: the test comes before the pruning.
		expect(linkFilter([rule("100.64.0.9", "192.0.2.7")], { localNets, unsignedPrefixes }).problem?.code).toBe("unsigned-peer");
		for (const source of ["100.64.0.8", "cap:x", "fd7a:115c:a1e0::8", "::ffff:100.64.0.9"])
			expect(linkFilter([rule(source)], { localNets, unsignedPrefixes }).problem).toBeUndefined();
		const grantOnly = compile([{ SrcIPs: ["*"], CapGrant: [{ Dsts: ["0.0.0.0/0"], Caps: ["a"] }] }]);
		expect(linkFilter([grantOnly], { localNets, unsignedPrefixes }).problem).toBeUndefined();
	});
});
