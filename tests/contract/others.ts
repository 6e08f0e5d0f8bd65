/** The contract of UDP, Listener and Resolver. platform/moddable.md §3.2. */
import type { Resolver } from "../../modules/socket/resolver.js";
import type { TCP } from "../../modules/socket/tcp.js";
import type { UDP } from "../../modules/socket/udp.js";
import { type Case, codeOf, freshPort, holds, listen, pattern, same, take, throws } from "./place.js";

const udpCases: Case[] = [
	{
		name: "UDP: datagrams arrive whole with their sender as own properties, either family, 0 to 1,232 bytes; onReadable counts what waits",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			for (const [to, from] of [
				[b.v4, a.v4],
				[b.v6, a.v6],
			] as const) {
				const counts: number[] = [];
				const socket = new b.UDP({
					port,
					onReadable(packets) {
						holds(this === socket, "this is the socket");
						counts.push(packets);
					},
				});
				const sender = new a.UDP();
				await rest();
				same([socket.port, socket.read()], [port, undefined]);
				holds(sender.port > 0, "a free port was taken");
				for (const length of [0, 1, 1232]) sender.write(pattern(length, length), to, port);
				sender.write(pattern(0, 3).buffer, to, port);
				sender.write(new DataView(pattern(0, 9).buffer, 2, 3), to, port);
				await until("five datagrams", () => counts.at(-1) === 5);
				const texts: string[] = [];
				for (let i = 0; i < 5; i += 1) {
					const datagram = socket.read();
					same([datagram instanceof ArrayBuffer, datagram?.address, datagram?.port], [true, from, sender.port]);
					texts.push(new Uint8Array(datagram as ArrayBuffer).join());
				}
				// UDP keeps no order.
				const sent = [pattern(0, 0), pattern(1, 1), pattern(1232, 1232), pattern(0, 3), pattern(2, 3)];
				same(texts.sort(), sent.map((bytes) => bytes.join()).sort());
				same(socket.read(), undefined);
				sender.close();
				socket.close();
			}
		},
	},
	{
		name: "UDP: an answer from inside onReadable reaches who asked",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			const echo = new b.UDP({
				port,
				onReadable(packets) {
					for (let i = 0; i < packets; i += 1) {
						const datagram = this.read();
						if (datagram) this.write(datagram, datagram.address, datagram.port);
					}
				},
			});
			await rest();
			let answer: ArrayBuffer | undefined;
			const asker = new a.UDP({
				onReadable() {
					answer = this.read();
				},
			});
			asker.write(pattern(0, 500), b.v4, port);
			await until("the answer", () => answer !== undefined);
			same([...new Uint8Array(answer as ArrayBuffer)], [...pattern(0, 500)]);
			asker.close();
			echo.close();
		},
	},
	{
		name: "UDP: options of a wrong form throw and take nothing; others are ignored",
		run({ a }) {
			for (const port of [-1, 65536, 1.5, Number.NaN, "x"]) throws(RangeError, () => new a.UDP({ port: port as number }), `port ${String(port)}`);
			throws(TypeError, () => new a.UDP({ port: Symbol("7") as never }), "port of another type");
			for (const format of ["number", "text", 5]) throws(RangeError, () => new a.UDP({ format } as object), `format ${String(format)}`);
			throws(TypeError, () => new a.UDP({ onReadable: 5 as never }), "onReadable");
			const socket = new a.UDP({ format: "buffer", timeToLive: 5, address: "0.0.0.0", target: "kept", any: 1 } as object);
			same([socket.format, socket.target, Object.isExtensible(socket)], ["buffer", "kept", true]);
			throws(
				RangeError,
				() => {
					socket.format = "number";
				},
				"format number",
			);
			socket.close();
		},
	},
	{
		name: "UDP: write checks address, port, length and type, and sends nothing then",
		async run(place) {
			const { a, b } = place;
			const port = freshPort();
			let seen = 0;
			const socket = new b.UDP({ port, onReadable: (packets) => (seen = packets) });
			const sender = new a.UDP();
			for (const address of ["laptop", "", undefined, 7])
				throws(TypeError, () => sender.write(pattern(0, 1), address as string, port), `to ${String(address)}`);
			for (const wrong of [0, -1, 65536, undefined]) throws(RangeError, () => sender.write(pattern(0, 1), b.v4, wrong as number), `port ${String(wrong)}`);
			throws(TypeError, () => sender.write(pattern(0, 1), b.v4, Symbol("7") as never), "port of another type");
			throws(RangeError, () => sender.write(pattern(0, 1233), b.v4, port), "1,233 bytes");
			for (const wrong of ["text", 5, undefined, Symbol("1")]) throws(TypeError, () => sender.write(wrong as never, b.v4, port), String(wrong));
			await place.rest();
			same(seen, 0);
			sender.close();
			socket.close();
		},
	},
	{
		name: "UDP: nobody reads: the newest 64 are kept, the others counted",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			let seen = 0;
			let calls = 0;
			const socket = new b.UDP({
				port,
				onReadable(packets) {
					calls += 1;
					seen = packets;
				},
			});
			const sender = new a.UDP();
			await rest();
			for (let i = 0; i < 70; i += 1) {
				sender.write(Uint8Array.of(i), b.v4, port);
				const count = i + 1;
				await until(`datagram ${i}`, () => calls === count);
			}
			same([seen, socket.dropped, new Uint8Array(socket.read() as ArrayBuffer)[0]], [64, 6, 6]);
			sender.close();
			socket.close();
		},
	},
	{
		name: "UDP: a port is one socket's until it is closed; close is idempotent, in onReadable too, and everything throws SyntaxError afterwards",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			let called = 0;
			const socket = new b.UDP({
				port,
				onReadable() {
					called += 1;
					this.close();
					this.close();
				},
			});
			same(
				codeOf(() => new b.UDP({ port })),
				"in-use",
			);
			const sender = new a.UDP();
			await rest();
			for (let i = 0; i < 3; i += 1) sender.write(pattern(0, 1), b.v4, port);
			await until("the call", () => called > 0);
			await rest();
			same(called, 1);
			throws(SyntaxError, () => socket.read(), "read");
			throws(SyntaxError, () => socket.write(pattern(0, 1), a.v4, 7), "write");
			new b.UDP({ port }).close();
			sender.close();
		},
	},
	{
		name: "UDP: an exception in onReadable is reported, and the next datagram is told",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			const count = b.reported.length;
			const socket: UDP = new b.UDP({
				port,
				onReadable() {
					this.read();
					throw new Error("of the app");
				},
			});
			const sender = new a.UDP();
			await rest();
			for (let i = 1; i < 3; i += 1) {
				sender.write(pattern(0, 1), b.v4, port);
				await until("a report", () => b.reported.length === count + i);
			}
			b.reported.length = count;
			sender.close();
			socket.close();
		},
	},
];

