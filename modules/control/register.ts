/** POST /machine/register: the request's JSON, and what the answer means (protocol/control.md §5). */
import { keyToText } from "../netmap/keys.js";
import type { JSONObject } from "./hostinfo.js";
import { printable } from "./noise.js";

export interface RegisterFacts {
	version: number;
	/** Public keys, 32 bytes. */
	nodeKey: Uint8Array;
	/** The key that nodeKey replaces. */
	oldNodeKey: Uint8Array | undefined;
	hostinfo: JSONObject;
	ephemeral: boolean;
	/** "" = none. */
	authKey: string;
	/** AuthURL that a person was sent to, "" = none. */
	followup: string;
	/** Give the node key up. */
	isLogout?: boolean;
}

/** What control expires a key to: any time in the past (upstream's own value). */
const PAST = "1970-01-01T00:02:03Z";

export function registerRequest(facts: RegisterFacts): string {
	const request: JSONObject = { Version: facts.version, NodeKey: keyToText("nodekey:", facts.nodeKey) };
	if (facts.oldNodeKey) request["OldNodeKey"] = keyToText("nodekey:", facts.oldNodeKey);
	if (facts.authKey) request["Auth"] = { AuthKey: facts.authKey };
	if (facts.isLogout) request["Expiry"] = PAST;
	if (facts.followup) request["Followup"] = facts.followup;
	request["Hostinfo"] = facts.hostinfo;
	if (facts.ephemeral) request["Ephemeral"] = true;
	return JSON.stringify(request);
}

/** Gives a node key up. Some servers want the auth key for it. */
export function logoutRequest(version: number, nodeKey: Uint8Array, hostinfo: JSONObject, authKey: string): string {
	return registerRequest({ version, nodeKey, oldNodeKey: undefined, hostinfo, ephemeral: false, authKey, followup: "", isLogout: true });
}

/** The part of an auth key that control wants: a tailnet-lock wrapper behind "--TL" would only be refused. */
export function bareAuthKey(authKey: string): string {
	const at = authKey.indexOf("--TL");
	return at < 0 ? authKey : authKey.slice(0, at);
}

/** What control decided, in its own order of precedence. */
export type RegisterAnswer =
	/** The server's words in one line, of any length; they may quote the auth key. */
	| { readonly kind: "error"; readonly text: string }
	| { readonly kind: "expired" }
	| { readonly kind: "login"; readonly url: string }
	| {
			readonly kind: "registered";
			readonly loginName: string;
			readonly displayName: string;
			readonly machineAuthorized: boolean;
			/** Tailnet lock: the key is registered, but peers do not accept it until an administrator signs it. */
			readonly wantsSignature: boolean;
	  };

/** Reads a RegisterResponse. @returns undefined if the text is none */
export function parseRegisterAnswer(text: string): RegisterAnswer | undefined {
	let parsed: unknown;
	try {
		parsed = JSON.parse(text);
	} catch {
		return undefined;
	}
	if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
	const answer = parsed as JSONObject;
	const error = answer["Error"];
	if (typeof error === "string" && error !== "") return { kind: "error", text: printable(error) };
	if (answer["NodeKeyExpired"] === true) return { kind: "expired" };
	const url = answer["AuthURL"];
	if (typeof url === "string" && url !== "") return { kind: "login", url };
	const user = (answer["User"] ?? {}) as JSONObject;
	const login = (answer["Login"] ?? {}) as JSONObject;
	return {
		kind: "registered",
		loginName: textOf(login["LoginName"]),
		displayName: textOf(user["DisplayName"]) || textOf(login["DisplayName"]),
		machineAuthorized: answer["MachineAuthorized"] === true,
		wantsSignature: typeof answer["NodeKeySignature"] === "string" && answer["NodeKeySignature"] !== "",
	};
}

function textOf(value: unknown): string {
	return typeof value === "string" ? value : "";
}

/**
 * Milliseconds to wait after a 429.
 * @param retryAfter seconds or an HTTP date, "" = absent
 * @param wallClockMS 0 = not known
 * @param random in [0, 1)
 */
export function retryDelayMS(retryAfter: string, wallClockMS: number, random: number): number {
	let delay = 0;
	if (/^[0-9]+$/.test(retryAfter)) delay = Number(retryAfter) * 1000;
	else if (wallClockMS > 0) delay = Date.parse(retryAfter) - wallClockMS;
	return delay > 0 && delay <= 3_600_000 ? delay : 5000 + Math.floor(5000 * random);
}
