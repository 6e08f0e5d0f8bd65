/** Which certificate is demanded, and in what order addresses are dialled: protocol/relay.md §3.2, §3.3. */
import { certificateRule } from "../../../modules/derp/certificate.js";
import { DialPlan, type DialStep } from "../../../modules/derp/dial-plan.js";
import type { DERPNode } from "../../../modules/derp/types.js";
import { describe, expect, test } from "../../harness.js";

function node(fields: Partial<DERPNode> = {}): DERPNode {
	const base = { name: "10a", hostName: "derp.example", certName: "", ipv4: "", ipv6: "", derpPort: 0, stunOnly: false, insecureForTests: false };
	return { ...base, ...fields };
}

const HASH = "0a".repeat(32);

describe("certificate rule", () => {
	test("[relay 32] CertName empty: chain and the host name; a name: SNI stays the host name", () => {
		expect(certificateRule(node(), {})).toEqual({ serverName: "derp.example", certificateName: "derp.example" });
		expect(certificateRule(node({ certName: "cert.example" }), { authorities: ["PEM"] })).toEqual({
			serverName: "derp.example",
			certificateName: "cert.example",
			authorities: ["PEM"],
		});
	});

	test("[relay 34] sha256-raw: the hash instead of a chain, and the name if the host has one", () => {
		expect(certificateRule(node({ certName: `sha256-raw:${HASH}` }), {})).toEqual({
			serverName: "derp.example",
			certificateName: "derp.example",
			certificateSHA256: HASH,
		});
		expect(certificateRule(node({ hostName: "192.0.2.90", certName: `sha256-raw:${HASH}` }), {})).toEqual({ certificateSHA256: HASH });
	});

	test("[relay 32] a hash that is none can be satisfied by no certificate", () => {
		for (const hash of ["", "0a", HASH.toUpperCase(), `${HASH}0`]) expect(certificateRule(node({ certName: `sha256-raw:${hash}` }), {})).toBe(undefined);
	});

	test("an IP literal gets no SNI, and must stand in the certificate", () => {
		expect(certificateRule(node({ hostName: "192.0.2.1" }), {})).toEqual({ certificateName: "192.0.2.1" });
		expect(certificateRule(node({ hostName: "2001:db8::1" }), {})).toEqual({ certificateName: "2001:db8::1" });
	});

	test("InsecureForTests counts only with the app's own leave", () => {
		const insecure = node({ insecureForTests: true });
		expect(certificateRule(insecure, {})).toEqual({ serverName: "derp.example", certificateName: "derp.example" });
		expect(certificateRule(insecure, { allowInsecure: true })).toEqual({ serverName: "derp.example", unverified: true });
		expect(certificateRule(node(), { allowInsecure: true })?.unverified).toBe(undefined);
	});
});

/** Runs a plan whose every step fails at once. @returns "address/milliseconds" or "?host" */
function walk(nodes: DERPNode[], names: string[] = [], preferIPv6 = false, costMS = 0): string[] {
	const plan = new DialPlan({ id: 10, code: "x", nodes }, preferIPv6);
	const steps: string[] = [];
	let now = 5000;
	for (let step: DialStep | undefined = plan.next(now); step; step = plan.next(now)) {
		if (step.kind === "resolve") {
			steps.push(`?${step.host}`);
			plan.resolved(names);
		} else {
			steps.push(`${step.address}/${step.connectTimeoutMS}${step.idealNode === "" ? "" : ` ideal ${step.idealNode}`}`);
			now += costMS === 0 ? 0 : Math.min(costMS, step.connectTimeoutMS);
		}
	}
	return steps;
}

describe("dial plan", () => {
	test("literals instead of DNS, IPv4 first, the families share 1.5 s", () => {
		expect(walk([node({ ipv4: "192.0.2.1", ipv6: "2001:db8::1" })])).toEqual(["192.0.2.1/1000", "2001:db8::1/1500"]);
		expect(walk([node({ ipv4: "192.0.2.1", ipv6: "2001:db8::1" })], [], false, 9999)).toEqual(["192.0.2.1/1000", "2001:db8::1/500"]);
		expect(walk([node({ ipv4: "192.0.2.1", ipv6: "2001:db8::1" })], [], true)).toEqual(["2001:db8::1/1000", "192.0.2.1/1500"]);
	});

	test("without literals DNS is asked once, and both families are taken from it", () => {
		expect(walk([node()], ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"])).toEqual([
			"?derp.example",
			"192.0.2.1/1000",
			"192.0.2.2/1000",
			"2001:db8::1/1500",
		]);
		expect(walk([node()], [])).toEqual(["?derp.example"]);
	});

	test("a literal of one family and none of the other: DNS only when the literal failed", () => {
		expect(walk([node({ ipv4: "192.0.2.1" })], ["192.0.2.9", "2001:db8::1"])).toEqual(["192.0.2.1/1000", "?derp.example", "2001:db8::1/1500"]);
	});

	test("[relay 35] IPv4 none dials only IPv6, and the reverse; both none dials nothing", () => {
		const names = ["192.0.2.1", "2001:db8::1"];
		expect(walk([node({ ipv4: "none" })], names)).toEqual(["?derp.example", "2001:db8::1/1500"]);
		expect(walk([node({ ipv6: "none" })], names)).toEqual(["?derp.example", "192.0.2.1/1500"]);
		expect(walk([node({ ipv4: "none", ipv6: "none" })], names)).toEqual([]);
		expect(walk([node({ ipv4: "2001:db8::5", ipv6: "none" })], names)).toEqual([]);
	});

	test("a literal in HostName is dialled without DNS, and the other family is skipped", () => {
		expect(walk([node({ hostName: "192.0.2.90" })])).toEqual(["192.0.2.90/1500"]);
		expect(walk([node({ hostName: "2001:db8::9" })])).toEqual(["2001:db8::9/1500"]);
	});

	test("[relay 36] a STUN-only node is never dialled; the next node gets its own 1.5 s and names the ideal one", () => {
		const nodes = [
			node({ name: "s", stunOnly: true, ipv4: "192.0.2.1", ipv6: "none" }),
			node({ name: "a", ipv4: "192.0.2.2", ipv6: "none" }),
			node({ name: "b", ipv4: "192.0.2.3", ipv6: "none" }),
		];
		expect(walk(nodes, [], false, 1500)).toEqual(["192.0.2.2/1500", "192.0.2.3/1500 ideal a"]);
		expect(walk([nodes[0] as DERPNode])).toEqual([]);
	});

	test("a node's addresses never take more than its 1.5 s", () => {
		const names = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];
		expect(walk([node()], names, false, 1400)).toEqual(["?derp.example", "192.0.2.1/1000", "192.0.2.2/500"]);
	});
});
