/**
 * The history of a key authority as one value of a store, at most 4,000 bytes. Integers are little-endian.
 *
 *    0  u8   version, 1
 *    1  u32  checksum of the control server's URL: another server has another authority
 *    5  32   head of the state that updates follow
 *   37  16   numbers that tell authorities apart
 *   53       u8 n, disablement values, 32 bytes each
 *            u16 n, keys: u16 votes, u8 n, n bytes
 *            u16 n, updates as they came: u16 n, n bytes
 *            u32 checksum of all before, CRC-32
 *
 * What keys are called is not kept: nothing is verified by it.
 */
import { crc32 } from "tailnet/host";
import { CacheReader, CacheWriter } from "../netmap/cache-bytes.js";
import { load32 } from "../netmap/wide-id.js";
import type { AuthorityState, TrustedKey } from "./authority-state.js";
import { Chain } from "./chain.js";
import { parseUpdate, type Update } from "./update.js";

const VERSION = 1;
export const LARGEST_VALUE_BYTES = 4000;
const CHECKSUM_BYTES = 4;
const HASH_BYTES = 32;

/**
 * Writes a history; the oldest updates are folded into its state until it fits.
 * @returns undefined if the state alone is too large: some 90 keys with all disablement values, 110 with the usual ten
 */
export function encodeChain(chain: Chain, control: number): Uint8Array | undefined {
	for (;;) {
		const writer = new CacheWriter(LARGEST_VALUE_BYTES);
		write(writer, chain, control);
		writer.u32(crc32(writer.bytes, writer.length));
		if (!writer.isFull) return writer.bytes.slice(0, writer.length);
		if (!chain.fold()) return undefined;
	}
}

/** @returns undefined for a value of another control server; what is wrong with one that is damaged or of another version */
export function decodeChain(bytes: Uint8Array, control: number): Chain | string | undefined {
	const end = bytes.length - CHECKSUM_BYTES;
	if (end < 0 || load32(bytes, end) !== crc32(bytes, end)) return "its checksum is wrong";
	const reader = new CacheReader(bytes.subarray(0, end));
	const version = reader.u8();
	if (version !== VERSION) return `expected version ${VERSION}, got ${version}`;
	if (reader.u32() !== control) return undefined;
	const head = reader.raw(HASH_BYTES).slice();
	const id = reader.raw(16).slice();
	const disablement: Uint8Array[] = [];
	for (let n = reader.u8(); n > 0 && !reader.failed; n -= 1) disablement.push(reader.raw(HASH_BYTES).slice());
	const keys: TrustedKey[] = [];
	for (let n = reader.u16(); n > 0 && !reader.failed; n -= 1) {
		const votes = reader.u16();
		keys.push({ votes, bytes: reader.raw(reader.u8()).slice() });
	}
	const updates: Update[] = [];
	for (let n = reader.u16(); n > 0 && !reader.failed; n -= 1) {
		const update = parseUpdate(reader.raw(reader.u16()).slice());
		if (typeof update === "string") return update;
		updates.push(update);
	}
	if (reader.failed || reader.hasMore) return "it ends too early, or too late";
	return Chain.from({ head, id, disablement, keys }, updates);
}

function write(writer: CacheWriter, chain: Chain, control: number): void {
	const base: AuthorityState = chain.base;
	writer.u8(VERSION);
	writer.u32(control);
	writer.raw(base.head);
	writer.raw(base.id);
	writer.u8(base.disablement.length);
	for (const value of base.disablement) writer.raw(value);
	writer.u16(base.keys.length);
	for (const { votes, bytes } of base.keys) {
		writer.u16(votes);
		writer.u8(bytes.length);
		writer.raw(bytes);
	}
	writer.u16(chain.updates.length);
	for (const { bytes } of chain.updates) {
		writer.u16(bytes.length);
		writer.raw(bytes);
	}
}