const listenerCases: Case[] = [
	{
		name: "Listener: the port given, a free one for 0 or none; undefined, a wrong port, format or callback throw",
		run({ a }) {
			const port = freshPort();
			const given = new a.Listener({ port });
			same([given.port, given.format, given.read()], [port, "socket/tcp", undefined]);
			const free = [new a.Listener(), new a.Listener({}), new a.Listener({ port: 0 })];
			holds(new Set(free.map((listener) => listener.port)).size === 3, "free ports differ");
			for (const wrong of [-1, 65536, 1.5, undefined, "x"]) throws(RangeError, () => new a.Listener({ port: wrong as number }), `port ${String(wrong)}`);
			throws(TypeError, () => new a.Listener({ port: Symbol("7") as never }), "port of another type");
			throws(TypeError, () => new a.Listener({ onReadable: 5 as never }), "onReadable");
			throws(RangeError, () => new a.Listener({ format: "buffer" } as object), "format buffer");
			throws(
				RangeError,
				() => {
					given.format = "buffer";
				},
				"format buffer, later",
			);
			given.format = "socket/tcp";
			same(
				codeOf(() => new a.Listener({ port })),
				"in-use",
			);
			for (const listener of [given, ...free]) listener.close();
			new a.Listener({ port }).close();
		},
	},
	{
		name: "Listener: onReadable counts the connections that wait; read gives them in order, as sockets without callbacks that keep what comes",
		async run(place) {
			const { a, b, until } = place;
			const port = freshPort();
			const counts: number[] = [];
			const listener = new b.Listener({
				port,
				target: "kept",
				onReadable(count) {
					holds(this === listener, "this is the listener");
					counts.push(count);
				},
			});
			same(listener.target, "kept");
			await place.rest();
			const clients: TCP[] = [];
			for (let i = 0; i < 3; i += 1) {
				const told = listen();
				const client = new a.TCP({ address: b.v4, port, ...told.callbacks });
				clients.push(client);
				await until("connected", () => told.writable > 0);
				client.write(Uint8Array.of(i, 7));
				await until("counted", () => counts.length === i + 1);
			}
			same(counts, [1, 2, 3]);
			await place.rest();
			for (let i = 0; i < 3; i += 1) {
				const shell = listener.read() as TCP;
				same([shell instanceof b.TCP, shell.format, shell.remoteAddress], [true, "buffer", a.v4]);
				const told = listen();
				const server = new b.TCP({ from: shell, ...told.callbacks });
				await until("what had come", () => told.readable === 2);
				same([...(await take(place, server, 2))], [i, 7], "in the order of their arrival");
				server.close();
			}
			same(listener.read(), undefined);
			for (const client of clients) client.close();
			listener.close();
		},
	},
	{
		name: "Listener: close ends what nobody has read, leaves what was read; idempotent, in onReadable too; read throws SyntaxError afterwards",
		async run({ a, b, until, rest }) {
			const port = freshPort();
			let called = 0;
			let kept: TCP | undefined;
			const listener = new b.Listener({
				port,
				onReadable() {
					called += 1;
					if (called === 1) kept = this.read();
					if (called < 2) return;
					this.close();
					this.close();
				},
			});
			await rest();
			const told = [listen(), listen()];
			const clients: TCP[] = [];
			for (const [i, each] of told.entries()) {
				clients.push(new a.TCP({ address: b.v4, port, ...each.callbacks }));
				await until("heard of", () => called === i + 1);
			}
			await until("the second is ended", () => told[1]?.ended !== "");
			await rest();
			same([called, told[0]?.ended, kept?.remoteAddress], [2, "", a.v4]);
			throws(SyntaxError, () => listener.read(), "read");
			for (const open of [...clients, kept]) open?.close();
			new b.Listener({ port }).close();
		},
	},
];

