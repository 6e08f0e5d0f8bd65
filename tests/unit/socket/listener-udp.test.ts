import { parseAddress } from "../../../modules/netmap/address.js";
import { Listener, type ListenerOptions } from "../../../modules/socket/listener.js";
import { Resolver } from "../../../modules/socket/resolver.js";
import { TCP } from "../../../modules/socket/tcp.js";
import { UDP, type UDPOptions } from "../../../modules/socket/udp.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { type FakeNode, fakeNode } from "./fake-node.js";

let node: FakeNode;
beforeEach(() => {
	testing.reset();
	node = fakeNode();
});

const peer = parseAddress("100.64.0.9") as Uint8Array;

function listen(options?: ListenerOptions): Listener {
	return new Listener(node, () => new TCP(node), options);
}

describe("Listener", () => {
	test("listens on the port given, or on a free one that the getter tells", () => {
		expect(listen({ port: 80 }).port).toBe(80);
		const free = listen();
		expect(free.port).toBeGreaterThanOrEqual(32768);
		expect(node.fake.calls.map((call) => [call[0], call[2]])).toEqual([
			["tcpListen", 80],
			["tcpListen", free.port],
		]);
		expect(free.format).toBe("socket/tcp");
	});

	test("refuses a port that is in use, and gives it back on close", () => {
		const first = listen({ port: 80 });
		expect(() => listen({ port: 80 })).toThrow("in use");
		first.close();
		expect(listen({ port: 80 }).port).toBe(80);
	});

	test("gives the port back when no socket is free", () => {
		node.fake.poolSize = 0;
		expect(() => listen({ port: 80 })).toThrow("no socket is free");
		node.fake.poolSize = 8;
		expect(listen({ port: 80 }).port).toBe(80);
	});

	test("read gives connections without callbacks; from gives them callbacks and what had come", () => {
		const counts: number[] = [];
		const listener = listen({ port: 80, onReadable: (count) => void counts.push(count) });
		const handle = node.fake.accept(1, peer, 5000);
		node.fake.deliver(handle, 1, 2);
		node.fake.accept(1, peer, 5001);
		expect(counts).toEqual([1, 2]);
		const shell = listener.read() as TCP;
		expect(shell.remoteAddress).toBe("100.64.0.9");
		expect(shell.remotePort).toBe(5000);
		const events: string[] = [];
		new TCP(node, { from: shell, onReadable: (count) => void events.push(`readable ${count}`) });
		testing.advance(1);
		expect(events).toEqual(["readable 2"]);
		expect(listener.read()?.remotePort).toBe(5001);
		expect(listener.read()).toBeUndefined();
	});

	test("hears once when the tunnel closes it, with the reason; port and connections are free then, and nothing is told any more", () => {
		const told: string[] = [];
		const listener = listen({ port: 80, onReadable: (count) => void told.push(`readable ${count}`), onError: (error) => void told.push(error.message) });
		const events = node.fake.sockets.get(1);
		const handle = node.fake.accept(1, peer, 5000);
		events?.closed("in-use");
		events?.closed("in-use");
		expect(told).toEqual(["readable 1", "the listener was closed: in-use"]);
		expect(node.fake.calls.filter((call) => call[0] === "socketClose")).toEqual([
			["socketClose", 1, true],
			["socketClose", handle, false],
		]);
		expect(() => listener.read()).toThrow(SyntaxError);
		expect(listen({ port: 80 }).port).toBe(80);
	});

	test("keeps the target; without callbacks it listens all the same; an exception in one is reported, and the connection is there", () => {
		const target = {};
		const listener = listen({
			port: 80,
			target,
			onReadable() {
				throw new Error("app");
			},
		});
		expect(listener.target).toBe(target);
		node.fake.accept(1, peer, 5000);
		expect(node.errors.length).toBe(1);
		expect(listener.read()?.remotePort).toBe(5000);
		const silent = listen({ port: 81 });
		expect("target" in silent && silent.target !== undefined).toBe(false);
		node.fake.accept(2, peer, 5001);
		node.fake.sockets.get(2)?.closed("reset");
		expect(node.errors.length).toBe(1);
	});

	test("close inside onReadable is allowed, and is the last that it hears", () => {
		let called = 0;
		const listener = listen({
			port: 80,
			onReadable() {
				called += 1;
				this.close();
			},
		});
		const events = node.fake.sockets.get(1);
		node.fake.accept(1, peer, 5000);
		events?.closed("reset");
		expect([called, node.errors]).toEqual([1, []]);
		expect(() => listener.read()).toThrow(SyntaxError);
	});

	test("close closes what nobody has read, and read throws afterwards", () => {
		const listener = listen({ port: 80 });
		const handle = node.fake.accept(1, peer, 5000);
		listener.close();
		listener.close();
		expect(node.fake.calls.filter((call) => call[0] === "socketClose").map((call) => call[1])).toEqual([1, handle]);
		expect(() => listener.read()).toThrow(SyntaxError);
	});

	test("keeps 32 connections that nobody reads; more are reset at once and counted, so that one port cannot take every socket", () => {
		const counts: number[] = [];
		const listener = listen({ port: 80, onReadable: (count) => void counts.push(count) });
		const handles = Array.from({ length: 40 }, (_, i) => node.fake.accept(1, peer, 5000 + i));
		expect([counts.length, counts.at(-1), listener.refused]).toEqual([32, 32, 8]);
		expect(node.fake.calls.filter((call) => call[0] === "socketClose")).toEqual(handles.slice(32).map((handle) => ["socketClose", handle, true]));
		expect(listener.read()?.remotePort).toBe(5000);
		node.fake.accept(1, peer, 6000);
		expect([counts.length, listener.refused]).toEqual([33, 8]);
	});

	test("refuses options of a wrong form", () => {
		expect(() => listen({ port: -1 })).toThrow(RangeError);
		expect(() => listen({ port: 80, onReadable: {} as never })).toThrow(TypeError);
		expect(() => {
			listen({ port: 81 }).format = "buffer";
		}).toThrow(RangeError);
	});
});

