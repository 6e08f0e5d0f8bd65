/**
 * The Moddable SDK of this machine: where it is, what is missing, and apps built with it for the simulator.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { corePackages, ensureDebian, root } from "../../../scripts/prepare.js";

export const sdk = process.env.MODDABLE ?? join(homedir(), ".local/share/moddable");
const tools = join(sdk, "build/bin/lin/release");

/** Apps, their objects and what the simulator keeps; apps share the objects of the engine. */
export const outputs = join(root, "build/moddable");

/** Environment in which the SDK's tools run. */
export const environment = {
	...process.env,
	MODDABLE: sdk,
	TRANSLATED: join(outputs, "translated"),
	PATH: `${join(import.meta.dirname, "bin")}:${tools}:${process.env.PATH}`,
};

/** @returns {string | undefined} what the ring lacks on this machine, after an attempt to install what may be installed */
export function missing() {
	if (process.platform !== "linux") return "Linux";
	for (const tool of ["mcconfig", "mcsim", "xsc", "xsl"])
		if (!existsSync(join(tools, tool))) return `a Moddable SDK with its Linux tools in $MODDABLE or in ~/.local/share/moddable (no ${tool} there)`;
	const lacking = ensureDebian([
		...corePackages,
		["make", "make"],
		["pkg-config", "pkg-config"],
		["xvfb", "Xvfb"],
		["libgtk-3-dev", "/usr/include/gtk-3.0/gtk/gtk.h"],
		["libglib2.0-bin", "gapplication"],
		["dbus", "dbus-run-session"],
		["libmbedtls-dev", "/usr/include/mbedtls/ssl.h"],
	]);
	return lacking.length > 0 ? lacking.join(", ") : undefined;
}

/** Runs a program of the SDK to its end. @throws {Error} with what it printed, when it fails */
export function runTool(command, options = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn("nice", ["-n", "5", ...command], { env: environment, stdio: ["ignore", "pipe", "pipe"], ...options });
		let text = "";
		for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (text = (text + bytes).slice(-20_000)));
		child.on("error", reject);
		child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${command.join(" ")} ended with ${code}\n${text}`))));
	});
}

/** Where the app of a manifest's build.NAME is, once it is built. */
export function library(name) {
	return join(outputs, "bin/lin/mc/debug", name, "mc.so");
}

/**
 * Builds the app in a folder for the simulator.
 * @param {{parameters?: string[]}} [options] "name=value": the app's config
 * @returns {Promise<string>} path of its library
 */
export async function build(folder, { parameters = [] } = {}) {
	mkdirSync(outputs, { recursive: true });
	const { NAME } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")).build;
	await runTool(["mcconfig", "-d", "-m", "-p", "lin", "-o", outputs, "-t", "build", ...parameters], { cwd: folder });
	return library(NAME);
}
