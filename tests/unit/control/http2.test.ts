import { HTTP2Client } from "../../../modules/control/http2.js";
import {
	ACK,
	CONTINUATION,
	DATA,
	END_HEADERS,
	END_STREAM,
	frame,
	GOAWAY,
	getUint32,
	HEADERS,
	numbersFrame,
	PADDED,
	PING,
	PRIORITISED,
	SETTINGS,
	settingsFrame,
	WINDOW_UPDATE,
} from "../../../modules/control/http2-frames.js";
import { describe, expect, fromHex, Random, test } from "../../harness.js";
import { GO_SETTINGS, HTTP2Server, headerBlock, type ServerRequest } from "./http2-server.js";
import { ascii, concat, cut, latin1 } from "./pieces.js";

/** A handler that writes down what it hears. */
class Heard {
	status = 0;
	retryAfter = "";
	bytes = 0;
	text = "";
	ends: string[] = [];
	readonly keep: boolean;

	constructor(keep = true) {
		this.keep = keep;
	}

	onHeaders(status: number, retryAfter: string): void {
		this.status = status;
		this.retryAfter = retryAfter;
	}

	onData(bytes: Uint8Array): void {
		this.bytes += bytes.length;
		if (this.keep) this.text += latin1(bytes);
	}

	onEnd(error: string): void {
		this.ends.push(error);
	}
}

/** A client and a server that talk until both are silent. */
class Pair {
	readonly client: HTTP2Client;
	readonly server: HTTP2Server;
	readonly requests: ServerRequest[] = [];
	#toClient: Uint8Array[] = [];
	problem = "";

	constructor(windowBytes = 16384, settings?: Uint8Array) {
		this.client = new HTTP2Client("control.example.com", windowBytes);
		this.server = new HTTP2Server(
			(bytes) => this.#toClient.push(bytes.slice()),
			(request) => this.requests.push(request),
			settings,
		);
	}

	/** @param split how the server's bytes are cut */
	talk(split: (bytes: Uint8Array) => Uint8Array[] = (bytes) => [bytes]): void {
		for (;;) {
			const out = this.client.takeOutput();
			if (out) this.server.receive(out);
			const pending = this.#toClient;
			if (!out && pending.length === 0) return;
			this.#toClient = [];
			for (const bytes of pending) for (const part of split(bytes)) this.problem ||= this.client.receive(part);
		}
	}

	post(path: string, body: string | Uint8Array, handler: Heard): ServerRequest {
		this.client.request("POST", path, [], typeof body === "string" ? ascii(body) : body, handler);
		this.talk();
		return this.requests[this.requests.length - 1] as ServerRequest;
	}
}

const frames = (pair: Pair, type: number) => pair.server.frames.filter((each) => each.type === type);

