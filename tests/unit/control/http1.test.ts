import { utf8Decode, utf8Encode } from "tailnet/host";
import { answerC2N } from "../../../modules/control/c2n.js";
import { authorityOf, BodyReader, type Head, HeadReader, http1Request, parseURL } from "../../../modules/control/http1.js";
import { UpgradeReader } from "../../../modules/control/upgrade.js";
import { describe, expect, Random, test } from "../../harness.js";
import { ascii, concat, cut, latin1 } from "./pieces.js";

/** Head and body of a message that comes in pieces. */
function read(parts: readonly Uint8Array[], hasEnd = true): { head: Head | undefined; body: string; isDone: boolean; problem: string } {
	const reader = new HeadReader();
	let head: Head | undefined;
	let body: BodyReader | undefined;
	let problem = "";
	for (let part of parts) {
		if (problem) break;
		if (!body) {
			const result = reader.push(part);
			if (result === "more") continue;
			if ("failed" in result) {
				problem = result.failed;
				break;
			}
			head = result.head;
			body = new BodyReader(head, 1000, hasEnd);
			part = part.subarray(result.consumed);
		}
		problem = body.push(part);
	}
	return { head, body: body ? latin1(body.take()) : "", isDone: body?.isDone ?? false, problem };
}

describe("URLs", () => {
	test("http and https URLs are taken apart", () => {
		expect(parseURL("https://controlplane.tailscale.com")).toEqual({ isTLS: true, host: "controlplane.tailscale.com", port: 0, path: "/" });
		expect(parseURL("HTTP://Head.Example:8080/base?x=1#frag")).toEqual({ isTLS: false, host: "head.example", port: 8080, path: "/base?x=1" });
		expect(parseURL("https://[2001:db8::1]:443/")).toEqual({ isTLS: true, host: "2001:db8::1", port: 443, path: "/" });
		expect(parseURL("https://h?x")).toEqual({ isTLS: true, host: "h", port: 0, path: "/?x" });
	});

	test("anything else is not", () => {
		for (const bad of ["", "h", "ws://h", "https://", "https://h:0", "https://h:65536", "https://u:p@h", "https://h/\r\nX: y", "https://h h"])
			expect(parseURL(bad)).toBe(undefined);
	});

	test("the Host header leaves the default port out and puts brackets around IPv6", () => {
		expect([authorityOf("h", 0, 443), authorityOf("h", 443, 443), authorityOf("h", 8443, 443), authorityOf("::1", 80, 443)]).toEqual([
			"h",
			"h",
			"h:8443",
			"[::1]:80",
		]);
	});

	test("a request cannot be broken out of", () => {
		expect(latin1(http1Request("POST", "/x", "h", [["A", "b"]], ascii("body")))).toBe("POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\nbody");
		expect(() => http1Request("GET", "/x\r\nEvil: 1", "h", [])).toThrow("printable");
		expect(() => http1Request("GET", "/x", "h", [["A", "b\r\nEvil: 1"]])).toThrow("printable");
	});
});