describe("UDP", () => {
	function open(options?: UDPOptions): UDP {
		return new UDP(node, options);
	}

	test("read gives datagrams with the sender's address and port", () => {
		const counts: number[] = [];
		const socket = open({ port: 7, onReadable: (packets) => void counts.push(packets) });
		node.fake.sockets.get(1)?.received?.(peer, 1234, Uint8Array.of(1, 2));
		node.fake.sockets.get(1)?.received?.(peer, 1235, Uint8Array.of());
		expect(counts).toEqual([1, 2]);
		const first = socket.read();
		expect([...new Uint8Array(first as ArrayBuffer)]).toEqual([1, 2]);
		expect([first?.address, first?.port]).toEqual(["100.64.0.9", 1234]);
		expect(socket.read()?.byteLength).toBe(0);
		expect(socket.read()).toBeUndefined();
	});

	test("the bytes are a copy", () => {
		const socket = open({ port: 7 });
		const payload = Uint8Array.of(1);
		node.fake.sockets.get(1)?.received?.(peer, 1, payload);
		payload[0] = 9;
		expect(new Uint8Array(socket.read() as ArrayBuffer)[0]).toBe(1);
	});

	test("drops the oldest when nobody reads, and counts it", () => {
		const socket = open({ port: 7 });
		for (let i = 0; i < 70; i += 1) node.fake.sockets.get(1)?.received?.(peer, i + 1, Uint8Array.of(i));
		expect(socket.dropped).toBe(6);
		expect(socket.read()?.port).toBe(7);
	});

	test("write sends to a literal of either family", () => {
		const socket = open({ port: 7 });
		socket.write(Uint8Array.of(1), "100.64.0.9", 53);
		socket.write(Uint8Array.of(2).buffer, "fd7a:115c:a1e0::9", 54);
		expect(node.fake.calls.filter((call) => call[0] === "udpSend").map((call) => [call[3], call[4]])).toEqual([
			[53, Uint8Array.of(1)],
			[54, Uint8Array.of(2)],
		]);
	});

	test("binds the port that was given, or a free one; close releases it once", () => {
		const [given, free] = [open({ port: 7 }), open()];
		expect(given.port).toBe(7);
		expect(free.port).toBeGreaterThanOrEqual(32768);
		expect(node.fake.calls).toEqual([
			["udpBind", 1, 7],
			["udpBind", 2, free.port],
		]);
		given.close();
		given.close();
		expect(node.fake.calls.slice(2)).toEqual([["socketClose", 1, false]]);
	});

	test("write takes 1,232 bytes", () => {
		open({ port: 7 }).write(new Uint8Array(1232), "100.64.0.9", 53);
		expect(node.fake.calls.at(-1)?.[4]).toEqual(new Uint8Array(1232));
	});

	test("write refuses a name, a port out of range, more than fits", () => {
		const socket = open({ port: 7 });
		expect(() => socket.write(Uint8Array.of(1), "laptop", 53)).toThrow("expected an IP literal, got laptop");
		expect(() => socket.write(Uint8Array.of(1), "100.64.0.9", 0)).toThrow(RangeError);
		expect(() => socket.write(new Uint8Array(1233), "100.64.0.9", 53)).toThrow(RangeError);
	});

	test("ports are owned, freed by close, and separate from TCP's", () => {
		const first = open({ port: 53 });
		listen({ port: 53 });
		expect(() => open({ port: 53 })).toThrow("in use");
		first.close();
		first.close();
		expect(open({ port: 53 }).port).toBe(53);
		expect(() => first.read()).toThrow(SyntaxError);
		expect(() => first.write(Uint8Array.of(1), "100.64.0.9", 53)).toThrow(SyntaxError);
	});

	test("keeps the target; gives the port back when no socket is free; an exception in a callback is reported", () => {
		const target = {};
		const socket = open({
			port: 7,
			target,
			onReadable() {
				throw new Error("app");
			},
		});
		expect([socket.target === target, socket.format]).toEqual([true, "buffer"]);
		expect(() => {
			socket.format = "number";
		}).toThrow(RangeError);
		node.fake.sockets.get(1)?.received?.(peer, 1, Uint8Array.of(1));
		expect([node.errors.length, socket.read()?.byteLength]).toEqual([1, 1]);
		node.fake.poolSize = 1;
		expect(() => open({ port: 8 })).toThrow("no socket is free");
		node.fake.poolSize = 8;
		expect(open({ port: 8 }).port).toBe(8);
	});

	test("close inside onReadable is allowed; nothing is told afterwards, and what waited is gone", () => {
		let called = 0;
		const socket = open({
			port: 7,
			onReadable() {
				called += 1;
				this.close();
			},
			onError: () => (called += 100),
		});
		const events = node.fake.sockets.get(1);
		events?.received?.(peer, 1, Uint8Array.of(1));
		events?.closed("reset");
		expect([called, node.errors]).toEqual([1, []]);
		expect(() => socket.read()).toThrow(SyntaxError);
	});

	test("hears once when the node is closed", () => {
		const codes: string[] = [];
		open({ port: 53, onError: (error) => void codes.push(error.code) });
		const events = node.fake.sockets.get(1);
		events?.closed("reset");
		events?.closed("reset");
		expect(codes).toEqual(["closed"]);
	});
});

