/**
 * What we ask control about the key authority, in JSON, and what it answers. All are GET with a body, inside the Noise channel:
 *
 *   /machine/tka/bootstrap    { Version, NodeKey, Head }                -> { GenesisAUM, DisablementSecret }     to begin, and to end
 *   /machine/tka/sync/offer   { Version, NodeKey, Head, Ancestors }     -> { Head, Ancestors, MissingAUMs }
 *   /machine/tka/sync/send    { Version, NodeKey, Head, MissingAUMs }   -> { Head }
 *
 * Heads are texts (hash-text.ts), updates and secrets base64. See tailcfg/tka.go of the official client, v1.98.9.
 */
import { base64Decode, base64Encode } from "tailnet/host";
import type { LockAsker } from "../lock-owner.js";
import { keyToText } from "../netmap/keys.js";
import { listMember, type Members, objectOf, textMember, textsMember, WrongType } from "../netmap/members.js";
import type { Chain } from "./chain.js";
import { hashToText, parseHash } from "./hash-text.js";
import type { Update } from "./update.js";

export const Path = { bootstrap: "/machine/tka/bootstrap", offer: "/machine/tka/sync/offer", send: "/machine/tka/sync/send" } as const;

export interface Offer {
	readonly head: Uint8Array;
	readonly ancestors: readonly Uint8Array[];
	/** Updates that we lack, each after its parent. */
	readonly missing: readonly Uint8Array[];
}

/** @param head of our authority, undefined = we have none */
export function bootstrapRequest(asker: LockAsker, head: Uint8Array | undefined): string {
	return JSON.stringify({ ...from(asker), Head: head ? hashToText(head) : "" });
}

export function offerRequest(asker: LockAsker, chain: Chain): string {
	return JSON.stringify({ ...from(asker), Head: hashToText(chain.head.head), Ancestors: chain.ancestors.map(hashToText) });
}

export function sendRequest(asker: LockAsker, head: Uint8Array, missing: readonly Update[]): string {
	return JSON.stringify({ ...from(asker), Head: hashToText(head), MissingAUMs: missing.map(({ bytes }) => base64Encode(bytes)), Interactive: false });
}

/** @throws WrongType, SyntaxError */
export function readBootstrap(text: string): { genesis: Uint8Array | undefined; secret: Uint8Array | undefined } {
	const answer = objectOf(JSON.parse(text), "the answer");
	return { genesis: bytesMember(answer, "GenesisAUM"), secret: bytesMember(answer, "DisablementSecret") };
}

/** @throws WrongType, SyntaxError */
export function readOffer(text: string): Offer {
	const answer = objectOf(JSON.parse(text), "the answer");
	const missing = (listMember(answer, "MissingAUMs") ?? []).map((each) => bytesOf(each, "MissingAUMs[]"));
	return { head: headMember(answer), ancestors: (textsMember(answer, "Ancestors") ?? []).map((each) => hashOf(each, "Ancestors[]")), missing };
}

/** @returns control's head. @throws WrongType, SyntaxError */
export function readSend(text: string): Uint8Array {
	return headMember(objectOf(JSON.parse(text), "the answer"));
}

function from({ version, nodeKey }: LockAsker): Members {
	return { Version: version, NodeKey: keyToText("nodekey:", nodeKey) };
}

function headMember(answer: Members): Uint8Array {
	return hashOf(textMember(answer, "Head"), "Head");
}

function hashOf(text: string, where: string): Uint8Array {
	const hash = parseHash(text);
	if (!hash) throw new WrongType(`${where}: expected a hash of 52 characters`);
	return hash;
}

function bytesMember(answer: Members, name: string): Uint8Array | undefined {
	const text = textMember(answer, name);
	return text === "" ? undefined : bytesOf(text, name);
}

function bytesOf(value: unknown, where: string): Uint8Array {
	const bytes = typeof value === "string" ? base64Decode(value) : undefined;
	if (!bytes) throw new WrongType(`${where}: expected base64`);
	return bytes;
}
