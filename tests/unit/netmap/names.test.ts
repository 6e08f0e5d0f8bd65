import { addressToText } from "../../../modules/netmap/address.js";
import type { Answer, QuestionType } from "../../../modules/netmap/names.js";
import { describe, expect, test } from "../../harness.js";
import { firstMessage, type JSONObject, Lab, node, selfNode } from "./fixtures.js";

const dns: JSONObject = {
	Proxied: true,
	Domains: ["example.ts.net"],
	Resolvers: [{ Addr: "192.0.2.53" }],
	Routes: {
		"corp.example.": [{ Addr: "10.0.0.53", UseWithExitNode: true }],
		"deep.corp.example": [{ Addr: "10.0.1.53" }],
		"quiet.example": [],
		"still.example": null,
	},
	ExtraRecords: [
		{ Name: "printer.example.ts.net.", Value: "100.64.3.3" },
		{ Name: "Printer.example.ts.net", Type: "AAAA", Value: "fd7a:115c:a1e0::33" },
		{ Name: "web.quiet.example", Type: "A", Value: "100.64.0.2" },
		{ Name: "text.example.ts.net", Type: "TXT", Value: "x" },
		{ Name: "bad.example.ts.net", Value: "x" },
	],
};

const peers = [
	node(2, { Name: "Bob.example.ts.net.", Addresses: ["100.64.0.2/32", "fd7a:115c:a1e0::2/128"] }),
	node(3, { Name: "six.example.ts.net.", Addresses: ["fd7a:115c:a1e0::3/128"] }),
	node(4, { Name: "app.example.ts.net.", Addresses: ["100.64.0.4/32"], CapMap: { "dns-subdomain-resolve": null } }),
	node(5, { Name: "gone.example.ts.net.", Addresses: ["100.64.0.5/32"], Expired: true, Online: false }),
	node(6, { Name: "shared.other.ts.net.", Addresses: ["100.64.0.6/32"] }),
];

