/**
 * The node under test, behind one face. `OwnNode` is ours, started as a user starts it and driven by the JSON interface of its
 * command; `SimulatorNode` is ours too, an app in the Moddable simulator that speaks the same interface (tests/moddable/subject);
 * `StockNode` is a tsnet node in a program and a namespace of its own, translated to the same interface: with it the scenarios
 * prove themselves, and the benches have their reference.
 *
 * Requests are those of the command: {do: "ping", peer, kind, timeoutMS}, {do: "http", url}, {do: "bulk", peer, port, bytes, mode},
 * {do: "udp", peer, port, size, count}, {do: "resolve", name}, {do: "peers" | "self" | "health" | "netcheck" | "memory" | "rebind" |
 * "logout" | "close"}. Answers have `ok`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { environment, library, outputs } from "../../moddable/harness/sdk.js";
import { LineProcess } from "./line-process.js";
import { memoryOf } from "./memory.js";
import { Peers } from "./peers.js";
import { nodeCommand, root } from "./requirements.js";

/**
 * @typedef {object} SubjectOptions
 * @property {import("./network.js").Namespace} namespace
 * @property {string} directory state folder; the same folder is the same node
 * @property {string} hostname
 * @property {string} controlURL
 * @property {string} [authKey]
 * @property {string} [ca] file of the relays' certificate authority
 * @property {string} [resume] record of a suspended node, base64
 * @property {string[]} [args] further arguments of our command
 * @property {string} [display] where the simulator shows its window
 * @property {object} [tailnet] further options of the app's node (simulator)
 * @property {object} [env] more of the environment (ours)
 * @property {"up" | "life"} [app] what the app is (simulator)
 * @property {string} [library] another app than that of the tests, which is not driven (simulator)
 * @property {string[]} [around] command that runs the command (simulator)
 * @property {string[]} [nodeArgs] arguments of Node.js that runs it
 * @property {boolean} [portMapping] it asks its gateway for a port (stock)
 * @property {number} [expectPeers] running() also waits for so many peers
 */

/** A process that speaks our machine interface. */
export class CommandNode {
	#process;

	/** @param {SubjectOptions} options */
	constructor(options) {
		this.options = options;
		mkdirSync(options.directory, { recursive: true });
		this.startedAt = performance.now();
	}

	/** Starts it. @param {string[]} command in its namespace */
	run(command, env) {
		const { hostname, namespace } = this.options;
		const verbose = Boolean(process.env.INTEROP_VERBOSE);
		this.#process = new LineProcess(`node ${hostname}`, namespace.inside(command), {
			env,
			onLog: verbose ? (line) => process.stderr.write(`    ${hostname} | ${line}\n`) : undefined,
		});
	}

	/** Waits until it runs. `address` and `address6` are known afterwards. */
	async running(timeoutMS = 20_000) {
		const state = await this.state("running", timeoutMS);
		const self = await this.waitFor("its addresses", (event) => event.event === "self" && event.addresses?.length > 0, 5000);
		this.address = self.addresses.find((address) => !address.includes(":"));
		this.address6 = self.addresses.find((address) => address.includes(":"));
		this.runningMS = state.at - this.startedAt;
		// The time of `new Tailnet`, if it says "connecting" then, before it knows anything; else the start of the process.
		const [first] = this.events;
		const createdAt = first.event === "state" && first.state === "connecting" ? first.at : this.startedAt;
		this.sinceCreationMS = state.at - createdAt;
		const { expectPeers } = this.options;
		if (expectPeers) {
			const peers = await this.waitFor(`${expectPeers} peers`, (event) => event.event === "peers" && event.total >= expectPeers, timeoutMS);
			this.completeMS = Math.max(peers.at, state.at) - createdAt;
		}
		return this;
	}

	get events() {
		return this.#process.events;
	}

	get pid() {
		return this.#process.pid;
	}

	get log() {
		return this.#process.log;
	}

	get ended() {
		return this.#process.ended;
	}

	/** {code, signal} when it has ended. */
	get exited() {
		return this.#process.exited;
	}

	waitFor(what, matches, timeoutMS, options) {
		return this.#process.waitFor(what, matches, timeoutMS, options);
	}

	/** Waits for a state event; `from` an index into events, to wait for a new one. */
	state(state, timeoutMS = 20_000, from = 0) {
		return this.waitFor(`state ${state}`, (event) => event.event === "state" && event.state === state, timeoutMS, { from });
	}

	/** Asks, and throws the node's own words if it fails. */
	async do(request, timeoutMS = 30_000) {
		const answer = await this.#process.ask(request, timeoutMS);
		if (!answer.ok) throw new Error(`${request.do}: ${JSON.stringify(answer)}`);
		return answer;
	}

	/** Memory of its process in bytes. */
	memory() {
		return memoryOf(this.pid);
	}

	/** Ends it as a user's Ctrl-C does. */
	interrupt() {
		return this.#process.kill("SIGINT");
	}

	kill() {
		return this.#process.kill("SIGKILL");
	}

	/** Sends it a signal and does not wait for anything. */
	signal(name) {
		process.kill(this.pid, name);
	}

	async close() {
		if (!this.ended) await this.#process.kill("SIGTERM");
	}
}

export class OwnNode extends CommandNode {
	kind = "own";

	/** Folder where it keeps its values. */
	get store() {
		return this.options.directory;
	}