describe("HTTP/1.1 answers", () => {
	const fixed = ascii("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y: z: w\r\n\r\nhello, and more");
	const chunked = ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: t\r\n\r\nnext");

	test("are read whole, split at every byte, by length and by chunks", () => {
		for (const message of [fixed, chunked]) {
			for (let at = 0; at <= message.length; at += 1) {
				const got = read([message.slice(0, at), message.slice(at)]);
				expect([got.body, got.isDone, got.problem, got.head?.status]).toEqual(["hello", true, "", 200]);
			}
		}
		expect(read([fixed]).head?.headers.get("x-y")).toBe("z: w");
	});

	test("truncated at every byte, are not complete", () => {
		for (let at = 0; at < fixed.length - 10; at += 1) expect(read([fixed.slice(0, at)]).isDone).toBe(false);
		for (let at = 0; at < chunked.length - 4; at += 1) expect(read([chunked.slice(0, at)]).isDone).toBe(false);
	});

	test("without a length end with the stream; a request without one has no body; 204 has none", () => {
		const toTheEnd = read([ascii("HTTP/1.0 200 OK\r\n\r\nall of it")]);
		expect([toTheEnd.body, toTheEnd.isDone, toTheEnd.problem]).toEqual(["all of it", false, ""]);
		expect(read([ascii("GET / HTTP/1.1\r\n\r\n")], false).isDone).toBe(true);
		expect(read([ascii("HTTP/1.1 204 No Content\r\n\r\n")]).isDone).toBe(true);
	});

	test("can be taken away while they come: each byte once, and the limit is that of all together", () => {
		const head: Head = { startLine: "", headers: new Map([["content-length", "12"]]), status: 200 };
		const body = new BodyReader(head, 10, true);
		const taken: string[] = [];
		for (const piece of ["abc", "", "defgh"]) {
			expect(body.push(utf8Encode(piece))).toBe("");
			taken.push(utf8Decode(body.takeAway()));
		}
		expect([taken, body.take().length]).toEqual([["abc", "", "defgh"], 0]);
		expect(body.push(utf8Encode("ijk"))).not.toBe("");
	});

	test("that are too large or malformed are refused", () => {
		expect(read([ascii(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(1001)}`)]).problem).toBe("an HTTP body of at most 1000 bytes was expected");
		expect(read([ascii(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(17000)}`)]).problem).toBe("an HTTP head of at most 16384 bytes was expected");
		expect(read([ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")]).problem).toBe("an HTTP chunk size was expected");
		expect(read([ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n")]).problem).toBe("the end of an HTTP chunk was expected");
		for (const line of ["HTTP/2 200 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 99 x", "ICY 200 OK"]) expect(read([ascii(`${line}\r\n\r\n`)]).head?.status).toBe(0);
	});

	test("of random bytes never throw", () => {
		const random = new Random(6);
		for (let i = 0; i < 500; i += 1) {
			const bytes = (i % 2 === 0 ? fixed : chunked).slice();
			for (let k = 0; k < 4; k += 1) bytes[random.below(bytes.length)] = random.below(256);
			expect(() => read(cut(random.bytes(100), random, 30))).not.toThrow();
			expect(() => read(cut(bytes, random, 30))).not.toThrow();
		}
	});
});

describe("upgrade", () => {
	const good = ascii("HTTP/1.1 101 Switching Protocols\r\nVia: 1.1 proxy\r\nupgrade: Tailscale-Control-Protocol\r\nConnection: upgrade\r\n\r\n");
	const noise = Uint8Array.of(2, 0, 48, 10, 13, 10);

	test("[control 2] the surplus behind the 101 belongs to Noise, split at every byte", () => {
		const stream = concat(good, noise);
		for (let at = 0; at <= stream.length; at += 1) {
			const reader = new UpgradeReader();
			let last = stream.slice(0, at);
			let result = reader.push(last);
			if (result === "more") result = reader.push((last = stream.slice(at)));
			if (result === "more" || "refused" in result) throw new Error("expected an upgrade");
			const left = at >= good.length ? stream.length - result.consumed : last.length - result.consumed;
			expect(left).toBe(noise.length);
		}
	});

	test("interim answers are passed over, split at every byte, in front of an upgrade and of an answer", () => {
		const interim = ascii("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
		const stream = concat(interim, good, noise);
		const answer = concat(interim, ascii("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
		for (let at = 0; at <= interim.length; at += 1) {
			const reader = new UpgradeReader();
			expect(reader.push(stream.slice(0, at))).toBe("more");
			expect(reader.push(stream.slice(at))).toEqual({ consumed: stream.length - at - noise.length });
			const got = read([answer.slice(0, at), answer.slice(at)]);
			expect([got.head?.status, got.head?.headers.has("link"), got.body]).toEqual([200, false, "ok"]);
		}
	});

	test("[control 5] other answers are refused with what came", () => {
		const refused = (answer: string) => {
			const result = new UpgradeReader().push(ascii(`${answer}\r\n\r\n`));
			return typeof result === "object" && "refused" in result
				? result.refused.replace("no upgrade to tailscale-control-protocol: 101 Switching Protocols was expected, ", "")
				: "";
		};
		expect(refused("HTTP/1.1 200 OK")).toBe('not "HTTP/1.1 200 OK"');
		expect(refused("HTTP/1.1 400 Bad Request\r\nX: 101")).toBe('not "HTTP/1.1 400 Bad Request"');
		expect(refused("HTTP/1.1 301 Moved\r\nLocation: https://h/\u00e9[31m")).toBe("not a redirect (301) to https://h/ [31m");
		expect(refused("HTTP/1.1 101 Switching Protocols")).toBe('not one to ""');
		expect(refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket")).toBe('not one to "websocket"');
		expect(refused("")).toBe('not ""');
	});

	test("[control 5] binary data is refused at its first control character, wherever the head has come to", () => {
		for (let at = 0; at < good.length; at += 1) {
			const result = new UpgradeReader().push(concat(good.slice(0, at), Uint8Array.of(0x15, 3, 1, 0, 0, 2)));
			expect(typeof result === "object" && "refused" in result).toBe(true);
		}
	});

	test("truncated at every byte, it waits; random bytes never throw", () => {
		for (let at = 0; at < good.length; at += 1) expect(new UpgradeReader().push(good.slice(0, at))).toBe("more");
		const random = new Random(8);
		for (let i = 0; i < 500; i += 1) {
			const reader = new UpgradeReader();
			const bytes = good.slice();
			for (let k = 0; k < 4; k += 1) bytes[random.below(bytes.length)] = random.below(256);
			for (const part of cut(bytes, random, 40)) if (reader.push(part) !== "more") break;
		}
	});
});

describe("c2n", () => {
	const ask = (request: string) => latin1(answerC2N(ascii(request)));

	test("[control 29] /echo takes any method, with a length, with chunks, with a query, with an absolute URL", () => {
		for (const request of [
			"PUT /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
			"POST /echo?x=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
			"POST http://unused/echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi and more",
		]) {
			expect(ask(request).endsWith("Content-Length: 2\r\n\r\nhi")).toBe(true);
		}
		expect(ask("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").startsWith("HTTP/1.1 200 OK\r\n")).toBe(true);
	});

	test("[control 29] malformed requests are answered with 400", () => {
		for (const bad of ["", "GET /echo", "GET  HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0", "POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\ncut"]) {
			expect(ask(bad).startsWith("HTTP/1.1 400 ")).toBe(true);
		}
		const random = new Random(12);
		for (let i = 0; i < 200; i += 1) expect(latin1(answerC2N(random.bytes(60))).startsWith("HTTP/1.1 ")).toBe(true);
	});
});
