/**
 * One question put to all servers of a route at once, without I/O: the first good answer wins, and it has failed when all have. protocol/tunnel.md §7.3
 *
 *   time     to each server
 *   0        by UDP
 *   0.5 s    again by UDP: the first may be lost, and of what a peer without a session is sent one packet waits
 *   2 s      by TCP as well; or at once when its answer was cut off
 *   10 s     the end
 *
 * A server of DNS over HTTP is asked by a stream from the beginning. An answer counts if it comes from the server's own address, and has the id and the
 * question that this server was asked; "no such name" is a good answer.
 */
import { type DNSQuestion, parseReply, type Reply, writeQuery } from "./message.js";

export interface ExchangeIO {
	/** Two random bytes. */
	random(): number;
	/** Sends a datagram to a server, by its place in the list. */
	send(server: number, message: Uint8Array): void;
	/** Opens a stream to the server and sends the message; its answer comes to receive(), its failure to streamFailed(). Not answered from inside the call. */
	stream(server: number, message: Uint8Array): void;
}

export type Outcome = Exclude<Reply, { kind: "truncated" } | { kind: "failed" }> | { readonly kind: "failed"; readonly reason: "timeout" | "refused" };

const REPEAT_MS = 500;
const STREAM_MS = 2_000;
const END_MS = 10_000;

interface Server {
	readonly id: number;
	readonly query: Uint8Array;
	readonly hasDatagrams: boolean;
	isRepeated: boolean;
	stream: "none" | "open" | "failed";
	/** What it has said leads nowhere by UDP. */
	isCut: boolean;
	hasFailed: boolean;
}

export class Exchange {
	readonly #question: DNSQuestion;
	readonly #io: ExchangeIO;
	readonly #servers: Server[] = [];
	readonly #startedAt: number;
	#outcome: Outcome | undefined;

	/**
	 * @param servers for each, whether it takes datagrams
	 * @throws RangeError for a name that cannot be asked (writeQuery)
	 */
	constructor(question: DNSQuestion, servers: readonly boolean[], io: ExchangeIO, now: number) {
		this.#question = question;
		this.#io = io;
		this.#startedAt = now;
		for (const hasDatagrams of servers) {
			const id = io.random();
			const query = writeQuery(id, question);
			if (query === undefined) throw new RangeError("expected a name that can be asked");
			this.#servers.push({ id, query, hasDatagrams, isRepeated: false, stream: "none", isCut: false, hasFailed: false });
		}
		for (const [i, server] of this.#servers.entries()) {
			if (server.hasDatagrams) io.send(i, server.query);
			else this.#openStream(i, server);
		}
		this.#look();
	}

	/** What came of it; undefined = nothing yet. */
	get outcome(): Outcome | undefined {
		return this.#outcome;
	}

	/** When tick() is to be called next; undefined when it is over. */
	get deadline(): number | undefined {
		if (this.#outcome) return undefined;
		let next = this.#startedAt + END_MS;
		for (const server of this.#servers) {
			if (server.hasFailed || !server.hasDatagrams) continue;
			if (!server.isRepeated) next = Math.min(next, this.#startedAt + REPEAT_MS);
			if (server.stream === "none") next = Math.min(next, this.#startedAt + STREAM_MS);
		}
		return next;
	}

	tick(now: number): void {
		if (this.#outcome) return;
		const age = now - this.#startedAt;
		if (age >= END_MS) {
			this.#outcome = { kind: "failed", reason: "timeout" };
			return;
		}
		for (const [i, server] of this.#servers.entries()) {
			if (server.hasFailed || !server.hasDatagrams) continue;
			if (age >= REPEAT_MS && !server.isRepeated) {
				server.isRepeated = true;
				if (!server.isCut) this.#io.send(i, server.query);
			}
			if (age >= STREAM_MS && server.stream === "none") this.#openStream(i, server);
		}
	}

	/** A message of a server, whole, by datagram or stream. */
	receive(index: number, message: Uint8Array): void {
		const server = this.#servers[index];
		if (this.#outcome || server === undefined) return;
		const reply = parseReply(message, server.id, this.#question);
		if (reply === undefined) return;
		if (reply.kind === "truncated") {
			server.isCut = true;
			if (server.stream === "none") this.#openStream(index, server);
		} else if (reply.kind === "failed") server.hasFailed = true;
		else this.#outcome = reply;
		this.#look();
	}

	/** The stream to a server ended without an answer to the question. */
	streamFailed(index: number): void {
		const server = this.#servers[index];
		if (this.#outcome || server === undefined) return;
		server.stream = "failed";
		this.#look();
	}

	#openStream(index: number, server: Server): void {
		server.stream = "open";
		this.#io.stream(index, server.query);
	}

	/** It is over when nobody is left who could answer. */
	#look(): void {
		for (const server of this.#servers) if (server.stream === "failed" && (server.isCut || !server.hasDatagrams)) server.hasFailed = true;
		if (!this.#outcome && this.#servers.every(({ hasFailed }) => hasFailed)) this.#outcome = { kind: "failed", reason: "refused" };
	}
}
