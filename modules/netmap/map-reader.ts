/**
 * The body of a map poll: frames without end, cut anywhere by the layers below. See protocol/control.md §6.3.
 *
 *   0   u32 little-endian   length n of the message, not 0
 *   4   n bytes             one MapResponse, JSON
 *
 * No message is ever in memory as a whole: its bytes go through the JSON scanner, whose buffer holds one wanted value at a time. The message comes into force
 * at its last byte, or not at all.
 */
import { JSONScanner } from "tailnet/host";
import { mapSchema } from "./map-schema.js";
import { MapStage } from "./map-stage.js";
import type { Netmap } from "./netmap.js";
import type { MapFailure, MapMessage, MapReading } from "./types.js";
import { load32 } from "./wide-id.js";

const HEADER_BYTES = 4;
export const DEFAULT_BUFFER_BYTES = 32768;

export class MapReader implements MapReading {
	readonly #netmap: Netmap;
	readonly #stage: MapStage;
	readonly #scanner: JSONScanner;
	readonly #header = new Uint8Array(HEADER_BYTES);
	#headerLength = 0;
	/** Bytes of the message that are still to come; 0 = a header comes. */
	#remaining = 0;
	#failure: MapFailure | undefined;
	readonly #onValue = (path: number, key: string, text: string): void => this.#stage.value(path, key, text);

	/** @param bufferBytes bound on the longest value of a message that can be kept (a node without the members we do not use, say) */
	constructor(netmap: Netmap, bufferBytes = DEFAULT_BUFFER_BYTES) {
		this.#netmap = netmap;
		this.#stage = new MapStage(netmap);
		this.#scanner = new JSONScanner(mapSchema(netmap.logins !== undefined), bufferBytes);
		this.begin();
	}

	get failure(): MapFailure | undefined {
		return this.#failure;
	}

	get peakBytes(): number {
		return this.#scanner.peakBytes;
	}

	begin(): void {
		this.#failure = undefined;
		this.#headerLength = 0;
		this.#remaining = 0;
		this.#scanner.reset();
		this.#stage.begin();
	}

	push(bytes: Uint8Array, now: number): MapMessage[] {
		const messages: MapMessage[] = [];
		this.#stage.now = now;
		let at = 0;
		while (at < bytes.length && this.#failure === undefined) {
			if (this.#remaining === 0) {
				this.#header[this.#headerLength] = bytes[at] as number;
				this.#headerLength += 1;
				at += 1;
				if (this.#headerLength === HEADER_BYTES) this.#openMessage();
				continue;
			}
			const end = Math.min(bytes.length, at + this.#remaining);
			this.#remaining -= end - at;
			const status = this.#scanner.push(bytes.subarray(at, end), this.#onValue);
			at = end;
			if (status === -1) this.#fail("json", "a message is not JSON, or is nested deeper than 64");
			else if (this.#remaining === 0) this.#closeMessage(status, messages);
		}
		this.#netmap.peakBufferBytes = Math.max(this.#netmap.peakBufferBytes, this.#scanner.peakBytes);
		return messages;
	}

	#openMessage(): void {
		this.#headerLength = 0;
		this.#remaining = load32(this.#header, 0);
		if (this.#remaining === 0) this.#fail("framing", "a message of 0 bytes");
	}

	#closeMessage(status: number, messages: MapMessage[]): void {
		this.#scanner.reset();
		if (status === 0) {
			this.#fail("json", "a message ends in the middle of its JSON");
			return;
		}
		const result = this.#stage.end();
		if ("code" in result) this.#fail(result.code, result.message);
		else messages.push(result);
	}

	#fail(code: MapFailure["code"], message: string): void {
		this.#failure = { code, message };
		this.#stage.begin();
	}
}
