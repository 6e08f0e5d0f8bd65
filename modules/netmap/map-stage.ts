/**
 * One map message on its way into the map: takes the values that the scanner cuts out (map-schema.ts), stages them, and at the message's end commits all or
 * nothing. Members may come in any order; the order of effects is fixed (protocol/control.md §6.6, §6.7):
 *
 *   1 Peers (not empty)          replaces all; nothing below counts then
 *   2 PeersRemoved               a node that is in 3 as well stays
 *   3 PeersChanged               whole nodes
 *   4 PeerSeenChange, OnlineChange
 *   5 PeersChangedPatch
 *
 * The small ones (4, 5) wait in a queue for the end. A queue that grows beyond its bound is applied early; that would be wrong only if 3 came after it,
 * or 2 after both, which no server does, and then the message is refused.
 */
import { MOST_MESSAGES } from "./health.js";
import { expectContainer, RuleStage, stageDERP, stageDNS } from "./map-parts.js";
import { Path } from "./map-schema.js";
import { listMember, type Members, objectOf, textMember, WrongType } from "./members.js";
import type { Netmap } from "./netmap.js";
import { parseTimeMS } from "./time.js";
import type { MapFailure, MapMessage } from "./types.js";
import { idFromJSON } from "./wide-id.js";

/** Characters of small changes that may wait. */
const QUEUE_BOUND = 8192;
/** The scanner's text for a value that did not fit its buffer; no JSON value is empty. */
const TOO_LONG = "";

/** A message is refused for another reason than a wrong type. */
class Refused extends Error {
	readonly code: MapFailure["code"];

	constructor(code: MapFailure["code"], message: string) {
		super(message);
		this.code = code;
	}
}

export class MapStage {
	/** Monotonic milliseconds; the reader keeps it. */
	now = 0;

	readonly #netmap: Netmap;
	readonly #rules: RuleStage;
	#isFirst = true;
	#message: MapMessage = { keepAlive: false };
	#failure: MapFailure | undefined;
	#hasPeers = false;
	#hasUpserts = false;
	#hasFlushed = false;
	#domain = "";
	/** Small changes: path, key, text. */
	#queue: [path: number, key: string, text: string][] = [];
	#queuedLength = 0;
	/** What was too long for the buffer and could be left out. */
	#omitted = "";

	constructor(netmap: Netmap) {
		this.#netmap = netmap;
		this.#rules = new RuleStage(netmap.chunks);
	}

	/** Another poll begins: its first message has to be complete. What is half staged is dropped. */
	begin(): void {
		this.#isFirst = true;
		this.#open();
	}

