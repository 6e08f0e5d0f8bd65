/**
 * How `ping`, `netcheck` and `status` reach the node that `up` runs: a socket in its state folder (mode 0600), with the same lines as the machine
 * interface.
 */
import { chmodSync, existsSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Output, OutputEvent } from "./commands.js";

function socketPath(stateDir: string): string {
	return join(stateDir, "node.sock");
}

/** @returns undefined when the folder cannot hold a socket; the node works all the same */
export function listenLocally(stateDir: string, command: (line: string, answer: Output) => void): Server | undefined {
	const path = socketPath(stateDir);
	rmSync(path, { force: true });
	const server = createServer((stream) => {
		stream.on("error", () => stream.destroy());
		const lines = createInterface({ input: stream });
		lines.on("line", (line) => command(line, (event) => void (stream.writable && stream.write(`${JSON.stringify(event)}\n`))));
	});
	server.on("error", () => {});
	const mask = process.umask(0o177);
	server.listen(path, () => {
		if (existsSync(path)) chmodSync(path, 0o600);
	});
	process.umask(mask);
	server.on("close", () => rmSync(path, { force: true }));
	server.unref();
	return server;
}

/** Asks a running node. @returns its answer, or undefined when none runs on that folder */
export function askLocally(stateDir: string, command: Record<string, unknown>): Promise<OutputEvent | undefined> {
	return new Promise((resolve, reject) => {
		const stream = createConnection(socketPath(stateDir));
		let answered = false;
		stream.on("error", (error: NodeJS.ErrnoException) => {
			if (answered) return;
			if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
			else reject(error);
		});
		stream.on("connect", () => stream.write(`${JSON.stringify({ id: 1, ...command })}\n`));
		createInterface({ input: stream })
			.on("error", () => {})
			.on("line", (line) => {
				answered = true;
				resolve(JSON.parse(line) as OutputEvent);
				stream.end();
			});
		stream.on("close", () => {
			if (!answered) resolve(undefined);
		});
	});
}
