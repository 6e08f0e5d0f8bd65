/** What an app includes: manifest.json. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "../../harness.js";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const manifest = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as { modules: Record<string, string>; preload: string[] };
const modules = readdirSync(join(root, "modules"), { recursive: true })
	.map(String)
	.filter((name) => name.endsWith(".ts"))
	.map((name) => `tailnet/${name.replace(/\.ts$/, "")}`);

describe("manifest.json", () => {
	test("preloads every module, so that none takes RAM for its code", () => {
		const typesOnly = ["tailnet/host-contract"];
		expect(modules.filter((name) => !manifest.preload.includes(name) && !typesOnly.includes(name))).toEqual([]);
	});

	test("has a line for every folder of modules", () => {
		const folders = new Set(modules.map((name) => dirname(name)));
		expect([...folders].filter((folder) => manifest.modules[`${folder}/*`] === undefined)).toEqual([]);
	});
});

describe("without-upnp.json", () => {
	test("leaves out the folder of UPnP, and puts one module in its place that has what the rest asks for", async () => {
		const without = JSON.parse(readFileSync(join(root, "without-upnp.json"), "utf8")) as { modules: Record<string, string | string[]> };
		expect(without.modules["~"]).toEqual([`${manifest.modules["tailnet/upnp/*"]}`]);
		const wanted = modules.filter((name) => !name.startsWith("tailnet/upnp/"));
		const imported = new Set<string>();
		for (const name of wanted)
			for (const match of readFileSync(join(root, "modules", `${name.slice(8)}.ts`), "utf8").matchAll(/^import (?!type).*"[^"]*(upnp\/[\w-]+)\.js"/gm))
				imported.add(`tailnet/${match[1]}`);
		expect([...imported]).toEqual(Object.keys(without.modules).filter((name) => name !== "~"));
		expect(readFileSync(join(root, `${without.modules["tailnet/upnp/upnp"]}.ts`), "utf8")).toMatch(/^export function openUPnP\(\)/m);
	});
});

describe("without-lock.json", () => {
	test("leaves out the folder of tailnet lock, and puts one module in its place that has what the rest asks for", () => {
		const without = JSON.parse(readFileSync(join(root, "without-lock.json"), "utf8")) as { modules: Record<string, string | string[]> };
		expect(without.modules["~"]).toEqual([`${manifest.modules["tailnet/lock/*"]}`]);
		const wanted = modules.filter((name) => !name.startsWith("tailnet/lock/"));
		const imported = new Set<string>();
		for (const name of wanted)
			for (const match of readFileSync(join(root, "modules", `${name.slice(8)}.ts`), "utf8").matchAll(/^import (?!type).*"[^"]*(lock\/[\w-]+)\.js"/gm))
				imported.add(`tailnet/${match[1]}`);
		expect([...imported]).toEqual(Object.keys(without.modules).filter((name) => name !== "~"));
		expect(readFileSync(join(root, `${without.modules["tailnet/lock/lock"]}.ts`), "utf8")).toMatch(/^export function openLock\(owner: LockOwner\)/m);
	});
});

describe("board-options.json", () => {
	test("names a folder whose sdkconfig.defaults has every option that health misses", () => {
		const { build } = JSON.parse(readFileSync(join(root, "board-options.json"), "utf8")) as { build: Record<string, string> };
		const fragment = readFileSync(join(root, `${build["SDKCONFIGPATH"]}`, "sdkconfig.defaults"), "utf8")
			.trim()
			.split("\n");
		const missed = [...readFileSync(join(root, "hosts/esp32/tn_board.c"), "utf8").matchAll(/^ {4}"([A-Z0-9_]+)(=\w+)?: /gm)];
		expect(missed.map(([, name, value]) => `CONFIG_${name}${value ?? "=y"}`).sort()).toEqual([...fragment].sort());
	});
});
