/** Helpers of the tests that need no engine: hex and a seeded generator. */

/** Lower-case hex to bytes. */
export function fromHex(text: string): Uint8Array {
	const bytes = new Uint8Array(text.length / 2);
	for (let i = 0; i < bytes.length; i += 1) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
	return bytes;
}

/** Bytes to lower-case hex. */
export function toHex(bytes: Uint8Array): string {
	let text = "";
	for (let i = 0; i < bytes.length; i += 1) text += (bytes[i] as number).toString(16).padStart(2, "0");
	return text;
}

/** A seeded generator (mulberry32): the same numbers in every run. next() is in [0, 1). */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let t = this.#state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	/** A whole number in [0, limit). */
	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}

	bytes(lengthBytes: number): Uint8Array {
		const bytes = new Uint8Array(lengthBytes);
		for (let i = 0; i < lengthBytes; i += 1) bytes[i] = this.below(256);
		return bytes;
	}
}
