/**
 * Makes peer records (record.ts) from JSON: a whole Node, or a PeerChange on top of a record there is. See protocol/control.md §6.7 and §7.
 *
 * The record stands in a scratch buffer until the next call; the table copies it into its arena.
 */
import { utf8Encode } from "tailnet/host";
import { ENDPOINT_BYTES, maskAddress, PREFIX_BYTES, parseAddressInto, parseEndpointInto, parsePrefixInto } from "./address.js";
import { MAXIMUM_RECORD_BYTES } from "./arena.js";
import { isDigits } from "./digits.js";
import type { Interner } from "./interner.js";
import { parseKeyInto } from "./keys.js";
import { flagMember, listMember, type Members, numberMember, objectMember, objectOf, optionalFlag, textMember, textsMember, WrongType } from "./members.js";
import {
	Flag,
	load16,
	MAXIMUM_ADDRESSES,
	MAXIMUM_CAPABILITIES,
	MAXIMUM_ENDPOINTS,
	Offset,
	Online,
	packAddress,
	packEndpoints,
	Sections,
	SHARED_USER,
	store16,
} from "./record.js";
import { parseTimeMS } from "./time.js";
import { idFromJSON, parseIDInto, store32 } from "./wide-id.js";

const DERP_MAGIC = "127.3.3.40:";
const HOST_BITS = 128;
/** Room that the sections after AllowedIPs may take. */
const RESERVED_BYTES = 600;
/** Room for a record without AllowedIPs, and what each of those may take. */
const COMMON_BYTES = 1400;
const ALLOWED_BYTES = 18;
const NO_BYTES = Object.freeze(new Uint8Array(0)) as Uint8Array<ArrayBuffer>;

export class RecordWriter {
	/** The record: length bytes from 0. As large as one had to be since release(). */
	bytes = NO_BYTES;
	length = 0;
	/** Beside the record, since they change all the time: Online as one of the numbers of record.ts, LastSeen in Unix seconds. */
	online = 0;
	lastSeen = 0;
	/** Something did not fit (prefixes, capabilities) and was left out of the last record: less is allowed than control meant. */
	truncated = false;

	readonly #suffixes: Interner;
	readonly #capabilities: Interner;
	readonly #users: Interner;
	readonly #address = new Uint8Array(PREFIX_BYTES);
	readonly #endpointBytes = new Uint8Array(ENDPOINT_BYTES * (MAXIMUM_ENDPOINTS + 1));
	readonly #sections = new Sections();
	#at = 0;
	#flags = 0;

	/** @param suffixes number 0 has to be ""; @param users at most 256 */
	constructor(suffixes: Interner, capabilities: Interner, users: Interner) {
		this.#users = users;
		this.#suffixes = suffixes;
		this.#capabilities = capabilities;
	}

	/** Writes a Node. @throws WrongType */
	node(node: Members): void {
		const allowedIPs = textsMember(node, "AllowedIPs");
		const bytes = this.#room(COMMON_BYTES + ALLOWED_BYTES * (allowedIPs?.length ?? 0));
		this.truncated = false;
		this.#flags = 0;
		bytes.fill(0, 0, Offset.sections);
		const id = idFromJSON(node["ID"]);
		if (id === undefined || !parseIDInto(id, bytes, Offset.id)) throw new WrongType("Node.ID: expected a number");
		if (!parseKeyInto(textMember(node, "Key"), "nodekey:", bytes, Offset.nodeKey)) throw new WrongType(`Node.Key of ${id}: expected a node key`);
		this.#discoKey(node);
		store16(bytes, Offset.region, homeRegion(node));
		store16(bytes, Offset.capVersion, numberMember(node, "Cap") & 0xffff);
		store32(bytes, Offset.keyExpiry, secondsMember(node, "KeyExpiry"));
		this.#flag(Flag.expired, flagMember(node, "Expired"));
		this.#flag(Flag.jailed, flagMember(node, "IsJailed"));
		this.#flag(Flag.wireGuardOnly, flagMember(node, "IsWireGuardOnly"));
		this.#flag(Flag.unsignedPeerAPIOnly, flagMember(node, "UnsignedPeerAPIOnly"));
		this.#flag(Flag.tagged, (listMember(node, "Tags")?.length ?? 0) > 0);
		this.online = onlineMember(node);
		this.lastSeen = secondsMember(node, "LastSeen");

		this.#at = Offset.sections;
		this.#name(textMember(node, "Name"));
		const addresses = textsMember(node, "Addresses") ?? [];
		this.#addresses(addresses);
		this.#endpoints(textsMember(node, "Endpoints") ?? []);
		this.#user(node["User"]);
		this.#allowedIPs(allowedIPs, addresses);
		this.#capabilityKeys(objectMember(node, "CapMap"), textsMember(node, "Capabilities"));
		this.#masquerade(node, "SelfNodeV4MasqAddrForThisPeer", 4, Flag.masquerade4);
		this.#masquerade(node, "SelfNodeV6MasqAddrForThisPeer", 6, Flag.masquerade6);
		this.#peerAPI(objectMember(node, "Hostinfo"));
		this.#finish();
	}

