/** DERP's greeting, login, frames and HTTP upgrade: tests/vectors/derp.json, protocol/relay.md §3.4-§3.6. */
import { boxOpen, boxSharedKey, utf8Decode, utf8Encode, x25519PublicKey } from "tailnet/host";
import { notePreferredFrame, pingFrame, pongFrame, readFrames, type ServerMessage } from "../../modules/derp/frames.js";
import { Greeting, type GreetingResult } from "../../modules/derp/greeting.js";
import { Login } from "../../modules/derp/login.js";
import { UpgradeAnswer, type UpgradeResult } from "../../modules/derp/upgrade.js";
import { expect, fromHex, toHex } from "../harness.js";
import type vectors from "../vectors/derp.json";
import { type Check, each, one } from "./check.js";

export type DERPVectors = Partial<typeof vectors>;

/** Pushes bytes in pieces of the given length. @returns the first result that is not "more", and what lies behind */
export function greet(bytes: Uint8Array, piece: number): { result: GreetingResult; rest: string } {
	const greeting = new Greeting();
	for (let at = 0; at < bytes.length; at += piece) {
		const part = bytes.subarray(at, at + piece);
		const result = greeting.push(part);
		if (result === "bad") return { result, rest: "" };
		if (result !== "more") return { result, rest: toHex(bytes.subarray(at + result.consumed)) };
	}
	return { result: "more", rest: "" };
}

export function derpGreetings(file: DERPVectors): Check[] {
	return each(
		file.greetings,
		(vector) => `greeting: ${vector.name}`,
		(vector) => {
			for (const piece of [1, 2, 3, 7, 2000]) {
				const { result } = greet(fromHex(vector.bytes), piece);
				if (vector.accepted) expect(toHex((result as { serverKey: Uint8Array }).serverKey)).toBe(vector.serverPublicKey);
				else expect(result).toBe("bad");
			}
		},
	);
}

interface Captured {
	frame: string;
	length: number;
	type: string;
	name: string;
	decoded?: Record<string, unknown>;
}

/** What the file says of a frame is what its bytes say. */
function checkFrame(captured: Captured): void {
	const bytes = fromHex(captured.frame);
	const view = new DataView(bytes.buffer);
	expect([toHex(bytes.subarray(0, 1)), view.getUint32(1), bytes.length]).toEqual([captured.type, captured.length, captured.length + 5]);
	const fields = captured.decoded ?? {};
	const hex = (from: number, to?: number): string => toHex(bytes.subarray(5 + from, to === undefined ? undefined : 5 + to));
	const decoded: Record<string, unknown> = {};
	if (captured.name === "ServerKey") Object.assign(decoded, { magic: hex(0, 8), serverPublicKey: hex(8, 40) });
	else if (captured.name === "SendPacket") Object.assign(decoded, { destination: hex(0, 32), packet: hex(32) });
	else if (captured.name === "RecvPacket") Object.assign(decoded, { source: hex(0, 32), packet: hex(32) });
	else if (captured.name === "ForwardPacket") Object.assign(decoded, { source: hex(0, 32), destination: hex(32, 64), packet: hex(64) });
	else if (captured.name === "NotePreferred") decoded["preferred"] = hex(0) === "01";
	else if (captured.name === "Ping" || captured.name === "Pong") decoded["data"] = hex(0);
	else if (captured.name === "PeerGone") Object.assign(decoded, { peer: hex(0, 32), reason: Number(`0x${hex(32)}`) });
	else if (captured.name === "PeerPresent") Object.assign(decoded, { peer: hex(0, 32), address: hex(32, 48), port: view.getUint16(53), flags: bytes[55] });
	else if (captured.name === "ClientInfo" || captured.name === "ServerInfo") return; // derpLogins()
	expect([captured.name, fields]).toEqual([captured.name, decoded]);
}

