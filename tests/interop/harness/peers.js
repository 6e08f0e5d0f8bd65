/**
 * The Go program of tests/interop/peers: builds it once, starts it in a namespace, and asks it things.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LineProcess } from "./line-process.js";
import { root } from "./requirements.js";

const sources = join(root, "tests", "interop", "peers");
const outputs = join(root, "build", "interop");

/**
 * Builds the program if its sources or the compiler changed. The first build of a machine compiles tailscale.com: a minute or two.
 * @returns {Promise<string>} path of the program
 */
export async function buildPeers() {
	const hash = createHash("sha256").update(execFileSync("go", ["version"], { cwd: sources }));
	for (const name of readdirSync(sources).sort()) if (/\.go$|^go\./.test(name)) hash.update(name).update(readFileSync(join(sources, name)));
	const name = `peers-${hash.digest("hex").slice(0, 16)}`;
	const program = join(outputs, name);
	if (existsSync(program)) return program;
	mkdirSync(outputs, { recursive: true });
	for (const old of readdirSync(outputs)) if (old.startsWith("peers-")) rmSync(join(outputs, old));
	const unfinished = join(outputs, `${name}.${process.pid}`);
	const go = spawn("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", unfinished, "."], { cwd: sources, stdio: ["ignore", "inherit", "inherit"] });
	const [code] = await once(go, "exit");
	if (code !== 0) throw new Error("go build of tests/interop/peers failed");
	renameSync(unfinished, program);
	return program;
}

export class Peers {
	#process;
	/** Path of the certificate authority that issued the relays' certificates. */
	ca;

	/**
	 * @param {import("./network.js").Namespace} namespace
	 * @param {string} directory for states and certificates; programs that share it share the authority
	 * @param {{verbose?: boolean, portMapping?: boolean}} [options] portMapping: its nodes ask their gateway for ports
	 */
	static async start(namespace, directory, { verbose = Boolean(process.env.INTEROP_VERBOSE), portMapping = false } = {}) {
		const peers = new Peers();
		const program = await buildPeers();
		// A home of its own: stock code keeps caches and logs there. Without its port mapper a stock node starts 250 ms earlier: it need not wait
		// for a gateway that is nobody.
		const env = { PATH: process.env.PATH, HOME: directory, TMPDIR: directory, TS_NO_LOGS_NO_SUPPORT: "true" };
		if (!portMapping) env.TS_DISABLE_PORTMAPPER = "1";
		peers.#process = new LineProcess(`peers in ${namespace.name}`, namespace.inside([program, "-dir", directory, ...(verbose ? ["-verbose"] : [])]), {
			env,
			onLog: verbose ? (line) => process.stderr.write(`    peers ${namespace.name} | ${line}\n`) : undefined,
		});
		const ready = await peers.#process.waitFor("ready", (event) => event.event === "ready", 10_000);
		peers.ca = ready.ca;
		peers.version = ready.tailscale;
		return peers;
	}

	get pid() {
		return this.#process.pid;
	}

	/**
	 * Runs a command of the program (README.md lists them).
	 * @param {string} command such as "node.ping"
	 * @param {object} [parameters]
	 * @param {number} [timeoutMS] after which the program gives the command up; the answer is then an error
	 * @returns {Promise<any>} its result
	 * @throws {Error} with the program's words if it fails
	 */
	async do(command, parameters = {}, timeoutMS = 30_000) {
		const answer = await this.#process.ask({ do: command, with: parameters, timeoutMS }, timeoutMS + 5000);
		if (!answer.ok) throw new Error(`${command}: ${answer.error}`);
		return answer.result;
	}

	async close() {
		await this.#process.hangUp();
	}

	async kill() {
		await this.#process.kill();
	}
}
