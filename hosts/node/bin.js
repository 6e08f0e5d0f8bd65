#!/usr/bin/env node
/**
 * The command `tailnet`, installed or from a checkout. It never installs anything on the machine: what is missing, it names. The native core is built
 * once, into the user's cache folder where the package's own cannot be written.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAddon, missingPackages } from "./build-addon.js";

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const main = join(packageFolder, "dist", "hosts", "node", "cli", "main.js");

const missing = missingPackages();
if (missing.length > 0) {
	console.error(`tailnet needs packages that are not installed; run:  sudo apt-get install -y ${missing.join(" ")}`);
	process.exit(5);
}
if (!existsSync(main)) {
	console.error("tailnet is not built; run:  npm start -- --help");
	process.exit(5);
}
process.env.TAILNET_ADDON = await buildAddon();
await import(main);
