/**
 * The offline demo: a control server, relays and STUN on loopback, two nodes on them; login, peers, a ping of every kind, a page over the tailnet, direct
 * and relayed throughput. Ends 0 only if all of it worked.
 */
import { createServer } from "node:http";
import type { PingKind } from "../../../modules/tailnet.js";
import Tailnet from "../../../modules/tailnet.js";
import { type Lab, startLab } from "../../../tests/lab/lab.js";
import { TailnetStream } from "../stream.js";
import { bulk } from "./bulk.js";
import type { CommandOptions } from "./options.js";
import { serveEcho } from "./services.js";
import { serveStatus, statusPort } from "./status-server.js";
import { ExitCode } from "./up.js";

const bulkBytes = 32 * 1024 * 1024;
const relayedBytes = 8 * 1024 * 1024;
/** Everything of the demo is local: whatever takes longer has failed. */
const limitMS = 10_000;
const directTries = 20;

function say(what: string, result: string): void {
	console.log(`${what.padEnd(34)} ${result}`);
}

function startNode(lab: Lab, hostname: string): Tailnet {
	return new Tailnet({
		hostname,
		authKey: lab.authKey,
		controlURL: lab.controlURL,
		authorities: [lab.authorityPEM],
		portMapping: false, // nothing of the demo leaves the machine
		onStateChange: (state, reason) => say(hostname, reason ? `${state} (${reason})` : state),
		onError: (error) => say(hostname, `error: ${error.message} (${error.code})`),
	});
}

function within<T>(promise: Promise<T>, what: string): Promise<T> {
	return Promise.race([
		promise,
		new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error(`${what}: not within ${limitMS} ms`)), limitMS).unref()),
	]);
}

/** Until a peer is in the map of a node, with the relay that reaches it. */
async function waitForPeer(tailnet: Tailnet, name: string): Promise<string> {
	for (let i = 0; i < limitMS / 20; i += 1) {
		for (const peer of tailnet.peers) if (peer.name.startsWith(`${name}.`) && peer.relay !== undefined) return peer.address;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	throw new Error(`${name} did not appear on the network map`);
}

async function page(from: Tailnet, address: string): Promise<{ status: number; lengthBytes: number }> {
	return new Promise((resolve, reject) => {
		const stream = new TailnetStream(from.TCP, { address, port: statusPort });
		let text = "";
		stream.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
		stream.on("end", () => resolve({ status: Number(text.slice(9, 12)), lengthBytes: text.length - text.indexOf("\r\n\r\n") - 4 }));
		stream.on("error", reject);
		stream.write(`GET / HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`);
	});
}

/** Takes UDP away from a node, or gives it back, as an administrator can: everything goes by relay then. */
function useRelayOnly(lab: Lab, hostname: string, isOn: boolean): void {
	const node = lab.control.nodes.all.find((entry) => entry.label === hostname);
	if (!node) throw new Error(`control does not know ${hostname}`);
	if (isOn) node.capMap["only-tcp-443"] = null;
	else delete node.capMap["only-tcp-443"];
	lab.control.announce(node);
}

async function show(lab: Lab, a: Tailnet, b: Tailnet): Promise<void> {
	await within(Promise.all([a.running, b.running]), "login");
	say("alpha logged in with a key as", `${a.name}  ${a.addresses.join("  ")}`);
	say("beta logged in with a key as", `${b.name}  ${b.addresses.join("  ")}`);
	const address = await within(waitForPeer(a, "beta"), "peers");
	await within(waitForPeer(b, "alpha"), "peers");
	for (const peer of a.peers) say("alpha has the peer", `${peer.name}  ${peer.address}  reached by relay ${peer.relay}`);
	for (const peer of b.peers) say("beta has the peer", `${peer.name}  ${peer.address}  reached by relay ${peer.relay}`);
	serveEcho(b);
	serveStatus(b);

	for (const kind of ["tsmp", "icmp", "peerapi", "disco"] as PingKind[]) {
		const { latencyMS, via } = await a.ping("beta", { kind, timeoutMS: limitMS });
		say(`ping beta (${kind})`, `${latencyMS.toFixed(1)} ms via ${via}`);
	}
	let via = "";
	for (let i = 0; i < directTries && (via === "" || via.startsWith("DERP")); i += 1) ({ via } = await a.ping("beta"));
	if (via.startsWith("DERP")) throw new Error("no direct path was found");
	say("path to beta", via);

	const { status, lengthBytes } = await within(page(a, address), "page");
	if (status !== 200) throw new Error(`the page answered ${status}`);
	say("page from beta over the tailnet", `${lengthBytes} bytes`);

	const direct = await bulk(a, address, 7, bulkBytes, "echo", 60_000);
	say(`${bulkBytes / 1048576} MB echoed, direct`, `${direct.megabitsPerSecond.toFixed(0)} Mbit/s`);
	for (const name of ["alpha", "beta"]) useRelayOnly(lab, name, true);
	// A ping that was on its way by UDP when that was forbidden has no answer.
	for (let i = 0; i < directTries && !via.startsWith("DERP"); i += 1)
		via = await a.ping("beta", { timeoutMS: 500 }).then(
			(answer) => answer.via,
			() => "",
		);
	if (!via.startsWith("DERP")) throw new Error("the path did not move to the relay");
	say("path to beta without UDP", via);
	const relayed = await bulk(a, address, 7, relayedBytes, "echo", 60_000);
	say(`${relayedBytes / 1048576} MB echoed, by relay`, `${relayed.megabitsPerSecond.toFixed(0)} Mbit/s`);
	for (const name of ["alpha", "beta"]) useRelayOnly(lab, name, false);
}

/** Makes beta's page visible to this machine's browser, as long as the demo stays. */
async function stay(a: Tailnet, address: string): Promise<void> {
	const server = createServer((request, response) => {
		const stream = new TailnetStream(a.TCP, { address, port: statusPort });
		stream.on("error", () => response.destroy());
		stream.write(`GET ${request.url ?? "/"} HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`);
		response.on("close", () => stream.destroy());
		if (response.socket) stream.pipe(response.socket);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	say("status page of beta", `http://127.0.0.1:${port}/  (Ctrl-C ends the demo)`);
	await new Promise<void>((resolve) => process.once("SIGINT", () => resolve()));
	server.close();
}

export async function demo(options: CommandOptions): Promise<number> {
	const lab = await startLab();
	say("control server", lab.controlURL);
	const a = startNode(lab, "alpha");
	const b = startNode(lab, "beta");
	try {
		await show(lab, a, b);
		if (options.stay) await stay(a, b.addresses[0] as string);
		console.log("everything worked");
		return ExitCode.ok;
	} catch (error) {
		console.error(`the demo failed: ${(error as Error).message}`);
		return ExitCode.failed;
	} finally {
		a.close();
		b.close();
		await lab.close();
	}
}
