/** Streams outside the tailnet: TCP and TLS, each way in which they fail, and which certificates are acceptable (protocol/relay.md §3.3). */
import { type AddressInfo, createServer as createTCPServer, type Server, type Socket } from "node:net";
import { createServer as createTLSServer } from "node:tls";
import { Connection } from "../../../hosts/node/connection.js";
import type { ConnectionOptions, HostError, TLSOptions } from "../../../modules/host-contract.js";
import { describe, expect, test } from "../../harness.js";
import { type Identity, metaCertificate, selfSigned, TestAuthority, withCertificates } from "../../lab/certificates.js";

const day = 86_400_000;
const name = "derp.lab.example";
const root = TestAuthority.create();
const intermediate = root.intermediate();
const good = intermediate.issue({ names: [name] });
const meta = metaCertificate("ab".repeat(32));

async function listen(server: Server): Promise<number> {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return (server.address() as AddressInfo).port;
}

/** "open", or the code of the error; and how many bytes the server got. */
async function attempt(identity: Identity | undefined, tls: TLSOptions | undefined, timeoutMS = 3000): Promise<[string, number]> {
	let bytes = 0;
	const sockets = new Set<Socket>();
	const onSocket = (socket: Socket): void => {
		sockets.add(socket);
		socket.on("data", (data) => (bytes += data.length));
		socket.on("error", () => {});
	};
	const server = identity ? createTLSServer({ cert: identity.chainPEM, key: identity.keyPEM, minVersion: "TLSv1.2" }, onSocket) : createTCPServer(onSocket);
	server.on("tlsClientError", () => {});
	const port = await listen(server);
	const result = await new Promise<string>((resolve) => {
		const connection = new Connection({
			address: "127.0.0.1",
			port,
			...(tls ? { tls } : {}),
			timeoutMS,
			onOpen: () => {
				resolve("open");
				connection.close();
			},
			onData() {},
			onClose: (error) => resolve(error?.code ?? "closed without a reason"),
		});
	});
	for (const socket of sockets) socket.destroy();
	await new Promise((resolve) => server.close(resolve));
	return [result, bytes];
}

const chain: TLSOptions = { serverName: name, certificateName: name, authorities: [root.certificatePEM] };
const pinned = (identity: Identity): TLSOptions => ({ serverName: name, certificateName: name, certificateSHA256: identity.sha256 });

