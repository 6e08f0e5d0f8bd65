/** The facts as JSON, and what carries them. */
import { utf8Decode } from "tailnet/host";
import { Cutter } from "../../../status/body.js";
import { factsOf } from "../../../status/facts.js";
import { layersOf } from "../../../status/layers.js";
import { describe, expect, test } from "../../harness.js";
import { FakeNode, peer } from "./fake.js";

const viewer = { name: "laptop.example.ts.net", address: "100.64.0.2", user: "7", login: "alice@example.com", mayAct: false };

describe("facts", () => {
	test("are one line of JSON that says what is known, and null for what is not", () => {
		const node = new FakeNode();
		node.activePeers = [peer(), peer({ id: "3", path: "DERP fra", latencyMS: undefined, sinceHandshakeMS: undefined, online: undefined })];
		const text = [...factsOf(node.face, viewer, () => ({ heap: 1234 }))].join("");
		expect(text).not.toContain("\n");
		expect(JSON.parse(text)).toEqual({
			version: 1,
			viewer,
			node: { name: node.name, addresses: node.addresses, state: "running", reason: "", homeRegion: "fra", keyExpiry: node.keyExpiry },
			layers: layersOf([]),
			netcheck: {
				ageMS: expect.any(Number),
				udp: true,
				ipv4: true,
				ipv6: false,
				mappingVaries: null,
				globalV4: "192.0.2.1:41641",
				globalV6: "",
				regions: [
					{ code: "fra", latencyMS: 8, isHome: true },
					{ code: "par", latencyMS: null, isHome: false },
				],
			},
			peerCount: 7,
			peers: [
				{
					id: "2",
					name: "laptop.example.ts.net",
					address: "100.64.0.2",
					online: true,
					path: "192.0.2.7:41641",
					isDirect: true,
					latencyMS: 12.5,
					bytesSent: 1000,
					bytesReceived: 2000,
					sinceHandshakeMS: 3000,
				},
				{
					id: "3",
					name: "laptop.example.ts.net",
					address: "100.64.0.2",
					online: null,
					path: "DERP fra",
					isDirect: false,
					latencyMS: null,
					bytesSent: 1000,
					bytesReceived: 2000,
					sinceHandshakeMS: null,
				},
			],
			pools: [
				{ name: "sockets", used: 2, size: 8 },
				{ name: "peers", used: 1, size: 4 },
			],
			refusals: [{ name: "paths.full", count: 3 }],
			memory: [
				{ name: "native core", bytes: 500 },
				{ name: "network map", bytes: 600 },
				{ name: "heap", bytes: 1234 },
			],
		});
	});

	test("of a node that knows nothing yet, or is closed, are JSON all the same", () => {
		const node = new FakeNode();
		Object.assign(node, { name: "", addresses: [], state: "stopped", homeRegion: undefined, keyExpiry: undefined, lastNetcheck: undefined, relays: [] });
		Object.assign(node, { counters: {}, activePeers: [], peerCount: 0 });
		const facts = JSON.parse([...factsOf(node.face, viewer)].join(""));
		expect([facts.netcheck, facts.peers, facts.node.keyExpiry, facts.pools[0]]).toEqual([null, [], null, { name: "sockets", used: 0, size: 0 }]);
	});

	test("names and reasons are texts whatever is in them: nothing ends an event or the JSON early", () => {
		const node = new FakeNode();
		const hostile = '</script><img src=x onerror=alert(1)>\n\nevent: status\ndata: {"node":1}\r\n\u2028"\\';
		node.activePeers = [peer({ name: hostile })];
		node.reason = hostile;
		node.health = [{ id: "control:x", severity: "low", text: hostile }];
		const text = [...factsOf(node.face, { ...viewer, name: hostile })].join("");
		expect(/[\r\n]/.test(text)).toBe(false);
		const facts = JSON.parse(text);
		expect([facts.viewer.name, facts.node.reason, facts.peers[0].name]).toEqual([hostile, hostile, hostile]);
	});

	test("are made piece by piece: a peer is looked at when the pieces before are gone, and no piece has more than one", () => {
		const node = new FakeNode();
		let looked = 0;
		const peers = {
			*[Symbol.iterator]() {
				for (let i = 0; i < 200; i += 1) {
					looked += 1;
					yield peer({ id: String(i) });
				}
			},
		};
		Object.assign(node, { activePeers: peers });
		const pieces = factsOf(node.face, viewer);
		for (let i = 0; i < 6; i += 1) expect((pieces.next().value as string).length).toBeLessThan(1500);
		expect(looked).toBe(2);
		expect([...pieces].every((piece) => piece.length < 1500)).toBe(true);
	});
});

describe("layers", () => {
	test("say how each is by its gravest condition; a condition of nobody's is the map's", () => {
		const layers = layersOf([
			{ id: "relay-problem", severity: "low", text: "a" },
			{ id: "relay-down", severity: "high", text: "b" },
			{ id: "control:anything", severity: "medium", text: "c" },
			{ id: "key-expires-soon", severity: "low", text: "d" },
			{ id: "board-option:X", severity: "low", text: "e" },
		]);
		expect(layers.map(({ name, word }) => `${name} ${word}`)).toEqual([
			"control well",
			"key note",
			"network well",
			"relay failing",
			"udp well",
			"netmap impaired",
			"pools well",
			"board note",
		]);
		expect(layersOf([]).some(({ name }) => name === "board")).toBe(false);
	});
});

describe("cutter", () => {
	test("gives what there is room for, and joined it is the same, characters of several bytes among it", () => {
		const pieces = ["", "grün ", "", "日本 🦎", "end", ""];
		for (let space = 1; space < 12; space += 1) {
			const cutter = new Cutter();
			cutter.begin(pieces[Symbol.iterator](), "(", ")");
			const bytes: number[] = [];
			for (let part = cutter.next(space); part; part = cutter.next(space)) {
				expect(part.length > 0 && part.length <= space).toBe(true);
				bytes.push(...part);
			}
			expect([utf8Decode(Uint8Array.from(bytes)), cutter.isEmpty]).toEqual([`(${pieces.join("")})`, true]);
		}
	});
});
