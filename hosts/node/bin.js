#!/usr/bin/env node
/**
 * The command `tailnet`, installed or from a checkout. It never installs anything on the machine: what is missing, it names. The native core is built
 * once: of an installed package into the user's cache folder, of a checkout where `npm start` has it.
 */
import "./version.js";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAddon, findAddon, missingPackages } from "./build-addon.js";

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const main = join(packageFolder, "dist", "hosts", "node", "cli", "main.js");

const words = process.argv.slice(2);
const isHelp = words.length === 0 || words.some((word) => ["help", "--help", "-h"].includes(word));

const inCache = !existsSync(join(packageFolder, "scripts")); // these are not in the package
const addon = isHelp ? undefined : findAddon(inCache);

const missing = isHelp || addon ? [] : missingPackages();
if (missing.length > 0) {
	const ofNode = missing.filter((name) => name === "node-api-headers");
	const line =
		ofNode.length === missing.length ? `npm install ${ofNode}` : `sudo apt-get install -y ${missing.filter((name) => !ofNode.includes(name)).join(" ")}`;
	console.error(`tailnet needs packages that are not installed; run:  ${line}`);
	process.exit(5);
}
if (!existsSync(main)) {
	console.error("tailnet is not built; run:  npm start -- --help");
	process.exit(5);
}
if (!isHelp) {
	process.env.TAILNET_ADDON = addon ?? (await buildAddon({ cache: inCache, onBuild: () => console.error("tailnet: building the native core, once") }));
	const { readRoots } = await import(join(packageFolder, "dist", "hosts", "node", "roots.js"));
	readRoots(); // while everything else is loaded
}
await import(main);
