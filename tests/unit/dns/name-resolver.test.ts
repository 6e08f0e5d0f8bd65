/** Split DNS with its sockets, on a tunnel that the test plays: who is asked, by which way, and what comes of it. protocol/tunnel.md §7.3, §7.4 */
import { NameResolver } from "../../../modules/name-resolver.js";
import { addressToText, isTailnetAddress, parseAddress } from "../../../modules/netmap/address.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { type Connection, testing } from "../../xs/host.js";
import { firstMessage, type JSONObject, Lab, node, selfNode } from "../netmap/fixtures.js";
import { fakeNode } from "../socket/fake-node.js";
import { a, aaaa, answer, asked, cname, framed } from "./server.js";

beforeEach(() => testing.reset());

const dns: JSONObject = {
	Proxied: true,
	Domains: ["example.ts.net", "corp.example"],
	Routes: {
		"corp.example": [{ Addr: "100.64.0.2" }],
		"lan.example": [{ Addr: "192.0.2.53" }, { Addr: "198.51.100.53:5353" }],
		"odd.example": [{ Addr: "https://dns.example/dns-query" }],
	},
};

/** A resolver over a map, and what it asked. */
function stage(config: JSONObject = dns, options: { exitNode?: string } = {}) {
	const lab = new Lab(options);
	const peers = [node(2, { Name: "bob.example.ts.net." }), node(3, { Name: "exit.example.ts.net.", AllowedIPs: ["100.64.0.3/32", "0.0.0.0/0"] })];
	lab.feed({ ...firstMessage(peers), Node: selfNode({ Name: "me.example.ts.net.", Addresses: ["100.64.0.1/32"] }), DNSConfig: config });
	const of = fakeNode();
	const resolver = new NameResolver(of, lab.netmap.names, (address) => options.exitNode !== undefined || isTailnetAddress(address));
	/** Queries sent by UDP since the last call: socket, whom, what. */
	const queries = () =>
		of.fake.calls
			.splice(0)
			.filter(([name]) => name === "udpSend")
			.map(([, socket, address, port, query]) => ({
				socket: socket as number,
				to: `${addressToText(address as Uint8Array)}:${port}`,
				query: query as Uint8Array,
				what: asked(query as Uint8Array),
			}));
	const deliver = (socket: number, from: string, message: Uint8Array, port = 53) =>
		of.fake.sockets.get(socket)?.received?.(parseAddress(from) as Uint8Array, port, message);
	return { lab, of, resolver, queries, deliver };
}

/** How a question ends. */
const ending = (promise: Promise<string[]>): Promise<string> =>
	promise.then(
		(addresses) => addresses.join(" "),
		(error: { code: string }) => error.code,
	);

