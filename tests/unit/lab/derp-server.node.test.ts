/** The lab's DERP server answers captured client frames as the real server did: protocol/relay.md §3, vectors. */
import { connect as connectTCP } from "node:net";
import { connect as connectTLS } from "node:tls";
import { derpServerReceives } from "../../checks/lab.js";
import { describe, expect, fromHex, test } from "../../harness.js";
import { keyPair } from "../../lab/bytes.js";
import { TestAuthority } from "../../lab/certificates.js";
import { DERPServer, type DERPServerOptions } from "../../lab/derp-server.js";
import { frame } from "../../lab/derp-session.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { Client } from "./derp-client.js";

type Captured = (typeof vectors.connections)[0];
const [a, b, b2] = vectors.connections as [Captured, Captured, Captured];
const keys = keyPair(fromHex(vectors.server.privateKey));
const request = "GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n";

async function withServer(options: DERPServerOptions, run: (server: DERPServer) => Promise<void>): Promise<void> {
	const server = await DERPServer.start({ keys, ...options });
	try {
		await run(server);
	} finally {
		await server.close();
	}
}

const sent = (who: Captured, index: number) => (who.clientToServer[index] as { frame: string }).frame;
const got = (who: Captured, index: number) => (who.serverToClient[index] as { frame: string }).frame;

