/** A connection of the tailnet as a Node stream: whatever the connection does, the stream ends with an event, and nothing is thrown past it. */
import { TailnetStream } from "../../../hosts/node/stream.js";
import { TCP, type TCPOptions } from "../../../modules/socket/tcp.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { type FakeNode, fakeNode } from "../socket/fake-node.js";

let node: FakeNode;
beforeEach(() => {
	testing.reset();
	node = fakeNode();
});

const socket = (handle = 1) => node.fake.sockets.get(handle);
async function turn(): Promise<void> {
	for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A stream with what it said. */
function open(): { stream: TailnetStream; events: string[] } {
	class Bound extends TCP {
		constructor(options?: TCPOptions) {
			super(node, options);
		}
	}
	const events: string[] = [];
	const stream = new TailnetStream(Bound, { address: "100.64.0.2", port: 80 });
	for (const name of ["connect", "end", "finish", "close"]) stream.on(name, () => events.push(name));
	stream.on("data", (bytes: Buffer) => events.push(`data ${bytes.length}`));
	stream.on("error", (error: Error & { code?: string }) => events.push(`error ${error.code}`));
	return { stream, events };
}

describe("stream", () => {
	test("bytes both ways, then the end of the other side", async () => {
		const { stream, events } = open();
		node.fake.connect(1, 100);
		stream.write("hello");
		expect(node.fake.outgoing.get(1)?.length).toBe(5);
		node.fake.deliver(1, 1, 2, 3);
		socket()?.closed("remote");
		await turn();
		testing.advance(1);
		await turn();
		expect(events).toEqual(["connect", "data 3", "end"]);
	});

	test("a write after a reset that nobody has heard of yet ends the stream with an error, and is not thrown at the writer", async () => {
		const { stream, events } = open();
		node.fake.connect(1, 100);
		socket()?.closed("reset");
		expect(() => stream.write("hello")).not.toThrow();
		testing.advance(1);
		await turn();
		expect(events).toEqual(["connect", "error reset", "close"]);
		expect(node.fake.sockets.size).toBe(0);
	});

	test("the other side has stopped sending and still reads: what is longer than the space arrives whole", async () => {
		const { stream, events } = open();
		node.fake.connect(1, 10);
		let written = 0;
		stream.write(Buffer.alloc(25, 7), () => (written += 1));
		socket()?.closed("remote");
		testing.advance(1);
		await turn();
		expect([node.fake.outgoing.get(1)?.length, events]).toEqual([10, ["connect", "end"]]);
		socket()?.writable?.(10);
		socket()?.writable?.(10);
		await turn();
		expect([node.fake.outgoing.get(1)?.length, written]).toEqual([25, 1]);
		stream.end();
		await turn();
		expect(events).toEqual(["connect", "end", "finish", "close"]);
	});

	test("the other side has stopped sending, and then breaks: the writer that waits hears of it", async () => {
		const { stream, events } = open();
		node.fake.connect(1, 10);
		stream.write(Buffer.alloc(25, 7));
		socket()?.closed("remote");
		testing.advance(1);
		await turn();
		socket()?.closed("reset");
		testing.advance(1);
		await turn();
		expect(events).toEqual(["connect", "end", "error reset", "close"]);
	});

	test("destroyed in any state it closes its connection, once, and is silent", async () => {
		for (const state of ["connecting", "open", "waiting"]) {
			node = fakeNode();
			const { stream, events } = open();
			if (state !== "connecting") node.fake.connect(1, 10);
			if (state === "waiting") stream.write(Buffer.alloc(25));
			stream.destroy();
			stream.destroy();
			await turn();
			expect([state, events.filter((event) => event !== "connect"), node.fake.sockets.size]).toEqual([state, ["close"], 0]);
		}
	});
});
