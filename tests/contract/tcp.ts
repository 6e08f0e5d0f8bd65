/** The contract of TCP: construction, reading, writing, ends. platform/moddable.md §3.2. */
import type { TCP } from "../../modules/socket/tcp.js";
import { type Case, codeOf, connect, freshPort, holds, listen, pattern, same, take, throws } from "./place.js";

const bytesOf = (part: unknown): number[] => [...new Uint8Array(part as ArrayBuffer)];

export const tcpCases: Case[] = [
	{
		name: "options that are not known are ignored: clients spread whole provider objects, with the name that was resolved",
		async run(place) {
			const extra = { host: "laptop", io: place.a.TCP, dns: { io: place.a.Resolver }, secure: {}, keepAlive: 5 };
			const pair = await connect(place, extra as object);
			pair.close();
		},
	},
	{
		name: "an address of either family; the getters tell it as it was given",
		async run(place) {
			const { a, b, until } = place;
			for (const address of [b.v4, b.v6]) {
				const port = freshPort();
				const listener = new b.Listener({ port });
				await place.rest();
				const told = listen();
				const socket = new a.TCP({ address, port, ...told.callbacks });
				same([socket.remoteAddress, socket.remotePort], [address, port]);
				await until(`connected to ${address}`, () => told.writable > 0);
				let shell: TCP | undefined;
				await until("accepted", () => (shell ??= listener.read()) !== undefined);
				same(shell?.remoteAddress, address === b.v4 ? a.v4 : a.v6, "the listener's side");
				holds((shell?.remotePort ?? 0) > 0, "a port of the other side");
				for (const open of [socket, shell, listener]) open?.close();
			}
		},
	},
	{
		name: "without options it is an empty shell: nothing to read, nothing can be written, no callback",
		run({ a }) {
			const shell = new a.TCP();
			same([shell.read(), shell.format], [undefined, "buffer"]);
			same(
				codeOf(() => shell.write(Uint8Array.of(1))),
				"reset",
			);
			shell.close();
			shell.close();
		},
	},
	{
		name: "options of a wrong form throw, and take no socket",
		run({ a, b }) {
			const good = { address: b.v4, port: 80 };
			for (const port of [-1, 0, 65536, 1.5, Number.NaN, undefined, "x"])
				throws(RangeError, () => new a.TCP({ ...good, port: port as number }), `port ${String(port)}`);
			throws(TypeError, () => new a.TCP({ ...good, port: Symbol("80") as never }), "port of another type");
			for (const address of [undefined, "", "laptop", "100.64.0", "100.64.0.256", 7])
				throws(TypeError, () => new a.TCP({ ...good, address: address as string }), `address ${String(address)}`);
			for (const format of ["", "text", "socket/tcp", 5])
				throws(RangeError, () => new a.TCP({ ...good, format: format as string }), `format ${String(format)}`);
			for (const name of ["onReadable", "onWritable", "onError"]) throws(TypeError, () => new a.TCP({ ...good, [name]: 5 }), name);
			for (let i = 0; i < 2000; i += 1) throws(RangeError, () => new a.TCP({ ...good, port: 0 }), "port 0, often");
			new a.TCP(good).close();
		},
	},
	{
		name: "a port may be a text that is a number; callbacks may be null",
		async run(place) {
			const port = freshPort();
			const listener = new place.b.Listener({ port: `${port}` as never });
			same(listener.port, port);
			await place.rest();
			const told = listen();
			const socket = new place.a.TCP({
				address: place.b.v4,
				port: `${port}` as never,
				onReadable: null as never,
				onError: null as never,
				onWritable: told.callbacks.onWritable,
			});
			await place.until("connected", () => told.writable > 0);
			socket.close();
			listener.close();
		},
	},
	{
		name: "instances are extensible, keep their target, and have a constructor that takes connections over",
		async run(place) {
			const target = { any: "thing" };
			const pair = await connect(place, { target });
			const socket = pair.client as TCP & { readable?: number };
			socket.readable = 5;
			same([socket.readable, socket.target === target, pair.server.target], [5, true, undefined]);
			const Constructor = socket.constructor as typeof place.a.TCP;
			const other = new Constructor({ from: socket });
			same([other instanceof place.a.TCP, other.remotePort > 0, other.target], [true, true, undefined]);
			same(socket.target === target, true, "the target of one that was taken over");
			other.close();
			pair.close();
		},
	},
	{
		name: "no callback comes from inside a call of ours: constructor, read, write, close; and each has the socket as this",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient, atServer } = pair;
			for (let round = 0; round < 20; round += 1) {
				for (const told of [atClient, atServer]) told.isInside = true;
				client.write(pattern(0, Math.min(100, atClient.writable)));
				server.write(pattern(0, Math.min(100, atServer.writable)));
				client.read();
				server.read();
				for (const told of [atClient, atServer]) told.isInside = false;
				await place.rest();
			}
			atClient.isInside = true;
			client.close();
			for (const { events } of [atClient, atServer])
				same(
					events.filter((event) => event.startsWith("(")),
					[],
				);
			pair.close();
		},
	},
	{
		name: "read: all there is, an exact count, or into a buffer; undefined when there is nothing",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			same([client.read(), client.read(5), client.read(new Uint8Array(4))], [undefined, undefined, undefined], "nothing there");
			server.write(pattern(0, 20));
			await place.until("20 bytes", () => atClient.readable === 20);
			same(bytesOf(client.read(3)), [...pattern(0, 3)]);
			const room = new Uint8Array(12).fill(255);
			same(client.read(room.subarray(4, 8)), 4);
			same([...room], [255, 255, 255, 255, ...pattern(3, 4), 255, 255, 255, 255], "only the part that was given is written");
			const view = new DataView(new ArrayBuffer(6), 1, 2);
			same(client.read(view), 2);
			same([view.getUint8(0), view.getUint8(1)], [...pattern(7, 2)]);
			same([client.read(new ArrayBuffer(1)), client.read(new Uint16Array(1))], [1, 2]);
			const rest = client.read() as ArrayBuffer;
			same([rest instanceof ArrayBuffer, bytesOf(rest)], [true, [...pattern(12, 8)]]);
			same(client.read(), undefined);
			pair.close();
		},
	},
	{
		name: "read of more than there is, of nothing, or of no number throws, and takes nothing",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			server.write(pattern(0, 4));
			await place.until("4 bytes", () => atClient.readable === 4);
			for (const count of [5, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) throws(RangeError, () => client.read(count), `read(${count})`);
			throws(RangeError, () => client.read(new Uint8Array(0)), "an empty buffer");
			throws(TypeError, () => client.read("4" as never), "a text");
			same(bytesOf(client.read()), [...pattern(0, 4)]);
			pair.close();
		},
	},
	{
		name: "onReadable tells all that read gives now, not what is new",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			server.write(pattern(0, 10));
			await place.until("10 bytes", () => atClient.readable === 10);
			server.write(pattern(10, 5));
			await place.until("15 bytes", () => atClient.readable === 15);
			client.read(15);
			server.write(pattern(15, 1));
			await place.until("one byte", () => atClient.readable === 1);
			pair.close();
		},
	},
	{
		name: "format number: bytes one by one both ways, also turned on and off in the middle; buffers and bytes are not taken for each other",
		async run(place) {
			const pair = await connect(place, { format: "number" });
			const { client, server, atClient } = pair;
			same([client.format, server.format], ["number", "buffer"]);
			for (const byte of [0, 65, 255]) client.write(byte);
			for (const byte of [-1, 256, 1.5, Number.NaN]) throws(RangeError, () => client.write(byte), `write(${byte})`);
			throws(TypeError, () => client.write(Uint8Array.of(1)), "a buffer in format number");
			throws(TypeError, () => client.write(Symbol("1") as never), "no byte");
			same([...(await take(place, server, 3))], [0, 65, 255]);
			throws(TypeError, () => server.write(65), "a byte in format buffer");
			server.write(pattern(0, 300));
			await place.until("300 bytes", () => atClient.readable === 300);
			for (let i = 0; i < 260; i += 1) same(client.read(), pattern(i, 1)[0], `byte ${i}`);
			same(client.read(7), pattern(260, 1)[0], "a count is of no matter");
			client.format = "buffer";
			same(bytesOf(client.read(5)), [...pattern(261, 5)]);
			client.format = "number";
			same(client.read(), pattern(266, 1)[0]);
			client.format = "buffer";
			same(bytesOf(client.read()), [...pattern(267, 33)]);
			throws(
				RangeError,
				() => {
					client.format = "bytes";
				},
				"another format",
			);
			same(client.format, "buffer");
			pair.close();
		},
	},
	{
		name: "write takes any buffer and says what may follow; its second argument is a hint; texts and numbers are refused",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			const space = atClient.writable;
			holds(space >= 1500, "room for what clients build at once, some 1,500 bytes");
			const after = client.write(pattern(0, 3));
			holds(after >= space - 3, "what write returns is what is left, or more");
			client.write(pattern(3, 2).buffer, { more: true });
			client.write(new DataView(pattern(0, 10).buffer, 5, 2));
			client.write(Uint16Array.of(0x201), {});
			client.write(new Uint8Array(0));
			for (const wrong of ["text", 5, undefined, null, {}, [1]]) throws(TypeError, () => client.write(wrong as never), String(wrong));
			same([...(await take(place, server, 9))], [...pattern(0, 5), ...pattern(5, 2), 1, 2]);
			pair.close();
		},
	},
	{
		name: "before the connection is there nothing can be written; the first onWritable says that it is",
		async run(place) {
			const port = freshPort();
			const listener = new place.b.Listener({ port });
			await place.rest();
			const told = listen();
			const socket = new place.a.TCP({ address: place.b.v4, port, ...told.callbacks });
			throws(RangeError, () => socket.write(Uint8Array.of(1)), "before onWritable");
			same([told.events, socket.read()], [[], undefined]);
			await place.until("connected", () => told.writable > 0);
			holds(/^writable \d+$/.test(told.events[0] as string), "onWritable is the first that is told");
			same(socket.write(new Uint8Array(told.writable)) >= 0, true, "all of what was told fits");
			socket.close();
			listener.close();
		},
	},
	{
		name: "bytes that were written before close arrive; then the other side hears of the end, once, after its last byte",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atServer } = pair;
			client.write(pattern(0, 1000));
			client.close();
			await place.until("1,000 bytes", () => atServer.readable === 1000);
			await place.rest();
			same(atServer.ended, "", "told before the last byte was read");
			server.read(999);
			await place.rest();
			same(atServer.ended, "");
			same(bytesOf(server.read()), [...pattern(999, 1)]);
			await place.until("the end", () => atServer.ended !== "");
			await place.rest();
			same([atServer.events.filter((event) => event.startsWith("error")), server.read()], [["error closed"], undefined]);
			pair.close();
		},
	},
	{
		name: "a connection that nobody takes, or that has no way, ends with onError and its reason, and without onError in silence",
		async run(place) {
			for (const [address, port, code] of [
				[place.b.v4, freshPort(), "refused"],
				[place.b.v6, freshPort(), "refused"],
				["100.64.77.77", 80, "no-route"],
			] as const) {
				const told = listen();
				const socket = new place.a.TCP({ address, port, ...told.callbacks });
				const silent = new place.a.TCP({ address, port });
				await place.until(`${address}: its end`, () => told.ended !== "");
				await place.rest();
				same(told.events, [`error ${code}`]);
				same([codeOf(() => socket.write(Uint8Array.of(1))), socket.read(), silent.read()], ["reset", undefined, undefined]);
				socket.close();
				silent.close();
			}
		},
	},
	{
		name: "close: idempotent, nothing is told afterwards, everything else throws SyntaxError",
		async run(place) {
			const pair = await connect(place);
			const { client, server, atClient } = pair;
			server.write(pattern(0, 100));
			await place.until("100 bytes", () => atClient.readable === 100);
			const before = atClient.events.length;
			client.close();
			client.close();
			for (const action of [
				() => client.read(),
				() => client.read(1),
				() => client.write(Uint8Array.of(1)),
				() => client.remoteAddress,
				() => client.remotePort,
				() => client.format,
				() => {
					client.format = "buffer";
				},
				() => new place.a.TCP({ from: client }),
			])
				throws(SyntaxError, action, String(action));
			server.close();
			await place.rest();
			same(atClient.events.length, before);
			pair.close();
		},
	},
	{
		name: "close while the connection is being made: nothing is told, and the socket is free",
		async run(place) {
			const told = listen();
			for (let i = 0; i < 40; i += 1) {
				new place.a.TCP({ address: place.b.v4, port: 9, ...told.callbacks }).close();
				await place.rest();
			}
			same(told.events, []);
		},
	},
	...(["onReadable", "onWritable", "onError"] as const).map(
		(name): Case => ({
			name: `close in ${name} is allowed, and the last that is told`,
			async run(place) {
				let called = 0;
				const other = listen();
				const callbacks = { ...other.callbacks, [name]: closing };
				function closing(this: TCP): void {
					called += 1;
					this.close();
					this.close();
				}
				const pair = await connect(place, { ...callbacks });
				if (name === "onReadable") pair.server.write(pattern(0, Math.min(3000, pair.atServer.writable)));
				if (name === "onError") pair.server.close();
				await place.until("the call", () => called > 0);
				const before = other.events.length;
				await place.rest();
				same([called, other.events.length, place.a.reported], [1, before, []]);
				throws(SyntaxError, () => pair.client.read(), "read afterwards");
				pair.close();
			},
		}),
	),
	{
		name: "an exception in a callback is reported, and the connection lives on",
		async run(place) {
			const count = place.a.reported.length;
			const failing = () => {
				throw new Error("of the app");
			};
			const pair = await connect(place, { onReadable: failing, onWritable: failing });
			pair.server.write(pattern(0, 5));
			await place.until("two reports", () => place.a.reported.length >= count + 2);
			holds(
				place.a.reported.every((text) => text.includes("of the app")),
				"the message is the app's",
			);
			same(bytesOf(pair.client.read()), [...pattern(0, 5)]);
			pair.client.write(pattern(0, 2));
			same([...(await take(place, pair.server, 2))], [...pattern(0, 2)]);
			place.a.reported.length = count;
			pair.close();
		},
	},
	{
		name: "without callbacks a connection works all the same, read and written from outside",
		async run(place) {
			const port = freshPort();
			const listener = new place.b.Listener({ port });
			await place.rest();
			const socket = new place.a.TCP({ address: place.b.v4, port });
			let shell: TCP | undefined;
			await place.until("accepted", () => (shell ??= listener.read()) !== undefined);
			await place.until("written", () => {
				try {
					return shell !== undefined && shell.write(pattern(0, 8)) >= 0;
				} catch (error) {
					if (error instanceof RangeError) return false;
					throw error;
				}
			});
			same([...(await take(place, socket, 8))], [...pattern(0, 8)]);
			for (const open of [socket, shell, listener]) open?.close();
		},
	},
];
