/** The table of active peers: slots, netmap changes, CallMeMaybes that wait, questions. */
import { parseAddress } from "../../../modules/netmap/address.js";
import { describe, expect, Random, test, toHex } from "../../harness.js";
import { changeOf, type Stranger, TestNode } from "./nodes.js";

const v4 = "198.51.100.1:41641";

function strangers(node: TestNode, count: number): Stranger[] {
	return Array.from({ length: count }, (_, i) => node.meet(100 + i, { endpoints: [`198.51.100.${i + 1}:1`] }));
}

describe("path table", () => {
	test("a wanted address: PEER and PATH with what the netmap says, then pings and a CallMeMaybe", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4], homeRegion: 5 });
		node.send(peer.index, 0);
		expect(node.takeRecords()).toEqual(["peer 0", "path 0 none 0 DERP 5"]);
		const record = node.peers[0];
		expect(record?.handle).toBe(0x10000);
		expect(toHex(record?.publicKey as Uint8Array)).toBe(toHex(peer.nodeKey));
		expect(record?.homeRegion).toBe(5);
		expect(record?.capabilities).toEqual([7]);
		expect(toHex(record?.prefixes as Uint8Array)).toBe("00000000000000000000ffff644001018001");
		expect(node.take().length).toBe(2);
		expect(node.table.deadline).toBe(3_000);
	});

	test("an address that nobody owns: nothing", () => {
		const node = new TestNode(1);
		node.table.peerWantedByAddress(parseAddress("100.99.0.1") as Uint8Array, 0);
		node.table.peerWantedByKey(new Random(4).bytes(32), 0);
		expect(node.takeRecords()).toEqual([]);
	});

	test("a wanted key: the same, without a ping of ours", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.table.peerWantedByKey(peer.nodeKey, 0);
		expect(node.takeRecords()).toEqual(["peer 0", "path 0 none 0 DERP 1"]);
		expect(node.take()).toEqual([]);
	});

	test("[paths 33] a peer without disco key has no machine, nothing is sent, nothing thrown; a key arriving later makes it reachable", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		const entry = node.netmap.list[peer.index] as { discoKey: Uint8Array | undefined };
		const key = entry.discoKey;
		entry.discoKey = undefined;
		node.send(peer.index, 0);
		expect(node.table.ask(peer.index, 1, 0)).toBe(false);
		expect(node.table.active).toBe(0);
		expect(node.takeRecords()).toEqual([]);
		entry.discoKey = key;
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 10);
		node.send(peer.index, 20);
		expect(node.takeRecords()).toEqual(["peer 0", "path 0 none 0 DERP 1"]);
		entry.discoKey = undefined;
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 30);
		expect(node.takeRecords()).toEqual(["remove 0"]);
	});

	test("[paths 33] an expired peer leaves the tunnel, and is not let in again", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		node.send(peer.index, 0);
		(node.netmap.list[peer.index] as { expired: boolean }).expired = true;
		node.takeRecords();
		node.table.netmapChanged(changeOf({ changed: [peer.index], routingChanged: [peer.index] }), 10);
		expect(node.takeRecords()).toEqual(["remove 0"]);
		node.send(peer.index, 20);
		expect(node.takeRecords()).toEqual([]);
	});

	test("removed, or with another node key: the peer leaves the tunnel; the slot's next handle has another generation", () => {
		for (const list of ["removed", "keyChanged"] as const) {
			const node = new TestNode(1);
			const peer = node.meet(2);
			node.send(peer.index, 0);
			const first = node.table.peer(peer.index)?.handle;
			node.takeRecords();
			node.table.netmapChanged(changeOf({ [list]: [peer.index] }), 10);
			expect(node.takeRecords()).toEqual(["remove 0"]);
			node.send(peer.index, 20);
			const second = node.table.peer(peer.index)?.handle;
			expect(second).toBe(0x20000);
			node.take();
			node.table.activity(first as number, { sent: true, received: false, derpRegion: 0, bytesSent: 0, bytesReceived: 0 }, 30);
			expect(node.table.peer(peer.index)?.bytesSent).toBe(100);
		}
	});

	test("routing changed: PEER again; endpoints and home region follow; peers without a slot cost nothing", () => {
		const node = new TestNode(1);
		const [peer, other] = strangers(node, 2) as [Stranger, Stranger];
		node.send(peer.index, 0);
		node.takeRecords();
		const entry = node.netmap.list[peer.index] as { endpoints: string[]; homeRegion: number };
		entry.endpoints = [v4];
		entry.homeRegion = 9;
		const views = node.netmap.views;
		node.table.netmapChanged(changeOf({ changed: [peer.index, other.index], routingChanged: [peer.index, other.index] }), 10);
		expect(node.takeRecords()).toEqual(["path 0 none 0 DERP 9", "peer 0"]);
		expect(node.netmap.views).toBe(views + 1);
		expect([...(node.table.peer(peer.index)?.endpoint.candidates ?? [])].map(([address]) => address)).toEqual([v4]);
	});

	test("[paths 42] 1,000 peers, 3 active: 3 machines; a change of 1,000 endpoints pings nobody", () => {
		const node = new TestNode(1, 16);
		const random = new Random(7);
		const indexes: number[] = [];
		for (let i = 0; i < 1_000; i += 1)
			indexes.push(node.netmap.add({ nodeKey: random.bytes(32), discoKey: random.bytes(32), address: `100.64.${2 + (i >> 8)}.${i & 255}`, endpoints: [v4] }));
		for (const i of [5, 500, 999]) node.send(indexes[i] as number, 0);
		expect(node.table.active).toBe(3);
		node.take();
		node.table.netmapChanged(changeOf({ changed: indexes, routingChanged: indexes }), 10);
		expect(node.take()).toEqual([]);
		expect(node.table.active).toBe(3);
		let pings = 0;
		for (let now = 1_000; now <= 60_000; now += 1_000) {
			node.table.tick(now);
			for (const i of [5, 500, 999]) node.send(indexes[i] as number, now);
			pings += node.take().filter((sent) => sent.packet.length === 124).length;
		}
		expect(pings).toBeLessThanOrEqual(3 * 20);
	});

	test("a full pool: the least recently used peer makes room for our packet", () => {
		const node = new TestNode(1, 4);
		const list = strangers(node, 5);
		for (let i = 0; i < 4; i += 1) node.send((list[i] as Stranger).index, 1_000 * i);
		node.send((list[0] as Stranger).index, 5_000);
		node.takeRecords();
		node.send((list[4] as Stranger).index, 10_000);
		expect(node.takeRecords().slice(0, 2)).toEqual(["remove 1", "peer 1"]);
		expect(node.table.peer((list[1] as Stranger).index)).toBeUndefined();
		expect(node.table.evicted).toBe(1);
	});

	test("a key that anyone may claim displaces only who was silent for 10 s, a DISCO ping only who was for 45 s", () => {
		const node = new TestNode(1, 2);
		const list = strangers(node, 4) as [Stranger, Stranger, Stranger, Stranger];
		node.send(list[0].index, 0);
		node.send(list[1].index, 0);
		node.takeRecords();
		node.table.peerWantedByKey(list[2].nodeKey, 9_999);
		expect(node.takeRecords()).toEqual([]);
		expect(node.table.full).toBe(1);
		node.table.peerWantedByKey(list[2].nodeKey, 10_000);
		expect(node.takeRecords().slice(0, 2)).toEqual(["remove 0", "peer 0"]);
		node.take();
		node.table.disco.receiveUDP(v4, list[3].ping(), 44_999);
		expect(node.take().length).toBe(1);
		expect(node.table.peer(list[3].index)).toBeUndefined();
		node.table.disco.receiveUDP(v4, list[3].ping(), 45_000);
		expect(node.table.peer(list[3].index)).toBeDefined();
		expect(node.takeRecords()).toEqual(["remove 1"]);
	});

	test("peers that only DISCO knows go first", () => {
		const node = new TestNode(1, 2);
		const list = strangers(node, 3) as [Stranger, Stranger, Stranger];
		node.send(list[0].index, 0);
		node.table.disco.receiveUDP(v4, list[1].ping(), 4_000);
		node.takeRecords();
		node.send(list[2].index, 9_000);
		expect(node.takeRecords()[0]).toBe("peer 1");
		expect(node.table.peer(list[0].index)).toBeDefined();
	});

	test("idle for 540 s: the slot is free; a peer that is still pinged keeps its machine without PEER", () => {
		const node = new TestNode(1);
		const [peer, other] = strangers(node, 2) as [Stranger, Stranger];
		node.send(peer.index, 0);
		node.table.peerWantedByKey(other.nodeKey, 0);
		node.takeRecords();
		node.table.peerIdle(node.table.peer(other.index)?.handle as number, 1);
		expect(node.table.peer(other.index)).toBeUndefined();
		node.table.peerIdle(node.table.peer(peer.index)?.handle as number, 1);
		expect(node.takeRecords()).toEqual(["remove 1", "remove 0"]);
		expect(node.table.peer(peer.index)?.configured).toBe(false);
		node.send(peer.index, 2);
		expect(node.takeRecords()).toEqual(["peer 0", "path 0 none 0 DERP 1"]);
	});

	test("[paths 30] own endpoints older than 27 s are never told: the CallMeMaybes wait for the update, one a peer", () => {
		const node = new TestNode(1);
		const list = strangers(node, 2) as [Stranger, Stranger];
		node.ownEndpoints.fresh = false;
		node.send(list[0].index, 0);
		node.send(list[0].index, 5_000);
		node.send(list[1].index, 5_000);
		expect(node.take().every((sent) => sent.to.startsWith("udp"))).toBe(true);
		expect(node.endpointsWanted).toBe(1);
		node.ownEndpoints.fresh = true;
		node.ownEndpoints.addresses = ["203.0.113.78:1", "[2001:db8::2]:1"];
		node.table.ownEndpointsUpdated(5_300);
		const calls = node.take();
		expect(calls.map((sent) => sent.to)).toEqual(list.map((peer) => `derp 1 ${toHex(peer.nodeKey).slice(0, 8)}`));
		expect(calls.map((sent) => sent.packet.length)).toEqual([116, 116]);
		node.table.ownEndpointsUpdated(5_400);
		expect(node.take()).toEqual([]);
		expect(node.table.callMeMaybesSent).toBe(2);
	});

	test("a CallMeMaybe that waits dies with its peer, and with our key", () => {
		const node = new TestNode(1);
		const list = strangers(node, 2) as [Stranger, Stranger];
		node.ownEndpoints.fresh = false;
		for (const peer of list) node.send(peer.index, 0);
		node.take();
		node.table.netmapChanged(changeOf({ removed: [list[0].index] }), 10);
		node.table.clear();
		node.ownEndpoints.fresh = true;
		node.table.ownEndpointsUpdated(20);
		expect(node.take()).toEqual([]);
		expect(node.table.deadline).toBeUndefined();
		expect(node.takeRecords().filter((line) => line.startsWith("remove"))).toEqual(["remove 0", "remove 1"]);
	});

	test("[relay 27, paths 35] a TSMP advertisement changes the peer's disco key without dropping the session; the netmap confirming it does not either", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		const other = node.meet(3);
		node.send(peer.index, 0);
		node.take();
		node.takeRecords();
		peer.box = peer.newBox();
		const handle = node.table.peer(peer.index)?.handle as number;
		const payload = new Uint8Array(40);
		payload[0] = 0x61;
		payload.set(peer.box.publicKey, 1);
		const address = (index: number): Uint8Array => parseAddress(node.netmap.list[index]?.address as string) as Uint8Array;
		expect(node.table.tsmp(handle, address(other.index), payload)).toBe(true);
		node.table.disco.receiveUDP(v4, peer.ping(), 10);
		expect(node.take()).toEqual([]);
		expect(node.table.tsmp(handle, address(peer.index), payload)).toBe(true);
		node.table.disco.receiveUDP(v4, peer.ping(), 20);
		expect(node.take().map((sent) => peer.read(sent.packet)?.type)).toEqual(["ping", "pong"]);
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 30);
		expect(node.takeRecords()).toEqual([]);
		expect(node.table.tsmp(handle, address(peer.index), new Uint8Array([0x61, 1, 2]))).toBe(false);
		expect(node.table.tsmp(handle, address(peer.index), new Uint8Array([0x6f, 1, 2]))).toBe(false);
		const zero = new Uint8Array(33);
		zero[0] = 0x61;
		node.table.tsmp(handle, address(peer.index), zero);
		expect(toHex(node.table.peer(peer.index)?.discoKey as Uint8Array)).toBe(toHex(peer.box.publicKey));
	});

	test("another disco key of a peer that the tunnel does not know: no session to drop", () => {
		const node = new TestNode(1);
		const peer = node.meet(2);
		node.table.disco.receiveUDP(v4, peer.ping(), 0);
		peer.box = peer.newBox();
		(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 10);
		expect(node.takeRecords()).toEqual([]);
		expect(toHex(node.table.peer(peer.index)?.discoKey as Uint8Array)).toBe(toHex(peer.box.publicKey));
	});

	test("[relay 26] another disco key than that of the last run's map: its session was made with it already, and stays", () => {
		for (const keepsSessions of [true, false]) {
			const node = new TestNode(1);
			const peer = node.meet(2, { endpoints: [v4] });
			node.send(peer.index, 0);
			node.takeRecords();
			peer.box = peer.newBox();
			(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
			node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), 10, keepsSessions);
			expect(node.takeRecords()).toEqual(keepsSessions ? [] : ["drop 0"]);
			expect(toHex(node.table.peer(peer.index)?.discoKey as Uint8Array)).toBe(toHex(peer.box.publicKey));
		}
	});

	test("the peers in use, the last used first", () => {
		const node = new TestNode(1);
		const peers = strangers(node, 3);
		for (const [i, at] of [
			[1, 10],
			[0, 20],
			[2, 30],
		] as const)
			node.send((peers[i] as Stranger).index, at);
		expect(node.table.recent).toEqual([2, 0, 1].map((i) => (peers[i] as Stranger).index));
	});

	test("peers in use that only relays reach are those whose path is not trusted", () => {
		const node = new TestNode(1);
		const [first, second, third] = strangers(node, 3) as [Stranger, Stranger, Stranger];
		node.send(first.index, 10);
		node.send(second.index, 100);
		node.take();
		node.send(third.index, 100);
		const all = [first.index, second.index, third.index];
		expect([node.table.relayed(50, 100), node.table.relayed(0, 100)]).toEqual([all.slice(1), all]);
		const ping = node.take().find(({ to }) => to.startsWith("udp"));
		node.table.disco.receiveUDP(ping?.to.slice(4) as string, third.pongFor(ping?.packet as Uint8Array), 110);
		expect(node.table.relayed(0, 110)).toEqual(all.slice(0, 2));
	});

	test("a question: DISCO over DERP and UDP, answered by the first pong; the path that follows is told to the tunnel once it knows the peer", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		expect(node.table.ask(peer.index, 42, 0)).toBe(true);
		const [derp, udp] = node.take();
		expect(derp?.to).toBe(`derp 1 ${toHex(peer.nodeKey).slice(0, 8)}`);
		expect(udp?.to).toBe(`udp ${v4}`);
		node.table.disco.receiveDERP(1, peer.nodeKey, peer.pongFor(derp?.packet as Uint8Array), 50);
		node.table.disco.receiveUDP(v4, peer.pongFor(udp?.packet as Uint8Array), 60);
		expect(node.answers).toEqual(["42 50 DERP 1"]);
		expect(node.takeRecords()).toEqual([]);
		expect(node.pathChanges).toEqual([peer.index]);
		expect(node.table.view(peer.index, 60)).toEqual({ address: v4, latencyMS: 60, trusted: true, region: 1 });
		node.send(peer.index, 100);
		expect(node.takeRecords()).toEqual(["peer 0", `path 0 ${v4} 6560 DERP 1`]);
	});

	test("host unreachable and another network reach the machines; the owner hears of paths, not of trust", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [v4] });
		const prove = (now: number): void => {
			node.table.ask(peer.index, now + 1, now);
			const ping = node.take().find((sent) => sent.to === `udp ${v4}`)?.packet as Uint8Array;
			node.table.disco.receiveUDP(v4, peer.pongFor(ping), now + 20);
		};
		prove(0);
		prove(1_000);
		expect(node.pathChanges.length).toBe(1);
		node.table.unreachable(v4, 2_000);
		expect(node.table.view(peer.index, 2_000)?.address).toBe("");
		prove(3_000);
		node.table.connectivityChanged(4_000);
		expect(node.table.view(peer.index, 4_000)?.address).toBe("");
		expect(node.pathChanges.length).toBe(4);
	});

	test("random events: never more machines than slots, records only for configured peers, memory bounded", () => {
		for (let seed = 1; seed <= 8; seed += 1) {
			const random = new Random(seed);
			const node = new TestNode(seed, 3);
			const list = strangers(node, 8);
			let now = 0;
			const configured = new Set<string>();
			for (let step = 0; step < 300; step += 1) {
				now += random.below(3_000);
				const peer = list[random.below(list.length)] as Stranger;
				const kind = random.below(9);
				if (kind === 0) node.send(peer.index, now);
				else if (kind === 1) node.table.peerWantedByKey(peer.nodeKey, now);
				else if (kind === 2) node.table.disco.receiveUDP(v4, peer.ping(), now);
				else if (kind === 3) node.table.disco.receiveDERP(1, peer.nodeKey, peer.callMeMaybe([v4]), now);
				else if (kind === 4) node.table.netmapChanged(changeOf({ changed: [peer.index], routingChanged: [peer.index] }), now);
				else if (kind === 5) node.table.netmapChanged(changeOf({ removed: [peer.index] }), now);
				else if (kind === 6) node.table.ask(peer.index, step + 1, now);
				else if (kind === 7) node.table.peerIdle(node.table.peer(peer.index)?.handle ?? 0, now);
				else node.table.tick(now);
				for (const sent of node.take()) {
					const to = list.find((one) => one.read(sent.packet)?.type === "ping");
					if (to && random.below(2) === 0) node.table.disco.receiveUDP(v4, to.pongFor(sent.packet), now + 10);
				}
				for (const record of node.takeRecords()) {
					const [kind, slot] = record.split(" ") as [string, string];
					if (kind === "peer") configured.add(slot);
					else expect(configured.has(slot)).toBe(true);
					if (kind === "remove") configured.delete(slot);
				}
				expect(node.table.active).toBeLessThanOrEqual(3);
			}
		}
	});
});