/** ClientInfo with the nonce of the capture is the captured frame, where its JSON is ours; the ServerInfo behind it opens. */
function checkLogin(
	privateKey: Uint8Array,
	clientFrames: readonly Captured[],
	serverFrames: readonly Captured[],
	server: { privateKey: string; publicKey: string },
): void {
	const login = Login.start(privateKey, fromHex(server.publicKey)) as Login;
	const publicKey = x25519PublicKey(privateKey);
	const shared = boxSharedKey(fromHex(server.privateKey), publicKey) as Uint8Array;
	for (const captured of [...clientFrames, ...serverFrames]) {
		if (captured.name !== "ClientInfo" && captured.name !== "ServerInfo") continue;
		const { nonce, box, json, clientPublicKey } = captured.decoded as { nonce: string; box: string; json: string; clientPublicKey?: string };
		expect(captured.frame.slice(10)).toBe((clientPublicKey ?? "") + nonce + box);
		expect(utf8Decode(boxOpen(shared, fromHex(nonce), fromHex(box)) as Uint8Array)).toBe(json);
		if (captured.name === "ClientInfo") {
			expect(clientPublicKey).toBe(toHex(publicKey));
			const made = toHex(login.clientInfoFrame(publicKey, fromHex(nonce)));
			if (json === '{"version":2,"CanAckPings":true}') expect(made).toBe(captured.frame);
		} else {
			const payload = fromHex(captured.frame).slice(5);
			const told = JSON.parse(json) as Record<string, number>;
			const expected = {
				version: told["version"] ?? 0,
				bytesPerSecond: told["TokenBucketBytesPerSecond"] ?? 0,
				burstBytes: told["TokenBucketBytesBurst"] ?? 0,
			};
			expect(login.openServerInfo(payload)).toEqual(expected);
			payload[payload.length - 1] = (payload[payload.length - 1] as number) ^ 1;
			expect(login.openServerInfo(payload)).toBe(undefined);
		}
	}
	login.finish();
}

export function derpLogins(file: DERPVectors): Check[] {
	const server = file.server as { privateKey: string; publicKey: string };
	return [
		...one(file.server, "server key", ({ magic }) => {
			expect(toHex(x25519PublicKey(fromHex(server.privateKey)))).toBe(server.publicKey);
			expect(greet(fromHex(`0100000028${magic}${server.publicKey}`), 45).result).toEqual({ serverKey: fromHex(server.publicKey), consumed: 45 });
		}),
		...each(
			file.connections,
			(connection, i) => `login of connection ${i} (${connection.client})`,
			(connection) => {
				expect(toHex(x25519PublicKey(fromHex(connection.clientPrivateKey)))).toBe(connection.clientPublicKey);
				checkLogin(fromHex(connection.clientPrivateKey), connection.clientToServer as Captured[], connection.serverToClient as Captured[], server);
			},
		),
		...each(
			file.http,
			(connection) => `login: ${connection.name}`,
			(connection) => checkLogin(fromHex(connection.clientPrivateKey), connection.clientFrames as Captured[], connection.serverFrames as Captured[], server),
		),
	];
}

/** The frames of the stream in bytes, by their headers. */
function framesOf(stream: string): string[] {
	const frames: string[] = [];
	for (let at = 0; at < stream.length; ) {
		const end = at + 10 + 2 * Number.parseInt(stream.slice(at + 2, at + 10), 16);
		frames.push(stream.slice(at, end));
		at = end;
	}
	return frames;
}

export function derpFrames(file: DERPVectors): Check[] {
	return each(
		file.connections,
		(connection, i) => `frames of connection ${i} (${connection.client})`,
		(connection) => {
			for (const captured of [...connection.clientToServer, ...connection.serverToClient] as Captured[]) {
				checkFrame(captured);
				const data = fromHex(captured.frame.slice(10));
				if (captured.type === "07") expect(toHex(notePreferredFrame(data[0] === 1))).toBe(captured.frame);
				if (captured.type === "12") expect(toHex(pingFrame(data))).toBe(captured.frame);
				if (captured.type === "13") expect(toHex(pongFrame(data))).toBe(captured.frame);
			}
			for (const [list, direction] of [
				[connection.clientToServer, "c2s"],
				[connection.serverToClient, "s2c"],
			] as const) {
				const stream = list.map((captured) => captured.frame).join("");
				expect(framesOf(stream)).toEqual(list.map((captured) => captured.frame));
				const transcript = (connection as { transcript?: { bytes: string; direction: string }[] }).transcript;
				if (transcript)
					expect(
						transcript
							.filter((part) => part.direction === direction)
							.map((part) => part.bytes)
							.join(""),
					).toBe(stream);
			}
		},
	);
}

