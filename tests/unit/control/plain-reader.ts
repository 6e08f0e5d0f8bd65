/** A map reader that collects whole messages and parses them: what the conversations of this folder need of modules/netmap/map-reader.ts. */
import type { MapFailure, MapMessage, MapReading } from "../../../modules/netmap/types.js";
import { concat, latin1 } from "./pieces.js";

type Wire = { KeepAlive?: boolean; PopBrowserURL?: string; Node?: unknown; PingRequest?: MapMessage["pingRequest"]; Debug?: MapMessage["debug"] };

export class PlainReader implements MapReading {
	failure: MapFailure | undefined;
	readonly peakBytes = 0;
	begins = 0;
	bytes = 0;
	#buffer: Uint8Array = new Uint8Array(0);
	#isFirst = true;

	begin(): void {
		this.begins += 1;
		this.failure = undefined;
		this.#buffer = new Uint8Array(0);
		this.#isFirst = true;
	}

	push(bytes: Uint8Array): MapMessage[] {
		this.bytes += bytes.length;
		this.#buffer = concat(this.#buffer, bytes);
		const messages: MapMessage[] = [];
		while (!this.failure && this.#buffer.length >= 4) {
			const b = this.#buffer;
			const length = (b[0] as number) + (b[1] as number) * 256 + (b[2] as number) * 65536 + (b[3] as number) * 0x100_0000;
			if (b.length < 4 + length) break;
			const wire = JSON.parse(latin1(b.slice(4, 4 + length))) as Wire;
			this.#buffer = b.slice(4 + length);
			if (this.#isFirst && !wire.KeepAlive && !wire.PingRequest) {
				this.#isFirst = false;
				if (!wire.Node) {
					this.failure = { code: "no-node", message: "the first message of a poll was expected to contain Node" };
					break;
				}
			}
			messages.push({
				keepAlive: wire.KeepAlive === true,
				...(wire.PingRequest ? { pingRequest: wire.PingRequest } : {}),
				...(wire.Debug ? { debug: wire.Debug } : {}),
				...(wire.PopBrowserURL ? { popBrowserURL: wire.PopBrowserURL } : {}),
			});
		}
		return messages;
	}
}
