/** All regions of one node on the test host's streams and clock: protocol/relay.md §3.7, §3.8. */
import { boxSeal, boxSharedKey, utf8Encode, x25519PublicKey } from "tailnet/host";
import { DERP, type DERPOptions } from "../../../modules/derp/derp.js";
import { FRAME_HEADER_LENGTH, FRAME_SERVER_INFO, frame, frameLength } from "../../../modules/derp/frames.js";
import type { DERPNode, DERPRegion } from "../../../modules/derp/types.js";
import { describe, expect, fromHex, test, toHex } from "../../harness.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { type Connection, testing as host } from "../../xs/host.js";
import { FakeSource, join } from "./fake-source.js";

const serverPrivate = fromHex(vectors.server.privateKey);
const greeting = fromHex((vectors.greetings[0] as { bytes: string }).bytes);
const answer = utf8Encode("HTTP/1.1 101 Switching Protocols\r\n\r\n");
const firstKey = new Uint8Array(32).fill(0x11);
const secondKey = new Uint8Array(32).fill(0x22);
const peer = fromHex(vectors.unknownPeer);

function region(id: number, fields: Partial<DERPNode> = {}): DERPRegion {
	const base = { name: `${id}a`, hostName: `r${id}.example`, certName: "", ipv4: `192.0.2.${id}`, ipv6: "none" };
	return { id, code: `r${id}`, nodes: [{ ...base, derpPort: 0, stunOnly: false, insecureForTests: false, ...fields }] };
}

function mapOf(...regions: DERPRegion[]): Map<number, DERPRegion> {
	return new Map(regions.map((one) => [one.id, one]));
}

class Bench {
	readonly source = new FakeSource();
	readonly log: string[] = [];
	readonly derp: DERP;
	privateKey = firstKey;

	constructor(options: Partial<DERPOptions> = {}) {
		host.reset();
		this.derp = new DERP({
			privateKey: firstKey,
			source: this.source,
			onStatus: (status) => this.log.push(`${status.region} ${status.state}${status.admitted ? " admitted" : ""}`),
			onLost: (id) => this.log.push(`${id} lost`),
			onHomeLost: (id) => this.log.push(`home ${id} lost`),
			onError: (error) => {
				throw error;
			},
			...options,
		});
		this.derp.setMap(mapOf(region(1), region(2), region(3)));
	}

	/** The newest open stream to a region. */
	stream(id: number): Connection | undefined {
		return host.connections.filter((one) => !one.isClosed && one.options.address === `192.0.2.${id}`).at(-1);
	}

	/** Open streams, by region. */
	get open(): string {
		return [1, 2, 3, 4].filter((id) => this.stream(id)).join();
	}

	/** A KeepAlive on every open stream. */
	keepAlive(): void {
		for (const id of [1, 2, 3, 4]) this.stream(id)?.receive(fromHex("0600000000"));
	}

	/** Plays the server until it has admitted us. */
	admit(id: number): Connection {
		const stream = this.stream(id) as Connection;
		stream.opened();
		stream.receive(answer);
		stream.receive(greeting);
		const nonce = new Uint8Array(24);
		const shared = boxSharedKey(serverPrivate, x25519PublicKey(this.privateKey)) as Uint8Array;
		stream.receive(frame(FRAME_SERVER_INFO, join([nonce, boxSeal(shared, nonce, utf8Encode('{"version":2}'))])));
		host.advance(0);
		return stream;
	}

	/** Frames written since the last call, without the HTTP request: type and payload, "02" without its box. */
	frames(stream: Connection): string[] {
		const bytes = stream.take();
		const list: string[] = [];
		let at = bytes[0] === 0x47 ? bytes.findIndex((_, i) => bytes[i] === 10 && bytes[i - 1] === 13 && bytes[i - 2] === 10) + 1 : 0;
		while (at < bytes.length) {
			const end = at + FRAME_HEADER_LENGTH + frameLength(bytes, at);
			list.push(bytes[at] === 2 ? `02 ${toHex(bytes.subarray(at + 5, at + 9))}` : toHex(bytes.subarray(at, end)));
			at = end;
		}
		return list;
	}
}

const clientInfo = (key: Uint8Array) => `02 ${toHex(x25519PublicKey(key).subarray(0, 4))}`;
const packetFrame = (text: string) => toHex(frame(4, join([peer, utf8Encode(text)])));

