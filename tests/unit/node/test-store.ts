/** A store in memory that fails when a test wants it to. */
import type { Store } from "../../../modules/host-contract.js";

class PowerCut extends Error {}

/** Values in memory; the power goes before the write number `cutAt`. */
export class TestStore implements Store {
	readonly values: Map<string, Uint8Array>;
	cutAt = Number.POSITIVE_INFINITY;
	writes = 0;

	constructor(values: ReadonlyMap<string, Uint8Array> = new Map()) {
		this.values = new Map(values);
	}

	get(key: string): Uint8Array | undefined {
		return this.values.get(key)?.slice();
	}

	set(key: string, value: Uint8Array): void {
		this.#write();
		this.values.set(key, value.slice());
	}

	delete(key: string): void {
		this.#write();
		this.values.delete(key);
	}

	#write(): void {
		if (this.writes === this.cutAt) throw new PowerCut("the power is gone");
		this.writes += 1;
	}
}
