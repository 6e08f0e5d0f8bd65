/** Our own node as control sees it: addresses, name, expiry, approval, node attributes. See protocol/control.md §7. */
import { ADDRESS_BYTES, isIPv4, PREFIX_BYTES, parsePrefix, parsePrefixInto, prefixToText } from "./address.js";
import { KEY_BYTES, parseKey } from "./keys.js";
import { flagMember, listMember, type Members, objectMember, textMember, textsMember, WrongType } from "./members.js";
import { normalName, secondsMember } from "./record-writer.js";
import type { SelfLookup } from "./types.js";
import { idFromJSON } from "./wide-id.js";

const HOST_BITS = 128;

/** One version of it. */
interface Facts {
	id: string;
	stableID: string;
	name: string;
	addresses: Uint8Array[];
	nodeKey: Uint8Array;
	keyExpiry: number;
	expired: boolean;
	keySignature: string;
	authorized: boolean;
	tagged: boolean;
	user: string;
	capabilities: Set<string>;
	primaryRoutes: string[];
}

/** Before the first map nothing is known: no address, no name, not authorised. */
export class SelfNode implements SelfLookup {
	#facts: Facts = {
		id: "",
		stableID: "",
		name: "",
		addresses: [],
		nodeKey: new Uint8Array(KEY_BYTES),
		keyExpiry: 0,
		expired: false,
		keySignature: "",
		authorized: false,
		tagged: false,
		user: "0",
		capabilities: new Set(),
		primaryRoutes: [],
	};
	#staged: Facts | undefined;
	#isIPv4Only = false;

	get id(): string {
		return this.#facts.id;
	}

	get stableID(): string {
		return this.#facts.stableID;
	}

	get name(): string {
		return this.#facts.name;
	}

	get addresses(): readonly Uint8Array[] {
		return this.#facts.addresses;
	}

	get address4(): Uint8Array | undefined {
		return this.#facts.addresses.find((address) => isIPv4(address));
	}

	get address6(): Uint8Array | undefined {
		return this.#facts.addresses.find((address) => !isIPv4(address));
	}

	get nodeKey(): Uint8Array {
		return this.#facts.nodeKey;
	}

	get keyExpiry(): number {
		return this.#facts.keyExpiry;
	}

	get signed(): boolean {
		return this.#facts.keySignature !== "";
	}

	get keySignature(): string {
		return this.#facts.keySignature;
	}

	get authorized(): boolean {
		return this.#facts.authorized;
	}

	get tagged(): boolean {
		return this.#facts.tagged;
	}

	get user(): string {
		return this.#facts.user;
	}

	/** Subnets that control has made us the router of, "10.0.0.0/24", host bits cleared. */
	get primaryRoutes(): readonly string[] {
		return this.#facts.primaryRoutes;
	}

	/** The suffix of MagicDNS: the name without its first label, "" if there is none. */
	get suffix(): string {
		const dot = this.name.indexOf(".");
		return dot < 0 ? "" : this.name.slice(dot + 1);
	}

	get capabilities(): string[] {
		return Array.from(this.#facts.capabilities);
	}

	hasCapability(name: string): boolean {
		return this.#facts.capabilities.has(name);
	}

	isExpired(unixSeconds: number): boolean {
		const { expired, keyExpiry } = this.#facts;
		return expired || (keyExpiry !== 0 && unixSeconds !== 0 && keyExpiry <= unixSeconds);
	}

	// ---- Staging ----

	/** From the next map on: the tunnel is built without IPv6, an address of that family would be deaf. */
	leaveOutIPv6(): void {
		this.#isIPv4Only = true;
	}

	/** @param node the Node member of a map message. @throws WrongType */
	stage(node: Members): void {
		const facts = readFacts(node);
		if (this.#isIPv4Only) facts.addresses = facts.addresses.filter((address) => isIPv4(address));
		this.#staged = facts;
	}

	get isStaged(): boolean {
		return this.#staged !== undefined;
	}

	/** @returns whether anything is different now */
	commit(): boolean {
		const staged = this.#staged;
		if (staged === undefined) return false;
		this.#staged = undefined;
		const changed = !sameFacts(this.#facts, staged);
		this.#facts = staged;
		return changed;
	}

	abort(): void {
		this.#staged = undefined;
	}
}

function readFacts(node: Members): Facts {
	const id = idFromJSON(node["ID"]);
	const nodeKey = parseKey(textMember(node, "Key"), "nodekey:");
	if (id === undefined) throw new WrongType("Node.ID: expected a number");
	if (nodeKey === undefined) throw new WrongType("Node.Key: expected a node key");
	const addresses: Uint8Array[] = [];
	for (const text of textsMember(node, "Addresses") ?? []) {
		const bytes = new Uint8Array(PREFIX_BYTES);
		if (parsePrefixInto(text, bytes, 0) !== 0 && bytes[ADDRESS_BYTES] === HOST_BITS) addresses.push(bytes.slice(0, ADDRESS_BYTES));
	}
	const primaryRoutes: string[] = [];
	for (const text of textsMember(node, "PrimaryRoutes") ?? []) {
		const prefix = parsePrefix(text);
		if (prefix !== undefined) primaryRoutes.push(prefixToText(prefix.address, prefix.bits));
	}
	const capabilities = new Set(textsMember(node, "Capabilities"));
	for (const name in objectMember(node, "CapMap")) capabilities.add(name);
	return {
		id,
		stableID: textMember(node, "StableID"),
		name: normalName(textMember(node, "Name")),
		addresses,
		nodeKey,
		keyExpiry: secondsMember(node, "KeyExpiry"),
		expired: flagMember(node, "Expired"),
		keySignature: textMember(node, "KeySignature"),
		authorized: flagMember(node, "MachineAuthorized"),
		tagged: (listMember(node, "Tags")?.length ?? 0) > 0,
		user: idFromJSON(node["User"]) ?? "0",
		capabilities,
		primaryRoutes,
	};
}

function sameFacts(a: Facts, b: Facts): boolean {
	const texts = (facts: Facts) =>
		[
			facts.id,
			facts.stableID,
			facts.name,
			facts.keyExpiry,
			facts.expired,
			facts.keySignature,
			facts.authorized,
			facts.tagged,
			facts.user,
			facts.nodeKey,
			facts.addresses.join("/"),
			facts.primaryRoutes.join(),
		].join("\n");
	if (texts(a) !== texts(b) || a.capabilities.size !== b.capabilities.size) return false;
	for (const name of a.capabilities) if (!b.capabilities.has(name)) return false;
	return true;
}
