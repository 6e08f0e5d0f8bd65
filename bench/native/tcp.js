/**
 * TCP between two nodes in two processes over loopback UDP, both configured by hand: what the data path costs without control, DISCO and DERP.
 *
 *   node bench/native/tcp.js [megabytes] [sink | echo] [runs]
 *
 * sink: one way. echo: sent, returned and counted at the sender. Prints Mbit/s of the payload one way, and the CPU time of both processes.
 */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { addon, Node } from "./link.js";

const chunkBytes = 262144;
const keys = ["client", "server"].map((name) => createHash("sha256").update(name).digest());
const addresses = ["100.64.0.1", "100.64.0.2"];

/** Echoes or swallows what comes. Bytes that could not be written yet wait in `left`. */
function serve() {
	const chunk = new Uint8Array(chunkBytes);
	const left = new Map();
	const copy = (socket, isEcho) => {
		for (;;) {
			const waiting = left.get(socket);
			if (waiting) {
				const taken = node.tunnel.streamWrite(socket, waiting);
				if (taken < waiting.length) {
					left.set(socket, waiting.subarray(taken));
					return;
				}
				left.delete(socket);
			}
			const count = node.tunnel.streamRead(socket, chunk);
			if (count === 0) {
				return;
			}
			if (isEcho) {
				const taken = node.tunnel.streamWrite(socket, chunk.subarray(0, count));
				if (taken < count) {
					left.set(socket, chunk.slice(taken, count));
					return;
				}
			}
		}
	};
	const isEcho = process.argv[3] === "echo";
	const node = new Node(keys[1], addresses[1], {
		readable: (socket) => copy(socket, isEcho),
		writable: (socket) => copy(socket, isEcho),
		closed: (socket) => node.closeSocket(socket),
	});
	node.listen(7);
	process.on("message", (message) => {
		if (message.port) {
			node.peer(0, addon.x25519PublicKey(keys[0]), addresses[0], message.port);
			process.send({ ready: true });
		} else if (message.usage) {
			process.send({ cpu: process.cpuUsage(), counters: node.tunnel.counters() });
		} else {
			node.tunnel.close();
			process.disconnect();
		}
	});
	process.send({ port: node.tunnel.port });
}

function transfer(node, on, bytes, isEcho) {
	return new Promise((done) => {
		const source = new Uint8Array(chunkBytes).fill(5);
		const sink = new Uint8Array(chunkBytes);
		let sent = 0;
		let received = 0;
		let start = 0;
		const push = (socket) => {
			while (sent < bytes) {
				const taken = node.tunnel.streamWrite(socket, source.subarray(0, Math.min(chunkBytes, bytes - sent)));
				if (taken === 0) {
					return;
				}
				sent += taken;
			}
			if (!isEcho) {
				node.closeSocket(socket);
				done((performance.now() - start) / 1000);
			}
		};
		on.connected = () => {
			start = performance.now();
		};
		on.writable = push;
		on.readable = (socket) => {
			for (let count = node.tunnel.streamRead(socket, sink); count > 0; count = node.tunnel.streamRead(socket, sink)) {
				received += count;
			}
			if (received >= bytes) {
				node.closeSocket(socket);
				done((performance.now() - start) / 1000);
			}
		};
		node.connect(addresses[1], 7);
	});
}

async function main() {
	const bytes = Number(process.argv[2] ?? 256) * 1e6;
	const isEcho = process.argv[3] === "echo";
	const runs = Number(process.argv[4] ?? 3);
	const child = fork(fileURLToPath(import.meta.url), ["server", isEcho ? "echo" : "sink"]);
	const next = () => new Promise((done) => child.once("message", done));
	const { port } = await next();
	const on = {};
	const node = new Node(keys[0], addresses[0], on);
	node.peer(0, addon.x25519PublicKey(keys[1]), addresses[1], port);
	child.send({ port: node.tunnel.port });
	await next();
	await transfer(node, on, 1e6, isEcho);
	for (let run = 0; run < runs; run++) {
		child.send({ usage: true });
		const before = [process.cpuUsage(), (await next()).cpu];
		const seconds = await transfer(node, on, bytes, isEcho);
		child.send({ usage: true });
		const answer = await next();
		const after = [process.cpuUsage(), answer.cpu];
		const cpu = after.map((usage, i) => (usage.user + usage.system - before[i].user - before[i].system) / 1e6);
		const own = node.tunnel.counters();
		console.log(
			`${isEcho ? "echo" : "sink"} ${bytes / 1e6} MB: ${((bytes * 8) / seconds / 1e6).toFixed(0)} Mbit/s, CPU ${cpu[0].toFixed(2)} s + ${cpu[1].toFixed(2)} s of ${seconds.toFixed(2)} s, ` +
				`packets in/out ${own.packetsIn}/${own.packetsOut}, coalesced ${own.segmentsCoalesced} / ${answer.counters.segmentsCoalesced}`,
		);
	}
	child.send({ end: true });
	node.tunnel.close();
}

if (process.argv[2] === "server") {
	serve();
} else {
	await main();
}
