/**
 * Parts of the network map in the few bytes that a store keeps of them, and back into the members of control's JSON (protocol/control.md §6.9, §7), which are
 * staged as if control had sent them: there is one way into the map. Fields are those of cache-bytes.ts.
 *
 *   self      id 8, key expiry u32, flags u8 (1 authorised, 2 signed, 4 tagged, 8 MagicDNS), capabilities u8 (bit i: SELF_CAPABILITIES[i]),
 *             stable id text, name text, domain text, u8 n, addresses, u8 n, search domains
 *   region    id u16, flags u8 (1 avoid, 2 not measured), code text, name text, u8 n, nodes; whole, so that the connection to it outlives the first map
 *   node      flags u8 (1 STUN only, 2 port 80, 4 insecure, for tests), DERP port u16, STUN port u16 (0 = none), name, host name, certificate's name, IPv4, IPv6
 *             and STUN address as texts
 *   peer      id 8, flags u8 (1 recent, 2 jailed, 4 tagged, 8 PeerAPI, 16 AllowedIPs differ from the addresses), node key 32, disco key 32, home region u16,
 *             capability version u16, key expiry u32, name text, u8 n, addresses, u8 n, endpoints (address, port u16 big-endian), prefixes if flagged: u16 n,
 *             prefixes; PeerAPI ports u16, u16 if flagged; u8 n, names of capabilities
 *
 * A peer without disco key has no place here, nor one that is masqueraded, plain WireGuard, not covered by tailnet lock or expired: what a cache gets wrong of
 * those cannot be made good by the next map.
 */
import { addressToText, endpointToText, parseAddress, parseEndpoint, parsePrefixInto, prefixToText } from "./address.js";
import type { CacheReader, CacheWriter } from "./cache-bytes.js";
import type { DERPMapNode, DERPMapRegion } from "./derp-map.js";
import { keyToText } from "./keys.js";
import type { Members } from "./members.js";
import type { PeerView, SelfLookup } from "./types.js";
import { ID_BYTES, idText, parseIDInto } from "./wide-id.js";

/** Attributes of our own node that this node obeys. */
export const SELF_CAPABILITIES: readonly string[] = Object.freeze(["only-tcp-443", "magicdns-aaaa", "dns-subdomain-resolve"]);

/** What is kept of our own node besides what SelfLookup says. */
export interface CachedNames {
	/** Name of the tailnet. */
	domain: string;
	/** MagicDNS is on. */
	proxied: boolean;
	searchDomains: readonly string[];
}

function writeID(writer: CacheWriter, id: string): void {
	const bytes = new Uint8Array(ID_BYTES);
	parseIDInto(id, bytes, 0);
	writer.raw(bytes);
}

/** Id that an entry of a peer begins with. */
export function readID(reader: CacheReader): string {
	const bytes = reader.raw(ID_BYTES);
	return reader.failed ? "0" : idText(bytes, 0);
}

function bit(value: boolean, mask: number): number {
	return value ? mask : 0;
}

function timeText(unixSeconds: number): string | undefined {
	return unixSeconds === 0 ? undefined : new Date(unixSeconds * 1000).toISOString();
}

export function writeSelf(writer: CacheWriter, self: SelfLookup, names: CachedNames): void {
	writeID(writer, self.id);
	writer.u32(self.keyExpiry);
	writer.u8(bit(self.authorized, 1) | bit(self.signed, 2) | bit(self.tagged, 4) | bit(names.proxied, 8));
	let capabilities = 0;
	for (let i = 0; i < SELF_CAPABILITIES.length; i += 1) capabilities |= bit(self.hasCapability(SELF_CAPABILITIES[i] as string), 1 << i);
	writer.u8(capabilities);
	writer.text(self.stableID);
	writer.text(self.name);
	writer.text(names.domain);
	writer.u8(self.addresses.length);
	for (const address of self.addresses) writer.address(address);
	writer.u8(names.searchDomains.length);
	for (const domain of names.searchDomains) writer.text(domain);
}