describe("HTTP/2 client", () => {
	test("opens with preface and SETTINGS in one piece: no dynamic table, no push, the window it was given", () => {
		const client = new HTTP2Client("h", 16384);
		const first = client.takeOutput() as Uint8Array;
		expect(latin1(first.slice(0, 24))).toBe("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
		const pair = new Pair();
		pair.talk();
		expect([...pair.server.settings]).toEqual([
			[1, 0],
			[2, 0],
			[4, 16384],
			[6, 16384],
		]);
		expect(frames(pair, WINDOW_UPDATE).length).toBe(0);
		const large = new Pair(1 << 20);
		large.talk();
		expect(getUint32(frames(large, WINDOW_UPDATE)[0]?.payload as Uint8Array, 0)).toBe((1 << 20) - 65535);
	});

	test("a request arrives whole and its answer too", () => {
		const pair = new Pair();
		const heard = new Heard();
		const request = pair.post("/machine/register", '{"Version":131}', heard);
		expect(request.headers.get(":method")).toBe("POST");
		expect(request.headers.get(":authority")).toBe("control.example.com");
		expect(request.json).toEqual({ Version: 131 });
		request.answer(200, '{"MachineAuthorized":true}', [["retry-after", "3"]]);
		pair.talk();
		expect([heard.status, heard.retryAfter, heard.text, heard.ends]).toEqual([200, "3", '{"MachineAuthorized":true}', [""]]);
		expect(pair.client.openStreams).toBe(0);
	});

	test("[control 7] receives 1 MB with 16 KiB windows, ten times in a row on one connection", () => {
		const pair = new Pair(16384);
		const body = new Uint8Array(1 << 20);
		for (let i = 0; i < 10; i += 1) {
			const heard = new Heard(false);
			const request = pair.post("/machine/map", "{}", heard);
			request.head(200);
			request.write(body);
			request.end();
			pair.talk();
			expect([heard.bytes, heard.ends]).toEqual([1 << 20, [""]]);
		}
		expect(pair.problem).toBe("");
		// Batched: an update for half a window of the stream and half a window of the connection, not one a frame.
		expect(frames(pair, WINDOW_UPDATE).length <= 10 * (128 + 33)).toBe(true);
	});

	test("[control 7] bodies of requests given up still refill the connection", () => {
		const pair = new Pair(16384);
		for (let i = 0; i < 20; i += 1) {
			const id = pair.client.request("POST", "/machine/map", [], new Uint8Array(0), new Heard());
			pair.talk();
			const request = pair.requests[i] as ServerRequest;
			request.head(200);
			request.write(new Uint8Array(16384)); // in flight when the client gives up
			pair.client.cancel(id);
			pair.talk();
			expect(request.isReset).toBe(true);
		}
		const heard = new Heard(false);
		const request = pair.post("/after", "", heard);
		request.head(200);
		request.write(new Uint8Array(100_000));
		request.end();
		pair.talk();
		expect(heard.bytes).toBe(100_000);
	});

	test("[control 8] acknowledges SETTINGS and echoes PING", () => {
		const pair = new Pair();
		pair.server.send(frame(PING, 0, 0, ascii("12345678")));
		pair.server.send(settingsFrame([4, 1000]));
		pair.talk();
		expect(frames(pair, SETTINGS).filter((each) => each.flags === ACK).length).toBe(2);
		expect(frames(pair, PING)).toEqual([{ type: PING, flags: ACK, stream: 0, payload: ascii("12345678") }]);
	});

	test("its own PING comes back once", () => {
		const pair = new Pair();
		let pongs = 0;
		pair.client.ping(() => (pongs += 1));
		pair.talk();
		pair.server.send(frame(PING, ACK, 0, new Uint8Array(8)));
		pair.server.send(frame(PING, ACK, 0, new Uint8Array(8)));
		pair.talk();
		expect(pongs).toBe(1);
	});

	test("[control 8] survives unknown frame types, PRIORITY, padding, CONTINUATION and trailers", () => {
		const pair = new Pair();
		const heard = new Heard();
		const { stream } = pair.post("/x", "", heard);
		const block = headerBlock([
			[":status", "200"],
			["x", "y"],
		]);
		pair.server.send(frame(0xfa, 0x55, stream, ascii("whatever")));
		pair.server.send(frame(2, 0, stream, new Uint8Array(5)));
		const padded = concat(Uint8Array.of(3, 0, 0, 0, 0, 16), block.slice(0, 4), new Uint8Array(3));
		pair.server.send(frame(HEADERS, PADDED | PRIORITISED, stream, padded));
		pair.server.send(frame(CONTINUATION, 0, stream, block.slice(4, 9)));
		pair.server.send(frame(CONTINUATION, END_HEADERS, stream, block.slice(9)));
		pair.server.send(frame(DATA, PADDED, stream, concat(Uint8Array.of(2), ascii("body"), new Uint8Array(2))));
		pair.server.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, headerBlock([["trailer", "t"]])));
		pair.talk((bytes) => cut(bytes, new Random(2), 3));
		expect([pair.problem, heard.status, heard.text, heard.ends]).toEqual(["", 200, "body", [""]]);
	});

	test("[control 8] the padding of DATA counts for both windows", () => {
		const pair = new Pair(1000);
		const heard = new Heard();
		const request = pair.post("/x", "", heard);
		request.head(200);
		pair.server.send(frame(DATA, PADDED, request.stream, concat(Uint8Array.of(255), new Uint8Array(745))));
		pair.talk();
		expect(heard.bytes).toBe(490);
		const updates = frames(pair, WINDOW_UPDATE).filter((each) => each.stream === request.stream);
		expect(updates.map((each) => getUint32(each.payload, 0))).toEqual([746]);
	});

	test("interim answers are waited out", () => {
		const pair = new Pair();
		const heard = new Heard();
		const request = pair.post("/x", "", heard);
		request.head(103, [["link", "l"]]);
		request.answer(200, "ok");
		pair.talk();
		expect([heard.status, heard.text]).toEqual([200, "ok"]);
	});

	test("[control 8] RST_STREAM fails that request only", () => {
		const pair = new Pair();
		const first = new Heard();
		const second = new Heard();
		pair.post("/1", "", first).reset(7);
		pair.talk();
		pair.post("/2", "", second).answer(200, "ok");
		pair.talk();
		expect(first.ends).toEqual(["control reset the request (HTTP/2 error 7)"]);
		expect([second.text, second.ends]).toEqual(["ok", [""]]);
	});

	test("[control 8] GOAWAY ends the requests it names, lets the others finish, and allows no new ones", () => {
		const pair = new Pair();
		const first = new Heard();
		const second = new Heard();
		const one = pair.post("/1", "", first);
		pair.post("/2", "", second);
		pair.server.send(numbersFrame(GOAWAY, 0, one.stream, 0));
		pair.talk();
		expect(second.ends).toEqual(["control goes away (HTTP/2 error 0)"]);
		expect(pair.client.isGoingAway).toBe(true);
		expect(pair.client.request("GET", "/3", [], new Uint8Array(0), new Heard())).toBe(0);
		one.answer(200, "still here");
		pair.talk();
		expect([first.text, first.ends]).toEqual(["still here", [""]]);
	});

	test("[control 10] many requests at once are kept apart", () => {
		const pair = new Pair();
		const heard = [1, 2, 3, 4].map(() => new Heard());
		const requests = heard.map((each, i) => pair.post(`/${i}`, `{"i":${i}}`, each));
		for (const request of requests) request.head(200);
		for (let round = 0; round < 3; round += 1) for (const [i, request] of requests.entries()) request.write(ascii(`${i}`));
		for (const request of [...requests].reverse()) request.end();
		pair.talk((bytes) => cut(bytes, new Random(9), 5));
		expect(heard.map((each) => each.text)).toEqual(["000", "111", "222", "333"]);
		expect(requests.map((request) => request.json["i"])).toEqual([0, 1, 2, 3]);
	});

	test("a request body larger than the server's windows waits for them", () => {
		const pair = new Pair(16384, settingsFrame([4, 1000]));
		pair.server.refills = false;
		pair.talk();
		const body = new Random(4).bytes(70_000);
		const heard = new Heard();
		const id = pair.client.request("POST", "/big", [], body, heard);
		pair.talk();
		expect(pair.server.requests.get(id)?.body.length).toBe(1000);
		pair.server.send(numbersFrame(WINDOW_UPDATE, id, 100_000));
		pair.talk();
		expect(pair.server.requests.get(id)?.body.length).toBe(65_535);
		pair.server.send(numbersFrame(WINDOW_UPDATE, 0, 100_000));
		pair.talk();
		expect(pair.server.requests.get(id)?.body).toEqual(body);
		expect(frames(pair, DATA).every((each) => each.payload.length <= 16384)).toBe(true);
	});

	test("a smaller initial window may make an open stream's window negative, and it recovers", () => {
		const pair = new Pair(16384, settingsFrame([4, 2000]));
		pair.server.refills = false;
		pair.talk();
		const id = pair.client.request("POST", "/big", [], new Uint8Array(5000), new Heard());
		pair.talk();
		pair.server.send(settingsFrame([4, 500]));
		pair.server.send(numbersFrame(WINDOW_UPDATE, id, 1000));
		pair.talk();
		expect(pair.server.requests.get(id)?.body.length).toBe(2000);
		pair.server.send(numbersFrame(WINDOW_UPDATE, id, 3500));
		pair.talk();
		expect(pair.server.requests.get(id)?.body.length).toBe(5000);
	});

	test("an early answer stops the upload", () => {
		const pair = new Pair(16384, settingsFrame([4, 10]));
		pair.server.refills = false;
		pair.talk();
		const heard = new Heard();
		const id = pair.client.request("POST", "/big", [], new Uint8Array(5000), heard);
		pair.talk();
		pair.server.requests.get(id)?.answer(400, "no");
		pair.talk();
		expect([heard.status, heard.ends]).toEqual([400, [""]]);
		expect(pair.server.requests.get(id)?.isReset).toBe(true);
	});

	test("a handler may start and cancel requests from inside its callbacks", () => {
		const pair = new Pair();
		const second = new Heard();
		let id = 0;
		const first = new (class extends Heard {
			override onEnd(error: string): void {
				super.onEnd(error);
				id = pair.client.request("GET", "/second", [], new Uint8Array(0), second);
			}

			override onData(bytes: Uint8Array): void {
				super.onData(bytes);
				pair.client.cancel(1); // itself
				this.onEnd("cancelled");
			}
		})();
		pair.post("/first", "", first).answer(200, "data");
		pair.talk();
		pair.server.requests.get(id)?.answer(200, "two");
		pair.talk();
		expect([first.ends, second.text]).toEqual([["cancelled"], "two"]);
	});

	test("close tells every open request once", () => {
		const pair = new Pair();
		const heard = new Heard();
		pair.post("/x", "", heard);
		pair.client.close("gone");
		pair.client.close("again");
		expect(heard.ends).toEqual(["gone"]);
		expect(pair.client.receive(GO_SETTINGS)).toBe("");
	});
});

