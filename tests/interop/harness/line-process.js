/**
 * A child process that speaks one JSON object a line, both ways: requests with an `id`, an answer with the same `id`, and events
 * that come by themselves. Both sides of the interop ring are of this kind (peers.js, subject.js).
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { endGroup } from "../../../scripts/process-group.js";

/** Every process that runs, so that an end of ours, however sudden, is the end of theirs. */
const running = new Set();
process.on("exit", () => {
	for (const child of running) endGroup(child.pid);
});

export class LineProcess {
	/** Events in the order of arrival. Tests may read it; waitFor looks at those that came already, too. */
	events = [];
	/** Last lines of standard error. */
	log = [];
	/** {code, signal} once it ended. */
	ended;
	#child;
	#pending = new Map();
	#watchers = new Set();
	#nextID = 1;
	#name;

	/**
	 * @param {string} name for messages
	 * @param {string[]} command program and arguments
	 * @param {{env?: object, cwd?: string, onLog?: (line: string) => void}} [options]
	 */
	constructor(name, command, options = {}) {
		this.#name = name;
		// The signal makes the kernel end it when we die without having a chance to.
		this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
			stdio: ["pipe", "pipe", "pipe"],
			env: options.env ?? process.env,
			cwd: options.cwd,
			detached: true, // a group of its own
		});
		running.add(this.#child);
		// What it leaves behind, such as the bus of dbus-run-session, would keep its pipes open for ever.
		this.#child.on("exit", () => endGroup(this.#child.pid));
		this.#child.stdin.on("error", () => {});
		createInterface({ input: this.#child.stdout }).on("line", (line) => this.#receive(line));
		createInterface({ input: this.#child.stderr }).on("line", (line) => {
			this.log.push(line);
			if (this.log.length > 2000) this.log.shift();
			options.onLog?.(line);
		});
		this.exited = new Promise((resolve) => {
			this.#child.on("error", (error) => this.#end({ code: -1, signal: null, error }, resolve));
			this.#child.on("close", (code, signal) => this.#end({ code, signal }, resolve));
		});
	}

	get pid() {
		return this.#child.pid;
	}

	#end(how, resolve) {
		if (this.ended) return;
		this.ended = how;
		running.delete(this.#child);
		const error = this.failure(`ended with ${how.signal ?? how.code}`);
		for (const { reject } of this.#pending.values()) reject(error);
		this.#pending.clear();
		for (const watcher of this.#watchers) watcher(undefined);
		resolve(how);
	}

	/** An error that carries the last lines of the log. */
	failure(text) {
		return new Error([`${this.#name} ${text}`, ...this.log.slice(-12).map((line) => `    | ${line}`)].join("\n"));
	}

	#receive(line) {
		let object;
		try {
			object = JSON.parse(line);
		} catch {
			this.events.push({ event: "garbage", line });
			return;
		}
		if (object.id !== undefined && this.#pending.has(object.id)) {
			const { resolve } = this.#pending.get(object.id);
			this.#pending.delete(object.id);
			resolve(object);
			return;
		}
		object.at = performance.now();
		this.events.push(object);
		for (const watcher of this.#watchers) watcher(object);
	}

	/**
	 * Sends a request and waits for its answer.
	 * @param {object} request without id
	 * @returns {Promise<object>} the answer, good or bad
	 */
	ask(request, timeoutMS) {
		if (this.ended) return Promise.reject(this.failure("has ended"));
		const id = this.#nextID++;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#pending.delete(id);
				reject(this.failure(`gave no answer within ${timeoutMS} ms to ${JSON.stringify(request).slice(0, 200)}`));
			}, timeoutMS);
			const settle = (f) => (value) => {
				clearTimeout(timer);
				f(value);
			};
			this.#pending.set(id, { resolve: settle(resolve), reject: settle(reject) });
			this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
		});
	}

	/**
	 * Waits for an event, which may have come already.
	 * @param {(event: object) => boolean} matches
	 * @param {{from?: number}} [options] index of the first event to look at
	 */
	waitFor(what, matches, timeoutMS, { from = 0 } = {}) {
		const old = this.events.slice(from).find(matches);
		if (old) return Promise.resolve(old);
		if (this.ended) return Promise.reject(this.failure(`ended before: ${what}`));
		return new Promise((resolve, reject) => {
			const finish = (f, value) => {
				clearTimeout(timer);
				this.#watchers.delete(watcher);
				f(value);
			};
			const watcher = (event) => {
				if (event === undefined) finish(reject, this.failure(`ended before: ${what}`));
				else if (matches(event)) finish(resolve, event);
			};
			const timer = setTimeout(() => {
				const seen = this.events.slice(-6).map((event) => JSON.stringify(event).slice(0, 200));
				finish(reject, this.failure(`did not show within ${timeoutMS} ms: ${what}; last events: ${seen.join(" ")}`));
			}, timeoutMS);
			this.#watchers.add(watcher);
		});
	}

	/** Ends it: by the signal, and for sure after two seconds. */
	async kill(signal = "SIGKILL") {
		if (this.ended) return this.ended;
		this.#child.kill(signal);
		const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
		const how = await this.exited;
		clearTimeout(timer);
		return how;
	}

	/** Closes its standard input, which asks it to end. */
	async hangUp() {
		this.#child.stdin.end();
		const timer = setTimeout(() => this.#child.kill("SIGKILL"), 8000);
		const how = await this.exited;
		clearTimeout(timer);
		return how;
	}
}
