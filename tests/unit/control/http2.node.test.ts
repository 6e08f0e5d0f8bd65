/** Our HTTP/2 client against Node's server (nghttp2): a peer that shares no line with us. Bytes go through memory, cut at random. */
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import { HTTP2Client } from "../../../modules/control/http2.js";
import { describe, expect, Random, test } from "../../harness.js";
import { ascii, cut, latin1 } from "./pieces.js";

class Link {
	readonly client: HTTP2Client;
	readonly server: Http2Server;
	session: ServerHttp2Session | undefined;
	problem = "";
	readonly #duplex: Duplex;

	constructor(onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void, windowBytes = 16384) {
		const random = new Random(1);
		this.client = new HTTP2Client("control.example.com", windowBytes);
		this.server = createServer();
		this.server.on("session", (session) => (this.session = session));
		this.server.on("stream", (stream, headers) => onStream(stream, headers));
		this.#duplex = new Duplex({
			read: () => undefined,
			write: (chunk: Buffer, _encoding, done) => {
				// In a later turn: nghttp2 must not be fed from inside its own output.
				const bytes = Uint8Array.from(chunk);
				setImmediate(() => {
					for (const part of cut(bytes, random, 3000)) this.problem ||= this.client.receive(part);
					this.flush();
					done();
				});
			},
		});
		this.server.emit("connection", this.#duplex);
		this.flush();
	}

	flush(): void {
		const out = this.client.takeOutput();
		if (out) this.#duplex.push(Buffer.from(out));
	}

	ask(method: string, path: string, body: string | Uint8Array = ""): Promise<{ status: number; bytes: number; text: string; error: string }> {
		return new Promise((resolve) => {
			const result = { status: 0, bytes: 0, text: "", error: "" };
			this.client.request(method, path, [["ts-lb", "nodekey:00"]], typeof body === "string" ? ascii(body) : body, {
				onHeaders: (status) => (result.status = status),
				onData: (bytes) => {
					result.bytes += bytes.length;
					if (bytes.length < 100) result.text += latin1(bytes);
				},
				onEnd: (error) => resolve({ ...result, error }),
			});
			this.flush();
		});
	}

	close(): void {
		this.session?.destroy();
		this.server.close();
	}
}

describe("HTTP/2 client and Node's server", () => {
	test("[control 7] receives 1 MB with 16 KiB windows, ten times in a row on one connection", async () => {
		const link = new Link((stream) => {
			stream.respond({ ":status": 200 });
			stream.end(Buffer.alloc(1 << 20));
		});
		for (let i = 0; i < 10; i += 1) {
			const answer = await link.ask("POST", "/machine/map", "{}");
			expect([answer.status, answer.bytes, answer.error]).toEqual([200, 1 << 20, ""]);
		}
		expect(link.problem).toBe("");
		link.close();
	});

	test("[control 9] statuses, header compression and trailers of another implementation are read", async () => {
		const link = new Link((stream, headers) => {
			stream.respond(
				{ ":status": Number(String(headers[":path"]).slice(1)), date: new Date(0).toUTCString(), "x-long": "v".repeat(3000) },
				{ waitForTrailers: true },
			);
			stream.on("wantTrailers", () => stream.sendTrailers({ checksum: "1" }));
			stream.end(`${headers[":method"]} ${headers[":authority"]} ${headers["ts-lb"]}`);
		});
		for (const status of [200, 404, 429, 503]) {
			expect(await link.ask("POST", `/${status}`)).toEqual({ status, bytes: 35, text: "POST control.example.com nodekey:00", error: "" });
		}
		link.close();
	});

	test("[control 10] an endless answer, others beside it, and a large upload", async () => {
		const link = new Link((stream, headers) => {
			const body: Buffer[] = [];
			stream.respond({ ":status": 200 });
			if (headers[":path"] === "/poll") {
				const timer = setInterval(() => stream.write("."), 1);
				stream.on("close", () => clearInterval(timer));
				stream.on("error", () => undefined);
				return;
			}
			stream.on("data", (chunk: Buffer) => body.push(chunk));
			stream.on("end", () => stream.writable && stream.end(String(Buffer.concat(body).length)));
		});
		let polled = 0;
		const id = link.client.request("POST", "/poll", [], new Uint8Array(0), {
			onHeaders: () => undefined,
			onData: (bytes) => (polled += bytes.length),
			onEnd: () => undefined,
		});
		link.flush();
		const answers = await Promise.all([link.ask("POST", "/a", new Uint8Array(300_000)), link.ask("POST", "/b", new Uint8Array(5)), link.ask("HEAD", "/c")]);
		expect(answers.map((answer) => answer.text)).toEqual(["300000", "5", ""]);
		await link.ask("POST", "/d", new Uint8Array(100_000));
		expect(polled > 0).toBe(true);
		link.client.cancel(id);
		link.flush();
		link.close();
	});

	test("[control 8] PING, SETTINGS, RST_STREAM and GOAWAY of another implementation", async () => {
		const link = new Link((stream, headers) => {
			stream.on("error", () => undefined);
			if (headers[":path"] === "/reset") stream.close(2);
			else {
				stream.respond({ ":status": 200 });
				stream.end("ok");
			}
		});
		await link.ask("GET", "/");
		const session = link.session as ServerHttp2Session;
		await new Promise<void>((resolve, reject) => session.ping((error: Error | null) => (error ? reject(error) : resolve())));
		await new Promise<void>((resolve) => session.settings({ initialWindowSize: 1000 }, () => resolve()));
		expect((await link.ask("GET", "/reset")).error).toBe("control reset the request (HTTP/2 error 2)");
		expect((await link.ask("POST", "/", new Uint8Array(5000))).text).toBe("ok");
		session.goaway(0);
		for (let i = 0; i < 100 && !link.client.isGoingAway; i += 1) await new Promise((resolve) => setImmediate(resolve));
		expect(link.client.isGoingAway).toBe(true);
		link.close();
	});
});
