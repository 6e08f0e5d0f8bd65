/*
 * What our modules are on a device's XS, without one: an app is built for the simulator by the Moddable SDK, and what xsl makes of its modules (mc.xs.c) is
 * compiled for a processor of 32 bits. The same app without us is taken off. And the heap of a running node, as the engine in the simulator counts it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build as buildTestApp, runTool, sdk } from "../moddable/harness/sdk.js";
import { execute, list, root } from "../native/programs.js";
import { profiles } from "./compile.js";
import { sizesOf } from "./sizes.js";
import { build, hostHeaders } from "./sources.js";
import { size } from "./targets.js";

const folder = join(build, "moddable");
const port = join(root, "tests", "cross", "port");

const SLOT = 16;
/** A slot of the simulator, which has 64 bits. */
const WIDE_SLOT = 32;
/** Until what a start needs is done with. */
const SETTLE_MS = 5000;

/** Builds a release app. @returns where what xsl made is, and the library that the simulator loads */
async function buildApp(name, source, includes) {
	const here = join(folder, name);
	mkdirSync(join(folder, "out"), { recursive: true });
	mkdirSync(here, { recursive: true });
	const main = join(here, "main.ts");
	if (!existsSync(main) || readFileSync(main, "utf8") !== source) writeFileSync(main, source);
	const manifest = { build: { NAME: name }, include: ["$(MODDABLE)/examples/manifest_base.json", ...includes], modules: { "*": "./main" } };
	writeFileSync(join(here, "manifest.json"), JSON.stringify(manifest));
	await runTool(["mcconfig", "-m", "-p", "lin", "-o", join(folder, "out"), "-t", "build"], { cwd: here });
	return { made: join(folder, "out/tmp/lin/mc/release", name), library: join(folder, "out/bin/lin/mc/release", name, "mc.so") };
}

/** Compiles what xsl made. @returns { bytes, slots, code, texts, keys, aliases } in bytes, but slots and aliases, which are numbers */
async function measureModules(target, app) {
	const source = join(app.made, "mc.xs.c");
	const object = join(app.made, "mc.xs.cross.o");
	const { ok, output } = await execute(`${target.prefix}gcc`, [
		...target.flags,
		...size,
		"-w",
		"-D__ets__",
		"-DmxRun=1",
		"-DINCLUDE_XSPLATFORM",
		`-I${join(port, "xs")}`,
		`-I${join(sdk, "xs/includes")}`,
		`-I${join(sdk, "xs/sources")}`,
		`-I${app.made}`,
		"-c",
		source,
		"-o",
		object,
	]);
	if (!ok) throw new Error(output.slice(0, 3000));
	const count = (name) => Number(new RegExp(`#define mx${name}Count (\\d+)`).exec(readFileSync(source, "utf8"))[1]);
	const sections = (await execute(`${target.prefix}size`, ["-A", "-d", object])).output;
	const bytesOf = (pattern) =>
		[...sections.matchAll(/^(\S+)\s+(\d+)\s+\d+$/gm)].reduce((sum, [, name, bytes]) => sum + (pattern.test(name) ? Number(bytes) : 0), 0);
	return {
		bytes: bytesOf(/^\.(text|s?rodata|s?data)/),
		heap: bytesOf(/gxHeap$/),
		code: bytesOf(/^\.rodata$|gxCode/),
		texts: bytesOf(/\.str/),
		keys: bytesOf(/gx(Keys|Names|Symbols)$/),
		slots: count("Heap"),
		aliases: count("Alias"),
	};
}

/** The bindings, which are on every XS host. @returns objects */
async function compileBindings(target, app) {
	const objects = [];
	const own = join(folder, "bindings", target.name);
	mkdirSync(own, { recursive: true });
	for (const source of list(join(root, "hosts/xs"), /\.c$/)) {
		const object = join(own, source.split("/").at(-1).replace(/c$/, "o"));
		const { ok, output } = await execute(`${target.prefix}gcc`, [
			...target.flags,
			...size,
			...profiles.device,
			"-std=c11",
			"-D_GNU_SOURCE",
			/* Not -Wconversion: the macros of the SDK's headers convert. */
			...["-Wall", "-Wextra", "-Werror"],
			"-DINCLUDE_XSPLATFORM",
			`-I${port}`,
			`-I${join(root, "native")}`,
			`-I${join(root, "hosts/xs")}`,
			`-I${join(root, "hosts")}`,
			`-I${join(root, "hosts/esp32")}`,
			...[app.made, join(port, "xs"), ...hostHeaders(), join(sdk, "xs/includes")].flatMap((include) => ["-isystem", include]),
			"-c",
			source,
			"-o",
			object,
		]);
		if (!ok) throw new Error(output.slice(0, 2000));
		objects.push(object);
	}
	return objects;
}

const nodeSource = `import Tailnet from "tailnet";

const tailnet = new Tailnet({ hostname: "sensor" });
trace(\`\${tailnet.state}\\n\`);
`;

/** @returns flash of our modules and bindings, in parts */
export async function modulesFlash(target) {
	const without = await buildApp("tn-footprint-base", 'trace("base\\n");\n', []);
	const with_ = await buildApp("tn-footprint", nodeSource, [join(root, "manifest.json")]);
	const [base, all] = [await measureModules(target, without), await measureModules(target, with_)];
	const added = Object.fromEntries(Object.keys(all).map((key) => [key, all[key] - base[key]]));
	return { ...added, bindings: sizesOf(target, await compileBindings(target, with_)), areas: byteCodeOf(with_) };
}

/** Bytes of the byte code of our modules, by folder, from what xsc made of each. */
function byteCodeOf(app) {
	const place = join(app.made, "modules", "tailnet");
	const bytes = new Map();
	for (const name of readdirSync(place, { recursive: true })) {
		if (!name.endsWith(".xsb")) continue;
		const area = name.includes("/") ? name.slice(0, name.indexOf("/")) : "(top)";
		bytes.set(area, (bytes.get(area) ?? 0) + statSync(join(place, name)).size);
	}
	return bytes;
}

/**
 * The heap of a node in the simulator, after garbage collection, at the sizes of a processor of 32 bits: slots are half as large there; what chunks hold is taken as it is.
 * @param counts of peers in its tailnet
 * @returns Map of peers -> { slots, chunks } in bytes, without those of the app that it runs in; undefined when there is no ring to run it in
 */
export async function heapOfNode(counts) {
	const { buildPeers } = await import("../interop/harness/peers.js");
	const { World } = await import("../interop/harness/world.js");
	await buildPeers();
	await buildTestApp(join(root, "tests/moddable/subject"));
	const heaps = new Map();
	for (const count of counts) {
		const world = await World.create({ subject: "simulator" });
		try {
			if (count > 0) await world.peers.do("control.fakes", { count }, 60_000);
			const app = await world.launch("footprint", { app: "life", tailnet: { store: undefined } });
			await app.waitFor("the app", (event) => event.event === "loaded", 30_000);
			const before = await app.do({ do: "figures" }, 30_000);
			await app.do({ do: "begin" }, 30_000);
			await world.eventually(async () => {
				const { state } = await app.do({ do: "state" }, 30_000);
				if (state !== "running") throw new Error(`its state is ${state}`);
			}, 60_000);
			await sleep(SETTLE_MS);
			const after = await app.do({ do: "figures" }, 30_000);
			heaps.set(count, {
				slots: ((after.slotBytes - before.slotBytes) / WIDE_SLOT) * SLOT,
				chunks: after.chunkBytes - before.chunkBytes,
			});
			await app.close();
		} finally {
			await world.close();
		}
	}
	return heaps;
}