/** @param nodeKey 32 bytes: it is not kept twice. @returns Node and what is kept besides, void if the reader has failed */
export function readSelf(reader: CacheReader, nodeKey: Uint8Array): { node: Members; names: CachedNames; keyExpiry: number } {
	const id = readID(reader);
	const keyExpiry = reader.u32();
	const flags = reader.u8();
	const attributes = reader.u8();
	const stableID = reader.text();
	const name = reader.text();
	const domain = reader.text();
	const addresses = readAddresses(reader);
	const searchDomains = reader.texts(reader.u8());
	const node = {
		ID: id,
		StableID: stableID,
		Name: name,
		Key: keyToText("nodekey:", nodeKey),
		KeyExpiry: timeText(keyExpiry),
		KeySignature: (flags & 2) !== 0 ? "kept" : "",
		Addresses: addresses,
		Tags: (flags & 4) !== 0 ? [""] : [],
		MachineAuthorized: (flags & 1) !== 0,
		Capabilities: SELF_CAPABILITIES.filter((_, index) => (attributes & (1 << index)) !== 0),
	};
	return { node, names: { domain, proxied: (flags & 8) !== 0, searchDomains }, keyExpiry };
}

function readAddresses(reader: CacheReader): string[] {
	const bytes = new Uint8Array(16);
	const texts: string[] = [];
	for (let count = reader.u8(); count > 0 && !reader.failed; count -= 1) {
		reader.address(bytes);
		texts.push(prefixToText(bytes, 128));
	}
	return texts;
}

/** @param mostNodes servers of the region that are kept */
export function writeRegion(writer: CacheWriter, region: DERPMapRegion, mostNodes: number): void {
	const nodes = region.nodes.slice(0, mostNodes);
	writer.u16(region.id);
	writer.u8(bit(region.avoid, 1) | bit(region.noMeasureNoHome, 2));
	writer.text(region.code);
	writer.text(region.name);
	writer.u8(nodes.length);
	for (const node of nodes) writeNode(writer, node);
}

function writeNode(writer: CacheWriter, node: DERPMapNode): void {
	writer.u8(bit(node.stunOnly, 1) | bit(node.canPort80, 2) | bit(node.insecureForTests, 4));
	writer.u16(node.derpPort);
	writer.u16(node.stunPort);
	for (const text of [node.name, node.hostName, node.certName, node.ipv4, node.ipv6, node.stunTestIP]) writer.text(text);
}

/** @returns a value of DERPMap.Regions */
export function readRegion(reader: CacheReader): Members {
	const id = reader.u16();
	const flags = reader.u8();
	const code = reader.text();
	const name = reader.text();
	const nodes: Members[] = [];
	for (let count = reader.u8(); count > 0 && !reader.failed; count -= 1) nodes.push(readNode(reader, id));
	return { RegionID: id, RegionCode: code, RegionName: name, Avoid: (flags & 1) !== 0, NoMeasureNoHome: (flags & 2) !== 0, Nodes: nodes };
}

function readNode(reader: CacheReader, region: number): Members {
	const flags = reader.u8();
	const derpPort = reader.u16();
	const stunPort = reader.u16();
	const [name, hostName, certName, ipv4, ipv6, stunTestIP] = reader.texts(6);
	return {
		Name: name,
		RegionID: region,
		HostName: hostName,
		CertName: certName,
		IPv4: ipv4,
		IPv6: ipv6,
		STUNPort: stunPort === 0 ? -1 : stunPort,
		STUNOnly: (flags & 1) !== 0,
		DERPPort: derpPort,
		CanPort80: (flags & 2) !== 0,
		InsecureForTests: (flags & 4) !== 0,
		STUNTestIP: stunTestIP,
	};
}

/** Whether a peer may be kept. */
export function isCacheable(view: PeerView): boolean {
	const isMasqueraded = view.masquerade4 !== undefined || view.masquerade6 !== undefined;
	return view.discoKey !== undefined && !view.expired && !view.untrusted && !view.wireGuardOnly && !view.unsignedPeerAPIOnly && !isMasqueraded;
}

/**
 * @param isRecent packets went to it or came from it lately
 * @param capabilities those that rules ask for
 */
