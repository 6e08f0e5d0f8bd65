/** The rings of proof: what each needs, and the program that it is. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { packages as crossPackages } from "../tests/cross/targets.js";
import { missing as deviceMissing } from "../tests/device/harness/requirements.js";
import { missing as moddableMissing } from "../tests/moddable/harness/sdk.js";
import { corePackages, ensureDebian, has, root, run } from "./prepare.js";

/** Builds the XS engine of @agoric/xsnap where it is not built yet. @returns whether it is there */
function ensureXS() {
	const folder = join(root, "node_modules/@agoric/xsnap");
	const worker = join(folder, "xsnap-native/xsnap/build/bin/lin/release/xsnap-worker");
	if (existsSync(worker)) return true;
	ensureDebian([
		["make", "make"],
		["gcc", "gcc"],
		["libc6-dev", "/usr/include/stdio.h"],
	]);
	console.error("test: building the XS engine");
	try {
		run("sh", ["-c", "{ cat build.env; echo node src/build.js; } | xargs env"], { cwd: folder });
	} catch (error) {
		console.error(error.message.slice(-2000));
	}
	return existsSync(worker);
}

/** Whether clang, of whatever version, has its runtime libraries. */
function hasSanitizers() {
	const { stdout, status } = spawnSync("clang", ["-print-runtime-dir"], { encoding: "utf8" });
	if (status !== 0) return false;
	const folder = stdout.trim();
	// Debian's clang names a folder by its triple, and keeps the libraries in one called after the system.
	return [folder, join(dirname(folder), "linux")].some((path) => existsSync(path) && readdirSync(path).some((name) => name.startsWith("libclang_rt.asan")));
}

const node = process.execPath;

/** @returns the packages that are not to be had, in words */
function needsDebian(packages) {
	const missing = ensureDebian(packages);
	return missing.length ? `Debian's ${missing.join(", ")}` : undefined;
}

const needsSanitizers = () =>
	ensureDebian([...corePackages, ["clang", "clang"], ["libclang-rt-dev", hasSanitizers]]).length ? "clang with its sanitizers" : undefined;

function needsNetworks() {
	if (!has("go")) return "Go 1.26 or later";
	if (process.getuid?.() !== 0) return "root, for network namespaces";
	const packages = [
		["iproute2", "/usr/sbin/ip"],
		["nftables", "/usr/sbin/nft"],
	];
	ensureDebian([["miniupnpd-nftables", "/usr/sbin/miniupnpd"]]); // a router that others made; without it one scenario is left out
	return ensureDebian(packages).length ? "iproute2 and nftables" : undefined;
}

function needsBrowser() {
	return needsDebian([
		["chromium", "chromium"],
		["fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu"],
	]);
}

/**
 * In the order in which they are told of; in each lane the longest come early, so that little is left at the end.
 *   name       as in `node scripts/test.js NAME`
 *   lane       rings of one lane run one after another: those that share a folder of results, or would take each other's processor. Those of "interop" and "laboratory" mostly
 *              wait for packets, in networks of their own; when they are over, their lane helps with what is left of "processor"
 *   needs()    undefined = it can run, else what is missing
 *   withPeers  it is made of stock peers, a Go program that takes a minute or two to build
 *   command    the program
 */
export const rings = [
	{ name: "types", lane: "processor", command: [node, "scripts/check-types.js"] },
	{
		name: "style",
		lane: "processor",
		needs: () => (ensureDebian([["clang-format", "clang-format"]]).length ? "clang-format" : undefined),
		command: [node, "scripts/check-style.js"],
	},
	{
		name: "cross",
		lane: "processor",
		needs: () => needsDebian(crossPackages),
		command: [node, "tests/cross/run.js"],
	},
	{ name: "unit", lane: "processor", command: [node, "scripts/unit.js"] },
	{
		name: "xs",
		lane: "processor",
		needs: () => (ensureXS() ? undefined : "a C compiler and make, to build the XS engine"),
		command: [node, "tests/xs/run.js"],
	},
	{ name: "native", lane: "processor", needs: needsSanitizers, command: [node, "tests/native/build.js"] },
	{ name: "native-device", lane: "processor", needs: needsSanitizers, command: [node, "tests/native/build.js", "device"] },
	{
		name: "secrets",
		lane: "processor",
		needs: () => needsDebian([...corePackages, ["gcc", "gcc"], ["clang", "clang"], ["valgrind", "/usr/include/valgrind/memcheck.h"]]),
		command: [node, "tests/native/build.js", "secrets"],
	},
	{
		name: "fuzz",
		lane: "processor",
		needs: () => (ensureDebian([["clang", "clang"]]).length ? "clang with libFuzzer" : undefined),
		command: [node, "tests/native/build.js", "fuzz", process.env.FUZZ_SECONDS ?? "5"],
	},
	{ name: "hostile", lane: "laboratory", command: [node, "tests/hostile/run.js"] },
	{ name: "interop", lane: "interop", withPeers: true, needs: needsNetworks, command: [node, "tests/interop/run.js"] },
	{ name: "nat", lane: "laboratory", withPeers: true, needs: needsNetworks, command: [node, "tests/nat/run.js"] },
	{ name: "browser", lane: "laboratory", withPeers: true, needs: () => needsNetworks() ?? needsBrowser(), command: [node, "tests/browser/run.js"] },
	{ name: "moddable", lane: "laboratory", withPeers: true, needs: () => moddableMissing() ?? needsNetworks(), command: [node, "tests/moddable/run.js"] },
	{ name: "device", lane: "laboratory", withPeers: true, needs: () => deviceMissing() ?? needsNetworks(), command: [node, "tests/device/run.js"] },
	{ name: "documentation", lane: "processor", command: [node, "tests/documentation/run.js"] },
	{ name: "checklists", lane: "processor", command: [node, "scripts/checklists.js"] },
];
