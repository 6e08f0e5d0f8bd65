import { frame, GOAWAY, numbersFrame, PING } from "../../../modules/control/http2-frames.js";
import { keyToText } from "../../../modules/netmap/keys.js";
import { describe, expect, Random, test } from "../../harness.js";
import { base64Encode, randomBytes, testing, x25519PublicKey } from "../../xs/host.js";
import { NodeUnderTest } from "./node-under-test.js";
import { ascii, concat, cut, latin1 } from "./pieces.js";
import { mapFrame, ScriptedControl } from "./scripted-control.js";

const URL = "http://127.0.0.1:8080";

function begin(options = {}): { server: ScriptedControl; node: NodeUnderTest } {
	testing.reset();
	const server = new ScriptedControl();
	const node = new NodeUnderTest(URL, options);
	node.control.start();
	server.pump();
	return { server, node };
}

const NODE = { Node: { ID: 1 } };

describe("map poll", () => {
	test("[control 19] the poll and the lite update carry the whole Hostinfo, the disco key and the endpoints", () => {
		const discoPublicKey = x25519PublicKey(randomBytes(32));
		const { server, node } = begin({ discoPublicKey });
		const poll = server.poll.json;
		expect([poll["Stream"], poll["KeepAlive"], "OmitPeers" in poll, "Compress" in poll]).toEqual([true, true, false, false]);
		expect(poll["DiscoKey"]).toBe(keyToText("discokey:", discoPublicKey));
		const [first] = server.updates;
		expect([first?.json["OmitPeers"], "Stream" in (first?.json ?? {})]).toEqual([true, false]);
		expect(first?.json["DiscoKey"]).toBe(keyToText("discokey:", discoPublicKey));

		node.control.updateEndpoints([
			{ endpoint: "192.0.2.1:41641", type: 1 },
			{ endpoint: "[2001:db8::1]:41641", type: 2 },
		]);
		node.control.updateNetInfo({ preferredDERP: 7, workingUDP: true, derpLatency: { "7-v4": 0.02 } });
		node.control.updateHostinfo({ peerAPI4: 40000, routableIPs: ["10.0.0.0/24"] });
		server.pump();
		expect(server.updates.length).toBe(2); // changes of one turn go together
		const second = server.updates[1]?.json as Record<string, unknown>;
		expect(second["Endpoints"]).toEqual(["192.0.2.1:41641", "[2001:db8::1]:41641"]);
		expect(second["EndpointTypes"]).toEqual([1, 2]);
		const hostinfo = second["Hostinfo"] as Record<string, unknown>;
		expect(hostinfo["NetInfo"]).toEqual({ WorkingUDP: true, PreferredDERP: 7, DERPLatency: { "7-v4": 0.02 } });
		expect(hostinfo["Services"]).toEqual([{ Proto: "peerapi4", Port: 40000 }]);
		expect(hostinfo["RoutableIPs"]).toEqual(["10.0.0.0/24"]);

		// After a reconnection (headscale overwrites what it has with the poll's fields).
		server.cut();
		server.after(1000);
		expect(server.poll.json["Endpoints"]).toEqual(["192.0.2.1:41641", "[2001:db8::1]:41641"]);
		expect((server.poll.json["Hostinfo"] as Record<string, unknown>)["NetInfo"]).toEqual(hostinfo["NetInfo"]);
		expect(server.updates.length).toBe(3);
	});

	test("[control 19] a new disco key is sent, what control has already is not", () => {
		const { server, node } = begin();
		node.control.updateEndpoints([]);
		server.pump();
		expect(server.updates.length).toBe(1);
		node.control.updateDiscoKey(x25519PublicKey(randomBytes(32)));
		server.pump();
		expect(server.updates.length).toBe(2);
		expect(node.control.status.updates).toBe(2);
	});

	test("one lite update is in flight; what changed meanwhile is sent when it has ended", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		const held: (() => void)[] = [];
		server.script = (seen) => seen.json["OmitPeers"] === true && held.push(() => seen.request.answer(200, "")) > 0;
		node.control.start();
		server.pump();
		for (let i = 1; i < 5; i += 1) {
			node.control.updateEndpoints([{ endpoint: `192.0.2.${i}:1`, type: 2 }]);
			server.pump();
		}
		expect(server.updates.length).toBe(1);
		held[0]?.();
		server.pump();
		expect(server.updates.map((seen) => seen.json["Endpoints"])).toEqual([[], ["192.0.2.4:1"]]);
	});

	test("a lite update that failed is sent again, without disturbing the poll", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		let failures = 2;
		server.script = (seen) => {
			if (seen.json["OmitPeers"] !== true || failures === 0) return false;
			failures -= 1;
			seen.request.answer(500, "internal error");
			return true;
		};
		node.control.start();
		server.pump();
		server.through(6000);
		expect([server.updates.length, node.control.status.updates, node.control.status.sessions, node.codes.length]).toEqual([3, 1, 1, 0]);
	});

	test("a lite update answered with the whole netmap is drained and does not stall anything", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		server.script = (seen) => {
			if (seen.json["OmitPeers"] !== true) return false;
			seen.request.head(200);
			seen.request.write(mapFrame(new Uint8Array(1_900_000).fill(0x20)));
			seen.request.end();
			return true;
		};
		node.control.start();
		server.pump();
		server.send({ Node: { ID: 1 }, Peers: [{ ID: 2 }] });
		expect([node.control.status.updates, node.messages.length, node.reader.bytes < 1000]).toEqual([1, 2, true]);
	});

	test("[control 10] map stream, lite update and c2n reply run at the same time on one connection", () => {
		const { server, node } = begin();
		server.split = (bytes) => cut(bytes, new Random(4), 7);
		const held: (() => void)[] = [];
		server.script = (seen) => seen.json["OmitPeers"] === true && held.push(() => seen.request.answer(200, "")) > 0;
		node.control.updateNetInfo({ preferredDERP: 3 });
		server.pump();
		server.send({ PingRequest: { URL: "https://unused/c2n/1", Types: "c2n", Payload: base64Encode(ascii("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")) } });
		server.send({ PeersChanged: [] });
		held[0]?.();
		server.pump();
		expect([server.sessions.length, server.requests("/c2n/1").length, node.messages.length, node.control.status.updates]).toEqual([1, 1, 3, 2]);
	});

	test("[control 7] a first map of 1 MB passes through 16 KiB windows, ten polls in a row", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		server.script = (seen) => {
			if (seen.json["Stream"] !== true) return false;
			server.polls.push(seen);
			seen.request.head(200);
			seen.request.write(mapFrame(concat(ascii('{"Node":{"ID":1},"Fill":"'), new Uint8Array(100_000).fill(0x79), ascii('"}'))));
			return true;
		};
		node.control.start();
		for (let i = 0; i < 10; i += 1) {
			server.pump();
			node.control.reconnect();
		}
		expect(node.reader.bytes > 1_000_000).toBe(true);
		node.control.close();
	});

	test("[control 17] a first message without Node ends the poll with a reason", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		let isFirst = true;
		server.script = (seen) => {
			if (seen.json["Stream"] !== true || !isFirst) return false;
			isFirst = false;
			seen.request.head(200);
			seen.request.write(mapFrame({ KeepAlive: true }));
			seen.request.write(mapFrame({ Peers: [{ ID: 2 }] }));
			return true;
		};
		node.control.start();
		server.pump();
		expect(node.errors.map((error) => `${error.code}: ${error.message}`)).toEqual([
			"control-protocol: map poll: the first message of a poll was expected to contain Node",
		]);
		server.after(1000);
		expect([node.control.status.state, node.control.status.sessions]).toEqual(["running", 2]);
	});

	test("[control 17] a keep-alive does nothing but feed the watchdog", () => {
		const { server, node } = begin();
		for (let i = 0; i < 10; i += 1) {
			server.through(60_000);
			server.send({ KeepAlive: true });
		}
		expect([node.control.status.sessions, node.control.status.state, node.messages.length, node.codes.length]).toEqual([1, "running", 11, 0]);
		expect(node.states).toEqual(["connecting", "running"]);
	});

	test("[control 18] 120 s without a map message lead to a new session, even while PINGs are answered", () => {
		const { server, node } = begin();
		for (let i = 0; i < 119; i += 1) {
			server.sessions[0]?.http.send(frame(PING, 0, 0, new Uint8Array(8)));
			server.after(1000);
		}
		expect(node.control.status.sessions).toBe(1);
		server.after(1000);
		expect(node.errors.map((error) => error.message)).toEqual(["no map message for 120 s"]);
		server.after(1000);
		expect([node.control.status.sessions, node.control.status.state]).toEqual([2, "running"]);
		expect(node.states).toEqual(["connecting", "running"]); // the reconnection was in time
	});

	test("[control 18] waiting for the answer's headers counts as silence, too", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		server.script = (seen) => seen.json["Stream"] === true;
		node.control.start();
		server.pump();
		server.through(121_000);
		expect(node.codes).toEqual(["control-unreachable"]);
		expect(node.control.status.state).toBe("connecting");
		node.control.close();
	});

	test("silence beyond 130 s is called degraded, with the reason, and the first message ends it", () => {
		const { server, node } = begin();
		server.ports.set(8080, "refuse");
		server.through(129_000);
		expect(node.control.status.state).toBe("running");
		server.through(2000);
		expect(node.states[2]?.startsWith("degraded: 127.0.0.1 port 8080: connection refused")).toBe(true);
		server.ports.set(8080, "serve");
		server.through(31_000);
		expect(node.control.status.state).toBe("running");
		expect(node.reader.begins >= 2).toBe(true);
	});

	test("an empty answer to the poll is a failure with a backoff, not a loop", () => {
		testing.reset();
		const server = new ScriptedControl();
		const node = new NodeUnderTest(URL);
		server.script = (seen) => {
			if (seen.json["Stream"] === true) seen.request.head(200, [], true);
			return seen.json["Stream"] === true;
		};
		node.control.start();
		server.pump();
		server.through(20_000);
		expect(server.requests("/machine/map").length < 20).toBe(true);
		expect(node.errors.map((error) => error.message)).toEqual(["control answered the map poll with nothing"]);
		node.control.close();
	});

	test("a poll that control ends between messages is begun again without a word", () => {
		const { server, node } = begin();
		server.poll.request.end();
		server.pump();
		server.after(1000);
		expect([node.control.status.sessions, node.codes, node.control.status.state]).toEqual([2, [], "running"]);
	});

	test("a server that dies after every map is asked ever more rarely, up to 5 s; a session that lives resets that", () => {
		const { server, node } = begin();
		const kill = () => {
			server.poll.request.reset(2);
			server.pump();
		};
		for (let i = 0; i < 30; i += 1) {
			kill();
			server.through(6000);
		}
		expect(node.control.status.sessions).toBe(31);
		kill();
		server.after(4000);
		expect(node.control.status.sessions).toBe(31);
		server.after(1100);
		expect(node.control.status.sessions).toBe(32);
		server.through(11_000);
		kill();
		server.after(200);
		expect(node.control.status.sessions).toBe(33);
	});

	test("RST_STREAM of the poll and GOAWAY lead to a new session", () => {
		const { server, node } = begin();
		server.poll.request.reset(2);
		server.pump();
		server.after(1000);
		expect([node.control.status.sessions, node.codes]).toEqual([2, ["control-unreachable"]]);
		server.sessions[1]?.http.send(numbersFrame(GOAWAY, 0, 99, 0));
		server.pump();
		server.after(3000);
		expect([node.control.status.sessions, node.codes.length, node.control.status.state]).toEqual([3, 1, "running"]);
	});

	test("50 sessions that break in every way leave no timer, no request and no stream behind, each", () => {
		const { server, node } = begin();
		const timers = testing.timers;
		for (let i = 0; i < 50; i += 1) {
			if (i % 5 === 0) server.cut();
			else if (i % 5 === 1) server.poll.request.reset(2);
			else if (i % 5 === 2) server.sessions.at(-1)?.http.send(numbersFrame(GOAWAY, 0, 99, 0));
			else if (i % 5 === 3) node.control.reconnect();
			else {
				server.send({ PingRequest: { URL: `https://c/${i}`, URLIsNoise: true, Types: "disco", IP: "100.64.0.9" } });
				server.sessions.at(-1)?.connection.receive(new Uint8Array(40)); // no Noise record
			}
			node.control.updateNetInfo({ preferredDERP: i });
			server.pump();
			for (const { done } of node.pings.splice(0)) done({ error: "" });
			server.after(6000);
			expect([i, node.control.status.state, testing.timers]).toEqual([i, "running", timers]);
			const open = testing.connections.filter((connection) => !connection.isClosed).length;
			expect([i, open]).toEqual([i, 1]);
		}
		expect(node.control.status.sessions).toBe(51);
		node.control.close();
		expect(testing.timers).toBe(0);
	});

	test("Debug.SleepSeconds is obeyed up to 5 min, Debug.Exit ends it all", () => {
		const { server, node } = begin();
		server.send({ Debug: { SleepSeconds: 20 } });
		server.through(19_000);
		expect(node.control.status.sessions).toBe(1);
		server.through(2000);
		expect(node.control.status.sessions).toBe(2);
		server.send({ Debug: { SleepSeconds: 100_000 } });
		server.through(301_000);
		expect(node.control.status.sessions).toBe(3);
		server.send({ Debug: { Exit: 3 } });
		expect([node.control.status.state, node.control.status.reason, testing.timers]).toEqual(["stopped", "control asked the node to exit (code 3)", 0]);
	});

	test("a URL that control wants a person to visit is logged, once each, in printable characters", () => {
		const { server } = begin();
		for (const PopBrowserURL of ["https://c/check/1", "https://c/check/1", "https://c/\u001b[2J"]) server.send({ PopBrowserURL });
		expect(testing.lines).toEqual(["warning: control asks a person to visit https://c/check/1", "warning: control asks a person to visit https://c/ [2J"]);
	});

	test("a callback that throws is logged and ends nothing", () => {
		const { server, node } = begin();
		Object.defineProperty(node.messages, "push", {
			value: () => {
				throw new Error("bug of the app");
			},
		});
		server.send({ PeersChanged: [] });
		expect([testing.lines, node.control.status.sessions, node.control.status.state]).toEqual([
			["error: control: a callback threw: bug of the app"],
			1,
			"running",
		]);
	});

	test("the owner may close from inside any callback", () => {
		for (const what of ["states", "registrations", "messages"] as const) {
			testing.reset();
			const server = new ScriptedControl();
			const node = new NodeUnderTest(URL);
			Object.defineProperty(node[what], "push", { value: () => node.control.close() });
			node.control.start();
			server.pump();
			expect([testing.timers, node.control.status.state, testing.lines]).toEqual([0, "stopped", []]);
			expect(testing.connections.every((connection) => connection.isClosed)).toBe(true);
		}
	});
});