export function writePeer(writer: CacheWriter, view: PeerView, isRecent: boolean, capabilities: readonly string[]): void {
	const hasPeerAPI = view.peerAPI4 !== 0 || view.peerAPI6 !== 0;
	const isPlain = view.allowedIPs.length === view.addresses.length && view.allowedIPs.every((prefix, i) => prefix === hostPrefix(view.addresses[i] as string));
	writeID(writer, view.id);
	writer.u8(bit(isRecent, 1) | bit(view.jailed, 2) | bit(view.tagged, 4) | bit(hasPeerAPI, 8) | bit(!isPlain, 16));
	writer.raw(view.nodeKey);
	writer.raw(view.discoKey as Uint8Array);
	writer.u16(view.homeRegion);
	writer.u16(view.capVersion);
	writer.u32(view.keyExpiry);
	writer.text(view.name);
	writer.u8(view.addresses.length);
	for (const address of view.addresses) writer.address(parseAddress(address) as Uint8Array);
	writer.u8(view.endpoints.length);
	for (const endpoint of view.endpoints) {
		const bytes = parseEndpoint(endpoint) as Uint8Array;
		writer.address(bytes);
		writer.raw(bytes.subarray(16));
	}
	if (!isPlain) writePrefixes(writer, view.allowedIPs);
	if (hasPeerAPI) {
		writer.u16(view.peerAPI4);
		writer.u16(view.peerAPI6);
	}
	writer.u8(capabilities.length);
	for (const capability of capabilities) writer.text(capability);
}

function hostPrefix(address: string): string {
	return address.includes(":") ? `${address}/128` : `${address}/32`;
}

function writePrefixes(writer: CacheWriter, prefixes: readonly string[]): void {
	const bytes = new Uint8Array(17);
	writer.u16(prefixes.length);
	for (const prefix of prefixes) {
		parsePrefixInto(prefix, bytes, 0);
		writer.address(bytes);
		writer.u8(bytes[16] as number);
	}
}

/** @returns a Node, void if the reader has failed; its id; and whether packets went to and fro lately */
export function readPeer(reader: CacheReader): { node: Members; id: string; isRecent: boolean } {
	const id = readID(reader);
	const flags = reader.u8();
	const nodeKey = reader.key();
	const discoKey = reader.key();
	const homeRegion = reader.u16();
	const capVersion = reader.u16();
	const keyExpiry = reader.u32();
	const name = reader.text();
	const addresses = readAddresses(reader);
	const endpoints = readEndpoints(reader);
	const allowedIPs = (flags & 16) !== 0 ? readPrefixes(reader) : addresses;
	const hasPeerAPI = (flags & 8) !== 0;
	const peerAPI4 = hasPeerAPI ? reader.u16() : 0;
	const peerAPI6 = hasPeerAPI ? reader.u16() : 0;
	const services = [
		{ Proto: "peerapi4", Port: peerAPI4 },
		{ Proto: "peerapi6", Port: peerAPI6 },
	];
	const node = {
		ID: id,
		Name: name,
		Key: keyToText("nodekey:", nodeKey),
		KeyExpiry: timeText(keyExpiry),
		DiscoKey: keyToText("discokey:", discoKey),
		Addresses: addresses,
		AllowedIPs: allowedIPs,
		Endpoints: endpoints,
		HomeDERP: homeRegion,
		Hostinfo: { Services: hasPeerAPI ? services : [] },
		Cap: capVersion,
		Tags: (flags & 4) !== 0 ? [""] : [],
		Capabilities: reader.texts(reader.u8()),
		IsJailed: (flags & 2) !== 0,
	};
	return { node, id, isRecent: (flags & 1) !== 0 };
}

function readEndpoints(reader: CacheReader): string[] {
	const bytes = new Uint8Array(18);
	const texts: string[] = [];
	for (let count = reader.u8(); count > 0 && !reader.failed; count -= 1) {
		reader.address(bytes);
		const port = reader.raw(2);
		if (!reader.failed) bytes.set(port, 16);
		texts.push(endpointToText(bytes));
	}
	return texts;
}

function readPrefixes(reader: CacheReader): string[] {
	const bytes = new Uint8Array(16);
	const texts: string[] = [];
	for (let count = reader.u16(); count > 0 && !reader.failed; count -= 1) {
		reader.address(bytes);
		texts.push(prefixText(bytes, reader.bits()));
	}
	return texts;
}

/** A v4-mapped prefix shorter than 96 bits is an IPv6 one, "::/0" among them. */
function prefixText(bytes: Uint8Array, bits: number): string {
	return bits < 96 ? `${addressToText(bytes)}/${bits}` : prefixToText(bytes, bits);
}
