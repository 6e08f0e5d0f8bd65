/** One record (record.ts) decoded into the object that people and other modules look at. */

import { utf8Decode } from "tailnet/host";
import { addressToText, endpointToText, prefixToText } from "./address.js";
import type { Interner } from "./interner.js";
import { isZeroKey } from "./keys.js";
import { Flag, load16, Offset, type Sections, SHARED_USER, unpackAddress, unpackCapabilities, unpackEndpoints } from "./record.js";
import type { PeerView } from "./types.js";
import { idText, load32 } from "./wide-id.js";

/** Texts that records name by number; the store of the records. */
interface Shared {
	readonly suffixes: Interner;
	readonly capabilities: Interner;
	readonly users: Interner;
}

/** Decodes the record at offset. online, lastSeen, untrusted and the effect of the date on expired are the table's to add. */
export function decodePeer(index: number, record: Uint8Array, offset: number, sections: Sections, store: Shared): PeerView {
	sections.locate(record, offset);
	const flags = load16(record, offset + Offset.flags);
	const discoKey = record.slice(offset + Offset.discoKey, offset + Offset.discoKey + 32);
	const addresses = decodeAddresses(record, sections.addresses);
	const unsigned = (flags & Flag.unsignedPeerAPIOnly) !== 0;
	let allowedIPs = (flags & Flag.allowedIPs) !== 0 ? decodePrefixes(record, sections.allowedIPs) : addresses.map(hostPrefix);
	if (unsigned) {
		const own = addresses.map(hostPrefix);
		allowedIPs = allowedIPs.filter((prefix) => own.includes(prefix));
	}
	const capabilities: string[] = [];
	if ((flags & Flag.capabilities) !== 0)
		for (const number of unpackCapabilities(record, sections.capabilities)) capabilities.push(store.capabilities.text(number));
	return {
		index,
		id: idText(record, offset + Offset.id),
		nodeKey: record.slice(offset + Offset.nodeKey, offset + Offset.nodeKey + 32),
		discoKey: isZeroKey(discoKey) ? undefined : discoKey,
		name: decodeName(record, offset, store.suffixes),
		addresses,
		allowedIPs,
		endpoints: decodeEndpoints(record, sections.endpoints),
		homeRegion: load16(record, offset + Offset.region),
		capVersion: load16(record, offset + Offset.capVersion),
		capabilities,
		user: decodeUser(record, sections.user, store.users),
		online: undefined,
		lastSeen: 0,
		keyExpiry: load32(record, offset + Offset.keyExpiry),
		expired: (flags & Flag.expired) !== 0,
		untrusted: false,
		jailed: (flags & Flag.jailed) !== 0,
		wireGuardOnly: (flags & Flag.wireGuardOnly) !== 0,
		unsignedPeerAPIOnly: unsigned,
		tagged: (flags & Flag.tagged) !== 0,
		masquerade4: (flags & Flag.masquerade4) === 0 ? undefined : Array.from(record.subarray(sections.masquerade4, sections.masquerade4 + 4)).join("."),
		masquerade6: (flags & Flag.masquerade6) === 0 ? undefined : addressToText(record, sections.masquerade6),
		peerAPI4: (flags & Flag.peerAPI) === 0 ? 0 : load16(record, sections.peerAPI),
		peerAPI6: (flags & Flag.peerAPI) === 0 ? 0 : load16(record, sections.peerAPI + 2),
	};
}

/** AllowedIPs of the record at offset as control gave them. */
export function decodeAllowedIPs(record: Uint8Array, offset: number, sections: Sections): string[] {
	sections.locate(record, offset);
	const flags = load16(record, offset + Offset.flags);
	return (flags & Flag.allowedIPs) !== 0 ? decodePrefixes(record, sections.allowedIPs) : decodeAddresses(record, sections.addresses).map(hostPrefix);
}

/** FQDN without trailing dot of the record at offset. */
export function decodeName(record: Uint8Array, offset: number, suffixes: Interner): string {
	const at = offset + Offset.sections;
	const label = utf8Decode(record.subarray(at + 1, at + 1 + (record[at] as number)));
	const suffix = suffixes.text(load16(record, offset + Offset.suffix));
	return suffix === "" ? label : `${label}.${suffix}`;
}

function hostPrefix(address: string): string {
	return address.includes(":") ? `${address}/128` : `${address}/32`;
}

function decodeAddresses(record: Uint8Array, at: number): string[] {
	const bytes = new Uint8Array(16);
	const texts: string[] = [];
	for (let count = record[at++] as number; count > 0; count -= 1) {
		at = unpackAddress(record, at, bytes, 0);
		texts.push(addressToText(bytes));
	}
	return texts;
}

function decodePrefixes(record: Uint8Array, at: number): string[] {
	const bytes = new Uint8Array(16);
	const texts: string[] = [];
	const count = load16(record, at);
	at += 2;
	for (let i = 0; i < count; i += 1) {
		at = unpackAddress(record, at, bytes, 0);
		texts.push(prefixToText(bytes, record[at] as number));
		at += 1;
	}
	return texts;
}

function decodeEndpoints(record: Uint8Array, at: number): string[] {
	const endpoints = unpackEndpoints(record, at);
	const texts: string[] = [];
	for (let i = 0; i < endpoints.length; i += 18) texts.push(endpointToText(endpoints, i));
	return texts;
}

function decodeUser(record: Uint8Array, at: number, users: Interner): string {
	if (record[at] === SHARED_USER) return users.text(record[at + 1] as number);
	const id = new Uint8Array(8);
	id.set(record.subarray(at + 1, at + 1 + (record[at] as number)));
	return idText(id, 0);
}
