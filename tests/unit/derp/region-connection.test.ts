/** One region's connection, event by event: protocol/relay.md §3.6, §3.7, §3.9. */
import { boxOpen, boxSeal, boxSharedKey, utf8Decode, utf8Encode, x25519PublicKey } from "tailnet/host";
import {
	FRAME_HEALTH,
	FRAME_KEEP_ALIVE,
	FRAME_PEER_GONE,
	FRAME_PING,
	FRAME_PONG,
	FRAME_RESTARTING,
	FRAME_SERVER_INFO,
	frame,
} from "../../../modules/derp/frames.js";
import { IDLE_MS, READ_LIMIT_MS, RegionConnection, type RegionOutput, type RegionTarget } from "../../../modules/derp/region-connection.js";
import type { DERPNode } from "../../../modules/derp/types.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { FakeSource, join } from "./fake-source.js";

const serverPrivate = fromHex(vectors.server.privateKey);
const greeting = fromHex((vectors.greetings[0] as { bytes: string }).bytes);
const answer = utf8Encode("HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\n\r\n");
const privateKey = fromHex((vectors.connections[0] as { clientPrivateKey: string }).clientPrivateKey);
const publicKey = x25519PublicKey(privateKey);
const peer = fromHex(vectors.unknownPeer);

function derpNode(fields: Partial<DERPNode> = {}): DERPNode {
	const base = { name: "10a", hostName: "derp.example", certName: "", ipv4: "192.0.2.1", ipv6: "none", derpPort: 0, stunOnly: false, insecureForTests: false };
	return { ...base, ...fields };
}

function serverInfo(json = '{"version":2}'): Uint8Array {
	const nonce = new Uint8Array(24).fill(9);
	return frame(FRAME_SERVER_INFO, join([nonce, boxSeal(boxSharedKey(serverPrivate, publicKey) as Uint8Array, nonce, utf8Encode(json))]));
}

/** A machine with a clock, and everything it wished. */
class Bench implements RegionOutput {
	readonly source = new FakeSource();
	readonly log: string[] = [];
	readonly targets: RegionTarget[] = [];
	readonly written: Uint8Array[] = [];
	readonly machine: RegionConnection;
	now = 0;

	constructor(nodes: DERPNode[] = [derpNode()], seed = 1) {
		const random = new Random(seed);
		this.machine = new RegionConnection({
			region: { id: 10, code: "x", nodes },
			keys: { privateKey, publicKey },
			policy: {},
			source: this.source,
			output: this,
			random: (length) => random.bytes(length),
		});
	}

	resolve(host: string): void {
		this.log.push(`resolve ${host}`);
	}
	open(target: RegionTarget): void {
		this.targets.push(target);
		this.log.push(`open ${target.address}:${target.port}`);
	}
	write(bytes: Uint8Array): void {
		this.written.push(bytes.slice());
	}
	close(): void {
		this.log.push("close");
	}
	up(): void {
		this.log.push("up");
	}
	lost(): void {
		this.log.push("lost");
	}
	changed(): void {}

	/** Hex of everything written, and forgets it. */
	take(): string {
		const text = toHex(join(this.written));
		this.written.length = 0;
		return text;
	}

	receive(...parts: Uint8Array[]): void {
		this.machine.received(join(parts), this.now);
	}

	/** Lets time pass, ticking whenever the machine asked for it. */
	advance(ms: number): void {
		const end = this.now + ms;
		for (let next = this.machine.nextTick(); next <= end; next = this.machine.nextTick()) {
			this.now = Math.max(this.now, next);
			this.machine.tick(this.now);
		}
		this.now = end;
	}

	/** To the state up, admitted or not. */
	login(admitted = true): this {
		if (this.machine.state === "closed") this.machine.want(this.now);
		this.machine.opened(this.now);
		this.receive(answer, greeting);
		if (admitted) this.receive(serverInfo());
		return this;
	}