describe("certificates", () => {
	const matrix: [string, Identity, TLSOptions, string][] = [
		["a certificate of an own authority, given by option", good, chain, "open"],
		["the same without the option", good, { serverName: name, certificateName: name }, "certificate"],
		["directly under the root", root.issue({ names: [name] }), chain, "open"],
		["the chain with a meta certificate behind it", withCertificates(good, meta), chain, "open"],
		["a self-signed leaf", selfSigned({ names: [name] }), chain, "certificate"],
		["a self-signed leaf followed by a genuine intermediate", selfSigned({ names: [name] }, [intermediate.certificate]), chain, "certificate"],
		[
			"a self-signed leaf followed by a genuine leaf and its chain",
			selfSigned({ names: [name] }, [good.certificate, intermediate.certificate]),
			chain,
			"certificate",
		],
		[
			"a chain of another authority",
			TestAuthority.create("Other")
				.intermediate()
				.issue({ names: [name] }),
			chain,
			"certificate",
		],
		["another name", intermediate.issue({ names: ["other.example"] }), chain, "certificate"],
		["a name that only begins like it", intermediate.issue({ names: [`${name}.evil.example`] }), chain, "certificate"],
		["the common name alone", intermediate.issue({ names: [], commonName: name }), chain, "certificate"],
		["expired", intermediate.issue({ names: [name], notAfter: new Date(Date.now() - day / 2) }), chain, "certificate"],
		["not valid yet", intermediate.issue({ names: [name], notBefore: new Date(Date.now() + day) }), chain, "certificate"],
		["an address as its name", intermediate.issue({ names: ["127.0.0.1"] }), { certificateName: "127.0.0.1", authorities: [root.certificatePEM] }, "open"],
		[
			"an address that is another",
			intermediate.issue({ names: ["127.0.0.2"] }),
			{ certificateName: "127.0.0.1", authorities: [root.certificatePEM] },
			"certificate",
		],
		["a certificate name that is not the host's", intermediate.issue({ names: ["cert.example"] }), { ...chain, certificateName: "cert.example" }, "open"],
		["not verified, on purpose", selfSigned({ names: ["x.example"] }), { serverName: name, unverified: true }, "open"],
	];
	for (const [what, identity, options, expected] of matrix) {
		test(`${what}: ${expected}`, async () => {
			expect(await attempt(identity, options)).toEqual([expected, 0]);
		});
	}

	test("by its SHA-256: the right one is accepted, with and without a meta certificate; a wrong one, a second one, an expired one, another name are not", async () => {
		const own = selfSigned({ names: [name] });
		expect(await attempt(own, pinned(own))).toEqual(["open", 0]);
		expect(await attempt(withCertificates(own, meta), pinned(own))).toEqual(["open", 0]);
		expect(await attempt(own, pinned(good))).toEqual(["certificate", 0]);
		expect(await attempt(good, pinned(good))).toEqual(["certificate", 0]); // its chain makes two ordinary ones
		const expired = selfSigned({ names: [name], notAfter: new Date(Date.now() - day / 2) });
		expect(await attempt(expired, pinned(expired))).toEqual(["certificate", 0]);
		const other = selfSigned({ names: ["other.example"] });
		expect(await attempt(other, pinned(other))).toEqual(["certificate", 0]);
	});

	test("an own authority is trusted besides the machine's, not instead of them", async () => {
		expect(await attempt(good, { ...chain, authorities: [TestAuthority.create("Third").certificatePEM, root.certificatePEM] })).toEqual(["open", 0]);
	});
});

