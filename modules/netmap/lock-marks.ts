/**
 * What tailnet lock has found of each peer's node key: two bits a peer, and a byte for who vouches for it. Without any marks nobody is asked for a signature. See modules/lock/lock.ts.
 *
 *   unchecked   its signature has not been looked at: no traffic yet
 *   trusted     a key of the authority vouches for it
 *   refused     nobody does
 *   obsolete    somebody does, but its node has another key since
 */
export const Mark = { unchecked: 0, trusted: 1, refused: 2, obsolete: 3 } as const;

export type MarkNumber = (typeof Mark)[keyof typeof Mark];

const PER_BYTE = 4;
/** Somebody who has no number vouches for the peer. */
export const NO_NUMBER = 0;

export class LockMarks {
	#bits = new Uint8Array(0);
	/** Number of the key that vouches for the peer, 1 to 255 (modules/lock/peer-checks.ts). */
	#signers = new Uint8Array(0);

	/** @param slots room for so many peers; those there were keep their marks */
	resize(slots: number): void {
		const length = Math.ceil(slots / PER_BYTE);
		const bits = new Uint8Array(length);
		bits.set(this.#bits.subarray(0, length));
		this.#bits = bits;
		const signers = new Uint8Array(slots);
		signers.set(this.#signers.subarray(0, slots));
		this.#signers = signers;
	}

	get bytes(): number {
		return this.#bits.byteLength + this.#signers.byteLength;
	}

	get(index: number): MarkNumber {
		return (((this.#bits[index >> 2] as number) >> (2 * (index & 3))) & 3) as MarkNumber;
	}

	set(index: number, mark: MarkNumber): void {
		const shift = 2 * (index & 3);
		this.#bits[index >> 2] = ((this.#bits[index >> 2] as number) & ~(3 << shift)) | (mark << shift);
	}

	signer(index: number): number {
		return this.#signers[index] as number;
	}

	setSigner(index: number, number: number): void {
		this.#signers[index] = number;
	}
}