	home(): this {
		this.machine.setHome(true, this.now);
		return this;
	}
}

describe("the way up", () => {
	test("dials with the certificate rule of the node, then sends the upgrade request", () => {
		const bench = new Bench([derpNode({ derpPort: 8443 })]);
		bench.machine.want(0);
		expect(bench.targets[0]).toEqual({
			address: "192.0.2.1",
			port: 8443,
			tls: { serverName: "derp.example", certificateName: "derp.example" },
			connectTimeoutMS: 1500,
			timeoutMS: 10000,
		});
		expect(bench.machine.state).toBe("dialling");
		bench.machine.opened(20);
		expect(bench.machine.state).toBe("upgrading");
		expect(utf8Decode(fromHex(bench.take()))).toBe("GET /derp HTTP/1.1\r\nHost: derp.example\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n");
	});

	test("[relay 30] works if the 101 and ServerKey arrive in one record, in two, or one byte at a time", () => {
		const bytes = join([answer, greeting, serverInfo()]);
		for (let piece = 1; piece <= bytes.length; piece += 1) {
			const bench = new Bench();
			bench.machine.want(0);
			bench.machine.opened(0);
			for (let at = 0; at < bytes.length; at += piece) bench.receive(bytes.subarray(at, at + piece));
			expect([bench.machine.state, bench.machine.admitted]).toEqual(["up", true]);
		}
	});

	test("[relay 31] other answers, an endless header, or a closed connection fail the attempt; the next comes after the backoff", () => {
		const cases: ((bench: Bench) => void)[] = [
			...[200, 302, 403, 404, 426, 500].map((status) => (bench: Bench) => bench.receive(utf8Encode(`HTTP/1.1 ${status} x\r\n\r\n`))),
			(bench) => bench.receive(utf8Encode("HTTP/1.1 101 x\r\nA: "), new Uint8Array(5000).fill(0x61)),
			(bench) => bench.machine.closed(undefined, bench.now),
		];
		for (const fail of cases) {
			const bench = new Bench().home();
			bench.machine.opened(0);
			bench.take();
			fail(bench);
			expect(bench.machine.state).toBe("waiting");
			expect(bench.log.at(-1)).toBe("close");
			expect(bench.take()).toBe("");
			bench.advance(100);
			expect(bench.targets.length).toBeGreaterThan(1);
		}
	});

	test("[relay 32] a certificate that is not acceptable: no HTTP byte is sent, no other node is tried, the error says so", () => {
		const bench = new Bench([derpNode(), derpNode({ name: "10b", ipv4: "192.0.2.2" })]).home();
		bench.machine.closed({ code: "certificate", message: "expired" }, 0);
		expect([bench.machine.state, bench.machine.error?.code, bench.take()]).toEqual(["waiting", "certificate", ""]);
		expect(bench.targets.length).toBe(1);
		bench.advance(16);
		expect(bench.targets.map((target) => target.address)).toEqual(["192.0.2.1", "192.0.2.1"]);
	});

	test("[relay 35] both families none is an error without a dial", () => {
		const bench = new Bench([derpNode({ ipv4: "none" })]).home();
		expect([bench.machine.state, bench.machine.error?.code, bench.targets.length]).toEqual(["waiting", "unreachable", 0]);
	});

	test("[relay 36] first node refuses TCP: the second node is dialled at once, with Ideal-Node", () => {
		const bench = new Bench([derpNode(), derpNode({ name: "10b", hostName: "b.example", ipv4: "192.0.2.2" })]).home();
		bench.machine.closed({ code: "refused", message: "refused" }, 5);
		expect(bench.targets[1]?.address).toBe("192.0.2.2");
		bench.machine.opened(9);
		expect(utf8Decode(fromHex(bench.take()))).toContain("Host: b.example\r\nConnection: Upgrade\r\nUpgrade: DERP\r\nIdeal-Node: 10a\r\n");
		bench.receive(answer, greeting);
		expect(bench.machine.nodeName).toBe("10b");
	});

	test("[relay 37] a server that accepts TCP and says nothing is left after 10 s, in whatever state", () => {
		for (const steps of [0, 1, 2]) {
			const bench = new Bench().home();
			if (steps > 0) bench.machine.opened(0);
			if (steps > 1) bench.receive(answer);
			bench.advance(9999);
			expect([bench.machine.state, bench.targets.length]).toEqual([["dialling", "upgrading", "greeting"][steps], 1]);
			bench.advance(1);
			expect([bench.machine.state, bench.machine.error?.code]).toEqual(["waiting", "timeout"]);
		}
	});

	test("names are resolved when there is no literal; an answer that comes too late is ignored", () => {
		const bench = new Bench([derpNode({ ipv4: "" })]).home();
		expect(bench.log).toEqual(["resolve derp.example"]);
		bench.machine.resolved(["192.0.2.7", "2001:db8::1"], 3);
		expect(bench.log.at(-1)).toBe("open 192.0.2.7:443");
		bench.machine.shut();
		bench.machine.resolved(["192.0.2.8"], 4);
		expect(bench.machine.state).toBe("closed");
		const failing = new Bench([derpNode({ ipv4: "" })]).home();
		failing.machine.resolved([], 3);
		expect([failing.machine.state, failing.machine.error?.code]).toEqual(["waiting", "unreachable"]);
	});
});

