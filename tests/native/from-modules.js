/*
 * Data for the C tests that the project's own modules make; build.js calls it. The modules are bundled with the test host in place of "tailnet/host".
 *
 *   node tests/native/from-modules.js [FILE FOLDER]
 *
 * With a file of filter vectors, only filter_blocks.h is made, of that file, in that folder.
 *
 * build/native/filter_blocks.h: rules compiled by modules/netmap
 *   filter_sets[i]        for set i of tests/vectors/filter.json: its blocks (the first, then one for each step "filter"), compiled as
 *                         one chunk and, in `shuffled`, as one chunk for each rule in opposite order; and who holds which capability
 *   filter_block_<name>   the small filters below
 *
 * build/native/json_cases.h: documents for the JSON scanner
 *   json_schema           compiled by modules/netmap/json-schema.ts
 *   json_cases[]          documents, and what the test host's scanner, which is of another make, reports of each
 *
 * build/native/corpus/fuzz_filter, fuzz_json: where the fuzzers begin
 */
import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [filterFile, ownFolder] = process.argv.slice(2);
const folder = ownFolder ?? join(root, "build", "native");

const ALL_PORTS = { First: 0, Last: 65535 };
const local = ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"];
const everywhere = ["0.0.0.0/0", "::/0"];
const anywhere = [{ IP: "*", Ports: ALL_PORTS }];
const port = (number, last = number) => [{ IP: "*", Ports: { First: number, Last: last } }];

/** Small filters for single sentences of protocol/filter.md §7. Addresses: ours end in 1; peers are 100.64.0.2 and fd7a:115c:a1e0::2. */
const filters = {
	nothing: { rules: [] },
	all: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere }] },
	all_empty_list: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [] }] },
	all_null_list: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: null }] },
	all_everywhere: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere }], localNets: everywhere },
	/* Of the filter verdicts in tsmp.json: "TCP, UDP, ICMP", where any rule opens ICMP. */
	tcp_udp_everywhere: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [6, 17] }], localNets: everywhere },
	sctp: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [132] }] },
	many_protocols: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [1, 2, 6, 17, 43, 44, 47, 58, 60, 99, 132] }] },
	protocol_300: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [300] }] },
	protocol_17_and_300: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [-1, 17, 300] }] },
	protocol_0_and_255: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [0, 255] }] },
	gre_all_ports: { rules: [{ SrcIPs: ["*"], DstPorts: anywhere, IPProto: [47] }] },
	gre_some_ports: { rules: [{ SrcIPs: ["*"], DstPorts: port(0, 65534), IPProto: [47] }] },
	gre_capability: { rules: [{ SrcIPs: ["cap:a"], DstPorts: anywhere, IPProto: [47] }] },
	no_ports: { rules: [{ SrcIPs: ["*"], DstPorts: [{ IP: "*" }] }] },
	reversed_ports: { rules: [{ SrcIPs: ["*"], DstPorts: port(30, 20) }] },
	some_ports: { rules: [{ SrcIPs: ["*"], DstPorts: port(20, 30) }] },
	from_v4_to_v6: { rules: [{ SrcIPs: ["0.0.0.0/0"], DstPorts: [{ IP: "::/0", Ports: ALL_PORTS }] }] },
	from_mapped: { rules: [{ SrcIPs: ["::ffff:100.64.0.2"], DstPorts: anywhere }] },
	tcp_22: { rules: [{ SrcIPs: ["100.64.0.2", "fd7a:115c:a1e0::2"], DstPorts: port(22), IPProto: [6] }] },
	udp_53: { rules: [{ SrcIPs: ["100.64.0.2", "fd7a:115c:a1e0::2"], DstPorts: port(53), IPProto: [17] }] },
	capability_v4: { rules: [{ SrcIPs: ["cap:a"], DstPorts: [{ IP: "192.0.2.1", Ports: port(1)[0].Ports }] }] },
	forms: {
		rules: [
			{ SrcIPs: ["100.64.1.0/24", "100.64.2.5-100.64.2.9", "100.64.3.1", "fd00:1::/32", "fd00:2::5-fd00:2::9", "fd00:3::1", "cap:a"], DstPorts: anywhere },
		],
	},
};

async function load() {
	const source = `
		export { compileRules } from "./modules/netmap/filter-rules.js";
		export { linkFilter } from "./modules/netmap/filter-link.js";
		export { parseAddress } from "./modules/netmap/address.js";
		export { Interner } from "./modules/netmap/interner.js";
		export * as schema from "./modules/netmap/json-schema.js";
		export { JSONScanner } from "./tests/xs/json-scanner.js";`;
	const result = await build({
		stdin: { contents: source, resolveDir: root },
		bundle: true,
		format: "esm",
		write: false,
		platform: "node",
		alias: { "tailnet/host": join(root, "tests", "xs", "host.ts") },
		logLevel: "error",
	});
	mkdirSync(folder, { recursive: true });
	const file = join(folder, `modules.${process.pid}.mjs`);
	writeFileSync(file, result.outputFiles[0].text);
	try {
		return await import(pathToFileURL(file).href);
	} finally {
		unlinkSync(file);
	}
}