	/**
	 * Writes the record at offset with a PeerChange applied: absent members stay. online and lastSeen have to hold what was known before.
	 * @returns false if the change is stale news (protocol/control.md §6.7): nothing is written
	 * @throws WrongType
	 */
	patch(record: Uint8Array, offset: number, change: Members): boolean {
		const bytes = this.#room(COMMON_BYTES + load16(record, offset + Offset.length));
		const sections = this.#sections.locate(record, offset);
		const lastSeen = secondsMember(change, "LastSeen");
		const online = onlineMember(change);
		const endpoints = textsMember(change, "Endpoints");
		const capabilities = objectMember(change, "CapMap");
		if (change["DiscoKey"] != null && online === Online.no && lastSeen !== 0 && this.lastSeen !== 0 && lastSeen <= this.lastSeen) return false;
		this.truncated = false;
		this.#flags = load16(record, offset + Offset.flags);
		bytes.set(record.subarray(offset, offset + Offset.sections));
		if (change["Key"] != null && !parseKeyInto(textMember(change, "Key"), "nodekey:", bytes, Offset.nodeKey))
			throw new WrongType("PeerChange.Key: expected a node key");
		if (change["DiscoKey"] != null) this.#discoKey(change);
		const region = numberMember(change, "DERPRegion");
		if (region !== 0) store16(bytes, Offset.region, fitRegion(region));
		const capVersion = numberMember(change, "Cap");
		if (capVersion !== 0) store16(bytes, Offset.capVersion, capVersion & 0xffff);
		if (change["KeyExpiry"] != null) store32(bytes, Offset.keyExpiry, secondsMember(change, "KeyExpiry"));
		if (change["LastSeen"] != null) this.lastSeen = lastSeen;
		if (online !== Online.unknown) this.online = online;

		this.#at = Offset.sections;
		this.#copy(record, sections.name, sections.endpoints);
		if (endpoints === undefined) this.#copy(record, sections.endpoints, sections.user);
		else this.#endpoints(endpoints);
		this.#copy(record, sections.user, sections.capabilities);
		if (capabilities === undefined) this.#copy(record, sections.capabilities, sections.masquerade4);
		else this.#capabilityKeys(capabilities, undefined);
		this.#copy(record, sections.masquerade4, sections.end);
		this.#finish();
		return true;
	}

	/** A message is over: its last record is of no use, and there may be no other for months. */
	release(): void {
		this.bytes = NO_BYTES;
		this.length = 0;
	}

