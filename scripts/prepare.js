/**
 * Brings a fresh checkout to where it can run: npm packages, Debian packages, the compiled modules, the native core. Each step does nothing when
 * there is nothing to do. Uses Node alone, since nothing else may be there yet.
 */
import "../hosts/node/version.js";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Runs a program in the project's folder; throws with its output when it fails. */
export function run(program, parameters, options = {}) {
	const result = spawnSync(program, parameters, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });
	if (result.error) throw result.error;
	if (result.status !== 0) throw new Error(`${program} ${parameters.join(" ")} failed\n${result.stdout ?? ""}${result.stderr ?? ""}`);
	return result.stdout ?? "";
}

/** Whether a program is in the PATH. */
export function has(program) {
	return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/** npm packages, as package-lock.json says. Their install scripts are not run; what we need of them, we start ourselves. */
export function ensurePackages() {
	const lock = readFileSync(join(root, "package-lock.json"));
	const want = createHash("sha256").update(lock).digest("hex");
	const mark = join(root, "node_modules", ".tailnet-lock");
	if (existsSync(mark) && readFileSync(mark, "utf8") === want) return;
	if (!existsSync(join(root, "node_modules", ".bin", "tsc")) || existsSync(mark)) {
		console.error("prepare: installing npm packages");
		run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
	}
	writeFileSync(mark, want);
}

/**
 * Debian packages. As root they are installed; otherwise the line to run is printed.
 * @param wanted [package, what proves that it is there: a file, a program, or a function that looks] pairs
 * @returns packages that are still missing
 */
export function ensureDebian(wanted) {
	const isThere = (proof) => (typeof proof === "function" ? proof() : proof.startsWith("/") ? existsSync(proof) : has(proof));
	const missing = wanted.filter(([, proof]) => !isThere(proof)).map(([name]) => name);
	if (missing.length === 0) return [];
	if (!has("apt-get")) return missing;
	if (process.getuid?.() !== 0) {
		console.error(`prepare: run  sudo apt-get install -y ${missing.join(" ")}`);
		return missing;
	}
	console.error(`prepare: installing ${missing.join(" ")}`);
	const environment = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
	try {
		run("apt-get", ["update", "-q"], environment);
		run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], environment);
	} catch (error) {
		console.error(`prepare: ${error.message.slice(-2000)}`);
	}
	return wanted.filter(([, proof]) => !isThere(proof)).map(([name]) => name);
}

/** What the native core needs. */
export const corePackages = [
	...(has("cc") || has("gcc") || has("clang")
		? []
		: [
				["gcc", "gcc"],
				["libc6-dev", "/usr/include/stdio.h"],
			]),
	["libsodium-dev", "/usr/include/sodium.h"],
	["liblwip-dev", "/usr/include/lwip/lwip/init.h"],
];

function newest(folder, pattern) {
	let latest = 0;
	for (const name of readdirSync(folder, { recursive: true })) {
		if (pattern.test(name)) latest = Math.max(latest, statSync(join(folder, name)).mtimeMs);
	}
	return latest;
}

/** modules/, status/, hosts/node and tests/lab to dist/, when a source is newer than the last build. */
export function ensureModules() {
	const mark = join(root, "dist", ".built");
	const latest = Math.max(
		...["modules", "status", "hosts/node", "tests/lab"].map((folder) => (existsSync(join(root, folder)) ? newest(join(root, folder), /\.ts$/) : 0)),
		statSync(join(root, "tsconfig.node.json")).mtimeMs,
	);
	if (existsSync(mark) && statSync(mark).mtimeMs >= latest) return;
	run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.node.json"]);
	mkdirSync(join(root, "dist"), { recursive: true });
	writeFileSync(mark, "");
}

/** The native core for this Node. */
export async function ensureAddon() {
	const { buildAddon } = await import("../hosts/node/build-addon.js");
	return buildAddon();
}

/** Everything that `npm start` needs. @returns false when something is missing; it has been said what */
export async function prepare() {
	ensurePackages();
	if (ensureDebian(corePackages).length > 0) return false;
	ensureModules();
	await ensureAddon();
	return true;
}