const vectors = JSON.parse(readFileSync(filterFile ?? join(root, "tests", "vectors", "filter.json"), "utf8"));
const sets = vectors.sets ?? [];
const samplePackets = (sets[0]?.steps ?? []).slice(0, 40).map((step) => Buffer.from(step.packet, "hex"));
const { compileRules, linkFilter, parseAddress, Interner, schema, JSONScanner } = await load();
let lines = ["#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>", ""];
let count = 0;

/** A file that a fuzzer begins with. */
function seedFuzzer(fuzzer, name, data) {
	if (filterFile) return;
	mkdirSync(join(folder, "corpus", fuzzer), { recursive: true });
	writeFileSync(join(folder, "corpus", fuzzer, `seed-${name}`), data);
}

function bytes(name, data) {
	lines.push(`static const uint8_t ${name}[] = {${data.length ? [...data].join(",") : "0"}};`);
}

/**
 * @param seedName also begin the fuzzer of blocks with it
 * @returns the initializer of a struct filter_block
 */
function block(rules, localNets, shieldsUp, capabilities, isShuffled, seedName) {
	const parts = isShuffled ? [...(rules ?? [])].reverse().map((rule) => [rule]) : [rules];
	const chunks = parts.map((part) => compileRules(part, { capabilities }));
	const linked = linkFilter(chunks, { localNets });
	if (seedName) {
		const parts = [Buffer.from([linked.block.length & 255, linked.block.length >> 8]), linked.block];
		for (const packet of samplePackets) parts.push(Buffer.from([packet.length]), packet);
		seedFuzzer("fuzz_filter", seedName, Buffer.concat(parts));
	}
	const name = `filter_bytes_${count++}`;
	bytes(name, linked.block);
	return `{${name}, ${linked.block.length}, ${shieldsUp ? "true" : "false"}}`;
}

lines.push("struct filter_block { const uint8_t *bytes; size_t length; bool shields_up; };");
lines.push("struct filter_holder { uint8_t address[16]; uint16_t capability; };");
lines.push("struct filter_set { const struct filter_block *blocks, *shuffled; const struct filter_holder *holders; size_t holder_count; };");

for (const [name, { rules, localNets = local }] of Object.entries(filters)) {
	const initializer = block(rules, localNets, false, new Interner(100), false, name);
	lines.push(`static const struct filter_block filter_block_${name} = ${initializer};`);
}

const initializers = [];
for (const [i, set] of sets.entries()) {
	const capabilities = new Interner(1000);
	const installs = [set, ...set.steps.filter((step) => step.op === "filter")];
	for (const variant of ["blocks", "shuffled"]) {
		const list = installs.map((each) => block(each.rules, each.localNets, each.shieldsUp, capabilities, variant === "shuffled"));
		lines.push(`static const struct filter_block filter_set_${i}_${variant}[] = {${list.join(", ")}};`);
	}
	const holders = [];
	for (const [address, names] of Object.entries(set.peerCaps ?? {}))
		for (const name of names) if (capabilities.find(name) >= 0) holders.push(`{{${[...parseAddress(address)].join(",")}}, ${capabilities.find(name)}}`);
	lines.push(`static const struct filter_holder filter_set_${i}_holders[] = {${holders.length ? holders.join(", ") : "{{0}, 0}"}};`);
	initializers.push(`\t{filter_set_${i}_blocks, filter_set_${i}_shuffled, filter_set_${i}_holders, ${holders.length}},`);
}
lines.push(`static const struct filter_set filter_sets[] = {\n${initializers.join("\n")}\n};`, "");

function write(name) {
	const header = join(folder, name);
	writeFileSync(`${header}.${process.pid}`, lines.join("\n"));
	renameSync(`${header}.${process.pid}`, header);
}

write("filter_blocks.h");
if (filterFile) process.exit(0);

// ---- The JSON scanner ----

const { take, keys, project, list, members, eachMember, eachElement, skip } = schema;
const compiled = schema.compileSchema(
	members(
		{
			take: take(1),
			keys: keys(2),
			project: project(3, { a: take(), b: keys(), c: project(0, { x: take(), "y z": take() }), d: skip, e: list(0, project(0, { y: take() })) }),
			list: list(4, project(0, { a: take(), k: keys() })),
			members: members({ a: take(5), d: skip }, { path: 6, other: take(20) }),
			announced: members({ a: take(7), b: members({ c: take(21) }) }, { path: 8, announce: true }),
			each: eachMember(9, take(10)),
			chunks: eachMember(11, eachElement(12, members({ s: eachElement(13, take(14)), d: take(15) }, { path: 16, announce: true }), true), true),
			elements: eachElement(17, take(18)),
			matrix: eachElement(22, eachElement(23, take(24))),
			nested: eachMember(25, eachElement(26, take(27))),
			skipped: skip,
		},
		{ path: 19 },
	),
);

