/**
 * Answers the pings that control asks for in map messages (protocol/control.md §9).
 *
 *   Types              what is done                                   what is sent
 *   ""                 nothing                                        HEAD URL
 *   "c2n"              the request in Payload is answered             POST URL, the answer's bytes; always over Noise
 *   "disco,TSMP,..."   IP is pinged, type by type, by the owner       POST URL, one PingResponse a type
 *
 * URLIsNoise says whether URL is reached over the session or in the open. A URL is answered once.
 */
import { base64Decode, startTimer, stopTimer, utf8Encode } from "tailnet/host";
import type { Timer } from "../host-contract.js";
import type { PingRequest } from "../netmap/types.js";
import { answerC2N } from "./c2n.js";
import { authorityOf, parseURL } from "./http1.js";
import { PlainRequest } from "./plain-request.js";
import type { Request, Session } from "./session.js";
import type { PingAnswer } from "./types.js";

const KNOWN_TYPES: readonly string[] = Object.freeze(["disco", "TSMP", "ICMP", "peerapi"]);
const HEAD_MS = 15_000;
const REPLY_MS = 60_000;
const PING_MS = 10_000;
/** Answers under way; more requests than that are dropped, control asks again. */
const MAXIMUM_ANSWERS = 4;
const MAXIMUM_REPLY_BYTES = 4096;

export interface PingResponderOptions {
	authorities: string[] | undefined;
	onPing: ((type: string, address: string, done: (answer: PingAnswer) => void) => void) | undefined;
}

export class PingResponder {
	readonly #options: PingResponderOptions;
	/** Requests in the open: they do not need the session. */
	readonly #open = new Set<PlainRequest>();
	readonly #pings = new Set<Timer>();
	#answers = 0;
	#lastURL = "";
	#dropped = 0;

	constructor(options: PingResponderOptions) {
		this.#options = options;
	}

	/** Requests that were dropped because too many answers were under way. */
	get dropped(): number {
		return this.#dropped;
	}

	/** Serves one request. @param session that it came over */
	receive(request: PingRequest, session: Session): void {
		if (typeof request.URL !== "string" || request.URL === "" || request.URL === this.#lastURL) return;
		if (this.#answers + this.#open.size + this.#pings.size >= MAXIMUM_ANSWERS) {
			this.#dropped += 1;
			return;
		}
		this.#lastURL = request.URL;
		const types = request.Types ?? "";
		if (types === "c2n") {
			const payload = base64Decode(request.Payload ?? "");
			if (payload) this.#send(session, true, "POST", request.URL, answerC2N(payload), REPLY_MS);
			return;
		}
		const isNoise = request.URLIsNoise === true;
		if (types === "") {
			this.#send(session, isNoise, "HEAD", request.URL, undefined, HEAD_MS);
			return;
		}
		for (const type of types.split(",").slice(0, KNOWN_TYPES.length)) if (KNOWN_TYPES.includes(type)) this.#ping(session, isNoise, request, type);
	}

	/** The session that requests came over is gone. */
	sessionEnded(): void {
		this.#answers = 0;
	}

	/** Gives everything up. */
	close(): void {
		for (const request of this.#open) request.close();
		this.#open.clear();
		for (const timer of this.#pings) stopTimer(timer);
		this.#pings.clear();
	}

	#ping(session: Session, isNoise: boolean, request: PingRequest, type: string): void {
		const address = request.IP ?? "";
		const done = (answer: PingAnswer) => {
			if (!this.#pings.delete(timer)) return;
			stopTimer(timer);
			this.#send(session, isNoise, "POST", request.URL, utf8Encode(pingResponse(type, address, answer)), HEAD_MS);
		};
		const timer = startTimer(() => done({ error: `no pong within ${PING_MS / 1000} s` }), PING_MS);
		this.#pings.add(timer);
		if (!this.#options.onPing) done({ error: "this node does not ping" });
		else this.#options.onPing(type, address, done);
	}

	#send(session: Session, isNoise: boolean, method: string, url: string, body: Uint8Array | undefined, timeoutMS: number): void {
		const target = parseURL(url.startsWith("/") ? `https://unused${url}` : url);
		if (!target) return;
		const authority = authorityOf(target.host, target.port, target.isTLS ? 443 : 80);
		if (isNoise) {
			if (session.isOver) return;
			this.#answers += 1;
			const request: Request = session.ask({ method, path: target.path, authority, ...(body ? { body } : {}) }, 0, timeoutMS, () => {
				this.#answers = Math.max(0, this.#answers - 1);
				request.close();
			});
			return;
		}
		const end = () => void this.#open.delete(request);
		const request = new PlainRequest({
			target,
			method,
			...(body ? { body } : {}),
			limit: MAXIMUM_REPLY_BYTES,
			timeoutMS,
			authorities: this.#options.authorities,
			onAnswer: end,
			onFailure: end,
		});
		this.#open.add(request);
	}
}

/** PingResponse as JSON. */
export function pingResponse(type: string, address: string, answer: PingAnswer): string {
	return JSON.stringify({
		Type: type,
		IP: address,
		NodeIP: answer.nodeIP || undefined,
		NodeName: answer.nodeName || undefined,
		Err: answer.error || undefined,
		LatencySeconds: answer.latencySeconds,
		Endpoint: answer.endpoint || undefined,
		DERPRegionID: answer.derpRegion || undefined,
		DERPRegionCode: answer.derpRegionCode || undefined,
		PeerAPIPort: answer.peerAPIPort || undefined,
		IsLocalIP: answer.isLocalIP,
	});
}
