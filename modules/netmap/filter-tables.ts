/**
 * The tables of a packet filter block, growing, and read back. The layout is that of native/tn_filter.h, which says what each record means.
 * A compiled chunk (filter-rules.ts) has the same form as the block for the tunnel (filter-link.ts), with an empty set of local networks.
 */
import { crc32, equalBytes } from "tailnet/host";

export const HEADER_BYTES = 48;
export const SET_BYTES = 24;
export const DESTINATION_BYTES = 16;
export const CLASS_BYTES = 32;
export const RANGE4_BYTES = 8;
export const ADDRESS6_BYTES = 16;
export const PREFIX6_BYTES = 17;
export const CAPABILITY_BYTES = 2;

/** Flags of a source set. */
export const ANY4 = 1;
export const ANY6 = 2;

/** Most source sets and protocol classes that a record can name. */
export const MOST_SETS = 65536;
export const MOST_CLASSES = 256;

const MAGIC = 0x31464e54; // "TNF1"

/** Records one after the other in a buffer that doubles when it is full. */
export class ByteTable {
	bytes = new Uint8Array(64);
	view = new DataView(this.bytes.buffer);
	lengthBytes = 0;

	/** Makes room for lengthBytes more. @returns their offset */
	extend(lengthBytes: number): number {
		const offset = this.lengthBytes;
		this.lengthBytes += lengthBytes;
		if (this.lengthBytes > this.bytes.length) {
			const larger = new Uint8Array(Math.max(this.lengthBytes, 2 * this.bytes.length));
			larger.set(this.bytes.subarray(0, offset));
			this.bytes = larger;
			this.view = new DataView(larger.buffer);
		}
		return offset;
	}

	append(bytes: Uint8Array): number {
		const offset = this.extend(bytes.length);
		this.bytes.set(bytes, offset);
		return offset;
	}

	/** What is in it; valid until it grows. */
	content(): Uint8Array {
		return this.bytes.subarray(0, this.lengthBytes);
	}

	clear(): void {
		this.lengthBytes = 0;
	}
}

/** Finds equal records again: by checksum first, then by content. */
class Known {
	readonly #numbers = new Map<number, number[]>();

	/** @returns the number under which isEqual(number) holds, or -1 after noting `next` */
	find(checksum: number, next: number, isEqual: (number: number) => boolean): number {
		const numbers = this.#numbers.get(checksum);
		if (!numbers) {
			this.#numbers.set(checksum, [next]);
			return -1;
		}
		for (const number of numbers) if (isEqual(number)) return number;
		numbers.push(next);
		return -1;
	}
}

/** Tables being made. */
export class FilterTables {
	readonly sets = new ByteTable();
	readonly destinations4 = new ByteTable();
	readonly destinations6 = new ByteTable();
	readonly classes = new ByteTable();
	readonly ranges4 = new ByteTable();
	readonly addresses6 = new ByteTable();
	readonly prefixes6 = new ByteTable();
	readonly capabilities = new ByteTable();
	/** Capabilities that open ICMP, by family. */
	readonly icmp4 = new Set<number>();
	readonly icmp6 = new Set<number>();
	readonly #knownSets = new Known();
	readonly #knownClasses = new Known();
	readonly #knownAddresses = new Known();

	get setCount(): number {
		return this.sets.lengthBytes / SET_BYTES;
	}

	get classCount(): number {
		return this.classes.lengthBytes / CLASS_BYTES;
	}

	/** Size of the block that finish() would make. */
	get lengthBytes(): number {
		return (
			HEADER_BYTES +
			this.sets.lengthBytes +
			this.destinations4.lengthBytes +
			this.destinations6.lengthBytes +
			this.classes.lengthBytes +
			this.ranges4.lengthBytes +
			this.addresses6.lengthBytes +
			this.prefixes6.lengthBytes +
			this.capabilities.lengthBytes +
			CAPABILITY_BYTES * (this.icmp4.size + this.icmp6.size)
		);
	}

