/** The SDK's Resource: a file of the app, read whole. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export default class Resource {
	#bytes;

	constructor(name) {
		this.#bytes = readFileSync(join(globalThis.exampleResources, name));
	}

	get byteLength() {
		return this.#bytes.length;
	}

	slice(begin, end) {
		return new Uint8Array(this.#bytes.subarray(begin, end)).buffer;
	}
}
