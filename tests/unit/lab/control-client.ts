/** A control client of the tests: Noise initiator on @noble/*, HTTP/2 by node:http2. It knows nothing of modules/control. */
import { type ClientHttp2Session, connect as connectHTTP2 } from "node:http2";
import { connect as connectTCP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { concat, fromHex, type KeyPair, keyPair } from "../../lab/bytes.js";
import { RecordOpener, RecordSealer } from "../../lab/noise-responder.js";

const EMPTY = new Uint8Array(0);

export interface Answer {
	readonly status: number;
	readonly body: Buffer;
	readonly headers: Record<string, unknown>;
}

/** A map poll: messages as they come. */
export class Poll {
	readonly messages: Record<string, unknown>[] = [];
	/** JSON texts of the messages. */
	readonly texts: string[] = [];
	ended = false;
	status = 0;
	#rest = Buffer.alloc(0);

	push(bytes: Buffer): void {
		this.#rest = Buffer.concat([this.#rest, bytes]);
		while (this.#rest.length >= 4 && this.#rest.length >= 4 + this.#rest.readUInt32LE(0)) {
			const end = 4 + this.#rest.readUInt32LE(0);
			const text = this.#rest.subarray(4, end).toString();
			this.texts.push(text);
			this.messages.push(JSON.parse(text) as Record<string, unknown>);
			this.#rest = this.#rest.subarray(end);
		}
	}

	/** Waits for a message that has the member. */
	async with(member: string): Promise<Record<string, unknown>> {
		for (const until = Date.now() + 15000; Date.now() < until; ) {
			const found = this.messages.find((message) => message[member] !== undefined);
			if (found) {
				this.messages.splice(this.messages.indexOf(found), 1);
				return found;
			}
			await new Promise((resolve) => setTimeout(resolve, 5));
		}
		throw new Error(`no message with ${member} came`);
	}

	async end(): Promise<void> {
		for (let i = 0; i < 600 && !this.ended; i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
		if (!this.ended) throw new Error("the stream did not end");
	}
}

export class TestControlClient {
	readonly machine: KeyPair;
	nodeKey: KeyPair = keyPair();
	version: number;
	/** Early payload, if it came. */
	early = "";
	closed = false;
	socket!: Socket;
	http2!: ClientHttp2Session;

	constructor(machine: KeyPair = keyPair(), version = 131) {
		this.machine = machine;
		this.version = version;
	}

	/** @returns the first line of the HTTP answer; the session is usable only after a 101 */
	async connect(port: number, controlKey: string): Promise<string> {
		const ephemeral = keyPair();
		const control = fromHex(controlKey.replace("mkey:", ""));
		const noise = new Initiator(this.version, control, this.machine, ephemeral);
		this.socket = connectTCP({ port, host: "127.0.0.1", noDelay: true });
		this.socket.on("error", () => {});
		this.socket.on("close", () => {
			this.closed = true;
		});
		const header = Buffer.from(noise.initiation).toString("base64");
		this.socket.write(
			`POST /ts2021 HTTP/1.1\r\nHost: x\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\nX-Tailscale-Handshake: ${header}\r\nContent-Length: 0\r\n\r\n`,
		);
		const received = await this.#bytes(
			(all) => all.includes("\r\n\r\n") && (!all.toString().startsWith("HTTP/1.1 101") || all.length >= all.indexOf("\r\n\r\n") + 55),
		);
		const line = received.subarray(0, received.indexOf("\r\n")).toString();
		const at = received.indexOf("\r\n\r\n") + 4;
		if (!line.startsWith("HTTP/1.1 101") || received.length < at + 51) return line;
		const [sendKey, receiveKey] = noise.finish(received.subarray(at, at + 51), ephemeral, this.machine);
		this.#startHTTP2(new RecordSealer(sendKey), new RecordOpener(receiveKey), received.subarray(at + 51));
		return line;
	}

	async post(path: string, body: unknown): Promise<Answer> {
		const stream = this.http2.request({ ":method": "POST", ":path": path });
		stream.end(typeof body === "string" ? body : JSON.stringify(body));
		const parts: Buffer[] = [];
		stream.on("data", (bytes: Buffer) => parts.push(bytes));
		const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
			stream.once("response", resolve);
			stream.once("error", reject);
		});
		await new Promise((resolve) => (stream.readableEnded ? resolve(undefined) : stream.once("end", resolve)));
		return { status: Number(headers[":status"]), body: Buffer.concat(parts), headers };
	}

	register(members: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
		return this.post("/machine/register", {
			Version: this.version,
			NodeKey: this.nodeText,
			Hostinfo: { Hostname: "tester", OS: "linux" },
			...members,
		}).then((answer) => JSON.parse(answer.body.toString()) as Record<string, unknown>);
	}

	/** Starts a map poll. */
	poll(members: Record<string, unknown> = {}): Poll {
		const poll = new Poll();
		const stream = this.http2.request({ ":method": "POST", ":path": "/machine/map" });
		stream.end(JSON.stringify({ Version: this.version, NodeKey: this.nodeText, Stream: true, KeepAlive: true, ...members }));
		stream.on("response", (headers) => {
			poll.status = Number(headers[":status"]);
		});
		stream.on("data", (bytes: Buffer) => (poll.status === 0 || poll.status === 200) && poll.push(bytes));
		stream.on("error", () => {});
		stream.on("close", () => {
			poll.ended = true;
		});
		return poll;
	}

	update(members: Record<string, unknown>): Promise<Answer> {
		return this.post("/machine/map", { Version: this.version, NodeKey: this.nodeText, OmitPeers: true, ...members });
	}

	get nodeText(): string {
		return `nodekey:${Buffer.from(this.nodeKey.publicKey).toString("hex")}`;
	}

	close(): void {
		this.http2?.destroy();
		this.socket?.destroy();
	}

	#bytes(isEnough: (all: Buffer) => boolean): Promise<Buffer> {
		let all = Buffer.alloc(0);
		return new Promise((resolve) => {
			const done = () => {
				this.socket.off("data", onData);
				this.socket.pause();
				resolve(all);
			};
			const onData = (bytes: Buffer) => {
				all = Buffer.concat([all, bytes]);
				if (isEnough(all)) done();
			};
			this.socket.on("data", onData);
			this.socket.once("close", () => resolve(all));
		});
	}

	#startHTTP2(sealer: RecordSealer, opener: RecordOpener, surplus: Buffer): void {
		const { socket } = this;
		let head = Buffer.alloc(0);
		let isDecided = false;
		const stream = new Duplex({
			read() {
				socket.resume();
			},
			write(chunk: Buffer, _encoding, callback) {
				socket.write(sealer.seal(new Uint8Array(chunk)), () => callback());
			},
		});
		const feed = (bytes: Buffer) => {
			let plaintext: Buffer;
			try {
				plaintext = Buffer.from(opener.push(new Uint8Array(bytes)));
			} catch (error) {
				stream.destroy(error as Error);
				socket.destroy();
				return;
			}
			if (!isDecided) {
				head = Buffer.concat([head, plaintext]);
				if (head.length < 9) return;
				const isEarly = head.subarray(0, 5).toString("latin1") === "\u00ff\u00ff\u00ffTS";
				const end = isEarly ? 9 + head.readUInt32BE(5) : 0;
				if (head.length < end) return;
				this.early = head.subarray(isEarly ? 9 : 0, end).toString();
				isDecided = true;
				plaintext = head.subarray(end);
			}
			if (plaintext.length > 0 && !stream.push(plaintext)) socket.pause();
		};
		socket.on("data", feed);
		socket.on("close", () => stream.destroy());
		stream.on("error", () => {});
		this.http2 = connectHTTP2("http://control", { createConnection: () => stream });
		this.http2.on("error", () => {});
		if (surplus.length > 0) feed(surplus);
	}
}

