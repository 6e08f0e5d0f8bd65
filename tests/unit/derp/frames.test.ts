/** Frames, greeting, login and HTTP upgrade of DERP against what the reference's client and server sent: protocol/relay.md §3.4-§3.6. */
import { boxOpen, boxSharedKey, utf8Decode, utf8Encode } from "tailnet/host";
import { notePreferredFrame, parseFrame, pingFrame, pongFrame, readFrames, type ServerMessage } from "../../../modules/derp/frames.js";
import { Greeting, type GreetingResult } from "../../../modules/derp/greeting.js";
import { Login } from "../../../modules/derp/login.js";
import { MAXIMUM_HEAD_LENGTH, UpgradeAnswer, type UpgradeResult, upgradeRequest } from "../../../modules/derp/upgrade.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { FakeSource, join } from "./fake-source.js";

const serverPublic = fromHex(vectors.server.publicKey);
const serverPrivate = fromHex(vectors.server.privateKey);

/** Pushes bytes in pieces of the given length. @returns the first result that is not "more", and what lies behind */
function greet(bytes: Uint8Array, piece: number): { result: GreetingResult; rest: string } {
	const greeting = new Greeting();
	for (let at = 0; at < bytes.length; at += piece) {
		const part = bytes.subarray(at, at + piece);
		const result = greeting.push(part);
		if (result === "bad") return { result, rest: "" };
		if (result !== "more") return { result, rest: toHex(bytes.subarray(at + result.consumed)) };
	}
	return { result: "more", rest: "" };
}

describe("greeting", () => {
	test("[relay 40] all greetings of the vectors give the stated result, in one piece and byte by byte", () => {
		for (const vector of vectors.greetings) {
			for (const piece of [1, 2, 3, 7, 2000]) {
				const { result } = greet(fromHex(vector.bytes), piece);
				if (vector.accepted) expect([vector.name, toHex((result as { serverKey: Uint8Array }).serverKey)]).toEqual([vector.name, vector.serverPublicKey]);
				else expect([vector.name, result]).toEqual([vector.name, "bad"]);
			}
		}
	});

	test("[relay 44] a ServerKey with wrong magic, 39 bytes, or another frame first is refused before its payload is complete", () => {
		const refused = vectors.greetings.filter((one) => !one.accepted);
		expect(refused.length).toBe(5);
		for (const vector of refused) expect(greet(fromHex(vector.bytes).subarray(0, 13), 1).result).toBe("bad");
	});

	test("bytes behind the greeting are not touched", () => {
		const bytes = join([fromHex(vectors.greetings[1]?.bytes as string), Uint8Array.of(6, 0, 0, 0, 0)]);
		for (let piece = 1; piece <= bytes.length; piece += 1) expect("0600000000".endsWith(greet(bytes, piece).rest)).toBe(true);
		expect(greet(bytes, bytes.length).rest).toBe("0600000000");
	});
});

describe("login", () => {
	const a = vectors.connections[0] as (typeof vectors.connections)[0];

	test("[relay 39] ClientInfo opens with the server's key to the JSON of the reference; its first 32 bytes are our node public key", () => {
		const login = Login.start(fromHex(a.clientPrivateKey), serverPublic) as Login;
		const frame = login.clientInfoFrame(fromHex(a.clientPublicKey), new Uint8Array(24).fill(7));
		expect(frame.length).toBe(109);
		expect(toHex(frame.subarray(0, 37))).toBe(`0200000068${a.clientPublicKey}`);
		const shared = boxSharedKey(serverPrivate, frame.slice(5, 37)) as Uint8Array;
		expect(utf8Decode(boxOpen(shared, frame.slice(37, 61), frame.slice(61)) as Uint8Array)).toBe('{"version":2,"CanAckPings":true}');
	});

	test("with the nonce of the capture, ClientInfo is the captured frame", () => {
		const captured = a.clientToServer[0] as { frame: string; decoded: { nonce: string } };
		const login = Login.start(fromHex(a.clientPrivateKey), serverPublic) as Login;
		expect(toHex(login.clientInfoFrame(fromHex(a.clientPublicKey), fromHex(captured.decoded.nonce)))).toBe(captured.frame);
	});

	test("opens every captured ServerInfo, and none that was cut or changed", () => {
		for (const connection of vectors.connections) {
			const login = Login.start(fromHex(connection.clientPrivateKey), serverPublic) as Login;
			const payload = fromHex((connection.serverToClient[1] as { frame: string }).frame).slice(5);
			expect(login.openServerInfo(payload)).toEqual({ version: 2, bytesPerSecond: 0, burstBytes: 0 });
			for (let length = 0; length < payload.length; length += 1) expect(login.openServerInfo(payload.slice(0, length))).toBe(undefined);
			payload[payload.length - 1] = (payload[payload.length - 1] as number) ^ 1;
			expect(login.openServerInfo(payload)).toBe(undefined);
			login.finish();
		}
	});

	test("a low-order server key gives no login", () => {
		expect(Login.start(fromHex(a.clientPrivateKey), new Uint8Array(32))).toBe(undefined);
	});
});

