/**
 * Commands become records and records become events, byte for byte as native/tn_records.h lays them out. The tunnel is played by the test: this
 * host's Tunnel class hands over what it was given.
 */

import { type PeerRecord, type SocketEvents, TunnelLink } from "../../../modules/tunnel/link.js";
import { eventBufferBytes } from "../../../modules/tunnel/records.js";
import { beforeEach, describe, expect, fromHex, test, toHex } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";

const v4 = (last: number): Uint8Array => fromHex(`00000000000000000000ffff644000${last.toString(16).padStart(2, "0")}`);
const v6 = (last: number): Uint8Array => fromHex(`fd7a115ca1e0000000000000000000${last.toString(16).padStart(2, "0")}`);
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const identity = {
	nodePrivateKey: key(0x11),
	discoPublicKey: key(0x22),
	addressV4: v4(1),
	addressV6: v6(1),
	peerAPIPortV4: 0x8021,
	peerAPIPortV6: 0x8022,
	shieldsUp: true,
	port: 41641,
	clockMS: 1_764_000_000_123,
	clockBoundSeconds: 1_764_003_600,
};
const identityHex = `0101a9a2${"11".repeat(32)}${"22".repeat(32)}64400001${toHex(v6(1))}21802280${"7be897b69a010000"}${"108f246900000000"}`;

let log: string[];
let link: TunnelLink;

function makeLink(): TunnelLink {
	log = [];
	const tell =
		(name: string) =>
		(...values: unknown[]): void =>
			void log.push(
				[name, ...values.map((value) => (value instanceof Uint8Array ? toHex(value) : typeof value === "object" ? JSON.stringify(value) : String(value)))].join(
					" ",
				),
			);
	return new TunnelLink(identity, {
		stun: tell("stun"),
		mapping: tell("mapping"),
		disco: tell("disco"),
		derpDisco: tell("derpDisco"),
		peerWantedByAddress: tell("wantedAddress"),
		peerWantedByKey: tell("wantedKey"),
		activity: tell("activity"),
		peerIdle: tell("idle"),
		derpReady: tell("derpReady"),
		tsmp: tell("tsmp"),
		echoReply: tell("echoReply"),
		session: tell("session"),
		unreachable: tell("unreachable"),
		socketsDead: tell("socketsDead"),
		linkNews: tell("linkNews"),
		suspended: tell("suspended"),
		report: tell("report"),
	});
}

beforeEach(() => {
	testing.reset();
	link = makeLink();
});

/** The tunnel under the last link. */
const tunnel = () => tunnels.at(-1) as (typeof tunnels)[0];
/** The last command sent, hex. */
const sent = (): string => toHex(tunnel().sent.at(-1) as Uint8Array);
/** The tunnel says something. @returns what came of it */
function event(hex: string): string[] {
	log.length = 0;
	tunnel().say(fromHex(hex));
	return log.slice();
}

const peer: PeerRecord = {
	handle: 0x0005_0003,
	publicKey: key(0x33),
	homeRegion: 0x0102,
	jailed: true,
	capabilities: [7, 0x0102],
	prefixes: fromHex(`${toHex(v4(2))}8001${toHex(v6(0))}7000`),
};

