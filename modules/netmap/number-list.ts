/** A list of numbers 0 .. 2^32 - 1 that grows, 4 bytes each: a JavaScript array costs 16 bytes an element in XS. */
export class NumberList {
	#numbers = new Uint32Array(0);
	#length = 0;

	get length(): number {
		return this.#length;
	}

	push(value: number): void {
		if (this.#length === this.#numbers.length) {
			const wider = new Uint32Array(this.#length * 2 + 4);
			wider.set(this.#numbers);
			this.#numbers = wider;
		}
		this.#numbers[this.#length] = value;
		this.#length += 1;
	}

	/** @param i below length */
	at(i: number): number {
		return this.#numbers[i] as number;
	}

	/** The numbers; the list must not grow while this is in use. */
	numbers(): Uint32Array {
		return this.#numbers.subarray(0, this.#length);
	}
}
