/**
 * The facts as server-sent events, one "status" a second for as long as somebody looks; without viewers there is no timer.
 *
 *   retry: 2000\n\n   then again and again   event: status\ndata: FACTS\n\n
 *
 * A viewer who has not taken an event when the next one is due goes without that: each stream holds one piece of one event, whatever its viewer does. One who
 * takes nothing for a minute is left. There is room for few streams; a new one of the same viewer takes the place of that viewer's oldest.
 */
import { monotonicMS, startTimer, stopTimer, type Timer } from "tailnet/host";
import { type Body, Cutter } from "./body.js";

export const periodMS = 1000;
/** A viewer who takes nothing for so long is gone, or wants a place that others want. */
export const stallMS = 60_000;

/** Makes the facts anew, in pieces. */
export type Facts = () => Iterator<string>;

const head = "event: status\ndata: ";
const tail = "\n\n";

export class EventStream implements Body {
	readonly lengthBytes = undefined;
	onMore: (() => void) | undefined;
	/** Events that were due while one before was not taken. */
	skipped = 0;
	readonly viewer: string;
	readonly #facts: Facts;
	readonly #closed: (stream: EventStream) => void;
	readonly #cutter = new Cutter();
	#isEnded = false;
	#tookAt: number;

	constructor(viewer: string, facts: Facts, now: number, closed: (stream: EventStream) => void) {
		this.viewer = viewer;
		this.#facts = facts;
		this.#closed = closed;
		this.#tookAt = now;
		this.#cutter.begin(facts(), `retry: 2000\n\n${head}`, tail);
	}

	get isEnded(): boolean {
		return this.#isEnded;
	}

	next(space: number): Uint8Array | undefined {
		if (this.#isEnded) return undefined;
		this.#tookAt = monotonicMS();
		return this.#cutter.next(space);
	}

	/** Another event is due. */
	tick(now: number): void {
		if (now - this.#tookAt > stallMS) {
			this.close();
			return;
		}
		if (this.#cutter.isEmpty) this.#cutter.begin(this.#facts(), head, tail);
		else this.skipped += 1;
		this.onMore?.();
	}

	close(): void {
		if (this.#isEnded) return;
		this.#isEnded = true;
		this.#cutter.drop();
		this.#closed(this);
		this.onMore?.();
	}
}

export class EventStreams {
	readonly #most: number;
	readonly #streams: EventStream[] = [];
	#timer: Timer | undefined;

	/** @param most streams at the same time */
	constructor(most: number) {
		this.#most = most;
	}

	get count(): number {
		return this.#streams.length;
	}

	/** @returns undefined: there is no room */
	open(viewer: string, facts: Facts): EventStream | undefined {
		if (this.#streams.length >= this.#most) this.#streams.find((stream) => stream.viewer === viewer)?.close();
		if (this.#streams.length >= this.#most) return undefined;
		const stream = new EventStream(viewer, facts, monotonicMS(), (closed) => this.#remove(closed));
		this.#streams.push(stream);
		this.#arm();
		return stream;
	}

	close(): void {
		for (const stream of [...this.#streams]) stream.close();
	}

	#remove(stream: EventStream): void {
		this.#streams.splice(this.#streams.indexOf(stream), 1);
		if (this.#streams.length > 0) return;
		stopTimer(this.#timer);
		this.#timer = undefined;
	}

	#arm(): void {
		this.#timer ??= startTimer(() => {
			this.#timer = undefined;
			const now = monotonicMS();
			for (const stream of [...this.#streams]) stream.tick(now);
			if (this.#streams.length > 0) this.#arm();
		}, periodMS);
	}
}
