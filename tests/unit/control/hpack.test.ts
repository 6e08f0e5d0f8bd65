import { HPACKDecoder, HPACKEncoder } from "../../../modules/control/hpack.js";
import { huffmanDecode } from "../../../modules/control/huffman.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";

type Header = [string, string];

function decode(decoder: HPACKDecoder, hex: string): Header[] | undefined {
	const headers: Header[] = [];
	return decoder.decode(fromHex(hex.replace(/ /g, "")), (name, value) => headers.push([name, value])) ? headers : undefined;
}

/** All 256 symbols in turn, as Go's encoder writes them. */
const ALL_SYMBOLS =
	"ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabffffffdfffffebfffffecfffffedfffffeefffffefffffff0ffffff1ffffff2f" +
	"ffffffbfffffcffffffd3fffffd7fffffdbfffffdffffffe3fffffe7fffffebfffffed4fe3f9ffaffcabf1febfafefe7fdfd2cbb00089969b71d79fb9f7fff20ffbff3ff50ddbd7f061c58f2" +
	"65cd9f469d5af66dddbf871e5f9cff7ff7fffc3ff9ffe45fff4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ffff53fffd5ffffb" +
	"3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffffeeffffc3ffff8bffff1ffffe4fffee7fffb1ffff97fffd9ffffcdffff9fffffbffffdafffeefff" +
	"f4ffffb7fffee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1fffdfffff7fffff5ffffecffff07fff87fffe0ffff17fffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcb" +
	"ffff37ffff1fffff83ffffe1fffebfffe3ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8fffffe6fffffc1fffff87ffffe7fffffc5f" +
	"fffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97fffb3ffffcffffb7fffcdffff4ffff9ffffd1ffffcffffeaffffafffffddffffeffffff4fffff5fffffabffffa7ffffd7" +
	"fffff9bffffecfffffb7fffff3fffffe8fffffd3fffffabfffff5fffffff7ffffecfffffdbfffffbbfffff7ffffff0fffffbbf";

describe("Huffman", () => {
	test("[control 9] every symbol decodes", () => {
		const text = huffmanDecode(fromHex(ALL_SYMBOLS)) as string;
		expect(text.length).toBe(256);
		for (let i = 0; i < 256; i += 1) expect(text.charCodeAt(i)).toBe(i);
	});

	test("[control 9] the texts of RFC 7541 appendix C decode", () => {
		expect(huffmanDecode(fromHex("f1e3c2e5f23a6ba0ab90f4ff"))).toBe("www.example.com");
		expect(huffmanDecode(fromHex("a8eb10649cbf"))).toBe("no-cache");
		expect(huffmanDecode(fromHex("d07abe941054d444a8200595040b8166e082a62d1bff"))).toBe("Mon, 21 Oct 2013 20:13:21 GMT");
	});

	test("padding of 8 bits, padding of zeros and EOS are malformed", () => {
		expect(huffmanDecode(fromHex("a8eb10649cbfff"))).toBe(undefined);
		expect(huffmanDecode(fromHex("a8eb10649cbe"))).toBe(undefined);
		expect(huffmanDecode(fromHex("ffffffff"))).toBe(undefined);
		expect(huffmanDecode(new Uint8Array(0))).toBe("");
	});
});

