/**
 * A control server for conversations with class Control: it plays the other end of the test host's streams. HTTP/1.1 for /key and the upgrade, Noise as the
 * responder, HTTP/2 by http2-server.ts. What it answers is scripted by the test; without a script everybody may register and gets a map.
 */
import { SymmetricState } from "../../../modules/control/noise.js";
import { RecordReader, RecordWriter } from "../../../modules/control/noise-records.js";
import { keyToText, parseKey } from "../../../modules/netmap/keys.js";
import { fromHex } from "../../harness.js";
import { base64Decode, type Connection, testing, x25519PublicKey } from "../../xs/host.js";
import { HTTP2Server, type ServerRequest } from "./http2-server.js";
import { ascii, concat, latin1 } from "./pieces.js";

const EPHEMERAL = fromHex("c0c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf60");

/** How connections to one port behave. */
export type PortHabit =
	| "serve"
	| "refuse"
	| "mute" // takes the connection, says nothing
	| "certificate" // the TLS certificate is not accepted
	| "eof after 101"
	| "silence after 101"
	| "error frame"
	| "bad response"
	| "bad record"
	| "redirect"
	| "garbage"
	| "no HTTP/2";

export class ScriptedSession {
	readonly http: HTTP2Server;
	readonly connection: Connection;
	readonly #reader: RecordReader;
	readonly #writer: RecordWriter;
	readonly #speaksHTTP: boolean;
	#outbox: Uint8Array[] = [];

