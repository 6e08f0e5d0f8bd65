/** Bytes 0, 1, ... 250, 0, 1, ...: what the peers send and compare. */
import { equalBytes } from "tailnet/host";

const period = 251;
/** Compared at once. */
const pieceBytes = 16 * period;

const source = new Uint8Array(pieceBytes + period);
for (let i = 0; i < source.length; i += 1) source[i] = i % period;

/** Bytes of the pattern from an offset on, at most 4,016. */
export function pattern(offset: number, lengthBytes: number): Uint8Array {
	const from = offset % period;
	return source.subarray(from, from + Math.min(lengthBytes, pieceBytes));
}

export function isPattern(bytes: Uint8Array, offset: number): boolean {
	for (let at = 0; at < bytes.length; at += pieceBytes) {
		const part = bytes.subarray(at, at + pieceBytes);
		if (!equalBytes(part, pattern(offset + at, part.length))) return false;
	}
	return true;
}
