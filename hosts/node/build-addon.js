/**
 * Compiles native/, hosts/desktop/, hosts/posix/ and hosts/node/*.c into one Node-API addon, build/tailnet.node.
 *
 * Nothing but a C compiler is run: no build tool, no network. An object is compiled again when its source or a header it named
 * is newer, or when a flag changed (the flags' hash is part of its folder). When the package's own folder cannot be written (an
 * installed package), everything goes to $XDG_CACHE_HOME/tailnet/<hash of the sources>.
 *
 * As a script: `node hosts/node/build-addon.js [--cache] [--verbose]` prints the addon's path.
 */

import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const folders = ["native", "hosts", "hosts/desktop", "hosts/posix", "hosts/node"];
const addonName = "tailnet.node";
const parallel = 2;

/** Where Debian and Homebrew keep the headers that do not lie on the compiler's own path. */
const lwipFolders = ["/usr/include/lwip", "/usr/local/include/lwip", "/opt/homebrew/include/lwip"];

/** The C compiler: $CC, or the first of cc, gcc, clang that runs; undefined when there is none. */
function findCompiler() {
	for (const name of [process.env.CC, "cc", "gcc", "clang"]) {
		if (name && spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0) {
			return name;
		}
	}
	return undefined;
}

/** The folder of node_api.h: from the package node-api-headers, found the way Node finds packages. */
function findNodeHeaders() {
	for (let folder = root; ; folder = dirname(folder)) {
		const candidate = join(folder, "node_modules", "node-api-headers", "include");
		if (existsSync(join(candidate, "node_api.h"))) {
			return candidate;
		}
		if (folder === dirname(folder)) {
			break;
		}
	}
	const beside = resolve(dirname(process.execPath), "..", "include", "node");
	return existsSync(join(beside, "node_api.h")) ? beside : undefined;
}

function sodiumFlags() {
	const found = spawnSync("pkg-config", ["--cflags", "--libs", "libsodium"], { encoding: "utf8" });
	const words = found.status === 0 ? found.stdout.trim().split(/\s+/) : ["-lsodium"];
	return { compile: words.filter((word) => word.startsWith("-I")), link: words.filter((word) => !word.startsWith("-I")) };
}

function compiles(compiler, header, flags) {
	return (
		spawnSync(compiler, [...flags, "-fsyntax-only", "-x", "c", "-"], { input: `#include <${header}>\n`, stdio: ["pipe", "ignore", "ignore"] }).status === 0
	);
}

/**
 * What this machine lacks to compile the addon.
 * @returns names of Debian packages ("gcc", "libsodium-dev", ...) and "node-api-headers" for the npm package; empty when nothing is missing
 */
export function missingPackages() {
	const missing = [];
	const compiler = findCompiler();
	if (compiler === undefined) {
		missing.push("gcc", "libc6-dev");
	} else {
		if (!compiles(compiler, "stdio.h", [])) {
			missing.push("libc6-dev");
		}
		if (!compiles(compiler, "sodium.h", sodiumFlags().compile)) {
			missing.push("libsodium-dev");
		}
	}
	if (!lwipFolders.some((folder) => existsSync(join(folder, "lwip", "tcp.h")))) {
		missing.push("liblwip-dev");
	}
	if (compiler === undefined && !existsSync("/usr/include/sodium.h")) {
		missing.push("libsodium-dev");
	}
	if (findNodeHeaders() === undefined) {
		missing.push("node-api-headers");
	}
	return missing;
}

/** Sources and headers, relative to the package. */
function listFiles() {
	return folders.flatMap((folder) =>
		readdirSync(join(root, folder))
			.filter((name) => /\.[ch]$/.test(name))
			.sort()
			.map((name) => join(folder, name)),
	);
}

function hashOfSources() {
	const hash = createHash("sha256").update(`${process.platform} ${process.arch}\0`);
	for (const file of listFiles()) hash.update(basename(file)).update(readFileSync(join(root, file)));
	return hash.digest("hex").slice(0, 16);
}

/** Where builds go: the package's own folder, or one of the user's cache that is named by the sources. */
function outputFolder(inCache) {
	const own = join(root, "build");
	if (!inCache && isWritable(own)) return own;
	return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tailnet", hashOfSources());
}

/**
 * The addon that is there already, found without asking a compiler anything.
 * @param {boolean} inCache as `cache` of buildAddon
 * @returns {string | undefined} absolute path; undefined if there is none, or none that is as new as its sources
 */
export function findAddon(inCache) {
	const folder = outputFolder(inCache);
	const addon = join(folder, addonName);
	const made = timeOf(addon);
	const isNamedBySources = folder !== join(root, "build");
	return made > 0 && (isNamedBySources || listFiles().every((file) => timeOf(join(root, file)) <= made)) ? addon : undefined;
}