const resolverCases: Case[] = [
	{
		name: "Resolver: a name of the tailnet, a literal, and one that there is not; never from inside resolve; this is the resolver",
		async run({ a, b, until, rest }) {
			const resolver: Resolver = new a.Resolver({ servers: ["192.0.2.1"], socket: { io: a.UDP } });
			const told: string[] = [];
			const ask = (host: string): void =>
				resolver.resolve({
					host,
					onResolved(name, address) {
						told.push(`${name} ${address} ${this === resolver}`);
					},
					onError(name) {
						told.push(`no ${name} ${this === resolver}`);
					},
				});
			for (const host of [b.name, b.v4, `nobody-${b.name}`]) {
				ask(host);
				same(told, [], "nothing is told yet");
				await until(host, () => told.length > 0);
				same(told.pop(), host.startsWith("nobody") ? `no ${host} true` : `${host} ${b.v4} true`);
			}
			const answers: unknown[] = [];
			resolver.resolve({ host: b.name }, (error, address) => answers.push([error, address]));
			resolver.resolve({ host: `nobody-${b.name}` }, (error) => answers.push((error as { code?: string }).code));
			await until("both", () => answers.length === 2);
			same(answers.map(String).sort(), [`,${b.v4}`, "not-found"]);
			resolver.resolve({ host: b.name });
			resolver.resolve({ host: "nobody" });
			ask(b.name);
			resolver.close();
			resolver.close();
			await rest();
			same(told, [], "nothing is told after close");
			throws(SyntaxError, () => ask(b.name), "resolve after close");
		},
	},
	{
		name: "Resolver: one may close it from its callback, and be told no more",
		async run({ a, b, until, rest }) {
			const resolver = new a.Resolver();
			let called = 0;
			for (let i = 0; i < 3; i += 1)
				resolver.resolve({
					host: b.name,
					onResolved() {
						called += 1;
						this.close();
					},
				});
			await until("the first", () => called > 0);
			await rest();
			same(called, 1);
		},
	},
];

export const otherCases: Case[] = [...udpCases, ...listenerCases, ...resolverCases];
