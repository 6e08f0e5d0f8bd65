/** Packets that the node makes itself, and the pings that people ask for: protocol/tunnel.md §5. */
import { TailnetError } from "../../../modules/errors.js";
import { parseAddress } from "../../../modules/netmap/address.js";
import { type AddressPair, addressPair, tsmpPongData } from "../../../modules/path/ip-packet.js";
import { type PingKind, type PingResult, Pings } from "../../../modules/path/ping.js";
import { echoRequests, tsmpPings, tsmpPongs } from "../../checks/tsmp.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/tsmp.json" with { type: "json" };
import { TestNode } from "./nodes.js";

const address = (text: string): Uint8Array => parseAddress(text) as Uint8Array;
const v6: AddressPair = { source: address("fd7a:115c:a1e0::1"), destination: address("fd7a:115c:a1e0::2") };

describe("own packets", () => {
	for (const { name, run } of tsmpPings(vectors)) test(`TSMP pings are those of the official sender: ${name}`, run);
	for (const { name, run } of tsmpPongs(vectors)) test(`its pongs are read: ${name}`, run);
	for (const { name, run } of echoRequests(vectors)) test(`echo requests are those of the official sender: ${name}`, run);

	test("the first address of a peer whose family we have", () => {
		const pair = addressPair({ address4: undefined, address6: v6.source }, ["nonsense", "100.64.0.2", "fd7a:115c:a1e0::2"]);
		expect(toHex(pair?.destination as Uint8Array)).toBe(toHex(v6.destination));
	});

	test("pongs of 9 and of 11 bytes are read; anything else is none", () => {
		expect(toHex(tsmpPongData(fromHex("6f0102030405060708")) as Uint8Array)).toBe("0102030405060708");
		expect(toHex(tsmpPongData(fromHex("6f0102030405060708b26e")) as Uint8Array)).toBe("0102030405060708");
		for (const text of ["", "6f", "6f01020304050607", "700102030405060708"]) expect(tsmpPongData(fromHex(text))).toBeUndefined();
	});
});

class Asker {
	readonly node = new TestNode(1);
	readonly injected: Uint8Array[] = [];
	readonly results: (PingResult | string)[] = [];
	readonly pings: Pings;

	constructor() {
		const random = new Random(5);
		this.pings = new Pings({
			paths: this.node.table,
			peers: this.node.netmap.peers,
			self: { address4: address("100.64.0.1"), address6: undefined },
			tunnel: { inject: (packet) => this.injected.push(packet) },
			regionCode: (region) => (region === 1 ? "fra" : ""),
			random: (lengthBytes) => random.bytes(lengthBytes),
		});
	}

	ask(kind: PingKind, index: number, now: number): void {
		this.pings.start(kind, index, 5_000, now, (error, result) => {
			expect(error === undefined || error instanceof TailnetError).toBe(true);
			this.results.push(error ? error.code : (result as PingResult));
		});
	}
}

describe("pings", () => {
	test("disco: the first pong answers, over DERP or by UDP", () => {
		const asker = new Asker();
		const peer = asker.node.meet(2, { endpoints: ["198.51.100.1:41641"] });
		asker.ask("disco", peer.index, 0);
		expect(asker.pings.deadline).toBe(5_000);
		asker.pings.answered(1, 40, "", 1);
		asker.ask("disco", peer.index, 100);
		asker.pings.answered(2, 20, "198.51.100.1:41641", 0);
		asker.pings.answered(2, 30, "", 9);
		asker.ask("disco", peer.index, 200);
		asker.pings.answered(3, 20, "", 9);
		expect(asker.results).toEqual([
			{ latencyMS: 40, via: "DERP fra" },
			{ latencyMS: 20, via: "198.51.100.1:41641" },
			{ latencyMS: 20, via: "DERP 9" },
		]);
		expect(asker.pings.deadline).toBeUndefined();
	});

	test("tsmp: the pong with the same 8 bytes answers, once", () => {
		const asker = new Asker();
		const peer = asker.node.meet(2);
		asker.ask("tsmp", peer.index, 0);
		expect(asker.injected.map((packet) => [packet.length, packet[20]])).toEqual([[29, 0x70]]);
		const pong = new Uint8Array(11);
		pong[0] = 0x6f;
		expect(asker.pings.tsmp(pong, 10)).toBe(false);
		pong.set((asker.injected[0] as Uint8Array).subarray(21), 1);
		expect(asker.pings.tsmp(pong, 30)).toBe(true);
		expect(asker.pings.tsmp(pong, 40)).toBe(false);
		expect(asker.results).toEqual([{ latencyMS: 30, via: "DERP 0" }]);
	});

	test("icmp: the reply with the same id and sequence answers; via is the trusted path", () => {
		const asker = new Asker();
		const endpoint = "198.51.100.1:41641";
		const peer = asker.node.meet(2, { endpoints: [endpoint] });
		asker.node.table.ask(peer.index, 77, 0);
		const ping = asker.node.take().find((sent) => sent.to === `udp ${endpoint}`)?.packet as Uint8Array;
		asker.node.table.disco.receiveUDP(endpoint, peer.pongFor(ping), 20);
		asker.ask("icmp", peer.index, 100);
		const request = asker.injected[0] as Uint8Array;
		const id = ((request[24] as number) << 8) | (request[25] as number);
		const sequence = ((request[26] as number) << 8) | (request[27] as number);
		expect(asker.pings.echoReply(id, sequence ^ 1, 110)).toBe(false);
		expect(asker.pings.echoReply(id, sequence, 125)).toBe(true);
		expect(asker.results).toEqual([{ latencyMS: 25, via: endpoint }]);
	});

	test("no answer: timeout; closed: closed; a late pong finds nobody", () => {
		const asker = new Asker();
		const peer = asker.node.meet(2);
		for (const kind of ["disco", "tsmp", "icmp"] as const) asker.ask(kind, peer.index, 0);
		asker.pings.tick(4_999);
		expect(asker.results).toEqual([]);
		asker.pings.tick(5_000);
		expect(asker.results).toEqual(["timeout", "timeout", "timeout"]);
		asker.pings.answered(1, 5_001, "", 1);
		asker.ask("tsmp", peer.index, 6_000);
		asker.pings.close();
		expect(asker.results.slice(3)).toEqual(["closed"]);
	});

	test("no such peer, expired, no disco key, no family in common, too many", () => {
		const asker = new Asker();
		const peer = asker.node.meet(2);
		const entry = asker.node.netmap.list[peer.index] as { expired: boolean; discoKey: Uint8Array | undefined; address: string };
		asker.ask("disco", 99, 0);
		entry.expired = true;
		asker.ask("tsmp", peer.index, 0);
		entry.expired = false;
		entry.discoKey = undefined;
		asker.ask("disco", peer.index, 0);
		entry.address = "fd7a:115c:a1e0::2";
		asker.ask("icmp", peer.index, 0);
		expect(asker.results).toEqual(["not-found", "peer-expired", "no-route", "no-route"]);
		entry.address = "100.64.0.2";
		for (let i = 0; i < 33; i += 1) asker.ask("icmp", peer.index, 0);
		expect(asker.results.slice(4)).toEqual(["full"]);
	});
});
