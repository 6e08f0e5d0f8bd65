/*
 * The hosts of desktops that this machine is not.
 *
 *   macOS     what it shares with Linux is built as it is there, without what only Linux has (-U__linux__) and with lwIP in source as one unit, and run. Its own
 *             files need Apple's headers and are not compiled
 *   Windows   all of it is compiled by MinGW, for the SDK's 32 bits and for 64, and linked into a library, with stubs for what others bring: libsodium,
 *             Mbed TLS, the engine. Where Wine is, the host's tests and its threads under load run in it, with libsodium in source
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ensureDebian, has } from "../../scripts/prepare.js";
import { sdk } from "../moddable/harness/sdk.js";
import { execute, list, native, root } from "../native/programs.js";
import { archive, compileAll, compileSodium } from "./compile.js";
import { add, check, skip } from "./report.js";
import { build } from "./sources.js";

const hosts = join(root, "hosts");
const simulator = join(hosts, "simulator");
const unit = join(simulator, "lwip", "tn_lwip_source.c");
const tests = ["test_desktop.c", "test_desktop_outside.c"].map((name) => join(root, "tests", "native", name));
const soak = join(root, "tests", "native", "soak_threads.c");
const SOAK_SECONDS = "2";
/** It is linked with the host; a test includes what it tests of it. */
const isSoak = (object) => object.includes(basename(soak, ".c"));

const strict = ["-std=c11", "-Wall", "-Wextra", "-Werror"];
const include = (folders, how = "-I") => folders.flatMap((folder) => [how, folder]);
const lwip = (sources) => include([join(simulator, "lwip"), ...sources.lwip.include, join(sources.lwip.include[0], "..")], "-isystem");
const own = (system) => include([native, hosts, join(hosts, "desktop"), join(hosts, system), simulator, join(hosts, "xs"), join(root, "tests/native")]);
const desktopFiles = (system) => [...list(join(hosts, "desktop"), /\.c$/), ...list(join(hosts, system), /\.c$/)];