/** What the reader says of a frame of clientReceives that is not data and ends nothing. */
export function derpReceives(file: DERPVectors): Check[] {
	const readable = file.clientReceives?.filter((vector) => vector.error === undefined && vector.result !== "packet" && !vector.bytes.startsWith("05"));
	return each(
		readable,
		(vector) => `client receives: ${vector.name}`,
		(vector) => {
			const messages: ServerMessage[] = [];
			readFrames(fromHex(`${vector.bytes}12000000080102030405060708`), (message) => messages.push(message) > 0);
			expect(messages.length).toBe(2);
			expect(messages[1]).toEqual({ kind: "ping", data: fromHex("0102030405060708") });
			const expected: Record<string, unknown> = { kind: vector.result };
			if (vector.result === "peerGone") Object.assign(expected, { nodeKey: fromHex(vector.peer as string), reason: vector.reason });
			if (vector.result === "ping" || vector.result === "pong") expected["data"] = fromHex(vector.data as string);
			if (vector.result === "health") expected["problem"] = vector.problem;
			if (vector.result === "restarting") Object.assign(expected, { reconnectInMS: vector.reconnectInMS, tryForMS: vector.tryForMS });
			if (vector.result === "peerPresent") expected["kind"] = "skipped"; // for servers of one mesh
			expect(messages[0]).toEqual(expected);
		},
	);
}

/** Where an upgrade's answer ends, or that it is refused. */
export function upgradeAnswer(bytes: Uint8Array, piece: number): { result: UpgradeResult; rest: Uint8Array } {
	const reader = new UpgradeAnswer();
	for (let at = 0; at < bytes.length; at += piece) {
		const result = reader.push(bytes.subarray(at, at + piece));
		if (result === "more") continue;
		return { result, rest: "consumed" in result ? bytes.slice(at + result.consumed) : new Uint8Array(0) };
	}
	return { result: "more", rest: new Uint8Array(0) };
}

export function derpUpgrades(file: DERPVectors): Check[] {
	return [
		...each(
			file.http,
			(vector) => `stream: ${vector.name}`,
			(vector) => {
				const captured = fromHex(vector.serverToClient);
				const frames = vector.serverFrames.map((one) => one.frame).join("");
				for (const frame of [...vector.clientFrames, ...vector.serverFrames] as Captured[]) checkFrame(frame);
				expect(utf8Decode(captured).startsWith(vector.response)).toBe(true);
				expect(utf8Decode(fromHex(vector.clientToServer)).startsWith(vector.request)).toBe(true);
				expect(vector.clientToServer.endsWith(vector.clientFrames.map((one) => one.frame).join(""))).toBe(true);
				if (vector.response === "") expect(vector.serverToClient).toBe(frames);
				else for (let piece = 1; piece <= captured.length; piece += 1) expect(behind(captured, piece)).toBe(frames);
			},
		),
		...each(
			file.httpPlain,
			(vector, i) => `plain answer ${i}: ${vector.request.split("\r\n")[0]}`,
			(vector) => expect("refused" in (upgradeAnswer(utf8Encode(vector.response), 11).result as object)).toBe(true),
		),
	];
}

/** What lies behind the upgrade's answer when it is read in pieces, hex. */
function behind(bytes: Uint8Array, piece: number): string {
	return toHex(upgradeAnswer(bytes, piece).rest);
}

export function derpChecks(file: DERPVectors): Check[] {
	return [...derpGreetings(file), ...derpLogins(file), ...derpFrames(file), ...derpReceives(file), ...derpUpgrades(file)];
}
