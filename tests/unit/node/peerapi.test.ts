/** The PeerAPI over sockets whose other end is the test (protocol/tunnel.md §5.5). */

import { parseAddress } from "../../../modules/netmap/address.js";
import { answerPeerAPI, PeerAPI, peerAPIPort } from "../../../modules/peerapi.js";
import { Listener, type ListenerOptions } from "../../../modules/socket/listener.js";
import { TCP, type TCPOptions } from "../../../modules/socket/tcp.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, utf8Encode } from "../../xs/host.js";
import { type FakeNode, fakeNode } from "../socket/fake-node.js";

const own = ["100.64.0.1", "fd7a:115c:a1e0::1"];
const isOwn = (address: string): boolean => own.includes(address);
const status = (head: string): number => answerPeerAPI(head.replaceAll("\n", "\r\n"), isOwn).status;

describe("answers", () => {
	test("[tunnel 51] a wrong Host, a Referer, an Origin: 403", () => {
		for (const host of [
			"",
			"\nHost: example.com",
			"\nHost: 100.64.0.2:32801",
			"\nHost: 127.0.0.1",
			"\nHost: [fd7a:115c:a1e0::2]:1",
			"\nHost: 100.64.0.1.example.com",
			"\nHost: peer.example.com",
		]) {
			expect([host, status(`GET / HTTP/1.1${host}`)]).toEqual([host, 403]);
		}
		for (const field of ["Origin: http://x", "origin: null", "ORIGIN:", "Referer: http://100.64.0.1/"])
			expect([field, status(`GET / HTTP/1.1\nHost: peer\n${field}`)]).toEqual([field, 403]);
		expect(status("GET / HTTP/1.1\nHost: peer\nReferer: ")).toBe(200);
	});

	test("[tunnel 51] GET and HEAD / with an own address, or peer, as Host: 200", () => {
		for (const host of ["peer", "100.64.0.1", "100.64.0.1:32801", "[fd7a:115c:a1e0::1]:32801", "[fd7a:115c:a1e0::1]"]) {
			for (const method of ["GET", "HEAD"]) expect([host, status(`${method} / HTTP/1.1\nhost:${host}`)]).toEqual([host, 200]);
		}
	});

	test("[tunnel 51] an unknown path is 404, another method too; a DNS query is refused", () => {
		expect(["GET /x", "GET /v0/put/file", "POST /", "PUT /", "GET //", "GET", "", "GET /?x"].map((line) => status(`${line} HTTP/1.1\nHost: peer`))).toEqual(
			new Array(8).fill(404),
		);
		expect(status("POST /dns-query HTTP/1.1\nHost: peer")).toBe(403);
	});

	test("random heads never throw", () => {
		for (const head of ["", "\r\n", ":::", "GET", "GET / HTTP/1.1\r\nHost", "\u0000\ufffd", "GET / HTTP/1.1\r\n:\r\n: \r\nHost:peer"])
			expect(typeof answerPeerAPI(head, isOwn).status).toBe("number");
	});
});

