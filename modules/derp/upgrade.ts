/**
 * From HTTP to DERP on a fresh connection (protocol/relay.md §3.4).
 *
 *   GET /derp HTTP/1.1                      HTTP/1.1 101 Switching Protocols
 *   Host: HOSTNAME (never a port)           any headers
 *   Connection: Upgrade
 *   Upgrade: DERP                           DERP frames, often in the same TLS record
 *   Ideal-Node: NAME (only if connected
 *     to another node of the region)
 *
 * Only the status code counts. "Derp-Fast-Start" is never sent: it would need the server's key out of its meta certificate.
 */
import { utf8Decode, utf8Encode } from "tailnet/host";

/** Limit of the answer's head. */
export const MAXIMUM_HEAD_LENGTH = 4096;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The request's bytes.
 * @param hostName of the node that was dialled; an IPv6 literal gets brackets
 * @param idealNode name of the region's first node if another one was dialled, else ""
 * @throws {RangeError} if a text holds anything but printable ASCII without spaces
 */
export function upgradeRequest(hostName: string, idealNode: string): Uint8Array {
	checkToken(hostName);
	const host = hostName.includes(":") ? `[${hostName}]` : hostName;
	let text = `GET /derp HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n`;
	if (idealNode !== "") {
		checkToken(idealNode);
		text += `Ideal-Node: ${idealNode}\r\n`;
	}
	return utf8Encode(`${text}\r\n`);
}

/** "more" bytes are wanted; the answer is no ("refused": its status line; "malformed"); or where DERP begins in the bytes that completed the head. */
export type UpgradeResult = "more" | { readonly refused: string } | { readonly consumed: number };

/** Reads the answer's head, cut anywhere. */
export class UpgradeAnswer {
	readonly #head = new Uint8Array(MAXIMUM_HEAD_LENGTH);
	#length = 0;
	#lineStart = 0;

	/** Feeds the stream's next bytes. Not to be called again after another result than "more". */
	push(bytes: Uint8Array): UpgradeResult {
		for (let i = 0; i < bytes.length; i += 1) {
			if (this.#length === MAXIMUM_HEAD_LENGTH) return { refused: `an HTTP answer head of at most ${MAXIMUM_HEAD_LENGTH} bytes was expected` };
			const byte = bytes[i] as number;
			this.#head[this.#length] = byte;
			this.#length += 1;
			if (byte !== LINE_FEED) continue;
			if (this.#lineStart === 0) {
				const refusal = this.#statusRefusal();
				if (refusal) return { refused: refusal };
			} else if (this.#lineIsEmpty()) {
				return { consumed: i + 1 };
			}
			this.#lineStart = this.#length;
		}
		return "more";
	}

	#lineIsEmpty(): boolean {
		const length = this.#length - this.#lineStart;
		return length === 1 || (length === 2 && this.#head[this.#lineStart] === CARRIAGE_RETURN);
	}

	/** @returns "" for a 101 */
	#statusRefusal(): string {
		const line = printable(utf8Decode(this.#head.subarray(0, Math.min(this.#length, 100))));
		const match = /^HTTP\/1\.[01] ([0-9]{3})( |$)/.exec(line);
		if (!match) return `an HTTP status line was expected, not "${line}"`;
		return match[1] === "101" ? "" : `101 Switching Protocols was expected, not "${line}"`;
	}
}

function printable(text: string): string {
	return text.replace(/[\r\n]+$/, "").replace(/[^\x20-\x7e]/g, ".");
}

function checkToken(text: string): void {
	if (!/^[\x21-\x7e]+$/.test(text)) throw new RangeError("a host or node name of printable ASCII characters was expected");
}
