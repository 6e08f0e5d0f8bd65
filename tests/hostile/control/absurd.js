/**
 * What a control server may send that no control server should: messages of a map poll, each beside what our node makes of it.
 *
 *   name     what is absurd
 *   message  ({node, peer, full}) => its JSON, or the bytes of the stream; node and peer are theirs of the map, full is a whole message
 *   outcome  "taken": the poll goes on, what could not be used is left out; "refused": the poll ends with a named error, and the next one is as ever
 *   says     a pattern of the error, or of the health condition, where one has to tell what was left out
 *   lasts    it is over with the next poll only, not with an honest message on the same
 */
import { framed as framedBytes } from "../../../dist/tests/lab/control-map.js";
import { encodeJSON } from "../../../dist/tests/lab/control-nodes.js";

const million = 1_000_000;
const deep = 10_000;
const longText = "x".repeat(10 * million);
/** IDs of the lab go beyond what a double holds. */
const json = encodeJSON;
const list = (count, entry) => `[${Array.from({ length: count }, (_, index) => entry(index)).join(",")}]`;
const nested = (depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const nestedObjects = (depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const key = (prefix, number) => `${prefix}:${number.toString(16).padStart(64, "0")}`;
/** A peer that nobody has, with members of its own. */
const invented = (number, members = {}) => ({
	ID: 7_000_000 + number,
	StableID: `invented-${number}`,
	Name: `invented-${number}.lab.ts.net.`,
	Key: key("nodekey", 0xabc000 + number),
	DiscoKey: key("discokey", 0xdef000 + number),
	Addresses: [`100.99.${number >> 8}.${number & 255}/32`],
	AllowedIPs: [`100.99.${number >> 8}.${number & 255}/32`],
	...members,
});
const changed = (...peers) => json({ PeersChanged: peers });
/** A message whose member is given as text, for what JSON.stringify would mend. */
const withText = (object, name, text) => `${json(object).slice(0, -1)},"${name}":${text}}`;
const framed = (text) => framedBytes(Buffer.from(text));
const tooLong = /longer than the working buffer/;
const tooDeep = /nested deeper/;

/** @type {{name: string, message: (map: object) => string | Buffer, outcome: "taken" | "refused", says?: RegExp, lasts?: true}[]} */
export default [
	// ---- Size ----
	{
		name: "a peer with a million AllowedIPs",
		message: () => changed(invented(1, { AllowedIPs: Array(million).fill("10.0.0.0/8") })),
		outcome: "refused",
		says: tooLong,
	},
	{
		name: "ourselves with a million AllowedIPs",
		message: ({ node }) => json({ Node: { ...node, AllowedIPs: Array(million).fill("10.0.0.0/8") } }),
		outcome: "taken",
	},
	{ name: "a peer with a name of 10 MB", message: () => changed(invented(2, { Name: longText })), outcome: "refused", says: tooLong },
	{
		name: "a peer with 100,000 endpoints",
		message: () => changed(invented(3, { Endpoints: Array(100_000).fill("192.0.2.1:1") })),
		outcome: "refused",
		says: tooLong,
	},
	{ name: "a domain of 10 MB", message: () => json({ Domain: longText }), outcome: "taken" },
	{ name: "a health text of 10 MB", message: () => json({ Health: [longText] }), outcome: "taken" },
	{ name: "a display message of 10 MB", message: () => json({ DisplayMessages: { a: { Title: longText, Text: longText } } }), outcome: "taken" },
	{ name: "a URL to show of 10 MB", message: () => json({ PopBrowserURL: `https://${longText}` }), outcome: "taken" },
	{ name: "a member's name of 10 MB", message: () => json({ [longText]: 1 }), outcome: "taken" },
	{
		name: "100,000 DNS records",
		message: () => json({ DNSConfig: { ExtraRecords: Array(100_000).fill({ Name: "a.b", Value: "100.64.0.1" }) } }),
		outcome: "taken",
	},
	{
		name: "100,000 DNS routes",
		message: () => json({ DNSConfig: { Routes: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`r${i}.x`, []])) } }),
		outcome: "taken",
	},
	{
		name: "100,000 rules of the filter",
		message: () => json({ PacketFilters: { base: Array(100_000).fill({ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }) } }),
		outcome: "taken",
	},
	{
		name: "a rule with a million sources",
		message: () =>
			json({ PacketFilters: { base: [{ SrcIPs: Array(million).fill("100.64.0.0/10"), DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }] } }),
		outcome: "taken",
	},
	{
		name: "10,000 named filters",
		message: () => json({ PacketFilters: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, []])) }),
		outcome: "taken",
		says: /named lists/,
		lasts: true,
	},
	{
		name: "10,000 relay regions",
		message: () =>
			json({
				DERPMap: { Regions: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [i + 1, { RegionID: i + 1, RegionCode: `r${i}`, Nodes: [] }])) },
			}),
		outcome: "taken",
	},
	{ name: "a million removed peers that never were", message: () => `{"PeersRemoved":${list(million, (i) => 8_000_000 + i)}}`, outcome: "taken" },
	{
		name: "100,000 patches of peers that never were",
		message: () => json({ PeersChangedPatch: Array.from({ length: 100_000 }, (_, i) => ({ NodeID: 8_000_000 + i, Online: true })) }),
		outcome: "taken",
	},
	{
		name: "100,000 words on who is online",
		message: () => json({ OnlineChange: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [8_000_000 + i, true])) }),
		outcome: "taken",
	},
	// ---- Depth ----
	{ name: "an unknown member 10,000 deep", message: () => `{"Unknown":${nested(deep)}}`, outcome: "refused", says: tooDeep },
	{ name: "an unknown member 10,000 objects deep", message: () => `{"Unknown":${nestedObjects(deep)}}`, outcome: "refused", says: tooDeep },
	{
		name: "capabilities of a peer 10,000 deep",
		message: () => `{"PeersChanged":[${withText(invented(4), "CapMap", `{"a":${nested(deep)}}`)}]}`,
		outcome: "refused",
		says: tooDeep,
	},
	{ name: "peers that are lists in lists", message: () => `{"Peers":${nested(deep)}}`, outcome: "refused", says: tooDeep },
	{ name: "a filter 10,000 deep", message: () => `{"PacketFilters":{"base":${nested(deep)}}}`, outcome: "refused", says: tooDeep },
	// ---- Kind ----
	{ name: "texts where numbers belong", message: () => changed(invented(5, { ID: "seven" })), outcome: "refused" },
	{ name: "numbers where texts belong", message: () => changed(invented(6, { Name: 6 })), outcome: "refused" },
	{ name: "a list where the message belongs", message: () => "[]", outcome: "taken" },
	{
		name: "null for everything",
		message: () =>
			json({
				Node: null,
				Peers: null,
				PeersChanged: null,
				DERPMap: null,
				DNSConfig: null,
				PacketFilter: null,
				PacketFilters: null,
				UserProfiles: null,
				Health: null,
				DisplayMessages: null,
				TKAInfo: null,
				PingRequest: null,
			}),
		outcome: "taken",
	},
	{ name: "a negative ID", message: () => changed(invented(7, { ID: -7 })), outcome: "refused", says: /ID/ },
	{
		name: "an ID of 2^63",
		message: () => `{"PeersChanged":[${withText({ ...invented(8), ID: undefined }, "ID", "9223372036854775808")}]}`,
		outcome: "taken",
	},
	{ name: "an ID with a fraction", message: () => `{"PeersChanged":[${withText({ ...invented(9), ID: undefined }, "ID", "1.5")}]}`, outcome: "refused" },
	{
		name: "a number of 10,000 digits",
		message: () => `{"PeersChanged":[${withText({ ...invented(10), ID: undefined }, "ID", "9".repeat(deep))}]}`,
		outcome: "refused",
	},
	{ name: "a number beyond every double", message: () => `{"PeersChanged":[${withText(invented(42), "HomeDERP", "1e999")}]}`, outcome: "refused" },
	{ name: "sleep for a negative time", message: () => json({ Debug: { SleepSeconds: -5 } }), outcome: "taken" },
	{
		name: "100,000 display messages",
		message: () => json({ DisplayMessages: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`m${i}`, { Title: "a", Text: "b" }])) }),
		outcome: "taken",
	},
	{ name: "keys of zeros", message: () => changed(invented(11, { Key: key("nodekey", 0), DiscoKey: key("discokey", 0) })), outcome: "taken" },
	{ name: "keys that are none", message: () => changed(invented(12, { Key: "nodekey:zz" })), outcome: "refused" },
	{ name: "times that are none", message: () => changed(invented(13, { KeyExpiry: "tomorrow", LastSeen: "9999999-99-99T99:99:99Z" })), outcome: "refused" },
	{ name: "prefixes that are none", message: () => changed(invented(14, { AllowedIPs: ["300.1.1.1/32", "10.0.0.0/99", "::/-1", ""] })), outcome: "taken" },
	{ name: "a time of control in the year 9999", message: () => json({ ControlTime: "9999-12-31T23:59:59Z", Health: [] }), outcome: "taken" },
	{
		name: "ports out of range",
		message: () => json({ PacketFilters: { base: [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 70_000, Last: -1 } }] }] } }),
		outcome: "refused",
	},
	{
		name: "a relay map of negative regions",
		message: () => json({ DERPMap: { Regions: { "-1": { RegionID: -1, RegionCode: "", Nodes: null } } } }),
		outcome: "taken",
		says: /no relay/,
	},
	// ---- What contradicts itself ----
	{ name: "a member twice", message: () => `{"PeersChanged":[${json(invented(15))}],"PeersChanged":[${json(invented(16))}]}`, outcome: "taken" },
	{ name: "two keys of one peer", message: () => `{"PeersChanged":[${withText(invented(17), "Key", json(key("nodekey", 0xabcfff)))}]}`, outcome: "taken" },
	{ name: "a peer twice", message: () => changed(invented(18), invented(18)), outcome: "taken" },
	{ name: "two peers of one key", message: () => changed(invented(19), { ...invented(20), Key: invented(19).Key }), outcome: "taken" },
	{
		name: "two peers of one address",
		message: () => changed(invented(21), { ...invented(22), Addresses: invented(21).Addresses, AllowedIPs: invented(21).AllowedIPs }),
		outcome: "taken",
	},
	{ name: "a peer with our key", message: ({ node }) => changed(invented(23, { Key: node.Key })), outcome: "taken" },
	{
		name: "a peer with our address",
		message: ({ node }) => changed(invented(24, { Addresses: node.Addresses, AllowedIPs: node.Addresses })),
		outcome: "taken",
	},
	{
		name: "a peer with our name, and one with the honest peer's",
		message: ({ node, peer }) => changed(invented(25, { Name: node.Name }), invented(26, { Name: peer.Name })),
		outcome: "taken",
	},
	{
		name: "a record that leads to itself",
		message: () =>
			json({
				DNSConfig: {
					ExtraRecords: [
						{ Name: "a.lab.ts.net", Type: "CNAME", Value: "a.lab.ts.net" },
						{ Name: "b.lab.ts.net", Value: "b.lab.ts.net" },
					],
				},
			}),
		outcome: "taken",
	},
	{
		name: "names that are none",
		message: () =>
			changed(
				...["", ".", "..", "a..b.", `${"a".repeat(300)}.lab.ts.net.`, "\u0000.lab.ts.net.", "\ud800.lab.ts.net."].map((Name, i) => invented(30 + i, { Name })),
			),
		outcome: "taken",
	},
	{ name: "a peer that is removed and changed", message: () => json({ PeersChanged: [invented(40)], PeersRemoved: [7_000_040] }), outcome: "taken" },
	{ name: "all peers removed, and all there are as well", message: ({ full, peer }) => json({ ...full, PeersRemoved: [peer.ID] }), outcome: "taken" },
	// ---- Framing ----
	{ name: "a message of 0 bytes", message: () => Buffer.alloc(4), outcome: "refused", says: /0 bytes/ },
	{ name: "a message that is not JSON", message: () => "{]", outcome: "refused", says: /not JSON/ },
	{ name: "a message that ends in its middle", message: () => '{"Health":["', outcome: "refused", says: /in the middle/ },
	{ name: "bytes after the message's JSON", message: () => '{"KeepAlive":true}}', outcome: "refused", says: /not JSON/ },
	{
		name: "text that is not UTF-8",
		message: () => framed(`{"Domain":"${"\u0080"}"}`).map((byte) => (byte === 0xc2 ? 0xff : byte)),
		outcome: "taken",
	},
	{ name: "a million bytes of white space", message: () => `{${" ".repeat(million)}}`, outcome: "taken" },
	{ name: "20,000 messages at once", message: () => Buffer.concat(Array(20_000).fill(framed('{"KeepAlive":true}'))), outcome: "taken" },
	{
		name: "20,000 changes of one peer at once",
		message: () => Buffer.concat(Array.from({ length: 20_000 }, (_, i) => framed(changed(invented(41, { Name: `n${i}.lab.ts.net.` }))))),
		outcome: "taken",
	},
	{
		name: "5,000 requests for a ping",
		message: () =>
			Buffer.concat(
				Array.from({ length: 5000 }, (_, i) =>
					framed(json({ PingRequest: { URL: `http://127.0.0.1:9/${i}`, Types: "TSMP,ICMP,disco,peerapi", IP: "100.99.0.1" } })),
				),
			),
		outcome: "taken",
	},
];
