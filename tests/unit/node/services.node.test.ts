/** What `up` serves on the tailnet, on connections that a test plays: whatever a peer does, nothing is thrown and no socket stays. */
import { afterAll, jest } from "@jest/globals";
import { echoStallMS, serveEcho } from "../../../hosts/node/cli/services.js";
import { RELAY_BOUND_MS } from "../../../modules/health.js";
import { parseAddress } from "../../../modules/netmap/address.js";
import { Listener, type ListenerOptions } from "../../../modules/socket/listener.js";
import { TCP, type TCPOptions } from "../../../modules/socket/tcp.js";
import { UDP, type UDPOptions } from "../../../modules/socket/udp.js";
import type Tailnet from "../../../modules/tailnet.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { type FakeNode, fakeNode } from "../socket/fake-node.js";

const peer = parseAddress("100.64.0.9") as Uint8Array;
const stallMS = 20;
let node: FakeNode;
beforeEach(() => {
	jest.useFakeTimers();
	testing.reset();
	node = fakeNode();
	class BoundTCP extends TCP {
		constructor(options?: TCPOptions) {
			super(node, options);
		}
	}
	const tailnet = {
		TCP: BoundTCP,
		Listener: class extends Listener {
			constructor(options: ListenerOptions) {
				super(node, () => new BoundTCP(), options);
			}
		},
		UDP: class extends UDP {
			constructor(options: UDPOptions) {
				super(node, options);
			}
		},
	};
	serveEcho(tailnet as unknown as Tailnet, stallMS);
});
afterAll(() => {
	jest.useRealTimers();
});

const listener = 1;
const datagrams = 2;

describe("echo", () => {
	test("gives back what comes, as far as there is space, and the rest with the next space", () => {
		const handle = node.fake.accept(listener, peer, 5000);
		testing.advance(1);
		node.fake.sockets.get(handle)?.writable?.(3);
		node.fake.deliver(handle, 1, 2, 3, 4, 5);
		expect(node.fake.outgoing.get(handle)).toEqual([1, 2, 3]);
		node.fake.sockets.get(handle)?.writable?.(10);
		expect(node.fake.outgoing.get(handle)).toEqual([1, 2, 3, 4, 5]);
		node.fake.sockets.get(handle)?.closed("remote");
		testing.advance(1);
		expect([node.fake.sockets.has(handle), node.errors]).toEqual([false, []]);
	});

	test("a peer that is cut off for as long as a relay may be silent, and TCP may rest after that, is not left", () => {
		expect(echoStallMS > RELAY_BOUND_MS + 120_000).toBe(true);
	});

	test("a connection that breaks before its bytes go back is closed, and is no error of the node", async () => {
		const handle = node.fake.accept(listener, peer, 5000);
		testing.advance(1);
		const events = node.fake.sockets.get(handle);
		events?.writable?.(10);
		events?.closed("reset");
		node.fake.deliver(handle, 1, 2, 3);
		expect([node.fake.sockets.has(handle), node.errors]).toEqual([false, []]);
	});

	test("a peer that sends and takes nothing back, or is gone, is left after a while; one that takes something is not", () => {
		const [gone, slow] = [node.fake.accept(listener, peer, 5000), node.fake.accept(listener, peer, 5001)];
		testing.advance(1);
		node.fake.deliver(gone, 1, 2, 3);
		node.fake.deliver(slow, 1, 2, 3);
		node.fake.sockets.get(gone)?.closed("reset");
		for (let i = 0; i < 3; i += 1) {
			jest.advanceTimersByTime(stallMS - 1);
			node.fake.sockets.get(slow)?.writable?.(1);
		}
		expect([node.fake.sockets.has(gone), node.fake.sockets.has(slow), node.fake.outgoing.get(slow)]).toEqual([false, true, [1, 2, 3]]);
		jest.advanceTimersByTime(2 * stallMS);
		expect(node.fake.sockets.has(slow)).toBe(true);
	});

	test("a datagram that is too long to go back is dropped, and the next one is answered", () => {
		const received = (length: number, port: number): void => node.fake.sockets.get(datagrams)?.received?.(peer, port, new Uint8Array(length));
		for (const [length, port] of [
			[1252, 5000],
			[10, 0],
			[10, 5001],
		] as const)
			received(length, port);
		expect(node.fake.calls.filter((call) => call[0] === "udpSend").map((call) => call[3])).toEqual([5001]);
		expect(node.errors).toEqual([]);
	});
});
