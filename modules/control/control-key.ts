/**
 * GET /key?v=VERSION: control's public machine key (protocol/control.md §2.1).
 *
 *   {"legacyPublicKey":"mkey:...","publicKey":"mkey:64 hex digits"}
 *
 * This fetch, over verified TLS, is the only authentication of control: the Noise handshake proves no more than that the server owns this key.
 */
import { utf8Decode } from "tailnet/host";
import { TailnetError } from "../errors.js";
import { isZeroKey, parseKey } from "../netmap/keys.js";
import type { Target } from "./http1.js";
import { printable } from "./noise.js";
import { PlainRequest } from "./plain-request.js";

const MAXIMUM_BODY_BYTES = 65536;
const TIMEOUT_MS = 15_000;

/**
 * Reads the answer to GET /key.
 * @param location the Location header, for a redirect
 * @returns 32 bytes, or why there is no key
 */
export function parseControlKey(status: number, body: Uint8Array, location = ""): Uint8Array | TailnetError {
	if (status >= 300 && status < 400) return keyError(`not a redirect (${status}) to ${printable(location).slice(0, 100)}`);
	const text = utf8Decode(body.length > MAXIMUM_BODY_BYTES ? body.subarray(0, MAXIMUM_BODY_BYTES) : body);
	if (status !== 200) return keyError(`not status ${status} "${printable(text).slice(0, 200)}"`);
	let key: unknown;
	try {
		key = (JSON.parse(text) as { publicKey?: unknown } | null)?.publicKey;
	} catch {
		return keyError(/^[0-9a-fA-F]{64}\s*$/.test(text) ? "not the bare key of a server from before 2022" : `not "${printable(text).slice(0, 60)}"`);
	}
	const bytes = typeof key === "string" ? parseKey(key, "mkey:") : undefined;
	if (!bytes) return keyError("not an answer without a publicKey of the form mkey:...");
	return isZeroKey(bytes) ? keyError("not a zero publicKey: the server is too old for Noise") : bytes;
}

function keyError(text: string): TailnetError {
	return new TailnetError("control-key", `control's key was expected from /key, ${text}`);
}

/** Asks control for its key. @returns the request, for close() */
export function fetchControlKey(
	control: Target,
	version: number,
	authorities: string[] | undefined,
	onKey: (key: Uint8Array) => void,
	onFailure: (error: TailnetError) => void,
): PlainRequest {
	return new PlainRequest({
		target: { ...control, path: `/key?v=${version}` },
		method: "GET",
		limit: MAXIMUM_BODY_BYTES,
		timeoutMS: TIMEOUT_MS,
		authorities,
		onAnswer: (status, body, head) => {
			const key = parseControlKey(status, body, head.headers.get("location"));
			if (key instanceof TailnetError) onFailure(key);
			else onKey(key);
		},
		onFailure: (error) => onFailure(error.code === "control-protocol" ? keyError(`but ${error.message}`) : error),
	});
}
