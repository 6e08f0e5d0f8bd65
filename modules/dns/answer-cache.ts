/**
 * Addresses of names as servers have said them, for as long as they said they hold, and at most ten minutes; the name that was not asked for longest gives way.
 * protocol/tunnel.md §7.4
 */

/** Names that are kept: some 200 bytes each. */
export const MOST_NAMES = 32;
const LONGEST_LIFE_SECONDS = 600;

interface Entry {
	readonly addresses: readonly Uint8Array[];
	readonly untilMS: number;
}

export class AnswerCache {
	/** What was used last stands last. */
	readonly #entries = new Map<string, Entry>();

	get size(): number {
		return this.#entries.size;
	}

	get(name: string, now: number): readonly Uint8Array[] | undefined {
		const entry = this.#entries.get(name);
		if (entry === undefined) return undefined;
		this.#entries.delete(name);
		if (now >= entry.untilMS) return undefined;
		this.#entries.set(name, entry);
		return entry.addresses;
	}

	put(name: string, addresses: readonly Uint8Array[], lifeSeconds: number, now: number): void {
		this.#entries.delete(name);
		if (lifeSeconds === 0) return;
		if (this.#entries.size === MOST_NAMES) this.#entries.delete(this.#entries.keys().next().value as string);
		this.#entries.set(name, { addresses, untilMS: now + Math.min(lifeSeconds, LONGEST_LIFE_SECONDS) * 1000 });
	}

	/** Other servers may say something else. */
	clear(): void {
		this.#entries.clear();
	}
}
