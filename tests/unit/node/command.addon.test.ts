/** The command as a user runs it, in processes of its own, against the lab: words, exit codes, what goes to which stream, Ctrl-C. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { type Lab, type LabOptions, startLab } from "../../lab/lab.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
// The processes run what is built.
spawnSync(process.execPath, [join(root, "scripts/build.js")]);
const main = join(root, "dist/hosts/node/cli/main.js");

type Line = { event: string } & Record<string, unknown>;

let folder = "";
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "tailnet-command-"));
});

/** One run of the command. */
class Run {
	out = "";
	err = "";
	readonly child: ChildProcess;
	/** "exit code" or the signal. */
	readonly ended: Promise<string>;

	constructor(words: string, environment: Record<string, string> = {}) {
		const env = { PATH: process.env["PATH"] ?? "", HOME: folder, ...environment };
		this.child = spawn(process.execPath, [main, ...words.split(" ").filter((word) => word !== "")], { env, stdio: ["pipe", "pipe", "pipe"] });
		this.child.stdout?.on("data", (bytes) => (this.out += bytes));
		this.child.stderr?.on("data", (bytes) => (this.err += bytes));
		this.child.stdin?.on("error", () => {});
		this.ended = new Promise((resolve) => this.child.on("close", (code, signal) => resolve(signal ?? String(code))));
	}

	/** Events so far; throws where a line is no JSON. */
	get events(): Line[] {
		return this.out
			.split("\n")
			.slice(0, -1)
			.map((line) => JSON.parse(line) as Line);
	}

