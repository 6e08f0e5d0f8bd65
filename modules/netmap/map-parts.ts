/**
 * Parts of a map message that have containers of their own: values cut out by the scanner (map-schema.ts) go where they are staged. A container's own
 * text is an announcement ("{", "]" ...), "null", or "[]" and "{}" when it is empty; anything else is of a wrong type.
 */
import type { DERPMap } from "./derp-map.js";
import { readResolvers } from "./dns-config.js";
import type { FilterChunks } from "./filter-chunks.js";
import type { FilterCompiler } from "./filter-rules.js";
import { Path } from "./map-schema.js";
import { objectOf, WrongType } from "./members.js";
import type { Names } from "./names.js";

/** Of a container that makes no difference when it is empty or null. @throws WrongType */
export function expectContainer(text: string, what: string): void {
	if (text !== "null" && text !== "[]" && text !== "{}" && text !== "{" && text !== "}") throw new WrongType(`${what}: expected a list or an object`);
}

/** DERPMap. @throws WrongType */
export function stageDERP(derpMap: DERPMap, path: number, key: string, text: string): void {
	if (path === Path.derpRegion) derpMap.stageRegion(key, JSON.parse(text));
	else if (path === Path.derpRegions) {
		expectContainer(text, "Regions");
		if (text === "{") derpMap.replaceRegions();
	} else if (text !== "null") derpMap.stageHomeParams(objectOf(JSON.parse(text), "HomeParams"));
}

/** DNSConfig. @throws WrongType */
export function stageDNS(names: Names, path: number, key: string, text: string): void {
	if (path === Path.dns) {
		expectContainer(text, "DNSConfig");
		if (text === "{") names.begin();
		return;
	}
	const config = names.staged ?? names.begin();
	switch (path) {
		case Path.dnsProxied:
			config.setProxied(JSON.parse(text));
			break;
		case Path.dnsDomains:
			config.setDomains(JSON.parse(text));
			break;
		case Path.dnsResolvers:
			config.resolvers = readResolvers(JSON.parse(text));
			break;
		case Path.dnsFallbackResolvers:
			config.fallbackResolvers = readResolvers(JSON.parse(text));
			break;
		case Path.dnsRoute:
			config.setRoute(key, JSON.parse(text));
			break;
		case Path.dnsRecord:
			if (text !== "null") config.addRecord(objectOf(JSON.parse(text), "ExtraRecords[]"));
			break;
		default:
			expectContainer(text, "DNSConfig");
	}
}

/** PacketFilter and PacketFilters. @throws WrongType */
export class RuleStage {
	readonly #chunks: FilterChunks;
	/** Name of the list being read, undefined for PacketFilter. */
	#name: string | undefined;

	constructor(chunks: FilterChunks) {
		this.#chunks = chunks;
	}

	value(path: number, key: string, text: string): void {
		if (path === Path.baseRules) this.#list(undefined, text);
		else if (path === Path.chunkRules) this.#list(key, text);
		else if (path === Path.chunks) expectContainer(text, "PacketFilters");
		else if (this.#chunks.compiler !== undefined) stageRulePart(this.#chunks.compiler, path, text);
	}

	#list(name: string | undefined, text: string): void {
		if (text === "[") {
			this.#name = name;
			this.#chunks.beginList();
		} else if (text === "]") this.#chunks.endList(this.#name);
		else if (text !== "null") throw new WrongType("PacketFilter: expected a list of rules");
		else if (name !== undefined) this.#chunks.deleteChunk(name);
	}
}

function stageRulePart(compiler: FilterCompiler, path: number, text: string): void {
	switch (path) {
		case Path.rule:
			// A null rule has no member, which is what Go makes of it too.
			if (text === "{" || text === "null") compiler.beginRule();
			if (text === "}" || text === "null") compiler.endRule();
			else if (text !== "{") throw new WrongType("PacketFilter[]: expected an object");
			break;
		case Path.source:
			compiler.source(JSON.parse(text));
			break;
		case Path.destination:
			compiler.destination(JSON.parse(text));
			break;
		case Path.protocols:
			compiler.protocols(JSON.parse(text));
			break;
		case Path.sourceBits:
			compiler.sourceBits(JSON.parse(text));
			break;
		case Path.grant:
			compiler.grant(JSON.parse(text));
			break;
		default:
			if (text !== "null" && text !== "[]") throw new WrongType("PacketFilter[]: expected a list");
	}
}
