/** What `npm pack` puts into the package: what an app, or the command, needs, and nothing else. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "../../harness.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));

function filesBelow(folder: string): string[] {
	return readdirSync(join(root, folder), { recursive: true })
		.map((name) => `${folder}/${String(name)}`)
		.filter((path) => statSync(join(root, path)).isFile());
}

function packed(): string[] {
	const { stdout, stderr, status } = spawnSync("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], { cwd: root, encoding: "utf8" });
	if (status !== 0) throw new Error(stderr);
	const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
	return files.map(({ path }) => path);
}

describe("the package", () => {
	const files = packed();

	test("has the sources that a manifest includes, the built modules, the command, the examples and the documents, file by file", () => {
		const expected = [
			...["CHANGELOG.md", "LICENSE", "NOTICE.md", "README.md", "SECURITY.md", "board-options.json", "manifest.json", "package.json"],
			...["without-lock.json", "without-upnp.json"],
			...["documentation", "modules", "native", "status", "dist/modules", "dist/status"].flatMap(filesBelow),
			...filesBelow("hosts").filter((path) => !/^hosts\/node\/.*\.ts$/.test(path)),
			...filesBelow("examples").filter((path) => !/^examples\/(node|typings)\//.test(path)),
			...filesBelow("dist/hosts").filter((path) => path !== "dist/hosts/node/cli/demo.js"),
		];
		expect([...files].sort()).toEqual(expected.sort());
	});

	test("has no tests, no scripts of developers, no settings of tools, no file that hides", () => {
		const wrong = /(^|\/)\.|(^|\/)(tests?|scripts|bench|build|node_modules)\/|\.(test|node)\.|tsconfig|biome|jest|package-lock/;
		expect(files.filter((path) => wrong.test(path))).toEqual([]);
	});

	test("has every module built, and nothing that is built of what is gone", () => {
		const built = files.filter((path) => path.startsWith("dist/modules/")).map((path) => path.slice("dist/".length).replace(/js$/, "ts"));
		expect(built.sort()).toEqual(files.filter((path) => path.startsWith("modules/")).sort());
	});

	test("where it is installed, says of the demo that it needs a checkout; builds its core; its command runs; and it is imported", () => {
		const folder = mkdtempSync(join(tmpdir(), "tailnet-package-"));
		const run = (program: string, ...words: string[]) =>
			spawnSync(program, words, { cwd: folder, encoding: "utf8", env: { ...process.env, TAILNET_ADDON: undefined } });
		const modules = join(folder, "node_modules");
		mkdirSync(modules);
		for (const name of readdirSync(join(root, "node_modules"))) symlinkSync(join(root, "node_modules", name), join(modules, name));
		for (const path of files) cpSync(join(root, path), join(modules, "tailnet", path), { recursive: true });
		const demo = run(process.execPath, "node_modules/tailnet/dist/hosts/node/cli/main.js", "demo");
		const core = run(process.execPath, "node_modules/tailnet/hosts/node/build-addon.js");
		// All that the command is made of is loaded.
		const reset = run(process.execPath, "node_modules/tailnet/dist/hosts/node/cli/main.js", "reset", "--state-dir", ".");
		const program = `import Tailnet from "tailnet"; const node = new Tailnet({ hostname: "x", controlURL: "http://127.0.0.1:1" }); node.close(); console.log(node.state);`;
		const imported = run(process.execPath, "--input-type=module", "-e", program);
		rmSync(folder, { recursive: true });
		expect([demo.status, demo.stderr.split("\n")[0]]).toEqual([2, "the demo needs a checkout: npm start"]);
		expect([core.status, core.stderr]).toEqual([0, ""]);
		expect([reset.status, reset.stderr]).toEqual([0, ""]);
		expect([imported.status, imported.stdout, imported.stderr]).toEqual([0, "stopped\n", ""]);
	}, 120_000);
});
