/** `ping`, `status`, `netcheck`: asked of the node that runs on --state-dir, or of one that is started for the question. */
import type { NetworkReport } from "../../../modules/network-report.js";
import Tailnet from "../../../modules/tailnet.js";
import { type OutputEvent, runCommand } from "./commands.js";
import { askLocally } from "./local-socket.js";
import { networkLines } from "./network-text.js";
import { type CommandOptions, UsageError } from "./options.js";
import { ExitCode, exitCodeOf, startExitCodeOf, tailnetOptions } from "./up.js";

type Ask = (command: Record<string, unknown>) => Promise<OutputEvent>;

/** Between two DISCO pings, as the stock tool: the peer needs a moment to find the way. */
const pingGapMS = 1000;
/** Codes that no further ping would change. */
const lasting = ["not-found", "argument", "no-route", "peer-expired", "closed"];

/** How long a node that was started for one question may take to be running. */
const startMS = 30_000;

/** Runs action with something that answers commands; closes what it started. */
async function withNode(options: CommandOptions, action: (ask: Ask) => Promise<number>): Promise<number> {
	const { stateDir } = options;
	if (stateDir !== undefined && (await askLocally(stateDir, { do: "health" }))) {
		return action(async (command) => {
			const answer = await askLocally(stateDir, command);
			if (!answer) throw new Error("the node has closed");
			return answer;
		});
	}
	let tailnet: Tailnet | undefined;
	try {
		await new Promise<void>((resolve, reject) => {
			const timer = setTimeout(() => reject(new Error("the node did not come up in time")), startMS);
			tailnet = new Tailnet({
				...tailnetOptions(options),
				onStateChange(state) {
					if (state === "running") resolve();
				},
				onLogin: (url) => console.error(`to log in, visit ${url}`),
				onError(error) {
					console.error(`error: ${error.message} (${error.code})`);
					if (exitCodeOf(error.code) !== undefined) reject(error);
				},
			});
			tailnet.running.then(() => clearTimeout(timer), reject);
		});
		const node = tailnet as unknown as Tailnet;
		return await action(
			(command) =>
				new Promise((resolve) => {
					void runCommand(node, JSON.stringify({ id: 1, ...command }), resolve, () => {});
				}),
		);
	} catch (error) {
		console.error((error as Error).message);
		const { code } = error as { code?: string };
		return exitCodeOf(code) ?? (tailnet || code === undefined ? ExitCode.failed : startExitCodeOf(code));
	} finally {
		tailnet?.close();
	}
}

export async function ping(options: CommandOptions): Promise<number> {
	const [peer] = options.rest;
	if (peer === undefined) throw new UsageError("ping: expected a peer");
	return withNode(options, async (ask) => {
		let isRelayed = false;
		for (let i = 0; i < options.count; i += 1) {
			if (i > 0) await new Promise((resolve) => setTimeout(resolve, pingGapMS));
			const answer = await ask({ do: "ping", peer, kind: options.kind, timeoutMS: options.timeoutMS });
			if (options.json) process.stdout.write(`${JSON.stringify(answer)}\n`);
			else if (answer["ok"]) console.log(`pong from ${peer} via ${answer["via"]} in ${Math.round(Number(answer["latencyMS"]))}ms`);
			else console.log(`no pong: ${answer["message"]}`);
			// As the stock tool: a DISCO ping goes on until the answer comes by a direct path.
			if (answer["ok"] && (options.kind !== "disco" || !String(answer["via"]).startsWith("DERP"))) return ExitCode.ok;
			if (lasting.includes(String(answer["code"]))) return ExitCode.failed;
			isRelayed ||= answer["ok"] === true;
		}
		if (isRelayed && !options.json) console.log("no direct path was found");
		return ExitCode.failed;
	});
}

export async function status(options: CommandOptions): Promise<number> {
	return withNode(options, async (ask) => {
		const self = await ask({ do: "self" });
		const { peers } = (await ask({ do: "peers" })) as unknown as { peers: { name: string; addresses: string[]; online?: boolean; path?: string }[] };
		if (options.json) {
			process.stdout.write(`${JSON.stringify({ ...self, peers })}\n`);
			return ExitCode.ok;
		}
		console.log(`${(self["addresses"] as string[])[0] ?? "-"}  ${self["name"]}  ${self["state"]} ${self["reason"] ?? ""}`);
		for (const peer of peers) console.log(`${peer.addresses[0] ?? "-"}  ${peer.name}  ${peer.online === false ? "offline" : (peer.path ?? "-")}`);
		for (const warning of self["health"] as { text: string }[]) console.log(`warning: ${warning.text}`);
		return ExitCode.ok;
	});
}

export async function netcheck(options: CommandOptions): Promise<number> {
	return withNode(options, async (ask) => {
		const report = await ask({ do: "netcheck" });
		if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
		else for (const line of networkLines(report as unknown as NetworkReport)) console.log(line);
		return report["ok"] ? ExitCode.ok : ExitCode.failed;
	});
}