/** Counts what a program of tests/native prints. */
async function runProgram(name, command, parameters) {
	const { ok, output } = await execute(command, parameters);
	const sum = /^(\d+) passed, (\d+) failed\r?$/m.exec(output);
	for (const line of output.split("\n")) if (/^(not )?ok |^# .*:\d+: /.test(line)) console.log(line.trimEnd());
	if (sum) add({ passed: Number(sum[1]), failed: Number(sum[2]) });
	if (!sum || (!ok && Number(sum[2]) === 0)) check(`${name} runs to its end`, output.slice(-2000));
}

/** As on macOS: no eventfd, recvmmsg, GSO. */
async function checkPlain(sources) {
	console.log("\nThe host of POSIX desktops without what only Linux has, with lwIP in source:");
	const target = { name: "plain", prefix: "", flags: ["-U__linux__", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=address,undefined"] };
	const flags = [...own("posix"), ...lwip(sources)];
	const folder = join(build, target.name);
	const core = await compileAll(target, list(native, /^tn_.*\.c$/), native, join(folder, "core"), [...strict, ...flags]);
	const host = await compileAll(target, desktopFiles("posix"), hosts, join(folder, "hosts"), [...strict, "-Wconversion", ...flags]);
	const stack = await compileAll(target, [unit], simulator, join(folder, "lwip"), ["-w", ...flags]);
	const programs = await compileAll(target, [...tests, soak], root, join(folder, "programs"), [...strict, ...flags]);
	check("the core, the host, its tests and lwIP as one unit compile", [core, host, stack, programs].flatMap(({ rejected }) => rejected).join("\n"));
	if (![core, host, stack, programs].every(({ ok }) => ok)) return;
	const parts = [await archive(target, "core", core.objects), ...stack.objects, "-lsodium", "-lpthread", ...target.flags];
	for (const object of programs.objects) {
		const [more, parameters] = isSoak(object) ? [host.objects, [SOAK_SECONDS]] : [[], []];
		const program = object.replace(/\.o$/, "");
		const { ok, output } = await execute("gcc", [object, ...more, ...parts, "-o", program]);
		check(`${program.slice(folder.length + 1)} links`, ok ? "" : output.slice(-2000));
		if (ok) await runProgram(program, program, parameters);
	}
}

const windows = (architecture) => ({
	name: `windows-${architecture}`,
	prefix: `${architecture}-w64-mingw32-`,
	/* Microsoft's compiler has none of GNU's extensions (-pedantic), and its SDK none older than Windows 10. */
	flags: ["-O1", "-D_WIN32_WINNT=0x0A00", "-DSODIUM_STATIC"],
});

/** The host functions of hosts/xs see the SDK's headers for Windows, and no identifiers of an app, for which they have no use. */
async function compileBindings(target, flags) {
	const identifiers = join(build, "identifiers");
	mkdirSync(identifiers, { recursive: true });
	writeFileSync(join(identifiers, "mc.xs.h"), "");
	/* Not -Wconversion, not -pedantic: the macros of the SDK's headers. */
	return compileAll(target, list(join(hosts, "xs"), /\.c$/), hosts, join(build, target.name, "xs"), [
		...strict,
		...["-DXS_ARCHIVE=1", "-DINCLUDE_XSPLATFORM=1", '-DXSPLATFORM="win_xs.h"', "-DWIN32", "-D_CONSOLE", "-DHAVE_MEMMOVE=1"],
		...flags,
		...include([identifiers, ...["includes", "platforms", "sources"].map((name) => join(sdk, "xs", name))], "-isystem"),
	]);
}

const windowsLibraries = ["ws2_32", "iphlpapi", "crypt32", "advapi32", "user32"].map((name) => `-l${name}`);

/** What others bring: of Mbed TLS, libsodium and the engine. */
const foreign = /^_*(mbedtls_|crypto_|sodium_|randombytes_|fx[A-Z]|xs[A-Z]|xsmc[A-Z]|gxDefaults)/;

/** Links objects into a library, with stubs for what others bring: whatever else is missing is Windows' or the C library's, or an error. */
async function checkLinks(target, objects) {
	const { stdout } = spawnSync(`${target.prefix}nm`, objects, { encoding: "utf8", maxBuffer: 1 << 26 });
	const names = [...new Set([...stdout.matchAll(/ U (\S+)$/gm)].map((match) => match[1]))].filter((name) => foreign.test(name));
	const folder = join(build, target.name);
	const stubs = join(folder, "stubs.s");
	writeFileSync(stubs, `.data\n${names.map((name) => `.globl ${name}\n${name}:\n`).join("")}.long 0\n`);
	const { ok, output } = await execute(`${target.prefix}gcc`, ["-shared", ...objects, stubs, ...windowsLibraries, "-o", join(folder, "tailnet.dll")]);
	check(`${target.name}: nothing is missing but Mbed TLS, libsodium and the engine (${names.length} names of theirs)`, ok ? "" : output.slice(-2000));
}

async function checkWindows(architecture, sources) {
	const target = windows(architecture);
	console.log(`\nThe host of Windows, ${architecture}:`);
	const folder = join(build, target.name);
	const flags = [...own("win32"), ...include([sources.sodium.include[1]], "-isystem"), ...lwip(sources)];
	const ours = [...strict, "-Wconversion", "-pedantic", ...flags];
	const files = [...desktopFiles("win32"), ...list(simulator, /^tn_(.*_(win32|bsd)|roots)\.c$/)];
	const core = await compileAll(target, list(native, /^tn_.*\.c$/), native, join(folder, "core"), ours);
	const host = await compileAll(target, files, hosts, join(folder, "hosts"), ours);
	const stack = await compileAll(target, [unit], simulator, join(folder, "lwip"), ["-w", ...flags]);
	check(`${target.name}: native/*.c compiles without a warning`, core.rejected.join("\n"));
	check(`${target.name}: its ${files.length} files of hosts/ compile without a warning`, host.rejected.join("\n"));
	check(`${target.name}: lwIP compiles as one unit`, stack.rejected.join("\n"));
	if (!existsSync(join(sdk, "xs/platforms/win_xs.h"))) {
		skip(`${target.name}: the host functions of hosts/xs`, "needs a Moddable SDK in $MODDABLE or in ~/.local/share/moddable");
	} else {
		const bindings = await compileBindings(target, flags);
		check(`${target.name}: hosts/xs/*.c compiles without a warning`, bindings.rejected.join("\n"));
		const all = [core, host, stack, bindings];
		if (all.every(({ ok }) => ok))
			await checkLinks(
				target,
				all.flatMap(({ objects }) => objects),
			);
	}
	return { target, flags, core, host, stack };
}

/** libsodium whole enough to begin on a system: what sodium_init asks for, and the system's entropy. */
const withSystem = (sources) => {
	const folder = join(sources.sodium.include[0], "..", "..");
	const parts = ["randombytes/sysrandom", "crypto_generichash", "crypto_generichash/blake2b", "crypto_generichash/blake2b/ref", "crypto_pwhash/argon2"];
	return { ...sources, sodium: { ...sources.sodium, files: [...sources.sodium.files, ...parts.flatMap((part) => list(join(folder, part), /\.c$/))] } };
};

/** In a folder of its own, so that nobody's Wine is touched. */
async function runInWine({ target, flags, core, host, stack }, sources) {
	if (!has("wine")) {
		skip("the host of Windows in Wine", "needs Debian's wine and wine64");
		return;
	}
	console.log("\nThe host of Windows in Wine:");
	const folder = join(build, target.name);
	const sodium = await compileSodium(target, withSystem(sources));
	const programs = await compileAll(target, [...tests, soak], root, join(folder, "programs"), [...strict, ...flags]);
	check("libsodium, the host's tests and its soak compile", [sodium, programs].flatMap(({ rejected }) => rejected).join("\n"));
	if (![core, host, stack, sodium, programs].every(({ ok }) => ok)) return;
	Object.assign(process.env, { WINEPREFIX: join(build, "wine"), WINEDEBUG: "-all" });
	const parts = [await archive(target, "core", core.objects), ...stack.objects, await archive(target, "sodium", sodium.objects)];
	const desktop = host.objects.filter((object) => /[/\\](desktop|win32)_/.test(object));
	for (const object of programs.objects) {
		const [more, parameters] = isSoak(object) ? [desktop, [SOAK_SECONDS]] : [[], []];
		const program = object.replace(/o$/, "exe");
		const { ok, output } = await execute(`${target.prefix}gcc`, ["-static", object, ...more, ...parts, ...windowsLibraries, "-lpthread", "-o", program]);
		check(`${program.slice(folder.length + 1)} links`, ok ? "" : output.slice(-2000));
		if (ok) await runProgram(program, "wine", [program, ...parameters]);
	}
}

export async function checkDesktops(sources) {
	await checkPlain(sources);
	const missing = ensureDebian([
		["gcc-mingw-w64-i686-win32", "i686-w64-mingw32-gcc"],
		["gcc-mingw-w64-x86-64-win32", "x86_64-w64-mingw32-gcc"],
	]);
	if (missing.length > 0) {
		skip("the host of Windows", `needs Debian's ${missing.join(", ")}`);
		return;
	}
	await checkWindows("i686", sources);
	await runInWine(await checkWindows("x86_64", sources), sources);
}