describe("login", () => {
	test("[relay 39] [relay 48] NotePreferred 01 follows ClientInfo on the home connection only, then come the packets", () => {
		const home = new Bench().home();
		home.machine.opened(0);
		home.take();
		home.receive(answer, greeting);
		const sent = home.take();
		expect(sent.length / 2).toBe(109 + 6);
		expect(sent.slice(218)).toBe("070000000101");
		const shared = boxSharedKey(serverPrivate, publicKey) as Uint8Array;
		expect(utf8Decode(boxOpen(shared, fromHex(sent.slice(74, 122)), fromHex(sent.slice(122, 218))) as Uint8Array)).toBe('{"version":2,"CanAckPings":true}');
		expect(home.log.at(-1)).toBe("up");
		const other = new Bench();
		other.machine.want(0);
		other.machine.opened(0);
		other.take();
		other.receive(answer, greeting);
		expect(other.take().length / 2).toBe(109);
	});

	test("[relay 43] a ServerKey that differs from the last connection's is accepted; a ServerInfo not sealed by it closes", () => {
		const bench = new Bench().home().login();
		bench.machine.closed(undefined, (bench.now = 20000));
		bench.advance(1000);
		const other = greeting.slice();
		other.set(x25519PublicKey(new Uint8Array(32).fill(3)), 13);
		bench.machine.opened(bench.now);
		bench.receive(answer, other);
		expect(bench.machine.state).toBe("up");
		bench.receive(serverInfo());
		expect([bench.machine.state, bench.machine.error?.code]).toEqual(["waiting", "protocol"]);
	});

	test("[relay 44] a bad greeting ends the connection; nothing secret was sent", () => {
		for (const vector of vectors.greetings.filter((one) => !one.accepted)) {
			const bench = new Bench().home();
			bench.machine.opened(0);
			bench.take();
			bench.receive(answer, fromHex(vector.bytes));
			expect([vector.name, bench.machine.state, bench.take()]).toEqual([vector.name, "waiting", ""]);
		}
	});

	test("a server that does not admit us is told from one that ended", () => {
		const refused = new Bench().home().login(false);
		refused.machine.closed(undefined, 5);
		expect(refused.machine.error?.code).toBe("refused");
		const ended = new Bench().home().login();
		ended.machine.closed(undefined, 5);
		expect(ended.machine.error?.code).toBe("closed");
	});

	test("[relay 40] the endings among clientReceives end the connection, the rest does not", () => {
		for (const vector of vectors.clientReceives) {
			const bench = new Bench().home().login();
			bench.receive(fromHex(vector.bytes));
			const isCut = vector.name.startsWith("cut"); // the reference reads the end of the stream behind it
			expect([vector.name, bench.machine.state]).toEqual([vector.name, vector.error !== undefined && !isCut ? "waiting" : "up"]);
		}
	});
});