describe("split DNS", () => {
	test("a resolver inside the tailnet is asked through it, for both families, and IPv4 comes first", async () => {
		const { of, resolver, queries, deliver } = stage();
		const came = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		expect(of.fake.calls[0]?.[3]).toBe(false); // udpBind: not outside
		const [four, six] = queries();
		expect([four?.to, four?.what, six?.to, six?.what]).toEqual(["100.64.0.2:53", "A db.corp.example", "100.64.0.2:53", "AAAA db.corp.example"]);
		deliver(six!.socket, "100.64.0.2", answer(six!.query, [aaaa("db.corp.example", 7)]));
		deliver(four!.socket, "100.64.0.2", answer(four!.query, [a("db.corp.example", "10.1.0.7")]));
		expect(await came).toBe("10.1.0.7 2001:db8::7");
		expect([of.fake.sockets.size, of.ports.udp.take(40000)]).toEqual([0, 40000]);
	});

	test("one outside is asked on the network below, all of a route at the same time", async () => {
		const { of, resolver, queries, deliver } = stage();
		const came = ending(resolver.resolve("nas.lan.example."));
		await testing.settle();
		expect(of.fake.calls[0]).toEqual(["udpBind", 1, 0, true]);
		const sent = queries();
		expect(sent.map(({ to, what }) => `${to} ${what}`)).toEqual([
			"192.0.2.53:53 A nas.lan.example",
			"198.51.100.53:5353 A nas.lan.example",
			"192.0.2.53:53 AAAA nas.lan.example",
			"198.51.100.53:5353 AAAA nas.lan.example",
		]);
		deliver(1, "198.51.100.53", answer(sent[1]!.query, [a("nas.lan.example", "10.2.0.1")]), 5353);
		deliver(1, "198.51.100.53", answer(sent[3]!.query, []), 5353);
		expect(await came).toBe("10.2.0.1");
	});

	test("what comes from another address or port is no answer", async () => {
		const { resolver, queries, deliver } = stage();
		const came = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		const [four, six] = queries();
		const forged = answer(four!.query, [a("db.corp.example", "10.6.6.6")]);
		deliver(four!.socket, "100.64.0.3", forged);
		deliver(four!.socket, "100.64.0.2", forged, 54);
		deliver(six!.socket, "100.64.0.2", answer(six!.query, []));
		deliver(four!.socket, "100.64.0.2", answer(four!.query, [a("db.corp.example", "10.1.0.7")]));
		expect(await came).toBe("10.1.0.7");
	});

	test("the other family is waited for 50 ms, no longer", async () => {
		const { resolver, queries, deliver } = stage();
		const came = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		const [four] = queries();
		deliver(four!.socket, "100.64.0.2", answer(four!.query, [a("db.corp.example", "10.1.0.7")]));
		let isOver = false;
		void came.then(() => {
			isOver = true;
		});
		testing.advance(49);
		await testing.settle();
		expect(isOver).toBe(false);
		testing.advance(1);
		expect(await came).toBe("10.1.0.7");
	});

	test("nobody answers: again, by TCP, and after ten seconds the code timeout; nobody else was asked", async () => {
		const { of, resolver, queries } = stage();
		testing.names.set("nas.lan.example", ["203.0.113.1"]);
		const came = ending(resolver.resolve("nas.lan.example"));
		await testing.settle();
		expect(queries().length).toBe(4);
		testing.advance(500);
		expect(queries().length).toBe(4);
		testing.advance(1500);
		expect([queries().length, testing.connections.length]).toEqual([0, 4]);
		expect(testing.connections.map(({ options }) => `${options.address} ${options.port}`).sort()).toEqual([
			"192.0.2.53 53",
			"192.0.2.53 53",
			"198.51.100.53 5353",
			"198.51.100.53 5353",
		]);
		testing.advance(8000);
		expect(await came).toBe("timeout");
		expect([of.fake.sockets.size, testing.connections.every(({ isClosed }) => isClosed), resolver.counters.failed]).toEqual([0, true, 1]);
	});

	test("an answer that was cut off is read by TCP: outside by the machine's, inside by the tailnet's", async () => {
		const { of, resolver, queries, deliver } = stage();
		const outside = ending(resolver.resolve("nas.lan.example"));
		await testing.settle();
		const sent = queries();
		deliver(1, "192.0.2.53", answer(sent[2]!.query, []));
		deliver(1, "192.0.2.53", answer(sent[0]!.query, [], 0x8380));
		const connection = testing.connections[0] as Connection;
		connection.opened();
		expect(connection.take()).toEqual(framed(sent[0]!.query));
		connection.receive(framed(answer(sent[0]!.query, [a("nas.lan.example", "10.2.0.1")])));
		expect(await outside).toBe("10.2.0.1");

		const inside = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		const [four, six] = queries();
		deliver(six!.socket, "100.64.0.2", answer(six!.query, []));
		deliver(four!.socket, "100.64.0.2", answer(four!.query, [], 0x8380));
		const connect = of.fake.calls.find(([name]) => name === "tcpConnect") as [string, number, Uint8Array, number];
		expect([addressToText(connect[2]), connect[3]]).toEqual(["100.64.0.2", 53]);
		of.fake.connect(connect[1]);
		await testing.settle();
		testing.advance(0);
		expect(Uint8Array.from(of.fake.outgoing.get(connect[1]) ?? [])).toEqual(framed(four!.query));
		of.fake.deliver(connect[1], ...framed(answer(four!.query, [a("db.corp.example", "10.1.0.7")])));
		testing.advance(0);
		expect(await inside).toBe("10.1.0.7");
		expect(of.fake.sockets.size).toBe(0);
	});

	test("an alias into the tailnet is looked up in the map, and never asked for outside", async () => {
		const { resolver, queries, deliver } = stage();
		for (const [target, expected] of [
			["bob.example.ts.net", "100.64.0.2"],
			["nobody.example.ts.net", "not-found"],
		] as const) {
			const came = ending(resolver.resolve("alias.corp.example"));
			await testing.settle();
			for (const { socket, query } of queries()) deliver(socket, "100.64.0.2", answer(query, [cname("alias.corp.example", target)]));
			expect(await came).toBe(expected);
			expect(queries()).toEqual([]);
		}
	});

	test("an alias that the server did not look up is asked for by its own route; a circle of them ends", async () => {
		const { resolver, queries, deliver } = stage();
		const came = ending(resolver.resolve("alias.corp.example"));
		await testing.settle();
		for (const { socket, query } of queries()) deliver(socket, "100.64.0.2", answer(query, [cname("alias.corp.example", "nas.lan.example")], 0x8100));
		await testing.settle();
		const [first, , six] = queries();
		expect(first!.to).toBe("192.0.2.53:53");
		deliver(first!.socket, "192.0.2.53", answer(first!.query, [a("nas.lan.example", "10.2.0.1")]));
		deliver(six!.socket, "192.0.2.53", answer(six!.query, []));
		expect(await came).toBe("10.2.0.1");

		const circle = ending(resolver.resolve("one.corp.example"));
		let rounds = 0;
		for (let sent = [] as ReturnType<typeof queries>; rounds < 20; rounds += 1) {
			await testing.settle();
			sent = queries();
			if (sent.length === 0) break;
			for (const { socket, query, what } of sent) {
				const name = what.split(" ")[1] as string;
				deliver(socket, "100.64.0.2", answer(query, [cname(name, name === "one.corp.example" ? "two.corp.example" : "one.corp.example")], 0x8100));
			}
		}
		expect([await circle, rounds]).toEqual(["not-found", 8]);
	});

	test("a short name is tried in the search domains that somebody serves, and then as it is", async () => {
		const { resolver, queries, deliver } = stage();
		testing.names.set("db", ["203.0.113.9"]);
		const came = ending(resolver.resolve("db"));
		await testing.settle();
		const sent = queries();
		expect(sent.map(({ what }) => what)).toEqual(["A db.corp.example", "AAAA db.corp.example"]);
		for (const { socket, query } of sent) deliver(socket, "100.64.0.2", answer(query, [], 0x8183));
		expect(await came).toBe("203.0.113.9");
	});

	test("a route whose resolvers cannot be asked has no names, and the machine is not asked either", async () => {
		const { resolver, queries } = stage();
		testing.names.set("www.odd.example", ["203.0.113.9"]);
		expect(await ending(resolver.resolve("www.odd.example."))).toBe("not-found");
		expect(queries()).toEqual([]);
	});

	test("what control names for everything is asked before the machine, which is asked where none of them can be", async () => {
		testing.names.set("www.example.com", ["203.0.113.9"]);
		const { resolver, queries, deliver } = stage({ ...dns, Resolvers: [{ Addr: "192.0.2.8" }] });
		const came = ending(resolver.resolve("www.example.com"));
		await testing.settle();
		const sent = queries();
		expect(sent.map(({ to }) => to)).toEqual(["192.0.2.8:53", "192.0.2.8:53"]);
		for (const { socket, query } of sent)
			deliver(socket, "192.0.2.8", answer(query, query[query.length - 3] === 1 ? [a("www.example.com", "203.0.113.7")] : []));
		expect(await came).toBe("203.0.113.7");
		expect(await ending(stage({ ...dns, Resolvers: [{ Addr: "https://dns.example/dns-query" }] }).resolver.resolve("www.example.com"))).toBe("203.0.113.9");
		expect(await ending(stage().resolver.resolve("www.example.com"))).toBe("203.0.113.9");
	});

	test("through an exit node: only what is marked for it, else the exit node itself by HTTP; never the machine", async () => {
		testing.names.set("www.example.com", ["203.0.113.9"]);
		const { of, resolver, queries } = stage({ ...dns, Resolvers: [{ Addr: "192.0.2.8" }] }, { exitNode: "exit" });
		const came = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		expect(queries()).toEqual([]);
		const handles = [...of.fake.sockets.keys()];
		for (const handle of handles) of.fake.connect(handle);
		testing.advance(0);
		await testing.settle();
		const request = String.fromCharCode(...(of.fake.outgoing.get(handles[0] as number) ?? []));
		expect(request.split("\r\n").slice(0, 2)).toEqual(["POST /dns-query HTTP/1.1", "Host: 100.64.0.3:40000"]);
		for (const handle of handles) of.fake.sockets.get(handle)?.closed("refused");
		testing.advance(0);
		expect(await came).toBe("refused");

		const marked = stage({ ...dns, Resolvers: [{ Addr: "192.0.2.8", UseWithExitNode: true }] }, { exitNode: "exit" });
		void ending(marked.resolver.resolve("www.example.com"));
		await testing.settle();
		expect(marked.of.fake.calls[0]?.slice(3)).toEqual([false]);
		expect(marked.queries().map(({ to }) => to)).toEqual(["192.0.2.8:53", "192.0.2.8:53"]);

		const gone = stage(dns, { exitNode: "nobody" });
		expect(await ending(gone.resolver.resolve("www.example.com"))).toBe("not-found");
	});

	test("answers are kept for their life, until control says something else", async () => {
		const { resolver, queries, deliver } = stage();
		const ask = async (): Promise<number> => {
			const came = ending(resolver.resolve("db.corp.example"));
			await testing.settle();
			const sent = queries();
			for (const { socket, query, what } of sent)
				deliver(socket, "100.64.0.2", answer(query, what.startsWith("A ") ? [a("db.corp.example", "10.1.0.7", 60)] : []));
			expect(await came).toBe("10.1.0.7");
			return sent.length;
		};
		expect([await ask(), await ask()]).toEqual([2, 0]);
		testing.advance(60_000);
		expect(await ask()).toBe(2);
		resolver.forget();
		expect([await ask(), resolver.counters.asked, resolver.counters.cached]).toEqual([2, 3, 1]);
	});

	test("the same name is asked for once; more than eight names at once are refused", async () => {
		const { resolver, queries, of } = stage();
		of.fake.poolSize = 100;
		const first = [ending(resolver.resolve("n0.corp.example")), ending(resolver.resolve("n0.corp.example"))];
		for (let i = 1; i < 8; i += 1) void ending(resolver.resolve(`n${i}.corp.example`));
		await testing.settle();
		expect(queries().length).toBe(16);
		expect([await ending(resolver.resolve("n8.corp.example")), resolver.counters.refused]).toEqual(["full", 1]);
		resolver.close();
		expect(await Promise.all(first)).toEqual(["closed", "closed"]);
		expect(of.fake.sockets.size).toBe(0);
		expect(await ending(resolver.resolve("n9.corp.example"))).toBe("closed");
	});

	test("where no socket is free, streams are tried; where none of those is either, it is refused", async () => {
		const { resolver, of } = stage();
		of.fake.poolSize = 0;
		const inside = ending(resolver.resolve("db.corp.example"));
		await testing.settle();
		testing.advance(0);
		expect(await inside).toBe("refused");
		const outside = ending(resolver.resolve("nas.lan.example"));
		await testing.settle();
		expect(testing.connections.length).toBe(4);
		for (const connection of testing.connections) connection.closed({ code: "refused", message: "" });
		expect(await outside).toBe("refused");
	});
});
