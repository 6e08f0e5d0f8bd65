/**
 * From a node key to a registered node: which register request comes next, and what an answer leads to (protocol/control.md §5.3, §5.4). No I/O.
 *
 *   request sent                 answer                       next
 *   known key, no auth key       registered                   done
 *                                login, error                 once more with the auth key, if there is one
 *   new key, with the auth key   registered                   done
 *                                error                        once without it; then refused: the server's words, never the key
 *   the same without it          registered                   done: the answer that said so had been lost
 *                                login, error                 refused, with the words from before
 *   any                          expired                      new node key, the old one as OldNodeKey; once
 *                                login                        show the URL, follow up
 *   follow-up (held by control)  registered                   done
 *                                login, another URL           show it, follow up
 *                                login, the same URL          wait, ever longer, follow up
 *                                error                        begin again without the URL, once; then refused
 *   any                          429                          wait as told
 *                                400                          refused
 *                                any other status, no JSON    wait, the same again
 *
 * A follow-up survives the connection: next() gives it again.
 */
import { x25519PublicKey } from "tailnet/host";
import { TailnetError } from "../errors.js";
import { printable } from "./noise.js";
import { bareAuthKey, parseRegisterAnswer, type RegisterFacts, retryDelayMS } from "./register.js";
import type { NodeKeyReason } from "./types.js";

/** The parts of a register request that the course of the login decides. */
export type LoginRequest = Pick<RegisterFacts, "nodeKey" | "oldNodeKey" | "authKey" | "followup">;

export type LoginStep =
	| { readonly kind: "send" }
	/** A person has to visit url; then send (control holds the answer). */
	| { readonly kind: "show"; readonly url: string }
	/** Send again after delayMS; 0 = by the caller's own backoff. */
	| { readonly kind: "wait"; readonly delayMS: number; readonly error: TailnetError }
	| { readonly kind: "refused"; readonly error: TailnetError }
	| { readonly kind: "done"; readonly loginName: string; readonly displayName: string; readonly machineAuthorized: boolean; readonly wantsSignature: boolean };

/** Before the n-th follow-up that control does not hold: n times this, up to the limit. */
const SAME_URL_STEP_MS = 5000;
const SAME_URL_LIMIT_MS = 60_000;
/** Characters of a server's words in an error. */
const MOST_QUOTED = 200;

export class Login {
	readonly #onNodeKeyWanted: (reason: NodeKeyReason) => Uint8Array;
	#nodeKey: Uint8Array;
	#oldNodeKey: Uint8Array | undefined;
	#authKey: string;
	#isKnown: boolean;
	#usesAuthKey = false;
	/** Why the auth key was refused, while it is tried without. */
	#refusal: TailnetError | undefined;
	#followup = "";
	/** Follow-ups that came back with the same URL. */
	#repeats = 0;
	#hasRenewed = false;
	#hasRestarted = false;

	/**
	 * @param nodePrivateKey 32 bytes
	 * @param oldNodeKey public key that it replaces
	 * @param authKey "" = none
	 * @param isKnown control has registered this node key before
	 * @param onNodeKeyWanted gives a new private key
	 */
	constructor(
		nodePrivateKey: Uint8Array,
		oldNodeKey: Uint8Array | undefined,
		authKey: string,
		isKnown: boolean,
		onNodeKeyWanted: (reason: NodeKeyReason) => Uint8Array,
	) {
		this.#nodeKey = x25519PublicKey(nodePrivateKey);
		this.#oldNodeKey = oldNodeKey;
		this.#authKey = bareAuthKey(authKey);
		this.#isKnown = isKnown;
		this.#onNodeKeyWanted = onNodeKeyWanted;
		this.begin();
	}

	/** Public node key that is registered, or about to be. */
	get nodeKey(): Uint8Array {
		return this.#nodeKey;
	}

	/** A person has been sent to this URL, "" = not. */
	get url(): string {
		return this.#followup;
	}

	/** The auth key as it is sent; for logout, which some servers want it for. */
	get authKey(): string {
		return this.#authKey;
	}

	/** The node key was given up because it had expired, and the new one is not registered yet. */
	get isRenewing(): boolean {
		return this.#hasRenewed;
	}

	/** A new login, from its first request. @param authKey replaces the present one */
	begin(authKey?: string): void {
		if (authKey !== undefined) this.#authKey = bareAuthKey(authKey);
		this.#usesAuthKey = this.#authKey !== "" && !this.#isKnown;
		this.#refusal = undefined;
		this.#followup = "";
		this.#repeats = 0;
		this.#hasRestarted = false;
	}