describe("frames", () => {
	test("[relay 38] every connection of the vectors, cut at any byte and at every byte, yields the same sequence of frames", () => {
		const streams: { bytes: Uint8Array; frames: string[] }[] = [];
		for (const connection of vectors.connections) {
			for (const list of [connection.serverToClient, connection.clientToServer]) {
				const frames = list.map((one) => one.frame);
				streams.push({ bytes: fromHex(frames.join("")), frames });
			}
		}
		for (const { bytes, frames } of streams) {
			const whole = new FakeSource();
			whole.derpReceive(1, bytes);
			expect(whole.frames).toEqual(frames);
			for (let cut = 0; cut <= bytes.length; cut += 1) {
				const source = new FakeSource();
				source.derpReceive(1, bytes.subarray(0, cut));
				source.derpReceive(1, bytes.subarray(cut));
				expect(source.frames.length).toBe(frames.length);
			}
			const source = new FakeSource();
			for (const byte of bytes) source.derpReceive(1, Uint8Array.of(byte));
			expect(source.frames).toEqual(frames);
		}
	});

	test("[relay 40] all clientReceives of the vectors give the stated result, and the frame behind is read correctly", () => {
		let seen = 0;
		for (const vector of vectors.clientReceives) {
			if (vector.error !== undefined || vector.result === "packet" || vector.bytes.startsWith("05")) continue;
			seen += 1;
			const messages: ServerMessage[] = [];
			readFrames(join([fromHex(vector.bytes), fromHex("12000000080102030405060708")]), (message) => messages.push(message) > 0);
			expect([vector.name, messages.length]).toEqual([vector.name, 2]);
			expect(messages[1]).toEqual({ kind: "ping", data: fromHex("0102030405060708") });
			const expected: Record<string, unknown> = { kind: vector.result };
			if (vector.result === "peerGone") Object.assign(expected, { nodeKey: fromHex(vector.peer as string), reason: vector.reason });
			if (vector.result === "ping" || vector.result === "pong") expected["data"] = fromHex(vector.data as string);
			if (vector.result === "health") expected["problem"] = vector.problem;
			if (vector.result === "restarting") Object.assign(expected, { reconnectInMS: vector.reconnectInMS, tryForMS: vector.tryForMS });
			if (vector.result === "peerPresent") expected["kind"] = "skipped"; // for servers of one mesh
			expect([vector.name, messages[0]]).toEqual([vector.name, expected]);
		}
		expect(seen).toBeGreaterThan(15);
	});

	test("what we send is what the reference sends", () => {
		const sent = new Map<string, string>();
		for (const connection of vectors.connections) for (const one of connection.clientToServer) sent.set(one.frame, one.name);
		for (const bytes of [notePreferredFrame(true), notePreferredFrame(false), pingFrame(fromHex("0102030405060708")), pongFrame(fromHex("0807060504030201"))]) {
			expect(sent.has(toHex(bytes))).toBe(true);
		}
	});

	test("bytes that do not end with a frame are told", () => {
		expect(readFrames(Uint8Array.of(6, 0, 0), () => true)).toBe(false);
		expect(readFrames(Uint8Array.of(6, 0, 0, 0, 2, 1), () => true)).toBe(false);
		expect(readFrames(new Uint8Array(0), () => true)).toBe(true);
	});

	test("random payloads of every type neither throw nor give a field beyond the payload", () => {
		const random = new Random(8);
		for (let type = 0; type < 256; type += 1) {
			for (let i = 0; i < 20; i += 1) expect(typeof parseFrame(type, random.bytes(random.below(48))).kind).toBe("string");
		}
	});
});

