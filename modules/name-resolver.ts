/**
 * Addresses of names for our own sockets: of the tailnet from the network map, of the suffixes that it has resolvers for from those (split DNS), of the rest from
 * whom control names, or the machine's resolver. See protocol/tunnel.md §7.3, §7.4.
 */
import { monotonicMS, resolveHost } from "tailnet/host";
import { AnswerCache } from "./dns/answer-cache.js";
import { Asking } from "./dns/asking.js";
import type { Outcome } from "./dns/exchange.js";
import { type DNSServer, parseServer } from "./dns/server.js";
import { writeName } from "./dns/wire-name.js";
import { TailnetError } from "./errors.js";
import { addressToText } from "./netmap/address.js";
import type { Names, Question } from "./netmap/names.js";
import type { SocketNode } from "./socket/node.js";

/** Names asked of servers at the same time; further ones are refused. */
const MOST_ASKINGS = 8;
/** Servers of one route that are asked. */
const MOST_SERVERS = 4;
/** Aliases of aliases. */
const LONGEST_CHAIN = 8;

/** What one question came to. An alias has to be looked up by the names of the tailnet again. */
type Found = { kind: "addresses"; addresses: string[] } | { kind: "none" } | { kind: "alias"; name: string; isFollowed: boolean };

interface Open {
	readonly asking: Asking;
	readonly answer: Promise<readonly Outcome[]>;
	reject(error: TailnetError): void;
}

export class NameResolver {
	readonly counters = { asked: 0, cached: 0, failed: 0, refused: 0 };
	readonly #node: SocketNode;
	readonly #names: Names;
	readonly #isInside: (address: Uint8Array) => boolean;
	readonly #cache = new AnswerCache();
	/** By name. */
	readonly #open = new Map<string, Open>();
	#closed = false;

	/** @param isInside whether an address (16 bytes) is reached through the tunnel */
	constructor(node: SocketNode, names: Names, isInside: (address: Uint8Array) => boolean) {
		this.#node = node;
		this.#names = names;
		this.#isInside = isInside;
	}

	/** @returns texts, IPv4 first; rejects with TailnetError "not-found", "timeout", "refused", "full", "closed" */
	async resolve(host: string): Promise<string[]> {
		// On a turn of its own: who asks may be deep in a call, and names go deep as well. The stack of a board has room for one of them.
		await undefined;
		let name = host;
		let wasFollowed = false;
		for (let step = 0; step < LONGEST_CHAIN; step += 1) {
			const found = await this.#look(name, wasFollowed);
			if (found.kind === "addresses") return found.addresses;
			if (found.kind === "none") break;
			name = `${found.name}.`;
			wasFollowed = found.isFollowed;
		}
		throw new TailnetError("not-found", `no address for ${host}`);
	}

	/** Control says other things of names. */
	forget(): void {
		this.#cache.clear();
	}

	/** Idempotent; what is asked is rejected with "closed". */
	close(): void {
		this.#closed = true;
		for (const { asking, reject } of this.#open.values()) {
			asking.close();
			reject(new TailnetError("closed", "the node was closed"));
		}
		this.#open.clear();
	}

	/** @param wasFollowed a server of a route has looked the name up already: only the map may know more */
	async #look(name: string, wasFollowed: boolean): Promise<Found> {
		const resolution = this.#names.resolve(name);
		if (resolution.kind === "addresses" && resolution.addresses.length > 0) return resolution;
		if (resolution.kind !== "ask" || wasFollowed) return { kind: "none" };
		for (const question of resolution.questions) {
			const found = await this.#ask(question);
			if (found.kind !== "none") return found;
		}
		return { kind: "none" };
	}

	async #ask(question: Question): Promise<Found> {
		const servers: DNSServer[] = [];
		for (const { address } of question.resolvers) {
			const server = parseServer(address);
			if (server && servers.length < MOST_SERVERS) servers.push(server);
		}
		if (servers.length > 0) return this.#askServers(question.name, servers);
		if (question.isExclusive) return { kind: "none" };
		try {
			return { kind: "addresses", addresses: await resolveHost(question.name) };
		} catch {
			return { kind: "none" };
		}
	}

	async #askServers(name: string, servers: readonly DNSServer[]): Promise<Found> {
		const known = this.#cache.get(name, monotonicMS());
		if (known) {
			this.counters.cached += 1;
			return { kind: "addresses", addresses: known.map((address) => addressToText(address)) };
		}
		const outcomes = await this.#outcomes(name, servers);
		const addresses: Uint8Array[] = [];
		let lifeSeconds = Number.POSITIVE_INFINITY;
		let alias: Found | undefined;
		let failure: "timeout" | "refused" | undefined;
		for (const outcome of outcomes) {
			if (outcome.kind === "addresses") {
				addresses.push(...outcome.addresses);
				lifeSeconds = Math.min(lifeSeconds, outcome.lifeSeconds);
			} else if (outcome.kind === "alias") alias = outcome;
			else if (outcome.kind === "failed") failure = outcome.reason;
		}
		if (addresses.length > 0) {
			this.#cache.put(name, addresses, lifeSeconds, monotonicMS());
			return { kind: "addresses", addresses: addresses.map((address) => addressToText(address)) };
		}
		if (failure !== undefined) {
			this.counters.failed += 1;
			throw new TailnetError(failure, `no resolver of the tailnet answered for ${name}`);
		}
		return alias ?? { kind: "none" };
	}

	/** Whoever asks for a name that is being asked for gets the same answer. */
	#outcomes(name: string, servers: readonly DNSServer[]): Promise<readonly Outcome[]> {
		const open = this.#open.get(name);
		if (open) return open.answer;
		if (this.#closed) return Promise.reject(new TailnetError("closed", "the node was closed"));
		if (writeName(name) === undefined) return Promise.resolve([]);
		if (this.#open.size === MOST_ASKINGS) {
			this.counters.refused += 1;
			return Promise.reject(new TailnetError("full", `${MOST_ASKINGS} names are being asked for`));
		}
		this.counters.asked += 1;
		let settle: { done(outcomes: readonly Outcome[]): void; failed(error: TailnetError): void } = { done() {}, failed() {} };
		const answer = new Promise<readonly Outcome[]>((resolve, reject) => {
			settle = { done: resolve, failed: reject };
		});
		const asking = new Asking({
			name,
			servers,
			node: this.#node,
			isInside: this.#isInside,
			done: (outcomes) => {
				this.#open.delete(name);
				settle.done(outcomes);
			},
		});
		this.#open.set(name, { asking, answer, reject: settle.failed });
		return answer;
	}
}
