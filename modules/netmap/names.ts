/**
 * MagicDNS: answers questions about names from the network map, without a packet. See protocol/tunnel.md §7.1, §7.2 (the rules' numbers below) and §7.4.
 *
 * There are no tables of names here: nodes are found in the packed peers, so that answers follow the map at once. Only control's extra records and routes are held.
 */
import { addressToText, isIPv4, parseAddress, sameAddress } from "./address.js";
import { parseSmall } from "./digits.js";
import { DNSConfig, type DNSResolver } from "./dns-config.js";
import type { PeerTable } from "./peers.js";
import { normalName } from "./record-writer.js";
import { parseReverseName } from "./reverse-name.js";
import type { SelfNode } from "./self.js";
import { parseViaName } from "./via-name.js";

export type QuestionType = "A" | "AAAA" | "PTR" | "ANY" | "NS" | "SOA" | "AXFR" | "HINFO" | "other";

/** What to say to one question. */
export type Answer =
	| { kind: "address"; address: Uint8Array }
	| { kind: "name"; name: string }
	/** NOERROR without records. */
	| { kind: "empty" }
	| { kind: "no-such-name" }
	| { kind: "not-implemented" }
	/** Not ours: ask these resolvers; none = no route (SERVFAIL for a server, the platform's resolver for our own sockets). */
	| { kind: "forward"; resolvers: readonly DNSResolver[] };

/** What an app's question comes to. */
export type Resolution =
	/** Texts, IPv4 first; empty: the name exists without an address. */
	| { kind: "addresses"; addresses: string[] }
	| { kind: "no-such-name" }
	| { kind: "bad-name" }
	/** Others may know it: ask these in turn. */
	| { kind: "ask"; questions: Question[] };

export interface Question {
	readonly name: string;
	/** Those of the route for that suffix, or those that control names for everything. */
	readonly resolvers: readonly DNSResolver[];
	/** Nobody else may be asked, even where none of them can be: a route says so, or what goes out goes through an exit node. Else the platform's resolver may. */
	readonly isExclusive: boolean;
}

const SERVICE_NAME = "magicdns.localhost-tailscale-daemon";
const SERVICE4 = parseAddress("100.100.100.100") as Uint8Array;
const SERVICE6 = parseAddress("fd7a:115c:a1e0::53") as Uint8Array;
const REVERSE6 = "0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa";
const REVERSE4 = ".100.in-addr.arpa";
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;
const AAAA_CAPABILITY = "magicdns-aaaa";
const SUBDOMAIN_CAPABILITY = "dns-subdomain-resolve";
const FOUR_TO_SIX = parseAddress("fd7a:115c:a1e0:ab12:4843:cd96:6200:0") as Uint8Array;
const FOUR_TO_SIX_BYTES = 13;
const NO_RESOLVERS: readonly DNSResolver[] = Object.freeze([]);

export class Names {
	/** Resolver of the exit node that is in use, "http://100.64.0.2:1234/dns-query"; "" = it has none; undefined = no exit node is in use. */
	exitResolver: string | undefined;
	#config = new DNSConfig();
	#staged: DNSConfig | undefined;
	readonly #peers: PeerTable;
	readonly #self: SelfNode;

	constructor(peers: PeerTable, self: SelfNode) {
		this.#peers = peers;
		this.#self = self;
	}

	get config(): DNSConfig {
		return this.#config;
	}

	// ---- Staging ----

	/** DNSConfig is present: it replaces all there was. */
	begin(): DNSConfig {
		this.#staged = new DNSConfig();
		return this.#staged;
	}

	get staged(): DNSConfig | undefined {
		return this.#staged;
	}

	/** @param replacing the first message of a poll: without a DNSConfig there is none. @returns whether it may be different */
	commit(replacing: boolean): boolean {
		const staged = this.#staged ?? (replacing ? new DNSConfig() : undefined);
		this.#staged = undefined;
		if (staged === undefined) return false;
		this.#config = staged;
		return true;
	}

	abort(): void {
		this.#staged = undefined;
	}

	// ---- Answers ----

	/**
	 * Answers one question by rules 3 to 13.
	 * @param question name as asked, any case, with or without trailing dot
	 */
	answer(question: string, type: QuestionType): Answer {
		const name = normalName(question);
		if (type === "PTR") return this.#answerReverse(name);
		if (name === "onion" || name.endsWith(".onion")) return { kind: "no-such-name" };
		if (name === SERVICE_NAME && type === "A") return { kind: "address", address: SERVICE4.slice() };
		if (name === SERVICE_NAME && type === "AAAA") return { kind: "address", address: SERVICE6.slice() };
		const via = type === "A" || type === "AAAA" || type === "ANY" ? parseViaName(name) : undefined;
		if (via !== undefined) return type === "A" ? { kind: "empty" } : { kind: "address", address: via };
		const addresses = this.#lookUp(name);
		if (addresses === undefined) return this.#elsewhere(name);
		switch (type) {
			case "A":
			case "AAAA":
			case "ANY": {
				const address = addresses.find((each) => type === "ANY" || isIPv4(each) === (type === "A"));
				return address === undefined ? { kind: "empty" } : { kind: "address", address };
			}
			case "NS":
			case "SOA":
			case "AXFR":
			case "HINFO":
				return { kind: "not-implemented" };
			default:
				return { kind: "empty" };
		}
	}

