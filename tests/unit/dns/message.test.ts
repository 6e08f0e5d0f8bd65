/** DNS messages: RFC 1035 §4, RFC 3596; protocol/tunnel.md §7.3. */
import { type DNSQuestion, parseReply, type Reply, writeQuery } from "../../../modules/dns/message.js";
import { readName, writeName } from "../../../modules/dns/wire-name.js";
import { addressToText } from "../../../modules/netmap/address.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import { a, aaaa, answer, cname, labels, type Record } from "./server.js";

const question: DNSQuestion = { name: "www.corp.example", type: "A" };
const query = writeQuery(0x1234, question) as Uint8Array;

function say(reply: Reply | undefined): string {
	if (reply === undefined) return "ignored";
	if (reply.kind === "addresses") return `${reply.addresses.map((address) => addressToText(address)).join(" ")} for ${reply.lifeSeconds} s`;
	if (reply.kind === "alias") return `alias ${reply.name}${reply.isFollowed ? ", followed" : ""}`;
	return reply.kind === "failed" ? `failed ${reply.code}` : reply.kind;
}

const read = (records: Record[], flags?: number): string => say(parseReply(answer(query, records, flags), 0x1234, question));

describe("names in messages", () => {
	test("labels of 1 to 63 bytes, 255 bytes in all", () => {
		expect(toHex(writeName("a.bc") as Uint8Array)).toBe("016102626300");
		expect(toHex(writeName("") as Uint8Array)).toBe("00");
		const longest = `${"x".repeat(63)}.${"y".repeat(63)}.${"z".repeat(63)}.${"w".repeat(61)}`;
		expect(writeName(longest)?.length).toBe(255);
		expect(["a..b", ".a", "a.", "x".repeat(64), `${longest}w`, "a b", "m\u00fcller.example"].map((name) => writeName(name))).toEqual(Array(7).fill(undefined));
		for (const name of ["a.bc", longest, "_sip._udp.example"]) expect(readName(writeName(name) as Uint8Array, 0)?.name).toBe(name);
	});

	test("a pointer leads to an earlier place, and only to one", () => {
		const message = fromHex("03777777c00904636f727000" + "0162c000");
		expect(readName(message, 12)).toEqual(undefined); // to "www" and a pointer forwards
		expect(readName(fromHex("04434f5250000162c000"), 6)).toEqual({ name: "b.corp", end: 10 });
		for (const circle of ["c000", "0161c000", "c002c000", "c0ff"]) expect(readName(fromHex(circle), 0)).toBe(undefined);
		for (const cut of ["", "03", "0361", "036161", "03616161", "c0", "4161", "8161"]) expect(readName(fromHex(cut), 0)).toBe(undefined);
		expect(readName(fromHex("03612e6100"), 0)).toBe(undefined); // a dot in a label is no end of it
	});
});

describe("queries", () => {
	test("one question for recursion, of class Internet", () => {
		expect(toHex(writeQuery(0x00ff, { name: "a.b", type: "A" }) as Uint8Array)).toBe("00ff01000001000000000000" + "0161016200" + "00010001");
		expect(toHex(writeQuery(1, { name: "a.b", type: "AAAA" }) as Uint8Array).slice(-8)).toBe("001c0001");
		expect(writeQuery(1, { name: "a..b", type: "A" })).toBe(undefined);
	});
});