	async until(what: string, condition: () => boolean): Promise<void> {
		for (const started = Date.now(); !condition(); ) {
			if (Date.now() - started > 15_000) throw new Error(`did not come: ${what}\n${this.out}\n${this.err}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	}

	running(): Promise<void> {
		return this.until("running", () => /"state":"running"|^state: running$/m.test(this.out));
	}

	async ask(command: Record<string, unknown>): Promise<Line> {
		this.child.stdin?.write(`${JSON.stringify(command)}\n`);
		const answer = (): Line | undefined => this.events.find((event) => event.event === "result" && event["id"] === command["id"]);
		await this.until(`result of ${JSON.stringify(command)}`, () => answer() !== undefined);
		return answer() as Line;
	}
}

/** Runs a story on a lab; what it started is killed at its end. */
async function stage(
	options: LabOptions,
	story: (lab: Lab, run: (words: string, environment?: Record<string, string>) => Run) => Promise<void>,
): Promise<void> {
	const lab = await startLab(options);
	writeFileSync(join(folder, "ca.pem"), lab.authorityPEM);
	writeFileSync(join(folder, "key"), `${lab.authKey}\n`);
	const runs: Run[] = [];
	try {
		await story(lab, (words, environment) => {
			const filled = words
				.replace("LAB", `--control ${lab.controlURL} --derp-ca ${folder}/ca.pem`)
				.replace("KEY", `--auth-key-file ${folder}/key`)
				.replace("STATE", `--state-dir ${folder}/state`);
			const run = new Run(filled, environment);
			runs.push(run);
			return run;
		});
	} finally {
		for (const { child } of runs) child.kill("SIGKILL");
		await Promise.all(runs.map((run) => run.ended));
		await lab.close();
	}
}

describe("words", () => {
	test("help in any place says how, ends 0, and starts nothing; wrong words end 2 and say which, without their values", async () => {
		for (const words of ["", "help", "--help", "-h", "up --help", "ping -h", "status --help"]) {
			const run = new Run(words);
			expect([words, await run.ended, run.out.includes("exit codes"), run.err]).toEqual([words, "0", true, ""]);
		}
		const wrong: [string, string][] = [
			["up --nonsense", "unknown option --nonsense"],
			["up --authkey=tskey-secret", "unknown option --authkey"],
			["up tskey-secret", "up: a word too many"],
			["ping a tskey-secret", "ping: a word too many"],
			["ping", "ping: expected a peer"],
			["reset", "reset: expected --state-dir"],
			["reset --state-dir /nowhere", "reset: there is no folder /nowhere"],
			["up --port 70000", "--port"],
			["up --hostname -x-", "hostname"],
			["up --control ftp://tskey-secret", "controlURL"],
		];
		for (const [words, text] of wrong) {
			const run = new Run(words);
			expect([words, await run.ended]).toEqual([words, "2"]);
			expect(run.err).toContain(text);
			expect(run.out + run.err).not.toContain("tskey-secret");
		}
		const unknown = new Run("frobnicate");
		expect([await unknown.ended, unknown.out.includes("tailnet up")]).toEqual(["2", true]);
	}, 60_000);
});

describe("up", () => {
	test("people read what happens; Ctrl-C closes it with 0; the state is for its owner only; the next run is the same node without a key", async () => {
		await stage({}, async (lab, run) => {
			const first = run("up LAB KEY STATE --hostname first");
			await first.running();
			expect(first.out).toContain("first.lab.ts.net: 100.64.0.1");
			expect(statSync(join(folder, "state")).mode & 0o777).toBe(0o700);
			for (const name of ["machine-key", "node-key", "node.sock", ".lock"]) expect(statSync(join(folder, "state", name)).mode & 0o777).toBe(0o600);
			first.child.kill("SIGINT");
			expect([await first.ended, first.err]).toEqual(["0", ""]);
			const second = run("up LAB STATE --hostname first --json");
			await second.running();
			expect(second.events.some((event) => event.event === "login")).toBe(false);
			expect(lab.control.nodes.all.length).toBe(1);
			second.child.kill("SIGTERM");
			expect(await second.ended).toBe("0");
		});
	}, 60_000);

	test("--json: one object a line on stdout, self with its home region, results with their id, logs on stderr, close ends 0", async () => {
		await stage({}, async (_lab, run) => {
			const node = run("up LAB KEY --hostname first --json");
			await node.running();
			await node.until("the home region", () => node.events.some((event) => event.event === "self" && event["homeRegion"] === "lab901"));
			expect(node.events[0]).toEqual({ event: "state", state: "connecting" });
			expect(node.events.filter((event) => event.event === "self").at(-1)).toEqual({
				event: "self",
				name: "first.lab.ts.net",
				addresses: ["100.64.0.1", "fd7a:115c:a1e0::1"],
				homeRegion: "lab901",
				keyExpiry: null,
			});
			expect(await node.ask({ id: 1, do: "self" })).toMatchObject({ ok: true, name: "first.lab.ts.net" });
			expect(await node.ask({ id: "x", do: "udp", peer: "100.64.0.9", port: 7, size: 5000 })).toMatchObject({ ok: false, code: "argument" });
			node.child.stdin?.write("not JSON\n\n");
			await node.until("an answer to nonsense", () => node.events.some((event) => event["id"] === null && event["ok"] === false));
			expect(await node.ask({ id: 3, do: "close" })).toMatchObject({ ok: true });
			expect([await node.ended, node.err]).toEqual(["0", ""]);
		});
	}, 60_000);

	test("logout answers, then ends 0; the state folder is a new node afterwards", async () => {
		await stage({}, async (lab, run) => {
			const node = run("up LAB KEY STATE --hostname first --json");
			await node.running();
			expect(await node.ask({ id: 1, do: "logout" })).toMatchObject({ ok: true });
			expect(await node.ended).toBe("0");
			const again = run("up LAB STATE --hostname first --json");
			await again.until("a URL", () => again.events.some((event) => event.event === "login"));
			expect(lab.control.nodes.all.every((entry) => entry.expired)).toBe(true);
		});
	}, 60_000);

	test("the key comes from a file, an option, or either variable; a refused one ends 3 and is not shown", async () => {
		await stage({}, async (lab, run) => {
			for (const [words, environment] of [
				["up LAB KEY --ephemeral", { TAILNET_AUTH_KEY: "tskey-wrong" }],
				[`up LAB --auth-key ${lab.authKey} --ephemeral`, { TAILNET_AUTH_KEY: "tskey-wrong" }],
				["up LAB --ephemeral", { TAILNET_AUTH_KEY: lab.authKey, TS_AUTHKEY: "tskey-wrong" }],
				["up LAB --ephemeral", { TS_AUTHKEY: lab.authKey }],
			] as [string, Record<string, string>][]) {
				const node = run(`${words} --hostname key`, environment);
				await node.running();
				node.child.kill("SIGINT");
				expect(await node.ended).toBe("0");
			}
			for (const json of ["", " --json"]) {
				const refused = run(`up LAB${json} --hostname key`, { TS_AUTHKEY: "tskey-auth-wrong" });
				expect(await refused.ended).toBe("3");
				expect(refused.out + refused.err).not.toContain("tskey-auth-wrong");
			}
		});
	}, 60_000);

	test("without a key: a URL and a QR code for people, an event for programs", async () => {
		await stage({}, async (lab, run) => {
			const node = run("up LAB --hostname first");
			await node.until("a URL", () => node.out.includes(`${lab.controlURL}/a/`));
			expect(node.out).toMatch(/[▀▄█]{10}/);
			const url = /http\S+\/a\/\S+/.exec(node.out)?.[0] as string;
			lab.control.register.approveLogin(url);
			await node.running();
		});
	}, 60_000);

	test("a state folder that cannot be used, or that another node uses, ends 6 with the reason; a port that is taken only gives another", async () => {
		await stage({}, async (_lab, run) => {
			writeFileSync(join(folder, "file"), "");
			const blocked = run(`up LAB KEY --state-dir ${folder}/file`);
			expect([await blocked.ended, blocked.err.includes("(store)")]).toEqual(["6", true]);
			mkdirSync(join(folder, "bad"));
			writeFileSync(join(folder, "bad", "node-key"), "short");
			const corrupt = run(`up LAB KEY --state-dir ${folder}/bad`);
			expect([await corrupt.ended, corrupt.err]).toEqual(["6", expect.stringContaining("node-key: expected 32 bytes, got 5 (store)")]);
			const first = run("up LAB KEY STATE --hostname first --port 41999");
			await first.running();
			const second = run("up LAB KEY STATE --hostname first");
			expect([await second.ended, second.err]).toEqual(["6", expect.stringContaining("in use by another node (store)")]);
			// The first goes on, and is still the one that is asked.
			const status = run("status STATE --json");
			expect(await status.ended).toBe("0");
			expect(JSON.parse(status.out)).toMatchObject({ name: "first.lab.ts.net", state: "running" });
			const other = run("up LAB KEY --hostname other --port 41999");
			await other.running();
		});
	}, 60_000);

	test("a reader that goes away ends it, without a stack trace", async () => {
		await stage({}, async (_lab, run) => {
			const node = run("up LAB KEY --hostname first --json");
			await node.running();
			node.child.stdout?.destroy();
			node.child.stdin?.write('{"id":1,"do":"self"}\n');
			expect(await node.ended).toBe("1");
			expect(node.err).toBe("");
		});
	}, 60_000);
});

describe("reset", () => {
	test("leaves nothing of the old keys in the state folder, with no control to ask; the next start is another machine and needs a login; a node that runs is left alone", async () => {
		await stage({}, async (lab, run) => {
			const words = "up LAB STATE --hostname first --json";
			const node = run(`${words} KEY`);
			await node.running();
			const refused = run("reset STATE");
			expect([await refused.ended, refused.err]).toEqual(["6", expect.stringContaining("in use by another node (store)")]);
			node.child.kill("SIGTERM");
			expect(await node.ended).toBe("0");
			const state = join(folder, "state");
			const kept = readdirSync(state).filter((name) => name !== ".lock");
			expect(kept).toEqual(expect.arrayContaining(["clock-floor", "machine-key", "node-key", "registered", "udp-port"]));
			const [old] = lab.control.nodes.all;
			// The command knows of no control server.
			const reset = run("reset STATE");
			expect([await reset.ended, reset.err, readdirSync(state)]).toEqual(["0", "", [".lock"]]);
			expect(readFileSync(join(state, ".lock")).length).toBe(0);
			const again = run(words);
			await again.until("a URL", () => again.events.some((event) => event.event === "login"));
			expect(again.events.filter((event) => event.event === "state").at(-1)).toMatchObject({ state: "needs-login" });
			lab.control.register.approveLogin(again.events.find((event) => event.event === "login")?.["url"] as string);
			await again.running();
			const [first, second] = lab.control.nodes.all;
			expect([first?.machineKey === old?.machineKey, second?.machineKey === old?.machineKey, lab.control.nodes.all.length]).toEqual([true, false, 2]);
		});
	}, 60_000);
});

describe("ping, status, netcheck", () => {
	test("ask the node that runs on the state folder; without an answer, or a peer of that name, ping ends 1", async () => {
		await stage({}, async (_lab, run) => {
			const [first, second] = [run("up LAB KEY STATE --hostname first"), run("up LAB KEY --hostname second --echo --http")];
			await Promise.all([first.running(), second.running()]);
			for (const kind of ["", "--tsmp", "--icmp", "--peerapi"]) {
				const ping = run(`ping STATE ${kind} second`);
				expect([kind, await ping.ended]).toEqual([kind, "0"]);
				expect(ping.out).toMatch(/^pong from second via (127\.0\.0\.1:\d+|DERP lab901) in \d+ms$/m);
			}
			const nobody = run("ping STATE nobody");
			expect([await nobody.ended, nobody.out.match(/no pong/g)?.length]).toEqual(["1", 1]);
			second.child.kill("SIGKILL");
			await second.ended;
			const silent = run("ping STATE --tsmp --count 2 --timeout 100 second");
			expect([await silent.ended, silent.out.match(/^no pong: /gm)?.length]).toEqual(["1", 2]);
			const status = run("status STATE");
			expect([await status.ended, status.out]).toEqual(["0", expect.stringMatching(/^100\.64\.0\.\d {2}first\.lab\.ts\.net {2}running/)]);
			const netcheck = run("netcheck STATE --json");
			expect(await netcheck.ended).toBe("0");
			expect(JSON.parse(netcheck.out)).toMatchObject({ ok: true, udp: true, latency: { 901: expect.any(Number) } });
		});
	}, 60_000);
});
