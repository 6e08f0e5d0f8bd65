/**
 * An emulated board on the network of a world, driven like our command: JSON lines on standard input and output, what its serial port says on standard error.
 * Runs in the namespace of the peers, where it gives the board an address and a name server (dnsmasq), which knows "control.interop" for the peers' address, and waits for
 * its connection.
 *
 *   node bridge.js EMULATOR IMAGE TAP-NAMESPACE TAP MAC '{"do":"up",...}'
 *
 * The board connects to port 7100, is given the first line, and from then on every line of standard input; what it says is standard output. A board that
 * was started anew connects again and is given the first line again. The line {"bridge":"restart"} takes its power away and gives it back.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const [emulator, image, namespace, tap, mac, first] = process.argv.slice(2);
const port = 7100;
let app;
let board;

const guarded = (command, options) => spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], options);

function start() {
	const command = ["nsenter", `--net=${namespace}`, "--", emulator, "-machine", "esp32c3", "-display", "none", "-monitor", "none"];
	command.push("-drive", `file=${image},if=mtd,format=raw`, "-serial", "stdio", "-nic", `tap,ifname=${tap},script=no,downscript=no,model=open_eth`);
	// An open input: at its end the emulator's serial port says nothing either.
	board = guarded(command, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ESP32C3_MAC: mac } });
	createInterface({ input: board.stdout }).on("line", (line) => console.error(line));
	process.stdout.write(`${JSON.stringify({ event: "board", pid: board.pid })}\n`);
	board.on("exit", (code, signal) => {
		console.error(`bridge: the board ended with ${signal ?? code}`);
		if (board.isRestarting) start();
		else process.exit(1);
	});
}

function take(line) {
	const { bridge, id } = line.includes('"bridge":') ? JSON.parse(line) : {};
	if (bridge === "restart") {
		board.isRestarting = true;
		board.kill("SIGKILL");
		process.stdout.write(`${JSON.stringify({ event: "result", id, ok: true })}\n`);
	} else app?.write(`${line}\n`);
}

const addresses = guarded(
	["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--interface=eth0", "--bind-interfaces", "--dhcp-range=10.71.0.50,10.71.0.99,1h"].concat([
		"--dhcp-leasefile=/dev/null",
		"--leasefile-ro",
		"--pid-file=",
		"--no-resolv",
		"--no-hosts",
		"--local=/interop/",
		"--address=/control.interop/10.71.0.1",
	]),
	{ stdio: ["ignore", "ignore", "pipe"] },
);
createInterface({ input: addresses.stderr }).on("line", (line) => {
	if (process.env.INTEROP_VERBOSE) console.error(line);
});

createServer((socket) => {
	app = socket;
	socket.setNoDelay(true);
	socket.on("error", () => {});
	createInterface({ input: socket }).on("line", (line) => process.stdout.write(`${line}\n`));
	socket.write(`${first}\n`);
}).listen(port, start);

createInterface({ input: process.stdin })
	.on("line", take)
	.on("close", () => process.exit(0));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