function isWritable(folder) {
	try {
		mkdirSync(folder, { recursive: true });
		accessSync(folder, constants.W_OK);
		return true;
	} catch {
		return false;
	}
}

/** Modification time in milliseconds, 0 for a file that is not there. */
function timeOf(path) {
	return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Whether an object is older than anything it was made from (its .d file lists that). */
function isStale(object, dependencies) {
	const made = timeOf(object);
	if (made === 0 || !existsSync(dependencies)) {
		return true;
	}
	const words = readFileSync(dependencies, "utf8").replace(/\\\n/g, " ").split(/\s+/).slice(1);
	return words.some((word) => {
		if (word === "" || word.endsWith(":")) {
			return false;
		}
		const changed = timeOf(resolve(root, word)); // the compiler ran there
		return changed === 0 || changed > made;
	});
}

function run(command, parameters) {
	return new Promise((done, fail) => {
		execFile(command, parameters, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
			if (error) {
				fail(new Error(`${command} ${parameters.at(-1)}: ${(stderr || stdout || error.message).trim()}`));
			} else {
				done(stderr);
			}
		});
	});
}

/** Runs the jobs (functions that return promises), a few at a time. */
async function runAll(jobs) {
	const waiting = [...jobs];
	const worker = async () => {
		for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
			await job();
		}
	};
	await Promise.all(Array.from({ length: parallel }, worker));
}

/**
 * Builds what changed.
 * @param {{ cache?: boolean, verbose?: boolean, extraFlags?: string[], output?: string, onBuild?: () => void }} [options] cache: build into the user's cache
 * folder even if the package's own can be written; extraFlags: for the compiler and the linker; output: name of the addon's file; onBuild: called when there is
 * something to compile
 * @returns {Promise<string>} absolute path of the addon
 * @throws {Error} with `missing` (package names) when a tool or header is not there, or with the compiler's words
 */
export async function buildAddon(options = {}) {
	const missing = missingPackages();
	if (missing.length > 0) {
		throw Object.assign(new Error(`to compile the native core these are missing: ${missing.join(" ")}`), { missing });
	}
	const folder = outputFolder(options.cache);
	const addon = join(folder, options.output ?? addonName);
	const compiler = findCompiler();
	const sodium = sodiumFlags();
	const darwin = process.platform === "darwin";
	const extra = options.extraFlags ?? [];
	const flags = [
		"-std=c11",
		"-D_GNU_SOURCE",
		"-DNAPI_VERSION=8",
		"-O3",
		"-g",
		"-fPIC",
		"-fvisibility=hidden",
		"-fno-math-errno",
		"-Wall",
		"-Wextra",
		"-Wconversion",
		"-Inative",
		"-Ihosts",
		"-Ihosts/desktop",
		"-Ihosts/posix",
		"-isystem",
		findNodeHeaders(),
		...lwipFolders.filter((path) => existsSync(path)).flatMap((path) => ["-isystem", path]),
		...sodium.compile,
		...extra,
	];
	const objects = join(
		folder,
		`objects-${createHash("sha256")
			.update(`${compiler} ${flags.join(" ")}`)
			.digest("hex")
			.slice(0, 8)}`,
	);
	mkdirSync(objects, { recursive: true });
	const made = [];
	const jobs = [];
	for (const source of listFiles().filter((file) => file.endsWith(".c"))) {
		const object = join(objects, `${basename(source, ".c")}.o`);
		const dependencies = object.replace(/o$/, "d");
		made.push(object);
		if (isStale(object, dependencies)) {
			jobs.push(async () => {
				if (options.verbose) {
					process.stderr.write(`compiling ${source}\n`);
				}
				// Renamed into place, so that two builds at once do no harm.
				const fresh = `.${process.pid}`;
				const words = await run(compiler, [...flags, "-MMD", "-MF", dependencies + fresh, "-o", object + fresh, "-c", source]);
				renameSync(dependencies + fresh, dependencies);
				renameSync(object + fresh, object);
				if (words && options.verbose) {
					process.stderr.write(words);
				}
			});
		}
	}
	if (jobs.length > 0) options.onBuild?.();
	await runAll(jobs);
	const newest = Math.max(...made.map(timeOf));
	if (jobs.length > 0 || timeOf(addon) < newest) {
		const shape = darwin ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
		const fresh = `${addon}.${process.pid}`;
		await run(compiler, [...shape, ...extra, ...made, ...sodium.link, "-llwip", ...(darwin ? [] : ["-pthread"]), "-o", fresh]);
		renameSync(fresh, addon);
	}
	return addon;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
	try {
		process.stdout.write(`${await buildAddon({ cache: process.argv.includes("--cache"), verbose: process.argv.includes("--verbose") })}\n`);
	} catch (error) {
		process.stderr.write(`${error.message}\n`);
		process.exitCode = 1;
	}
}
