/*
 * What an app may choose in its manifest ("defines": { "tailnet": ... }, documentation/configuration.md): the core is built and tested with everything small and
 * with everything large, and what each choice costs is measured. The choices reach the compiler as they do from the SDK's tools, in a file mc.defines.h.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { list, root } from "../native/programs.js";
import { addProfile, compileCore, compileLwip } from "./compile.js";
import { buildWatch, runProfile } from "./emulated.js";
import { poolsOf } from "./figures.js";
import { check, table, thousands } from "./report.js";
import { sizesOf, sumOf } from "./sizes.js";
import { build } from "./sources.js";

/** Name in the manifest, values for both ways, and what else has to be chosen for it to cost anything. */
export const switches = [
	{ name: "ipv6", least: false, most: true },
	{ name: "peers", least: 2, most: 32 },
	{ name: "routes", least: 32, most: 256 },
	{ name: "flows", least: 8, most: 512 },
	{ name: "replayWindow", least: 128, most: 8192 },
	{ name: "sockets", least: 4, most: 64 },
	{ name: "halfOpen", least: 1, most: 8 },
	{ name: "streamSend", least: 2048, most: 16384 },
	{ name: "streamReceive", least: 8192, most: 32768 },
	{ name: "datagramReceive", least: 2048, most: 16384 },
	{ name: "regions", least: 2, most: 8 },
	{ name: "subnet", least: false, most: true },
	{ name: "subnetFlows", least: 2, most: 64, beside: { subnet: true } },
];

/** Writes mc.defines.h as the SDK's mcconfig does, and makes a profile of a device's pools with it. @returns the profile's name */
function profileOf(name, values) {
	const folder = join(build, "switches", name);
	const file = join(folder, "mc.defines.h");
	const text = Object.entries(values)
		.map(([key, value]) => `#define MODDEF_TAILNET_${key.toUpperCase()} (${value})\n`)
		.join("");
	mkdirSync(folder, { recursive: true });
	let before = "";
	try {
		before = readFileSync(file, "utf8");
	} catch {
		// It is made for the first time.
	}
	if (before !== text) writeFileSync(file, text);
	/* lwIP without IPv6, as CONFIG_LWIP_IPV6=n makes it. */
	addProfile(`switches/${name}`, ["-DTN_DEVICE", `-I${folder}`, ...(values.ipv6 === false ? ["-DLWIP_IPV6=0"] : [])]);
	return `switches/${name}`;
}

const everything = (way) => Object.fromEntries(switches.map((each) => [each.name, each[way]]));

/** What is allocated once for a node, and what for each thing in use, by the switch that it depends on. */
const shownPools = {
	streamSend: "each_stream",
	streamReceive: "each_stream",
	datagramReceive: "each_datagram_socket",
};
const units = { each_stream: "an open TCP socket", each_datagram_socket: "a UDP socket", node: "a node" };

/** @returns [{ name, least, most, byDefault, pool, bytes: [at least, by default, at most] }] */
export async function costsOf(target, sources) {
	const usual = await poolsOf(target, sources, "device");
	const costs = [];
	for (const { name, least, most, beside } of switches) {
		const pool = shownPools[name] ?? "node";
		const bytes = [];
		for (const value of [least, most]) {
			bytes.push((await poolsOf(target, sources, profileOf(`${name}-${value}`, { ...beside, [name]: value })))?.[pool]);
		}
		const byDefault = typeof least === "boolean" ? name === "ipv6" : usual[`value_${name}`];
		costs.push({ name, least, most, byDefault, pool, bytes: [bytes[0], beside ? bytes[0] : usual[pool], bytes[1]] });
	}
	return costs;
}

export async function checkSwitches(target, sources) {
	console.log(`\nChoices of a manifest, bytes of RAM on ${target.name}:`);
	const costs = await costsOf(target, sources);
	table(
		["tailnet.", "least", "default", "most", "RAM of", "at least", "by default", "at most"],
		costs.map(({ name, least, most, byDefault, pool, bytes }) => [name, `${least}`, `${byDefault}`, `${most}`, units[pool], ...bytes]),
	);
	check("documentation/configuration.md has every choice with its default and what it costs", compareDocument(costs));
	const plugin = await buildWatch();
	const usual = await flashOf(target, sources, "device");
	for (const way of ["least", "most"]) {
		const profile = profileOf(way, everything(way));
		const flash = await flashOf(target, sources, profile);
		check(`${target.name}: the core compiles with every choice at its ${way}`, flash ? "" : "see above");
		if (!flash) continue;
		console.log(
			`  flash: core ${thousands(flash.core)} (by default ${thousands(usual.core)}), lwIP without what is not used ${thousands(flash.lwip)} (${thousands(usual.lwip)})`,
		);
		if (plugin) await runProfile(target, sources, list(join(root, "tests", "native"), /^test_pools\.c$/), profile, plugin, `with every choice at its ${way}`);
	}
}

/** @returns what is wrong in the document's table, whose rows are | `name` | default | values | RAM | ... ; bytes are to be right within 3 % */
function compareDocument(costs) {
	const text = readFileSync(join(root, "documentation/configuration.md"), "utf8");
	const rows = new Map([...text.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name, rest]) => [name, rest.split("|").map((cell) => cell.trim())]));
	const problems = [];
	for (const { name, least, most, byDefault, bytes } of costs) {
		const row = rows.get(name);
		if (!row) {
			problems.push(`${name} is missing`);
			continue;
		}
		const [told, , ram] = row;
		if (told.replaceAll(",", "") !== String(byDefault)) problems.push(`${name}: its default is ${byDefault}, not ${told}`);
		const each = /^([\d,]+) B/.exec(ram)?.[1].replaceAll(",", "");
		const measured =
			typeof byDefault === "boolean"
				? bytes[2] - bytes[0]
				: bytes[1] === bytes[0]
					? (bytes[2] - bytes[0]) / (most - least)
					: (bytes[2] - bytes[1]) / (most - byDefault);
		if (each !== undefined && Math.abs(Number(each) - measured) > 0.03 * measured + 1) problems.push(`${name}: ${measured.toFixed(1)} B, not ${each}`);
		if (each === undefined && measured !== 0) problems.push(`${name}: ${measured.toFixed(1)} B are not told`);
	}
	return problems.join("\n");
}

/** @returns { core, lwip } bytes of code and constants, undefined after printing why not */
async function flashOf(target, sources, profile) {
	const core = await compileCore(target, sources, profile);
	const lwip = await compileLwip(target, sources, profile);
	if (!core.ok || !lwip.ok) return undefined;
	const bytes = (objects) => {
		const { text, rodata, data } = sumOf(sizesOf(target, objects));
		return text + rodata + data;
	};
	return { core: bytes(core.objects), lwip: bytes(lwip.objects) };
}