	/** Adds a source set, or finds the equal one. Records are sorted and disjoint. @returns its number */
	addSet(flags: number, ranges4: Uint8Array, prefixes6: Uint8Array, capabilities: Uint8Array): number {
		const checksum = crc32(ranges4, ranges4.length) ^ crc32(prefixes6, prefixes6.length) ^ crc32(capabilities, capabilities.length) ^ flags;
		const next = this.setCount;
		// Local networks are a set of their own: a filter may have sources equal to them, but a chunk does not know them yet.
		const known = this.#knownSets.find(checksum, next, (number) => number !== 0 && this.#isSet(number, flags, ranges4, prefixes6, capabilities));
		if (known >= 0) return known;
		const at = this.sets.extend(SET_BYTES);
		const view = this.sets.view;
		view.setUint32(at, this.ranges4.append(ranges4) / RANGE4_BYTES, true);
		view.setUint32(at + 4, ranges4.length / RANGE4_BYTES, true);
		view.setUint32(at + 8, this.prefixes6.append(prefixes6) / PREFIX6_BYTES, true);
		view.setUint32(at + 12, prefixes6.length / PREFIX6_BYTES, true);
		view.setUint32(at + 16, this.capabilities.append(capabilities) / CAPABILITY_BYTES, true);
		view.setUint16(at + 20, capabilities.length / CAPABILITY_BYTES, true);
		view.setUint16(at + 22, flags, true);
		return next;
	}

	#isSet(number: number, flags: number, ranges4: Uint8Array, prefixes6: Uint8Array, capabilities: Uint8Array): boolean {
		const at = SET_BYTES * number;
		const view = this.sets.view;
		const same = (table: ByteTable, size: number, first: number, count: number, bytes: Uint8Array) =>
			count * size === bytes.length && equalBytes(table.bytes.subarray(first * size, (first + count) * size), bytes);
		return (
			view.getUint16(at + 22, true) === flags &&
			same(this.ranges4, RANGE4_BYTES, view.getUint32(at, true), view.getUint32(at + 4, true), ranges4) &&
			same(this.prefixes6, PREFIX6_BYTES, view.getUint32(at + 8, true), view.getUint32(at + 12, true), prefixes6) &&
			same(this.capabilities, CAPABILITY_BYTES, view.getUint32(at + 16, true), view.getUint16(at + 20, true), capabilities)
		);
	}

	#addRecord(table: ByteTable, known: Known, record: Uint8Array): number {
		const size = record.length;
		const next = table.lengthBytes / size;
		const number = known.find(crc32(record, size), next, (other) => equalBytes(table.bytes.subarray(other * size, (other + 1) * size), record));
		if (number >= 0) return number;
		table.append(record);
		return next;
	}

	/** @param bits 32 bytes, bit n of byte n / 8 is protocol n. @returns its number */
	addClass(bits: Uint8Array): number {
		return this.#addRecord(this.classes, this.#knownClasses, bits);
	}

	addDestination4(first4: number, last4: number, firstPort: number, lastPort: number, set: number, protocols: number): void {
		this.#addDestination(this.destinations4, first4, last4, firstPort, lastPort, set, protocols);
	}

	/** @param address 16 bytes */
	addDestination6(address: Uint8Array, bits: number, firstPort: number, lastPort: number, set: number, protocols: number): void {
		this.#addDestination(this.destinations6, this.#addRecord(this.addresses6, this.#knownAddresses, address), bits, firstPort, lastPort, set, protocols);
	}

	#addDestination(table: ByteTable, a: number, b: number, firstPort: number, lastPort: number, set: number, protocols: number): void {
		const at = table.extend(DESTINATION_BYTES);
		const view = table.view;
		view.setUint32(at, a, true);
		view.setUint32(at + 4, b, true);
		view.setUint16(at + 8, firstPort, true);
		view.setUint16(at + 10, lastPort, true);
		view.setUint16(at + 12, set, true);
		view.setUint8(at + 14, protocols);
		view.setUint8(at + 15, 0);
	}

	finish(): Uint8Array {
		const icmpCount = this.icmp4.size + this.icmp6.size;
		const block = new Uint8Array(this.lengthBytes);
		const view = new DataView(block.buffer);
		view.setUint32(0, MAGIC, true);
		view.setUint32(4, block.length, true);
		let at = HEADER_BYTES;
		const place = (field: number, table: ByteTable, size: number) => {
			view.setUint32(field, table.lengthBytes / size, true);
			block.set(table.content(), at);
			at += table.lengthBytes;
		};
		place(8, this.sets, SET_BYTES);
		place(12, this.destinations4, DESTINATION_BYTES);
		place(16, this.destinations6, DESTINATION_BYTES);
		place(20, this.classes, CLASS_BYTES);
		place(24, this.ranges4, RANGE4_BYTES);
		place(28, this.addresses6, ADDRESS6_BYTES);
		place(32, this.prefixes6, PREFIX6_BYTES);
		// The ids for ICMP stand in front of those of the sets.
		for (const ids of [this.icmp4, this.icmp6])
			for (const id of ids) {
				view.setUint16(at, id, true);
				at += CAPABILITY_BYTES;
			}
		place(36, this.capabilities, CAPABILITY_BYTES);
		view.setUint32(36, this.capabilities.lengthBytes / CAPABILITY_BYTES + icmpCount, true);
		view.setUint16(40, this.icmp4.size, true);
		view.setUint16(42, this.icmp6.size, true);
		for (let i = 0; i < this.setCount; i += 1) {
			const first = HEADER_BYTES + SET_BYTES * i + 16;
			view.setUint32(first, view.getUint32(first, true) + icmpCount, true);
		}
		return block;
	}
}

