/**
 * The address forms of packet filter rules (protocol/filter.md §1.2), tested in this order:
 *
 *   *           every address of both families
 *   cap:NAME    whoever holds capability NAME (sources only)
 *   a.b.c.d/n   CIDR; host bits must be zero
 *   a-b         range, both ends included
 *   a           one address; a zone is accepted and ignored, in ranges too
 *
 * "::ffff:1.2.3.4" is IPv6 here and never equal to 1.2.3.4.
 */
import { maskAddress, parseAddressInto, parsePrefixInto, withoutZone } from "./address.js";

export type AddressForm = "invalid" | "all" | "capability" | "range4" | "prefix6" | "range6";

/** Number of an IPv4 address whose v4-mapped form starts at offset. */
export function numberOfIPv4(bytes: Uint8Array, offset = 0): number {
	return (
		(((bytes[offset + 12] as number) << 24) |
			((bytes[offset + 13] as number) << 16) |
			((bytes[offset + 14] as number) << 8) |
			(bytes[offset + 15] as number)) >>>
		0
	);
}

/** Order of two addresses of 16 bytes: negative, 0, positive. */
export function compareAddresses(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
	for (let i = 0; i < 16; i += 1) {
		const difference = (a[aOffset + i] as number) - (b[bOffset + i] as number);
		if (difference !== 0) return difference;
	}
	return 0;
}

/** One entry, read into fields that the next read() overwrites: a rule may have ten thousand. */
export class AddressEntry {
	form: AddressForm = "invalid";
	/** range4: first and last address, as numbers. */
	first4 = 0;
	last4 = 0;
	/** prefix6: the address; range6: the first one. 16 bytes, and one more for parsing. */
	readonly low = new Uint8Array(17);
	/** range6: the last address. */
	readonly high = new Uint8Array(17);
	/** prefix6: length. */
	bits = 0;
	/** capability: its name, may be empty. */
	capability = "";

	read(text: string): AddressForm {
		this.form = this.#read(text);
		return this.form;
	}

	#read(text: string): AddressForm {
		if (text === "*") return "all";
		if (text.startsWith("cap:")) {
			this.capability = text.slice(4);
			return "capability";
		}
		if (text.includes("/")) return this.#readPrefix(text);
		const dash = text.indexOf("-");
		if (dash >= 0 && text.indexOf("-", dash + 1) < 0) return this.#readRange(text.slice(0, dash), text.slice(dash + 1));
		const family = parseAddressInto(withoutZone(text), this.low, 0);
		if (family === 0) return "invalid";
		if (family === 6) {
			this.bits = 128;
			return "prefix6";
		}
		this.first4 = numberOfIPv4(this.low);
		this.last4 = this.first4;
		return "range4";
	}

	#readPrefix(text: string): AddressForm {
		const family = parsePrefixInto(text, this.low, 0);
		if (family === 0) return "invalid";
		this.bits = this.low[16] as number;
		if (maskAddress(this.low, 0, this.bits)) return "invalid";
		if (family === 6) return "prefix6";
		this.first4 = numberOfIPv4(this.low);
		this.last4 = this.first4 + 2 ** (128 - this.bits) - 1;
		return "range4";
	}

	#readRange(first: string, last: string): AddressForm {
		const family = parseAddressInto(withoutZone(first), this.low, 0);
		if (family === 0 || parseAddressInto(withoutZone(last), this.high, 0) !== family) return "invalid";
		if (compareAddresses(this.low, 0, this.high, 0) > 0) return "invalid";
		if (family === 6) return "range6";
		this.first4 = numberOfIPv4(this.low);
		this.last4 = numberOfIPv4(this.high);
		return "range4";
	}
}

/**
 * Cuts an IPv6 range into the fewest prefixes, in ascending order (at most 254).
 * @param low 16 bytes; advanced while going, and left anywhere
 * @param take gets the address, valid during the call, and the length
 */
export function forEachPrefix(low: Uint8Array, high: Uint8Array, take: (address: Uint8Array, bits: number) => void): void {
	const end = new Uint8Array(16);
	for (;;) {
		// The shortest prefix that begins at low and does not reach past high.
		let bits = 128;
		while (bits > 0 && bitOf(low, bits - 1) === 0) {
			fillFrom(low, bits - 1, end);
			if (compareAddresses(end, 0, high, 0) > 0) break;
			bits -= 1;
		}
		take(low, bits);
		fillFrom(low, bits, end);
		if (compareAddresses(end, 0, high, 0) >= 0) return;
		low.set(end);
		for (let i = 15; i >= 0; i -= 1) {
			low[i] = ((low[i] as number) + 1) & 255;
			if (low[i] !== 0) break;
		}
	}
}

function bitOf(address: Uint8Array, bit: number): number {
	return ((address[bit >> 3] as number) >> (7 - (bit & 7))) & 1;
}

/** The last address of the prefix of that length. */
function fillFrom(address: Uint8Array, bits: number, end: Uint8Array): void {
	for (let i = 0; i < 16; i += 1) {
		const kept = Math.max(0, Math.min(8, bits - 8 * i));
		end[i] = (address[i] as number) | (0xff >> kept);
	}
}
