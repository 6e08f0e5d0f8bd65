/**
 * Random numbers that follow from a seed, so that a run can be had again (mulberry32: 32 bits of state, good enough to choose faults by).
 */
export class Random {
	#state;

	/** @param {number} seed 0..2^32-1 */
	constructor(seed) {
		this.#state = seed >>> 0;
	}

	/** A number in [0, 1). */
	fraction() {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let t = this.#state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	}

	/** A whole number from least to most, both included. */
	between(least, most) {
		return least + Math.floor(this.fraction() * (most - least + 1));
	}

	/** The list in another order. */
	shuffled(list) {
		const result = [...list];
		for (let i = result.length - 1; i > 0; i -= 1) {
			const j = this.between(0, i);
			[result[i], result[j]] = [result[j], result[i]];
		}
		return result;
	}
}