	/** Resolves a name for our own sockets (§7.4): addresses where the map has them, else what to ask and whom. */
	resolve(host: string): Resolution {
		const literal = parseAddress(host);
		if (literal !== undefined) return { kind: "addresses", addresses: [addressToText(literal)] };
		const name = normalName(host);
		if (!isName(name)) return { kind: "bad-name" };
		const questions: Question[] = [];
		for (const candidate of this.#candidates(name, host.endsWith("."))) {
			const found = this.#resolveExact(candidate);
			if (Array.isArray(found)) return { kind: "addresses", addresses: found };
			// A search domain that nobody of the tailnet serves is not asked of the platform, which has its own.
			if (found !== undefined && (candidate === name || found.resolvers.length > 0)) questions.push(found);
		}
		return questions.length === 0 ? { kind: "no-such-name" } : { kind: "ask", questions };
	}

	/** A name with dots is tried as it is first, a short one with the search domains first, an absolute one only as it is. */
	#candidates(name: string, isAbsolute: boolean): string[] {
		if (isAbsolute) return [name];
		const searched = this.#searchDomains().map((domain) => `${name}.${domain}`);
		return name.includes(".") ? [name, ...searched] : [...searched, name];
	}

	/** Addresses of exactly this name, or whom to ask, or undefined: no such name. */
	#resolveExact(name: string): string[] | Question | undefined {
		const addresses: string[] = [];
		for (const type of ["A", "AAAA"] as const) {
			const answer = this.answer(name, type);
			if (answer.kind === "address") addresses.push(addressToText(answer.address));
			else if (answer.kind === "forward")
				return { name, resolvers: answer.resolvers, isExclusive: this.exitResolver !== undefined || this.#route(name) !== undefined };
			else if (answer.kind === "no-such-name") return undefined;
		}
		return addresses;
	}

	/** Control's list; our own suffix last, if it is not among them, so that short names work where control names no domain. */
	#searchDomains(): string[] {
		const { suffix } = this.#self;
		const { domains } = this.#config;
		return suffix === "" || domains.includes(suffix) ? domains : [...domains, suffix];
	}

	/** With our own key expired the tables are empty. */
	get #isEmpty(): boolean {
		return this.#self.isExpired(this.#peers.store.unixSeconds);
	}

	/** Rule 8: hosts, then the nearest parent that lends its address to names below it. */
	#lookUp(name: string): Uint8Array[] | undefined {
		if (name === "" || this.#isEmpty) return undefined;
		const own = this.#host(name);
		if (own !== undefined) return own;
		for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
			const parent = name.slice(dot + 1);
			if (this.#lendsName(parent)) return this.#host(parent);
		}
		return undefined;
	}

	/** Addresses under exactly this name. */
	#host(name: string): Uint8Array[] | undefined {
		const extra = this.#config.records.get(name);
		const node = this.#nodeAddresses(name);
		if (node === undefined) return extra;
		return extra === undefined ? node : [...node, ...extra];
	}

	#nodeAddresses(name: string): Uint8Array[] | undefined {
		let addresses: Uint8Array[] | undefined;
		if (name === this.#self.name) addresses = this.#self.addresses.slice();
		else {
			const index = this.#peers.findByName(name);
			if (index >= 0) addresses = this.#peers.addresses(index);
		}
		return addresses === undefined || addresses.length === 0 ? undefined : addresses.filter((address) => this.#isShown(address, addresses));
	}

	/** The AAAA rule: a node's IPv6 addresses count only if it has no IPv4 one, or we are told to show them, or we have nothing else. */
	#isShown(address: Uint8Array, all: readonly Uint8Array[]): boolean {
		const self = this.#self;
		if (self.address4 === undefined && self.address6 !== undefined) return !isIPv4(address);
		return isIPv4(address) || self.hasCapability(AAAA_CAPABILITY) || !all.some((each) => isIPv4(each));
	}

	#lendsName(name: string): boolean {
		if (name === this.#self.name) return this.#self.hasCapability(SUBDOMAIN_CAPABILITY);
		const number = this.#peers.store.capabilities.find(SUBDOMAIN_CAPABILITY);
		if (number < 0) return false;
		const index = this.#peers.findByName(name);
		return index >= 0 && this.#peers.capabilityIDs(index).includes(number);
	}

	// ---- Reverse ----

	#answerReverse(name: string): Answer {
		if (/^(?:b|db|r|dr|lb)\._dns-sd\._udp\./.test(name)) return { kind: "no-such-name" };
		const address = parseReverseName(name);
		if (address === undefined) return this.#elsewhere(name);
		if (sameAddress(address, 0, SERVICE4, 0) || sameAddress(address, 0, SERVICE6, 0)) return { kind: "name", name: SERVICE_NAME };
		const found = this.#nameOf(fourOf(address)) ?? this.#nameOf(address);
		return found === undefined ? this.#elsewhere(name) : { kind: "name", name: found };
	}

	#nameOf(address: Uint8Array | undefined): string | undefined {
		if (address === undefined || this.#isEmpty) return undefined;
		for (const own of this.#self.addresses) {
			if (sameAddress(own, 0, address, 0) && this.#self.name !== "" && this.#isShown(own, this.#self.addresses)) return this.#self.name;
		}
		const index = this.#peers.findByAddress(address);
		if (index >= 0) {
			const name = this.#peers.name(index);
			if (name !== "" && this.#isShown(address, this.#peers.addresses(index))) return name;
		}
		for (const [name, addresses] of this.#config.records) for (const each of addresses) if (sameAddress(each, 0, address, 0)) return name;
		return undefined;
	}

	// ---- Elsewhere ----

	/** Rules 12 and 13. */
	#elsewhere(name: string): Answer {
		if (this.#isLocal(name)) return { kind: "no-such-name" };
		return { kind: "forward", resolvers: this.#route(name) ?? this.#defaults() };
	}

	/** Whom to ask for what no route is for. Through an exit node the exit node itself, unless control marks others for that (§7.3). */
	#defaults(): readonly DNSResolver[] {
		if (this.#isEmpty) return NO_RESOLVERS;
		const { resolvers, fallbackResolvers } = this.#config;
		if (this.exitResolver === undefined) return resolvers;
		const marked = this.#inForce(resolvers);
		if (marked.length > 0) return marked;
		if (this.exitResolver !== "") return [{ address: this.exitResolver, useWithExitNode: true }];
		return resolvers.length > 0 ? resolvers : fallbackResolvers;
	}

	/** With an exit node only those that are marked for it count. */
	#inForce(resolvers: readonly DNSResolver[]): readonly DNSResolver[] {
		return this.exitResolver === undefined ? resolvers : resolvers.filter((resolver) => resolver.useWithExitNode);
	}

	/** Equal to or below a domain that we alone answer for. */
	#isLocal(name: string): boolean {
		if (this.#isEmpty) return false;
		if (this.#config.proxied) {
			const { suffix } = this.#self;
			if ((suffix !== "" && isBelow(name, suffix)) || isBelow(name, REVERSE6) || isReverse4(name)) return true;
		}
		for (const [suffix, resolvers] of this.#config.routes) if (resolvers.length === 0 && isBelow(name, suffix)) return true;
		return false;
	}

	/** Resolvers of the most specific route that has any. */
	#route(name: string): readonly DNSResolver[] | undefined {
		if (this.#isEmpty) return undefined;
		for (let suffix = name; suffix !== ""; ) {
			const resolvers = this.#inForce(this.#config.routes.get(suffix) ?? NO_RESOLVERS);
			if (resolvers.length > 0) return resolvers;
			const dot = suffix.indexOf(".");
			suffix = dot < 0 ? "" : suffix.slice(dot + 1);
		}
		return undefined;
	}
}

/** The IPv4 address in an address of the 4-to-6 range (protocol/tunnel.md §3.4): 100, then the last three bytes. */
function fourOf(address: Uint8Array): Uint8Array | undefined {
	for (let i = 0; i < FOUR_TO_SIX_BYTES; i += 1) if (address[i] !== FOUR_TO_SIX[i]) return undefined;
	return parseAddress(`100.${address[13]}.${address[14]}.${address[15]}`);
}

function isBelow(name: string, suffix: string): boolean {
	return name === suffix || name.endsWith(`.${suffix}`);
}

function isName(name: string): boolean {
	if (name === "" || name.length > LONGEST_NAME) return false;
	for (const label of name.split(".")) if (label === "" || label.length > LONGEST_LABEL) return false;
	return true;
}

/** Equal to or below one of 64.100.in-addr.arpa to 127.100.in-addr.arpa. */
function isReverse4(name: string): boolean {
	if (!name.endsWith(REVERSE4)) return false;
	const second = parseSmall(name.slice(name.lastIndexOf(".", name.length - REVERSE4.length - 1) + 1, -REVERSE4.length));
	return second >= 64 && second <= 127;
}
