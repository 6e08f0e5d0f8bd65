import { keyToText } from "../../../modules/netmap/keys.js";
import { describe, expect, Random, test } from "../../harness.js";
import { testing, x25519PublicKey } from "../../xs/host.js";
import { NodeUnderTest } from "./node-under-test.js";
import { cut } from "./pieces.js";
import { type PortHabit, ScriptedControl } from "./scripted-control.js";

function begin(url?: string, options = {}): { server: ScriptedControl; node: NodeUnderTest } {
	testing.reset();
	return { server: new ScriptedControl(), node: new NodeUnderTest(url, options) };
}

function run(server: ScriptedControl, node: NodeUnderTest): void {
	node.control.start();
	server.pump();
}

describe("to control and back", () => {
	test("[control 2] completes ts2021 when 101, message 2 and the early records come in one segment", () => {
		const { server, node } = begin();
		run(server, node);
		expect(node.states).toEqual(["connecting", "running"]);
		expect(node.control.status.transport).toBe("plain");
		expect(node.control.status.localAddress).toBe("192.0.2.10");
		expect(testing.lines).toEqual([]);
	});

	test("[control 2] and one byte at a time", () => {
		const { server, node } = begin();
		server.split = (bytes) => cut(bytes, new Random(1), 1);
		run(server, node);
		expect(node.control.status.state).toBe("running");
	});

	test("[control 3] works without an early payload", () => {
		for (const largest of [1, 100_000]) {
			const { server, node } = begin();
			server.hasEarlyPayload = false;
			server.split = (bytes) => cut(bytes, new Random(1), largest);
			run(server, node);
			expect(node.control.status.state).toBe("running");
		}
	});

	test("[control 6] /key, Noise header, register and both map requests carry the same version", () => {
		const { server, node } = begin();
		run(server, node);
		expect(server.plain[0]?.split("\r\n")[0]).toBe("GET /key?v=131 HTTP/1.1");
		expect(server.versions).toEqual([131]);
		expect(server.seen.map((seen) => seen.json["Version"])).toEqual([131, 131, 131]);
		expect(server.requests("/machine/register").length).toBe(1);
		expect(server.requests("/machine/map").length).toBe(2);
	});

	test("the upgrade is the one that proxies are configured for", () => {
		const { server, node } = begin("http://192.0.2.1:8080");
		run(server, node);
		const lines = (server.plain[1] as string).split("\r\n");
		expect(lines.slice(0, 4)).toEqual(["POST /ts2021 HTTP/1.1", "Host: 192.0.2.1:8080", "Upgrade: tailscale-control-protocol", "Connection: upgrade"]);
		expect(/^X-Tailscale-Handshake: [A-Za-z0-9+/]{135}=$/m.test((server.plain[1] as string).replace(/\r/g, ""))).toBe(true);
	});

	const failures: [string, PortHabit, string, string][] = [
		["an error frame", "error frame", "control-protocol", 'control refused the Noise handshake: "nope"'],
		["a bad response", "bad response", "control-protocol", "not from the owner of control's key"],
		["101 and the end of the stream", "eof after 101", "control-protocol", "no Noise response came after 101"],
		["101 and silence", "silence after 101", "control-protocol", "no Noise response came after 101"],
		["a redirect", "redirect", "control-protocol", "not a redirect (302) to http://portal.example/login"],
		["something that is not HTTP", "garbage", "control-protocol", 'not "SSH-2.0-dropbear"'],
		["a closed port", "refuse", "control-unreachable", "connection refused (refused)"],
	];
	for (const [what, habit, code, text] of failures) {
		test(`[control 5] ${what} is named, and TLS on 443 is used instead`, () => {
			const { server, node } = begin("https://192.0.2.1");
			node.control.start();
			server.ports.set(80, habit);
			server.pump();
			if (habit === "silence after 101") server.after(2000); // the fallback delay
			expect(node.control.status.state).toBe("running");
			expect(node.control.status.transport).toBe("tls");

			const only = begin("http://192.0.2.1:8080");
			only.server.ports.set(8080, "serve");
			only.server.ports.set(443, habit === "refuse" ? "refuse" : "mute");
			only.node.control.start();
			testing.advance(0);
			only.server.pump(); // with the key known, the port goes bad
			only.server.ports.set(8080, habit);
			only.server.cut();
			only.server.through(30_000);
			const error = only.node.errors.find((each) => each.message.includes(text));
			expect(error?.code).toBe(code);
			only.node.control.close();
		});
	}

	test("[control 5] a bad record ends the session, and the node comes back by itself", () => {
		const { server, node } = begin("http://127.0.0.1:8080");
		server.ports.set(8080, "bad record");
		run(server, node);
		expect(node.errors.map((error) => error.message)).toEqual(["127.0.0.1 port 8080: a Noise record cannot be opened"]);
		server.ports.set(8080, "serve");
		server.after(200);
		expect(node.control.status.state).toBe("running");
		expect(node.control.status.error).toBe(undefined);
	});

	test("a server that says nothing after the handshake is given up after 10 s", () => {
		const { server, node } = begin("http://127.0.0.1:8080");
		server.ports.set(8080, "no HTTP/2");
		server.hasEarlyPayload = false;
		run(server, node);
		server.after(10_001);
		expect(node.errors.map((error) => error.message)).toEqual(["127.0.0.1:8080: no HTTP/2 SETTINGS came"]);
		node.control.close();
	});

	test("a silent port 80 does not delay TLS by more than the fallback delay", () => {
		const { server, node } = begin("https://192.0.2.1", { fallbackDelayMS: 500 });
		server.ports.set(80, "mute");
		run(server, node);
		expect(node.control.status.phase).toBe("dialling");
		server.after(500);
		expect(node.control.status.transport).toBe("tls");
		expect(testing.connections.filter((each) => each.options.port === 80).every((each) => each.isClosed)).toBe(true);
	});

	test("a plaintext session that dies within 2 min makes the next one TLS", () => {
		const { server, node } = begin("https://192.0.2.1");
		run(server, node);
		expect(node.control.status.transport).toBe("plain");
		server.cut();
		server.after(500);
		expect(node.control.status.transport).toBe("tls");
		expect(testing.connections.filter((each) => each.options.port === 80).length).toBe(1);
	});

	for (const [what, path, limitMS] of [
		["registration", "/machine/register", 30_000],
		["map poll", "/machine/map", 120_000],
	] as const) {
		test(`a plaintext session that swallows the ${what} makes the next one TLS`, () => {
			const { server, node } = begin("https://192.0.2.1");
			server.script = (seen) => seen.path === path && !seen.session.connection.options.tls;
			run(server, node);
			expect(node.control.status.transport).toBe("plain");
			server.through(limitMS + 1000);
			expect([node.control.status.transport, node.control.status.state]).toEqual(["tls", "running"]);
			expect(testing.connections.filter((each) => each.options.port === 80).length).toBe(1);
		});
	}

	test("a server that says no, or a plaintext session that falls silent after a long life, does not make the next one TLS", () => {
		const { server, node } = begin("https://192.0.2.1");
		server.script = (seen) => {
			const isBusy = seen.path === "/machine/register" && server.seen.length < 3;
			if (isBusy) seen.request.answer(503, "busy");
			return isBusy;
		};
		run(server, node);
		server.through(5000);
		expect([node.control.status.transport, node.control.status.state]).toEqual(["plain", "running"]);
		server.through(60_000);
		server.send({ KeepAlive: true });
		server.through(70_000);
		server.send({ KeepAlive: true });
		server.through(122_000);
		expect([node.control.status.transport, node.errors.at(-1)?.message]).toEqual(["plain", "no map message for 120 s"]);
		expect(testing.connections.filter((each) => each.options.port === 443).length).toBe(1); // of /key
	});

	test("TLS is always verified: the authorities of the app, the host's name, and a refusal has a name of its own", () => {
		const { server, node } = begin("https://192.0.2.1:8443", { authorities: ["PEM"] });
		server.ports.set(8443, "certificate");
		run(server, node);
		expect(testing.connections.length).toBe(1);
		expect(testing.connections[0]?.options.tls).toEqual({ authorities: ["PEM"] });
		expect(node.codes).toEqual(["certificate"]);
		expect(node.control.status.state).toBe("connecting");
		node.control.close();
	});

	test("host names are resolved; their addresses are tried in turn", async () => {
		const { server, node } = begin("https://control.example.com:8443");
		testing.names.set("control.example.com", ["192.0.2.7", "192.0.2.8"]);
		node.control.start();
		server.pump();
		await testing.settle();
		const [first] = testing.connections;
		expect([first?.options.address, first?.options.tls?.serverName]).toEqual(["192.0.2.7", "control.example.com"]);
		first?.closed({ code: "unreachable", message: "no route" });
		server.pump();
		expect(testing.connections[1]?.options.address).toBe("192.0.2.8");
		for (let i = 0; i < 5; i += 1) {
			await testing.settle();
			server.pump();
		}
		expect(node.control.status.state).toBe("running");
		node.control.close();
	});

	test("a name that does not exist is an error with its code, and no rejection is left alone", async () => {
		const { server, node } = begin("https://nowhere.example");
		node.control.start();
		server.pump();
		await testing.settle();
		expect(node.errors.map((error) => `${error.code} ${error.message}`)).toEqual([
			"control-unreachable nowhere.example port 443: no address for nowhere.example (not-found)",
		]);
		node.control.close();
		expect(testing.timers).toBe(0);
	});

	for (const [what, answer, text] of [
		["an empty body", "", 'not ""'],
		["a page", "<html>sign in</html>", 'not "<html>sign in</html>"'],
		["a bare key of 2021", "ab".repeat(32), "from before 2022"],
		["a zero key", JSON.stringify({ publicKey: `mkey:${"0".repeat(64)}` }), "too old"],
		["no key", '{"legacyPublicKey":"mkey:00"}', "without a publicKey"],
	] as const) {
		test(`/key with ${what} is named`, () => {
			const { server, node } = begin("http://127.0.0.1:8080");
			server.keyAnswer = answer;
			run(server, node);
			expect(node.codes).toEqual(["control-key"]);
			expect(node.errors[0]?.message.includes(text)).toBe(true);
			node.control.close();
		});
	}

	test("the key is fetched again when a handshake has failed after 101: another server may live there now", () => {
		const { server, node } = begin("http://127.0.0.1:8080");
		run(server, node);
		const keys = () => server.plain.filter((head) => head.startsWith("GET /key")).length;
		server.cut();
		server.after(500);
		expect(keys()).toBe(1);
		server.ports.set(8080, "eof after 101");
		server.cut();
		server.through(3000);
		server.ports.set(8080, "serve");
		server.through(5000);
		expect(keys() > 1).toBe(true);
		expect(node.control.status.state).toBe("running");
	});

	test("failures follow each other ever more slowly, without an end, and equal ones are told once", () => {
		const { server, node } = begin("http://127.0.0.1:8080");
		server.ports.set(8080, "refuse");
		run(server, node);
		server.through(10_000);
		const early = testing.connections.length;
		expect(early > 4 && early < 30).toBe(true);
		server.through(300_000);
		const later = testing.connections.length;
		server.through(300_000);
		expect(testing.connections.length - later >= 9).toBe(true); // every 30 s at most
		expect(testing.connections.length - later <= 20).toBe(true);
		expect(node.errors.length).toBe(1);
		server.ports.set(8080, "serve");
		server.through(31_000);
		expect(node.control.status.state).toBe("running");
	});

	test("close() ends every stream and timer, and nothing is heard afterwards", () => {
		for (const habit of ["serve", "mute", "no HTTP/2", "refuse"] as const) {
			const { server, node } = begin("https://192.0.2.1");
			server.ports.set(80, habit);
			server.ports.set(443, habit);
			run(server, node);
			const heard = node.states.length;
			node.control.close();
			node.control.close();
			expect(testing.timers).toBe(0);
			expect(testing.connections.every((connection) => connection.isClosed)).toBe(true);
			testing.advance(1_000_000);
			expect(node.states.length).toBe(heard);
			expect(node.control.status.state).toBe("stopped");
		}
	});

	test("callbacks are never called from inside start()", () => {
		const { node } = begin();
		node.control.start();
		expect(node.states).toEqual([]);
		node.control.close();
	});

	test("reconnect() leaves the old session at once", () => {
		const { server, node } = begin();
		run(server, node);
		node.control.reconnect();
		expect(testing.connections.every((connection) => connection.isClosed)).toBe(true);
		server.pump();
		expect([node.control.status.sessions, node.control.status.state, node.codes.length]).toEqual([2, "running", 0]);
	});

	test("an unusable control URL or key is refused at once", () => {
		for (const url of ["", "control", "ftp://x", "https://", "https://h:99999", "https://user:secret@h"]) expect(() => new NodeUnderTest(url)).toThrow("URL");
		expect(() => new NodeUnderTest("https://h", { machinePrivateKey: new Uint8Array(31) })).toThrow("32 bytes");
	});

	test("no private key and no auth key is in anything that was logged or told", () => {
		const { server, node } = begin("http://127.0.0.1:8080");
		for (const habit of ["refuse", "eof after 101", "bad record", "serve"] as const) {
			server.ports.set(8080, habit);
			if (habit === "refuse") run(server, node);
			else server.cut();
			server.through(3000);
		}
		const told = JSON.stringify([testing.lines, node.states, node.errors.map(String), node.control.status, String(node.control)]);
		for (const secret of ["tskey", keyToText("privkey:", node.machinePrivateKey).slice(8), keyToText("privkey:", node.nodePrivateKey).slice(8)]) {
			expect(told.includes(secret)).toBe(false);
		}
		expect(JSON.stringify(node.control)).toBe("{}");
		expect(x25519PublicKey(node.machinePrivateKey).length).toBe(32);
		node.control.close();
	});
});
