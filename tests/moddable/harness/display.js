/** A display that nobody sees, for the simulator's windows: one a process, made when it is first needed, ended with us. */
import { spawn } from "node:child_process";
import { once } from "node:events";

let display;

/** @returns {Promise<string>} what $DISPLAY has to be */
export function ensureDisplay() {
	display ??= start();
	return display;
}

async function start() {
	const server = spawn("setpriv", ["--pdeathsig", "KILL", "--", "Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"], {
		stdio: ["ignore", "pipe", "ignore"],
	});
	process.on("exit", () => server.kill("SIGKILL"));
	server.unref();
	const [number] = await once(server.stdout, "data");
	server.stdout.unref();
	return `:${String(number).trim()}`;
}
