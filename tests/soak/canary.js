/**
 * Lies: a node says `running` while the TSMP pings of a canary peer have failed for longer than the bound (design.md §3). The pings cross the tunnel
 * both ways, so they fail for everything that makes the node deaf, whatever layer it is in.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** The strictest bound of health.ts that deafness can have: a relay without a frame for 75 s, and what a ping and a first dial take. */
export const lieBoundMS = 75_000 + 5_000;
const everyMS = 1000;
const patienceMS = 2000;

/** Judges one node. Time is passed in, in milliseconds. */
export class LieWatch {
	/** Of each stretch of failing pings in which the node lied: {sinceMS, state}. */
	lies = [];
	/** The longest stretch of failing pings, whatever the node said. */
	longestMS = 0;
	#boundMS;
	#state = "";
	#stateSince = 0;
	#failingSince;
	#told = false;

	constructor(boundMS = lieBoundMS) {
		this.#boundMS = boundMS;
	}

	/** The node's state is another one. */
	said(state, now) {
		this.#state = state;
		this.#stateSince = now;
	}

	/** A ping was answered. */
	answered() {
		this.#failingSince = undefined;
		this.#told = false;
	}

	/** A ping that was sent at sentAt was not answered until now. A node that began to say "running" after that is not judged by it. */
	failed(sentAt, now) {
		this.#failingSince ??= sentAt;
		const deafMS = now - this.#failingSince;
		this.longestMS = Math.max(this.longestMS, deafMS);
		if (this.#told || this.#state !== "running" || this.#stateSince > sentAt || deafMS <= this.#boundMS) return;
		this.#told = true;
		this.lies.push({ sinceMS: this.#failingSince, deafMS });
	}
}

/** Pings a node all the time, until close. */
export class Canary {
	watch = new LieWatch();
	#answered = 0;
	#ended = false;
	#running;
	#seen = 0;

	/**
	 * @param {import("../interop/harness/world.js").World} world
	 * @param {string} from a stock node of the main program
	 * @param {import("../interop/harness/subject.js").OwnNode} node
	 */
	constructor(world, from, node) {
		this.#running = this.#run(world, from, node);
	}

	async #run(world, from, node) {
		while (!this.#ended) {
			const sentAt = performance.now();
			this.#hear(node);
			const answer = await world.ping(from, node.address, "TSMP", patienceMS).catch(() => undefined);
			this.#hear(node);
			if (answer) {
				this.#answered += 1;
				this.watch.answered();
			} else if (!this.#ended) this.watch.failed(sentAt, performance.now());
			await sleep(Math.max(0, everyMS - (performance.now() - sentAt)));
		}
	}

	/** Until a ping is answered that was sent after this call. */
	async hears(withinMS = 60_000) {
		// The one that is under way may have been sent before.
		const wanted = this.#answered + 2;
		for (const end = performance.now() + withinMS; this.#answered < wanted && !this.#ended; await sleep(everyMS / 4))
			if (performance.now() > end) throw new Error("the canary hears nothing");
	}

	/** What the node said of itself since the last look. */
	#hear(node) {
		for (; this.#seen < node.events.length; this.#seen += 1) {
			const { event, state, at } = node.events[this.#seen];
			if (event === "state") this.watch.said(state, at);
		}
	}

	async close() {
		this.#ended = true;
		await this.#running;
	}
}