	/** The scratch buffer, with so much room as far as a record may have it. */
	#room(lengthBytes: number): Uint8Array {
		const wanted = Math.min(lengthBytes, MAXIMUM_RECORD_BYTES);
		if (this.bytes.length < wanted) this.bytes = new Uint8Array(wanted);
		return this.bytes;
	}

	#finish(): void {
		this.length = this.#at;
		store16(this.bytes, Offset.length, this.#at);
		store16(this.bytes, Offset.flags, this.#flags);
	}

	#flag(flag: number, on: boolean): void {
		if (on) this.#flags |= flag;
		else this.#flags &= ~flag;
	}

	#copy(record: Uint8Array, from: number, to: number): void {
		this.bytes.set(record.subarray(from, to), this.#at);
		this.#at += to - from;
	}

	#discoKey(members: Members): void {
		const text = textMember(members, "DiscoKey");
		if (text === "") this.bytes.fill(0, Offset.discoKey, Offset.discoKey + 32);
		else if (!parseKeyInto(text, "discokey:", this.bytes, Offset.discoKey)) throw new WrongType("DiscoKey: expected a disco key");
	}

	/** "Host.Tailnet.ts.net." becomes the label "host" and the shared suffix "tailnet.ts.net". */
	#name(text: string): void {
		const name = normalName(text);
		const dot = name.indexOf(".");
		const suffix = dot < 0 ? 0 : this.#suffixes.intern(name.slice(dot + 1));
		const label = utf8Encode(dot < 0 || suffix < 0 ? name : name.slice(0, dot));
		const fits = label.length <= 255;
		store16(this.bytes, Offset.suffix, fits && suffix > 0 ? suffix : 0);
		this.bytes[this.#at] = fits ? label.length : 0;
		this.#at += 1;
		if (!fits) return;
		this.bytes.set(label, this.#at);
		this.#at += label.length;
	}

	#addresses(texts: string[]): void {
		const start = this.#at;
		let count = 0;
		this.#at += 1;
		for (const text of texts) {
			if (count === MAXIMUM_ADDRESSES) break;
			if (parsePrefixInto(text, this.#address, 0) === 0 || this.#address[16] !== HOST_BITS) continue;
			this.#at = packAddress(this.bytes, this.#at, this.#address, 0);
			count += 1;
		}
		this.bytes[start] = count;
	}

	#endpoints(texts: string[]): void {
		let count = 0;
		for (const text of texts) {
			if (count === MAXIMUM_ENDPOINTS) break;
			if (parseEndpointInto(text, this.#endpointBytes, ENDPOINT_BYTES * count) !== 0) count += 1;
		}
		this.#at = packEndpoints(this.bytes, this.#at, this.#endpointBytes, count);
	}

	#user(value: unknown): void {
		// Negative ids exist in no known control server; they are shown as unknown.
		const id = (value === undefined || value === null ? undefined : idFromJSON(value)) ?? "0";
		const number = this.#users.intern(id);
		if (number >= 0) {
			this.bytes[this.#at] = SHARED_USER;
			this.bytes[this.#at + 1] = number;
			this.#at += 2;
			return;
		}
		if (!parseIDInto(id, this.bytes, this.#at + 1)) parseIDInto("0", this.bytes, this.#at + 1);
		let length = 8;
		while (length > 0 && this.bytes[this.#at + length] === 0) length -= 1;
		this.bytes[this.#at] = length;
		this.#at += 1 + length;
	}

	#allowedIPs(texts: string[] | undefined, addresses: string[]): void {
		if (texts === undefined || (texts.length === addresses.length && texts.every((text, i) => text === addresses[i]))) return;
		this.#flags |= Flag.allowedIPs;
		const start = this.#at;
		let count = 0;
		this.#at += 2;
		for (const text of texts) {
			if (parsePrefixInto(text, this.#address, 0) === 0) continue;
			if (this.#at + ALLOWED_BYTES + RESERVED_BYTES > this.bytes.length) {
				this.truncated = true;
				break;
			}
			const bits = this.#address[16] as number;
			maskAddress(this.#address, 0, bits);
			this.#at = packAddress(this.bytes, this.#at, this.#address, 0);
			this.bytes[this.#at] = bits;
			this.#at += 1;
			count += 1;
		}
		store16(this.bytes, start, count);
	}

	#capabilityKeys(map: Members | undefined, list: string[] | undefined): void {
		this.#flags &= ~Flag.capabilities;
		const names = map === undefined ? [] : Object.keys(map);
		if (list !== undefined) for (const name of list) if (!names.includes(name)) names.push(name);
		if (names.length === 0) return;
		const start = this.#at;
		let count = 0;
		this.#at += 1;
		for (const name of names) {
			const number = this.#capabilities.intern(name);
			if (number < 0 || count === MAXIMUM_CAPABILITIES) {
				this.truncated = true;
				continue;
			}
			if (number >= 128) {
				this.bytes[this.#at] = 128 | (number >> 8);
				this.#at += 1;
			}
			this.bytes[this.#at] = number & 255;
			this.#at += 1;
			count += 1;
		}
		this.bytes[start] = count;
		this.#flags |= Flag.capabilities;
	}

	#masquerade(node: Members, member: string, family: 4 | 6, flag: number): void {
		const text = textMember(node, member);
		if (text === "") return;
		if (parseAddressInto(text, this.#address, 0) !== family) throw new WrongType(`${member}: expected an IPv${family} address`);
		const from = family === 4 ? 12 : 0;
		this.bytes.set(this.#address.subarray(from, 16), this.#at);
		this.#at += 16 - from;
		this.#flags |= flag;
	}

	#peerAPI(hostinfo: Members | undefined): void {
		const services = hostinfo === undefined ? undefined : listMember(hostinfo, "Services");
		if (services === undefined) return;
		let port4 = 0;
		let port6 = 0;
		for (const each of services) {
			const service = objectOf(each, "Services[]");
			const port = numberMember(service, "Port") & 0xffff;
			if (service["Proto"] === "peerapi4") port4 = port;
			else if (service["Proto"] === "peerapi6") port6 = port;
		}
		if (port4 === 0 && port6 === 0) return;
		store16(this.bytes, this.#at, port4);
		store16(this.bytes, this.#at + 2, port6);
		this.#at += 4;
		this.#flags |= Flag.peerAPI;
	}
}

/** Lower case, without trailing dot: the form of names in the map. */
export function normalName(text: string): string {
	const name = text.toLowerCase();
	return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** The node's home region: HomeDERP, or the N of "127.3.3.40:N" from servers that know only that. */
export function homeRegion(node: Members): number {
	const region = numberMember(node, "HomeDERP");
	if (region !== 0) return fitRegion(region);
	const legacy = textMember(node, "DERP");
	const number = legacy.startsWith(DERP_MAGIC) ? legacy.slice(DERP_MAGIC.length) : "";
	return isDigits(number, 5) ? fitRegion(Number(number)) : 0;
}

/** Regions travel in 16 bits (protocol/relay.md §3.1); another one cannot be anybody's home. */
function fitRegion(region: number): number {
	return region > 0 && region <= 0xffff ? region : 0;
}

/** A time in Unix seconds, 0 when it is not said or "no time". */
export function secondsMember(members: Members, name: string): number {
	const text = textMember(members, name);
	if (text === "") return 0;
	const ms = parseTimeMS(text);
	if (Number.isNaN(ms)) throw new WrongType(`${name}: expected a time, got another text`);
	return Math.min(0xffffffff, Math.floor(ms / 1000));
}

function onlineMember(members: Members): number {
	const online = optionalFlag(members, "Online");
	return online === undefined ? Online.unknown : online ? Online.yes : Online.no;
}
