import type { TailnetError } from "../../../modules/errors.js";
import { TCP, type TCPOptions } from "../../../modules/socket/tcp.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { type FakeNode, fakeNode } from "./fake-node.js";

let node: FakeNode;
beforeEach(() => {
	testing.reset();
	node = fakeNode();
});

function connect(options: TCPOptions = {}): { socket: TCP; events: string[] } {
	const events: string[] = [];
	const socket = new TCP(node, {
		address: "100.64.0.2",
		port: 80,
		onReadable: (count) => void events.push(`readable ${count}`),
		onWritable: (count) => void events.push(`writable ${count}`),
		onError: (error) => void events.push(`error ${error.code}`),
		...options,
	});
	return { socket, events };
}

function bytesOf(buffer: unknown): number[] {
	return [...new Uint8Array(buffer as ArrayBuffer)];
}

describe("TCP: constructor", () => {
	test("connects to an address of either family", () => {
		connect();
		connect({ address: "fd7a:115c:a1e0::2", port: 443, nodelay: true });
		expect(node.fake.calls.map((call) => [call[0], call[3], call[4]])).toEqual([
			["tcpConnect", 80, false],
			["tcpConnect", 443, true],
		]);
	});

	test("an address that no peer owns: no packet is sent, and onError says no-route in a later turn", () => {
		node.fake.isReachable = false;
		const { socket, events } = connect();
		expect([node.fake.calls, events]).toEqual([[], []]);
		testing.advance(1);
		testing.advance(1);
		expect(events).toEqual(["error no-route"]);
		socket.close();
		expect(node.fake.sockets.size).toBe(0);
	});

	test("refuses a name, a port out of range, an unknown format, a callback that is no function", () => {
		expect(() => new TCP(node, { address: "laptop", port: 80 })).toThrow(TypeError);
		expect(() => new TCP(node, { address: "100.64.0.2", port: 0 })).toThrow(RangeError);
		expect(() => new TCP(node, { address: "100.64.0.2", port: 65536 })).toThrow(RangeError);
		expect(() => new TCP(node, { address: "100.64.0.2", port: 80, format: "text" })).toThrow(RangeError);
		expect(() => new TCP(node, { address: "100.64.0.2", port: 80, onReadable: 5 as never })).toThrow(TypeError);
		expect(node.fake.sockets.size).toBe(0);
	});

	test("ignores options it does not know", () => {
		const options = { address: "100.64.0.2", port: 80, host: "laptop", io: TCP, node: {} };
		expect(() => new TCP(node, options)).not.toThrow();
	});

	test("keeps the target, and instances are extensible", () => {
		const target = {};
		const { socket } = connect({ target });
		expect(socket.target).toBe(target);
		expect(Object.isExtensible(socket)).toBe(true);
	});

	test("names that an app keeps on an instance, such as readable and writable, disturb nothing", () => {
		const { socket, events } = connect();
		Object.assign(socket, { readable: 0, writable: 0, connected: 0, closed: 0, accept: 0 });
		node.fake.connect(1, 10);
		node.fake.deliver(1, 1, 2);
		node.fake.sockets.get(1)?.closed("reset");
		expect(bytesOf(socket.read())).toEqual([1, 2]);
		testing.advance(1);
		expect(events).toEqual(["writable 10", "readable 2", "error reset"]);
	});

	test("says that the pool is full", () => {
		node.fake.poolSize = 0;
		expect(() => connect()).toThrow("no socket is free");
	});

	test("without options is an empty shell", () => {
		const socket = new TCP(node);
		expect(socket.read()).toBeUndefined();
		expect(() => socket.write(Uint8Array.of(1))).toThrow();
		expect(node.fake.calls).toEqual([]);
	});

	test("runs no callback from inside", () => {
		const { events } = connect();
		expect(events).toEqual([]);
	});
});

