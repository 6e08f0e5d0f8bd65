/**
 * The Node addon as Node sees it: cryptography against another implementation, tunnels that open, carry bytes and close in every state, workers,
 * the end of the process.
 *
 *   node tests/native/addon.js
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { addon, Node } from "../../bench/native/link.js";

const tests = [];
const test = (name, run) => tests.push({ name, run });

function check(condition, what) {
	if (!condition) throw new Error(what);
}

const equal = (a, b) => a !== undefined && Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

test("X25519, and undefined for a point of low order", () => {
	const secret = randomBytes(32);
	const other = x25519.getPublicKey(randomBytes(32));
	check(equal(addon.x25519PublicKey(secret), x25519.getPublicKey(secret)), "public key");
	check(equal(addon.x25519(secret, other), x25519.getSharedSecret(secret, other)), "shared");
	check(addon.x25519(secret, new Uint8Array(32)) === undefined, "low order");
	check(addon.boxSharedKey(secret, new Uint8Array(32)) === undefined, "low order box");
});

test("BLAKE2s of several parts, and HKDF on it", () => {
	const parts = [randomBytes(3), randomBytes(100), new Uint8Array(0), randomBytes(64)];
	check(equal(addon.blake2s(...parts), blake2s(Buffer.concat(parts))), "hash");
	check(equal(addon.blake2s(), blake2s(new Uint8Array(0))), "empty");
	const salt = randomBytes(32);
	const input = randomBytes(32);
	for (let count = 1; count <= 3; count++) {
		const outputs = addon.hkdfBlake2s(salt, input, count);
		check(outputs.length === count && equal(Buffer.concat(outputs), expand(blake2s, extract(blake2s, input, salt), undefined, 32 * count)), `HKDF ${count}`);
	}
});

test("ChaCha20-Poly1305 and the NaCl box, both ways, and undefined for a wrong tag", () => {
	const key = randomBytes(32);
	for (const length of [0, 1, 1000]) {
		const plaintext = randomBytes(length);
		const nonce = randomBytes(12);
		const data = randomBytes(20);
		const sealed = addon.aeadSeal(key, nonce, data, plaintext);
		check(equal(sealed, chacha20poly1305(key, nonce, data).encrypt(plaintext)), "seal");
		check(equal(addon.aeadOpen(key, nonce, data, sealed), plaintext), "open");
		sealed[length] ^= 1;
		check(addon.aeadOpen(key, nonce, data, sealed) === undefined, "wrong tag");
		const long = randomBytes(24);
		const box = addon.boxSeal(key, long, plaintext);
		check(equal(box, xsalsa20poly1305(key, long).encrypt(plaintext)), "box");
		check(equal(addon.boxOpen(key, long, box), plaintext), "box open");
		box[3] ^= 1;
		check(addon.boxOpen(key, long, box) === undefined, "wrong box");
	}
	check(addon.aeadOpen(key, randomBytes(12), new Uint8Array(0), new Uint8Array(15)) === undefined, "short");
	check(addon.boxOpen(key, randomBytes(24), new Uint8Array(15)) === undefined, "short box");
	const secret = randomBytes(32);
	const other = x25519.getPublicKey(randomBytes(32));
	const words = (bytes) => new Uint32Array(Uint8Array.from(bytes).buffer);
	const shared = new Uint32Array(8);
	hsalsa(words(Buffer.from("expand 32-byte k")), words(x25519.getSharedSecret(secret, other)), new Uint32Array(4), shared);
	check(equal(addon.boxSharedKey(secret, other), Buffer.from(shared.buffer)), "box key");
});

test("equalBytes, wipe, crc32, monotonicMS; wrong arguments throw a TypeError", async () => {
	check(addon.equalBytes(Buffer.from("abc"), Buffer.from("abc")) && !addon.equalBytes(Buffer.from("abc"), Buffer.from("abd")), "equal");
	check(!addon.equalBytes(Buffer.from("abc"), Buffer.from("ab")) && addon.equalBytes(new Uint8Array(0), new Uint8Array(0)), "lengths");
	const secret = randomBytes(40).subarray(4, 36);
	addon.wipe(secret);
	check(equal(secret, new Uint8Array(32)), "wipe");
	check(addon.crc32(Buffer.from("123456789xx"), 9) === 0xcbf43926, "crc32");
	const before = addon.monotonicMS();
	await sleep(20);
	const passed = addon.monotonicMS() - before;
	check(passed > 15 && passed < 2000, `clock: ${passed}`);
	for (const call of [
		() => addon.x25519(new Uint8Array(31), new Uint8Array(32)),
		() => addon.blake2s("text"),
		() => addon.aeadSeal(new Uint8Array(32), new Uint8Array(11), new Uint8Array(0), new Uint8Array(0)),
		() => addon.hkdfBlake2s(new Uint8Array(32), new Uint8Array(1)),
		() => new addon.Tunnel(),
		() => new addon.Tunnel(new Uint8Array(108), 5),
		() => addon.wipe(new Uint16Array(4)),
	]) {
		let error;
		try {
			call();
		} catch (thrown) {
			error = thrown;
		}
		check(error instanceof TypeError, `no TypeError: ${call}`);
	}
});

const keys = ["client", "server"].map((name) => createHash("sha256").update(name).digest());

/** Two nodes that know each other. */
function pair(on = [{}, {}]) {
	const nodes = keys.map((key, i) => new Node(key, `100.64.0.${i + 1}`, on[i]));
	nodes.forEach((node, i) => {
		node.peer(0, addon.x25519PublicKey(keys[1 - i]), `100.64.0.${2 - i}`, nodes[1 - i].tunnel.port);
	});
	return nodes;
}