describe("HPACK decoder", () => {
	test("[control 9] Go's header blocks under a table of 0 bytes decode: size update, static indexes, Huffman", () => {
		const decoder = new HPACKDecoder(0);
		expect(decode(decoder, "20880f108b1d75d0620d263d4c7441ea0f1296df697e94134a693f75040138a059b8005c0014c5a37f")).toEqual([
			[":status", "200"],
			["content-type", "application/json"],
			["date", "Tue, 24 Nov 2026 13:00:00 GMT"],
		]);
		const second =
			"0e033432390f1092497ca58ae819aafb50938ec415305a99567b0090f2b10f524b52564faacab1eb498f523f85a8e8a8d2cb0f2601370f0d0231380f1296df697e94134a693f75040138a059b8005c0054c5a37f";
		const headers = decode(decoder, second) as Header[];
		expect(headers.map(([name]) => name)).toEqual([":status", "content-type", "x-content-type-options", "retry-after", "content-length", "date"]);
		expect(headers[0]).toEqual([":status", "429"]);
		expect(headers[3]).toEqual(["retry-after", "7"]);
		expect(decoder.tableBytes).toBe(0);
	});

	test("[control 9] entries added to a table of 0 bytes are decoded and forgotten", () => {
		const decoder = new HPACKDecoder(0);
		expect(decode(decoder, "885f8b1d75d0620d263d4c7441ea")).toEqual([
			[":status", "200"],
			["content-type", "application/json"],
		]);
		expect(decode(decoder, "be")).toBe(undefined); // index 62 refers to nothing
	});

	test("a dynamic table is kept where it is allowed (Go's blocks of 4096 bytes)", () => {
		const decoder = new HPACKDecoder(4096);
		decode(decoder, "885f8b1d75d0620d263d4c7441ea6196df697e94134a693f75040138a059b8005c0014c5a37f");
		expect(decode(decoder, "8dbfbe")).toEqual([
			[":status", "404"],
			["content-type", "application/json"],
			["date", "Tue, 24 Nov 2026 13:00:00 GMT"],
		]);
	});

	test("the answers of RFC 7541 C.6 decode, with their evictions from 256 bytes", () => {
		const decoder = new HPACKDecoder(256);
		expect(
			decode(decoder, "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"),
		).toEqual([
			[":status", "302"],
			["cache-control", "private"],
			["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
			["location", "https://www.example.com"],
		]);
		expect(decoder.tableBytes).toBe(222);
		expect(decode(decoder, "4883 640e ffc1 c0bf")?.[0]).toEqual([":status", "307"]);
		expect(decoder.tableBytes).toBe(222);
		const third = decode(
			decoder,
			"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
		);
		expect(third?.map(([name]) => name)).toEqual([":status", "cache-control", "date", "location", "content-encoding", "set-cookie"]);
		expect(decoder.tableBytes).toBe(215);
	});

	test("all literal forms give the same header", () => {
		for (const first of ["40", "00", "10"]) {
			expect(decode(new HPACKDecoder(0), `${first}03782d61 0162`)).toEqual([["x-a", "b"]]);
		}
		for (const first of ["48", "08", "18"]) expect(decode(new HPACKDecoder(0), `${first}03343034`)).toEqual([[":status", "404"]]);
	});

	test("malformed blocks are refused: index 0, cut texts, endless integers, a late or too large size update", () => {
		for (const bad of ["80", "be", "0f", "0005", "000578", "ff8080808080", "7fffffffff0f", "8820", "3fe11f"])
			expect(decode(new HPACKDecoder(0), bad)).toBe(undefined);
	});

	test("random bytes and cut blocks never throw", () => {
		const random = new Random(23);
		const block = fromHex("20880f108b1d75d0620d263d4c7441ea0f1296df697e94134a693f75040138a059b8005c0014c5a37f");
		expect(() => {
			for (let i = 0; i < block.length; i += 1) new HPACKDecoder(0).decode(block.slice(0, i), () => undefined);
			for (let i = 0; i < 3000; i += 1) new HPACKDecoder(4096).decode(random.bytes(1 + random.below(60)), () => undefined);
		}).not.toThrow();
	});
});

describe("HPACK encoder", () => {
	test("a request is what control's document shows", () => {
		const block = new HPACKEncoder().request("POST", "controlplane.tailscale.com", "/machine/register", []);
		expect(toHex(block)).toBe("838704112f6d616368696e652f7265676973746572011a636f6e74726f6c706c616e652e7461696c7363616c652e636f6d");
	});

	test("other methods, long values and unknown names decode to what went in", () => {
		const path = `/${"x".repeat(300)}`;
		const block = new HPACKEncoder().request("HEAD", "h:8080", path, [
			["ts-lb", "nodekey:00"],
			["content-type", "application/json"],
		]);
		expect(decode(new HPACKDecoder(0), toHex(block))).toEqual([
			[":method", "HEAD"],
			[":scheme", "https"],
			[":path", path],
			[":authority", "h:8080"],
			["ts-lb", "nodekey:00"],
			["content-type", "application/json"],
		]);
	});

	test("a header that could break out of its line is refused", () => {
		expect(() => new HPACKEncoder().request("GET", "h", "/a\r\nb", [])).toThrow("printable");
	});
});
