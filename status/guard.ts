/**
 * Who may ask, and who may act. A page of another site in a viewer's browser can make that browser ask us, so it is not enough that the viewer may:
 *
 *   another site's name resolves to our address (DNS rebinding)   Host is none of our names and addresses: refused
 *   another site's page sends a form or a script's request        Origin is not ours, or the token is missing: refused
 *   another site frames the page, or runs a script in it          content-security-policy
 *
 * The token is a hash of a secret of this run with the viewer's node, so that none has to be kept for each.
 */
import type Tailnet from "tailnet";
import { blake2s, equalBytes, randomBytes, utf8Encode } from "tailnet/host";

const secretBytes = 32;
const tokenBytes = 16;

/** Sent with every answer. Nothing comes from elsewhere, and nothing that stands in the page itself runs. */
export const safeHeaders: readonly (readonly [string, string])[] = Object.freeze([
	[
		"content-security-policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	],
	["x-content-type-options", "nosniff"],
	["x-frame-options", "DENY"],
	["referrer-policy", "no-referrer"],
	["cross-origin-resource-policy", "same-origin"],
] as const);

/** The host of a Host header, without port, brackets and the dot at its end; lower case. */
function hostOf(header: string): string {
	const text = header.trim().toLowerCase();
	if (text.startsWith("[")) return text.slice(1, Math.max(text.indexOf("]"), 1));
	const colon = text.indexOf(":");
	return (colon < 0 ? text : text.slice(0, colon)).replace(/\.$/, "");
}

/** Whether a Host header names this node: full name, short name, or address. The port may be that of somebody who forwards. */
export function isOwnHost(tailnet: Tailnet, header: string | undefined): boolean {
	const host = hostOf(header ?? "");
	if (host === "") return false;
	const name = tailnet.name.toLowerCase();
	return host === name || host === name.split(".")[0] || tailnet.addresses.includes(host);
}

/** Whether a Host header is an address, whichever: a name that another site has bound to one of ours is none. */
export function isAddressHost(header: string | undefined): boolean {
	return /^(\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?|\[[\da-f:.]+\](:\d{1,5})?)$/i.test(header?.trim() ?? "");
}

export class Tokens {
	readonly #secret = randomBytes(secretBytes);

	/** @param id of the viewer's node. @returns 32 hex digits */
	of(id: string): string {
		const hash = blake2s(this.#secret, utf8Encode(id)).subarray(0, tokenBytes);
		return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
	}

	/** In constant time. */
	isOf(id: string, token: string | undefined): boolean {
		return token !== undefined && equalBytes(utf8Encode(token), utf8Encode(this.of(id)));
	}
}