describe("lab: DERP server", () => {
	test("greets and admits the captured client as the real server did", async () => {
		await withServer({}, async (server) => {
			const client = await Client.login(server, a);
			expect(client.bytes.subarray(0, 34).toString()).toBe("HTTP/1.1 101 Switching Protocols\r\n");
			expect(client.frames[0]).toBe(got(a, 0));
			expect(client.frames[1]?.slice(0, 10)).toBe(got(a, 1).slice(0, 10));
			expect(server.clients(a.clientPublicKey)[0]?.clientInfo).toEqual({ version: 2, CanAckPings: true });
		});
	});

	test("the story of the capture: packets, pongs, unknown peers, two connections of one key, PeerGone", async () => {
		await withServer({}, async (server) => {
			const one = await Client.login(server, a);
			const two = await Client.login(server, b);
			one.send(sent(a, 1), sent(a, 2), sent(a, 3));
			await two.until(() => two.frames.length >= 4);
			expect(two.frames.slice(2)).toEqual([got(b, 2), got(b, 3)]);
			two.send(sent(b, 1));
			await one.until(() => one.frames.length >= 3);
			expect(one.frames[2]).toBe(got(a, 2));
			// Ping, a stray Pong, a packet and five DISCO-looking ones to an unknown key: one Pong, three PeerGone.
			one.send(...[4, 5, 6, 7, 8, 9, 10, 11].map((i) => sent(a, i)));
			await one.until(() => one.frames.length >= 7);
			await one.settle();
			expect(one.frames.slice(3, 7)).toEqual([got(a, 3), got(a, 4), got(a, 5), got(a, 6)]);
			expect(one.frames.length).toBe(8);
			const newer = await Client.login(server, b2);
			one.send(sent(a, 12));
			await newer.until(() => newer.frames.length >= 3);
			expect(newer.frames[2]).toBe(got(b2, 2));
			two.send(sent(b, 2)); // the older connection speaks: it is the active one now
			await one.until(() => one.frames.length >= 9);
			one.send(sent(a, 13));
			await two.until(() => two.frames.length >= 5);
			expect(two.frames[4]).toBe(got(b, 4));
			newer.socket.destroy();
			await one.settle();
			expect(one.frames.filter((text) => text.startsWith("08")).length).toBe(3);
			two.socket.destroy();
			await one.until(() => one.frames.at(-1) === got(a, 9));
			one.send(sent(a, 14));
			await one.settle();
			expect(server.clients(a.clientPublicKey)[0]?.preferred).toBe(false);
		});
	});

	for (const { name, run } of derpServerReceives(vectors)) test(`serverReceives: closes or stays as the real server does: ${name}`, run);

	test("fast start has no HTTP answer; another upgrade, or none, gets 426", async () => {
		await withServer({}, async (server) => {
			const fast = await Client.open(server, "Derp-Fast-Start: 1\r\n");
			fast.send(sent(a, 0));
			await fast.until(() => fast.frames.length >= 2);
			expect(fast.bytes[0]).toBe(1);
			for (const head of ["GET /derp HTTP/1.1\r\nHost: x\r\n\r\n", "GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"]) {
				const socket = connectTCP(server.port, "127.0.0.1");
				const client = new Client(socket);
				socket.write(head);
				await client.until(() => client.bytes.toString().startsWith("HTTP/1.1 426 "));
				socket.destroy();
			}
		});
	});

	test("probe, latency check and captive portal answers", async () => {
		await withServer({}, async (server) => {
			const base = `http://127.0.0.1:${server.port}`;
			const probe = await fetch(`${base}/derp/latency-check`);
			expect([probe.status, await probe.text(), probe.headers.get("access-control-allow-origin")]).toEqual([200, "", "*"]);
			expect((await fetch(`${base}/derp/probe`, { method: "HEAD" })).status).toBe(200);
			expect((await fetch(`${base}/derp/probe`, { method: "POST" })).status).toBe(405);
			const portal = await fetch(`${base}/generate_204`, { headers: { "X-Tailscale-Challenge": "ts_x" } });
			expect([portal.status, portal.headers.get("x-tailscale-response")]).toEqual([204, "response ts_x"]);
			expect((await fetch(`${base}/generate_204`)).headers.get("x-tailscale-response")).toBe(null);
		});
	});

	test("a node that is not admitted sees the end of the stream; a client that does not read loses the oldest packets", async () => {
		await withServer({ admit: (key) => key !== b.clientPublicKey }, async (server) => {
			const client = await Client.open(server);
			client.send(sent(b, 0));
			await client.until(() => client.closed);
			const slow = await Client.login(server, a);
			const session = server.clients(a.clientPublicKey)[0];
			if (!session) throw new Error("no session");
			session.writer.faults.stalled = true;
			for (let i = 0; i < 50; i += 1) session.deliver(b.clientPublicKey, Uint8Array.of(i));
			session.writer.faults.stalled = false;
			session.writer.flush();
			await slow.until(() => slow.frames.length >= 2 + 33);
			// One was being written, 32 waited, the others are gone.
			expect(session.packetsDropped).toBe(17);
			expect(slow.frames.slice(2).map((text) => Number.parseInt(text.slice(-2), 16))).toEqual([0, ...Array.from({ length: 32 }, (_, i) => i + 18)]);
		});
	});

	test("faults: pieces of one byte, a cut in mid-frame, another status, silence, an end after login", async () => {
		await withServer({}, async (server) => {
			server.faults.stream = { pieceBytes: 1 };
			const pieces = await Client.login(server, a);
			expect(pieces.frames[0]).toBe(got(a, 0));
			server.faults.stream = { cutAfterBytes: 200 };
			const cut = await Client.open(server);
			await cut.until(() => cut.bytes.length > 0);
			cut.send(sent(a, 0));
			await cut.until(() => cut.closed);
			expect(cut.bytes.length).toBe(200);
			delete server.faults.stream;
			server.faults.status = 403;
			const refused = await Client.open(server);
			await refused.until(() => refused.closed);
			expect(refused.bytes.toString().slice(0, 12)).toBe("HTTP/1.1 403");
			delete server.faults.status;
			server.faults.closeAfterLogin = true;
			const ended = await Client.login(server, a);
			await ended.until(() => ended.closed);
			server.faults.mute = true;
			const mute = await Client.open(server);
			await new Promise((resolve) => setTimeout(resolve, 50));
			expect([mute.closed, mute.bytes.length]).toEqual([false, 0]);
		});
	});

	test("the same over TLS, with health, restarting and raw bytes pushed by the test", async () => {
		const authority = TestAuthority.create();
		await withServer({ identity: authority.issue({ names: ["derp.example"] }), serverInfo: { TokenBucketBytesPerSecond: 5 } }, async (server) => {
			const socket = connectTLS({ port: server.port, host: "127.0.0.1", servername: "derp.example", ca: [authority.certificatePEM] });
			await new Promise((resolve, reject) => {
				socket.once("secureConnect", resolve);
				socket.once("error", reject);
			});
			const client = new Client(socket);
			socket.write(`${request}\r\n`);
			client.send(sent(a, 0));
			await client.until(() => client.frames.length >= 2);
			const session = server.clients(a.clientPublicKey)[0];
			session?.send(0x14, Buffer.from("ill"));
			session?.sendRaw(frame(0x15, new Uint8Array(8)));
			await client.until(() => client.frames.length >= 4);
			expect(client.frames.slice(2)).toEqual(["1400000003696c6c", "15000000080000000000000000"]);
		});
	});
});