describe("up", () => {
	test("[relay 45] Ping is answered by Pong with the same 8 bytes; KeepAlive by nothing", () => {
		const bench = new Bench().login();
		bench.take();
		bench.receive(frame(FRAME_PING, fromHex("0102030405060708")));
		expect(bench.take()).toBe("13000000080102030405060708");
		bench.receive(frame(FRAME_KEEP_ALIVE, new Uint8Array(0)), frame(FRAME_PONG, new Uint8Array(8)), fromHex("7f0000000100"));
		expect(bench.take()).toBe("");
	});

	test("[relay 46] silence ends the connection after 75 s; with a KeepAlive every 65 s it stays for hours", () => {
		const bench = new Bench().home().login();
		for (let i = 0; i < 200; i += 1) {
			bench.advance(65000);
			bench.receive(frame(FRAME_KEEP_ALIVE, new Uint8Array(0)));
		}
		expect([bench.machine.state, bench.targets.length]).toEqual(["up", 1]);
		bench.advance(READ_LIMIT_MS - 1);
		expect(bench.machine.state).toBe("up");
		bench.advance(1);
		expect([bench.machine.state, bench.machine.error?.code]).toEqual(["waiting", "timeout"]);
		expect(bench.log.slice(-2)).toEqual(["close", "lost"]);
		bench.advance(20);
		expect(bench.machine.state).toBe("dialling");
	});

	test("[relay 41] a frame above 1048576 bytes closes the connection at its header", () => {
		const bench = new Bench().home().login();
		bench.receive(fromHex("0500100001"));
		expect([bench.machine.state, bench.machine.error?.code]).toEqual(["waiting", "protocol"]);
	});

	test("[relay 50] learned routes: open and gone are told to the tunnel, and so is PeerGone of any reason", () => {
		const bench = new Bench().login();
		for (const reason of [0, 1, 7]) bench.receive(frame(FRAME_PEER_GONE, join([peer, Uint8Array.of(reason)])));
		bench.machine.closed(undefined, 9);
		const gone = `gone 10 ${vectors.unknownPeer}`;
		expect(bench.source.log).toEqual(["reset 10", "state 10 open", gone, gone, gone, "state 10 gone"]);
	});

	test("[relay 51] PeerGone does not stop packets to that peer", () => {
		const bench = new Bench().login();
		bench.receive(frame(FRAME_PEER_GONE, peer));
		bench.source.queue(10, peer, Uint8Array.of(1, 2, 3));
		const buffer = new Uint8Array(2048);
		expect(toHex(buffer.subarray(0, bench.machine.take(buffer, 1)))).toBe(`0400000023${vectors.unknownPeer}010203`);
	});

	test("[relay 52] Health text shows and vanishes at the empty text or the next ServerInfo; Restarting leads to a reconnect", () => {
		const bench = new Bench().home().login();
		bench.receive(frame(FRAME_HEALTH, utf8Encode("duplicate")));
		expect(bench.machine.problem).toBe("duplicate");
		bench.receive(frame(FRAME_HEALTH, new Uint8Array(0)));
		expect(bench.machine.problem).toBe("");
		bench.receive(frame(FRAME_HEALTH, utf8Encode("again")), serverInfo());
		expect(bench.machine.problem).toBe("");
		bench.advance(20000);
		bench.receive(frame(FRAME_RESTARTING, fromHex("000003e800001388"))); // in 1 s, for 5 s
		bench.advance(999);
		expect(bench.machine.state).toBe("up");
		bench.advance(1);
		expect(bench.machine.state).toBe("waiting");
		const before = bench.targets.length;
		for (let i = 0; i < 40; i += 1) {
			bench.advance(100);
			if (bench.machine.state === "dialling") bench.machine.closed({ code: "refused", message: "" }, bench.now);
		}
		expect(bench.targets.length - before).toBeGreaterThan(6);
		expect(bench.machine.failures).toBe(0);
		expect(bench.machine.error?.code).toBe("unreachable");
	});

	test("after Restarting and an early end, the dial waits for reconnect-in; absurd times are cut to 30 s", () => {
		const bench = new Bench().home().login();
		bench.advance(20000);
		bench.receive(frame(FRAME_RESTARTING, fromHex("7fffffff7fffffff")));
		bench.machine.closed(undefined, bench.now);
		bench.advance(29999);
		expect(bench.targets.length).toBe(1);
		bench.advance(1);
		expect(bench.targets.length).toBe(2);
	});

	test("a probe that no Pong answers within 3 s ends the connection; the right Pong saves it", () => {
		const bench = new Bench().home().login();
		bench.take();
		bench.machine.probe(0);
		bench.machine.probe(0);
		const ping = bench.take();
		expect(ping.slice(0, 10)).toBe("1200000008");
		expect(ping.length).toBe(26);
		bench.advance(2000);
		bench.receive(frame(FRAME_PONG, fromHex(ping.slice(10))));
		bench.advance(5000);
		expect(bench.machine.state).toBe("up");
		bench.machine.probe(bench.now);
		bench.receive(frame(FRAME_PONG, new Uint8Array(8)));
		bench.advance(3000);
		expect([bench.machine.state, bench.machine.error?.code]).toEqual(["waiting", "timeout"]);
	});

	test("a limit told in ServerInfo drops what is over it, and only SendPacket frames", () => {
		const bench = new Bench().login(false);
		bench.receive(serverInfo('{"version":2,"TokenBucketBytesPerSecond":1000,"TokenBucketBytesBurst":100}'));
		for (let i = 0; i < 4; i += 1) bench.source.queue(10, peer, new Uint8Array(13).fill(i)); // 50 bytes a frame
		const buffer = new Uint8Array(2048);
		const first = bench.machine.take(buffer, bench.now);
		expect(first).toBe(100);
		expect([buffer[37], buffer[87]]).toEqual([0, 1]);
		bench.source.queue(10, peer, new Uint8Array(13).fill(7));
		expect(bench.machine.take(buffer, bench.now)).toBe(0);
		bench.source.queue(10, peer, new Uint8Array(13).fill(8));
		expect(bench.machine.take(buffer, bench.now + 50)).toBe(50);
		expect(buffer[37]).toBe(8);
	});

	test("[relay 56] whatever the server sends, we send only ClientInfo, SendPacket, NotePreferred, Ping and Pong", () => {
		const random = new Random(3);
		const bench = new Bench().home();
		bench.machine.opened(0);
		bench.take();
		bench.receive(answer, greeting, serverInfo());
		for (let i = 0; i < 2000 && bench.machine.state === "up"; i += 1) {
			let type = random.below(256);
			if (type === FRAME_SERVER_INFO) type = FRAME_PING;
			bench.receive(frame(type, random.bytes(random.below(60))));
		}
		bench.machine.setHome(false, 1);
		bench.machine.probe(1);
		const types = new Set<number>();
		for (const bytes of bench.written) types.add(bytes[0] as number);
		for (const type of types) expect([0x02, 0x04, 0x07, 0x12, 0x13].includes(type)).toBe(true);
	});
});

