/** The contract of TCP: many bytes, back pressure, connections that change hands. */
import type { TCP } from "../../modules/socket/tcp.js";
import { Random } from "../xs/harness-tools.js";
import { byteAt, type Case, connect, freshPort, holds, listen, type Pair, type Place, pattern, same, take, throws } from "./place.js";

/** Moves bytes both ways in pieces of any size, read in every manner, and compares each. */
async function exchange(place: Place, pair: Pair, total: number, random: Random, mayChangeFormat: boolean): Promise<void> {
	const ends = [
		{ socket: pair.client, told: pair.atClient, sent: 0, received: 0 },
		{ socket: pair.server, told: pair.atServer, sent: 0, received: 0 },
	];
	const takeSome = (end: (typeof ends)[0]): void => {
		const { socket } = end;
		for (let i = 0; i < 4; i += 1) {
			let part: Uint8Array | undefined;
			if (mayChangeFormat && random.below(4) === 0) {
				socket.format = "number";
				const byte = socket.read() as number | undefined;
				part = byte === undefined ? undefined : Uint8Array.of(byte);
				socket.format = "buffer";
			} else if (random.below(2) === 0) {
				const into = new Uint8Array(1 + random.below(3000));
				const count = socket.read(into) as number | undefined;
				part = count === undefined ? undefined : into.subarray(0, count);
			} else {
				const bytes = socket.read() as ArrayBuffer | undefined;
				part = bytes && new Uint8Array(bytes);
			}
			if (!part) return;
			for (let k = 0; k < part.length; k += 1) if (part[k] !== byteAt(end.received + k)) throw new Error(`byte ${end.received + k} differs`);
			end.received += part.length;
		}
	};
	const giveSome = (end: (typeof ends)[0]): void => {
		while (end.sent < total && end.told.writable > 0) {
			const length = Math.min(1 + random.below(2500), end.told.writable, total - end.sent);
			end.told.writable = end.socket.write(pattern(end.sent, length));
			end.sent += length;
			if (random.below(3) === 0) return;
		}
	};
	await place.until(`${total} bytes both ways`, () => {
		for (const end of ends) {
			giveSome(end);
			if (random.below(3) > 0) takeSome(end);
		}
		return ends.every((end) => end.received === total);
	});
	await place.rest();
	same(
		ends.map(({ socket }) => socket.read()),
		[undefined, undefined],
		"no byte more",
	);
}

