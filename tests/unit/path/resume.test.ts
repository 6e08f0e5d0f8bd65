/** A peer whose session of the run before goes on: its path of then is used and asked at once; a peer that has restarted meanwhile loses it. */
import { crc32 } from "tailnet/host";
import { parseEndpoint } from "../../../modules/netmap/address.js";
import { PING_TIMEOUT_MS } from "../../../modules/path/endpoint.js";
import { describe, expect, test, toHex } from "../../harness.js";
import { Machine, x, y } from "./machine.js";
import { changeOf, type Stranger, TestNode } from "./nodes.js";

const now = 100_000;
const hash = (peer: Stranger): number => crc32(peer.box.publicKey, 32);

function saved(endpoint = ""): Uint8Array {
	const bytes = new Uint8Array(114).fill(0x55, 18);
	bytes.set(parseEndpoint(endpoint) ?? []);
	return bytes;
}

describe("path machine of a peer that is resumed", () => {
	test("the address is best but not trusted, and asked at once; its pong makes trust", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.resume(y, now);
		expect(machine.take()).toEqual(["path y", "ping y"]);
		expect([machine.endpoint.best, machine.endpoint.state(now)]).toEqual([y, "U"]);
		machine.endpoint.sent(now + 1);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
		machine.pong(y, now + 20);
		expect([machine.endpoint.best, machine.endpoint.state(now + 20), machine.endpoint.latencyMS]).toEqual([y, "T", 20]);
	});

	test("an address that nobody lists is kept as one that was learned, and used", () => {
		const machine = new Machine([x]);
		const other = "203.0.113.9:41641";
		machine.endpoint.resume(other, now);
		machine.endpoint.sent(now + 10);
		expect(machine.take()).toEqual([`path ${other}`, `ping ${other}`, "ping x", "CMM"]);
		expect(machine.endpoint.best).toBe(other);
		machine.pong(other, now + 30);
		expect(machine.endpoint.state(now + 30)).toBe("T");
	});

	test("without an answer it is gone after 5 s: by DERP alone", () => {
		const machine = new Machine([x]);
		machine.endpoint.resume(x, now);
		machine.take();
		machine.run(now + PING_TIMEOUT_MS - 1);
		expect(machine.endpoint.best).toBe(x);
		machine.run(now + PING_TIMEOUT_MS);
		expect([machine.endpoint.best, machine.take()]).toEqual(["", ["path none"]]);
	});

	test("what is proven by now is worth more, and no address is made of what is none", () => {
		const machine = new Machine([x]);
		machine.endpoint.ask(1, now - 20);
		machine.pong(x, now - 10);
		machine.take();
		machine.endpoint.resume(y, now);
		expect([machine.endpoint.best, machine.take()]).toEqual([x, []]);
		const other = new Machine([x]);
		other.endpoint.resume("127.3.3.40:1", now);
		other.endpoint.expired = true;
		other.endpoint.resume(x, now);
		expect([other.endpoint.best, other.take()]).toEqual(["", []]);
	});

	test("at the first moment of a clock nothing is trusted for ever", () => {
		const machine = new Machine([x]);
		machine.endpoint.resume(x, 0);
		expect(machine.endpoint.trustUntil).toBe(0);
	});
});

describe("the table of a node that is resumed", () => {
	test("PEER carries the session, PATH the address of then; one ping goes there", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [x], homeRegion: 5 });
		expect(node.table.resume(peer.index, saved(y), hash(peer), now)).toBe(true);
		expect(toHex(node.peers[0]?.saved as Uint8Array)).toBe(toHex(saved(y)));
		expect(node.takeRecords()).toEqual(["peer 0", `path 0 ${y} ${now - 1} DERP 5`]);
		expect(node.take().map(({ to }) => to)).toEqual([`udp ${y}`]);
		// Another PEER, as after a change of routes, has no session.
		node.table.netmapChanged(changeOf({ changed: [peer.index], routingChanged: [peer.index] }), now + 10);
		expect([node.peers.length, node.peers[1]?.saved]).toEqual([2, undefined]);
	});

	test("by relay where there was no address; a peer that cannot be reached is not resumed", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [x], homeRegion: 5 });
		const gone = node.meet(3, { expired: true });
		expect(node.table.resume(peer.index, saved(), hash(peer), now)).toBe(true);
		expect(node.takeRecords()).toEqual(["peer 0", "path 0 none 0 DERP 5"]);
		expect(node.table.resume(gone.index, saved(), hash(gone), now)).toBe(false);
		expect(node.takeRecords()).toEqual([]);
	});

	test("a peer that control says has another disco key than when we slept has restarted: its session is dropped, also after the map of the last run", () => {
		for (const keepsSessions of [true, false]) {
			const node = new TestNode(1);
			const peer = node.meet(2, { endpoints: [x] });
			node.table.resume(peer.index, saved(x), hash(peer), now);
			node.takeRecords();
			peer.box = peer.newBox();
			(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
			node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), now + 10, keepsSessions);
			expect(node.takeRecords()).toEqual(["drop 0"]);
		}
	});

	test("one whose stored map was older than the session keeps it: control says the key that it had when we slept", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [x] });
		peer.box = peer.newBox();
		node.table.resume(peer.index, saved(x), hash(peer), now);
		node.takeRecords();
		(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), now + 10, true);
		expect(node.takeRecords()).toEqual([]);
	});

	test("a session of this run is judged as ever", () => {
		const node = new TestNode(1);
		const peer = node.meet(2, { endpoints: [x] });
		node.table.resume(peer.index, saved(x), hash(peer), now);
		node.table.session(node.table.peer(peer.index)?.handle as number, now + 5);
		node.takeRecords();
		peer.box = peer.newBox();
		(node.netmap.list[peer.index] as { discoKey: Uint8Array }).discoKey = peer.box.publicKey;
		node.table.netmapChanged(changeOf({ changed: [peer.index], discoChanged: [peer.index] }), now + 10, true);
		expect(node.takeRecords()).toEqual([]);
	});
});
