/** Memory of records: what it holds follows what lives, however often that changes. */
import { Arena } from "../../../modules/netmap/arena.js";
import { describe, expect, test } from "../../harness.js";

const lengthBytes = 120;

/** A record that knows its length, as those of peers do. */
function record(number: number): Uint8Array {
	const bytes = new Uint8Array(lengthBytes).fill(number & 255);
	bytes[0] = lengthBytes;
	return bytes;
}

/** Peers in an arena, each changed by a message of its own. */
class Peers {
	readonly arena = new Arena();
	readonly places: Uint32Array;

	constructor(count: number) {
		this.places = new Uint32Array(count);
		for (let i = 0; i < count; i += 1) this.places[i] = this.arena.append(record(i), 0, lengthBytes) + 1;
	}

	change(index: number, number: number): void {
		const { arena, places } = this;
		arena.mark();
		const old = (places[index] as number) - 1;
		places[index] = arena.append(record(number), 0, lengthBytes) + 1;
		arena.discard(old, lengthBytes);
		arena.tidy(places, 1, (page, offset) => page[offset] as number);
	}

	first(index: number): number {
		const place = (this.places[index] as number) - 1;
		return this.arena.page(place)[this.arena.offset(place) + 1] as number;
	}
}

describe("an arena", () => {
	for (const [count, mostBytes] of [
		[1, 3_000],
		[4, 4_000],
		[60, 32_000],
		[1000, 160_000],
	] as const) {
		test(`of ${count} peers that change 5,000 times holds at most ${mostBytes} bytes, and every peer`, () => {
			const peers = new Peers(count);
			for (let i = 0; i < 5000; i += 1) {
				peers.change(i % count, i);
				if (peers.arena.bytes > mostBytes) throw new Error(`${peers.arena.bytes} bytes after ${i} changes`);
			}
			for (let i = 0; i < count; i += 1) {
				const last = 4999 - ((4999 - i) % count);
				expect(peers.first(i)).toBe(last & 255);
			}
		});
	}

	test("gives a first load whole pages soon", () => {
		const peers = new Peers(5000);
		expect(peers.arena.bytes).toBeLessThan(5000 * lengthBytes * 1.05);
	});
});
