/**
 * What we tell control about ourselves, and when: everything at the start of each map poll, then lite updates whenever something has changed
 * (protocol/control.md §6.1). One is in flight at a time; a failed one is repeated with a backoff; the end of the session ends it.
 *
 * An old update is said again after a while. Some servers keep feeding the stream of a node that was deleted (protocol/control.md §5.4): the answer to an
 * update is then the only word of it.
 */
import { log, startTimer, stopTimer, utf8Encode } from "tailnet/host";
import type { Timer } from "../host-contract.js";
import { keyToText } from "../netmap/keys.js";
import { Backoff } from "./backoff.js";
import { hostinfo, type JSONObject } from "./hostinfo.js";
import { LiteUpdate } from "./lite-update.js";
import { liteUpdateRequest, type MapFacts, mapPollRequest, meansUnknown } from "./map-request.js";
import type { Request, RequestOptions, Session } from "./session.js";
import type { HostFacts, NetFacts, OwnEndpoint } from "./types.js";

const BACKOFF_STEP_MS = 500;
const BACKOFF_LIMIT_MS = 30_000;
/** Some servers answer with the whole map: it is let through and dropped, which takes its time. */
const ANSWER_MS = 120_000;
const MAXIMUM_ANSWER_BYTES = 200;
/** About 20 KB a day. */
const REPEAT_MS = 1_800_000;

export class SelfReport {
	readonly #version: number;
	readonly #tags: readonly string[];
	readonly #lite = new LiteUpdate();
	readonly #backoff = new Backoff(BACKOFF_STEP_MS, BACKOFF_LIMIT_MS);
	#host: HostFacts;
	#net: NetFacts | undefined;
	#endpoints: readonly OwnEndpoint[] = [];
	#discoKey: Uint8Array;
	#lockHead = "";
	#session: Session | undefined;
	#nodeKey: Uint8Array = new Uint8Array(32);
	#request: Request | undefined;
	/** Sends soon after a change, or by the backoff after a failure. */
	#timer: Timer | undefined;
	#repeat: Timer | undefined;
	/** Control has taken an update of this session. */
	#wasAccepted = false;
	readonly #onUnknown: () => void;

	/**
	 * @param discoKey 32 bytes, public
	 * @param tags asked for, "tag:x"
	 * @param onUnknown control took an update of this session before, and does not know the node any more
	 */
	constructor(version: number, host: HostFacts, discoKey: Uint8Array, tags: readonly string[], onUnknown: () => void) {
		this.#onUnknown = onUnknown;
		this.#version = version;
		this.#host = host;
		this.#discoKey = discoKey;
		this.#tags = tags;
	}

	/** Updates that control took. */
	get count(): number {
		return this.#lite.count;
	}

	setEndpoints(endpoints: readonly OwnEndpoint[]): void {
		this.#endpoints = endpoints.slice();
		this.#changed();
	}

	setNet(facts: NetFacts): void {
		this.#net = facts;
		this.#changed();
	}

	/** Members that are given replace those before. */
	setHost(facts: Partial<HostFacts>): void {
		this.#host = { ...this.#host, ...facts };
		this.#changed();
	}

	/** @param key 32 bytes, public */
	setDiscoKey(key: Uint8Array): void {
		this.#discoKey = key.slice();
		this.#changed();
	}

	/** @param head of the key authority that we know, as text, "" = none. Said with what is said next */
	setLockHead(head: string): void {
		this.#lockHead = head;
	}

	hostinfo(): JSONObject {
		return hostinfo(this.#host, this.#net, this.#tags);
	}

	/** The request that opens a map poll. */
	pollRequest(nodeKey: Uint8Array): RequestOptions {
		return this.#mapRequest(nodeKey, mapPollRequest(this.#facts(nodeKey)));
	}

	/** A map poll has begun on session: control gets a lite update now, and another one after each change. */
	begin(session: Session, nodeKey: Uint8Array): void {
		this.end();
		this.#session = session;
		this.#nodeKey = nodeKey;
		this.#lite.begin();
		this.#backoff.reset();
		this.#wasAccepted = false;
		this.#send();
	}

	/** The map poll is over. Idempotent. */
	end(): void {
		stopTimer(this.#timer);
		this.#timer = undefined;
		stopTimer(this.#repeat);
		this.#request?.close();
		this.#request = undefined;
		this.#session = undefined;
	}

	/** Changes of one turn go together. */
	#changed(): void {
		this.#sendAfter(0);
	}

	#sendAfter(delayMS: number): void {
		if (!this.#session) return;
		stopTimer(this.#timer);
		this.#timer = startTimer(() => this.#send(), delayMS);
	}

	#send(): void {
		const session = this.#session;
		if (!session || session.isOver) return;
		const text = liteUpdateRequest(this.#facts(this.#nodeKey));
		if (!this.#lite.isDue(text)) return;
		this.#lite.sent(text);
		this.#request = session.ask(this.#mapRequest(this.#nodeKey, text), MAXIMUM_ANSWER_BYTES, ANSWER_MS, (error, answer) => {
			if (this.#session !== session) return;
			this.#request = undefined;
			const isAccepted = !error && answer.status === 200;
			this.#lite.ended(isAccepted);
			if (isAccepted) {
				this.#wasAccepted = true;
				this.#backoff.reset();
				this.#repeatLater();
				this.#send(); // what changed meanwhile
			} else if (!error && this.#wasAccepted && meansUnknown(answer.status)) this.#onUnknown();
			else if (!session.isOver) {
				log("warning", `control: lite update failed: ${error ? error.message : `status ${answer.status}`}`);
				this.#sendAfter(this.#backoff.next());
			}
		});
	}

	#repeatLater(): void {
		stopTimer(this.#repeat);
		this.#repeat = startTimer(() => {
			this.#lite.forget();
			this.#send();
		}, REPEAT_MS);
	}

	#facts(nodeKey: Uint8Array): MapFacts {
		return {
			version: this.#version,
			nodeKey,
			discoKey: this.#discoKey,
			hostinfo: this.hostinfo(),
			endpoints: this.#endpoints,
			lockHead: this.#lockHead,
		};
	}

	#mapRequest(nodeKey: Uint8Array, text: string): RequestOptions {
		return { method: "POST", path: "/machine/map", headers: balancerHeaders(nodeKey), body: utf8Encode(text) };
	}
}

/** A hint for the load balancer in front of Tailscale's servers: once for each key of the request. */
export function balancerHeaders(...keys: (Uint8Array | undefined)[]): [string, string][] {
	return keys.flatMap((key): [string, string][] => (key ? [["ts-lb", keyToText("nodekey:", key)]] : []));
}