describe("commands", () => {
	const commands: [string, () => void, string][] = [
		["identity", () => link.identity(identity), identityHex],
		[
			"identity without addresses, at any port",
			() => link.identity({ ...identity, addressV4: undefined, addressV6: undefined, shieldsUp: false, port: 0 }),
			identityHex.replace("0101a9a2", "01000000").replace(`64400001${toHex(v6(1))}`, "00".repeat(20)),
		],
		["filter", () => link.filter(fromHex("a1b2c3"), false), "02000000a1b2c3"],
		["filter: block everything, shields up", () => link.filter(undefined, true), "02010000"],
		["peer", () => link.peer(peer), `0301020103000500${"33".repeat(32)}${"00".repeat(20)}02000200${"07000201"}${toHex(v4(2))}8001${toHex(v6(0))}7000`],
		[
			"peer with other addresses of ours",
			() => link.peer({ ...peer, jailed: false, masqueradeV4: v4(9), masqueradeV6: v6(9), capabilities: [], prefixes: new Uint8Array(0) }),
			`0300020103000500${"33".repeat(32)}64400009${toHex(v6(9))}00000000`,
		],
		[
			"peer with a session of the run before",
			() => link.peer({ ...peer, capabilities: [], prefixes: new Uint8Array(0), saved: new Uint8Array(114).fill(0x55) }),
			`0303020103000500${"33".repeat(32)}${"00".repeat(24)}${"55".repeat(114)}`,
		],
		["suspend", () => link.suspend(), "0f000000"],
		["peerRemove", () => link.peerRemove(0x0005_0003), "0400000003000500"],
		["path", () => link.path(3, "192.0.2.7:41641", 1_000_000.9, 2), "0500020003000000" + "00000000000000000000ffffc0000207a2a9" + "0000" + "40420f0000000000"],
		[
			"path by IPv6",
			() => link.path(3, "[2001:db8::1]:80", 2 ** 40 + 1, 0),
			"0500000003000000" + "20010db80000000000000000000000010050" + "0000" + "0100000000010000",
		],
		["no path", () => link.path(3, undefined, 0, 0), `0500000003000000${"00".repeat(18)}0000${"00".repeat(8)}`],
		["sendRaw", () => link.sendRaw("192.0.2.7:3478", fromHex("0001")), "0600000000000000000000000000ffffc00002070d960001"],
		["derpSend", () => link.derpSend(901, key(0x44), fromHex("5453")), `07008503${"44".repeat(32)}5453`],
		["derpState", () => link.derpState(901, true), "08018503"],
		["derpState gone", () => link.derpState(901, false), "08008503"],
		["derpGone", () => link.derpGone(2, key(0x44)), `09000200${"44".repeat(32)}`],
		["inject", () => link.inject(fromHex("4500")), "0a0000004500"],
		["subnets", () => link.subnets(Uint8Array.of(...new Array(10).fill(0), 255, 255, 10, 1, 0, 0, 120, 0)), "0e00000000000000000000000000ffff0a0100007800"],
		["rebind", () => link.rebind(41641), "0b00a9a2"],
		["clock", () => link.clock(1_764_000_000_123, 1_764_003_600), "0c0000007be897b69a010000108f246900000000"],
		["sessionDrop", () => link.sessionDrop(0x0005_0003), "0d00000003000500"],
		["tcpConnect", () => link.tcpConnect(9, v4(2), 80, true), `2001500009000000${toHex(v4(2))}`],
		["tcpListen", () => link.tcpListen(9, 443), "2100bb0109000000"],
		["udpBind", () => link.udpBind(9, 53), "2200350009000000"],
		["udpSend", () => link.udpSend(9, v6(2), 53, fromHex("aa")), `2300350009000000${toHex(v6(2))}aa`],
	];
	for (const [name, run, hex] of commands) {
		test(name, () => {
			run();
			expect(sent()).toBe(hex);
		});
	}

	test("the constructor hands over the identity record", () => {
		expect(toHex(tunnel().configuration)).toBe(identityHex);
	});

	test("socketClose, once for a socket that is open", () => {
		const socket = link.openSocket({ closed() {} });
		link.socketClose(socket, true);
		expect(sent()).toBe(`24010000${toHex(Uint8Array.of(socket, 0, 0, 0))}`);
		const { length } = tunnel().sent;
		link.socketClose(socket, true);
		link.socketClose(77, false);
		expect(tunnel().sent.length).toBe(length);
	});

	test("an endpoint that is none is not sent", () => {
		link.sendRaw("nonsense", fromHex("00"));
		link.sendRaw("1.2.3.4", fromHex("00"));
		expect(tunnel().sent.length).toBe(0);
	});

	test("a ring that is full loses nothing, and nothing overtakes", () => {
		tunnel().room = 3;
		for (let i = 0; i < 10; i += 1) link.derpState(i, true);
		expect([tunnel().sent.length, link.waiting]).toEqual([3, 7]);
		tunnel().room = 2;
		tunnel().wake();
		link.derpState(10, true);
		expect([tunnel().sent.length, link.waiting]).toEqual([5, 6]);
		tunnel().room = 100;
		tunnel().wake();
		link.derpState(11, true);
		expect(tunnel().sent.map((record) => record[2])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
		expect(link.waiting).toBe(0);
	});

	test("the private key stays in no buffer: not in that of the records, and not among commands that waited", () => {
		const secret = "11".repeat(32);
		const held: Uint8Array[] = [];
		const send = tunnel().send.bind(tunnel());
		tunnel().send = (record) => {
			held.push(record);
			return send(record);
		};
		link.identity(identity);
		tunnel().room = 0;
		link.identity(identity);
		link.derpState(1, true);
		expect(toHex(tunnel().sent.at(-1) as Uint8Array)).toBe(identityHex);
		tunnel().room = 1;
		tunnel().wake();
		expect([toHex(tunnel().sent.at(-1) as Uint8Array), link.waiting]).toEqual([identityHex, 1]);
		link.identity(identity);
		link.close();
		expect(held.length).toBeGreaterThan(2);
		for (const { buffer } of held) expect(toHex(new Uint8Array(buffer))).not.toContain(secret);
		expect(toHex(identity.nodePrivateKey)).toBe(secret);
	});

	test("a session of the run before stays in no buffer either, and one that is told is wiped when it was", () => {
		const secret = "55".repeat(32);
		const held: Uint8Array[] = [];
		const send = tunnel().send.bind(tunnel());
		tunnel().send = (record) => {
			held.push(record);
			return send(record);
		};
		const saved = new Uint8Array(114).fill(0x55);
		link.peer({ ...peer, saved });
		tunnel().room = 0;
		link.peer({ ...peer, saved });
		link.derpState(1, true);
		tunnel().room = 1;
		tunnel().wake();
		expect([toHex(tunnel().sent.at(-1) as Uint8Array).endsWith("55".repeat(114)), link.waiting]).toEqual([true, 1]);
		for (const { buffer } of held) expect(toHex(new Uint8Array(buffer))).not.toContain(secret);

		let told: Uint8Array | undefined;
		const nothing = (): void => {};
		const other = new TunnelLink(identity, {
			stun: nothing,
			mapping: nothing,
			disco: nothing,
			derpDisco: nothing,
			peerWantedByAddress: nothing,
			peerWantedByKey: nothing,
			activity: nothing,
			peerIdle: nothing,
			derpReady: nothing,
			tsmp: nothing,
			echoReply: nothing,
			session: nothing,
			unreachable: nothing,
			socketsDead: nothing,
			linkNews: nothing,
			report: nothing,
			suspended(_handle, session) {
				told = session;
				throw new Error("of who listens");
			},
		});
		tunnel().say(fromHex(`0e00000003000500${"55".repeat(96)}`));
		expect([told?.length, toHex(told as Uint8Array)]).toEqual([96, "00".repeat(96)]);
		other.close();
	});

	test("packets that find 256 commands waiting are lost, and counted; other commands are not", () => {
		tunnel().room = 0;
		for (let i = 0; i < 1000; i += 1) link.udpSend(5, v4(2), 53, fromHex("00"));
		link.sendRaw("192.0.2.1:5", fromHex("00"));
		link.derpSend(1, key(1), fromHex("00"));
		link.inject(fromHex("00"));
		expect([link.waiting, link.lost]).toEqual([256, 747]);
		link.peerRemove(7);
		link.socketClose(5, true);
		expect([link.waiting, link.lost]).toEqual([257, 747]);
		tunnel().room = Number.POSITIVE_INFINITY;
		tunnel().wake();
		link.sendRaw("192.0.2.1:5", fromHex("00"));
		expect([link.waiting, link.lost, tunnel().sent.length]).toEqual([0, 747, 258]);
	});

	test("after close nothing is sent, read or opened", () => {
		let reason = "";
		link.openSocket({ closed: (why) => (reason = why) });
		link.close();
		link.close();
		link.derpState(1, true);
		expect([
			tunnel().isClosed,
			tunnel().sent.length,
			reason,
			link.streamRead(1, new Uint8Array(1)),
			link.derpTake(1, new Uint8Array(9)),
			link.counters(),
		]).toEqual([true, 0, "reset", 0, 0, {}]);
		expect(() => link.openSocket({ closed() {} })).toThrow("closed");
		expect(event("0100000000000000000000000000ffffc00002070d96")).toEqual([]);
	});
});

describe("events", () => {
	const endpoint = "00000000000000000000ffffc00002070d96";
	const events: [string, string, string][] = [
		["stun", `01000000${endpoint}0101`, "stun 192.0.2.7:3478 0101"],
		["mapping", `0c000000${endpoint}0080`, "mapping 192.0.2.7:3478 0080"],
		["disco", `02000000${endpoint}5453`, "disco 192.0.2.7:3478 5453"],
		["derpDisco", `03008503${"44".repeat(32)}5453`, `derpDisco 901 ${"44".repeat(32)} 5453`],
		["peerWanted by address", `04000000${toHex(v4(2))}`, `wantedAddress ${toHex(v4(2))}`],
		["peerWanted by a handshake", `04010000${"44".repeat(32)}`, `wantedKey ${"44".repeat(32)}`],
		["peerWanted by DERP", `04020000${"44".repeat(32)}`, `wantedKey ${"44".repeat(32)}`],
		[
			"activity",
			"050785030300050001000000000000000200000000010000",
			'activity 327683 {"sent":true,"received":true,"derpRegion":901,"bytesSent":1,"bytesReceived":1099511627778}',
		],
		[
			"activity without DERP",
			"050185030300050000000000000000000000000000000000",
			'activity 327683 {"sent":true,"received":false,"derpRegion":0,"bytesSent":0,"bytesReceived":0}',
		],
		["peerIdle", "0600000003000500", "idle 327683"],
		["derpReady", "07008503", "derpReady 901"],
		["tsmp", `0800000003000500${toHex(v6(2))}6f01`, `tsmp 327683 ${toHex(v6(2))} 6f01`],
		["echoReply", `0900000003000500${toHex(v4(2))}aabb0007`, `echoReply 327683 ${toHex(v4(2))} 43707 7`],
		["session of ours", "0a01000003000500", "session 327683 true"],
		["session of theirs", "0a00000003000500", "session 327683 false"],
		["unreachable", `0b010000${endpoint}`, "unreachable 192.0.2.7:3478"],
		["sockets dead", "0b020000", "socketsDead"],
		["a session of one that sleeps", `0e00000003000500${"55".repeat(96)}`, `suspended 327683 ${"55".repeat(96)}`],
		["no more sessions", "0e010000", "suspended 0 undefined"],
	];
	for (const [name, hex, expected] of events) test(name, () => expect(event(hex)).toEqual([expected]));

	test("a type that nobody knows is ignored, and so is a socket that nobody has", () => {
		for (const hex of [
			"00000000",
			"0e000000",
			`0e000000${"55".repeat(99)}`,
			`0e000000${"55".repeat(101)}`,
			"1e000000",
			"1f000000",
			"2600000001000000",
			"ff00000001000000",
			"2000000063000000",
			"2300000063000000",
		])
			expect(event(hex)).toEqual([]);
	});

	test("a record cut anywhere throws nothing out of the wake-up, and the next record is heard", () => {
		for (const [, hex] of events) {
			for (let length = 2; length < hex.length; length += 2) {
				event(hex.slice(0, length));
				expect(event("07008503")).toEqual(["derpReady 901"]);
			}
		}
	});

	test("an exception in a callback is reported, and does not stop the events behind it", () => {
		const socket = link.openSocket({
			closed() {
				throw new Error("of the app");
			},
		});
		tunnel().queue(fromHex(`23000000${toHex(Uint8Array.of(socket, 0, 0, 0))}`), fromHex("07008503"));
		log.length = 0;
		tunnel().wake();
		expect(log.map((line) => line.split(" ")[0])).toEqual(["report", "derpReady"]);
	});

	test("what a socket hears", () => {
		const heard: string[] = [];
		const events: SocketEvents = {
			connected: () => void heard.push("connected"),
			readable: (count) => void heard.push(`readable ${count}`),
			writable: (count) => void heard.push(`writable ${count}`),
			closed: (reason) => void heard.push(`closed ${reason}`),
			accepted: (socket, remote, port, local) => void heard.push(`accepted ${socket} ${toHex(remote)} ${port} ${toHex(local)}`),
			received: (address, port, payload) => void heard.push(`received ${toHex(address)} ${port} ${toHex(payload)}`),
		};
		const socket = link.openSocket(events);
		const id = toHex(Uint8Array.of(socket, 0, 0, 0));
		event(`20000000${id}`);
		event(`21000000${id}00010000`);
		event(`22000000${id}00000100`);
		event(`24005000${id}09000000${toHex(v4(2))}${toHex(v4(1))}`);
		event(`25003500${id}${toHex(v6(2))}aabb`);
		for (let reason = 0; reason < 9; reason += 1) event(`23${reason.toString(16).padStart(2, "0")}0000${id}`);
		expect(heard).toEqual([
			"connected",
			"readable 256",
			"writable 65536",
			`accepted 9 ${toHex(v4(2))} 80 ${toHex(v4(1))}`,
			`received ${toHex(v6(2))} 53 aabb`,
			...["remote", "reset", "timeout", "refused", "policy", "no-route", "in-use", "full", "reset"].map((reason) => `closed ${reason}`),
		]);
		// The accepted one can be adopted; one whose listener is gone is refused.
		link.adopt(9, { closed: (reason) => void heard.push(`9 ${reason}`) });
		event("2302000009000000");
		expect(heard.at(-1)).toBe("9 timeout");
		event(`2400500063000000${"0a000000"}${toHex(v4(2))}${toHex(v4(1))}`);
		expect(sent()).toBe("240100000a000000");
	});

	test("the largest event fits the buffer", () => {
		const payload = "ab".repeat(2000);
		expect(event(`0800000003000500${toHex(v6(2))}${payload}`)).toEqual([`tsmp 327683 ${toHex(v6(2))} ${payload}`]);
		expect(eventBufferBytes).toBeGreaterThanOrEqual(2048 + 24);
	});
});