/** Noise IK, the initiator's half. */
class Initiator {
	readonly initiation: Uint8Array;
	#hash: Uint8Array;
	#chain: Uint8Array;
	#key: Uint8Array = EMPTY;

	constructor(version: number, control: Uint8Array, machine: KeyPair, ephemeral: KeyPair) {
		this.#hash = blake2s(Buffer.from("Noise_IK_25519_ChaChaPoly_BLAKE2s"));
		this.#chain = this.#hash;
		this.#mixHash(Buffer.from(`Tailscale Control Protocol v${version}`));
		this.#mixHash(control);
		this.#mixHash(ephemeral.publicKey);
		this.#mixKey(x25519.getSharedSecret(ephemeral.privateKey, control));
		const machineSealed = this.#seal(machine.publicKey);
		this.#mixKey(x25519.getSharedSecret(machine.privateKey, control));
		const tag = this.#seal(EMPTY);
		this.initiation = concat(Uint8Array.of(version >> 8, version & 255, 1, 0, 96), ephemeral.publicKey, machineSealed, tag);
	}

	finish(response: Uint8Array, ephemeral: KeyPair, machine: KeyPair): [Uint8Array, Uint8Array] {
		const remote = new Uint8Array(response.subarray(3, 35));
		this.#mixHash(remote);
		this.#mixKey(x25519.getSharedSecret(ephemeral.privateKey, remote));
		this.#mixKey(x25519.getSharedSecret(machine.privateKey, remote));
		chacha20poly1305(this.#key, new Uint8Array(12), this.#hash).decrypt(new Uint8Array(response.subarray(35, 51)));
		const output = hkdf(blake2s, EMPTY, this.#chain, EMPTY, 64);
		return [output.slice(0, 32), output.slice(32)];
	}

	#mixHash(bytes: Uint8Array): void {
		this.#hash = blake2s(concat(this.#hash, bytes));
	}

	#mixKey(secret: Uint8Array): void {
		const output = hkdf(blake2s, secret, this.#chain, EMPTY, 64);
		this.#chain = output.slice(0, 32);
		this.#key = output.slice(32);
	}

	#seal(plaintext: Uint8Array): Uint8Array {
		const sealed = chacha20poly1305(this.#key, new Uint8Array(12), this.#hash).encrypt(plaintext);
		this.#mixHash(sealed);
		return sealed;
	}
}
