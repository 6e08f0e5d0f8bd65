/**
 * A simulator in this network namespace with an app in it, driven like our command: JSON lines on standard input and output, logs on standard error.
 *
 *   node bridge.js LIBRARY FOLDER '{"do":"up",...}'
 *
 * The app connects to a loopback port ($TAILNET_TEST_PORT), is given the first line, and from then on every line of standard input; what it says is
 * standard output. {"event":"exit","code":N} from the app ends everything with that code. SIGINT and SIGTERM ask the app to close. An app that was
 * loaded anew connects again and is given the first line again. Lines with a member "bridge" are for the bridge: "reload" loads the library anew, "quit"
 * quits, both as a menu of the simulator does; for that it needs a session bus of its own (DBUS_SESSION_BUS_ADDRESS).
 *
 * Of its own the bridge says {"event":"simulator","pid":N} at the start, and {"event":"stack","slots":N} whenever JavaScript went deeper than before
 * (the simulator samples once a second). It ends with 70 when the engine gives up.
 */
import { execFile, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, first] = process.argv.slice(2);
const application = "tech.moddable.mcsim";
const slotBytes = 32;
const abortCode = 70;
const actions = { reload: "doReloadFile", quit: "doQuit" };
let app;
let simulator;
let isEnding = false;
/** SIMULATOR_RATE: the simulator's clocks go that many times faster than ours (libfaketime). */
const { SIMULATOR_RATE } = process.env;
const clock = SIMULATOR_RATE ? ["faketime", "-m", "-f", `+0 x${SIMULATOR_RATE}`] : [];
/** Which of the sampled figures is the stack, and the largest one. */
let stackAt = -1;
let deepest = 0;

function end(code) {
	if (isEnding) return;
	isEnding = true;
	simulator?.kill("SIGKILL");
	process.stdout.write("", () => process.exit(code));
}

function send(line) {
	app?.write(`${line}\n`);
}

function receive(line) {
	if (line.startsWith('{"event":"exit"')) end(JSON.parse(line).code);
	else process.stdout.write(`${line}\n`);
}

/** What the simulator prints: samples of the engine's figures, and the rest, which is its log. */
function look(line) {
	const sample = /^instruments( key)?: (.*)$/.exec(line);
	if (!sample) {
		console.error(line);
		if (line.startsWith("XS abort")) end(abortCode);
	} else if (sample[1]) stackAt = sample[2].split(",").indexOf("Stack used");
	else {
		const slots = Number(sample[2].split(",")[stackAt]) / slotBytes;
		if (!(slots > deepest)) return;
		deepest = slots;
		process.stdout.write(`${JSON.stringify({ event: "stack", slots })}\n`);
	}
}

/** A line of standard input. */
function take(line) {
	const { bridge, id } = line.includes('"bridge":') ? JSON.parse(line) : {};
	if (!bridge) send(line);
	else {
		execFile("gapplication", ["action", application, actions[bridge]], (error) =>
			process.stdout.write(`${JSON.stringify({ event: "result", id, ok: !error, ...(error ? { message: error.message } : {}) })}\n`),
		);
	}
}

const server = createServer((socket) => {
	app = socket;
	socket.on("error", () => {});
	socket.on("close", () => {
		if (app === socket) app = undefined;
	});
	createInterface({ input: socket }).on("line", receive);
	send(first);
});

server.listen(0, "127.0.0.1", () => {
	const config = join(folder, "config");
	const state = join(folder, "state");
	for (const path of [config, state]) mkdirSync(path, { recursive: true });
	simulator = spawn("setpriv", ["--pdeathsig", "KILL", "--", "stdbuf", "-oL", ...clock, "mcsim", library], {
		stdio: ["ignore", "pipe", "pipe"],
		env: {
			...process.env,
			NO_AT_BRIDGE: "1",
			XDG_CONFIG_HOME: config,
			XDG_STATE_HOME: state,
			TAILNET_TEST_PORT: String(server.address().port),
			DBUS_SESSION_BUS_ADDRESS: process.env.DBUS_SESSION_BUS_ADDRESS ?? "disabled:",
		},
	});
	for (const stream of [simulator.stdout, simulator.stderr]) createInterface({ input: stream }).on("line", look);
	process.stdout.write(`${JSON.stringify({ event: "simulator", pid: simulator.pid })}\n`);
	simulator.on("exit", (code, signal) => {
		console.error(`bridge: the simulator ended with ${signal ?? code}`);
		end(signal ? 1 : code);
	});
});

createInterface({ input: process.stdin }).on("line", take);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => (app ? send('{"do":"close"}') : end(0)));
