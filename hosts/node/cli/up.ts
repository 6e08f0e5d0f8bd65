/**
 * `up`: a node that stays up until it is asked to close. With --json it is a machine interface: events on stdout, commands on stdin, logs on stderr.
 *
 * Exit codes: 0 closed as asked; 1 nobody reads what it says; 2 usage; 3 the auth key was refused; 4 the control server does not speak our version, or
 * asked the node to exit; 6 the state folder or a socket cannot be used.
 */
import { createInterface } from "node:readline";
import Tailnet, { type TailnetOptions } from "../../../modules/tailnet.js";
import { logging } from "../host.js";
import { type Output, runCommand } from "./commands.js";
import { listenLocally } from "./local-socket.js";
import type { CommandOptions } from "./options.js";
import { qrText } from "./qr.js";
import { serveEcho } from "./services.js";
import { serveStatus } from "./status-server.js";

export const ExitCode = Object.freeze({ ok: 0, failed: 1, usage: 2, authKey: 3, control: 4, missing: 5, machine: 6 });

/** The node's options, from the command's. */
export function tailnetOptions(options: CommandOptions): TailnetOptions {
	return {
		...(options.hostname === undefined ? {} : { hostname: options.hostname }),
		...(options.authKey === undefined ? {} : { authKey: options.authKey }),
		...(options.control === undefined ? {} : { controlURL: options.control }),
		...(options.stateDir === undefined ? {} : { store: options.stateDir }),
		...(options.resume === undefined ? {} : { resume: options.resume }),
		authorities: options.authorities,
		ephemeral: options.ephemeral,
		portMapping: options.portMapping,
		shieldsUp: options.shieldsUp,
		acceptRoutes: options.acceptRoutes,
		advertiseRoutes: options.advertiseRoutes,
		...(options.exitNode === undefined ? {} : { exitNode: options.exitNode }),
		port: options.port,
		grants: options.httpActions !== undefined,
		logins: options.http,
	};
}

/** Prints an event as one line of JSON, or as a line for people. */
function printer(json: boolean): Output {
	if (json) return (event) => void process.stdout.write(`${JSON.stringify(event)}\n`);
	return (event) => {
		switch (event.event) {
			case "state":
				console.log(`state: ${event["state"]}${event["reason"] ? ` (${event["reason"]})` : ""}`);
				break;
			case "login":
				console.log(`to log in, visit\n\n  ${event["url"]}\n\n${qrText(String(event["url"]))}`);
				break;
			case "self":
				console.log(`${event["name"]}: ${(event["addresses"] as string[]).join(", ")}`);
				break;
			case "path":
				console.log(`${event["peer"]}: ${event["via"]}`);
				break;
			case "health":
				for (const warning of event["warnings"] as { text: string }[]) console.log(`warning: ${warning.text}`);
				break;
			case "error":
				console.error(`error: ${event["message"]} (${event["code"]})`);
				break;
		}
	};
}

/** Codes that end the command, whenever they come: trying again would not help. */
export function exitCodeOf(code: string | undefined): number | undefined {
	if (code === "auth-key") return ExitCode.authKey;
	if (code === "version") return ExitCode.control;
	return undefined;
}

/** Of an error that kept a node from being made. */
export function startExitCodeOf(code: string | undefined): number {
	return code === "argument" ? ExitCode.usage : ExitCode.machine;
}

export async function up(options: CommandOptions): Promise<number> {
	logging.level = options.logLevel;
	const output = printer(options.json);
	return new Promise((resolve) => {
		let tailnet: Tailnet | undefined;
		let done = false;
		const finish = (code: number): void => {
			if (done) return;
			done = true;
			local?.close();
			tailnet?.close();
			input?.close();
			process.stdin.unref?.();
			resolve(code);
		};
		const selfEvent = (): void => {
			if (!tailnet) return;
			output({ event: "self", name: tailnet.name, addresses: tailnet.addresses, homeRegion: tailnet.homeRegion ?? null, keyExpiry: tailnet.keyExpiry ?? null });
		};
		try {
			output({ event: "state", state: "connecting" });
			tailnet = new Tailnet({
				...tailnetOptions(options),
				onStateChange(state, reason) {
					output({ event: "state", state, ...(reason ? { reason } : {}) });
					// Not by us, unless finish() or a logout comes first: control asked the node to exit.
					if (state === "stopped") setImmediate(() => finish(ExitCode.control));
				},
				onLogin: (url) => output({ event: "login", url }),
				onSelfChange: selfEvent,
				onPeersChange: (change) =>
					output({ event: "peers", total: change.total, added: change.added.length, changed: change.changed.length, removed: change.removed.length }),
				onPathChange: (peer, via) => output({ event: "path", peer, via }),
				onHealthChange: (warnings) => output({ event: "health", warnings }),
				onError(error) {
					output({ event: "error", code: error.code, message: error.message });
					const code = exitCodeOf(error.code);
					if (code !== undefined) finish(code);
				},
			});
			if (options.echo) serveEcho(tailnet);
			if (options.http) {
				const node = tailnet;
				// What control says of it is told as an error; the node is closed in any case, as asked.
				const logout = (): void =>
					void node.logout().then(
						() => finish(ExitCode.ok),
						() => finish(ExitCode.ok),
					);
				serveStatus(node, { capability: options.httpActions, logout });
			}
		} catch (error) {
			const { code, message } = error as { code?: string; message?: string };
			output({ event: "error", code: code ?? "io", message: message ?? String(error) });
			tailnet?.close();
			resolve(startExitCodeOf(code));
			return;
		}
		const node = tailnet;
		const command = (line: string, answer: Output): void => void runCommand(node, line, answer, () => finish(ExitCode.ok));
		const input = options.json ? createInterface({ input: process.stdin }) : undefined;
		input?.on("line", (line) => command(line, output));
		const local = options.stateDir === undefined ? undefined : listenLocally(options.stateDir, command);
		for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => finish(ExitCode.ok));
	});
}
