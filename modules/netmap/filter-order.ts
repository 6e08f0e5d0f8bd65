/** Order and containment of the records of a packet filter block. */
import type { ByteTable } from "./filter-tables.js";

/** Whether 16 bytes at addressOffset lie in the IPv6 prefix at prefixOffset. No address counts as IPv4 here, v4-mapped ones neither. */
export function prefixContains6(prefix: Uint8Array, prefixOffset: number, bits: number, address: Uint8Array, addressOffset: number): boolean {
	const whole = bits >> 3;
	for (let i = 0; i < whole; i += 1) if (prefix[prefixOffset + i] !== address[addressOffset + i]) return false;
	const rest = bits & 7;
	return rest === 0 || (((prefix[prefixOffset + whole] as number) ^ (address[addressOffset + whole] as number)) & (0xff00 >> rest) & 255) === 0;
}

/**
 * Sorts a table's records of sizeBytes in place (heap sort: no memory, no bad case).
 * @param compare order of the records at two offsets
 */
export function sortRecords(table: ByteTable, sizeBytes: number, compare: (a: number, b: number) => number): void {
	const bytes = table.bytes;
	const swap = (a: number, b: number) => {
		for (let i = 0; i < sizeBytes; i += 1) {
			const byte = bytes[a + i] as number;
			bytes[a + i] = bytes[b + i] as number;
			bytes[b + i] = byte;
		}
	};
	const sink = (root: number, count: number) => {
		for (let parent = root; ; ) {
			let child = 2 * parent + 1;
			if (child >= count) return;
			if (child + 1 < count && compare(child * sizeBytes, (child + 1) * sizeBytes) < 0) child += 1;
			if (compare(parent * sizeBytes, child * sizeBytes) >= 0) return;
			swap(parent * sizeBytes, child * sizeBytes);
			parent = child;
		}
	};
	const count = table.lengthBytes / sizeBytes;
	for (let i = (count >> 1) - 1; i >= 0; i -= 1) sink(i, count);
	for (let last = count - 1; last > 0; last -= 1) {
		swap(0, last * sizeBytes);
		sink(0, last);
	}
}
