/**
 * From HTTP/1.1 to Noise on a fresh connection (protocol/control.md §3.2), without I/O.
 *
 *   POST /ts2021 HTTP/1.1                               HTTP/1.1 101 Switching Protocols
 *   Host: HOST                                          Upgrade: tailscale-control-protocol
 *   Upgrade: tailscale-control-protocol                 any headers
 *   Connection: upgrade
 *   X-Tailscale-Handshake: 136 characters of base64     Noise response, often in the same segment
 *   Content-Length: 0
 */
import { base64Encode } from "tailnet/host";
import { type Head, HeadReader, http1Request } from "./http1.js";
import { printable } from "./noise.js";

const PROTOCOL = "tailscale-control-protocol";

/** @param initiation the 101 bytes of Noise message 1 */
export function upgradeRequest(authority: string, initiation: Uint8Array): Uint8Array {
	return http1Request("POST", "/ts2021", authority, [
		["Upgrade", PROTOCOL],
		["Connection", "upgrade"],
		["X-Tailscale-Handshake", base64Encode(initiation)],
		["Content-Length", "0"],
	]);
}

/** "more" bytes are wanted, why there is no upgrade, or where Noise begins in the bytes pushed last. */
export type UpgradeResult = "more" | { readonly refused: string } | { readonly consumed: number };

/** Reads the answer to the upgrade, cut anywhere. */
export class UpgradeReader {
	readonly #head = new HeadReader();

	/** Feeds the stream's next bytes. Not to be called again after another result than "more". */
	push(bytes: Uint8Array): UpgradeResult {
		const result = this.#head.push(bytes);
		if (result === "more") return result;
		if ("failed" in result) return { refused: `no upgrade to ${PROTOCOL}: ${result.failed}` };
		const refused = refusal(result.head);
		return refused ? { refused } : { consumed: result.consumed };
	}
}

function refusal(head: Head): string {
	const expected = `no upgrade to ${PROTOCOL}: 101 Switching Protocols was expected,`;
	if (head.status === 0) return `${expected} not "${head.startLine}"`;
	if (head.status >= 300 && head.status < 400)
		return `${expected} not a redirect (${head.status}) to ${printable(head.headers.get("location") ?? "nowhere").slice(0, 100)}`;
	if (head.status !== 101) return `${expected} not "${head.startLine}"`;
	const protocol = printable(head.headers.get("upgrade") ?? "");
	return protocol.toLowerCase() === PROTOCOL ? "" : `${expected} not one to "${protocol.slice(0, 40)}"`;
}
