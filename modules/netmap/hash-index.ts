/**
 * An open-addressed hash table of small numbers: peers by key, by address, by name. It holds indexes only, 2 bytes each (4 once an index passes
 * 65,534); what they stand for is asked back from the owner. One value of a peer costs 2.3 to 2.9 bytes (load 0.7 to 0.875).
 *
 * Linear probing, deletion by shifting back: no tombstones, so equal keys stay in one run and an unsuccessful search ends at the first hole.
 */

const EMPTY16 = 0xffff;
const EMPTY32 = 0xffffffff;
const MAXIMUM_LOAD = 0.875;
const MINIMUM_CELLS = 8;

/** Hash of what the index stands for in this table: any whole number. */
export type HashOf = (index: number) => number;

export class HashIndex {
	readonly #hashOf: HashOf;
	#cells: Uint16Array | Uint32Array = new Uint16Array(0);
	#empty = EMPTY16;
	#count = 0;

	constructor(hashOf: HashOf) {
		this.#hashOf = hashOf;
	}

	get count(): number {
		return this.#count;
	}

	/** Bytes held. */
	get bytes(): number {
		return this.#cells.byteLength;
	}

	/** Makes room for count entries with indexes below limit, all at once. */
	reserve(count: number, limit: number): void {
		const wide = limit > EMPTY16;
		if (count <= this.#cells.length * MAXIMUM_LOAD && (!wide || this.#empty === EMPTY32)) return;
		// Growing by a quarter keeps the average load near 0.78.
		const cells = Math.max(MINIMUM_CELLS, Math.ceil(count / MAXIMUM_LOAD) + 1, this.#count === 0 ? 0 : Math.ceil(this.#cells.length * 1.25));
		this.#rebuild(cells, wide || this.#empty === EMPTY32);
	}

	/** Gives back room when most of it is unused. */
	trim(): void {
		if (this.#cells.length > MINIMUM_CELLS && this.#count < this.#cells.length * 0.5) {
			this.#rebuild(Math.max(MINIMUM_CELLS, Math.ceil(this.#count / 0.8) + 1), this.#empty === EMPTY32);
		}
	}

	/** Adds an index (it is not looked for first: the same index twice under one hash is the caller's fault). */
	add(index: number): void {
		this.reserve(this.#count + 1, index + 1);
		this.#insert(index, this.#hashOf(index));
		this.#count += 1;
	}

	/** Removes an index; hashOf(index) must still be what it was when the index was added. */
	remove(index: number): void {
		const cells = this.#cells;
		const size = cells.length;
		if (size === 0) return;
		let at = this.#hashOf(index) % size;
		while (cells[at] !== index) {
			if (cells[at] === this.#empty) return;
			at = at + 1 === size ? 0 : at + 1;
		}
		this.#count -= 1;
		// Whoever follows in the run and may not stay behind a hole moves into it.
		let hole = at;
		for (;;) {
			at = at + 1 === size ? 0 : at + 1;
			const follower = cells[at] as number;
			if (follower === this.#empty) break;
			const home = this.#hashOf(follower) % size;
			const distance = at >= home ? at - home : at + size - home;
			const gap = at >= hole ? at - hole : at + size - hole;
			if (distance >= gap) {
				cells[hole] = follower;
				hole = at;
			}
		}
		cells[hole] = this.#empty;
	}

	/** Cell where a search for hash begins, -1 in an empty table. Walk it with entry() and next() until entry() is -1. */
	start(hash: number): number {
		return this.#cells.length === 0 ? -1 : hash % this.#cells.length;
	}

	/** The index in a cell, -1 for a hole. */
	entry(cell: number): number {
		if (cell < 0) return -1;
		const value = this.#cells[cell] as number;
		return value === this.#empty ? -1 : value;
	}

	next(cell: number): number {
		return cell + 1 === this.#cells.length ? 0 : cell + 1;
	}

	#insert(index: number, hash: number): void {
		const cells = this.#cells;
		const size = cells.length;
		let at = hash % size;
		while (cells[at] !== this.#empty) at = at + 1 === size ? 0 : at + 1;
		cells[at] = index;
	}

	#rebuild(size: number, wide: boolean): void {
		const old = this.#cells;
		const oldEmpty = this.#empty;
		this.#cells = wide ? new Uint32Array(size) : new Uint16Array(size);
		this.#empty = wide ? EMPTY32 : EMPTY16;
		this.#cells.fill(this.#empty);
		for (let i = 0; i < old.length; i += 1) {
			const index = old[i] as number;
			if (index !== oldEmpty) this.#insert(index, this.#hashOf(index));
		}
	}
}