	constructor(
		connection: Connection,
		receiveKey: Uint8Array,
		sendKey: Uint8Array,
		early: boolean,
		speaksHTTP: boolean,
		onRequest: (request: ServerRequest) => void,
	) {
		this.connection = connection;
		this.#speaksHTTP = speaksHTTP;
		this.#reader = new RecordReader(receiveKey);
		this.#writer = new RecordWriter(sendKey);
		if (early) {
			const json = ascii(`{"nodeKeyChallenge":"chalpub:${"0".repeat(64)}"}`);
			// Three records, as the real server writes them.
			this.#send(Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53));
			this.#send(Uint8Array.of(0, 0, 0, json.length));
			this.#send(json);
		}
		this.http = new HTTP2Server((bytes) => this.#send(bytes), onRequest, speaksHTTP ? undefined : new Uint8Array(0));
	}

	/** The machine key is not kept: what matters is that the tags were right. */
	receive(bytes: Uint8Array): void {
		if (!this.#speaksHTTP) return;
		const problem = this.#reader.push(bytes, (plaintext) => this.http.receive(plaintext.slice()));
		if (problem) throw new Error(problem);
	}

	#send(plaintext: Uint8Array): void {
		this.#outbox.push(this.#writer.seal(plaintext));
	}

	/** Bytes for the client since the last call. */
	take(): Uint8Array {
		const all = concat(...this.#outbox);
		this.#outbox = [];
		return all;
	}
}

export interface SeenRequest {
	path: string;
	json: Record<string, unknown>;
	request: ServerRequest;
	session: ScriptedSession;
}

export class ScriptedControl {
	readonly privateKey = fromHex("8082838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f60");
	/** By port; "serve" where absent. */
	readonly ports = new Map<number, PortHabit>();
	hasEarlyPayload = true;
	/** How bytes for the client are cut. */
	split: (bytes: Uint8Array) => Uint8Array[] = (bytes) => [bytes];
	/** Answers a request and returns true, or leaves it to the habits below. */
	script: (seen: SeenRequest) => boolean = () => false;
	keyAnswer: string | undefined;
	/** Every request inside Noise, oldest first. */
	readonly seen: SeenRequest[] = [];
	/** Heads of HTTP/1.1 requests. */
	readonly plain: string[] = [];
	/** Open map polls, newest last. */
	readonly polls: SeenRequest[] = [];
	/** Version in the Noise headers that came. */
	readonly versions: number[] = [];
	readonly sessions: ScriptedSession[] = [];
	readonly #served = new Map<Connection, (bytes: Uint8Array) => void>();
	readonly #sessionOf = new Map<Connection, ScriptedSession>();

	/** Plays until both sides are silent. Timers of 0 ms are run. */
	pump(): void {
		for (let isBusy = true; isBusy; ) {
			isBusy = false;
			testing.advance(0);
			for (const connection of [...testing.connections]) {
				let feed = this.#served.get(connection);
				if (!feed) {
					feed = this.#accept(connection);
					this.#served.set(connection, feed);
					isBusy = true;
				}
				const bytes = connection.take();
				if (bytes.length > 0) {
					isBusy = true;
					feed(bytes);
				}
				const out = this.#sessionOf.get(connection)?.take();
				if (out && out.length > 0) {
					isBusy = true;
					for (const part of this.split(out)) connection.receive(part);
				}
			}
		}
	}

	/** Lets time pass, then plays. */
	after(ms: number): void {
		testing.advance(ms);
		this.pump();
	}

	/** As after(), in steps of a second, so that answers to what happens between are given in time. */
	through(ms: number): void {
		for (let left = ms; left > 0; left -= 1000) this.after(Math.min(left, 1000));
	}

	requests(path: string): SeenRequest[] {
		return this.seen.filter((seen) => seen.path === path);
	}

	/** Lite updates that came. */
	get updates(): SeenRequest[] {
		return this.requests("/machine/map").filter((seen) => seen.json["OmitPeers"] === true);
	}

	get poll(): SeenRequest {
		return this.polls[this.polls.length - 1] as SeenRequest;
	}

	/** Sends one message on the newest poll. */
	send(message: unknown): void {
		this.poll.request.write(mapFrame(message));
		this.pump();
	}

	/** Ends every connection. */
	cut(): void {
		for (const connection of testing.connections) connection.closed();
		this.polls.length = 0;
	}

	#accept(connection: Connection): (bytes: Uint8Array) => void {
		const habit = this.ports.get(connection.options.port) ?? "serve";
		if (habit === "refuse") {
			connection.closed({ code: "refused", message: "connection refused" });
			return () => undefined;
		}
		if (habit === "certificate" && connection.options.tls) {
			connection.closed({ code: "certificate", message: "self-signed certificate" });
			return () => undefined;
		}
		connection.opened();
		let head = "";
		let session: ScriptedSession | undefined;
		return (bytes) => {
			if (session) {
				session.receive(bytes);
				return;
			}
			head += latin1(bytes);
			if (!head.includes("\r\n\r\n")) return;
			this.plain.push(head);
			const request = head;
			head = "";
			if (habit === "mute") return;
			if (request.startsWith("GET /key")) this.#key(connection, habit);
			else if (request.startsWith("POST /ts2021")) session = this.#upgrade(connection, request, habit);
			else this.#say(connection, "HTTP/1.1 204 No Content\r\n\r\n");
		};
	}

	#say(connection: Connection, text: string, surplus: Uint8Array = new Uint8Array(0)): void {
		for (const part of this.split(concat(ascii(text), surplus))) connection.receive(part);
	}

