/** One question to several servers, on time that is passed in: protocol/tunnel.md §7.3. */
import { AnswerCache, MOST_NAMES } from "../../../modules/dns/answer-cache.js";
import { answerReader, type StreamAnswer, streamRequest } from "../../../modules/dns/answer-stream.js";
import { Exchange } from "../../../modules/dns/exchange.js";
import { type DNSServer, parseServer } from "../../../modules/dns/server.js";
import { endpointToText, parseAddress } from "../../../modules/netmap/address.js";
import { describe, expect, test } from "../../harness.js";
import { utf8Decode, utf8Encode } from "../../xs/host.js";
import { a, answer, asked, framed } from "./server.js";

/** An exchange, and what it did: "udp 0", "tcp 1". */
function exchange(...servers: boolean[]) {
	const did: string[] = [];
	const sent: Uint8Array[] = [];
	let id = 100;
	const made = new Exchange(
		{ name: "www.corp.example", type: "A" },
		servers,
		{
			random: () => id++,
			send(server, message) {
				did.push(`udp ${server}`);
				sent[server] = message;
			},
			stream(server, message) {
				did.push(`tcp ${server}`);
				sent[server] = message;
			},
		},
		1000,
	);
	const take = (): string => did.splice(0).join(", ");
	const reply = (server: number, flags?: number) =>
		made.receive(server, answer(sent[server] as Uint8Array, flags === undefined ? [a("www.corp.example", `10.0.0.${server}`)] : [], flags));
	const outcome = (): string => {
		const { outcome: came } = made;
		if (came === undefined) return "open";
		if (came.kind === "addresses") return (came.addresses[0] as Uint8Array).slice(12).join(".");
		return came.kind === "failed" ? came.reason : came.kind;
	};
	return { made, take, reply, outcome, sent };
}

describe("an exchange", () => {
	test("asks all servers at once, again after half a second, by TCP after two, and gives up after ten", () => {
		const { made, take, outcome, sent } = exchange(true, true);
		expect(take()).toBe("udp 0, udp 1");
		expect(sent.map((query) => [asked(query), query[1]])).toEqual([
			["A www.corp.example", 100],
			["A www.corp.example", 101],
		]);
		expect(made.deadline).toBe(1500);
		made.tick(1499);
		expect(take()).toBe("");
		made.tick(1500);
		expect([take(), made.deadline]).toEqual(["udp 0, udp 1", 3000]);
		made.tick(3000);
		expect([take(), made.deadline]).toEqual(["tcp 0, tcp 1", 11000]);
		made.tick(10999);
		expect([take(), outcome()]).toEqual(["", "open"]);
		made.tick(11000);
		expect([outcome(), made.deadline]).toEqual(["timeout", undefined]);
	});

	test("the first good answer wins; no such name is one", () => {
		const first = exchange(true, true);
		first.reply(1);
		first.reply(0);
		expect([first.outcome(), first.made.deadline]).toEqual(["10.0.0.1", undefined]);
		const none = exchange(true, true);
		none.reply(0, 0x8183);
		expect(none.outcome()).toBe("no-such-name");
	});

	test("it has failed when all have: a refusal of one is none of the others", () => {
		const { made, reply, outcome, take } = exchange(true, true);
		reply(0, 0x8185);
		expect(outcome()).toBe("open");
		take();
		made.tick(1500);
		expect(take()).toBe("udp 1");
		reply(1, 0x8182);
		expect(outcome()).toBe("refused");
	});

	test("an answer that was cut off is asked for by TCP at once, and counts no more by UDP", () => {
		const { made, reply, outcome, take } = exchange(true);
		take();
		reply(0, 0x8380);
		expect([take(), outcome()]).toEqual(["tcp 0", "open"]);
		made.tick(3000);
		expect(take()).toBe("");
		reply(0);
		expect(outcome()).toBe("10.0.0.0");
		const failing = exchange(true);
		failing.reply(0, 0x8380);
		failing.made.streamFailed(0);
		expect(failing.outcome()).toBe("refused");
	});

	test("TCP that fails leaves UDP the rest of the time", () => {
		const { made, reply, outcome } = exchange(true);
		made.tick(3000);
		made.streamFailed(0);
		expect(outcome()).toBe("open");
		reply(0);
		expect(outcome()).toBe("10.0.0.0");
	});

	test("a server without datagrams is asked by stream from the beginning, and has failed with it", () => {
		const { made, take, outcome } = exchange(false);
		expect([take(), made.deadline]).toEqual(["tcp 0", 11000]);
		made.streamFailed(0);
		expect(outcome()).toBe("refused");
	});

	test("answers with the id of another server, of no server, or after the end change nothing", () => {
		const { made, sent, outcome, reply } = exchange(true, true);
		made.receive(1, answer(sent[0] as Uint8Array, [a("www.corp.example", "10.6.6.6")]));
		made.receive(7, answer(sent[0] as Uint8Array, [a("www.corp.example", "10.6.6.6")]));
		expect(outcome()).toBe("open");
		made.tick(11000);
		reply(0);
		made.streamFailed(0);
		expect(outcome()).toBe("timeout");
	});

	test("without any server it has failed at once; a name that cannot be asked is refused", () => {
		expect(exchange().outcome()).toBe("refused");
		expect(() => new Exchange({ name: "a..b", type: "A" }, [true], { random: () => 0, send() {}, stream() {} }, 0)).toThrow(RangeError);
	});
});

