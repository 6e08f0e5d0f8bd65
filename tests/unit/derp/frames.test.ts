/** Frames, greeting, login and HTTP upgrade of DERP against what the reference's client and server sent: protocol/relay.md §3.4-§3.6. */
import { boxOpen, boxSharedKey, utf8Decode, utf8Encode } from "tailnet/host";
import { parseFrame, readFrames } from "../../../modules/derp/frames.js";
import { Login } from "../../../modules/derp/login.js";
import { MAXIMUM_HEAD_LENGTH, type UpgradeResult, upgradeRequest } from "../../../modules/derp/upgrade.js";
import { derpFrames, derpGreetings, derpLogins, derpReceives, derpUpgrades, greet, upgradeAnswer } from "../../checks/derp.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { FakeSource, join } from "./fake-source.js";

const serverPublic = fromHex(vectors.server.publicKey);
const serverPrivate = fromHex(vectors.server.privateKey);

describe("greeting", () => {
	for (const { name, run } of derpGreetings(vectors)) test(`[relay 40] in one piece and byte by byte, ${name}`, run);

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

	for (const { name, run } of derpLogins(vectors)) test(`as captured: ${name}`, run);

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

	for (const { name, run } of derpReceives(vectors)) test(`[relay 40] the frame behind is read correctly too: ${name}`, run);
	for (const { name, run } of derpFrames(vectors)) test(`what we send is what the reference sends: ${name}`, run);

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
	function answer(bytes: Uint8Array, piece: number): { result: UpgradeResult; rest: string } {
		const { result, rest } = upgradeAnswer(bytes, piece);
		return { result, rest: utf8Decode(rest) };
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

	for (const { name, run } of derpUpgrades(vectors)) test(`[relay 38] however it is cut, ${name}`, run);

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