describe("failures", () => {
	const dial = (options: Partial<ConnectionOptions> & { port: number }): Promise<HostError | undefined> =>
		new Promise((resolve) => {
			new Connection({ address: "127.0.0.1", timeoutMS: 3000, onOpen() {}, onData() {}, onClose: resolve, ...options });
		});

	test("nobody listens: refused; no answer in time: timeout; what is no TLS: tls; an end before it began: closed", async () => {
		const server = createTCPServer((socket) => socket.resume().on("error", () => {}));
		const port = await listen(server);
		expect((await dial({ port, tls: chain, timeoutMS: 60 }))?.code).toBe("timeout");
		server.removeAllListeners("connection");
		server.on("connection", (socket) => socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n"));
		expect((await dial({ port, tls: chain }))?.code).toBe("tls");
		server.removeAllListeners("connection");
		server.on("connection", (socket) => socket.destroy());
		expect((await dial({ port, tls: chain }))?.code).toBe("closed");
		await new Promise((resolve) => server.close(resolve));
		expect((await dial({ port }))?.code).toBe("refused");
	});

	test("an orderly end has no error; bytes go both ways; after close nothing is called", async () => {
		const server = createTCPServer((socket) => socket.pipe(socket));
		const port = await listen(server);
		let text = "";
		const ended = new Promise<HostError | undefined>((resolve) => {
			const connection = new Connection({
				address: "127.0.0.1",
				port,
				timeoutMS: 3000,
				onOpen() {
					expect(connection.localAddress).toBe("127.0.0.1");
					const bytes = new TextEncoder().encode("hello");
					connection.write(bytes);
					bytes.fill(0); // it was copied
				},
				onData(bytes) {
					text += new TextDecoder().decode(bytes);
					if (text === "hello") server.getConnections(() => {});
					for (const socket of sockets) socket.end();
				},
				onClose: resolve,
			});
		});
		const sockets = new Set<Socket>();
		server.on("connection", (socket) => sockets.add(socket));
		expect([await ended, text]).toEqual([undefined, "hello"]);
		let called = 0;
		const connection = new Connection({
			address: "127.0.0.1",
			port,
			timeoutMS: 3000,
			onOpen: () => (called += 1),
			onData: () => (called += 1),
			onClose: () => (called += 1),
		});
		connection.close();
		connection.close();
		connection.write(Uint8Array.of(1));
		await new Promise((resolve) => server.close(resolve));
		expect(called).toBe(0);
	});

	test("everything that was pending is told to have left, however little it was, whatever the system's idea of full is", async () => {
		const results: number[][] = [];
		const lengths = [1, 5000, 20_000, 1_000_000];
		for (const tls of [undefined, chain]) {
			const sockets = new Set<Socket>();
			const onSocket = (socket: Socket): void => void sockets.add(socket.on("error", () => {}).resume());
			const server = tls ? createTLSServer({ cert: good.chainPEM, key: good.keyPEM }, onSocket) : createTCPServer(onSocket);
			const port = await listen(server);
			for (const lengthBytes of lengths) {
				const seen: number[] = [];
				await new Promise<void>((resolve) => {
					const finish = (): void => {
						clearTimeout(timer);
						connection.close();
						resolve();
					};
					const timer = setTimeout(finish, 500);
					const connection = new Connection({
						address: "127.0.0.1",
						port,
						...(tls ? { tls } : {}),
						timeoutMS: 3000,
						onOpen() {
							connection.write(new Uint8Array(lengthBytes));
							seen.push(connection.pendingBytes);
						},
						onData() {},
						onDrain() {
							seen.push(connection.pendingBytes);
							finish();
						},
						onClose() {},
					});
				});
				results.push(seen);
			}
			for (const socket of sockets) socket.destroy();
			await new Promise((resolve) => server.close(resolve));
		}
		// A system that takes the bytes at once leaves nothing pending, and nothing to tell.
		for (const [pending, ...told] of results) expect([pending, ...told]).toEqual(pending === 0 ? [0] : [pending, 0]);
		expect(results.slice(lengths.length).map(([pending]) => pending)).toEqual(lengths);
	}, 20_000);

	test("a stream that is closed while the other side takes nothing is gone after 5 s: a dead way must not collect streams", async () => {
		const sockets = new Set<Socket>();
		const server = createTCPServer({ pauseOnConnect: true }, (socket) => void sockets.add(socket.on("error", () => {})));
		const port = await listen(server);
		const streams = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
		await new Promise((resolve) => setTimeout(resolve, 100));
		const before = streams();
		for (let i = 0; i < 5; i += 1) {
			await new Promise<void>((resolve) => {
				const connection = new Connection({
					address: "127.0.0.1",
					port,
					timeoutMS: 3000,
					onOpen() {
						connection.write(new Uint8Array(30_000_000));
						connection.close();
						resolve();
					},
					onData() {},
					onClose() {},
				});
			});
		}
		await new Promise((resolve) => setTimeout(resolve, 5500));
		const left = streams() - before - sockets.size;
		for (const socket of sockets) socket.destroy();
		await new Promise((resolve) => server.close(resolve));
		expect(left).toBe(0);
	}, 15_000);

	test("what was written before close arrives", async () => {
		const received = new Promise<number>((resolve) => {
			const server = createTCPServer((socket) => {
				let bytes = 0;
				socket.on("data", (data) => (bytes += data.length));
				socket.on("end", () => {
					server.close();
					resolve(bytes);
				});
			});
			void listen(server).then((port) => {
				const connection = new Connection({
					address: "127.0.0.1",
					port,
					timeoutMS: 3000,
					onOpen() {
						connection.write(new Uint8Array(300_000));
						connection.close();
					},
					onData() {},
					onClose() {},
				});
			});
		});
		expect(await received).toBe(300_000);
	});
});