describe("TCP: read", () => {
	test("gives everything, an exact count, or fills a buffer", () => {
		const { socket, events } = connect();
		node.fake.deliver(1, 1, 2, 3, 4, 5, 6, 7, 8, 9);
		expect(events).toEqual(["readable 9"]);
		expect(bytesOf(socket.read(2))).toEqual([1, 2]);
		const into = new Uint8Array(3);
		expect(socket.read(into)).toBe(3);
		expect([...into]).toEqual([3, 4, 5]);
		expect(bytesOf(socket.read())).toEqual([6, 7, 8, 9]);
		expect(socket.read()).toBeUndefined();
	});

	test("fills a larger buffer as far as there is something", () => {
		const { socket } = connect();
		node.fake.deliver(1, 1, 2);
		expect(socket.read(new ArrayBuffer(10))).toBe(2);
	});

	test("throws for more than there is, nothing, or an empty buffer", () => {
		const { socket } = connect();
		node.fake.deliver(1, 1, 2);
		expect(() => socket.read(3)).toThrow(RangeError);
		expect(() => socket.read(0)).toThrow(RangeError);
		expect(() => socket.read(new Uint8Array(0))).toThrow(RangeError);
		expect(bytesOf(socket.read())).toEqual([1, 2]);
	});

	test("reads byte by byte in format number, and goes back to buffers in the middle", () => {
		const { socket } = connect({ format: "number" });
		node.fake.deliver(1, 1, 2, 3, 4);
		expect(socket.read()).toBe(1);
		expect(socket.read()).toBe(2);
		socket.format = "buffer";
		expect(socket.format).toBe("buffer");
		node.fake.deliver(1, 5);
		expect(bytesOf(socket.read())).toEqual([3, 4, 5]);
	});

	test("gives nothing where the tunnel has lost the bytes it announced, and then tells the end", () => {
		for (const format of ["buffer", "number"]) {
			const { socket, events } = connect({ format });
			const handle = [...node.fake.sockets.keys()].at(-1) as number;
			node.fake.deliver(handle, 1, 2, 3);
			node.fake.incoming.delete(handle);
			node.fake.sockets.get(handle)?.closed("reset");
			expect(socket.read()).toBeUndefined();
			testing.advance(1);
			expect(events).toEqual(["readable 3", "error reset"]);
		}
		const { socket } = connect();
		const handle = [...node.fake.sockets.keys()].at(-1) as number;
		node.fake.deliver(handle, 1, 2, 3);
		node.fake.incoming.set(handle, [1]);
		expect(bytesOf(socket.read())).toEqual([1]);
		expect(socket.read()).toBeUndefined();
	});

	test("tells of bytes that came while others were read one by one", () => {
		const { socket, events } = connect({ format: "number" });
		node.fake.deliver(1, 1, 2);
		node.fake.arrive(1, 3, 4, 5);
		expect([socket.read(), socket.read(), socket.read()]).toEqual([1, 2, undefined]);
		node.fake.announce(1);
		expect(events).toEqual(["readable 2", "readable 3"]);
		expect([socket.read(), socket.read(), socket.read()]).toEqual([3, 4, 5]);
	});

	test("counts what was read ahead in onReadable", () => {
		const { socket, events } = connect({ format: "number" });
		node.fake.deliver(1, 1, 2, 3);
		socket.read();
		node.fake.deliver(1, 4);
		expect(events).toEqual(["readable 3", "readable 3"]);
	});
});

describe("TCP: write", () => {
	test("first onWritable means connected, and write gives the space that is left", () => {
		const { socket, events } = connect();
		expect(() => socket.write(Uint8Array.of(1))).toThrow("would block");
		node.fake.connect(1, 10);
		expect(events).toEqual(["writable 10"]);
		expect(socket.write(Uint8Array.of(1, 2, 3))).toBe(7);
		expect(socket.write(Uint8Array.of(4).buffer, { more: true })).toBe(6);
		expect(socket.write(new DataView(Uint8Array.of(0, 5, 6).buffer, 1))).toBe(4);
		expect(node.fake.outgoing.get(1)).toEqual([1, 2, 3, 4, 5, 6]);
	});

	test("throws when data is larger than the space, and writes nothing of it", () => {
		const { socket } = connect();
		node.fake.connect(1, 2);
		expect(() => socket.write(Uint8Array.of(1, 2, 3))).toThrow("would block");
		expect(node.fake.outgoing.get(1)).toBeUndefined();
	});

	test("takes a byte in format number, and no text in either", () => {
		const { socket } = connect({ format: "number" });
		node.fake.connect(1, 10);
		expect(socket.write(65)).toBe(9);
		socket.format = "buffer";
		expect(() => socket.write("text" as never)).toThrow(TypeError);
		expect(node.fake.outgoing.get(1)).toEqual([65]);
	});
});

