/** Tells apart what was kept under the word of different control servers. */
import { crc32, utf8Encode } from "tailnet/host";

/** CRC-32 of a control server's URL, as the values in the store have it (netmap/cache-values.ts, lock/chain-codec.ts). */
export function controlChecksum(url: string): number {
	const bytes = utf8Encode(url);
	return crc32(bytes, bytes.length);
}