describe("waiting", () => {
	test("[relay 47] after n failures the wait is between 0.5 and 1.5 times min(n*n*10 ms, 5 s)", () => {
		for (let seed = 1; seed <= 5; seed += 1) {
			const bench = new Bench([derpNode()], seed).home();
			for (let n = 1; n <= 40; n += 1) {
				bench.machine.closed({ code: "refused", message: "" }, bench.now);
				const wait = bench.machine.nextTick() - bench.now;
				const base = Math.min(n * n * 10, 5000);
				expect(wait >= base * 0.5 && wait <= base * 1.5).toBe(true);
				bench.advance(wait);
				expect(bench.machine.state).toBe("dialling");
			}
		}
	});

	test("[relay 47] a server that closes right after every login is not dialled more than once a second; 10 s of life reset n", () => {
		const bench = new Bench().home();
		let dials = 0;
		for (let i = 0; i < 600; i += 1) {
			if (bench.machine.state === "dialling") {
				dials += 1;
				bench.login();
				bench.machine.closed(undefined, bench.now);
			}
			bench.advance(100);
		}
		expect(dials <= 60).toBe(true);
		expect(bench.machine.failures).toBe(dials);
		bench.advance(8000);
		bench.login();
		bench.advance(10000);
		bench.machine.closed(undefined, bench.now);
		expect(bench.machine.failures).toBe(1);
		expect(bench.machine.nextTick() - bench.now <= 15).toBe(true);
	});

	test("a region that is not wanted any more is closed instead of dialled", () => {
		const bench = new Bench();
		bench.machine.want(0);
		for (let i = 0; i < 100 && bench.machine.state !== "closed"; i += 1) {
			if (bench.machine.state === "dialling") bench.machine.closed({ code: "refused", message: "" }, bench.now);
			bench.advance(5000);
		}
		expect(bench.machine.state).toBe("closed");
		expect(bench.now >= IDLE_MS).toBe(true);
		expect(bench.machine.nextTick()).toBe(Number.POSITIVE_INFINITY);
		bench.machine.want(bench.now);
		expect(bench.machine.state).toBe("dialling");
	});

	test("events of a stream that was given up change nothing", () => {
		const bench = new Bench().home().login();
		bench.machine.shut();
		const before = bench.log.length;
		bench.receive(greeting);
		bench.machine.opened(1);
		bench.machine.closed({ code: "io", message: "" }, 1);
		bench.machine.probe(1);
		expect([bench.machine.state, bench.log.length, bench.machine.take(new Uint8Array(100), 1)]).toEqual(["closed", before, 0]);
	});
});