	#key(connection: Connection, habit: PortHabit): void {
		if (habit === "redirect") {
			this.#say(connection, "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\nContent-Length: 0\r\n\r\n");
			return;
		}
		const body =
			this.keyAnswer ?? JSON.stringify({ legacyPublicKey: `mkey:${"0".repeat(64)}`, publicKey: keyToText("mkey:", x25519PublicKey(this.privateKey)) });
		this.#say(connection, `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
	}

	#upgrade(connection: Connection, head: string, habit: PortHabit): ScriptedSession | undefined {
		const ok = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n";
		if (habit === "redirect") this.#say(connection, "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\n\r\n");
		else if (habit === "garbage") this.#say(connection, "SSH-2.0-dropbear\r\n\r\n");
		if (habit === "eof after 101") {
			this.#say(connection, ok);
			connection.closed();
		}
		if (habit === "silence after 101") this.#say(connection, ok);
		if (habit === "error frame") this.#say(connection, ok, concat(Uint8Array.of(3, 0, 4), ascii("nope")));
		if (habit === "bad response") this.#say(connection, ok, concat(Uint8Array.of(2, 0, 48), new Uint8Array(48).fill(9)));
		if (habit !== "serve" && habit !== "bad record" && habit !== "no HTTP/2") return undefined;
		const initiation = base64Decode((/^X-Tailscale-Handshake: (.*)\r$/m.exec(head) as RegExpExecArray)[1] as string) as Uint8Array;
		const { response, receiveKey, sendKey } = this.#respond(initiation);
		const session = new ScriptedSession(connection, receiveKey, sendKey, this.hasEarlyPayload, habit !== "no HTTP/2", (request) =>
			this.#request(session, request),
		);
		this.sessions.push(session);
		this.#sessionOf.set(connection, session);
		// 101, the response and the early records in one segment.
		const surplus = habit === "bad record" ? concat(Uint8Array.of(4, 0, 20), new Uint8Array(20)) : session.take();
		this.#say(connection, ok, concat(response, surplus));
		return session;
	}

	#respond(initiation: Uint8Array): { response: Uint8Array; receiveKey: Uint8Array; sendKey: Uint8Array } {
		const version = ((initiation[0] as number) << 8) | (initiation[1] as number);
		this.versions.push(version);
		const state = new SymmetricState(version);
		state.mixHash(x25519PublicKey(this.privateKey));
		const clientEphemeral = initiation.slice(5, 37);
		state.mixHash(clientEphemeral);
		state.mixDH(this.privateKey, clientEphemeral);
		const machine = state.decryptAndHash(initiation.slice(37, 85));
		if (!machine) throw new Error("the machine key cannot be opened");
		state.mixDH(this.privateKey, machine);
		if (!state.decryptAndHash(initiation.slice(85))) throw new Error("the initiation cannot be opened");
		const ephemeral = x25519PublicKey(EPHEMERAL);
		state.mixHash(ephemeral);
		state.mixDH(EPHEMERAL, clientEphemeral);
		state.mixDH(EPHEMERAL, machine);
		const tag = state.encryptAndHash(new Uint8Array(0));
		const [receiveKey, sendKey] = state.split();
		return { response: concat(Uint8Array.of(2, 0, 48), ephemeral, tag), receiveKey, sendKey };
	}

	#request(session: ScriptedSession, request: ServerRequest): void {
		const seen: SeenRequest = { path: request.path, json: request.body[0] === 0x7b ? request.json : {}, request, session };
		this.seen.push(seen);
		if (this.script(seen)) return;
		if (seen.path === "/machine/register") request.answer(200, '{"MachineAuthorized":true,"Login":{"LoginName":"a@example.com"},"User":{"DisplayName":"A"}}');
		else if (seen.path !== "/machine/map") request.answer(200);
		else if (seen.json["Stream"] !== true)
			request.head(200, [], true); // as headscale: an empty answer
		else this.acceptPoll(seen);
	}

	/** Begins a map stream with a first, complete message. */
	acceptPoll(seen: SeenRequest): void {
		this.polls.push(seen);
		seen.request.head(200);
		seen.request.write(mapFrame({ Node: { ID: 1, Key: seen.json["NodeKey"] }, Peers: [] }));
	}
}

/** 4 bytes of length, little endian, and the message: an object, or its bytes. */
export function mapFrame(message: unknown): Uint8Array {
	const text = message instanceof Uint8Array ? message : ascii(JSON.stringify(message));
	return concat(Uint8Array.of(text.length & 255, (text.length >> 8) & 255, (text.length >> 16) & 255, text.length >>> 24), text);
}

/** 32 bytes of a "nodekey:..." text. */
export function nodeKeyOf(json: Record<string, unknown>, member = "NodeKey"): Uint8Array {
	return parseKey(String(json[member]), "nodekey:") as Uint8Array;
}
