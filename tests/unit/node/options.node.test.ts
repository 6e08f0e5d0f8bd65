/** The words of the command line. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseOptions, UsageError } from "../../../hosts/node/cli/options.js";
import { describe, expect, test } from "../../harness.js";

const parse = (text: string, environment: Record<string, string> = {}) => parseOptions(text === "" ? [] : text.split(" "), environment);

describe("options", () => {
	test("the record to resume is read from a file, as base64", () => {
		const file = join(mkdtempSync(join(tmpdir(), "tailnet-options-")), "record");
		writeFileSync(file, "AQL/\n");
		expect(parse(`--resume ${file}`).resume).toEqual(Uint8Array.of(1, 2, 255));
	});

	test("nothing given: nothing asked for, and modest defaults", () => {
		expect(parse("")).toEqual({
			control: undefined,
			authKey: undefined,
			authorities: [],
			hostname: undefined,
			stateDir: undefined,
			port: 0,
			resume: undefined,
			echo: false,
			http: false,
			acceptRoutes: false,
			advertiseRoutes: [],
			exitNode: undefined,
			portMapping: true,
			shieldsUp: false,
			ephemeral: false,
			logLevel: "warning",
			json: false,
			stay: false,
			count: 10,
			kind: "disco",
			timeoutMS: 5000,
			help: false,
			rest: [],
		});
	});

	test("all of them, with a space or with an equals sign", () => {
		const words =
			"--control=https://c --auth-key k --hostname h --state-dir d --port 41641 --echo --http --accept-routes --advertise-routes 10.0.0.0/8,192.168.0.0/24 --exit-node e --no-port-mapping --shields-up --ephemeral --log-level=debug --json --stay --count 3 --tsmp --timeout 100 peer";
		expect(parse(words)).toMatchObject({
			control: "https://c",
			authKey: "k",
			hostname: "h",
			stateDir: "d",
			port: 41641,
			echo: true,
			http: true,
			acceptRoutes: true,
			advertiseRoutes: ["10.0.0.0/8", "192.168.0.0/24"],
			exitNode: "e",
			portMapping: false,
			shieldsUp: true,
			ephemeral: true,
			logLevel: "debug",
			json: true,
			stay: true,
			count: 3,
			kind: "tsmp",
			timeoutMS: 100,
			rest: ["peer"],
		});
		expect(["--icmp", "--peerapi", "--disco"].map((word) => parse(word).kind)).toEqual(["icmp", "peerapi", "disco"]);
		expect(parse("--control=https://c/?a=b").control).toBe("https://c/?a=b");
	});

	test("the auth key: a file before the option before TAILNET_AUTH_KEY before TS_AUTHKEY; empty is none", () => {
		const folder = mkdtempSync(join(tmpdir(), "tailnet-options-"));
		writeFileSync(join(folder, "key"), "from-file\n");
		const environment = { TAILNET_AUTH_KEY: "from-ours", TS_AUTHKEY: "from-theirs" };
		expect(parse(`--auth-key-file ${folder}/key --auth-key given`, environment).authKey).toBe("from-file");
		expect(parse("--auth-key given", environment).authKey).toBe("given");
		expect(parse("", environment).authKey).toBe("from-ours");
		expect(parse("", { TS_AUTHKEY: "from-theirs" }).authKey).toBe("from-theirs");
		expect(parse("", { TAILNET_AUTH_KEY: "" }).authKey).toBe(undefined);
		expect(parse("", { TAILNET_AUTH_KEY: "", TS_AUTHKEY: "from-theirs" }).authKey).toBe("from-theirs");
		writeFileSync(join(folder, "ca.pem"), "PEM");
		expect(parse(`--derp-ca ${folder}/ca.pem`).authorities).toEqual(["PEM"]);
	});

	test("wrong words are told by name, and never with the key in them", () => {
		const wrong: [string, string][] = [
			["--nonsense", "--nonsense"],
			["-x", "-x"],
			["--echo=yes", "--echo takes no value"],
			["--port", "--port needs a value"],
			["--resume no-such-file", "--resume: no-such-file cannot be read (ENOENT)"],
			["--port 65536", "expected 0 to 65535, got 65536"],
			["--port -1", "got -1"],
			["--port 1.5", "got 1.5"],
			["--count 0", "--count"],
			["--timeout x", "--timeout"],
			["--log-level loud", "silent, error, warning, info, debug"],
			["--auth-key-file /nowhere/key", "/nowhere/key cannot be read (ENOENT)"],
			["--derp-ca /nowhere/ca", "ENOENT"],
		];
		for (const [words, text] of wrong) {
			expect(() => parse(words)).toThrow(UsageError);
			expect(() => parse(words)).toThrow(text);
		}
		for (const words of ["--auth-keys=tskey-auth-secret", "--authkey=tskey-auth-secret", "-k=tskey-auth-secret", "--echo=tskey-auth-secret"]) {
			expect(() => parse(words)).toThrow(UsageError);
			expect(() => parse(words)).not.toThrow("secret");
		}
	});

	test("help is asked for in any place, by two names", () => {
		for (const words of ["--help", "-h", "--echo --help", "peer -h"]) expect(parse(words).help).toBe(true);
	});
});
