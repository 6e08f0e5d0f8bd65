/** Loads the native core. hosts/node/build-addon.js builds it; where it lies is told by that script. */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type * as contract from "../../modules/host-contract.js";

export interface Addon {
	/** Bytes of the process that malloc has given out, array buffers among them; undefined where the C library does not tell. */
	mallocedBytes(): number | undefined;
	monotonicMS: typeof contract.monotonicMS;
	x25519: typeof contract.x25519;
	x25519PublicKey: typeof contract.x25519PublicKey;
	blake2s: typeof contract.blake2s;
	hkdfBlake2s: typeof contract.hkdfBlake2s;
	aeadSeal: typeof contract.aeadSeal;
	aeadOpen: typeof contract.aeadOpen;
	boxSharedKey: typeof contract.boxSharedKey;
	boxSeal: typeof contract.boxSeal;
	boxOpen: typeof contract.boxOpen;
	argon2i: typeof contract.argon2i;
	ed25519Verify: typeof contract.ed25519Verify;
	equalBytes: typeof contract.equalBytes;
	wipe: typeof contract.wipe;
	crc32: typeof contract.crc32;
	JSONScanner: typeof contract.JSONScanner;
	Tunnel: typeof contract.Tunnel;
	/** @returns a descriptor that holds the lock until it is closed; -1: somebody else has it; -2: the file cannot be locked */
	lockFile(path: string): number;
}

/** The package's folder: the first one upwards that has the native sources. */
export function packageFolder(): string {
	let folder = dirname(fileURLToPath(import.meta.url));
	while (!existsSync(join(folder, "native")) && folder !== dirname(folder)) folder = dirname(folder);
	return folder;
}

function load(): Addon {
	const folder = packageFolder();
	const path = process.env["TAILNET_ADDON"] ?? join(folder, "build", "tailnet.node");
	if (!existsSync(path)) throw new Error(`the native core of tailnet is not built; run:  node ${join(folder, "hosts", "node", "build-addon.js")}`);
	return createRequire(import.meta.url)(path);
}

export const addon: Addon = load();
