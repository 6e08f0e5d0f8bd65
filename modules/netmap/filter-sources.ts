/**
 * The sources of one rule, collected one by one and then put in order: IPv4 as disjoint ranges, IPv6 as disjoint prefixes, capabilities by id
 * (records of native/tn_filter.h). Control sends thousands of single addresses, most often in order: neighbours are joined at once.
 */
import { type AddressEntry, compareAddresses, forEachPrefix } from "./filter-address.js";
import { prefixContains6, sortRecords } from "./filter-order.js";
import { ANY4, ANY6, ByteTable, CAPABILITY_BYTES, PREFIX6_BYTES, RANGE4_BYTES } from "./filter-tables.js";

const LAST_IPV4 = 0xffffffff;

export class SourceSet {
	flags = 0;
	readonly ranges4 = new ByteTable();
	readonly prefixes6 = new ByteTable();
	readonly capabilities = new ByteTable();
	#isOrdered4 = true;
	#isOrdered6 = true;

	clear(): void {
		this.flags = 0;
		this.ranges4.clear();
		this.prefixes6.clear();
		this.capabilities.clear();
		this.#isOrdered4 = true;
		this.#isOrdered6 = true;
	}

	get lengthBytes(): number {
		return this.ranges4.lengthBytes + this.prefixes6.lengthBytes + this.capabilities.lengthBytes;
	}

	/** Whether the set holds any source of that family, or any capability. */
	hasFamily(family: number): boolean {
		if (this.capabilities.lengthBytes > 0) return true;
		return family === 4 ? (this.flags & ANY4) !== 0 || this.ranges4.lengthBytes > 0 : (this.flags & ANY6) !== 0 || this.prefixes6.lengthBytes > 0;
	}

	/** Adds an entry that names addresses. */
	add(entry: AddressEntry): void {
		if (entry.form === "all") this.flags |= ANY4 | ANY6;
		else if (entry.form === "range4") this.addRange4(entry.first4, entry.last4);
		else if (entry.form === "prefix6") this.addPrefix6(entry.low, entry.bits);
		else if (entry.form === "range6") forEachPrefix(entry.low.subarray(0, 16), entry.high, (address, bits) => this.addPrefix6(address, bits));
	}

	addRange4(first: number, last: number): void {
		if (first === 0 && last === LAST_IPV4) this.flags |= ANY4;
		if ((this.flags & ANY4) !== 0) return;
		const { view, lengthBytes } = this.ranges4;
		if (lengthBytes > 0) {
			const before = lengthBytes - RANGE4_BYTES;
			const lastBefore = view.getUint32(before + 4, true);
			if (first < view.getUint32(before, true)) this.#isOrdered4 = false;
			else if (first <= lastBefore + 1) {
				view.setUint32(before + 4, Math.max(last, lastBefore), true);
				return;
			}
		}
		const at = this.ranges4.extend(RANGE4_BYTES);
		this.ranges4.view.setUint32(at, first, true);
		this.ranges4.view.setUint32(at + 4, last, true);
	}

	/** @param address 16 bytes or more, host bits zero */
	addPrefix6(address: Uint8Array, bits: number): void {
		if (bits === 0) this.flags |= ANY6;
		if ((this.flags & ANY6) !== 0) return;
		const { bytes, lengthBytes } = this.prefixes6;
		if (lengthBytes > 0) {
			const before = lengthBytes - PREFIX6_BYTES;
			if (prefixContains6(bytes, before, bytes[before + 16] as number, address, 0) && (bytes[before + 16] as number) <= bits) return;
			if (compareAddresses(bytes, before, address, 0) >= 0) this.#isOrdered6 = false;
		}
		const at = this.prefixes6.extend(PREFIX6_BYTES);
		for (let i = 0; i < 16; i += 1) this.prefixes6.bytes[at + i] = address[i] as number;
		this.prefixes6.bytes[at + 16] = bits;
	}

	addCapability(id: number): void {
		for (let at = 0; at < this.capabilities.lengthBytes; at += CAPABILITY_BYTES) if (this.capabilities.view.getUint16(at, true) === id) return;
		const at = this.capabilities.extend(CAPABILITY_BYTES);
		this.capabilities.view.setUint16(at, id, true);
	}

	/** Sorts and joins: afterwards the tables are what a block wants. */
	normalise(): void {
		if ((this.flags & ANY4) !== 0) this.ranges4.clear();
		if ((this.flags & ANY6) !== 0) this.prefixes6.clear();
		if (!this.#isOrdered4) this.#join4();
		if (!this.#isOrdered6) this.#join6();
		this.#isOrdered4 = true;
		this.#isOrdered6 = true;
	}

	#join4(): void {
		const table = this.ranges4;
		const view = table.view;
		sortRecords(table, RANGE4_BYTES, (a, b) => view.getUint32(a, true) - view.getUint32(b, true));
		const end = table.lengthBytes;
		table.clear();
		// addRange4 joins neighbours while it copies the records down in place.
		for (let at = 0; at < end; at += RANGE4_BYTES) this.addRange4(view.getUint32(at, true), view.getUint32(at + 4, true));
	}

	#join6(): void {
		const table = this.prefixes6;
		const bytes = table.bytes;
		sortRecords(table, PREFIX6_BYTES, (a, b) => compareAddresses(bytes, a, bytes, b) || (bytes[a + 16] as number) - (bytes[b + 16] as number));
		const end = table.lengthBytes;
		table.clear();
		for (let at = 0; at < end; at += PREFIX6_BYTES) this.addPrefix6(bytes.subarray(at, at + 16), bytes[at + 16] as number);
	}
}