describe("TCP: end and close", () => {
	test("tells the end once, after the last byte was read", () => {
		const { socket, events } = connect();
		node.fake.connect(1, 10);
		node.fake.deliver(1, 1, 2);
		node.fake.sockets.get(1)?.closed("remote");
		testing.advance(10);
		expect(events).toEqual(["writable 10", "readable 2"]);
		socket.read(1);
		testing.advance(10);
		expect(events.length).toBe(2);
		socket.read(1);
		expect(events.length).toBe(2);
		testing.advance(10);
		expect(events).toEqual(["writable 10", "readable 2", "error closed"]);
	});

	test("what was received can still be answered when the other side has stopped sending", () => {
		const { socket, events } = connect();
		node.fake.connect(1, 2);
		node.fake.deliver(1, 1, 2, 3);
		node.fake.sockets.get(1)?.closed("remote");
		expect(socket.write(Uint8Array.of(1, 2))).toBe(0);
		node.fake.sockets.get(1)?.writable?.(5);
		expect(events).toEqual(["writable 2", "readable 3", "writable 5"]);
		expect(socket.write(Uint8Array.of(3))).toBe(4);
	});

	test("a connection that breaks after the other side has stopped sending is told as well: who still writes must not wait for ever", () => {
		const { socket, events } = connect();
		node.fake.connect(1, 2);
		node.fake.sockets.get(1)?.closed("remote");
		testing.advance(1);
		expect(events).toEqual(["writable 2", "error closed"]);
		node.fake.sockets.get(1)?.closed("timeout");
		expect(() => socket.write(Uint8Array.of(1))).toThrow("ended");
		testing.advance(1);
		node.fake.sockets.get(1)?.closed("reset");
		testing.advance(1);
		expect(events).toEqual(["writable 2", "error closed", "error timeout"]);
	});

	test("nothing can be written after a reset", () => {
		const { socket } = connect();
		node.fake.connect(1, 10);
		node.fake.sockets.get(1)?.closed("reset");
		expect(() => socket.write(Uint8Array.of(1))).toThrow("ended");
	});

	test("names why a connection failed", () => {
		for (const [reason, code] of [
			["refused", "refused"],
			["policy", "policy"],
			["timeout", "timeout"],
			["no-route", "no-route"],
			["reset", "reset"],
		] as const) {
			const errors: TailnetError[] = [];
			connect({ onError: (error) => void errors.push(error) });
			[...node.fake.sockets.values()].at(-1)?.closed(reason);
			testing.advance(1);
			expect(errors.map((error) => error.code)).toEqual([code]);
		}
	});

	test("close is idempotent, releases the socket and silences it", () => {
		const { socket, events } = connect();
		const handler = node.fake.sockets.get(1);
		socket.close();
		socket.close();
		handler?.readable?.(5);
		handler?.closed("reset");
		testing.advance(10);
		expect(events).toEqual([]);
		expect(node.fake.calls.filter((call) => call[0] === "socketClose")).toEqual([["socketClose", 1, false]]);
	});

	test("read, write and remoteAddress throw after close", () => {
		const { socket } = connect();
		expect(socket.remoteAddress).toBe("100.64.0.2");
		expect(socket.remotePort).toBe(80);
		socket.close();
		expect(() => socket.read()).toThrow(SyntaxError);
		expect(() => socket.write(Uint8Array.of(1))).toThrow(SyntaxError);
		expect(() => socket.remoteAddress).toThrow(SyntaxError);
	});

	test("close inside each callback is allowed", () => {
		for (const name of ["onReadable", "onWritable", "onError"] as const) {
			const { socket } = connect({ [name]: () => socket.close() });
			const handle = [...node.fake.sockets.keys()].at(-1) as number;
			node.fake.connect(handle, 5);
			node.fake.deliver(handle, 1);
			node.fake.sockets.get(handle)?.closed("remote");
			testing.advance(1);
			socket.close();
		}
		expect(node.errors).toEqual([]);
	});

	test("an exception in a callback is reported and goes no further", () => {
		connect({
			onWritable() {
				throw new Error("app");
			},
		});
		node.fake.connect(1, 5);
		expect(node.errors.length).toBe(1);
	});
});

