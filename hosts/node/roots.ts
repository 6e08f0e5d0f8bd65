/**
 * The roots that Node trusts: it reads all of them when TLS begins for the first time in a process, on the thread that begins it, and that thread stands still for
 * some 50 ms. Here another thread reads them, while the node asks control and has no relay yet.
 */
import { Worker } from "node:worker_threads";

let isBegun = false;

/** Once a process; what goes wrong on that thread is left to the first connection. */
export function readRoots(): void {
	if (isBegun) return;
	isBegun = true;
	const reader = new Worker('require("node:tls").createSecureContext()', { eval: true, execArgv: [], stdout: true, stderr: true });
	reader.on("error", () => {});
	reader.unref();
}
