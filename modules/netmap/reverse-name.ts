/** Names of reverse look-ups: "4.3.2.1.in-addr.arpa", and 32 nibbles below "ip6.arpa" (RFC 1035 §3.5, RFC 3596 §2.5). */
import { ADDRESS_BYTES, parseAddress } from "./address.js";

const SUFFIX4 = ".in-addr.arpa";
const SUFFIX6 = ".ip6.arpa";

/** @param name lower case, without trailing dot. @returns 16 bytes, or undefined for any other name */
export function parseReverseName(name: string): Uint8Array | undefined {
	if (name.endsWith(SUFFIX4)) return parseAddress(name.slice(0, -SUFFIX4.length).split(".").reverse().join("."));
	if (!name.endsWith(SUFFIX6)) return undefined;
	const nibbles = name.slice(0, -SUFFIX6.length);
	if (!/^(?:[0-9a-f]\.){31}[0-9a-f]$/.test(nibbles)) return undefined;
	const hex = nibbles.split(".").reverse().join("");
	const address = new Uint8Array(ADDRESS_BYTES);
	for (let i = 0; i < ADDRESS_BYTES; i += 1) address[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
	return address;
}
