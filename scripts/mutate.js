/**
 * `npm run mutate`: breaks ten places of the source, one at a time, in a copy of the tree; each has to turn a test red. Ends with `N passed, N failed`.
 *
 * A mutant is a file, the exact text in it, what takes its place, and the tests that have to see it. A text that is not there exactly once is a failure:
 * the mutant has to follow the source. So is a mutant that does not compile, since no test saw it, and a test that is red without any mutant.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { corePackages, ensureDebian, ensurePackages, root } from "./prepare.js";

const mutants = [
	{
		what: "the replay window forgets what it has seen",
		file: "native/tn_replay.c",
		text: "	if (*bits & bit)\n		return false;",
		instead: "	if (*bits & 0)\n		return false;",
		test: ["native", "test_replay.c"],
	},
	{
		what: "any mac1 will do",
		file: "native/tn_cookie.c",
		text: "	return tn_equal(mac, message + length - MACS_SIZE, sizeof mac);",
		instead: "	return tn_equal(mac, mac, sizeof mac);",
		test: ["native", "test_cookie.c"],
	},
	{
		what: "the filter accepts what no rule allows",
		file: "native/tn_filter.c",
		text: "	return allowed ? TN_ACCEPT : TN_DROP;",
		instead: "	return allowed || verdict == TN_DROP ? TN_ACCEPT : TN_DROP;",
		test: ["native", "test_filter.c"],
	},
	{
		what: "trust in a path never ends",
		file: "modules/path/endpoint.ts",
		text: 'now <= this.#trustUntil ? "T" : "U"',
		instead: 'now >= 0 ? "T" : "U"',
		test: ["unit", "path/endpoint.test"],
	},
	{
		what: "the window of an HTTP/2 stream is not raised",
		file: "modules/control/http2.ts",
		text: "		if (stream.received * 2 < this.#windowBytes) return;",
		instead: "		if (stream.received > 0) return;",
		test: ["unit", "control/http2.test"],
	},
	{
		what: "a message that failed leaves what it had staged",
		file: "modules/netmap/map-stage.ts",
		text: "		netmap.abort();\n		if (this.#isFirst)",
		instead: "		if (this.#isFirst)",
		test: ["unit", "netmap/(staging|map)\\.test"],
	},
	{
		what: "a relay's certificate may carry any name",
		file: "modules/derp/certificate.ts",
		text: '	options.certificateName = node.certName === "" ? node.hostName : node.certName;',
		instead: "	options.unverified = true;",
		test: ["unit", "derp/certificate"],
	},
	{
		what: "a peer may send from any address",
		file: "native/tn_tunnel_in.c",
		text: "	if (!tn_routes_is_source(",
		instead: "	if (version == 0 && !tn_routes_is_source(",
		test: ["native", "test_tunnel_packets.c"],
	},
	{
		what: "a write larger than the space is cut without a word",
		file: "modules/socket/tcp.ts",
		text: '		if (bytes.length > this.#room) throw new RangeError("would block");\n',
		instead: "",
		test: ["unit", "socket/tcp"],
	},
	{
		what: "a TSMP reject ends an established connection",
		file: "native/tn_stream.c",
		text: "pcb == NULL || pcb->state != SYN_SENT || pcb->remote_port",
		instead: "pcb == NULL || pcb->remote_port",
		test: ["native", "test_tunnel_packets.c"],
	},
];

/** What tests need of the tree; nothing that is built is copied, since it remembers the files it was made of. */
const parts = [
	"bench",
	"hosts",
	"modules",
	"native",
	"scripts",
	"tests",
	"jest.config.js",
	"package.json",
	"tsconfig.json",
	"tsconfig.node.json",
	"tsconfig.tests.json",
];

/** Runs tests in the copy. @returns "green", "red", or why neither */
function run(copy, [ring, which]) {
	const words =
		ring === "native"
			? ["tests/native/build.js", which]
			: [
					"--experimental-vm-modules",
					"--no-warnings",
					"node_modules/jest/bin/jest.js",
					"--selectProjects",
					"unit",
					"--testPathPatterns",
					`tests/unit/${which}`,
				];
	const { status, stdout, stderr, error } = spawnSync(process.execPath, words, { cwd: copy, encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 28 });
	if (error) return `the tests do not end: ${error.message}`;
	const output = stdout + stderr;
	if (/ rejects | does not link|Test suite failed to run/.test(output)) return `does not compile:\n${output.slice(-1500)}`;
	const red = ring === "native" ? /^not ok - /m.test(output) : /^Tests: +[1-9]\d* failed/m.test(output);
	const green = ring === "native" ? /^[1-9]\d* passed, 0 failed$/m.test(output) : /^Tests: +[1-9]\d* passed/m.test(output);
	if (status === 0 && green && !red) return "green";
	return status !== 0 && red ? "red" : `no closing line:\n${output.slice(-1500)}`;
}

ensurePackages();
const missing = ensureDebian([...corePackages, ["clang", "clang"]]);
if (missing.length) {
	console.log(`mutate: needs ${missing.join(" ")}`);
	console.log("0 passed, 1 failed");
	process.exit(1);
}

const copy = mkdtempSync(join(tmpdir(), "tailnet-mutate-"));
let passed = 0;
let failed = 0;
try {
	for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true });
	symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
	const green = new Map();
	for (const { what, file, text, instead, test } of mutants) {
		const path = join(copy, file);
		const source = readFileSync(path, "utf8");
		const fail = (why) => {
			failed += 1;
			console.log(`not ok - ${what} (${file}): ${why}`);
		};
		if (source.split(text).length !== 2) {
			fail(`its text stands there ${source.split(text).length - 1} times`);
			continue;
		}
		const key = test.join(" ");
		if (!green.has(key)) green.set(key, run(copy, test));
		if (green.get(key) !== "green") {
			fail(`${key} without it: ${green.get(key)}`);
			continue;
		}
		writeFileSync(
			path,
			source.replace(text, () => instead),
		);
		const result = run(copy, test);
		writeFileSync(path, source);
		if (result !== "red") fail(result === "green" ? `no test of ${key} sees it` : result);
		else {
			passed += 1;
			console.log(`ok - ${what}: seen by ${key}`);
		}
	}
} finally {
	rmSync(copy, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