describe("HTTP/2 client and bad servers", () => {
	const bad: [string, Uint8Array[]][] = [
		["frames before SETTINGS", [frame(PING, 0, 0, new Uint8Array(8))]],
		["HTTP/1.1", [ascii("HTTP/1.1 400 Bad Request\r\n\r\n")]],
		["a frame above 16384 bytes", [GO_SETTINGS, Uint8Array.of(0, 0x40, 1, 0, 0, 0, 0, 0, 1)]],
		["SETTINGS of 5 bytes", [frame(SETTINGS, 0, 0, new Uint8Array(5))]],
		["a window of 2^31", [settingsFrame([4, 0x8000_0000])]],
		["PUSH_PROMISE", [GO_SETTINGS, frame(5, END_HEADERS, 1, new Uint8Array(4))]],
		["HEADERS of a stream we never opened", [GO_SETTINGS, frame(HEADERS, END_HEADERS, 7, headerBlock([[":status", "200"]]))]],
		["DATA of a stream we never opened", [GO_SETTINGS, frame(DATA, 0, 2, new Uint8Array(1))]],
		["another frame inside a header block", [GO_SETTINGS, frame(HEADERS, 0, 1, new Uint8Array(0)), frame(PING, 0, 0, new Uint8Array(8))]],
		["CONTINUATION of nothing", [GO_SETTINGS, frame(CONTINUATION, 0, 1, new Uint8Array(0))]],
		["a bad header block", [GO_SETTINGS, frame(HEADERS, END_HEADERS, 1, fromHex("80"))]],
		["an answer without status", [GO_SETTINGS, frame(HEADERS, END_HEADERS, 1, headerBlock([["x", "y"]]))]],
		["more padding than payload", [GO_SETTINGS, frame(DATA, PADDED, 1, Uint8Array.of(9, 1))]],
		["a connection window above 2^31", [GO_SETTINGS, numbersFrame(WINDOW_UPDATE, 0, 0x7fff_ffff)]],
		["a short GOAWAY", [GO_SETTINGS, numbersFrame(GOAWAY, 0, 0)]],
		["an endless header block", [GO_SETTINGS, frame(HEADERS, 0, 1, new Uint8Array(16000)), frame(CONTINUATION, 0, 1, new Uint8Array(16000))]],
	];

	for (const [what, parts] of bad) {
		test(`ends with a reason and a GOAWAY after ${what}`, () => {
			const client = new HTTP2Client("h", 16384);
			const heard = new Heard();
			client.request("POST", "/x", [], new Uint8Array(0), heard);
			client.takeOutput();
			const problem = client.receive(concat(...parts));
			expect(problem === "").toBe(false);
			expect(client.receive(GO_SETTINGS)).toBe("");
			client.close(problem);
			expect(heard.ends).toEqual([problem]);
			const out = client.takeOutput() as Uint8Array;
			expect(out[out.length - 17 + 3]).toBe(GOAWAY);
		});
	}

	test("a flood of PINGs ends the connection instead of filling the memory", () => {
		const client = new HTTP2Client("h", 16384);
		const ping = frame(PING, 0, 0, new Uint8Array(8));
		expect(client.receive(concat(GO_SETTINGS, ...new Array(2000).fill(ping)))).toBe("a flood of HTTP/2 control frames came");
	});

	/** A whole conversation of the server, as bytes. */
	const conversation = concat(
		GO_SETTINGS,
		frame(SETTINGS, ACK, 0, new Uint8Array(0)),
		frame(HEADERS, END_HEADERS, 1, fromHex("20880f108b1d75d0620d263d4c7441ea")),
		frame(DATA, 0, 1, ascii("hello ")),
		frame(PING, 0, 0, new Uint8Array(8)),
		frame(DATA, PADDED, 1, concat(Uint8Array.of(1), ascii("world"), Uint8Array.of(0))),
		frame(DATA, END_STREAM, 1, new Uint8Array(0)),
	);

	test("split at every byte, the answer is the same", () => {
		for (let at = 0; at <= conversation.length; at += 1) {
			const client = new HTTP2Client("h", 16384);
			const heard = new Heard();
			client.request("POST", "/x", [], new Uint8Array(0), heard);
			expect(client.receive(conversation.slice(0, at)) + client.receive(conversation.slice(at))).toBe("");
			expect([heard.status, heard.text, heard.ends]).toEqual([200, "hello world", [""]]);
		}
	});

	test("truncated at every byte, nothing is made up", () => {
		for (let at = 0; at < conversation.length; at += 1) {
			const client = new HTTP2Client("h", 16384);
			const heard = new Heard();
			client.request("POST", "/x", [], new Uint8Array(0), heard);
			expect(client.receive(conversation.slice(0, at))).toBe("");
			expect("hello world".startsWith(heard.text)).toBe(true);
			expect(heard.ends).toEqual([]);
		}
	});

	test("random bytes, and a conversation with random bytes changed, never throw", () => {
		const random = new Random(31);
		for (let i = 0; i < 2000; i += 1) {
			const client = new HTTP2Client("h", 16384);
			client.request("POST", "/x", [], new Uint8Array(10), new Heard());
			const bytes = i % 2 === 0 ? concat(GO_SETTINGS, random.bytes(80)) : conversation.slice();
			if (i % 2 === 1) for (let k = 0; k < 3; k += 1) bytes[random.below(bytes.length)] = random.below(256);
			expect(() => {
				for (const part of cut(bytes, random, 50)) client.receive(part);
			}).not.toThrow();
		}
	});
});