describe("servers", () => {
	test("addresses with and without port, HTTP by address; nothing else", () => {
		const shown = (text: string): string | undefined => {
			const server = parseServer(text);
			return server && `${endpointToText(server.endpoint)}${server.path ?? ""}`;
		};
		expect(
			["10.0.0.53", "10.0.0.53:5353", "2001:db8::53", "[2001:db8::53]:5353", "http://100.64.0.2:4567/dns-query", "http://[fd7a::2]:80/dns-query"].map(shown),
		).toEqual(["10.0.0.53:53", "10.0.0.53:5353", "[2001:db8::53]:53", "[2001:db8::53]:5353", "100.64.0.2:4567/dns-query", "[fd7a::2]:80/dns-query"]);
		for (const text of [
			"",
			"dns.example",
			"https://dns.example/dns-query",
			"https://192.0.2.1/dns-query",
			"http://dns.example/dns-query",
			"tls://192.0.2.1",
			"10.0.0.53:0x35",
		])
			expect(parseServer(text)).toBe(undefined);
	});
});

describe("answers on a stream", () => {
	const plain = parseServer("10.0.0.53") as DNSServer;
	const http = parseServer("http://100.64.0.2:4567/dns-query") as DNSServer;
	const message = Uint8Array.from({ length: 40 }, (_, i) => i);
	/** Pushes parts. @returns the first result that is none of "more" */
	const push = (server: DNSServer, ...parts: Uint8Array[]): StreamAnswer => {
		const reader = answerReader(server);
		for (const part of parts) {
			const came = reader.push(part);
			if (came !== "more") return came;
		}
		return "more";
	};
	const page = (head: string, body = message): Uint8Array => Uint8Array.from([...utf8Encode(`HTTP/1.1 ${head}\r\n\r\n`), ...body]);

	test("plain: behind its length, cut anywhere", () => {
		expect(streamRequest(plain, message)).toEqual(framed(message));
		const bytes = framed(message);
		for (let cut = 0; cut <= bytes.length; cut += 1) expect(push(plain, bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(message);
		expect(push(plain, bytes.subarray(0, bytes.length - 1))).toBe("more");
		expect(push(plain, Uint8Array.from([0x10, 0]))).toBe("failed"); // 4,096 bytes
		expect(push(plain, Uint8Array.from([0, 0]))).toEqual(new Uint8Array(0));
	});

	test("HTTP: POST of a message, answered by one of the same type", () => {
		expect(utf8Decode(streamRequest(http, utf8Encode("?")))).toBe(
			"POST /dns-query HTTP/1.1\r\nHost: 100.64.0.2:4567\r\nContent-Type: application/dns-message\r\nAccept: application/dns-message\r\nContent-Length: 1\r\nConnection: close\r\n\r\n?",
		);
		const good = page("200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: 40");
		for (let cut = 0; cut <= good.length; cut += 1) expect(push(http, good.subarray(0, cut), good.subarray(cut))).toEqual(message);
		for (const head of [
			"403 Forbidden\r\nContent-Type: application/dns-message\r\nContent-Length: 40",
			"200 OK\r\nContent-Type: text/html\r\nContent-Length: 40",
			"200 OK\r\nContent-Type: application/dns-message",
			"200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: 4096",
		])
			expect(push(http, page(head, new Uint8Array(5000)))).toBe("failed");
	});
});

describe("the cache", () => {
	const addresses = [parseAddress("10.0.0.7") as Uint8Array];

	test("keeps a name for the life that was told, at most ten minutes", () => {
		const cache = new AnswerCache();
		cache.put("a", addresses, 60, 1000);
		cache.put("b", addresses, 86_400, 1000);
		cache.put("c", addresses, 0, 1000);
		expect([cache.get("a", 60_999), cache.get("b", 600_999), cache.get("c", 1000)]).toEqual([addresses, addresses, undefined]);
		expect([cache.get("a", 61_000), cache.get("b", 601_000), cache.size]).toEqual([undefined, undefined, 0]);
	});

	test("is bounded: the name that was not asked for longest gives way", () => {
		const cache = new AnswerCache();
		for (let i = 0; i < MOST_NAMES; i += 1) cache.put(`n${i}`, addresses, 60, 0);
		cache.get("n0", 1);
		cache.put("one more", addresses, 60, 1);
		expect([cache.size, cache.get("n0", 1), cache.get("n1", 1)]).toEqual([MOST_NAMES, addresses, undefined]);
		cache.clear();
		expect(cache.size).toBe(0);
	});
});
