/**
 * Capability grants: what applications of ours may let a peer do (protocol/filter.md §5.5). They open nothing in the packet filter.
 */
import { maskAddress, parseAddressInto, parsePrefixInto, withoutZone } from "./address.js";
import { numberOfIPv4 } from "./filter-address.js";
import { prefixContains6 } from "./filter-order.js";
import { ANY4, ANY6, FilterBlock, PREFIX6_BYTES, RANGE4_BYTES } from "./filter-tables.js";
import { WrongType } from "./members.js";

/** One CapGrant of a rule. */
export interface CapabilityGrant {
	/** Source set of the rule, in its chunk. */
	readonly sources: number;
	readonly destinations: readonly { family: number; address: Uint8Array; bits: number }[];
	/** Name and values; null = the name alone. */
	readonly capabilities: readonly (readonly [string, readonly unknown[] | null])[];
}

function readDestinations(value: unknown): { family: number; address: Uint8Array; bits: number }[] {
	if (value === undefined || value === null) return [];
	if (!Array.isArray(value)) throw new WrongType(`CapGrant.Dsts: expected a list, got ${typeof value}`);
	const destinations = [];
	for (const each of value) {
		const bytes = new Uint8Array(17);
		const family = typeof each === "string" ? parsePrefixInto(each, bytes, 0) : 0;
		if (family === 0) throw new WrongType("CapGrant.Dsts: expected address/length");
		const bits = bytes[16] as number;
		maskAddress(bytes, 0, bits);
		destinations.push({ family, address: bytes.slice(0, 16), bits });
	}
	return destinations;
}

/**
 * Reads the members of one CapGrant.
 * @throws {WrongType} if upstream could not decode it
 */
export function readGrant(dsts: unknown, caps: unknown, capMap: unknown): CapabilityGrant {
	const destinations = readDestinations(dsts);
	const capabilities: [string, unknown[] | null][] = [];
	if (caps !== undefined && caps !== null) {
		if (!Array.isArray(caps)) throw new WrongType(`CapGrant.Caps: expected a list, got ${typeof caps}`);
		for (const name of caps) {
			if (typeof name !== "string") throw new WrongType(`CapGrant.Caps: expected a text, got ${typeof name}`);
			capabilities.push([name, null]);
		}
	}
	if (capMap !== undefined && capMap !== null) {
		if (typeof capMap !== "object" || Array.isArray(capMap)) throw new WrongType(`CapGrant.CapMap: expected an object, got ${typeof capMap}`);
		for (const [name, values] of Object.entries(capMap)) {
			if (values !== null && !Array.isArray(values)) throw new WrongType(`CapGrant.CapMap: expected a list, got ${typeof values}`);
			capabilities.push([name, values]);
		}
	}
	return { sources: 0, destinations, capabilities };
}

/** Whether an address is among the prefixes of a source set; capability sources do not count. */
function isInSet(block: FilterBlock, number: number, family: number, address: Uint8Array): boolean {
	const set = block.set(number);
	if ((set.flags & (family === 4 ? ANY4 : ANY6)) !== 0) return true;
	if (family === 4) {
		const wanted = numberOfIPv4(address);
		const view = new DataView(set.ranges4.buffer, set.ranges4.byteOffset, set.ranges4.byteLength);
		for (let at = 0; at < set.ranges4.length; at += RANGE4_BYTES) if (wanted >= view.getUint32(at, true) && wanted <= view.getUint32(at + 4, true)) return true;
		return false;
	}
	for (let at = 0; at < set.prefixes6.length; at += PREFIX6_BYTES)
		if (prefixContains6(set.prefixes6, at, set.prefixes6[at + 16] as number, address, 0)) return true;
	return false;
}

/**
 * What the peer with an address may do at one of our addresses.
 * @param chunks in the order of their names
 * @param source address text of the peer
 * @param destination address text of ours: the first single address of the source's family
 * @returns values by capability name, those of several rules one after the other; empty for addresses that are none
 */
export function grantedCapabilities(
	chunks: readonly { block: Uint8Array; grants: readonly CapabilityGrant[] }[],
	source: string,
	destination: string,
): Map<string, unknown[]> {
	const granted = new Map<string, unknown[]>();
	const from = new Uint8Array(16);
	const to = new Uint8Array(16);
	const fromFamily = parseAddressInto(withoutZone(source), from, 0);
	const toFamily = parseAddressInto(withoutZone(destination), to, 0);
	if (fromFamily === 0 || toFamily === 0) return granted;
	for (const chunk of chunks) {
		if (chunk.grants.length === 0) continue;
		const block = new FilterBlock(chunk.block);
		for (const grant of chunk.grants) {
			if (!isInSet(block, grant.sources, fromFamily, from)) continue;
			if (!grant.destinations.some((each) => each.family === toFamily && prefixContains6(each.address, 0, each.bits, to, 0))) continue;
			for (const [name, values] of grant.capabilities) {
				const known = granted.get(name) ?? [];
				if (values) known.push(...values);
				granted.set(name, known);
			}
		}
	}
	return granted;
}
