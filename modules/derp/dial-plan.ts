/**
 * In what order the addresses of a region are dialled (protocol/relay.md §3.2).
 *
 * Nodes in the map's order, STUN-only ones left out; a node has 1.5 s for TCP, shared by its addresses. One TLS at a time: the families are not raced but
 * follow each other, IPv4 first unless only IPv6 is known to work. An address field of the map holds a literal (dialled instead of DNS), nothing (DNS), or any
 * other word (family disabled). DNS is asked only when it is needed.
 *
 *   next(now)    -> { kind: "dial" }     dial this address
 *                -> { kind: "resolve" }  ask DNS, then resolved() or nothing, then next()
 *                -> undefined            every node was tried
 */
import { isIPv4Literal, isIPv6Literal } from "./certificate.js";
import type { DERPNode, DERPRegion } from "./types.js";

/** TCP limit of one node. */
export const NODE_LIMIT_MS = 1500;
/** What an address may take of it while the node has others. */
const FIRST_ADDRESS_LIMIT_MS = 1000;
/** A later address gets at least this, else it is not worth a try. */
const LEAST_LIMIT_MS = 100;
const MAXIMUM_ADDRESSES = 4;

export type DialStep =
	| { readonly kind: "resolve"; readonly host: string }
	| { readonly kind: "dial"; readonly node: DERPNode; readonly address: string; readonly connectTimeoutMS: number; readonly idealNode: string };

type Family = 4 | 6;

export class DialPlan {
	readonly #nodes: readonly DERPNode[];
	readonly #ideal: string;
	readonly #order: readonly Family[];
	#index = -1;
	#addresses: string[] = [];
	/** Families of the current node that DNS must still give. */
	#fromDNS: Family[] = [];
	#deadline: number | undefined;

	/** @param preferIPv6 IPv4 is known not to work, IPv6 is */
	constructor(region: DERPRegion, preferIPv6: boolean) {
		this.#nodes = region.nodes.filter((node) => !node.stunOnly);
		this.#ideal = this.#nodes[0]?.name ?? "";
		this.#order = preferIPv6 ? [6, 4] : [4, 6];
	}

	/** What to do next; to be asked again after it failed. */
	next(now: number): DialStep | undefined {
		for (;;) {
			const node = this.#nodes[this.#index];
			if (node && (this.#deadline === undefined || this.#deadline - now >= LEAST_LIMIT_MS)) {
				const address = this.#addresses.shift();
				if (address !== undefined) return this.#dial(node, address, now);
				if (this.#fromDNS.length > 0) return { kind: "resolve", host: node.hostName };
			}
			this.#index += 1;
			const next = this.#nodes[this.#index];
			if (!next) return;
			this.#begin(next);
		}
	}

	/** Addresses that DNS gave for the host last asked for; empty if it failed. */
	resolved(addresses: readonly string[]): void {
		for (const family of this.#fromDNS) {
			const fits = addresses.filter((address) => (family === 4 ? isIPv4Literal(address) : isIPv6Literal(address)));
			this.#addresses.push(...fits.slice(0, MAXIMUM_ADDRESSES / 2));
		}
		this.#fromDNS = [];
	}

	#begin(node: DERPNode): void {
		this.#addresses = [];
		this.#fromDNS = [];
		this.#deadline = undefined;
		for (const family of this.#order) {
			const literal = family === 4 ? isIPv4Literal : isIPv6Literal;
			const text = family === 4 ? node.ipv4 : node.ipv6;
			const target = text === "" ? node.hostName : text;
			if (literal(target)) this.#addresses.push(target);
			else if (text === "" && !isIPv4Literal(target) && !isIPv6Literal(target)) this.#fromDNS.push(family);
		}
	}

	#dial(node: DERPNode, address: string, now: number): DialStep {
		if (this.#deadline === undefined) this.#deadline = now + NODE_LIMIT_MS;
		const left = this.#deadline - now;
		const isLast = this.#addresses.length === 0 && this.#fromDNS.length === 0;
		return {
			kind: "dial",
			node,
			address,
			connectTimeoutMS: isLast ? left : Math.min(left, FIRST_ADDRESS_LIMIT_MS),
			idealNode: node === this.#nodes[0] ? "" : this.#ideal,
		};
	}
}