describe("HTTP upgrade", () => {
	const answerText = (vectors.http[0] as { response: string }).response;

	function answer(bytes: Uint8Array, piece: number): { result: UpgradeResult; rest: string } {
		const reader = new UpgradeAnswer();
		for (let at = 0; at < bytes.length; at += piece) {
			const result = reader.push(bytes.subarray(at, at + piece));
			if (result === "more") continue;
			return { result, rest: "consumed" in result ? utf8Decode(bytes.subarray(at + result.consumed)) : "" };
		}
		return { result: "more", rest: "" };
	}

	test("[relay 29] the request bytes are those of the specification: no port in Host, no Derp-Fast-Start", () => {
		expect(utf8Decode(upgradeRequest("derp1.example", ""))).toBe("GET /derp HTTP/1.1\r\nHost: derp1.example\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n");
		expect(utf8Decode(upgradeRequest("127.0.0.1", "900s"))).toBe(
			"GET /derp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: DERP\r\nIdeal-Node: 900s\r\n\r\n",
		);
		expect(utf8Decode(upgradeRequest("2001:db8::1", ""))).toContain("Host: [2001:db8::1]\r\n");
	});

	test("a host or node name cannot smuggle a header", () => {
		for (const name of ["a b", "a\r\nX: y", "a\n", "", "ä"]) expect(() => upgradeRequest(name, "")).toThrow();
		expect(() => upgradeRequest("a", "900s\r\n")).toThrow();
	});

	test("[relay 38] the captured answer with all that follows, cut in pieces of every length, ends at the same byte", () => {
		const frames = fromHex((vectors.http[0] as { serverToClient: string }).serverToClient);
		const captured = utf8Decode(frames).startsWith("HTTP/1.1 101") ? frames : join([utf8Encode(answerText), frames]);
		const greeting = (vectors.greetings[0] as { bytes: string }).bytes;
		for (let piece = 1; piece <= captured.length; piece += 1) {
			const reader = new UpgradeAnswer();
			let at = 0;
			let result: UpgradeResult = "more";
			for (; result === "more"; at += piece) result = reader.push(captured.subarray(at, at + piece));
			const start = at - piece + (result as { consumed: number }).consumed;
			expect(toHex(captured.subarray(start, start + 45))).toBe(greeting);
		}
	});

	test("only the status code counts; header names, case and order do not", () => {
		for (const text of ["HTTP/1.1 101\r\n\r\n", "HTTP/1.0 101 Whatever\r\nx: y\r\n\r\n", "HTTP/1.1 101 Switching Protocols\nA: b\n\n"]) {
			expect(answer(utf8Encode(`${text}rest`), 1).result).toEqual({ consumed: 1 });
			expect(answer(utf8Encode(`${text}rest`), 9999).rest).toBe("rest");
		}
	});

	test("[relay 31] answers 200, 302, 403, 404, 426, 500 and what is no HTTP are refused by their status line", () => {
		for (const status of [200, 302, 403, 404, 426, 500]) {
			expect(answer(utf8Encode(`HTTP/1.1 ${status} No\r\n`), 1).result).toEqual({
				refused: `101 Switching Protocols was expected, not "HTTP/1.1 ${status} No"`,
			});
		}
		for (const plain of vectors.httpPlain) expect("refused" in (answer(utf8Encode(plain.response), 11).result as object)).toBe(true);
		for (const text of ["HTTP/2 101 x\r\n", "\r\n", "220 smtp\r\n", "\u0000\u0001\u0002\n", "HTTP/1.1 1010 x\r\n", "HTTP/1.1101 x\r\n"]) {
			expect("refused" in (answer(utf8Encode(text), 3).result as object)).toBe(true);
		}
	});

	test("[relay 31] an endless header is refused at 4096 bytes", () => {
		const head = utf8Encode("HTTP/1.1 101 Switching Protocols\r\nX: ");
		const endless = new Uint8Array(MAXIMUM_HEAD_LENGTH + 10).fill(0x61);
		endless.set(head);
		expect(answer(endless.subarray(0, MAXIMUM_HEAD_LENGTH), 100).result).toBe("more");
		expect("refused" in (answer(endless, 100).result as object)).toBe(true);
	});
});
