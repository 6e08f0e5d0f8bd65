/**
 * Which node keys are obsolete because their node has rotated them away: such a key has a good signature, and whoever stole it could go on with it.
 *
 *   - a key that a rotation of any peer names as one before it
 *   - of several rotations that go back to the same key of one node (its machine was copied), all but the one with the most keys before it; if two have as many,
 *     nobody knows which is the later, and all are
 *
 * Kept of each peer with a rotation: 8 bytes of each key before, and of the key that signs. See ipn/ipnlocal/network-lock.go of the official client, v1.98.9.
 */
const PREFIX_BYTES = 8;

interface Rotation {
	/** 16 digits each. */
	readonly previous: readonly string[];
	/** "" if the signing key is that of an auth key, which many nodes may share. */
	readonly wrapping: string;
}

export class Rotations {
	readonly #byPeer = new Map<number, Rotation>();

	/** Whether there is anything to go by. */
	get isEmpty(): boolean {
		return this.#byPeer.size === 0;
	}

	/** The signature of the peer at index is good. @param previous, wrapping as in Authorized (node-signature.ts) */
	set(index: number, previous: readonly Uint8Array[], wrapping: Uint8Array | undefined): void {
		if (previous.length === 0 && !wrapping) this.#byPeer.delete(index);
		else this.#byPeer.set(index, { previous: previous.map(prefix), wrapping: wrapping ? prefix(wrapping) : "" });
	}

	/** The peer is gone, or not trusted any more. */
	delete(index: number): void {
		this.#byPeer.delete(index);
	}

	clear(): void {
		this.#byPeer.clear();
	}

	/** @param keyOf node key of a peer in the map. @returns which of the peers in indexes have a key that is obsolete */
	obsolete(indexes: readonly number[], keyOf: (index: number) => Uint8Array): Set<number> {
		const replaced = new Set<string>();
		for (const { previous } of this.#byPeer.values()) for (const key of previous) replaced.add(key);
		const found = new Set(indexes.filter((index) => replaced.has(prefix(keyOf(index)))));
		const groups = new Map<string, number[]>();
		for (const [index, { wrapping }] of this.#byPeer) {
			if (wrapping === "" || found.has(index)) continue;
			const group = groups.get(wrapping);
			if (group) group.push(index);
			else groups.set(wrapping, [index]);
		}
		for (const group of groups.values()) {
			const length = (index: number): number => (this.#byPeer.get(index) as Rotation).previous.length;
			const most = Math.max(...group.map(length));
			const latest = group.filter((index) => length(index) === most);
			for (const index of group) if (latest.length > 1 || index !== latest[0]) found.add(index);
		}
		return found;
	}
}

function prefix(key: Uint8Array): string {
	let text = "";
	for (let i = 0; i < PREFIX_BYTES; i += 1) text += ((key[i] as number) | 256).toString(16).slice(1);
	return text;
}