describe("home", () => {
	test("[relay 48] NotePreferred 01 on home only; on a home change the old gets 00 and the new 01", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		const one = bench.admit(1);
		expect(bench.frames(one)).toEqual([clientInfo(firstKey), "070000000101"]);
		bench.derp.ready(2);
		const two = bench.admit(2);
		expect(bench.frames(two)).toEqual([clientInfo(firstKey)]);
		bench.derp.setHome(2);
		expect([bench.frames(one), bench.frames(two), bench.derp.home]).toEqual([["070000000100"], ["070000000101"], 2]);
	});

	test("home is dialled again by itself, and its loss is told in a turn of its own", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		const stream = bench.admit(1);
		host.advance(20000);
		bench.log.length = 0;
		stream.closed();
		expect([bench.open, bench.log]).toEqual(["", []]);
		host.advance(20);
		expect([bench.open, bench.log]).toEqual(["1", ["1 waiting", "1 lost", "1 dialling"]]);
	});

	test("the map may come after home", () => {
		const bench = new Bench();
		bench.derp.setHome(4);
		expect(bench.open).toBe("");
		bench.derp.setMap(mapOf(region(1), region(2), region(3), region(4)));
		expect(bench.open).toBe("4");
	});

	test("DNS answers reach the region that asked, late ones nobody", async () => {
		const bench = new Bench();
		host.names.set("r1.example", ["192.0.2.1"]);
		bench.derp.setMap(mapOf(region(1, { ipv4: "" })));
		bench.derp.setHome(1);
		bench.derp.setHome(0);
		bench.derp.setMap(mapOf());
		await host.settle();
		expect(bench.open).toBe("");
		bench.derp.setMap(mapOf(region(1, { ipv4: "" })));
		bench.derp.setHome(1);
		await host.settle();
		expect(bench.open).toBe("1");
		host.names.clear();
		bench.stream(1)?.closed({ code: "refused", message: "" });
		for (let i = 0; i < 5; i += 1) {
			host.advance(100);
			await host.settle();
		}
		expect(bench.derp.status[0]?.error?.code).toBe("unreachable");
	});
});

describe("other regions", () => {
	test("[relay 49] a non-home connection closes 60..75 s after the last packet written; home stays", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.ready(2);
		bench.admit(2);
		for (let i = 0; i < 3; i += 1) {
			host.advance(50000);
			bench.keepAlive();
			bench.source.queue(2, peer, utf8Encode("x"));
			bench.derp.ready(2);
			expect(bench.open).toBe("1,2");
		}
		for (let waited = 0; ; waited += 1000) {
			bench.keepAlive(); // reading does not count
			if (bench.open === "1") {
				expect(waited >= 60000 && waited <= 75000).toBe(true);
				break;
			}
			expect(waited <= 75000).toBe(true);
			host.advance(1000);
		}
		expect(bench.source.log.at(-1)).toBe("state 2 gone");
	});

	test("an old home stays for 60 s at least after the change", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		for (let i = 0; i < 6; i += 1) {
			host.advance(30000);
			bench.keepAlive();
		}
		bench.derp.setHome(2);
		bench.admit(2);
		for (let i = 0; i < 59; i += 1) {
			host.advance(1000);
			bench.keepAlive();
		}
		expect(bench.open).toBe("1,2");
		host.advance(16000);
		expect(bench.open).toBe("2");
	});

	test("a region that the map lacks is never dialled", () => {
		const bench = new Bench();
		bench.derp.ready(9);
		expect(host.connections.length).toBe(0);
	});

	test("with room for two, a third takes the place of the one that rested; one in use is not chased away", () => {
		const bench = new Bench({ maximumConnections: 2 });
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.ready(2);
		bench.admit(2);
		bench.derp.ready(3);
		expect(bench.open).toBe("1,2");
		host.advance(15000);
		expect(bench.open).toBe("1,3");
	});
});