export const streamCases: Case[] = [
	...[1, 2, 3].map(
		(seed): Case => ({
			name: `100,000 bytes each way arrive byte for byte in pieces of any size, read in every manner (${seed})`,
			async run(place) {
				const pair = await connect(place);
				await exchange(place, pair, 100_000, new Random(seed), seed > 1);
				pair.close();
			},
		}),
	),
	{
		name: "back pressure: who does not read stops the writer; beyond the space told, write throws and sends nothing; reading opens it again, and onWritable says so",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			let sent = 0;
			let quiet = 0;
			await place.until("the writer is stopped", () => {
				quiet += 1;
				while (atClient.writable > 0) {
					const length = Math.min(atClient.writable, 1000);
					atClient.writable = client.write(pattern(sent, length));
					sent += length;
					quiet = 0;
				}
				return quiet > 50;
			});
			await place.rest();
			same(atClient.writable, 0);
			throws(RangeError, () => client.write(Uint8Array.of(1)), "one byte more");
			const calls = atClient.events.length;
			await place.rest();
			same(atClient.events.length, calls, "nothing is told while nothing changes");
			const first = await take(place, server, sent);
			for (let i = 0; i < sent; i += 1) if (first[i] !== byteAt(i)) throw new Error(`byte ${i} differs`);
			await place.until("room again", () => atClient.writable > 0);
			throws(RangeError, () => client.write(new Uint8Array(atClient.writable + 2_000_000)), "more than any room");
			client.write(pattern(sent, atClient.writable));
			same([...(await take(place, server, 1))], [byteAt(sent)], "what was refused was not sent in part");
			pair.close();
		},
	},
	{
		name: "each onWritable tells room that write takes to the last byte",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			let sent = 0;
			let received = 0;
			for (let round = 0; round < 5; round += 1) {
				await place.until("room", () => {
					const part = server.read() as ArrayBuffer | undefined;
					received += part?.byteLength ?? 0;
					return atClient.writable > 0;
				});
				const room = atClient.writable;
				client.write(new Uint8Array(room - 1));
				client.write(new Uint8Array(1));
				sent += room;
				atClient.writable = 0;
			}
			received += (await take(place, server, sent - received)).length;
			same(received, sent);
			pair.close();
		},
	},
	{
		name: "from: the connection moves with unread bytes and what was to be told; the old one is closed and silent",
		async run(place) {
			const pair = await connect(place, { format: "number" });
			const { client, server, atClient } = pair;
			server.write(pattern(0, 10));
			await place.until("10 bytes", () => atClient.readable === 10);
			same(client.read(), byteAt(0));
			const before = atClient.events.length;
			const told = listen();
			told.isInside = true;
			const heir = new place.a.TCP({ from: client, ...told.callbacks });
			told.isInside = false;
			told.socket = heir;
			same([heir.format, heir.remoteAddress, told.events], ["buffer", place.b.v4, []], "the heir");
			throws(SyntaxError, () => client.read(), "the old one");
			throws(SyntaxError, () => new place.a.TCP({ from: client }), "from one that is gone");
			client.close();
			await place.until("what had come is told", () => told.readable === 9 && told.writable > 0);
			same([...(await take(place, heir, 9))], [...pattern(1, 9)]);
			server.write(pattern(10, 3));
			same([...(await take(place, heir, 3))], [...pattern(10, 3)]);
			heir.write(pattern(0, 4));
			same([...(await take(place, server, 4))], [...pattern(0, 4)]);
			server.close();
			await place.until("the end", () => told.ended !== "");
			same([told.ended, atClient.events.length, told.events.some((event) => event.startsWith("("))], ["closed", before, false]);
			heir.close();
			pair.close();
		},
	},
	{
		name: "from: an end that nobody has heard of is told to the heir, after its last byte",
		async run(place) {
			const pair = await connect(place, {}, { onError: undefined });
			const { client, server } = pair;
			client.write(pattern(0, 3));
			client.close();
			await place.rest();
			const told = listen();
			const heir = new place.b.TCP({ from: server, ...told.callbacks });
			await place.until("three bytes", () => told.readable === 3);
			same([...(await take(place, heir, 3))], [...pattern(0, 3)]);
			await place.until("the end", () => told.ended === "closed");
			heir.close();
			pair.close();
		},
	},
	{
		name: "an accepted connection can be answered from its first onReadable: room is told before bytes",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			const listener = new b.Listener({
				port,
				onReadable() {
					const from = this.read();
					if (!from) return;
					new b.TCP({
						from,
						onReadable(count) {
							this.write(this.read(count) as ArrayBuffer);
							this.close();
						},
					});
				},
			});
			await rest();
			for (let i = 0; i < 5; i += 1) {
				const told = listen();
				const client = new a.TCP({
					address: b.v4,
					port,
					...told.callbacks,
					onWritable() {
						if (told.writable === 0) this.write(pattern(i, 7));
						told.writable = 1;
					},
				});
				await until("an answer", () => told.readable === 7);
				same([...new Uint8Array(client.read() as ArrayBuffer)], [...pattern(i, 7)]);
				client.close();
			}
			same(b.reported, []);
			listener.close();
		},
	},
	{
		name: "from: an heir that is closed at once closes the connection, and nothing is told to anybody",
		async run(place) {
			const pair = await connect(place);
			pair.client.write(pattern(0, 3));
			await place.until("three bytes", () => pair.atServer.readable === 3);
			const told = listen();
			const heir = new place.b.TCP({ from: pair.server, ...told.callbacks });
			heir.close();
			await place.until("the client hears", () => pair.atClient.ended !== "");
			same(told.events, []);
			pair.close();
		},
	},
	{
		name: "from: what is no socket of this node is refused, and stays as it was",
		async run(place) {
			const pair = await connect(place);
			for (const wrong of [{}, [], 5, new place.a.Listener({})]) {
				throws(TypeError, () => new place.a.TCP({ from: wrong as never }), String(wrong));
				(wrong as { close?(): void }).close?.();
			}
			throws(TypeError, () => new place.b.TCP({ from: pair.client }), "a socket of another node");
			pair.client.write(pattern(0, 3));
			same([...(await take(place, pair.server, 3))], [...pattern(0, 3)]);
			pair.close();
		},
	},
	{
		name: "a server that answers and closes at once: the answer arrives whole, and then the end",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atServer } = pair;
			client.write(pattern(0, 5));
			await place.until("the question", () => atServer.readable === 5);
			server.read();
			server.write(pattern(0, Math.min(2000, atServer.writable)));
			server.close();
			const answer = await take(place, client, Math.min(2000, atServer.writable));
			holds(answer.length > 0, "an answer");
			await place.until("the end", () => pair.atClient.ended === "closed");
			pair.close();
		},
	},
	{
		name: "as many sockets as there are, used and closed many times over: none is lost",
		async run(place) {
			let last: TCP | undefined;
			for (let round = 0; round < 12; round += 1) {
				const pairs: Pair[] = [];
				for (let i = 0; i < 3; i += 1) pairs.push(await connect(place));
				for (const pair of pairs) pair.client.write(Uint8Array.of(round));
				for (const pair of pairs) same([...(await take(place, pair.server, 1))], [round]);
				for (const pair of pairs) pair.close();
				last = pairs[0]?.client;
				await place.rest();
			}
			throws(SyntaxError, () => last?.read(), "the last one");
		},
	},
];