function lab(self: JSONObject = {}, config: JSONObject = dns): Lab {
	const made = new Lab();
	made.feed({ ...firstMessage(peers), Node: selfNode({ Addresses: ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"], ...self }), DNSConfig: config });
	return made;
}

function say(answer: Answer): string {
	if (answer.kind === "address") return addressToText(answer.address);
	if (answer.kind === "name") return answer.name;
	if (answer.kind === "forward") return `forward ${answer.resolvers.map((resolver) => resolver.address).join()}`;
	return answer.kind;
}

function check(of: Lab, cases: [string, QuestionType, string][]): void {
	for (const [name, type, expected] of cases) expect([name, type, say(of.netmap.names.answer(name, type))]).toEqual([name, type, expected]);
}

const reverse6 = (last: string) => `${last}${".0".repeat(17)}.0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa`;

describe("MagicDNS", () => {
	test("[tunnel 52] Names: FQDN, upper case, short name, own name, extra record, PTR v4/v6, unknown tailnet name (NXDOMAIN, no packet sent), outside name, split route, with the rules of §7", () => {
		const one = lab();
		check(one, [
			["bob.example.ts.net.", "A", "100.64.0.2"],
			["BOB.Example.TS.net", "A", "100.64.0.2"],
			["me.example.ts.net.", "A", "100.64.0.1"],
			["printer.example.ts.net", "A", "100.64.3.3"],
			["2.0.64.100.in-addr.arpa.", "PTR", "bob.example.ts.net"],
			[reverse6("3.0.0"), "PTR", "six.example.ts.net"],
			["nobody.example.ts.net", "A", "no-such-name"],
			["www.example.com", "A", "forward 192.0.2.53"],
			["db.corp.example", "AAAA", "forward 10.0.0.53"],
			["x.deep.corp.example", "A", "forward 10.0.1.53"],
		]);
		const resolve = (name: string) => one.netmap.names.resolve(name);
		expect(resolve("bob")).toEqual({ kind: "addresses", addresses: ["100.64.0.2"] });
		expect(resolve("Bob.")).toEqual({
			kind: "ask",
			questions: [{ name: "bob", resolvers: [{ address: "192.0.2.53", useWithExitNode: false }], isExclusive: false }],
		});
		expect(resolve("nobody.example.ts.net.")).toEqual({ kind: "no-such-name" });
		expect(resolve("db.corp.example.")).toEqual({
			kind: "ask",
			questions: [{ name: "db.corp.example", resolvers: [{ address: "10.0.0.53", useWithExitNode: true }], isExclusive: true }],
		});
	});

	test("[control 25] MagicDNS short and full names resolve; ExtraRecords resolve; empty Routes value handled", () => {
		const one = lab();
		const addresses = (name: string) => {
			const found = one.netmap.names.resolve(name);
			return found.kind === "addresses" ? found.addresses : found.kind;
		};
		expect(["me", "six", "printer", "bob.example.ts.net", "shared.other.ts.net", "gone", "192.0.2.1", "::1"].map(addresses)).toEqual([
			["100.64.0.1"],
			["fd7a:115c:a1e0::3"],
			["100.64.3.3", "fd7a:115c:a1e0::33"],
			["100.64.0.2"],
			["100.64.0.6"],
			["100.64.0.5"],
			["192.0.2.1"],
			["::1"],
		]);
		check(one, [
			["web.quiet.example", "A", "100.64.0.2"],
			["other.quiet.example", "A", "no-such-name"],
			["quiet.example", "A", "no-such-name"],
			["still.example", "A", "no-such-name"],
			["unquiet.example", "A", "forward 192.0.2.53"],
		]);
		expect(["", ".", "a..b", "x".repeat(64), `${"abcdefgh.".repeat(29)}x`].map((name) => one.netmap.names.resolve(name).kind)).toEqual([
			"bad-name",
			"bad-name",
			"bad-name",
			"bad-name",
			"bad-name",
		]);
	});

	test("short names work where control names no search domain", () => {
		const one = lab({}, {});
		expect(one.netmap.names.resolve("bob")).toEqual({ kind: "addresses", addresses: ["100.64.0.2"] });
		expect(one.netmap.names.resolve("nobody")).toEqual({ kind: "ask", questions: [{ name: "nobody", resolvers: [], isExclusive: false }] });
		check(one, [["nobody.example.ts.net", "A", "forward "]]);
	});

	test("types other than addresses: NOERROR, NOTIMP; the first address answers ANY", () => {
		check(lab(), [
			["bob.example.ts.net", "AAAA", "empty"],
			["bob.example.ts.net", "ANY", "100.64.0.2"],
			["bob.example.ts.net", "NS", "not-implemented"],
			["bob.example.ts.net", "SOA", "not-implemented"],
			["bob.example.ts.net", "other", "empty"],
			["six.example.ts.net", "A", "empty"],
			["six.example.ts.net", "AAAA", "fd7a:115c:a1e0::3"],
			["nobody.example.com", "NS", "forward 192.0.2.53"],
			["text.example.ts.net", "other", "no-such-name"],
			["bad.example.ts.net", "A", "no-such-name"],
			["hidden.onion", "A", "no-such-name"],
			["onion.example.ts.net", "A", "no-such-name"],
			["magicdns.localhost-tailscale-daemon.", "A", "100.100.100.100"],
			["magicdns.localhost-tailscale-daemon.", "AAAA", "fd7a:115c:a1e0::53"],
		]);
	});

	test("IPv6 of a node with IPv4 is shown with magicdns-aaaa, and where we have only IPv6", () => {
		check(lab({ CapMap: { "magicdns-aaaa": null } }), [
			["bob.example.ts.net", "A", "100.64.0.2"],
			["bob.example.ts.net", "AAAA", "fd7a:115c:a1e0::2"],
			[reverse6("2.0.0"), "PTR", "bob.example.ts.net"],
		]);
		check(lab({ Addresses: ["fd7a:115c:a1e0::1/128"] }), [
			["bob.example.ts.net", "A", "empty"],
			["bob.example.ts.net", "AAAA", "fd7a:115c:a1e0::2"],
			["app.example.ts.net", "AAAA", "empty"],
		]);
		check(lab(), [[reverse6("2.0.0"), "PTR", "no-such-name"]]);
	});

	test("names below a node with dns-subdomain-resolve are its own", () => {
		check(lab(), [
			["x.app.example.ts.net", "A", "100.64.0.4"],
			["a.b.app.example.ts.net", "A", "100.64.0.4"],
			["x.bob.example.ts.net", "A", "no-such-name"],
			["x.me.example.ts.net", "A", "no-such-name"],
		]);
		check(lab({ CapMap: { "dns-subdomain-resolve": null } }), [["x.me.example.ts.net", "A", "100.64.0.1"]]);
	});

	test("reverse names: ours, the service's, 4-to-6, unknown ones inside and outside, Bonjour", () => {
		check(lab(), [
			["1.0.64.100.in-addr.arpa", "PTR", "me.example.ts.net"],
			["100.100.100.100.in-addr.arpa", "PTR", "magicdns.localhost-tailscale-daemon"],
			["9.9.64.100.in-addr.arpa", "PTR", "no-such-name"],
			["9.9.127.100.in-addr.arpa", "PTR", "no-such-name"],
			["9.9.128.100.in-addr.arpa", "PTR", "forward 192.0.2.53"],
			["9.9.63.100.in-addr.arpa", "PTR", "forward 192.0.2.53"],
			["1.2.0.192.in-addr.arpa", "PTR", "forward 192.0.2.53"],
			["3.3.64.100.in-addr.arpa", "PTR", "printer.example.ts.net"],
			[reverse6("9.9.0"), "PTR", "no-such-name"],
			["2.0.0.0.0.4.2.6.6.9.d.c.3.4.8.4.2.1.b.a.0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa", "PTR", "bob.example.ts.net"],
			["b._dns-sd._udp.0.0.168.192.in-addr.arpa", "PTR", "no-such-name"],
			["x.ip6.arpa", "PTR", "forward 192.0.2.53"],
		]);
	});

	test("4via6 names", () => {
		check(lab(), [
			["10-1-2-3-via-7", "AAAA", "fd7a:115c:a1e0:b1a:0:7:a01:203"],
			["10-1-2-3-via-0xff.example.ts.net", "AAAA", "fd7a:115c:a1e0:b1a:0:ff:a01:203"],
			["via-7.10.1.2.3", "ANY", "fd7a:115c:a1e0:b1a:0:7:a01:203"],
			["10.1.2.3.via-4294967295", "AAAA", "fd7a:115c:a1e0:b1a:ffff:ffff:a01:203"],
			["10-1-2-3-via-7", "A", "empty"],
			["10-1-2-3-via-7.example.com", "AAAA", "forward 192.0.2.53"],
			["10-1-2-via-7.example.ts.net", "AAAA", "no-such-name"],
			["10-1-2-3-via-4294967296", "AAAA", "forward 192.0.2.53"],
		]);
	});

	test("with our own key expired nothing is known; names follow the map at once", () => {
		check(lab({ Expired: true }), [
			["bob.example.ts.net", "A", "forward "],
			["db.corp.example", "A", "forward "],
		]);
		const one = lab();
		one.feed({ PeersRemoved: [2], PeersChanged: [node(7, { Name: "new.example.ts.net." })] });
		check(one, [
			["bob.example.ts.net", "A", "no-such-name"],
			["new.example.ts.net", "A", "100.64.0.7"],
		]);
		one.feed({ DNSConfig: { Proxied: false } });
		check(one, [
			["bob.example.ts.net", "A", "forward "],
			["new.example.ts.net", "A", "100.64.0.7"],
			["printer.example.ts.net", "A", "forward "],
		]);
	});
});
