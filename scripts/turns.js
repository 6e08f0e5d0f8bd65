/**
 * Text of several programs that run side by side, shown as if they ran one after another: the first that has not ended is shown as it prints, the others are
 * kept until it is their turn.
 */
export class Turns {
	#kept;
	#isEnded;
	#current = 0;
	#write;

	/** @param write takes a string or a Buffer */
	constructor(count, write) {
		this.#kept = Array.from({ length: count }, () => []);
		this.#isEnded = new Array(count).fill(false);
		this.#write = write;
	}

	print(index, bytes) {
		if (index === this.#current) this.#write(bytes);
		else this.#kept[index].push(bytes);
	}

	/** The program called index prints no more. */
	end(index) {
		this.#isEnded[index] = true;
		while (this.#isEnded[this.#current]) {
			this.#current += 1;
			for (const bytes of this.#kept[this.#current] ?? []) this.#write(bytes);
			if (this.#kept[this.#current]) this.#kept[this.#current] = [];
		}
	}
}