/** A finished block, read. It is trusted: FilterTables made it. */
export class FilterBlock {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	/** Offsets of the tables, in the order of the block. */
	readonly setsAt = HEADER_BYTES;
	readonly destinations4At: number;
	readonly destinations6At: number;
	readonly classesAt: number;
	readonly ranges4At: number;
	readonly addresses6At: number;
	readonly prefixes6At: number;
	readonly capabilitiesAt: number;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
		this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.destinations4At = this.setsAt + SET_BYTES * this.#count(8);
		this.destinations6At = this.destinations4At + DESTINATION_BYTES * this.#count(12);
		this.classesAt = this.destinations6At + DESTINATION_BYTES * this.#count(16);
		this.ranges4At = this.classesAt + CLASS_BYTES * this.#count(20);
		this.addresses6At = this.ranges4At + RANGE4_BYTES * this.#count(24);
		this.prefixes6At = this.addresses6At + ADDRESS6_BYTES * this.#count(28);
		this.capabilitiesAt = this.prefixes6At + PREFIX6_BYTES * this.#count(32);
	}

	#count(field: number): number {
		return this.view.getUint32(field, true);
	}

	/** Flags and records of a source set. */
	set(number: number): { flags: number; ranges4: Uint8Array; prefixes6: Uint8Array; capabilities: Uint8Array } {
		const at = this.setsAt + SET_BYTES * number;
		const part = (tableAt: number, size: number, first: number, count: number) => this.bytes.subarray(tableAt + size * first, tableAt + size * (first + count));
		return {
			flags: this.view.getUint16(at + 22, true),
			ranges4: part(this.ranges4At, RANGE4_BYTES, this.#count(at), this.#count(at + 4)),
			prefixes6: part(this.prefixes6At, PREFIX6_BYTES, this.#count(at + 8), this.#count(at + 12)),
			capabilities: part(this.capabilitiesAt, CAPABILITY_BYTES, this.#count(at + 16), this.view.getUint16(at + 20, true)),
		};
	}

	/** Capability ids that open ICMP. @param family 4 or 6 */
	icmp(family: number): number[] {
		const count4 = this.view.getUint16(40, true);
		const first = family === 4 ? 0 : count4;
		const count = family === 4 ? count4 : this.view.getUint16(42, true);
		const ids: number[] = [];
		for (let i = 0; i < count; i += 1) ids.push(this.view.getUint16(this.capabilitiesAt + CAPABILITY_BYTES * (first + i), true));
		return ids;
	}
}
