/**
 * Memory for records of differing lengths: pages of at most 16 KB, filled from front to back, without a header a record. Who keeps records
 * holds their places; a place is page << 14 | offset in the page.
 *
 * Records are never changed in length: another version is appended and the old one discarded. What is appended after mark() can be taken back as a
 * whole by release(): that is how an unfinished map message vanishes. Pages that have become mostly waste are emptied by moving what lives in them.
 */

const PAGE_BITS = 14;
const PAGE_BYTES = 1 << PAGE_BITS;
const IN_PAGE = PAGE_BYTES - 1;
/** A few peers do not need a whole page. */
const FIRST_PAGE_BYTES = 1024;
/** More waste than this is never left alone; less is as long as it is less than what lives, or than a first page. */
const MOST_WASTE = PAGE_BYTES;
/** A page is as large as this many times what lives, between a first page and a whole one. */
const GROWTH = 4;

/** Longest record. */
export const MAXIMUM_RECORD_BYTES = PAGE_BYTES / 2;

interface Page {
	bytes: Uint8Array;
	/** Bytes filled from the front. */
	used: number;
	/** Bytes of them in records that are in use. */
	live: number;
}

/** Where filling stood. */
export interface ArenaMark {
	page: number;
	used: number;
	live: number;
	pages: number;
}

export class Arena {
	#pages: (Page | undefined)[] = [];
	/** Numbers of pages given back; used again before the list grows. */
	#free: number[] = [];
	/** Page being filled, -1 at first. */
	#current = -1;
	/** Pages opened since mark(), newest last. */
	#opened: number[] = [];

	/** Bytes held, used or not. */
	get bytes(): number {
		let sum = 0;
		for (const page of this.#pages) if (page !== undefined) sum += page.bytes.byteLength;
		return sum;
	}

	/** Bytes filled with records that nobody uses. */
	get waste(): number {
		let sum = 0;
		for (const page of this.#pages) if (page !== undefined) sum += page.used - page.live;
		return sum;
	}

	/** The page that holds a place. The view stays valid until the next append, release or tidy. */
	page(place: number): Uint8Array {
		return (this.#pages[place >>> PAGE_BITS] as Page).bytes;
	}

	/** Offset of a place in its page. */
	offset(place: number): number {
		return place & IN_PAGE;
	}

	/** Copies a record in. @param length at most MAXIMUM_RECORD_BYTES. @returns its place */
	append(bytes: Uint8Array, offset: number, length: number): number {
		let page = this.#current < 0 ? undefined : this.#pages[this.#current];
		if (page === undefined || page.used + length > page.bytes.length) page = this.#open(length);
		const place = (this.#current << PAGE_BITS) | page.used;
		page.bytes.set(bytes.subarray(offset, offset + length), page.used);
		page.used += length;
		page.live += length;
		return place;
	}

	/** A record is used no more. */
	discard(place: number, length: number): void {
		(this.#pages[place >>> PAGE_BITS] as Page).live -= length;
	}

	/** Remembers the state, for release(). */
	mark(): ArenaMark {
		const page = this.#current < 0 ? undefined : this.#pages[this.#current];
		this.#opened.length = 0;
		return { page: this.#current, used: page?.used ?? 0, live: page?.live ?? 0, pages: this.#pages.length };
	}

	/** Takes back everything appended since mark(). Nothing of what was there before may have been discarded in between. */
	release(mark: ArenaMark): void {
		for (const number of this.#opened) {
			this.#pages[number] = undefined;
			if (number < mark.pages) this.#free.push(number);
		}
		this.#opened.length = 0;
		this.#pages.length = mark.pages;
		this.#current = mark.page;
		const page = mark.page < 0 ? undefined : this.#pages[mark.page];
		if (page !== undefined) {
			page.used = mark.used;
			page.live = mark.live;
		}
	}

	/**
	 * Gives back pages, if there is waste worth the work.
	 * @param places one place an entry; entries below first are no places. Entries are rewritten for records that moved
	 * @param first smallest entry that is a place, plus what was added to it
	 * @param lengthAt length of the record at (page, offset)
	 */
	tidy(places: Uint32Array, first: number, lengthAt: (page: Uint8Array, offset: number) => number): void {
		let used = 0;
		let live = 0;
		for (const page of this.#pages) {
			if (page === undefined) continue;
			used += page.used;
			live += page.live;
		}
		this.#drop();
		if (used - live <= Math.min(MOST_WASTE, Math.max(live, FIRST_PAGE_BYTES)) || used - live < used / 8) return;
		const emptied: boolean[] = [];
		for (let i = 0; i < this.#pages.length; i += 1) {
			const page = this.#pages[i];
			emptied.push(page !== undefined && page.live < page.used * 0.9);
		}
		// What moves goes to a page that stays.
		if (emptied[this.#current]) this.#current = -1;
		for (let i = 0; i < places.length; i += 1) {
			const entry = places[i] as number;
			if (entry < first) continue;
			const place = entry - first;
			if (!emptied[place >>> PAGE_BITS]) continue;
			const page = this.page(place);
			const offset = place & IN_PAGE;
			const length = lengthAt(page, offset);
			places[i] = this.append(page, offset, length) + first;
			this.discard(place, length);
		}
		this.#drop();
	}

	/** Forgets pages in which nothing lives. */
	#drop(): void {
		for (let i = 0; i < this.#pages.length; i += 1) {
			const page = this.#pages[i];
			if (page === undefined || page.live > 0) continue;
			if (i === this.#current) this.#current = -1;
			this.#pages[i] = undefined;
			this.#free.push(i);
		}
		this.#opened.length = 0;
	}

	#open(length: number): Page {
		let live = 0;
		for (const page of this.#pages) if (page !== undefined) live += page.live;
		const bytes = Math.min(PAGE_BYTES, Math.max(FIRST_PAGE_BYTES, GROWTH * live, length));
		const page = { bytes: new Uint8Array(bytes), used: 0, live: 0 };
		const number = this.#free.pop() ?? this.#pages.length;
		this.#pages[number] = page;
		this.#current = number;
		this.#opened.push(number);
		return page;
	}
}
