/** Capability grants (protocol/filter.md §5.5). */
import { grantedCapabilities } from "../../../modules/netmap/filter-grants.js";
import { compileRules } from "../../../modules/netmap/filter-rules.js";
import { Interner } from "../../../modules/netmap/interner.js";
import { filterGrants } from "../../checks/filter.js";
import { describe, expect, test } from "../../harness.js";
import vectors from "../../vectors/filter.json" with { type: "json" };

describe("grants", () => {
	for (const { name, run } of filterGrants(vectors)) test(name, run);

	test("values of a capability come in the order of chunks", () => {
		const chunk = (value: number) =>
			compileRules([{ SrcIPs: ["*"], CapGrant: [{ Dsts: ["0.0.0.0/0"], CapMap: { a: [value] } }] }], { capabilities: new Interner(1), grants: true });
		expect(grantedCapabilities([chunk(1), chunk(2)], "10.0.0.1", "10.0.0.2").get("a")).toEqual([1, 2]);
	});

	test("nothing is kept when grants are not asked for", () => {
		const chunk = compileRules([{ SrcIPs: ["*"], CapGrant: [{ Dsts: ["0.0.0.0/0"], Caps: ["a"] }] }], { capabilities: new Interner(1) });
		expect(chunk.grants).toEqual([]);
		expect(grantedCapabilities([chunk], "10.0.0.1", "10.0.0.2").size).toBe(0);
	});

	test("no more grants are kept of a list than its bound, and what is left out is an error that is counted", () => {
		const grant = { Dsts: ["0.0.0.0/0"], Caps: ["a"] };
		const chunk = compileRules([{ SrcIPs: ["*"], CapGrant: new Array(300).fill(grant) }], { capabilities: new Interner(1), grants: true });
		expect([chunk.grants.length, chunk.errorCount]).toEqual([256, 44]);
	});

	test("an address that is none is granted nothing", () => {
		const chunk = compileRules([{ SrcIPs: ["*"], CapGrant: [{ Dsts: ["0.0.0.0/0"], Caps: ["a"] }] }], { capabilities: new Interner(1), grants: true });
		expect(grantedCapabilities([chunk], "somewhere", "10.0.0.2").size).toBe(0);
	});
});