describe("Resolver", () => {
	test("tells the first address, or that there is none", async () => {
		const resolver = new Resolver((host) => (host === "laptop" ? Promise.resolve(["100.64.0.9", "fd7a::9"]) : Promise.reject(new Error("none"))));
		const told: string[] = [];
		const callbacks = {
			onResolved: (host: string, address: string) => void told.push(`${host} ${address}`),
			onError: (host: string) => void told.push(`no ${host}`),
		};
		resolver.resolve({ host: "laptop", ...callbacks });
		resolver.resolve({ host: "phone", ...callbacks });
		expect(told).toEqual([]);
		await testing.settle();
		expect(told).toEqual(["laptop 100.64.0.9", "no phone"]);
	});

	test("an exception in a callback is reported", async () => {
		const errors: unknown[] = [];
		const resolver = new Resolver(
			(host) => (host === "laptop" ? Promise.resolve(["100.64.0.9"]) : Promise.reject(new Error("none"))),
			(error) => errors.push(error),
		);
		const fail = () => {
			throw new Error("app");
		};
		resolver.resolve({ host: "laptop", onResolved: fail });
		resolver.resolve({ host: "phone", onError: fail });
		resolver.resolve({ host: "laptop" }, fail);
		await testing.settle();
		expect(errors.length).toBe(3);
	});

	test("tells a callback in place of the two: error or null, and the address", async () => {
		const resolver = new Resolver((host) => (host === "laptop" ? Promise.resolve(["100.64.0.9"]) : Promise.reject(new Error("none"))));
		const told: unknown[] = [];
		for (const host of ["laptop", "phone"]) resolver.resolve({ host }, (error, address) => void told.push([error && (error as Error).message, address]));
		await testing.settle();
		expect(told).toEqual([
			[null, "100.64.0.9"],
			["none", undefined],
		]);
	});

	test("is silent after close", async () => {
		const resolver = new Resolver((host) => (host === "laptop" ? Promise.resolve(["100.64.0.9"]) : Promise.reject(new Error("none"))));
		const told: string[] = [];
		resolver.resolve({ host: "laptop", onResolved: (host) => void told.push(host) });
		resolver.resolve({ host: "phone", onError: (host) => void told.push(host) });
		resolver.close();
		await testing.settle();
		expect(told).toEqual([]);
	});
});