describe("connections", () => {
	let node: FakeNode;
	let api: PeerAPI;
	let peers: string[];
	let next = 1000;

	beforeEach(() => {
		testing.reset();
		node = fakeNode();
		node.fake.poolSize = 100;
		peers = ["100.64.0.2", "fd7a:115c:a1e0::2"];
		class BoundTCP extends TCP {
			constructor(options?: TCPOptions) {
				super(node, options);
			}
		}
		class BoundListener extends Listener {
			constructor(options: ListenerOptions) {
				super(node, () => new BoundTCP(), options);
			}
		}
		api = new PeerAPI({ TCP: BoundTCP, Listener: BoundListener, isPeer: (address) => peers.includes(address), isOwn });
	});

	/** A peer connects. @returns what it can do and see */
	function connect(from = "100.64.0.2"): { send(text: string): void; answer(): string; isOpen(): boolean; handle: number } {
		const listener = node.fake.calls.find((call) => call[0] === "tcpListen")?.[1] as number;
		next += 1;
		const handle = node.fake.accept(listener, parseAddress(from) as Uint8Array, next);
		testing.advance(1);
		node.fake.sockets.get(handle)?.writable?.(4096);
		return {
			handle,
			send(text) {
				const waiting = [...(node.fake.incoming.get(handle) ?? []), ...utf8Encode(text)];
				node.fake.incoming.set(handle, waiting);
				node.fake.sockets.get(handle)?.readable?.(waiting.length);
				testing.advance(1);
			},
			answer: () => String.fromCharCode(...(node.fake.outgoing.get(handle) ?? [])),
			isOpen: () => node.fake.sockets.has(handle),
		};
	}

	test("listens on its port; what comes from nobody in the map is closed unheard", () => {
		expect(node.fake.calls[0]?.slice(0, 3)).toEqual(["tcpListen", 1, peerAPIPort]);
		expect(connect("100.64.0.99").isOpen()).toBe(false);
		expect(connect("fd7a:115c:a1e0::2").isOpen()).toBe(true);
	});

	test("[tunnel 51] HEAD / is answered 200 without a body and the connection closes; GET has one", () => {
		const head = connect();
		head.send("HEAD / HTTP/1.1\r\nHost: 100.64.0.1:32801\r\n\r\n");
		expect([head.answer().split("\r\n")[0], head.answer().endsWith("\r\n\r\n"), head.isOpen()]).toEqual(["HTTP/1.1 200 OK", true, false]);
		const get = connect();
		get.send("GET / HTTP/1.1\r\nHost: peer\r\n\r\n");
		const [fields = "", body = ""] = get.answer().split("\r\n\r\n");
		expect([body, fields.includes(`Content-Length: ${body.length}`), fields.includes("Connection: close")]).toEqual([
			"This is a Tailscale device.\n",
			true,
			true,
		]);
	});

	test("a request cut at every byte is answered once", () => {
		const request = "GET /nothing HTTP/1.1\r\nHost: peer\r\n\r\n";
		for (let cut = 1; cut < request.length; cut += 1) {
			const peer = connect();
			peer.send(request.slice(0, cut));
			expect(peer.answer()).toBe("");
			peer.send(request.slice(cut));
			expect([peer.answer().split("\r\n")[0], peer.isOpen()]).toEqual(["HTTP/1.1 404 Not Found", false]);
		}
	});

	test("[tunnel 51] 3 KiB of header: closed, in one piece or in many, without an answer", () => {
		const head = `GET / HTTP/1.1\r\nHost: peer\r\nX: ${"a".repeat(3072)}\r\n\r\n`;
		const whole = connect();
		whole.send(head);
		expect([whole.answer(), whole.isOpen()]).toEqual(["", false]);
		const pieces = connect();
		for (let at = 0; at < head.length && pieces.isOpen(); at += 100) pieces.send(head.slice(at, at + 100));
		expect([pieces.answer(), pieces.isOpen()]).toEqual(["", false]);
	});

	test("[tunnel 51] ten idle connections do not block the eleventh for more than 10 s", () => {
		const idle = Array.from({ length: 10 }, () => connect());
		const eleventh = connect();
		eleventh.send("HEAD / HTTP/1.1\r\nHost: peer\r\n\r\n");
		expect(eleventh.answer().startsWith("HTTP/1.1 200")).toBe(true);
		// And they are not kept: at most two at a time, none for more than 10 s.
		expect(idle.filter((peer) => peer.isOpen()).length).toBeLessThan(3);
		testing.advance(10_000);
		expect(idle.filter((peer) => peer.isOpen()).length).toBe(0);
		expect(testing.timers).toBe(0);
	});

	test("a peer that takes no answer is left after 10 s, one that resets at once", () => {
		const slow = connect();
		node.fake.sockets.get(slow.handle)?.writable?.(0);
		slow.send("GET / HTTP/1.1\r\nHost: peer\r\n\r\n");
		expect([slow.answer(), slow.isOpen()]).toEqual(["", true]);
		testing.advance(10_000);
		expect(slow.isOpen()).toBe(false);
		const gone = connect();
		node.fake.sockets.get(gone.handle)?.closed("reset");
		testing.advance(1);
		expect(gone.isOpen()).toBe(false);
	});

	test("close ends everything", () => {
		const peer = connect();
		api.close();
		expect([peer.isOpen(), node.fake.sockets.size, testing.timers, node.errors]).toEqual([false, 0, 0, []]);
	});
});