	/** Our key has expired: another one takes its place. Nothing if that has happened already. */
	renew(): void {
		if (this.#hasRenewed) return;
		const nodeKey = x25519PublicKey(this.#onNodeKeyWanted("expired"));
		this.#hasRenewed = true;
		this.#oldNodeKey = this.#nodeKey;
		this.#nodeKey = nodeKey;
		this.#isKnown = false;
		this.begin();
	}

	/** The request that is due. @returns why there is none: an auth key that cannot be one */
	next(): LoginRequest | TailnetError {
		if (this.#usesAuthKey && this.#authKey.startsWith("tskey-client-")) {
			return new TailnetError("auth-key", "an auth key was expected, not an OAuth client secret, which does not belong on a device");
		}
		return { nodeKey: this.#nodeKey, oldNodeKey: this.#oldNodeKey, authKey: this.#usesAuthKey ? this.#authKey : "", followup: this.#followup };
	}

	/**
	 * The answer to the request of next().
	 * @param wallClockMS 0 = not known; @param random in [0, 1)
	 */
	answer(status: number, text: string, retryAfter: string, wallClockMS: number, random: number): LoginStep {
		if (status === 429) {
			const delayMS = retryDelayMS(retryAfter, wallClockMS, random);
			return {
				kind: "wait",
				delayMS,
				error: new TailnetError("rate-limited", `control asked to wait ${Math.ceil(delayMS / 1000)} s before the next registration`),
			};
		}
		const answer = status === 200 ? parseRegisterAnswer(text) : undefined;
		if (!answer) return this.#badAnswer(status, text);
		switch (answer.kind) {
			case "error":
				return this.#error(answer.text);
			case "expired":
				if (this.#hasRenewed) return { kind: "refused", error: new TailnetError("key-expired", "control calls our new node key expired as well") };
				this.renew();
				return { kind: "send" };
			case "login":
				return this.#login(answer.url);
			case "registered":
				this.#isKnown = true;
				this.#hasRenewed = false;
				this.#oldNodeKey = undefined;
				this.begin();
				return { ...answer, kind: "done" };
		}
	}

	/** What is wrong with the answer to a logout; undefined = nothing: "expired" is the expected one. */
	logoutError(status: number, text: string): TailnetError | undefined {
		const answer = status === 200 ? parseRegisterAnswer(text) : undefined;
		if (answer && answer.kind !== "error") return undefined;
		return new TailnetError("control-refused", `control did not log the node out: ${answer ? this.#quote(answer.text) : `status ${status}`}`);
	}

	/** A server's words, fit for an error. It may quote what it was given: the key goes before the text is cut, which could leave half of it. */
	#quote(text: string): string {
		const words = printable(text);
		return (this.#authKey === "" ? words : words.split(this.#authKey).join("(auth key)")).slice(0, MOST_QUOTED);
	}

	#login(url: string): LoginStep {
		if (this.#refusal) return { kind: "refused", error: this.#refusal };
		if (this.#followup === url) {
			this.#repeats += 1;
			const delayMS = Math.min(this.#repeats * SAME_URL_STEP_MS, SAME_URL_LIMIT_MS);
			return { kind: "wait", delayMS, error: new TailnetError("needs-login", "control did not hold the follow-up of a login") };
		}
		if (this.#followup === "" && this.#startUsingAuthKey()) return { kind: "send" };
		this.#followup = url;
		this.#repeats = 0;
		return { kind: "show", url };
	}

	#error(text: string): LoginStep {
		if (this.#refusal) return { kind: "refused", error: this.#refusal };
		if (this.#followup !== "" && !this.#hasRestarted) {
			this.#followup = "";
			this.#hasRestarted = true;
			return { kind: "send" };
		}
		if (this.#startUsingAuthKey()) return { kind: "send" };
		const code = this.#usesAuthKey || /auth ?key/i.test(text) ? "auth-key" : "control-refused";
		const error = new TailnetError(code, `control refused the registration: ${this.#quote(text)}`);
		if (!this.#usesAuthKey || this.#isKnown) return { kind: "refused", error };
		// A key for one time is used up if control took it and its answer was lost: then this node is registered.
		this.#usesAuthKey = false;
		this.#refusal = error;
		return { kind: "send" };
	}

	#badAnswer(status: number, text: string): LoginStep {
		const words = this.#quote(text);
		if (status === 400) return { kind: "refused", error: refusalOf("registration", words) };
		if (status === 200)
			return { kind: "wait", delayMS: 0, error: new TailnetError("control-protocol", `a register response was expected, not "${words.slice(0, 60)}"`) };
		return { kind: "wait", delayMS: 0, error: new TailnetError("control-refused", `control answered the registration with status ${status} "${words}"`) };
	}

	/** @returns whether the auth key is to be sent now and was not before */
	#startUsingAuthKey(): boolean {
		if (this.#usesAuthKey || this.#authKey === "") return false;
		this.#usesAuthKey = true;
		return true;
	}
}

/** Error for a status 400: for headscale, "your version is too old". */
export function refusalOf(what: string, text: string): TailnetError {
	return new TailnetError(/version|upgrade|update/i.test(text) ? "version" : "control-refused", `control refused the ${what}: ${text || "status 400"}`);
}
