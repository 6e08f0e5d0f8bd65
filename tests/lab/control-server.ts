/**
 * A control server: HTTP with /key and the /ts2021 upgrade, and inside it the requests of nodes (protocol/control.md §2-§6, §9). With faults, and with the
 * habits of the SaaS or of headscale. Written from the specification; shares nothing with modules/control.
 */
import { createServer as createHTTPServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { createServer as createHTTPSServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { concat, type KeyPair, keyPair, keyText } from "./bytes.js";
import type { Identity } from "./certificates.js";
import { ALLOW_ALL, Maps, MINIMUM_VERSION, type Policy } from "./control-map.js";
import { encodeJSON, type Habits, type LabNode, Nodes, type User } from "./control-nodes.js";
import { type AuthKey, Register, type RegisterPolicy } from "./control-register.js";
import { type ControlRequest, ControlSession, HTTP2Backend } from "./control-session.js";
import { respond } from "./noise-responder.js";
import type { StreamFaults } from "./pieces.js";

/** An answer to be given instead of the real one, `times` times. */
export interface CannedAnswer {
	readonly path: string;
	readonly status: number;
	readonly headers?: Record<string, string>;
	readonly body?: string;
	times: number;
}

/** How the server misbehaves; read when a connection or a request begins. */
export interface ControlFaults {
	/** /key tells another key than the one in use. */
	wrongKey?: boolean;
	/** Status of /key. */
	keyStatus?: number;
	/** Body of /key. */
	keyBody?: string;
	/** Status of the upgrade instead of 101. */
	upgradeStatus?: number;
	/** 101, then the end: what a wrong key looks like. */
	endAfterUpgrade?: boolean;
	/** 101, then a Noise error frame with this text. */
	errorFrame?: string;
	/** Takes connections and says nothing. */
	mute?: boolean;
	/** Given to every new Noise connection. */
	stream?: StreamFaults;
	answers: CannedAnswer[];
}

export interface ControlServerOptions {
	/** Certificate; without it plain HTTP. */
	readonly identity?: Identity;
	readonly keys?: KeyPair;
	readonly address?: string;
	readonly port?: number;
	/** Host in URLs, default the address. */
	readonly host?: string;
	readonly habits?: Habits;
	/** MagicDNS suffix. */
	readonly domain?: string;
	readonly earlyPayload?: boolean;
	readonly authKeys?: Record<string, AuthKey>;
	readonly withoutKey?: RegisterPolicy["withoutKey"];
	readonly needsApproval?: boolean;
	readonly keyLifeMS?: number;
	readonly derpMap?: unknown;
	readonly dns?: unknown;
	readonly filter?: Policy["filter"];
	readonly filterForm?: Policy["filterForm"];
	/** First node id. */
	readonly firstID?: bigint;
}

/** What a node answered to a c2n request. */
export interface C2NAnswer {
	readonly status: number;
	readonly headers: string;
	readonly body: string;
}

export class ControlServer {
	readonly keys: KeyPair;
	readonly nodes: Nodes;
	readonly register: Register;
	readonly maps: Maps;
	readonly faults: ControlFaults = { answers: [] };
	readonly sessions = new Set<ControlSession>();
	/** TCP connections accepted, upgrades answered with 101, requests by path. */
	readonly counters = { connections: 0, upgrades: 0, requests: new Map<string, number>() };
	/** Answers that a node posted to a ping URL, by path. */
	readonly #posted = new Map<string, (body: Uint8Array) => void>();
	readonly #options: ControlServerOptions;
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#backend: HTTP2Backend | undefined;
	#pingCount = 0;

	private constructor(options: ControlServerOptions) {
		this.#options = options;
		this.keys = options.keys ?? keyPair();
		const domain = options.domain ?? "lab.ts.net";
		const user: User = { id: "1001", login: "lab@example.com", name: "Lab" };
		this.nodes = new Nodes(domain, options.habits ?? "tailscale", options.firstID ?? 9007199254740993n);
		this.maps = new Maps(this.nodes, {
			derpMap: options.derpMap ?? { Regions: {} },
			dns: options.dns ?? { Proxied: true, Domains: [domain], Routes: { [domain]: null } },
			filter: options.filter ?? (() => [...ALLOW_ALL]),
			filterForm: options.filterForm ?? "PacketFilters",
			extra: {},
		});
		const policy: RegisterPolicy = {
			authKeys: new Map(Object.entries(options.authKeys ?? {})),
			defaultUser: user,
			needsApproval: options.needsApproval ?? false,
			keyLifeMS: options.keyLifeMS,
			withoutKey: options.withoutKey ?? "login",
		};
		this.register = new Register(
			this.nodes,
			policy,
			() => this.url,
			(node) => this.maps.announce(node),
			(node) => this.remove(node),
		);
		const handler = (request: IncomingMessage, response: ServerResponse) => this.#request(request, response);
		this.#server = options.identity ? createHTTPSServer({ cert: options.identity.chainPEM, key: options.identity.keyPEM }, handler) : createHTTPServer(handler);
		this.#server.on("connection", (socket: Socket) => {
			this.counters.connections += 1;
			socket.setNoDelay(true);
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
			socket.on("error", () => {});
		});
		this.#server.on("tlsClientError", () => {});
		this.#server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => this.#upgrade(request, stream, new Uint8Array(head)));
	}

	static async start(options: ControlServerOptions = {}): Promise<ControlServer> {
		const server = new ControlServer(options);
		server.#backend = await HTTP2Backend.start((request) => server.#noiseRequest(request));
		await new Promise<void>((resolve, reject) => {
			server.#server.once("error", reject);
			server.#server.listen(options.port ?? 0, options.address ?? "127.0.0.1", resolve);
		});
		return server;
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	/** What nodes take as controlURL. */
	get url(): string {
		return `${this.#options.identity ? "https" : "http"}://${this.#options.host ?? this.#options.address ?? "127.0.0.1"}:${this.port}`;
	}

	/** "mkey:..." of /key. */
	get publicKey(): string {
		return keyText("mkey", this.keys.publicKey);
	}

	/** The node of that host name, if it registered. */
	node(hostname: string): LabNode | undefined {
		return this.nodes.all.find((node) => node.hostname === hostname || node.label === hostname);
	}

	/** Sessions of a node's machine. */
	sessionsOf(node: LabNode): ControlSession[] {
		return [...this.sessions].filter((session) => session.machineKey === node.machineKey);
	}

	// ---- What an administrator may do ----

	setDERPMap(derpMap: unknown): void {
		this.maps.policy.derpMap = derpMap;
		this.maps.broadcast({ DERPMap: derpMap });
	}

	setDNS(dns: unknown): void {
		this.maps.policy.dns = dns;
		this.maps.broadcast({ DNSConfig: dns });
	}

	setFilter(filter: Policy["filter"]): void {
		this.maps.policy.filter = filter;
		this.maps.broadcastFilter();
	}

	/** Tells everybody, and the node itself, what a test changed in a node. */
	announce(node: LabNode): void {
		this.maps.announce(node);
	}

	/** Approves a device that waited. */
	approve(node: LabNode): void {
		node.authorized = true;
		this.maps.announce(node);
		this.maps.send(node, this.maps.full(node, node.capVersion));
	}

	/** The node's key expires now. */
	expire(node: LabNode): void {
		node.expired = true;
		node.keyExpiry = new Date(Date.now() - 1000);
		this.maps.announce(node);
	}

	/** The node is deleted: later requests get 404. */
	remove(node: LabNode): void {
		this.nodes.remove(node);
		this.maps.removed(node);
	}

	/** Peers that exist only in the map; who polls is told in one message. */
	addFakePeers(count: number, homeDERP = 0): LabNode[] {
		const fakes = this.nodes.addFakes(count, this.register.policy.defaultUser, homeDERP);
		this.maps.announceNew(fakes);
		return fakes;
	}

	/** Runs a c2n request on a node. @param request a whole HTTP/1.1 request */
	async c2n(node: LabNode, request: string, timeoutMS = 5000): Promise<C2NAnswer> {
		const path = `/c2n/${(this.#pingCount += 1)}`;
		const sent = this.maps.send(node, { PingRequest: { URL: `https://unused${path}`, Types: "c2n", Payload: Buffer.from(request).toString("base64") } });
		if (!sent) throw new Error("the node has no map stream");
		const text = Buffer.from(await this.#posting(path, timeoutMS)).toString();
		const end = text.indexOf("\r\n\r\n");
		return { status: Number(text.split(" ")[1]), headers: text.slice(0, end), body: text.slice(end + 4) };
	}

	/** Asks a node to ping an address. @param types "disco", "TSMP", "ICMP" or "peerapi", comma-separated */
	async ping(node: LabNode, types: string, address: string, timeoutMS = 12000): Promise<Record<string, unknown>> {
		const path = `/machine/ping/${(this.#pingCount += 1)}`;
		const sent = this.maps.send(node, { PingRequest: { URL: this.url + path, URLIsNoise: true, Types: types, IP: address } });
		if (!sent) throw new Error("the node has no map stream");
		return JSON.parse(Buffer.from(await this.#posting(path, timeoutMS)).toString()) as Record<string, unknown>;
	}

	/** Asks a node for a HEAD request. @param overNoise else over the public URL, as headscale does */
	async headPing(node: LabNode, overNoise: boolean, timeoutMS = 5000): Promise<void> {
		const path = `/machine/ping-response?id=${(this.#pingCount += 1)}`;
		if (!this.maps.send(node, { PingRequest: { URL: this.url + path, URLIsNoise: overNoise } })) throw new Error("the node has no map stream");
		await this.#posting(path, timeoutMS);
	}

	/** Ends TCP connections: of one node, or all. */
	cut(node?: LabNode): void {
		if (node) for (const session of this.sessionsOf(node)) session.close();
		else for (const socket of this.#sockets) socket.destroy();
	}

	/** Answers the next requests to path with this instead. */
	answerNext(path: string, status: number, headers: Record<string, string> = {}, body = "", times = 1): void {
		this.faults.answers.push({ path, status, headers, body, times });
	}

	async close(): Promise<void> {
		const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
		this.maps.close();
		for (const session of this.sessions) session.close();
		this.#backend?.close();
		this.cut();
		await closed;
	}

	// ---- HTTP/1.1 ----

	#request(request: IncomingMessage, response: ServerResponse): void {
		const url = new URL(request.url ?? "/", "http://lab");
		this.#count(url.pathname);
		if (this.faults.mute) return;
		if (this.#canned(url.pathname, (status, headers, body) => response.writeHead(status, headers).end(body))) return;
		if (url.pathname === "/key") this.#key(url, response);
		else if (url.pathname === "/ts2021") response.writeHead(400).end("missing next protocol\n");
		else if (url.pathname === "/health") response.writeHead(200).end('{"status":"pass"}');
		else if (url.pathname === "/machine/ping-response") {
			this.#deliver(url.pathname + url.search, new Uint8Array(0));
			response.writeHead(200).end();
		} else if (url.pathname.startsWith("/a/") || url.pathname.startsWith("/register/")) {
			const isLogin = request.method === "POST" && this.register.approveLogin(this.url + url.pathname);
			response.writeHead(200, { "Content-Type": "text/plain" }).end(isLogin ? "logged in\n" : "POST to this address logs the node in\n");
		} else response.writeHead(404).end("404 page not found\n");
	}

	#key(url: URL, response: ServerResponse): void {
		const version = url.searchParams.get("v");
		const key = this.faults.wrongKey ? keyPair().publicKey : this.keys.publicKey;
		const body = this.faults.keyBody ?? JSON.stringify({ legacyPublicKey: `mkey:${"0".repeat(64)}`, publicKey: keyText("mkey", key) });
		if (this.faults.keyStatus !== undefined) response.writeHead(this.faults.keyStatus).end("lab\n");
		else if (this.nodes.habits === "headscale" && !/^[0-9]+$/.test(version ?? "")) response.writeHead(400).end("could not parse capability version\n");
		else if (Number(version) < 39) response.writeHead(200).end();
		else response.writeHead(200, { "Content-Type": "application/json" }).end(body);
	}

	#upgrade(request: IncomingMessage, stream: Duplex, head: Uint8Array): void {
		stream.on("error", () => {});
		this.#count("/ts2021");
		if (this.faults.mute) return;
		const end = (status: number, text: string) => stream.end(`HTTP/1.1 ${status} Lab\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`);
		if (this.#canned("/ts2021", (status, _headers, body) => end(status, body))) return;
		if (this.faults.upgradeStatus !== undefined) return void end(this.faults.upgradeStatus, "lab\n");
		if (new URL(request.url ?? "/", "http://lab").pathname !== "/ts2021" || request.method !== "POST") return void end(404, "404 page not found\n");
		if (String(request.headers.upgrade).toLowerCase() !== "tailscale-control-protocol") return void end(400, "unknown next protocol\n");
		const header = request.headers["x-tailscale-handshake"];
		if (typeof header !== "string" || header === "") return void end(400, "missing Tailscale handshake header\n");
		if (!/^[A-Za-z0-9+/]+={0,2}$/.test(header)) return void end(400, "invalid tailscale handshake header\n");
		const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n";
		this.#begin(stream, Buffer.from(answer), new Uint8Array(Buffer.from(header, "base64")), head);
	}

	#begin(stream: Duplex, answer: Uint8Array, initiation: Uint8Array, surplus: Uint8Array): void {
		this.counters.upgrades += 1;
		let session: ControlSession;
		try {
			const established = respond(initiation, this.keys);
			if (this.nodes.habits === "headscale" && established.version < MINIMUM_VERSION) throw new Error("unsupported client version");
			if (this.faults.errorFrame !== undefined) {
				const text = Buffer.from(this.faults.errorFrame);
				stream.end(concat(answer, Uint8Array.of(3, text.length >> 8, text.length & 255), text));
				return;
			}
			if (this.faults.endAfterUpgrade) throw new Error("fault");
			session = new ControlSession(stream, established, answer, surplus, {
				earlyPayload: this.#options.earlyPayload ?? true,
				faults: { ...this.faults.stream },
				backend: this.#backend as HTTP2Backend,
				onClose: (closed) => this.sessions.delete(closed),
			});
		} catch {
			stream.end(answer); // the real server has sent its 101 by then; the error shows as the end of the stream
			return;
		}
		this.sessions.add(session);
	}

	// ---- Inside Noise ----

	#noiseRequest(request: ControlRequest): void {
		const path = request.path.split("?")[0] as string;
		this.#count(path);
		const { stream } = request;
		if (this.#canned(path, (status, headers, body) => reply(stream, status, body, headers))) return;
		if (path === "/machine/register") void this.#answerRegister(request);
		else if (path === "/machine/map") this.maps.handle(request);
		else if (this.#deliver(request.path, request.body)) reply(stream, 200, "");
		else reply(stream, this.nodes.habits === "headscale" && path.startsWith("/machine/") ? 501 : 404, "not found\n");
	}

	async #answerRegister(request: ControlRequest): Promise<void> {
		const { stream } = request;
		let body: Record<string, unknown>;
		try {
			body = JSON.parse(Buffer.from(request.body).toString()) as Record<string, unknown>;
		} catch {
			reply(stream, 400, "bad JSON\n");
			return;
		}
		if (this.nodes.habits === "headscale" && Number(body["Version"]) < MINIMUM_VERSION) {
			reply(stream, 400, "unsupported client version\n");
			return;
		}
		const gone = new Promise<void>((resolve) => stream.once("close", resolve));
		const answer = await this.register.answer(body, request.session.machineKey, gone);
		if (stream.destroyed) return;
		// As the real server, which flushes: DATA without END_STREAM, then an empty DATA with it.
		stream.respond({ ":status": 200, "content-type": "application/json", date: new Date().toUTCString() });
		stream.write(encodeJSON(answer), () => stream.end());
	}

	#canned(path: string, give: (status: number, headers: Record<string, string>, body: string) => void): boolean {
		const index = this.faults.answers.findIndex((answer) => answer.path === path);
		const answer = this.faults.answers[index];
		if (!answer) return false;
		answer.times -= 1;
		if (answer.times <= 0) this.faults.answers.splice(index, 1);
		give(answer.status, answer.headers ?? {}, answer.body ?? "");
		return true;
	}

	#posting(path: string, timeoutMS: number): Promise<Uint8Array> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#posted.delete(path);
				reject(new Error(`the node did not answer ${path} within ${timeoutMS} ms`));
			}, timeoutMS);
			this.#posted.set(path, (body) => {
				clearTimeout(timer);
				resolve(body);
			});
		});
	}

	#deliver(path: string, body: Uint8Array): boolean {
		const waiting = this.#posted.get(path);
		if (!waiting) return false;
		this.#posted.delete(path);
		waiting(body);
		return true;
	}

	#count(path: string): void {
		this.counters.requests.set(path, (this.counters.requests.get(path) ?? 0) + 1);
	}
}

function reply(stream: ServerHttp2Stream, status: number, body: string, headers: Record<string, string> = {}): void {
	if (stream.destroyed) return;
	stream.respond({ ":status": status, "content-type": "text/plain; charset=utf-8", ...headers });
	stream.end(body);
}
