/**
 * 4via6: names and addresses by which an IPv4 subnet behind a numbered site is reached over IPv6, so that two sites may have the same subnet.
 * See protocol/tunnel.md §3.4, §7.2 rule 7.
 *
 *   "10-1-2-3-via-7"   alone, or below ts.net or tailscale.net
 *   "via-7.10.1.2.3"   and "10.1.2.3.via-7": older forms
 *   fd7a:115c:a1e0:b1a::/64, site u32 big-endian, IPv4 address
 */
import { ADDRESS_BYTES, parseAddressInto } from "./address.js";

const PREFIX = Uint8Array.of(0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0x0b, 0x1a);
const HYPHENS = "-via-";
const VIA = "via-";

/** Site id: decimal, or hexadecimal, octal, binary with the prefixes of Go; 32 bits. @returns -1 if it is none */
function parseSite(text: string): number {
	const isNumber = /^(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/.test(text);
	if (!isNumber) return -1;
	const site = Number(/^0[0-7]/.test(text) ? `0o${text.slice(1)}` : text);
	return site <= 0xffffffff ? site : -1;
}

/**
 * @param name lower case, without trailing dot
 * @returns the 16 bytes that a 4via6 name stands for, undefined for any other name
 */
export function parseViaName(name: string): Uint8Array | undefined {
	let site: string;
	let address: string;
	if (name.includes(HYPHENS)) {
		const dot = name.indexOf(".");
		const label = dot < 0 ? name : name.slice(0, dot);
		const domain = dot < 0 ? "" : name.slice(dot + 1);
		if (domain !== "" && !/(?:^|\.)(?:ts|tailscale)\.net$/.test(domain)) return undefined;
		const at = label.indexOf(HYPHENS);
		if (at < 0) return undefined;
		site = label.slice(at + HYPHENS.length);
		address = label.slice(0, at).replaceAll("-", ".");
	} else if (name.startsWith(VIA)) {
		const dot = name.indexOf(".");
		if (dot < 0) return undefined;
		site = name.slice(VIA.length, dot);
		address = name.slice(dot + 1);
	} else {
		const dot = name.lastIndexOf(".");
		if (dot < 0 || !name.startsWith(VIA, dot + 1)) return undefined;
		site = name.slice(dot + 1 + VIA.length);
		address = name.slice(0, dot);
	}
	const number = parseSite(site);
	const bytes = new Uint8Array(ADDRESS_BYTES);
	if (number < 0 || parseAddressInto(address, bytes, 0) !== 4) return undefined;
	bytes.set(PREFIX);
	for (let i = 0; i < 4; i += 1) bytes[8 + i] = (number >>> (24 - 8 * i)) & 255;
	return bytes;
}