/** A generator of its own: the same documents in every run. */
let seed = 12345;
function below(limit) {
	seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
	return Math.floor((seed / 2 ** 32) * limit);
}
const pick = (choices) => choices[below(choices.length)];
const names = ["take", "keys", "project", "list", "members", "announced", "each", "chunks", "elements", "matrix", "nested", "skipped"];
const inner = ["a", "b", "c", "d", "e", "x", "y", "y z", "k", "s", "other", "a\\n", "\\ud83d\\ude00", "\\ud800", "\u00e9", "", "n".repeat(70)];
const scalars = [
	"null",
	"true",
	"false",
	"0",
	"-1",
	"12.5e-3",
	"9007199254740993",
	"-9223372036854775808",
	"123456789012345",
	"1234567890123456",
	"0.12345678901234567890",
	"1E400",
	'""',
	'"text"',
	'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"',
	'"\u00fcber \u20ac \ud83d\ude00"',
	'"a long text, longer than a word of the machine, with nothing in it"',
	"[]",
	"{}",
	"[ ]",
	"{\n}",
];
const space = () => pick(["", "", "", " ", "\n", "\t ", "\r\n"]);

function value(depth) {
	const kind = depth > 4 ? 0 : below(5);
	if (kind < 2) return pick(scalars);
	const count = below(4);
	const parts = [];
	for (let i = 0; i < count; i += 1) {
		const each = `${space()}${value(depth + 1)}${space()}`;
		parts.push(kind < 4 ? `${space()}"${pick(inner)}"${space()}:${each}` : each);
	}
	return kind < 4 ? `{${parts.join(",")}}` : `[${parts.join(",")}]`;
}

function document() {
	const parts = [];
	for (let i = below(6); i >= 0; i -= 1) parts.push(`"${pick(names)}":${space()}${value(0)}`);
	return `${space()}{${parts.join(`${space()},${space()}`)}}${space()}`;
}

const documents = [
	"{}",
	" { } ",
	'{"take":null,"keys":null,"project":null,"list":null,"members":null,"announced":null,"each":null,"chunks":null,"elements":null}',
	'{"take":[],"keys":{},"project":{},"list":[],"members":{},"announced":{},"each":{},"chunks":{},"elements":[]}',
	'{"take":{},"keys":[],"project":[],"list":{},"members":[],"announced":[],"each":[],"chunks":[],"elements":{}}',
	'{"\\u0074ake":1,"members":{"\\u0061":2,"a\\u0000":3,"\\ud83d\\ude00":4},"each":{"\\ud83d\\ude00":1,"\\u00e9\\n":2,"\\/":3}}',
	'{"take":1,"take":2,"each":{"a":1,"a":2}}',
	'{"chunks":{"base":[{"s":["a","b"],"d":[1]},{"d":null,"s":[]},{}],"*":null,"e":[]}}',
	'{"elements":[1,[2],{"a":[3]},null,""],"matrix":[[1,2],[],[3],null,4]}',
	'{"keys":{"a":{"b":[1,2]},"c":"d"},"project":{"d":5,"a":[{"q":1}],"z":{"a":1},"b":{"m":{"n":1},"o":2},"c":{"x":1,"w":2,"y z":3},"e":[{"y":1,"z":2},3,{}]}}',
	'{"nested":{"k":[1,2],"l":[],"m":null,"n":[[3]]}}',
	'{"members":{"a":1,"b":2,"d":9,"c":{"a":3}},"announced":{"b":{"c":4},"a":5}}',
];
for (let i = 0; i < 300; i += 1) documents.push(document());

/** All events in one text: path US key US text RS. */
function reported(text, bufferBytes) {
	const scanner = new JSONScanner(compiled, bufferBytes);
	let events = "";
	const result = scanner.push(new TextEncoder().encode(text), (path, key, json) => {
		events += `${path}\x1f${key}\x1f${json}\x1e`;
	});
	return { result, events };
}

lines = [
	"#include <stddef.h>",
	"#include <stdint.h>",
	"",
	"struct json_case { const uint8_t *text, *events; size_t text_length, events_length, buffer; int result; };",
];
bytes("json_schema", compiled);
const cases = [];
for (const [i, text] of documents.entries()) {
	seedFuzzer("fuzz_json", String(i), `\x05\x7f${text}`);
	for (const buffer of [4096, 128]) {
		const { result, events } = reported(text, buffer);
		const texts = new TextEncoder().encode(text);
		const expected = new TextEncoder().encode(events);
		if (buffer === 4096) bytes(`json_text_${i}`, texts);
		bytes(`json_events_${i}_${buffer}`, expected);
		cases.push(`\t{json_text_${i}, json_events_${i}_${buffer}, ${texts.length}, ${expected.length}, ${buffer}, ${result}},`);
	}
}
lines.push(`static const struct json_case json_cases[] = {\n${cases.join("\n")}\n};`, "");
write("json_cases.h");