	/** One value of the message. Throws nothing: the scanner is on the stack. */
	value(path: number, key: string, text: string): void {
		if (this.#failure !== undefined) return;
		try {
			if (text === TOO_LONG) this.#tooLong(path);
			else if (path < Path.self) this.#member(path, key, text);
			else if (path === Path.self) this.#self(text);
			else if (path < Path.peers) stageDERP(this.#netmap.derpMap, path, key, text);
			else if (path < Path.baseRules) this.#peers(path, key, text);
			else if (path < Path.dns) this.#rules.value(path, key, text);
			else stageDNS(this.#netmap.names, path, key, text);
		} catch (error) {
			this.#failure = failureOf(error);
		}
	}

	/** The message is complete. @returns what it said, its part of the map in force; or why nothing of it is */
	end(): MapMessage | MapFailure {
		let result: MapMessage | MapFailure | undefined = this.#failure;
		if (result === undefined) {
			try {
				result = this.#commit();
			} catch (error) {
				result = failureOf(error);
			}
		}
		this.#open();
		return result;
	}

	#open(): void {
		const netmap = this.#netmap;
		netmap.abort();
		if (this.#isFirst) netmap.peers.staging.replaceAll();
		else netmap.peers.staging.begin();
		this.#message = { keepAlive: false };
		this.#failure = undefined;
		this.#hasPeers = false;
		this.#hasUpserts = false;
		this.#hasFlushed = false;
		this.#domain = "";
		this.#forget();
		this.#omitted = "";
	}

	#commit(): MapMessage {
		const netmap = this.#netmap;
		const message = this.#message;
		if (message.controlTimeMS !== undefined) netmap.clock.controlTime(message.controlTimeMS, this.now);
		if (message.keepAlive) return message;
		if (this.#isFirst && !netmap.self.isStaged) throw new Refused("no-node", "the first message of a poll has no Node");
		if (!this.#hasPeers) this.#flush();
		const isFull = this.#isFirst || this.#hasPeers;
		const change = netmap.commit(this.#isFirst, isFull, this.now);
		if (this.#domain !== "") netmap.domain = this.#domain;
		// Not sticky over polls: a first message without it says that lock is off.
		if (this.#isFirst || message.tka !== undefined) netmap.lockHead = isLockOn(message.tka) ? (message.tka?.Head ?? "") : "";
		// What was left out stays out until all is said again.
		if ((isFull || this.#omitted !== "") && netmap.conditions.set("netmap", this.#omitted || undefined)) change.health = true;
		message.change = change;
		this.#isFirst = false;
		return message;
	}

	// ---- Members ----

	#member(path: number, key: string, text: string): void {
		const { conditions } = this.#netmap;
		const message = this.#message;
		const value: unknown = JSON.parse(text);
		if (path === Path.displayMessage) {
			if (!conditions.stageMessage(key, value)) this.#omitted = `left out of the network map: more than ${MOST_MESSAGES} messages of control`;
		} else if (path === Path.displayMessages) expectContainer(text, "DisplayMessages");
		else if (path === Path.profiles) expectContainer(text, "UserProfiles");
		else if (path === Path.health) conditions.stageTexts(value);
		else if (value === null) return;
		else if (path === Path.keepAlive) message.keepAlive = value === true;
		else if (path === Path.popBrowserURL) message.popBrowserURL = expectText(value, "PopBrowserURL");
		else if (path === Path.domain) this.#domain = expectText(value, "Domain");
		else if (path === Path.controlTime) {
			const ms = parseTimeMS(expectText(value, "ControlTime"));
			if (ms > 0) message.controlTimeMS = ms;
		} else {
			const object = objectOf(value, "MapResponse");
			if (path === Path.profile) this.#netmap.logins?.stage(object);
			else if (path === Path.pingRequest) message.pingRequest = { ...object, URL: textMember(object, "URL") };
			else if (path === Path.clientVersion) message.clientVersion = object;
			else if (path === Path.dialPlan) message.dialPlan = readDialPlan(object);
			else if (path === Path.debug) message.debug = object;
			else if (path === Path.tka) message.tka = object;
		}
	}

	#self(text: string): void {
		if (text !== "null") this.#netmap.self.stage(objectOf(JSON.parse(text), "Node"));
	}

	#peers(path: number, key: string, text: string): void {
		const { staging } = this.#netmap.peers;
		if (path === Path.peer) {
			this.#replacePeers();
			staging.upsert(objectOf(JSON.parse(text), "Peers[]"));
		} else if (path === Path.peerChanged || path === Path.peerRemoved) {
			if (this.#hasPeers) return;
			this.#hasUpserts ||= path === Path.peerChanged;
			if (this.#hasFlushed && this.#hasUpserts) throw new Refused("order", "PeersChanged or PeersRemoved came after more small changes than can wait");
			if (path === Path.peerRemoved) this.#remove(JSON.parse(text));
			else staging.upsert(objectOf(JSON.parse(text), "PeersChanged[]"));
		} else if (path === Path.patch || path === Path.seenChange || path === Path.onlineChange) {
			if (this.#hasPeers) return;
			this.#queue.push([path, key, text]);
			this.#queuedLength += key.length + text.length;
			if (this.#queuedLength > QUEUE_BOUND) {
				this.#flush();
				this.#hasFlushed = true;
			}
		} else expectContainer(text, "Peers");
	}

	/** Peers has an element: it precludes every other change of peers. */
	#replacePeers(): void {
		if (this.#hasPeers) return;
		this.#hasPeers = true;
		this.#forget();
		this.#netmap.peers.staging.replaceAll();
	}

	// ---- Small changes ----

	#forget(): void {
		this.#queue = [];
		this.#queuedLength = 0;
	}

	#flush(): void {
		const queue = this.#queue;
		this.#forget();
		for (const [path, key, text] of queue) if (path === Path.seenChange || path === Path.onlineChange) this.#presence(path, key, JSON.parse(text));
		for (const [path, , text] of queue) if (path === Path.patch) this.#patch(JSON.parse(text));
	}

	#remove(value: unknown): void {
		const id = idFromJSON(value);
		if (id === undefined) throw new WrongType("PeersRemoved[]: expected a number");
		this.#netmap.peers.staging.remove(id, this.#hasUpserts);
	}

	#presence(path: number, id: string, value: unknown): void {
		const { staging } = this.#netmap.peers;
		if (typeof value !== "boolean" && value !== null) throw new WrongType("OnlineChange, PeerSeenChange: expected true or false");
		if (path === Path.onlineChange) staging.setOnline(id, value === true);
		else staging.seen(id, value === true ? this.#netmap.clock.unixSeconds(this.now) : 0);
	}

	#patch(value: unknown): void {
		if (value === null) return;
		const patch = objectOf(value, "PeersChangedPatch[]");
		const id = idFromJSON(patch["NodeID"]);
		if (id === undefined) throw new WrongType("PeersChangedPatch[].NodeID: expected a number");
		this.#netmap.peers.staging.patch(id, patch);
	}

	// ---- Too long ----

	/** Where a missing part means that less is allowed, the message goes on without it, visibly; else it is refused. */
	#tooLong(path: number): void {
		const isChange = path === Path.peerChanged || path === Path.peerRemoved || path === Path.patch;
		if (path === Path.self || (isChange && !this.#isFirst)) throw new Refused("too-large", "a node is longer than the working buffer");
		if (path >= Path.baseRules && path < Path.dns) {
			this.#netmap.chunks.oversize();
			return;
		}
		if (path === Path.peer) this.#replacePeers();
		const what = path >= Path.dns ? "DNS" : path >= Path.peers ? "a peer" : path > Path.self ? "a DERP region" : "a message";
		this.#omitted = `longer than the working buffer and left out of the network map: ${what}`;
	}
}

function expectText(value: unknown, where: string): string {
	if (typeof value !== "string") throw new WrongType(`${where}: expected a text`);
	return value;
}

function isLockOn(tka: MapMessage["tka"]): boolean {
	return tka !== undefined && tka.Disabled !== true && typeof tka.Head === "string" && tka.Head !== "";
}

/** Addresses that control may be dialled at without DNS: candidates without a proxy. */
function readDialPlan(plan: Members): string[] {
	const addresses: string[] = [];
	for (const each of listMember(plan, "Candidates") ?? []) {
		const candidate = objectOf(each, "Candidates[]");
		const address = textMember(candidate, "IP");
		if (address !== "" && textMember(candidate, "ACEHost") === "") addresses.push(address);
	}
	return addresses;
}

function failureOf(error: unknown): MapFailure {
	if (error instanceof WrongType) return { code: "type", message: error.message };
	if (error instanceof Refused) return { code: error.code, message: error.message };
	return { code: "json", message: error instanceof Error ? error.message : String(error) };
}
