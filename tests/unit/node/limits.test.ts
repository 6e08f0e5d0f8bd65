/** A node keeps within what the native core was built for. */
import { MapReader } from "../../../modules/netmap/map-reader.js";
import { Node, type NodeOwner } from "../../../modules/node.js";
import { Command, Event } from "../../../modules/tunnel/records.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";
import { firstMessage, frame, node as peer } from "../netmap/fixtures.js";

beforeEach(() => testing.reset());

const owner: NodeOwner = { login() {}, selfChanged() {}, peersChanged() {}, pathChanged() {}, healthChanged() {}, error() {} };

function running(): Node {
	const node = new Node({ hostname: "a", controlURL: "http://192.0.2.1", peerSlots: 256 }, owner);
	new MapReader(node.netmap).push(frame(firstMessage([peer(2), peer(3), peer(4), peer(5)])), 0);
	return node;
}

/** A packet waits for the first IPv4 address of a peer. */
function want(number: number): void {
	const event = new Uint8Array(20);
	event[0] = Event.peerWanted;
	event.set([255, 255, 100, 64, 0, number], 14);
	tunnels.at(-1)?.say(event);
}

/** Slots of the peers that the tunnel was given and not taken from again. */
function slots(): number[] {
	const used = new Set<number>();
	for (const record of tunnels.at(-1)?.sent ?? []) {
		const slot = (record[4] as number) | ((record[5] as number) << 8);
		if (record[0] === Command.peer) used.add(slot);
		if (record[0] === Command.peerRemove) used.delete(slot);
	}
	return [...used].sort();
}

describe("limits of the native core", () => {
	test("a small pool of peers: no slot above it is used, the one that was silent longest gives way", () => {
		testing.pools = { poolPeers: 2 };
		running();
		for (const number of [2, 3, 4, 5]) {
			want(number);
			testing.advance(600_000);
		}
		expect(slots()).toEqual([0, 1]);
	});

	test("a large pool: each has its own", () => {
		testing.pools = { poolPeers: 256 };
		running();
		for (const number of [2, 3, 4, 5]) want(number);
		expect(slots()).toEqual([0, 1, 2, 3]);
	});

	test("without IPv6 the node has no address of that family, which would be deaf, and announces no PeerAPI on it", () => {
		testing.pools = { hasIPv6: 0 };
		const { self } = running().netmap;
		expect([self.addresses.length, self.address4 !== undefined, self.address6]).toEqual([1, true, undefined]);
		testing.pools = { hasIPv6: 1 };
		expect(running().netmap.self.addresses.length).toBe(2);
	});

	test("subnets that nobody would forward to are not offered", () => {
		testing.pools = { hasSubnet: 0 };
		const options = { hostname: "a", controlURL: "http://192.0.2.1", peerSlots: 8 };
		let code = "";
		try {
			new Node({ ...options, advertiseRoutes: ["10.1.0.0/24"] }, owner);
		} catch (error) {
			code = (error as { code: string }).code;
		}
		expect([code, tunnels.at(-1)?.isClosed]).toEqual(["argument", true]);
		new Node(options, owner).close();
	});

	test("an option that the board lacks is a condition of health, and no reason to be degraded", () => {
		testing.lacks = ["LWIP_IP4_REASSEMBLY: long datagrams do not arrive"];
		const node = running();
		testing.advance(60_000); // control is asked, and nobody answers
		const { verdict } = node;
		expect(verdict.conditions.filter(({ severity }) => severity === "low")).toEqual([
			{ id: "board-option:LWIP_IP4_REASSEMBLY", severity: "low", text: "sdkconfig has no CONFIG_LWIP_IP4_REASSEMBLY: long datagrams do not arrive" },
		]);
		expect(verdict.state).toBe("connecting");
	});
});