describe("packets", () => {
	test("[relay 53] 33 packets queued while connecting: the first is the one lost", () => {
		const bench = new Bench();
		for (let i = 0; i < 33; i += 1) bench.source.queue(2, peer, utf8Encode(`p${i}`));
		bench.derp.ready(2);
		const frames = bench.frames(bench.admit(2)).slice(1);
		expect(frames.length).toBe(32);
		expect([frames[0], frames[31]]).toEqual([packetFrame("p1"), packetFrame("p32")]);
	});

	test("frames stay in the tunnel while the system does not take them, and leave when it does", () => {
		const bench = new Bench();
		bench.derp.ready(2);
		const stream = bench.admit(2);
		stream.take();
		stream.pendingBytes = 20000;
		bench.source.queue(2, peer, utf8Encode("later"));
		bench.derp.ready(2);
		expect(bench.frames(stream)).toEqual([]);
		stream.drained();
		expect(bench.frames(stream)).toEqual([packetFrame("later")]);
	});

	test("an endless queue does not hold the loop: the rest leaves in later turns", () => {
		const bench = new Bench({ bufferBytes: 64 });
		bench.derp.ready(2);
		const stream = bench.admit(2);
		stream.take();
		for (let i = 0; i < 32; i += 1) bench.source.queue(2, peer, utf8Encode(`p${i}`));
		bench.derp.ready(2);
		expect(bench.frames(stream).length).toBe(16);
		host.advance(0);
		expect(bench.frames(stream).length).toBe(16);
	});
});

describe("changes", () => {
	test("[relay 54] a redefined region closes its connection; a removed or redefined home has to be chosen again", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.ready(2);
		const two = bench.admit(2);
		bench.derp.setMap(mapOf(region(1), region(2), region(3)));
		expect(bench.stream(2)).toBe(two);
		bench.derp.setMap(mapOf(region(1), region(2, { derpPort: 8443 }), region(3)));
		expect([two.isClosed, bench.stream(2)?.options.port, bench.open]).toEqual([true, 8443, "1,2"]);
		bench.derp.setMap(mapOf(region(2, { derpPort: 8443 }), region(3)));
		host.advance(0);
		expect([bench.derp.home, bench.open, bench.log.at(-1)]).toEqual([0, "2", "home 1 lost"]);
	});

	test("[relay 55] a new node key closes all connections, and home comes back under it", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.ready(2);
		bench.admit(2);
		bench.derp.setNodeKey(secondKey);
		bench.privateKey = secondKey;
		expect(bench.open).toBe("1");
		expect(bench.frames(bench.admit(1))).toEqual([clientInfo(secondKey), "070000000101"]);
	});

	test("network down closes all and dials nothing; network up dials home at once", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.setNetworkUp(false);
		bench.derp.ready(2);
		host.advance(60000);
		expect(bench.open).toBe("");
		bench.derp.setNetworkUp(true);
		expect(bench.open).toBe("1");
	});

	test("a connection whose local address vanished is closed and dialled again; the others are probed", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		const one = bench.admit(1);
		bench.derp.ready(2);
		const two = bench.admit(2);
		two.localAddress = "192.0.2.99";
		two.take();
		one.take();
		bench.derp.networkChanged(["192.0.2.99"]);
		expect([one.isClosed, two.isClosed, bench.open]).toEqual([true, false, "1,2"]);
		expect(bench.frames(two)[0]?.slice(0, 10)).toBe("1200000008");
		host.advance(3000);
		expect(two.isClosed).toBe(true);
	});

	test("close ends every stream and timer, and nothing is told afterwards", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		bench.admit(1);
		bench.derp.ready(2);
		bench.log.length = 0;
		bench.derp.close();
		bench.derp.close();
		bench.derp.setHome(3);
		bench.derp.ready(3);
		host.advance(200000);
		expect([bench.open, host.timers, bench.log]).toEqual(["", 0, []]);
	});

	test("an exception of a callback is reported, and the connection goes on", () => {
		const errors: unknown[] = [];
		const bench = new Bench({
			onStatus: () => {
				throw new Error("app");
			},
			onError: (error) => errors.push(error),
		});
		bench.derp.setHome(1);
		bench.admit(1);
		expect(errors.length).toBeGreaterThan(0);
		expect(bench.derp.status[0]?.admitted).toBe(true);
	});
});

describe("status", () => {
	test("tells state, node, address, last frame and error of each region", () => {
		const bench = new Bench();
		bench.derp.setHome(1);
		const stream = bench.admit(1);
		const { lastFrameMS, ...rest } = bench.derp.status[0] as { lastFrameMS: number };
		expect(rest).toEqual({
			region: 1,
			code: "r1",
			home: true,
			state: "up",
			admitted: true,
			failures: 0,
			error: undefined,
			problem: "",
			node: "1a",
			localAddress: "192.0.2.10",
		});
		host.advance(5000);
		stream.receive(fromHex("0600000000"));
		expect((bench.derp.status[0]?.lastFrameMS as number) - lastFrameMS).toBe(5000);
		stream.closed({ code: "io", message: "broken pipe" });
		expect(bench.derp.status[0]?.error).toEqual({ code: "closed", message: "broken pipe" });
	});
});
