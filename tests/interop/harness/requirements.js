/**
 * What the rings of namespaces (interop, nat) need of the machine, and what to install when it is not there.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the project. */
export const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** The command of our node, as a user starts it. */
export const nodeCommand = join(root, "hosts", "node", "bin.js");

function runs(command, ...args) {
	try {
		execFileSync(command, args, { stdio: "ignore" });
		return true;
	} catch {
		return false;
	}
}

/**
 * @param {string} [ring] its name, for the lines
 * @returns {string[]} one line for each thing that is missing; empty if the ring can run
 */
export function missing(ring = "interop") {
	const lines = [];
	if (process.platform !== "linux") return [`the ${ring} ring needs Linux (network namespaces)`];
	if (process.getuid?.() !== 0) lines.push(`the ${ring} ring needs root for network namespaces: run it with sudo`);
	if (!runs("go", "version")) lines.push(`the ${ring} ring needs Go 1.26 or later: https://go.dev/dl, or apt-get install golang-go where it is new enough`);
	if (!runs("ip", "-V")) lines.push(`the ${ring} ring needs ip: apt-get install iproute2`);
	if (!runs("nft", "--version")) lines.push(`the ${ring} ring needs nft: apt-get install nftables`);
	if (!runs("nsenter", "--version") || !runs("setpriv", "--version")) lines.push(`the ${ring} ring needs nsenter and setpriv: apt-get install util-linux`);
	if (lines.length === 0 && !runs("unshare", "--net", "ip", "link", "add", "interop0", "type", "bridge"))
		lines.push(`the ${ring} ring needs a kernel that allows network namespaces with bridges (a container may lack CAP_NET_ADMIN or CAP_SYS_ADMIN)`);
	return lines;
}

/** Whether the command of our node is there and built. */
export const haveOwnNode = () => existsSync(nodeCommand) && existsSync(join(root, "dist", "hosts", "node", "cli", "main.js"));
