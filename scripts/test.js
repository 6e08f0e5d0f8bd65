/**
 * `npm test`: every ring that this machine can run, one after another, and one line at the end: N passed, N failed, N skipped.
 *
 *   node scripts/test.js [ring ...]
 *
 * A ring is a program that prints its own lines and ends with `N passed, N failed[, N skipped]`. A ring that the machine cannot run prints one loud
 * line with what is missing, counts as one skipped, and is named again before the last line. One that the machine can run and that runs nothing has failed.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { packages as crossPackages } from "../tests/cross/targets.js";
import { missing as deviceMissing } from "../tests/device/harness/requirements.js";
import { missing as moddableMissing } from "../tests/moddable/harness/sdk.js";
import { corePackages, ensureDebian, ensurePackages, has, prepare, root, run } from "./prepare.js";

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

/** name, what it needs (undefined = ready, else what is missing), and the program. */
const rings = [
	{ name: "types", command: [node, "scripts/check-types.js"] },
	{
		name: "style",
		needs: () => (ensureDebian([["clang-format", "clang-format"]]).length ? "clang-format" : undefined),
		command: [node, "scripts/check-style.js"],
	},
	{ name: "unit", command: [node, "scripts/unit.js"] },
	{ name: "xs", needs: () => (ensureXS() ? undefined : "a C compiler and make, to build the XS engine"), command: [node, "tests/xs/run.js"] },
	{ name: "native", needs: needsSanitizers, command: [node, "tests/native/build.js"] },
	{ name: "native-device", needs: needsSanitizers, command: [node, "tests/native/build.js", "device"] },
	{
		name: "fuzz",
		needs: () => (ensureDebian([["clang", "clang"]]).length ? "clang with libFuzzer" : undefined),
		command: [node, "tests/native/build.js", "fuzz", process.env.FUZZ_SECONDS ?? "5"],
	},
	{
		name: "cross",
		needs: () => {
			const missing = ensureDebian(crossPackages);
			return missing.length ? `Debian's ${missing.join(", ")}` : undefined;
		},
		command: [node, "tests/cross/run.js"],
	},
	{ name: "interop", needs: needsNetworks, command: [node, "tests/interop/run.js"] },
	{ name: "nat", needs: needsNetworks, command: [node, "tests/nat/run.js"] },
	{ name: "moddable", needs: () => moddableMissing() ?? needsNetworks(), command: [node, "tests/moddable/run.js"] },
	{ name: "device", needs: () => deviceMissing() ?? needsNetworks(), command: [node, "tests/device/run.js"] },
	{ name: "documentation", command: [node, "tests/documentation/run.js"] },
	{ name: "checklists", command: [node, "scripts/checklists.js"] },
];

/** Runs one ring, passing on what it prints. @returns its counts */
function runRing(ring) {
	return new Promise((done) => {
		let text = "";
		const child = spawn(ring.command[0], ring.command.slice(1), { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
		child.stdout.on("data", (bytes) => {
			text += bytes;
			process.stdout.write(bytes);
		});
		child.on("close", (code) => {
			const lines = [...text.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)];
			const last = lines.at(-1);
			if (!last) {
				done({ passed: 0, failed: 1, skipped: 0, why: `no closing line (exit code ${code})` });
				return;
			}
			const counts = { passed: Number(last[1]), failed: Number(last[2]), skipped: Number(last[3] ?? 0) };
			if (code !== 0 && counts.failed === 0) counts.failed = 1;
			if (counts.passed + counts.failed === 0) Object.assign(counts, { failed: 1, why: "ran nothing" });
			done(counts);
		});
	});
}

const wanted = process.argv.slice(2);
for (const name of wanted) {
	if (!rings.some((ring) => ring.name === name)) {
		console.log(`test: no ring called ${name}; there are ${rings.map((ring) => ring.name).join(", ")}`);
		process.exit(2);
	}
}

ensurePackages();
if (!(await prepare())) {
	console.log("test: the native core cannot be built on this machine");
	console.log("0 passed, 1 failed, 0 skipped");
	process.exit(1);
}

const total = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
const skipped = [];
for (const ring of rings) {
	if (wanted.length && !wanted.includes(ring.name)) continue;
	const missing = ring.needs?.();
	const started = Date.now();
	console.log(`\n==== ${ring.name}`);
	let counts;
	if (missing) {
		console.log(`SKIPPED: the ring "${ring.name}" needs ${missing}`);
		counts = { passed: 0, failed: 0, skipped: 1, why: `needs ${missing}` };
		skipped.push(`${ring.name} (needs ${missing})`);
	} else counts = await runRing(ring);
	for (const key of Object.keys(total)) total[key] += counts[key];
	summary.push(
		`${ring.name.padEnd(11)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped  ${Math.round((Date.now() - started) / 1000)} s${counts.why ? `  (${counts.why})` : ""}`,
	);
}
console.log(`\n${summary.join("\n")}\n`);
if (skipped.length > 0) console.log(`rings skipped: ${skipped.join(", ")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed ? 1 : 0);
