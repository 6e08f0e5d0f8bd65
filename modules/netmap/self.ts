/** Our own node as control sees it: addresses, name, expiry, approval, node attributes. See protocol/control.md §7. */
import { ADDRESS_BYTES, isIPv4, parsePrefixInto, PREFIX_BYTES } from "./address.js";
import { parseKey } from "./keys.js";
import { flagMember, listMember, type Members, objectMember, textMember, textsMember, WrongType } from "./members.js";
import { normalName, secondsMember } from "./record-writer.js";
import type { SelfLookup } from "./types.js";
import { idFromJSON } from "./wide-id.js";

const HOST_BITS = 128;

export class SelfNode implements SelfLookup {
	readonly id: string;
	readonly stableID: string;
	readonly name: string;
	readonly addresses: readonly Uint8Array[];
	readonly nodeKey: Uint8Array;
	readonly keyExpiry: number;
	readonly authorized: boolean;
	readonly tagged: boolean;
	readonly user: string;
	readonly #expired: boolean;
	readonly #capabilities = new Set<string>();

	/** @param node the Node member of a map message. @throws WrongType */
	constructor(node: Members) {
		const id = idFromJSON(node["ID"]);
		const key = parseKey(textMember(node, "Key"), "nodekey:");
		if (id === undefined) throw new WrongType("Node.ID: expected a number");
		if (key === undefined) throw new WrongType("Node.Key: expected a node key");
		this.id = id;
		this.nodeKey = key;
		this.stableID = textMember(node, "StableID");
		this.name = normalName(textMember(node, "Name"));
		this.keyExpiry = secondsMember(node, "KeyExpiry");
		this.authorized = flagMember(node, "MachineAuthorized");
		this.tagged = (listMember(node, "Tags")?.length ?? 0) > 0;
		this.user = idFromJSON(node["User"]) ?? "0";
		this.#expired = flagMember(node, "Expired");
		const addresses: Uint8Array[] = [];
		for (const text of textsMember(node, "Addresses") ?? []) {
			const bytes = new Uint8Array(PREFIX_BYTES);
			if (parsePrefixInto(text, bytes, 0) !== 0 && bytes[ADDRESS_BYTES] === HOST_BITS) addresses.push(bytes.slice(0, ADDRESS_BYTES));
		}
		this.addresses = addresses;
		for (const name of textsMember(node, "Capabilities") ?? []) this.#capabilities.add(name);
		const map = objectMember(node, "CapMap");
		if (map !== undefined) for (const name of Object.keys(map)) this.#capabilities.add(name);
	}

	get address4(): Uint8Array | undefined {
		return this.addresses.find((address) => isIPv4(address));
	}

	get address6(): Uint8Array | undefined {
		return this.addresses.find((address) => !isIPv4(address));
	}

	/** The suffix of MagicDNS: the name without its first label, "" if there is none. */
	get suffix(): string {
		const dot = this.name.indexOf(".");
		return dot < 0 ? "" : this.name.slice(dot + 1);
	}

	get capabilities(): string[] {
		return Array.from(this.#capabilities);
	}

	hasCapability(name: string): boolean {
		return this.#capabilities.has(name);
	}

	isExpired(unixSeconds: number): boolean {
		return this.#expired || (this.keyExpiry !== 0 && unixSeconds !== 0 && this.keyExpiry <= unixSeconds);
	}

	/** Whether another view of our node says the same. */
	equals(other: SelfNode): boolean {
		return (
			this.id === other.id &&
			this.stableID === other.stableID &&
			this.name === other.name &&
			this.keyExpiry === other.keyExpiry &&
			this.authorized === other.authorized &&
			this.tagged === other.tagged &&
			this.user === other.user &&
			this.#expired === other.#expired &&
			this.nodeKey.join() === other.nodeKey.join() &&
			this.addresses.join(";") === other.addresses.join(";") &&
			this.#capabilities.size === other.#capabilities.size &&
			this.capabilities.every((name) => other.hasCapability(name))
		);
	}
}
