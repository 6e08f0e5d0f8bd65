/**
 * A real headscale among the servers of a world, where the machine has one: the program that HEADSCALE names, else `headscale` in PATH. Everything it
 * writes is in the world's folder, it runs in the namespace of the stock peers, and it is told to ask nothing of anybody (no DERP map by URL, no look
 * for a newer version, no log tail).
 */
import { execFile, execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { LineProcess } from "./line-process.js";

const execute = promisify(execFile);

/** Path of the program, undefined if there is none. */
export function findHeadscale() {
	const places = process.env.HEADSCALE ? [process.env.HEADSCALE] : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "headscale"));
	return places.find((place) => {
		try {
			accessSync(place, constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

/** Why the scenarios with a real headscale cannot run here, undefined if they can. */
export const headscaleMissing = () =>
	findHeadscale() ? undefined : "a real headscale is not on this machine: put `headscale` into PATH, or name it in HEADSCALE (0.29 is known to work)";

/** First line of `headscale version`. */
export function headscaleVersion() {
	return execFileSync(findHeadscale(), ["version"], { encoding: "utf8" }).split("\n")[0].trim();
}

export class Headscale {
	#world;
	#config;
	#process;
	url;

	/**
	 * Starts it and waits until it answers.
	 * @param {import("./world.js").World} world whose relays it names, unless it is a relay itself
	 * @param {{tls?: boolean, relay?: boolean, port?: number}} [options] tls: HTTPS only, by the world's authority; relay: its own DERP and STUN server,
	 * which wants HTTPS, is the only region and admits nobody but its nodes
	 */
	static async start(world, { tls = false, relay = false, port = tls ? 443 : 8080 } = {}) {
		const headscale = new Headscale();
		headscale.#world = world;
		const { address } = world.hub;
		const folder = join(world.directory, `headscale-${port}`);
		mkdirSync(folder, { recursive: true });
		const at = (name) => join(folder, name);
		headscale.url = tls ? `https://${address}${port === 443 ? "" : `:${port}`}` : `http://${address}:${port}`;
		if (tls) await world.peers.do("certificate.write", { host: address, certificate: at("tls.pem"), key: at("tls-key.pem") });
		// YAML, since its keys have to be numbers. A region that is null is dropped by clients; some real maps have one.
		const regions = Object.entries({ 77: null, ...(relay ? {} : world.regions) }).map(([id, region]) => `  ${id}: ${JSON.stringify(lowerCase(region))}\n`);
		writeFileSync(at("derp.yaml"), `regions:\n${regions.join("")}`);
		headscale.#config = at("config.json");
		writeFileSync(
			headscale.#config,
			JSON.stringify({
				server_url: headscale.url,
				listen_addr: `${address}:${port}`,
				metrics_listen_addr: "",
				grpc_listen_addr: `127.0.0.1:${50_000 + (port % 1000)}`,
				noise: { private_key_path: at("noise.key") },
				prefixes: { v4: "100.64.0.0/10", v6: "fd7a:115c:a1e0::/48" },
				derp: {
					server: relay
						? {
								enabled: true,
								region_id: 999,
								region_code: "own",
								region_name: "Own",
								verify_clients: true,
								stun_listen_addr: `${address}:3478`,
								private_key_path: at("derp.key"),
								ipv4: address,
							}
						: { enabled: false },
					urls: [],
					paths: [at("derp.yaml")],
					auto_update_enabled: false,
				},
				disable_check_updates: true,
				database: { type: "sqlite", sqlite: { path: at("db.sqlite") } },
				...(tls ? { tls_cert_path: at("tls.pem"), tls_key_path: at("tls-key.pem") } : {}),
				node: { routes: { ha: { probe_interval: "6s", probe_timeout: "5s" } } },
				log: { level: "debug" },
				policy: { mode: "database" },
				dns: { magic_dns: true, base_domain: "real.test", override_local_dns: false, nameservers: { global: [] } },
				unix_socket: at("socket"),
				logtail: { enabled: false },
			}),
		);
		await headscale.run();
		return headscale;
	}

	/** Starts the program (again). */
	async run() {
		const verbose = Boolean(process.env.INTEROP_VERBOSE);
		const { hub, directory } = this.#world;
		const env = { PATH: process.env.PATH, HOME: directory, TMPDIR: directory };
		this.#process = new LineProcess("headscale", hub.inside([findHeadscale(), "--config", this.#config, "serve"]), {
			env,
			onLog: verbose ? (line) => process.stderr.write(`    headscale | ${line}\n`) : undefined,
		});
		await this.#world.eventually(() => this.do("users", "list"), 20_000, 250);
	}

	/** Runs a command of headscale's own and gives its answer; some answer with a line for people whatever they are asked for. */
	async do(...words) {
		const [program, ...args] = this.#world.hub.inside([findHeadscale(), "--config", this.#config, "--output", "json", "--force", ...words]);
		const { stdout } = await execute(program, args, { env: { PATH: process.env.PATH, HOME: this.#world.directory } });
		return /^[[{"]/.test(stdout) ? JSON.parse(stdout) : undefined;
	}

	/** @returns {Promise<number>} id of a new user */
	async user(name) {
		return (await this.do("users", "create", name)).id;
	}

	/** A pre-auth key. @param {string[]} [words] such as "--reusable" */
	async key(user, ...words) {
		return (await this.do("preauthkeys", "create", ...(user === undefined ? [] : ["--user", `${user}`]), ...words)).key;
	}

	/** What it knows of the node of this name. */
	async node(hostname) {
		const all = (await this.do("nodes", "list")) ?? [];
		const found = all.find((node) => node.given_name === hostname || node.name === hostname);
		if (!found) throw new Error(`headscale has no node ${hostname}: ${all.map((node) => node.given_name)}`);
		return found;
	}

	/** Another policy, as an object. */
	async policy(rules) {
		const file = join(this.#world.directory, "policy.json");
		writeFileSync(file, JSON.stringify(rules));
		await this.do("policy", "set", "--file", file);
	}

	get log() {
		return this.#process.log;
	}

	/** Ends the program; its data stays. */
	async stop(signal = "SIGTERM") {
		await this.#process.kill(signal);
	}
}

/** A DERP map's regions with the member names of headscale's files. */
function lowerCase(value) {
	if (Array.isArray(value)) return value.map(lowerCase);
	if (value === null || typeof value !== "object") return value;
	return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toLowerCase(), lowerCase(member)]));
}