describe("hostile streams", () => {
	test("random bytes in any state, in random pieces, neither throw nor leave a state without an end", () => {
		const random = new Random(11);
		for (let i = 0; i < 400; i += 1) {
			const bench = new Bench([derpNode()], i).home();
			const stage = random.below(4);
			bench.machine.opened(0);
			if (stage > 0) bench.receive(answer);
			if (stage > 1) bench.receive(greeting);
			if (stage > 2) bench.receive(serverInfo());
			for (let k = random.below(6); k >= 0; k -= 1) bench.receive(random.bytes(random.below(300)));
			expect(bench.machine.nextTick() <= READ_LIMIT_MS).toBe(true);
			bench.advance(READ_LIMIT_MS + 2000);
			expect(bench.targets.length).toBeGreaterThan(1);
		}
	});

	test("a good stream with one byte changed ends in no worse state than waiting", () => {
		const random = new Random(12);
		const good = join([answer, greeting, serverInfo(), frame(FRAME_PING, new Uint8Array(8))]);
		for (let i = 0; i < good.length; i += 1) {
			const bytes = good.slice();
			bytes[i] = (bytes[i] as number) ^ (1 + random.below(255));
			const bench = new Bench().home();
			bench.machine.opened(0);
			bench.receive(bytes);
			expect(["upgrading", "greeting", "up", "waiting"].includes(bench.machine.state)).toBe(true);
			expect(bench.machine.nextTick() < Number.POSITIVE_INFINITY).toBe(true);
		}
	});
});