	/** @param {SubjectOptions} options */
	constructor(options) {
		super(options);
		const args = ["up", "--control", options.controlURL, "--hostname", options.hostname, "--state-dir", options.directory, "--echo", "--http", "--json"];
		if (options.authKey !== undefined) {
			const file = `${options.directory}.auth-key`;
			writeFileSync(file, options.authKey, { mode: 0o600 });
			args.push("--auth-key-file", file);
		}
		if (options.ca) args.push("--derp-ca", options.ca);
		if (options.resume !== undefined) {
			const file = `${options.directory}.record`;
			writeFileSync(file, options.resume, { mode: 0o600 });
			args.push("--resume", file);
		}
		args.push(...(options.args ?? []));
		const env = { PATH: process.env.PATH, HOME: dirname(options.directory), TMPDIR: dirname(options.directory), ...options.env };
		for (const [name, value] of Object.entries(process.env)) if (name.startsWith("TAILNET_") && name !== "TAILNET_AUTH_KEY") env[name] = value;
		this.run([process.execPath, ...(options.nodeArgs ?? []), nodeCommand, ...args], env);
	}
}

export class SimulatorNode extends CommandNode {
	kind = "simulator";
	static #all = [];

	/** @returns {number} how deep JavaScript went in any of them since the last call, in slots of its stack */
	static deepest() {
		const told = SimulatorNode.#all.splice(0).flatMap((node) => node.events.filter((event) => event.event === "stack"));
		return Math.max(0, ...told.map((event) => event.slots));
	}

	/** @param {SubjectOptions} options */
	constructor(options) {
		super(options);
		SimulatorNode.#all.push(this);
		const { directory, hostname, controlURL, authKey, ca, display, resume, tailnet, env, app = "up", around = [] } = options;
		const file = options.library ?? library("tailnet-subject");
		const authorities = ca ? [readFileSync(ca, "utf8")] : [];
		const first = { do: app, options: { hostname, controlURL, authKey, authorities, store: "node", resume, ...tailnet } };
		const bridge = join(root, "tests/moddable/harness/bridge.js");
		this.run([...around, process.execPath, bridge, file, directory, JSON.stringify(first)], {
			PATH: environment.PATH,
			HOME: dirname(directory),
			TMPDIR: dirname(directory),
			XDG_CACHE_HOME: join(outputs, "cache"),
			DISPLAY: display,
			...env,
		});
	}

	get store() {
		return join(this.options.directory, "state/tailnet/node");
	}

	/** Process of the simulator itself. */
	async simulator() {
		return (await this.waitFor("its process", (event) => event.event === "simulator", 10_000)).pid;
	}
}

export class StockNode {
	kind = "stock";
	#peers;
	events = [];

	/** @param {SubjectOptions} options */
	constructor(options) {
		this.options = options;
		mkdirSync(options.directory, { recursive: true });
		this.startedAt = performance.now();
		this.#starting = this.#start();
		this.#starting.catch(() => {});
	}

	#starting;

	async #start() {
		// The parent folder holds the authority, so that every program of a world trusts the same one.
		const { namespace, caDirectory, directory, portMapping } = this.options;
		this.#peers = await Peers.start(namespace, caDirectory ?? dirname(directory), { portMapping });
		const started = await this.#peers.do("node.start", {
			node: this.options.hostname,
			controlURL: this.options.controlURL,
			authKey: this.options.authKey ?? "",
			...(this.options.expectPeers ? { peers: this.options.expectPeers } : {}),
		});
		this.address = started.ip4;
		this.address6 = started.ip6;
		this.nodeKey = started.nodeKey;
		this.runningMS = started.runningMS;
		this.completeMS = started.completeMS;
		return this;
	}

	async running(timeoutMS = 20_000) {
		let timer;
		const timeout = new Promise((_, reject) => {
			timer = setTimeout(() => reject(new Error(`stock node did not run within ${timeoutMS} ms`)), timeoutMS);
		});
		try {
			return await Promise.race([this.#starting, timeout]);
		} finally {
			clearTimeout(timer);
		}
	}

	get pid() {
		return this.#peers.pid;
	}

	/** The command's requests, put to tsnet. */
	async do(request, timeoutMS = 30_000) {
		const node = this.options.hostname;
		const at = (port) => (request.peer.includes(":") ? `[${request.peer}]:${port}` : `${request.peer}:${port}`);
		const kinds = { disco: "disco", tsmp: "TSMP", icmp: "ICMP", peerapi: "peerapi" };
		switch (request.do) {
			case "ping": {
				const answer = await this.#peers.do("node.ping", { node, to: request.peer, kind: kinds[request.kind] }, request.timeoutMS ?? 5000);
				return { ok: true, latencyMS: answer.latencyMS, via: answer.endpoint || `DERP r${answer.region}` };
			}
			case "http":
				return { ok: true, ...(await this.#peers.do("node.http", { node, url: request.url }, timeoutMS)) };
			case "bulk":
				return { ok: true, ...(await this.#peers.do("node.bulk", { node, to: at(request.port), bytes: request.bytes, mode: request.mode }, timeoutMS)) };
			case "udp":
				return { ok: true, ...(await this.#peers.do("node.udp", { node, to: at(request.port), size: request.size, count: request.count }, timeoutMS)) };
			case "peers":
				return { ok: true, peers: (await this.#peers.do("node.status", { node })).peers };
			case "self": {
				const { self } = await this.#peers.do("node.status", { node });
				return { ok: true, name: self.name, addresses: self.addresses };
			}
			case "rebind":
				await this.#peers.do("node.debug", { node, action: "rebind" });
				return { ok: true };
			default:
				throw new Error(`a stock node cannot ${request.do}`);
		}
	}

	memory() {
		return memoryOf(this.pid);
	}

	kill() {
		return this.#peers?.kill();
	}

	interrupt() {
		return this.#peers?.close();
	}

	async close() {
		await this.#starting.catch(() => {});
		await this.#peers?.close();
	}
}

/** Folder for the state of a subject inside a world's folder. */
export const stateDirectory = (directory, hostname) => join(directory, `state-${hostname}`);