describe("TCP: from", () => {
	test("takes over connection, unread bytes and pending events; the old one is closed", () => {
		const { socket: old, events: oldEvents } = connect({ format: "number" });
		node.fake.connect(1, 100);
		node.fake.deliver(1, 1, 2, 3);
		old.read();
		const events: string[] = [];
		const socket = new TCP(node, {
			from: old,
			onReadable: (count) => void events.push(`readable ${count}`),
			onWritable: (count) => void events.push(`writable ${count}`),
		});
		expect(events).toEqual([]);
		testing.advance(1);
		expect(events).toEqual(["writable 100", "readable 2"]);
		expect(bytesOf(socket.read())).toEqual([2, 3]);
		expect(socket.remoteAddress).toBe("100.64.0.2");
		expect(() => old.read()).toThrow(SyntaxError);
		node.fake.deliver(1, 9);
		expect(events.at(-1)).toBe("readable 1");
		expect(oldEvents).toEqual(["writable 100", "readable 3"]);
	});

	test("takes over an end that was not told yet", () => {
		const { socket: old } = connect({ onError: undefined });
		node.fake.connect(1, 100);
		node.fake.deliver(1, 7);
		node.fake.sockets.get(1)?.closed("remote");
		const codes: string[] = [];
		const socket = new TCP(node, { from: old, onError: (error) => void codes.push(error.code) });
		testing.advance(1);
		expect(codes).toEqual([]);
		expect(bytesOf(socket.read())).toEqual([7]);
		testing.advance(1);
		expect(codes).toEqual(["closed"]);
	});

	test("takes over an end that came while nobody listened, however long ago", () => {
		for (const reason of ["remote", "reset"] as const) {
			const shell = new TCP(node);
			TCP.accept(shell, 50, new Uint8Array(16), 5000);
			node.fake.sockets.get(50)?.closed(reason);
			testing.advance(1000);
			const codes: string[] = [];
			new TCP(node, { from: shell, onError: (error) => void codes.push(error.code) });
			expect(codes).toEqual([]);
			testing.advance(1);
			expect(codes).toEqual([reason === "remote" ? "closed" : "reset"]);
			testing.advance(1000);
			expect(codes.length).toBe(1);
		}
	});

	test("an end that was told is not told to a new owner, one that was about to be told is", () => {
		const { socket: told, events } = connect();
		node.fake.connect(1, 100);
		node.fake.sockets.get(1)?.closed("remote");
		testing.advance(1);
		expect(events.at(-1)).toBe("error closed");
		const codes: string[] = [];
		new TCP(node, { from: told, onError: (error) => void codes.push(error.code) });
		testing.advance(1);
		expect(codes).toEqual([]);
		const { socket: before, events: oldEvents } = connect();
		node.fake.sockets.get(2)?.closed("reset");
		new TCP(node, { from: before, onError: (error) => void codes.push(error.code) });
		testing.advance(1);
		expect([oldEvents, codes]).toEqual([[], ["reset"]]);
	});

	test("refuses what is no socket of ours, or is closed", () => {
		expect(() => new TCP(node, { from: {} as never })).toThrow(TypeError);
		const { socket: foreign } = connect();
		expect(() => new TCP(fakeNode(), { from: foreign })).toThrow(TypeError);
		expect(foreign.remotePort).toBe(80);
		const { socket } = connect();
		socket.close();
		expect(() => new TCP(node, { from: socket })).toThrow(SyntaxError);
	});
});
