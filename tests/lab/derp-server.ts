/**
 * A DERP server of one region (protocol/relay.md §3), with faults. TLS by an identity of certificates.ts, or none.
 *
 *   GET /derp                  upgrade to DERP (also with Derp-Fast-Start: 1, then without an HTTP answer)
 *   GET /derp/latency-check, GET and HEAD /derp/probe
 *   GET /generate_204          captive portal check
 */
import { createServer as createHTTPServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHTTPSServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { concat, type KeyPair, keyPair, toHex } from "./bytes.js";
import type { Identity } from "./certificates.js";
import { DERPSession, isDisco, type SessionOwner, serverKeyFrame } from "./derp-session.js";
import type { StreamFaults } from "./pieces.js";

/** How the server misbehaves; read when a connection begins. */
export interface DERPFaults {
	/** Given to every new connection. */
	stream?: StreamFaults;
	/** Accepts TCP (and TLS) and says nothing. */
	mute?: boolean;
	/** Answers the upgrade with this status. */
	status?: number;
	/** Answers the upgrade with these bytes and keeps the connection. */
	answer?: Uint8Array;
	/** Sent instead of the ServerKey frame. */
	greeting?: Uint8Array;
	/** Closes after each login. */
	closeAfterLogin?: boolean;
	/** Packets that vanish, 0..1. */
	loss?: number;
	/** Packets come this much later. */
	delayMS?: number;
}

export interface DERPServerOptions {
	/** Certificate; without it plain HTTP. */
	readonly identity?: Identity;
	readonly keys?: KeyPair;
	readonly address?: string;
	readonly port?: number;
	readonly keepAliveMS?: number;
	/** Additional members of ServerInfo, for example TokenBucketBytesPerSecond. */
	readonly serverInfo?: Record<string, unknown>;
	/** Whether a node key (hex) is of this tailnet. */
	readonly admit?: (key: string) => boolean;
}

export class DERPServer implements SessionOwner {
	readonly keys: KeyPair;
	readonly keepAliveMS: number | undefined;
	serverInfo: Record<string, unknown>;
	readonly faults: DERPFaults = {};
	/** Upgrade requests seen, headers included. */
	readonly requests: { path: string; headers: Record<string, unknown> }[] = [];
	/** TCP connections accepted. */
	connections = 0;
	packets = 0;
	bytes = 0;
	/** Logged in, by node key; the last of a list is the active one. */
	readonly #clients = new Map<string, DERPSession[]>();
	readonly #sessions = new Set<DERPSession>();
	readonly #sockets = new Set<Socket>();
	readonly #server: Server;
	#admit: (key: string) => boolean;

	private constructor(options: DERPServerOptions) {
		this.keys = options.keys ?? keyPair();
		this.keepAliveMS = options.keepAliveMS;
		this.serverInfo = options.serverInfo ?? {};
		this.#admit = options.admit ?? (() => true);
		const handler = (request: IncomingMessage, response: ServerResponse) => this.#request(request, response);
		// The fleet's servers speak TLS 1.2 and 1.3.
		this.#server = options.identity
			? createHTTPSServer({ cert: options.identity.chainPEM, key: options.identity.keyPEM, minVersion: "TLSv1.2" }, handler)
			: createHTTPServer(handler);
		this.#server.on("connection", (socket: Socket) => {
			this.connections += 1;
			socket.setNoDelay(true);
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
			socket.on("error", () => {});
		});
		this.#server.on("tlsClientError", () => {});
		this.#server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => this.#upgrade(request, stream, new Uint8Array(head)));
	}

	static async start(options: DERPServerOptions = {}): Promise<DERPServer> {
		const server = new DERPServer(options);
		await new Promise<void>((resolve, reject) => {
			server.#server.once("error", reject);
			server.#server.listen(options.port ?? 0, options.address ?? "127.0.0.1", resolve);
		});
		return server;
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	/** Connections of a node key (hex), the active one last. */
	clients(key: string): readonly DERPSession[] {
		return this.#clients.get(key) ?? [];
	}

	/** Every connection that is logged in. */
	get loggedIn(): DERPSession[] {
		return [...this.#clients.values()].flat();
	}

	/** Who may come in from now on; those inside stay. */
	setAdmission(admit: (key: string) => boolean): void {
		this.#admit = admit;
	}

	/** Ends TCP connections: of one node key, or all. */
	cut(key?: string): void {
		if (key !== undefined) {
			for (const session of this.clients(key).slice()) session.close();
			return;
		}
		for (const socket of this.#sockets) socket.destroy();
	}

	/** Refuses new TCP connections until listen(); those that are open stay. */
	async refuse(): Promise<number> {
		const port = this.port;
		this.#server.close();
		await new Promise((resolve) => setImmediate(resolve));
		return port;
	}

	/** Listens again after refuse(). */
	async listen(port: number, address = "127.0.0.1"): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(port, address, resolve));
	}

	async close(): Promise<void> {
		const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
		for (const session of this.#sessions) session.close();
		this.cut();
		await closed;
	}

	// ---- SessionOwner ----

	admit(session: DERPSession): boolean {
		if (!this.#admit(session.key)) return false;
		const list = this.#clients.get(session.key) ?? [];
		list.push(session);
		this.#clients.set(session.key, list);
		if (this.faults.closeAfterLogin) setImmediate(() => session.close());
		return true;
	}

	active(session: DERPSession): void {
		const list = this.#clients.get(session.key);
		if (!list || list[list.length - 1] === session) return;
		list.splice(list.indexOf(session), 1);
		list.push(session);
	}

	packet(session: DERPSession, destination: string, packet: Uint8Array): void {
		this.packets += 1;
		this.bytes += packet.length;
		const list = this.#clients.get(destination);
		const target = list?.[list.length - 1];
		if (!target) {
			if (isDisco(packet)) session.peerGone(destination, 1);
			return;
		}
		session.reached.add(destination);
		if (this.faults.loss !== undefined && Math.random() < this.faults.loss) return;
		if (this.faults.delayMS) setTimeout(() => target.isOpen && target.deliver(session.key, packet), this.faults.delayMS);
		else target.deliver(session.key, packet);
	}

	ended(session: DERPSession): void {
		this.#sessions.delete(session);
		const list = this.#clients.get(session.key);
		if (!list?.includes(session)) return;
		list.splice(list.indexOf(session), 1);
		if (list.length > 0) {
			for (const key of session.reached) (list[list.length - 1] as DERPSession).reached.add(key);
			return;
		}
		this.#clients.delete(session.key);
		for (const key of session.reached) for (const peer of this.clients(key)) peer.peerGone(session.key, 0);
	}

	// ---- HTTP ----

	#upgrade(request: IncomingMessage, stream: Duplex, head: Uint8Array): void {
		stream.on("error", () => {});
		this.requests.push({ path: request.url ?? "", headers: request.headers });
		if (this.faults.mute) return;
		if (request.url !== "/derp" || String(request.headers.upgrade).toLowerCase() !== "derp") {
			const path = request.url === "/derp";
			stream.end(`HTTP/1.1 ${path ? "426 Upgrade Required" : "404 Not Found"}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
			return;
		}
		if (this.faults.status !== undefined) {
			stream.end(`HTTP/1.1 ${this.faults.status} Lab\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlab\n`);
			return;
		}
		if (this.faults.answer) {
			stream.write(this.faults.answer);
			return;
		}
		const answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\nDerp-Public-Key: ${toHex(this.keys.publicKey)}\r\n\r\n`;
		const isFast = request.headers["derp-fast-start"] === "1";
		// The answer and the first frame share one write, as in the real server.
		const opening = concat(Buffer.from(isFast ? "" : answer), this.faults.greeting ?? serverKeyFrame(this.keys.publicKey));
		this.#sessions.add(new DERPSession(this, stream, head, opening, { ...this.faults.stream }));
	}

	#request(request: IncomingMessage, response: ServerResponse): void {
		const path = (request.url ?? "").split("?")[0];
		const isRead = request.method === "GET" || request.method === "HEAD";
		if (path === "/derp") {
			response.writeHead(426, { "Content-Type": "text/plain; charset=utf-8" }).end("DERP requires connection upgrade\n");
		} else if (path === "/derp/probe" || path === "/derp/latency-check") {
			if (isRead) response.writeHead(200, { "Access-Control-Allow-Origin": "*" }).end();
			else response.writeHead(405).end("bogus probe method\n");
		} else if (path === "/generate_204") {
			const challenge = request.headers["x-tailscale-challenge"];
			const isGood = typeof challenge === "string" && /^[A-Za-z0-9._:-]{1,64}$/.test(challenge);
			response.writeHead(204, { "Cache-Control": "no-cache, no-store", ...(isGood ? { "X-Tailscale-Response": `response ${challenge}` } : {}) }).end();
		} else {
			response.writeHead(404).end();
		}
	}
}
