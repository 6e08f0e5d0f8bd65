/**
 * Texts that many peers share, by small number: capability names, and the name suffix of a tailnet. Numbers are given once and stay; the table has a
 * bound, because control decides what goes in.
 */
export class Interner {
	readonly #limit: number;
	readonly #texts: string[] = [];
	readonly #numbers = new Map<string, number>();

	/** @param limit most texts held, at most 65,535 */
	constructor(limit: number) {
		this.#limit = limit;
	}

	get size(): number {
		return this.#texts.length;
	}

	/** The number of a text, a new one if need be. @returns -1 when the table is full */
	intern(text: string): number {
		const known = this.#numbers.get(text);
		if (known !== undefined) return known;
		if (this.#texts.length >= this.#limit) return -1;
		const number = this.#texts.length;
		this.#texts.push(text);
		this.#numbers.set(text, number);
		return number;
	}

	/** The number of a text, -1 if it has none. */
	find(text: string): number {
		return this.#numbers.get(text) ?? -1;
	}

	/** The text of a number; "" for one never given. */
	text(number: number): string {
		return this.#texts[number] ?? "";
	}
}
