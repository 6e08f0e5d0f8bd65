import {
	addressToText,
	endpointToText,
	isTailnetAddress,
	maskAddress,
	parseAddress,
	parseAddressInto,
	parseEndpoint,
	parsePrefix,
	parsePrefixInto,
	prefixContains,
	prefixToText,
	withoutZone,
} from "../../../modules/netmap/address.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";

function text(of: string): string {
	const bytes = parseAddress(of);
	return bytes === undefined ? "bad" : addressToText(bytes);
}

describe("addresses", () => {
	test("IPv4 is held as ::ffff:a.b.c.d and written dotted", () => {
		expect(toHex(parseAddress("100.64.0.1")!)).toBe("00000000000000000000ffff64400001");
		expect(text("255.0.9.10")).toBe("255.0.9.10");
	});

	test("IPv6 is written by RFC 5952", () => {
		const cases: [string, string][] = [
			["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
			["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
			["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
			["::", "::"],
			["::1", "::1"],
			["1::", "1::"],
			["fd7a:115c:a1e0::6701:6667", "fd7a:115c:a1e0::6701:6667"],
			["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
			["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
			["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
			["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
		];
		for (const [from, to] of cases) expect(text(from)).toBe(to);
	});

	test("the family tells ::ffff:1.2.3.4 from 1.2.3.4, the bytes do not", () => {
		const a = new Uint8Array(16);
		const b = new Uint8Array(16);
		expect(parseAddressInto("::ffff:1.2.3.4", a, 0)).toBe(6);
		expect(parseAddressInto("1.2.3.4", b, 0)).toBe(4);
		expect(toHex(a)).toBe(toHex(b));
	});

	test("refuses what netip refuses", () => {
		const bad = ["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1.2.3.", "1.2.3.4 ", " 1.2.3.4", "1..3.4", "+1.2.3.4", "1.2.3.4e0"];
		bad.push(
			":",
			":::",
			"1:2",
			"1:2:3:4:5:6:7:8:9",
			"1::2::3",
			"g::",
			"12345::",
			"1:2:3:4:5:6:7:8::",
			"::1:2:3:4:5:6:7:8",
			"1.2.3.4::",
			"::1.2.3",
			"::1.2.3.4:5",
		);
		bad.push("fe80::1%eth0", "1.2.3.4%x", "1:2:3:4:5:6:7:1.2.3.4", "[::1]", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:::2");
		for (const each of bad) expect([each, text(each)]).toEqual([each, "bad"]);
	});

	test("a zone is cut off only when asked for", () => {
		expect(withoutZone("fe80::1%eth0")).toBe("fe80::1");
		expect(withoutZone("fe80::1%")).toBe("fe80::1%");
		expect(withoutZone("1.2.3.4%eth0")).toBe("1.2.3.4%eth0");
	});

	test("text and bytes agree for random addresses", () => {
		const random = new Random(1);
		for (let n = 0; n < 500; n += 1) {
			const bytes = random.bytes(16);
			for (let group = 0; group < 8; group += 1) if (random.below(2) === 0) bytes.fill(0, 2 * group, 2 * group + 2);
			expect(toHex(parseAddress(addressToText(bytes))!)).toBe(toHex(bytes));
		}
	});

	test("random text never throws", () => {
		const random = new Random(2);
		const letters = "0123456789abf.:/%[]";
		for (let n = 0; n < 2000; n += 1) {
			let string = "";
			for (let length = random.below(24); length > 0; length -= 1) string += letters.charAt(random.below(letters.length));
			const address = parseAddress(string);
			if (address !== undefined) expect(toHex(parseAddress(addressToText(address))!)).toBe(toHex(address));
			parsePrefix(string);
			parseEndpoint(string);
		}
	});

	test("tailnet ranges are 100.64/10 without 100.115.92/23 and fd7a:115c:a1e0::/48", () => {
		const inside = ["100.64.0.0", "100.127.255.255", "100.115.91.255", "100.115.94.0", "fd7a:115c:a1e0::1", "fd7a:115c:a1e0:ffff::"];
		const outside = ["100.63.255.255", "100.128.0.0", "100.115.92.0", "100.115.93.255", "10.64.0.1", "fd7a:115c:a1e1::1", "::1"];
		for (const each of inside) expect([each, isTailnetAddress(parseAddress(each)!)]).toEqual([each, true]);
		for (const each of outside) expect([each, isTailnetAddress(parseAddress(each)!)]).toEqual([each, false]);
	});
});

describe("prefixes", () => {
	test("IPv4 lengths count from 96", () => {
		const prefix = parsePrefix("10.1.2.3/8")!;
		expect(prefix.bits).toBe(104);
		expect(addressToText(prefix.address)).toBe("10.0.0.0");
		expect(prefixToText(prefix.address, prefix.bits)).toBe("10.0.0.0/8");
	});

	test("text survives the way to bytes and back", () => {
		for (const each of ["0.0.0.0/0", "::/0", "100.64.0.1/32", "fd7a:115c:a1e0::/48", "::1/128", "192.168.0.0/23", "8000::/1"]) {
			const prefix = parsePrefix(each)!;
			expect(prefixToText(prefix.address, prefix.bits)).toBe(each);
		}
	});

	test("refuses bad lengths", () => {
		const bytes = new Uint8Array(17);
		for (const each of ["1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/08", "::/129", "::/1/2", "1.2.3.4/+8", "fe80::1%eth0/64", "/8"]) {
			expect([each, parsePrefixInto(each, bytes, 0)]).toEqual([each, 0]);
		}
	});

	test("maskAddress says whether host bits were set", () => {
		const bytes = parseAddress("10.1.2.3")!;
		expect(maskAddress(bytes, 0, 128)).toBe(false);
		expect(maskAddress(bytes, 0, 119)).toBe(true);
		expect(addressToText(bytes)).toBe("10.1.2.0");
		expect(maskAddress(bytes, 0, 119)).toBe(false);
	});

	test("a prefix holds the addresses of its own family that share its bits", () => {
		const holds = (prefix: string, address: string) => {
			const { address: bytes, bits } = parsePrefix(prefix)!;
			return prefixContains(bytes, 0, bits, parseAddress(address)!, 0);
		};
		expect(holds("10.0.0.0/8", "10.255.1.2")).toBe(true);
		expect(holds("10.0.0.0/8", "11.0.0.0")).toBe(false);
		expect(holds("10.128.0.0/9", "10.127.0.1")).toBe(false);
		expect(holds("0.0.0.0/0", "1.2.3.4")).toBe(true);
		expect(holds("0.0.0.0/0", "::1")).toBe(false);
		expect(holds("::/0", "2001:db8::1")).toBe(true);
		expect(holds("::/0", "1.2.3.4")).toBe(false);
		expect(holds("::1/128", "::1")).toBe(true);
	});
});

describe("endpoints", () => {
	test("18 bytes: address, then port big-endian", () => {
		expect(toHex(parseEndpoint("192.0.2.1:41641")!)).toBe("00000000000000000000ffffc0000201a2a9");
		expect(toHex(parseEndpoint("[2001:db8::1]:1")!)).toBe("20010db80000000000000000000000010001");
		expect(endpointToText(fromHex("20010db8000000000000000000000001ffff"))).toBe("[2001:db8::1]:65535");
		expect(endpointToText(parseEndpoint("192.0.2.1:0")!)).toBe("192.0.2.1:0");
	});

	test("refuses other forms", () => {
		for (const each of ["", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "::1:80", "[::1]", "[::1]80", "[1.2.3.4]:80", "[::1:80", "1.2.3.4:8 "]) {
			expect([each, parseEndpoint(each)]).toEqual([each, undefined]);
		}
	});
});