/** Sends bytes to the echo of the other node and compares what comes back. */
async function echo(bytes) {
	const on = [{}, {}];
	const [client, server] = pair(on);
	const chunk = new Uint8Array(65536);
	const waiting = [];
	const flush = (socket) => {
		while (waiting.length > 0) {
			const taken = server.tunnel.streamWrite(socket, waiting[0]);
			if (taken < waiting[0].length) {
				waiting[0] = waiting[0].subarray(taken);
				return;
			}
			waiting.shift();
		}
	};
	on[1].readable = (socket) => {
		for (let count = server.tunnel.streamRead(socket, chunk); count > 0; count = server.tunnel.streamRead(socket, chunk)) waiting.push(chunk.slice(0, count));
		flush(socket);
	};
	on[1].writable = flush;
	server.listen(7);
	const data = randomBytes(bytes);
	const got = [];
	let sent = 0;
	let received = 0;
	await new Promise((done, fail) => {
		on[0].writable = (socket) => {
			while (sent < bytes) {
				const taken = client.tunnel.streamWrite(socket, data.subarray(sent));
				if (taken === 0) return;
				sent += taken;
			}
		};
		on[0].readable = (socket) => {
			for (let count = client.tunnel.streamRead(socket, chunk); count > 0; count = client.tunnel.streamRead(socket, chunk)) {
				got.push(chunk.slice(0, count));
				received += count;
			}
			if (received >= bytes) done();
		};
		on[0].closed = () => fail(new Error("closed"));
		client.connect("100.64.0.2", 7);
	});
	check(equal(Buffer.concat(got), data), "what came back differs");
	return [client, server];
}

test("two nodes in one process echo 5 MB exactly, and close with the connection open", async () => {
	for (const node of await echo(5_000_000)) node.tunnel.close();
});

test("a closed tunnel answers every call without harm", () => {
	const { tunnel } = new Node(randomBytes(32), "100.64.0.9", {});
	check(tunnel.port > 0, "port");
	tunnel.close();
	tunnel.close();
	check(tunnel.send(new Uint8Array(8)) === true && tunnel.receive(new Uint8Array(100)) === 0 && tunnel.openSocket() === 0, "calls");
	check(tunnel.streamWrite(65536, new Uint8Array(1)) === 0 && tunnel.streamRead(65536, new Uint8Array(1)) === 0, "streams");
	check(tunnel.derpReceive(1, new Uint8Array(9)) === undefined && tunnel.derpSend(1, new Uint8Array(9)) === 0, "derp");
	tunnel.derpReset(1);
	check(Object.keys(tunnel.counters()).length === 0 && tunnel.port === 0, "counters");
});

test("many nodes at once, opened and closed in any order", () => {
	for (let round = 0; round < 5; round++) {
		const nodes = Array.from({ length: 10 }, (_, i) => new Node(randomBytes(32), `100.64.1.${i}`, {}));
		const ports = new Set(nodes.map((node) => node.tunnel.port));
		check(ports.size === 10, "ports");
		nodes.sort(() => Math.random() - 0.5);
		for (const node of nodes) node.tunnel.close();
	}
});