describe("what control asks of the node", () => {
	const c2n = (text: string, url = "https://unused/c2n/1") => ({ PingRequest: { URL: url, Types: "c2n", Payload: base64Encode(ascii(text)) } });
	const posted = (server: ScriptedControl, path = "/c2n/1") => latin1(server.requests(path)[0]?.request.body ?? new Uint8Array(0));

	test("[control 29] c2n /echo over Noise returns the body", () => {
		const { server } = begin();
		server.send(c2n("POST /echo HTTP/1.1\r\nHost: unused\r\nContent-Length: 5\r\n\r\nhello"));
		expect(posted(server)).toBe("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
		expect(server.requests("/c2n/1")[0]?.request.headers.get(":authority")).toBe("unused");
	});

	test("[control 29] an unknown c2n path returns 400, a known one with the wrong method 405", () => {
		const { server } = begin();
		server.send(c2n("GET /debug/goroutines HTTP/1.1\r\nHost: x\r\n\r\n"));
		expect(posted(server).startsWith("HTTP/1.1 400 Bad Request\r\n") && posted(server).endsWith("unknown c2n path")).toBe(true);
		server.send(c2n("DELETE /update HTTP/1.1\r\nHost: x\r\n\r\n", "https://unused/c2n/2"));
		expect(posted(server, "/c2n/2").startsWith("HTTP/1.1 405 ")).toBe(true);
	});

	test("[control 30] a HEAD ping goes over Noise if URLIsNoise says so", () => {
		const { server } = begin();
		server.send({ PingRequest: { URL: "https://controlplane.tailscale.com/ping?id=1", URLIsNoise: true } });
		const [seen] = server.requests("/ping?id=1");
		expect([seen?.request.headers.get(":method"), seen?.request.headers.get(":authority")]).toEqual(["HEAD", "controlplane.tailscale.com"]);
	});

	test("[control 30] and in the open otherwise", () => {
		const { server } = begin();
		const before = testing.connections.length;
		server.send({ PingRequest: { URL: "http://127.0.0.1:8080/machine/ping-response?id=2" } });
		expect(server.plain[server.plain.length - 1]?.split("\r\n")[0]).toBe("HEAD /machine/ping-response?id=2 HTTP/1.1");
		expect(testing.connections.slice(before).map((connection) => [connection.options.tls, connection.isClosed])).toEqual([[undefined, true]]);
		expect(server.seen.every((seen) => !seen.path.includes("ping-response"))).toBe(true);
	});

	test("[control 30] over plain HTTPS the certificate is checked against the app's authorities", () => {
		const { server } = begin({ authorities: ["PEM"] });
		server.send({ PingRequest: { URL: "https://127.0.0.1/x" } });
		const last = testing.connections[testing.connections.length - 1];
		expect([last?.options.port, last?.options.tls]).toEqual([443, { authorities: ["PEM"] }]);
	});

	test("[control 30] a duplicate URL is ignored", () => {
		const { server } = begin();
		const ping = { PingRequest: { URL: "https://c/p1", URLIsNoise: true } };
		server.send(ping);
		server.send(ping);
		expect(server.requests("/p1").length).toBe(1);
		server.send({ PingRequest: { URL: "https://c/p2", URLIsNoise: true } });
		server.send(ping);
		expect(server.requests("/p1").length).toBe(2); // only the previous one is remembered, as upstream
	});

	test("ping types are asked of the owner and answered with a PingResponse each", () => {
		const { server, node } = begin();
		server.send({ PingRequest: { URL: "https://c/pong", URLIsNoise: true, Types: "disco,TSMP,carrier-pigeon", IP: "100.64.0.9" } });
		expect(node.pings.map((ping) => [ping.type, ping.address])).toEqual([
			["disco", "100.64.0.9"],
			["TSMP", "100.64.0.9"],
		]);
		node.pings[0]?.done({ error: "", latencySeconds: 0.0125, endpoint: "192.0.2.9:41641", nodeName: "laptop" });
		node.pings[0]?.done({ error: "twice" });
		server.pump();
		server.through(11_000);
		expect(server.requests("/pong").map((seen) => seen.json)).toEqual([
			{ Type: "disco", IP: "100.64.0.9", NodeName: "laptop", LatencySeconds: 0.0125, Endpoint: "192.0.2.9:41641" },
			{ Type: "TSMP", IP: "100.64.0.9", Err: "no pong within 10 s" },
		]);
	});

	test("a pong for a session that is gone leaves nothing behind", () => {
		const { server, node } = begin();
		server.send({ PingRequest: { URL: "https://c/pong", URLIsNoise: true, Types: "disco", IP: "100.64.0.9" } });
		node.control.reconnect();
		server.pump();
		const { timers } = testing;
		node.pings[0]?.done({ error: "" });
		expect(testing.timers).toBe(timers - 1);
		server.pump();
		expect(server.requests("/pong").length).toBe(0);
		node.control.close();
		expect(testing.timers).toBe(0);
	});

	test("nonsense in a PingRequest is ignored", () => {
		const { server, node } = begin();
		const requests = server.seen.length;
		for (const ping of [
			{},
			{ URL: "" },
			{ URL: "gopher://x" },
			{ URL: "https://c/1", Types: "c2n", Payload: "***" },
			{ URL: "https://c/2", Types: "c2n" },
			{ URL: 7 },
		]) {
			server.send({ ...NODE, PingRequest: ping });
		}
		expect([node.control.status.state, node.control.status.sessions, testing.lines]).toEqual(["running", 1, []]);
		expect(server.seen.slice(requests).map((seen) => latin1(seen.request.body).split("\r\n")[0])).toEqual(["HTTP/1.1 400 Bad Request"]);
	});

	test("more pings than can be answered are dropped, not queued", () => {
		const { server } = begin();
		server.script = (seen) => seen.path.startsWith("/slow");
		for (let i = 0; i < 10; i += 1) server.send({ PingRequest: { URL: `https://c/slow${i}`, URLIsNoise: true } });
		expect(server.seen.filter((seen) => seen.path.startsWith("/slow")).length).toBe(4);
		server.through(16_000);
		server.send({ PingRequest: { URL: "https://c/slow99", URLIsNoise: true } });
		expect(server.requests("/slow99").length).toBe(1);
	});
});
