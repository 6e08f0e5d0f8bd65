/** ASN.1 DER, as much as certificates need: tag, length, value. */

export function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
	const body = Buffer.concat(parts);
	const n = body.length;
	const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
	return new Uint8Array(Buffer.concat([Uint8Array.of(tag, ...length), body]));
}

export function sequence(...parts: Uint8Array[]): Uint8Array {
	return der(0x30, ...parts);
}

export function set(...parts: Uint8Array[]): Uint8Array {
	return der(0x31, ...parts);
}

/** A non-negative integer. @param bytes big-endian */
export function integer(bytes: Uint8Array): Uint8Array {
	let start = 0;
	while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
	const body = bytes.subarray(start);
	return der(0x02, (body[0] as number) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), body);
}

/** @param text "1.2.840.10045.4.3.2" */
export function objectIdentifier(text: string): Uint8Array {
	const arcs = text.split(".").map(Number);
	const bytes: number[] = [40 * (arcs[0] as number) + (arcs[1] as number)];
	for (const arc of arcs.slice(2)) {
		const group = [arc & 127];
		for (let rest = arc >>> 7; rest > 0; rest >>>= 7) group.unshift((rest & 127) | 128);
		bytes.push(...group);
	}
	return der(0x06, new Uint8Array(bytes));
}

export function utf8String(text: string): Uint8Array {
	return der(0x0c, Buffer.from(text));
}

export function octetString(...parts: Uint8Array[]): Uint8Array {
	return der(0x04, ...parts);
}

/** @param unused bits of the last byte that do not count */
export function bitString(bytes: Uint8Array, unused = 0): Uint8Array {
	return der(0x03, Uint8Array.of(unused), bytes);
}

export function boolean(value: boolean): Uint8Array {
	return der(0x01, Uint8Array.of(value ? 0xff : 0));
}

/** GeneralizedTime; UTCTime where X.509 demands it (before 2050). */
export function time(date: Date): Uint8Array {
	const digits = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
	return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

/** [number] around parts. */
export function explicit(number: number, ...parts: Uint8Array[]): Uint8Array {
	return der(0xa0 | number, ...parts);
}
