/** The words of the command line; `tailnet help` lists them. */
import { readFileSync } from "node:fs";

export interface CommandOptions {
	control: string | undefined;
	authKey: string | undefined;
	/** PEM texts. */
	authorities: string[];
	hostname: string | undefined;
	stateDir: string | undefined;
	port: number;
	/** Record of the command `suspend`. */
	resume: Uint8Array | undefined;
	echo: boolean;
	http: boolean;
	/** Capability that lets viewers of the status page act. */
	httpActions: string | undefined;
	acceptRoutes: boolean;
	advertiseRoutes: string[];
	exitNode: string | undefined;
	portMapping: boolean;
	shieldsUp: boolean;
	ephemeral: boolean;
	logLevel: "silent" | "error" | "warning" | "info" | "debug";
	json: boolean;
	/** Demo only: keep it up. */
	stay: boolean;
	/** ping: how many, which kind. */
	count: number;
	kind: string;
	timeoutMS: number;
	/** The usage is wanted, and nothing else. */
	help: boolean;
	/** Words that are no option. */
	rest: string[];
}

/** The words are wrong: the message says which. */
export class UsageError extends Error {}

const withValue = new Set([
	"control",
	"auth-key",
	"auth-key-file",
	"derp-ca",
	"hostname",
	"state-dir",
	"port",
	"resume",
	"advertise-routes",
	"exit-node",
	"http-actions",
	"log-level",
	"count",
	"timeout",
]);
const flags = new Set([
	"echo",
	"http",
	"accept-routes",
	"no-port-mapping",
	"shields-up",
	"ephemeral",
	"json",
	"stay",
	"tsmp",
	"icmp",
	"peerapi",
	"disco",
	"help",
]);
const levels = ["silent", "error", "warning", "info", "debug"] as const;

function readText(path: string, what: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		throw new UsageError(`${what}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
	}
}

function whole(text: string, name: string, least: number, most: number): number {
	const value = Number(text);
	if (!(Number.isInteger(value) && value >= least && value <= most)) throw new UsageError(`--${name}: expected ${least} to ${most}, got ${text}`);
	return value;
}

/** @throws UsageError */
export function parseOptions(words: readonly string[], environment: Readonly<Record<string, string | undefined>>): CommandOptions {
	const values = new Map<string, string>();
	const set = new Set<string>();
	const rest: string[] = [];
	for (let i = 0; i < words.length; i += 1) {
		const word = words[i] as string;
		if (word === "-h") {
			set.add("help");
			continue;
		}
		if (!word.startsWith("-")) {
			rest.push(word);
			continue;
		}
		const equals = word.indexOf("=");
		const shown = word.slice(0, equals < 0 ? undefined : equals); // without its value: that may be a key
		const name = shown.startsWith("--") ? shown.slice(2) : "";
		if (withValue.has(name)) {
			const value = equals < 0 ? words[(i += 1)] : word.slice(equals + 1);
			if (value === undefined) throw new UsageError(`--${name} needs a value`);
			values.set(name, value);
		} else if (!flags.has(name)) throw new UsageError(`unknown option ${shown}`);
		else if (equals >= 0) throw new UsageError(`${shown} takes no value`);
		else set.add(name);
	}

	const keyFile = values.get("auth-key-file");
	const authKey =
		keyFile !== undefined
			? readText(keyFile, "--auth-key-file").trim()
			: (values.get("auth-key") ?? (environment["TAILNET_AUTH_KEY"] || environment["TS_AUTHKEY"]));
	const authority = values.get("derp-ca");
	const record = values.get("resume");
	const logLevel = (values.get("log-level") ?? "warning") as CommandOptions["logLevel"];
	if (!levels.includes(logLevel)) throw new UsageError(`--log-level: expected one of ${levels.join(", ")}`);
	return {
		control: values.get("control"),
		authKey: authKey || undefined,
		authorities: authority === undefined ? [] : [readText(authority, "--derp-ca")],
		hostname: values.get("hostname"),
		stateDir: values.get("state-dir"),
		port: whole(values.get("port") ?? "0", "port", 0, 65535),
		resume: record === undefined ? undefined : Uint8Array.from(Buffer.from(readText(record, "--resume"), "base64")),
		echo: set.has("echo"),
		http: set.has("http") || values.has("http-actions"),
		httpActions: values.get("http-actions"),
		acceptRoutes: set.has("accept-routes"),
		advertiseRoutes: (values.get("advertise-routes") ?? "").split(",").filter((route) => route !== ""),
		exitNode: values.get("exit-node"),
		portMapping: !set.has("no-port-mapping"),
		shieldsUp: set.has("shields-up"),
		ephemeral: set.has("ephemeral"),
		logLevel,
		json: set.has("json"),
		stay: set.has("stay"),
		count: whole(values.get("count") ?? "10", "count", 1, 1000),
		kind: set.has("tsmp") ? "tsmp" : set.has("icmp") ? "icmp" : set.has("peerapi") ? "peerapi" : "disco",
		help: set.has("help"),
		timeoutMS: whole(values.get("timeout") ?? "5000", "timeout", 1, 3_600_000),
		rest,
	};
}
