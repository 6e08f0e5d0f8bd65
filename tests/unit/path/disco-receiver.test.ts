/** What the node does with DISCO packets: protocol/relay.md §5.2 and protocol/paths.md §10.3. */
import { endpointToText, parseEndpoint } from "../../../modules/netmap/address.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/disco.json" with { type: "json" };
import { changeOf, describeSent, type Stranger, TestNode } from "./nodes.js";

const v4 = "198.51.100.1:41641";
const v6 = "[2001:db8::9]:41641";

function said(node: TestNode, stranger: Stranger): string[] {
	return node.take().map((sent) => describeSent(stranger, sent));
}

describe("incoming DISCO", () => {
	test("[relay 11, relay 12] a ping over UDP is answered at once to its source, with its id and that address", () => {
		for (const from of [v4, v6]) {
			const node = new TestNode(1);
			const peer = node.meet(2);
			const transaction = peer.transaction();
			node.table.disco.receiveUDP(from, peer.ping(transaction), 0);
			const [pong, ...more] = node.take();
			expect(more).toEqual([]);
			expect(pong?.to).toBe(`udp ${from}`);
			const message = peer.read(pong?.packet as Uint8Array);
			expect(message?.type).toBe("pong");
			if (message?.type !== "pong") return;
			expect(toHex(message.transaction)).toBe(toHex(transaction));
			expect(toHex(message.source)).toBe(from === v4 ? "00000000000000000000ffffc6336401a2a9" : "20010db8000000000000000000000009a2a9");
		}
	});

	test("[relay 13] a ping over DERP is answered over that region to its source, with 127.3.3.40 and the region", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { homeRegion: 3 });
		node.table.disco.receiveDERP(10, peer.nodeKey, peer.ping(), 0);
		expect(said(node, peer)).toEqual([`derp 10 ${toHex(peer.nodeKey).slice(0, 8)} pong 127.3.3.40:10`]);
		expect(node.table.active).toBe(0);
		const stranger = new Random(9).bytes(32);
		node.table.disco.receiveDERP(10, stranger, peer.ping(), 1);
		expect(said(node, peer)).toEqual([]);
	});

	test("[relay 14, paths 34] a ping with 1208 bytes of padding, or of 1472 bytes in all, is answered with a pong of 110 bytes", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		for (const padding of [1208, 1472 - 124]) {
			node.table.disco.receiveUDP(v4, peer.seal({ type: "ping", transaction: peer.transaction(), nodeKey: peer.nodeKey, padding }), 0);
			expect(node.take().map((sent) => sent.packet.length)).toEqual([110]);
		}
	});

	test("[relay 15] a ping without node key is answered when exactly one peer has the sender key", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		node.table.disco.receiveUDP(v4, peer.ping(peer.transaction(), false), 0);
		expect(said(node, peer)).toEqual([`udp ${v4} pong ${v4}`]);
	});

	test("[relay 16] the same datagram twice gets one pong", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const ping = peer.ping();
		node.table.disco.receiveUDP(v4, ping, 0);
		node.table.disco.receiveUDP(v4, ping, 1);
		expect(said(node, peer)).toEqual([`udp ${v4} pong ${v4}`]);
		expect(node.table.disco.copies).toBe(1);
	});

	test("[relay 17] our pings carry our node key and are 124 bytes; pongs are 110, CallMeMaybes 80 + 18 an endpoint", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		const sent = node.take();
		expect(sent.map((one) => [one.to, one.packet.length])).toEqual([
			[`udp ${v4}`, 124],
			[`derp 1 ${toHex(peer.nodeKey).slice(0, 8)}`, 98],
		]);
		const ping = peer.read(sent[0]?.packet as Uint8Array);
		expect(ping?.type === "ping" && ping.nodeKey && toHex(ping.nodeKey)).toBe(toHex(node.nodeKey));
		const call = peer.read(sent[1]?.packet as Uint8Array);
		expect(call?.type === "call-me-maybe" && call.endpoints.map((bytes) => endpointToText(bytes))).toEqual(["203.0.113.77:41641"]);
	});

	test("[relay 19, paths 21] a pong with an id never sent, sent to another peer, older than 5 s or already answered changes no path", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		const other = node.meet(3, { endpoints: ["198.51.100.2:41641"] });
		node.send(peer.index, 0);
		node.send(other.index, 0);
		const ping = node.take().find((sent) => sent.to === `udp ${v4}`)?.packet as Uint8Array;
		const good = peer.pongFor(ping);
		const { transaction } = peer.read(ping) as { transaction: Uint8Array };
		const source = parseEndpoint(v4) as Uint8Array;
		node.takeRecords();
		node.table.disco.receiveUDP(v4, peer.seal({ type: "pong", transaction: new Uint8Array(12), source }), 10);
		node.table.disco.receiveUDP(v4, other.seal({ type: "pong", transaction, source }), 10);
		expect(node.table.disco.unknownTransaction).toBe(2);
		expect(node.takeRecords()).toEqual([]);
		node.table.disco.receiveUDP(v4, good, 20);
		expect(node.takeRecords()).toEqual([`path 0 ${v4} 6520 DERP 1`]);
		node.table.disco.receiveUDP(v4, good, 30);
		expect(node.takeRecords()).toEqual([]);
		expect(node.table.disco.unknownTransaction).toBe(3);
		node.send(other.index, 6_000);
		const late = node.take().find((sent) => sent.to === "udp 198.51.100.2:41641")?.packet as Uint8Array;
		node.table.disco.receiveUDP(v4, other.pongFor(late), 11_001);
		expect(node.table.peer(other.index)?.endpoint.best).toBe("");
	});

	test("[relay 20, paths 22] a pong from another address than was pinged proves the pinged address; a forged box proves nothing", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		const ping = node.take()[0]?.packet as Uint8Array;
		const pong = peer.pongFor(ping);
		const forged = pong.slice();
		forged[100] = (forged[100] as number) ^ 1;
		node.table.disco.receiveUDP(v4, forged, 10);
		expect(node.table.peer(peer.index)?.endpoint.best).toBe("");
		expect(node.table.disco.failures.failed).toBe(1);
		node.table.disco.receiveUDP("192.0.2.99:9", pong, 20);
		expect(node.table.peer(peer.index)?.endpoint.best).toBe(v4);
	});

	test("[paths 25] a pong over DERP never makes a UDP path", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		const ping = node.take()[0]?.packet as Uint8Array;
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.pongFor(ping), 20);
		expect(node.table.peer(peer.index)?.endpoint.best).toBe("");
	});

	test("[relay 21, paths 28] a CallMeMaybe over UDP, from an unknown DERP source or one with another disco key is dropped", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const other = node.meet(3);
		node.table.disco.receiveUDP(v4, peer.callMeMaybe([v4]), 0);
		node.table.disco.receiveDERP(1, new Random(9).bytes(32), peer.callMeMaybe([v4]), 0);
		node.table.disco.receiveDERP(1, other.nodeKey, peer.callMeMaybe([v4]), 0);
		expect(node.table.disco.misplaced).toBe(3);
		expect(node.take()).toEqual([]);
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe([v4]), 0);
		expect(said(node, peer)).toEqual([`udp ${v4} ping`]);
	});

	test("[relay 22] a CallMeMaybe makes the node ping every endpoint at once except fe80::/10, also pinged ones, and sends none back", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		node.take();
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe(["[fe80::1]:1", v6, v4]), 100);
		expect(said(node, peer).sort()).toEqual([`udp ${v4} ping`, `udp ${v6} ping`]);
	});

	test("[relay 23, relay 24] a second CallMeMaybe removes what only the first had; one of 17 bytes removes all and does not throw", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const names = (): string[] => [...(node.table.peer(peer.index)?.endpoint.candidates ?? [])].map(([address]) => address);
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe([v4, v6]), 0);
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe([v6]), 10);
		expect(names()).toEqual([v6]);
		const broken = peer.box.seal(node.box.publicKey, fromHex(`0300${"00".repeat(17)}`)) as Uint8Array;
		node.table.disco.receiveDERP(1, peer.nodeKey, broken, 20);
		expect(names()).toEqual([]);
		expect(node.table.disco.callMeMaybes).toBe(3);
	});

	test("[relay 25, paths 35] another disco key: next ping sealed to it, packets of the old one dropped, path kept, session dropped", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		node.table.disco.receiveUDP(v4, peer.pongFor(node.take()[0]?.packet as Uint8Array), 20);
		const old = peer.ping();
		peer.box = peer.newBox();
		(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
		node.takeRecords();
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 100);
		expect(node.takeRecords()).toEqual(["drop 0"]);
		expect(node.table.peer(peer.index)?.endpoint.best).toBe(v4);
		node.table.disco.receiveUDP(v4, old, 200);
		expect(node.take()).toEqual([]);
		expect(node.table.disco.unknownKey).toBe(1);
		// The key shared with the old one is not kept: to open its packets it would have to be computed again.
		const before = node.box.operations;
		node.box.open(old);
		expect(node.box.operations).toBe(before + 2);
		node.table.tick(3_000);
		expect(said(node, peer)).toEqual([`udp ${v4} ping`]);
	});

	test("[relay 28] a replayed ping from a third address gets a pong but moves nothing", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		node.table.disco.receiveUDP(v4, peer.pongFor(node.take()[0]?.packet as Uint8Array), 20);
		const ping = peer.ping();
		node.table.disco.receiveUDP(v4, ping, 30);
		node.take();
		node.takeRecords();
		node.table.disco.receiveUDP("192.0.2.66:6", ping, 40);
		expect(said(node, peer)).toEqual(["udp 192.0.2.66:6 pong 192.0.2.66:6"]);
		expect(node.takeRecords()).toEqual([]);
		expect(node.table.peer(peer.index)?.endpoint.best).toBe(v4);
	});

	test("[relay 10, paths 23] an unknown sender key costs no X25519 and no box, and gets no answer", () => {
		const node = new TestNode(1);
		const stranger = node.meet(2);
		node.netmap.list[stranger.index] = undefined;
		const before = node.box.operations;
		for (let i = 0; i < 100; i += 1) node.table.disco.receiveUDP(v4, stranger.ping(), i);
		expect(node.box.operations).toBe(before);
		expect(node.table.disco.unknownKey).toBe(100);
		expect(node.take()).toEqual([]);
	});

	test("[relay 9] bad packets of the vectors are dropped; after 10,000 of them the good one is answered", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const bad: Uint8Array[] = [];
		const good = peer.ping();
		for (const vector of vectors.packets) {
			if (vector.opens && vector.senderIsKnownPeer) continue;
			const packet = fromHex(vector.packet);
			// The vectors are for receiver b and its peer a: the same faults, under our peer's key.
			if (vector.senderIsKnownPeer && packet.length >= 38) packet.set(peer.box.publicKey, 6);
			bad.push(packet);
		}
		for (let i = 0; i < 10_000; i += 1) node.table.disco.receiveUDP(`192.0.2.66:${1 + (i % 3)}`, bad[i % bad.length] as Uint8Array, Math.floor(i / 10));
		expect(node.take()).toEqual([]);
		expect(node.table.disco.failures.refused).toBeGreaterThan(1_000);
		node.table.disco.receiveUDP(v4, good, 1_000);
		expect(said(node, peer)).toEqual([`udp ${v4} pong ${v4}`]);
	});

	test("[paths 23] 1,000 pings a second from a valid peer: pongs are limited, candidates capped, another peer's heartbeat keeps its time", () => {
		const node = new TestNode(1);
		const flooder = node.meet(2);
		const friend = node.meet(3, { endpoints: [v4] });
		node.send(friend.index, 0);
		node.table.disco.receiveUDP(v4, friend.pongFor(node.take()[0]?.packet as Uint8Array), 20);
		let pongs = 0;
		const beats: number[] = [];
		for (let now = 21; now <= 3_020; now += 3) {
			node.table.disco.receiveUDP(`192.0.2.66:${1 + now}`, flooder.ping(), now);
			node.table.tick(now);
			for (const sent of node.take()) {
				if (sent.to === `udp ${v4}`) beats.push(now);
				else pongs += 1;
			}
		}
		expect(pongs).toBeLessThan(64 + 32 * 3 + 2);
		expect(pongs).toBeGreaterThan(64);
		expect(beats).toEqual([3_000]);
		expect(node.table.peer(flooder.index)?.endpoint.candidates.size).toBeLessThanOrEqual(24);
		expect(node.table.disco.limited).toBeGreaterThan(500);
	});

	test("boxes of a peer that sends too many are not opened any more; what others send under its key takes nothing from it", () => {
		const node = new TestNode(1);
		const flooder = node.meet(2);
		const friend = node.meet(3);
		let opened = 0;
		const { open } = node.box;
		node.box.open = (packet) => {
			opened += 1;
			return open.call(node.box, packet);
		};
		const ping = flooder.ping();
		for (let i = 0; i < 4_000; i += 1) node.table.disco.receiveUDP(v4, ping, i / 2);
		expect(opened).toBeGreaterThan(128);
		expect(opened).toBeLessThanOrEqual(128 + 64 * 2 + 1);
		const forged = friend.ping();
		forged[40] = (forged[40] as number) ^ 1;
		for (let i = 0; i < 400; i += 1) node.table.disco.receiveUDP(`192.0.2.66:${1 + i}`, forged, 2_000);
		node.take();
		node.table.disco.receiveUDP(v6, friend.ping(), 2_000);
		expect(said(node, friend)).toEqual([`udp ${v6} pong ${v6}`]);
	});

	test("[paths 34] messages of peer relays are ignored", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		for (const vector of vectors.cases) {
			const type = vector.plaintext.slice(0, 2);
			if (type < "04") continue;
			const packet = peer.box.seal(node.box.publicKey, fromHex(vector.plaintext)) as Uint8Array;
			node.table.disco.receiveUDP(v4, packet, 0);
			node.table.disco.receiveDERP(1, peer.nodeKey, packet, 0);
		}
		expect(node.take()).toEqual([]);
		expect(node.table.disco.relay).toBe(2 * vectors.cases.filter((vector) => vector.plaintext >= "04").length);
	});

	test("[relay 8] unknown types and short bodies are dropped and counted", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		for (const plaintext of ["", "01", "0100", "ff00", "0a000102"]) {
			node.table.disco.receiveUDP(v4, peer.box.seal(node.box.publicKey, fromHex(plaintext)) as Uint8Array, 0);
		}
		expect(node.table.disco.unreadable).toBe(5);
		expect(node.take()).toEqual([]);
	});

	test("of a CallMeMaybe with more than 16 addresses the first 16 are taken", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const endpoints = Array.from({ length: 22 }, (_, i) => `198.51.100.9:${i + 1}`);
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe(endpoints), 0);
		expect(said(node, peer)).toEqual(endpoints.slice(0, 16).map((endpoint) => `udp ${endpoint} ping`));
	});

	test("a CallMeMaybe flood of a valid peer makes few pings", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		for (let now = 0; now < 2_000; now += 10) node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe([v4, v6]), now);
		expect(node.take().length).toBeLessThanOrEqual(2 * 7);
		expect(node.table.disco.limited).toBeGreaterThan(100);
	});

	test("[relay 4] any bytes of any length: no exception, no answer", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const random = new Random(3);
		for (const length of [0, 1, 19, 20, 37, 38, 61, 62, 77, 78]) {
			for (let i = 0; i < 20; i += 1) {
				const packet = random.bytes(length);
				if (i > 5) packet.set(fromHex(vectors.magic).subarray(0, length));
				if (i > 10 && length >= 38) packet.set(peer.box.publicKey, 6);
				node.table.disco.receiveUDP(v4, packet, 0);
				node.table.disco.receiveDERP(1, peer.nodeKey, packet, 0);
			}
		}
		expect(node.take()).toEqual([]);
	});

	test("one disco key of two nodes: both get the candidate, one pong goes", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		const twin = node.netmap.add({ nodeKey: new Random(8).bytes(32), discoKey: peer.box.publicKey });
		node.table.disco.receiveUDP(v4, peer.seal({ type: "ping", transaction: peer.transaction(), padding: 0 }), 0);
		expect(said(node, peer)).toEqual([`udp ${v4} pong ${v4}`]);
		expect(node.table.peer(peer.index)?.endpoint.candidates.has(v4)).toBe(true);
		expect(node.table.peer(twin)?.endpoint.candidates.has(v4)).toBe(true);
	});
});
