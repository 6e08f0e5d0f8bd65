/** The commands on machines that lack something: one line that says what, and code 5; nothing is built twice. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "../../harness.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** @returns exit code, and the lines on both streams */
function run(
	script: string,
	words: string[],
	{ environment = {}, before = "" }: { environment?: Record<string, string>; before?: string } = {},
): [number, string[]] {
	const flags = before === "" ? [] : ["--import", `data:text/javascript,${encodeURIComponent(before)}`];
	const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, resolve(root, script), ...words], {
		cwd: tmpdir(),
		env: { HOME: tmpdir(), PATH: process.env["PATH"] ?? "", ...environment },
		encoding: "utf8",
		timeout: 20_000,
	});
	return [status ?? -1, `${stdout}${stderr}`.trim().split("\n")];
}

describe("commands", () => {
	test("under an older Node say so in one line", () => {
		const before = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.8" } })';
		for (const [script, ...words] of [["scripts/start.js"], ["scripts/start.js", "up"], ["scripts/test.js", "types"], ["hosts/node/bin.js", "up"]] as [
			string,
			...string[],
		][])
			expect([script, ...run(script, words, { before })]).toEqual([script, 5, ["tailnet needs Node 20 or later; this is Node 18.20.8"]]);
	});

	/** A package as npm installs it: nothing is built. */
	function installed(): string {
		const folder = mkdtempSync(join(tmpdir(), "tailnet-package-"));
		for (const part of ["hosts", "native", "package.json"]) cpSync(join(root, part), join(folder, part), { recursive: true });
		symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
		return folder;
	}

	test("tailnet without a compiler names what to install in one line, and installs nothing; help needs no compiler", () => {
		const folder = installed();
		const [code, lines] = run(join(folder, "hosts/node/bin.js"), ["up"], { environment: { PATH: "/nowhere", XDG_CACHE_HOME: join(folder, "cache") } });
		expect([code, lines.length]).toEqual([5, 1]);
		expect(lines[0]).toMatch(/^tailnet needs packages that are not installed; run: {2}sudo apt-get install -y gcc libc6-dev/);
		expect(lines[0]).not.toContain("node-api-headers");
		rmSync(folder, { recursive: true });
	});

	test("a core that is built once needs no compiler", () => {
		const [code, lines] = run("hosts/node/bin.js", ["up", "--nonsense"], { environment: { PATH: "/nowhere" } });
		expect([code, lines[0]]).toEqual([2, "unknown option --nonsense"]);
	});
});

describe("the native core", () => {
	test("is not compiled again where nothing changed, whatever folder it is asked for in", () => {
		const [code, lines] = run("hosts/node/build-addon.js", ["--verbose"]);
		expect([code, lines]).toEqual([0, [join(root, "build/tailnet.node")]]);
		const built = statSync(join(root, "build/tailnet.node")).mtimeMs;
		expect(run("hosts/node/build-addon.js", ["--verbose"])).toEqual([0, [join(root, "build/tailnet.node")]]);
		expect(statSync(join(root, "build/tailnet.node")).mtimeMs).toBe(built);
	});
});
