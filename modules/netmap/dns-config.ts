/** DNSConfig of a map message, staged member by member. See protocol/control.md §6.10. */
import { ADDRESS_BYTES, parseAddressInto } from "./address.js";
import { flagMember, listMember, type Members, objectOf, textMember, WrongType } from "./members.js";
import { normalName } from "./record-writer.js";

/** More extra records than this are left out. */
const MOST_RECORDS = 4096;

export interface DNSResolver {
	/** "1.1.1.1", "ip:port", "https://..." or "http://...". */
	readonly address: string;
	readonly useWithExitNode: boolean;
}

/** Names are lower case, without trailing dot. */
export class DNSConfig {
	/** MagicDNS is on: names below our suffix are answered here and nowhere else. */
	proxied = false;
	/** Search domains, in order. */
	domains: string[] = [];
	resolvers: DNSResolver[] = [];
	fallbackResolvers: DNSResolver[] = [];
	/** Suffix to its resolvers; none: answered here or not at all. */
	readonly routes = new Map<string, DNSResolver[]>();
	/** Extra records by name, 16 bytes each. */
	readonly records = new Map<string, Uint8Array[]>();
	/** Extra records that were left out. */
	omitted = 0;

	#count = 0;

	setProxied(value: unknown): void {
		this.proxied = flagMember({ Proxied: value }, "Proxied");
	}

	setDomains(value: unknown): void {
		const domains: string[] = [];
		for (const each of listMember({ Domains: value }, "Domains") ?? []) {
			if (typeof each !== "string") throw new WrongType("Domains[]: expected a text");
			if (each !== "") domains.push(normalName(each));
		}
		this.domains = domains;
	}

	setRoute(suffix: string, value: unknown): void {
		this.routes.set(normalName(suffix), readResolvers(value));
	}

	/** One of ExtraRecords; those of other types and with other values do not count. */
	addRecord(record: Members): void {
		const type = textMember(record, "Type");
		const name = normalName(textMember(record, "Name"));
		const value = textMember(record, "Value");
		if (name === "" || (type !== "" && type !== "A" && type !== "AAAA")) return;
		const address = new Uint8Array(ADDRESS_BYTES);
		if (parseAddressInto(value, address, 0) === 0) return;
		if (this.#count === MOST_RECORDS) {
			this.omitted += 1;
			return;
		}
		this.#count += 1;
		const addresses = this.records.get(name);
		if (addresses === undefined) this.records.set(name, [address]);
		else addresses.push(address);
	}
}

/** A list of resolvers, or null. @throws WrongType */
export function readResolvers(value: unknown): DNSResolver[] {
	const resolvers: DNSResolver[] = [];
	for (const each of listMember({ Resolvers: value }, "Resolvers") ?? []) {
		const resolver = objectOf(each, "Resolvers[]");
		const address = textMember(resolver, "Addr");
		if (address !== "") resolvers.push({ address, useWithExitNode: flagMember(resolver, "UseWithExitNode") });
	}
	return resolvers;
}
