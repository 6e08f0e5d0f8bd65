/*
 * lwIP and libsodium in source, which programs for the emulated processor and whole stack paths need: Debian's source packages, by name, into
 * build/cross/sources. Nothing of them is committed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../scripts/prepare.js";
import { list, root } from "../native/programs.js";

export const build = join(root, "build", "cross");
const folder = join(build, "sources");
const packages = ["lwip", "libsodium"];

/** This machine's own package sources, asked for source packages instead of programs. @returns the file */
function sourceList() {
	const blocks = [];
	const lines = [];
	for (const name of existsSync("/etc/apt/sources.list.d") ? readdirSync("/etc/apt/sources.list.d") : []) {
		const text = readFileSync(join("/etc/apt/sources.list.d", name), "utf8");
		if (name.endsWith(".sources")) blocks.push(text.replace(/^Types:.*$/gm, "Types: deb-src"));
		if (name.endsWith(".list")) lines.push(text);
	}
	if (existsSync("/etc/apt/sources.list")) lines.push(readFileSync("/etc/apt/sources.list", "utf8"));
	const parts = join(folder, "sources.list.d");
	mkdirSync(parts, { recursive: true });
	writeFileSync(join(parts, "own.sources"), blocks.join("\n\n"));
	writeFileSync(join(parts, "own.list"), lines.join("\n").replace(/^deb /gm, "deb-src "));
	return parts;
}

function fetchSources() {
	const parts = sourceList();
	const state = join(folder, "state");
	mkdirSync(join(state, "lists", "partial"), { recursive: true });
	const options = [
		"-q",
		"-o",
		"Dir::Etc::SourceList=/dev/null",
		"-o",
		`Dir::Etc::SourceParts=${parts}`,
		"-o",
		`Dir::State::Lists=${join(state, "lists")}`,
		"-o",
		"APT::Sandbox::User=root",
	];
	run("apt-get", [...options, "update"]);
	run("apt-get", [...options, "source", "--download-only", ...packages], { cwd: folder });
	rmSync(state, { recursive: true });
	for (const name of packages) {
		const archive = readdirSync(folder).find((file) => file.startsWith(`${name}_`) && file.includes(".orig.tar."));
		const unpacked = join(folder, `${name}.unpacked`);
		mkdirSync(unpacked, { recursive: true });
		run("tar", ["-xf", join(folder, archive), "-C", unpacked, "--strip-components=1"]);
		renameSync(unpacked, join(folder, name));
	}
}

/** Headers of libsodium and, where it is installed, of Mbed TLS, and nothing else of the folder that Debian has them in. */
function linkHeaders() {
	const include = join(build, "include");
	mkdirSync(include, { recursive: true });
	for (const name of ["sodium.h", "sodium", "mbedtls", "psa"]) {
		const header = join("/usr/include", name);
		if (existsSync(header) && !existsSync(join(include, name))) symlinkSync(header, join(include, name));
	}
	return include;
}

/** @returns where the sources are; undefined with what went wrong on stderr */
export function ensureSources() {
	mkdirSync(folder, { recursive: true });
	try {
		if (!packages.every((name) => existsSync(join(folder, name)))) fetchSources();
	} catch (error) {
		console.error(`cross: ${error.message.slice(-1000)}`);
		return undefined;
	}
	const core = join(folder, "lwip", "src", "core");
	const sodium = join(folder, "libsodium", "src", "libsodium");
	const parts = [
		"crypto_aead/chacha20poly1305/sodium",
		"crypto_aead/xchacha20poly1305/sodium",
		"crypto_box",
		"crypto_box/curve25519xsalsa20poly1305",
		"crypto_core/ed25519/ref10",
		"crypto_core/hchacha20",
		"crypto_core/hsalsa20",
		"crypto_core/hsalsa20/ref2",
		"crypto_core/salsa/ref",
		"crypto_hash/sha512",
		"crypto_hash/sha512/cp",
		"crypto_onetimeauth",
		"crypto_onetimeauth/poly1305",
		"crypto_onetimeauth/poly1305/donna",
		"crypto_scalarmult",
		"crypto_scalarmult/curve25519",
		"crypto_scalarmult/curve25519/ref10",
		"crypto_secretbox",
		"crypto_secretbox/xsalsa20poly1305",
		"crypto_shorthash",
		"crypto_shorthash/siphash24",
		"crypto_shorthash/siphash24/ref",
		"crypto_sign",
		"crypto_sign/ed25519",
		"crypto_sign/ed25519/ref10",
		"crypto_stream/chacha20",
		"crypto_stream/chacha20/ref",
		"crypto_stream/salsa20",
		"crypto_stream/salsa20/ref",
		"crypto_stream/xsalsa20",
		"crypto_verify/sodium",
		"randombytes",
	];
	const c = /\.c$/;
	return {
		lwip: {
			include: [join(folder, "lwip", "src", "include")],
			files: [core, join(core, "ipv4"), join(core, "ipv6")].flatMap((place) => list(place, c)).concat(join(folder, "lwip", "src", "netif", "ethernet.c")),
		},
		sodium: {
			/* The first for its own private headers. */
			include: [join(sodium, "include", "sodium"), linkHeaders()],
			flags: ["-DCONFIGURED=1"],
			files: [...parts.flatMap((part) => list(join(sodium, part), c)), ...["core", "runtime", "utils"].map((name) => join(sodium, "sodium", `${name}.c`))],
		},
	};
}

/** Header folders for the core alone: Debian's packages for the host, whose headers are portable, behind our own lwipopts.h and arch/cc.h. */
export const hostHeaders = () => [linkHeaders(), "/usr/include/lwip"];