describe("answers", () => {
	test("the addresses of the name, with the shortest life", () => {
		expect(read([a("www.corp.example", "10.0.0.7", 60), a("WWW.Corp.Example", "10.0.0.8", 30)])).toBe("10.0.0.7 10.0.0.8 for 30 s");
		expect(read([a("www.corp.example", "10.0.0.7", 0x80000000)])).toBe("10.0.0.7 for 0 s");
		const six = { name: "www.corp.example", type: "AAAA" } as const;
		const asked = writeQuery(7, six) as Uint8Array;
		expect(say(parseReply(answer(asked, [aaaa("www.corp.example", 9)]), 7, six))).toBe("2001:db8::9 for 300 s");
	});

	test("an alias is followed as far as the message leads, in any order of its records", () => {
		const chain = [cname("www.corp.example", "a.example"), cname("a.example", "b.example"), a("b.example", "192.0.2.1", 20)];
		for (const records of [chain, chain.slice().reverse()]) expect(read(records)).toBe("192.0.2.1 for 20 s");
		expect(read([cname("www.corp.example", "a.example")], 0x8100)).toBe("alias a.example");
		expect(read([cname("www.corp.example", "a.example")])).toBe("alias a.example, followed");
		expect(read([cname("www.corp.example", "a.example")], 0x8103)).toBe("alias a.example, followed");
		expect(read([cname("www.corp.example", "www.corp.example"), a("other.example", "192.0.2.1")])).toBe("empty");
	});

	test("records of other names, types and classes do not count", () => {
		const other = answer(query, [a("www.corp.example", "10.0.0.7")]);
		other[other.length - 14 + 3] = 3; // class Chaos
		expect(say(parseReply(other, 0x1234, question))).toBe("empty");
		expect(read([a("evil.example", "10.0.0.7")])).toBe("empty");
		expect(read([{ name: "www.corp.example", type: 16, data: [1, 65] }, aaaa("www.corp.example", 1)])).toBe("empty");
	});

	test("what the server says instead: no such name, nothing, cut off, a failure", () => {
		expect([read([], 0x8183), read([]), read([], 0x8380), read([], 0x8182), read([], 0x8185)]).toEqual([
			"no-such-name",
			"empty",
			"truncated",
			"failed 2",
			"failed 5",
		]);
		const unread = fromHex("123480010000000000000000");
		expect(say(parseReply(unread, 0x1234, question))).toBe("failed 1");
	});

	test("another id, another question, a query, another opcode: not ours", () => {
		const good = answer(query, [a("www.corp.example", "10.0.0.7")]);
		const changed = (at: number, value: number): string => {
			const bytes = good.slice();
			bytes[at] = value;
			return say(parseReply(bytes, 0x1234, question));
		};
		expect(changed(0, 0x13)).toBe("ignored");
		expect(changed(1, 0x35)).toBe("ignored");
		expect(changed(2, 0x01)).toBe("ignored");
		expect(changed(2, 0xa1)).toBe("ignored");
		expect(changed(5, 2)).toBe("ignored");
		expect(changed(5, 0)).toBe("ignored");
		expect(changed(13, 0x78)).toBe("ignored");
		expect(changed(query.length - 3, 28)).toBe("ignored");
		expect(changed(query.length - 1, 3)).toBe("ignored");
		expect(changed(13, 0x57)).toBe("10.0.0.7 for 300 s"); // "Www" is the same question
	});

	test("cut anywhere: never an address, nothing is thrown", () => {
		const whole = answer(query, [cname("www.corp.example", "a.example"), a("a.example", "10.0.0.7")]);
		for (let length = 0; length < whole.length; length += 1)
			expect(say(parseReply(whole.subarray(0, length), 0x1234, question))).toBe(length < query.length ? "ignored" : "failed 0");
		expect(say(parseReply(whole, 0x1234, question))).toBe("10.0.0.7 for 300 s");
		expect(read([{ name: "www.corp.example", type: 1, data: [10, 0, 0] }])).toBe("failed 0");
		expect(read([{ name: "www.corp.example", type: 5, data: [...labels("a.example"), 0] }])).toBe("failed 0");
	});

	test("changed anywhere, or any bytes at all: nothing is thrown, and no address has another length", () => {
		const random = new Random(53);
		const whole = answer(query, [cname("www.corp.example", "a.example"), a("a.example", "10.0.0.7"), a("a.example", "10.0.0.8")]);
		for (let i = 0; i < 3000; i += 1) {
			const bytes = i % 3 === 0 ? random.bytes(random.below(200)) : whole.slice();
			for (let k = random.below(6); k > 0 && bytes.length > 0; k -= 1) bytes[random.below(bytes.length)] = random.below(256);
			const reply = parseReply(bytes, 0x1234, question);
			if (reply?.kind === "addresses") for (const address of reply.addresses) expect(address.length).toBe(16);
		}
	});

	test("no more than eight addresses are taken", () => {
		const many = Array.from({ length: 40 }, (_, i) => a("www.corp.example", `10.0.0.${i}`));
		expect(read(many).split(" ").length - 3).toBe(8);
	});
});