test("a port that is asked for is bound, or another when it is taken", () => {
	const identity = new Uint8Array(108);
	identity[0] = 1;
	const first = new addon.Tunnel(identity, () => {});
	identity[2] = first.port & 255;
	identity[3] = first.port >> 8;
	const second = new addon.Tunnel(identity, () => {});
	check(second.port !== 0 && second.port !== first.port, "taken");
	const port = first.port;
	first.close();
	const third = new addon.Tunnel(identity, () => {});
	check(third.port === port, "wanted");
	second.close();
	third.close();
});

test("DERP bytes: other frames come back whole, a giant frame breaks the stream until reset", () => {
	const { tunnel } = new Node(randomBytes(32), "100.64.0.9", {});
	const ping = Uint8Array.from([0x12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
	check(tunnel.derpReceive(1, ping.subarray(0, 6)) === undefined && equal(tunnel.derpReceive(1, ping.subarray(6)), ping), "ping");
	check(tunnel.derpReceive(1, Uint8Array.from([5, 0xff, 0, 0, 0])) === -1 && tunnel.derpReceive(1, ping) === -1, "broken");
	tunnel.derpReset(1);
	check(equal(tunnel.derpReceive(1, ping), ping), "reset");
	tunnel.close();
});

const here = new URL("../../bench/native/link.js", import.meta.url).href;

/** Runs a program in a Node of its own. */
function node(program) {
	return spawnSync(process.execPath, ["--input-type=module", "-e", `import { Node } from ${JSON.stringify(here)};\n${program}`], {
		encoding: "utf8",
		timeout: 20_000,
	});
}

const open = `const tunnel = new Node(new Uint8Array(32).fill(7), "100.64.0.1", {}).tunnel;`;

test("the process ends by itself when its nodes are closed, and lives while one is open", () => {
	check(node(`${open} tunnel.close(); console.log("done");`).stdout === "done\n", "ends");
	const alive = node(
		`${open} const start = Date.now(); process.on("exit", () => console.log(Date.now() - start > 250)); setTimeout(() => tunnel.close(), 300).unref();`,
	);
	check(alive.status === 0 && alive.stdout === "true\n", `lives: ${alive.status} ${alive.stdout} ${alive.stderr}`);
});

test("process.exit, an exception and a signal with an open node end cleanly", () => {
	check(node(`${open} process.exit(3);`).status === 3, "exit");
	check(node(`${open} throw new Error("x");`).status === 1, "exception");
	check(node(`${open} process.kill(process.pid, "SIGTERM");`).signal === "SIGTERM", "signal");
});

test("a worker that is ended in the middle closes its node, and others go on", async () => {
	for (let round = 0; round < 5; round++) {
		const worker = new Worker(
			`import(${JSON.stringify(here)}).then(({ Node }) => { globalThis.keep = new Node(new Uint8Array(32).fill(9), "100.64.0.5", {}); process.stdout.write(""); require("node:worker_threads").parentPort.postMessage("open"); });`,
			{ eval: true },
		);
		await new Promise((done, fail) => {
			worker.once("message", done);
			worker.once("error", fail);
		});
		await worker.terminate();
	}
	for (const { tunnel } of await echo(100_000)) tunnel.close();
});

test("an exception in onWake is an uncaught exception, not a crash", () => {
	const result = node(`import { createRequire } from "node:module";
		const nodes = [new Node(new Uint8Array(32).fill(7), "100.64.0.1", {})];
		nodes[0].wake = () => { throw new Error("from onWake"); };
		process.on("uncaughtException", (error) => { console.log(error.message); nodes[0].tunnel.close(); process.exit(0); });
		nodes[0].listen(7);`);
	check(result.status === 0 && result.stdout === "from onWake\n", `${result.status} ${result.stdout} ${result.stderr}`);
});

let passed = 0;
for (const { name, run } of tests) {
	try {
		await run();
		passed++;
		console.log(`ok - ${name}`);
	} catch (error) {
		console.log(`not ok - ${name}\n# ${error.stack}`);
	}
}
console.log(`${passed} passed, ${tests.length - passed} failed`);
process.exitCode = passed === tests.length ? 0 : 1;
