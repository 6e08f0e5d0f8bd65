/** `tailnet netcheck` for people. */
import { networkLines } from "../../../hosts/node/cli/network-text.js";
import { networkReport } from "../../../modules/network-report.js";
import { describe, expect, test } from "../../harness.js";

const look = {
	startedAt: 0,
	full: true,
	udp: true,
	ipv4: true,
	ipv6: false,
	ipv4CanSend: true,
	ipv6CanSend: false,
	mappingVaries: false,
	latency: new Map([
		[2, 96],
		[1, 8.25],
	]),
	latencyV4: new Map(),
	latencyV6: new Map(),
	seenV4: new Map(),
	seenV6: new Map(),
	globalV4: "203.0.113.4:41641",
	globalV6: "",
};
const unasked = { pmp: undefined, pcp: undefined, upnp: undefined };
const mapping = (services: Partial<Record<"pmp" | "pcp" | "upnp", boolean | undefined>>, endpoint = "") => ({
	endpoint,
	hasMapping: endpoint !== "",
	services: { ...unasked, ...services },
});
const code = (region: number): string => ["", "fra", "sfo"][region] ?? "";

describe("a look at the network, for people", () => {
	test("has a line a fact, and a bar a relay, the nearest first", () => {
		expect(networkLines(networkReport(look, mapping({ pmp: true, upnp: false }, "203.0.113.4:5000"), code))).toEqual([
			"UDP:          yes",
			"IPv4:         yes, 203.0.113.4:41641",
			"IPv6:         no address",
			"NAT:          easy: one endpoint for all",
			"port mapping: 203.0.113.4:5000, NAT-PMP",
			"relays, the nearest first:",
			"  fra      8.3 ms  ==",
			`  sfo     96.0 ms  ${"=".repeat(24)}`,
		]);
	});

	test("says what there is not", () => {
		const deaf = { ...look, udp: false, ipv4: false, globalV4: "", mappingVaries: undefined, latency: new Map() };
		expect(networkLines(networkReport(deaf, mapping({}), code))).toEqual([
			"UDP:          no answer: only relays",
			"IPv4:         no answer",
			"IPv6:         no address",
			"NAT:          not known",
			"port mapping: no router was asked",
			"no relay answered",
		]);
		const lines = (services: Parameters<typeof mapping>[0]): string | undefined => networkLines(networkReport(look, mapping(services), code))[4];
		expect(lines({ pmp: false, pcp: false, upnp: false })).toBe("port mapping: none: the router speaks neither NAT-PMP, PCP nor UPnP");
		expect(lines({ pmp: false, pcp: false, upnp: true })).toBe("port mapping: none, although the router speaks UPnP");
	});
});
