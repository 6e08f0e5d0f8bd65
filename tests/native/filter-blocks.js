/*
 * Compiles rules for the C tests of the packet filter with the compiler of modules/netmap, and writes the blocks as C data: build.js calls
 * it and it makes build/native/filter_blocks.h.
 *
 *   filter_sets[i]        for set i of tests/vectors/filter.json: its blocks (the first, then one for each step "filter"), compiled as
 *                         one chunk and, in `shuffled`, as one chunk for each rule in opposite order; and who holds which capability
 *   filter_block_<name>   the small filters below
 *
 * The modules are bundled with the test host in place of "tailnet/host".
 */
import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = join(root, "build", "native");

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
		export { Interner } from "./modules/netmap/interner.js";`;
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
	const file = join(folder, `filter-compiler.${process.pid}.mjs`);
	writeFileSync(file, result.outputFiles[0].text);
	try {
		return await import(pathToFileURL(file).href);
	} finally {
		unlinkSync(file);
	}
}

const { compileRules, linkFilter, parseAddress, Interner } = await load();
const lines = ["#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>", ""];
let count = 0;

function bytes(name, data) {
	lines.push(`static const uint8_t ${name}[] = {${data.length ? [...data].join(",") : "0"}};`);
}

/** @returns the initializer of a struct filter_block */
function block(rules, localNets, shieldsUp, capabilities, isShuffled) {
	const parts = isShuffled ? [...(rules ?? [])].reverse().map((rule) => [rule]) : [rules];
	const chunks = parts.map((part) => compileRules(part, { capabilities }));
	const linked = linkFilter(chunks, { localNets });
	const name = `filter_bytes_${count++}`;
	bytes(name, linked.block);
	return `{${name}, ${linked.block.length}, ${shieldsUp ? "true" : "false"}}`;
}

lines.push("struct filter_block { const uint8_t *bytes; size_t length; bool shields_up; };");
lines.push("struct filter_holder { uint8_t address[16]; uint16_t capability; };");
lines.push("struct filter_set { const struct filter_block *blocks, *shuffled; const struct filter_holder *holders; size_t holder_count; };");

for (const [name, { rules, localNets = local }] of Object.entries(filters)) {
	const initializer = block(rules, localNets, false, new Interner(100), false);
	lines.push(`static const struct filter_block filter_block_${name} = ${initializer};`);
}

const sets = [];
for (const [i, set] of JSON.parse(readFileSync(join(root, "tests", "vectors", "filter.json"), "utf8")).sets.entries()) {
	const capabilities = new Interner(1000);
	const installs = [set, ...set.steps.filter((step) => step.op === "filter")];
	for (const variant of ["blocks", "shuffled"]) {
		const list = installs.map((each) => block(each.rules, each.localNets, each.shieldsUp, capabilities, variant === "shuffled"));
		lines.push(`static const struct filter_block filter_set_${i}_${variant}[] = {${list.join(", ")}};`);
	}
	const holders = [];
	for (const [address, names] of Object.entries(set.peerCaps))
		for (const name of names) if (capabilities.find(name) >= 0) holders.push(`{{${[...parseAddress(address)].join(",")}}, ${capabilities.find(name)}}`);
	lines.push(`static const struct filter_holder filter_set_${i}_holders[] = {${holders.length ? holders.join(", ") : "{{0}, 0}"}};`);
	sets.push(`\t{filter_set_${i}_blocks, filter_set_${i}_shuffled, filter_set_${i}_holders, ${holders.length}},`);
}
lines.push(`static const struct filter_set filter_sets[] = {\n${sets.join("\n")}\n};`, "");

const header = join(folder, "filter_blocks.h");
writeFileSync(`${header}.${process.pid}`, lines.join("\n"));
renameSync(`${header}.${process.pid}`, header);
