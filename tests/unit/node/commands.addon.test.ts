/** The machine interface: commands of one JSON line each, against a node on the lab. */
import { runCommand } from "../../../hosts/node/cli/commands.js";
import { serveEcho, serveStatus } from "../../../hosts/node/cli/services.js";
import { TailnetStream } from "../../../hosts/node/stream.js";
import { describe, expect, test } from "../../harness.js";
import { pair, type StageNode, stage, until } from "./stage.js";

type Answer = Record<string, unknown>;

/** Runs one line. @returns its result, and how often close was asked for */
async function ask(node: StageNode, line: string | Answer): Promise<Answer & { closed: number }> {
	const results: Answer[] = [];
	let closed = 0;
	await runCommand(
		node.tailnet,
		typeof line === "string" ? line : JSON.stringify(line),
		(event) => results.push(event),
		() => (closed += 1),
	);
	expect(results.length).toBe(line === "" ? 0 : 1);
	return { ...(results[0] ?? {}), closed };
}

describe("machine interface", () => {
	test("ping of all four kinds, http, bulk, udp, resolve, peers, self, health, netcheck, memory, rebind: results with their id", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			serveEcho(b.tailnet);
			serveStatus(b.tailnet);
			for (const kind of ["disco", "tsmp", "icmp", "peerapi"]) {
				const answer = await ask(a, { id: kind, do: "ping", peer: "beta", kind });
				expect(answer).toMatchObject({ event: "result", id: kind, ok: true, via: expect.any(String) });
				expect(answer["latencyMS"]).toBeLessThan(1000);
			}
			for (const host of [b.v4, `[${b.v6}]`, "beta", "beta.lab.ts.net"]) {
				const page = await ask(a, { id: 1, do: "http", url: `http://${host}/` });
				expect([host, page["ok"], page["status"], String(page["body"]).slice(0, 15)]).toEqual([host, true, 200, "<!doctype html>"]);
			}
			expect(await ask(a, { do: "http", url: `http://${b.v4}/nothing` })).toMatchObject({ id: null, ok: true, status: 404 });
			for (const [mode, peer] of [
				["echo", b.v4],
				["echo", b.v6],
				["sink", "beta"],
			]) {
				const bulk = await ask(a, { id: 2, do: "bulk", peer, bytes: 300_000, mode });
				expect(bulk).toMatchObject({ ok: true });
				expect(bulk["megabitsPerSecond"]).toBeGreaterThan(0);
			}
			for (const peer of [b.v4, b.v6])
				for (const size of [1, 1200]) expect(await ask(a, { id: 3, do: "udp", peer, port: 7, size, count: 5 })).toMatchObject({ ok: true, received: 5 });
			expect(await ask(a, { id: 4, do: "resolve", name: "BETA" })).toMatchObject({ ok: true, addresses: [b.v4] });
			expect((await ask(a, { id: 5, do: "peers" }))["peers"]).toEqual([expect.objectContaining({ name: "beta.lab.ts.net", address: b.v4 })]);
			expect(await ask(a, { id: 6, do: "self" })).toMatchObject({
				ok: true,
				name: "alpha.lab.ts.net",
				addresses: a.tailnet.addresses,
				state: "running",
				homeRegion: "lab901",
			});
			expect(await ask(a, { id: 7, do: "health" })).toMatchObject({ ok: true, state: "running", warnings: [] });
			const report = await ask(a, { id: 8, do: "netcheck" });
			expect(report).toMatchObject({ ok: true, udp: true, latency: { 901: expect.any(Number) }, latencyV4: { 901: expect.any(Number) } });
			expect(report).toMatchObject({ regions: [{ region: 901, code: "lab901", latencyMS: expect.any(Number) }], portMapping: "" });
			expect(JSON.parse(JSON.stringify(report))).toMatchObject({ latency: { 901: expect.any(Number) }, seenV4: { [String(report["globalV4"])]: 1 } });
			const memory = await ask(a, { id: 9, do: "memory" });
			expect([memory["ok"], Number(memory["heapBytes"]) > 0, typeof memory["counters"]]).toEqual([true, true, "object"]);
			expect(await ask(a, { id: 10, do: "rebind" })).toMatchObject({ ok: true });
			expect(await ask(a, { id: 11, do: "ping", peer: "beta", kind: "tsmp" })).toMatchObject({ ok: true });
		});
	});

	test("what cannot be done is a result with a code and a message, and nothing is thrown", async () => {
		await stage({}, async (_lab, start) => {
			const a = await start("alpha").running();
			const failures: [string | Answer, string, string][] = [
				["{", "argument", "JSON"],
				["5", "argument", "do"],
				["null", "argument", ""],
				[{ do: "nonsense" }, "argument", "nonsense"],
				[{ do: "constructor" }, "argument", "constructor"],
				[{ do: "ping" }, "argument", "peer"],
				[{ do: "ping", peer: "nobody" }, "not-found", "nobody"],
				[{ do: "ping", peer: "100.64.9.9" }, "not-found", "100.64.9.9"],
				[{ do: "ping", peer: a.v4, kind: "smoke" }, "", ""],
				[{ do: "http", url: "ftp://x" }, "argument", "http"],
				[{ do: "http", url: "nonsense" }, "", ""],
				[{ do: "http", url: "http://100.64.9.9/" }, "no-route", ""],
				[{ do: "bulk", peer: "100.64.9.9", bytes: 10 }, "no-route", ""],
				[{ do: "bulk", peer: "100.64.9.9", bytes: "x" }, "argument", "bytes"],
				[{ do: "bulk", peer: "100.64.9.9", bytes: 1, mode: "x" }, "argument", "mode"],
				[{ do: "bulk", peer: "100.64.9.9", bytes: 0 }, "argument", "bytes"],
				[{ do: "bulk", peer: "100.64.9.9", bytes: 1.5 }, "argument", "bytes"],
				[{ do: "udp", peer: "100.64.9.9", port: 7, size: 1233 }, "argument", "size"],
				[{ do: "udp", peer: "100.64.9.9", port: 7, size: 1e12 }, "argument", "size"],
				[{ do: "udp", peer: "100.64.9.9", port: 0, size: 1 }, "argument", "port"],
				[{ do: "udp", peer: "100.64.9.9", port: 7, size: 1, count: -1 }, "argument", "count"],
				[{ do: "resolve", name: "nobody.lab.ts.net" }, "not-found", "nobody"],
			];
			for (const [line, code, text] of failures) {
				const answer = await ask(a, line);
				expect([line, answer["event"], answer["ok"]]).toEqual([line, "result", false]);
				if (code) expect([line, answer["code"]]).toEqual([line, code]);
				expect(String(answer["message"])).toContain(text);
			}
			expect((await ask(a, ""))["closed"]).toBe(0);
			// Nothing of them goes on: no timer that fires later, no socket that stays.
			await new Promise((resolve) => setTimeout(resolve, 50));
			await until("free sockets", () => a.tailnet.counters["socketsUsed"] === 1);
		});
	});

	test("udp of nothing is over at once; where nobody answers it ends in time; and a node that is closed meanwhile ends it", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			expect(await ask(a, { do: "udp", peer: b.v4, port: 9, size: 10, count: 0 })).toMatchObject({ ok: true, received: 0 });
			expect(await ask(a, { do: "udp", peer: b.v4, port: 9, size: 10, count: 3, timeoutMS: 50 })).toMatchObject({ ok: true, received: 0 });
			const questions = [
				ask(a, { do: "udp", peer: b.v4, port: 9, size: 10, count: 3 }),
				ask(a, { do: "bulk", peer: b.v4, port: 9, bytes: 10 }),
				ask(a, { do: "http", url: `http://${b.v4}/` }),
			];
			await new Promise((resolve) => setTimeout(resolve, 0));
			a.tailnet.close();
			for (const answer of await Promise.all(questions)) expect(answer["ok"]).toBe(false);
		});
	});

	test("where no socket is free bulk, udp and http say so, and nothing happens when their time is over", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			const sockets = [];
			while (sockets.length < 5000) {
				try {
					sockets.push(new a.tailnet.UDP());
				} catch {
					break;
				}
			}
			for (const command of [
				{ do: "bulk", peer: b.v4, bytes: 10, timeoutMS: 10 },
				{ do: "udp", peer: b.v4, port: 7, size: 1, timeoutMS: 10 },
				{ do: "http", url: `http://${b.v4}/`, timeoutMS: 10 },
			])
				expect(await ask(a, command)).toMatchObject({ ok: false, code: "full" });
			await new Promise((resolve) => setTimeout(resolve, 50));
		});
	});

	test("http counts the bytes of the page, whatever they are, and shows the first 4,096 characters", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			const page = new Uint8Array(300_000);
			for (let i = 0; i < page.length; i += 1) page[i] = i < 8000 ? 0x61 + (i % 3) : i;
			const { TCP } = b.tailnet;
			new b.tailnet.Listener({
				port: 80,
				onReadable() {
					const stream = new TailnetStream(TCP, this.read() as InstanceType<typeof TCP>);
					stream.on("error", () => {});
					stream.resume();
					stream.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
					stream.end(page);
				},
			});
			const answer = await ask(a, { do: "http", url: `http://${b.v4}/` });
			expect(answer).toMatchObject({ ok: true, status: 200, lengthBytes: 300_000 });
			expect(answer["body"]).toBe(new TextDecoder().decode(page.subarray(0, 4096)));
		});
	});

	test("close answers, then asks for the end; logout ends the node, and asks for the end too", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			expect(await ask(a, { id: "x", do: "close" })).toMatchObject({ id: "x", ok: true, closed: 1 });
			const { nodeKey } = a.atControl;
			expect(await ask(a, { id: "y", do: "logout" })).toMatchObject({ id: "y", ok: true, closed: 1 });
			await until("stopped", () => a.tailnet.state === "stopped");
			expect(lab.control.nodes.byNodeKey(nodeKey)?.expired).toBe(true);
			expect(await ask(a, { id: "z", do: "ping", peer: "beta" })).toMatchObject({ ok: false, code: "closed" });
		});
	});
});
