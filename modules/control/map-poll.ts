/**
 * One map poll: a request whose answer never ends (protocol/control.md §6).
 *
 *   asked → (status 200) → reading → over
 *
 * What comes is read on a turn of its own: below HTTP/2 lie Noise and the stream, above it the scanner and the whole netmap, and the stack of a board (512
 * slots) does not hold both. Silence of 120 s, counted in complete map messages only, ends the poll: HTTP/2 may be answering its PINGs while the map
 * behind it is dead.
 */
import { monotonicMS, startTimer, stopTimer, utf8Decode } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import type { MapMessage, MapReading } from "../netmap/types.js";
import { refusalOf } from "./login.js";
import { meansUnknown } from "./map-request.js";
import { printable } from "./noise.js";
import type { Request, RequestOptions, Session } from "./session.js";
import { MAP_SILENCE_MS } from "./types.js";

const MAXIMUM_ERROR_BYTES = 200;

export interface MapPollOptions {
	session: Session;
	request: RequestOptions;
	reader: MapReading;
	/** One complete message; the netmap has it already. */
	onMessage(message: MapMessage): void;
	/** Once, last, unless closed before. isUnknown: control does not know this node key, or may not. isOrderly: control ended the poll between two messages. */
	onEnd(error: TailnetError, isUnknown: boolean, isOrderly: boolean): void;
}

export class MapPoll {
	readonly #options: MapPollOptions;
	readonly #request: Request;
	#watchdog: Timer | undefined;
	#status = 0;
	#errorText = "";
	#isOver = false;
	#sawMessage = false;
	/** Bytes that are not read yet, oldest first: less than a flow control window. */
	#unread: Uint8Array[] = [];
	/** How the request ended, to be told after they are read. */
	#ending: string | undefined;
	#turn: Timer | undefined;

	constructor(options: MapPollOptions) {
		this.#options = options;
		options.reader.begin();
		this.#watch();
		this.#request = options.session.request(options.request, {
			onHeaders: (status) => {
				this.#status = status;
			},
			onData: (bytes) => this.#data(bytes),
			onEnd: (error) => {
				this.#ending = error;
				this.#later();
			},
		});
	}

	/** Ends the poll. Idempotent; no callback afterwards. */
	close(): void {
		if (this.#isOver) return;
		this.#isOver = true;
		stopTimer(this.#watchdog);
		stopTimer(this.#turn);
		this.#unread.length = 0;
		this.#request.close();
	}

	#watch(): void {
		stopTimer(this.#watchdog);
		this.#watchdog = startTimer(() => {
			this.#end(new TailnetError("control-unreachable", `no map message for ${MAP_SILENCE_MS / 1000} s`), false, false);
		}, MAP_SILENCE_MS);
	}

	#data(bytes: Uint8Array): void {
		if (this.#isOver) return;
		if (this.#status !== 200) {
			if (this.#errorText.length < MAXIMUM_ERROR_BYTES) this.#errorText += printable(utf8Decode(bytes.slice(0, MAXIMUM_ERROR_BYTES)));
			return;
		}
		this.#unread.push(bytes.slice());
		this.#later();
	}

	#later(): void {
		if (this.#isOver) return;
		this.#turn ??= startTimer(() => {
			this.#turn = undefined;
			while (!this.#isOver && this.#unread.length > 0) this.#read(this.#unread.shift() as Uint8Array);
			if (this.#ending !== undefined) this.#ended(this.#ending);
		}, 0);
	}

	#read(bytes: Uint8Array): void {
		const { reader, onMessage } = this.#options;
		const messages = reader.push(bytes, monotonicMS());
		if (messages.length > 0) {
			this.#sawMessage = true;
			this.#watch();
		}
		for (let i = 0; i < messages.length && !this.#isOver; i += 1) onMessage(messages[i] as MapMessage);
		const failure = reader.failure;
		if (failure) this.#end(new TailnetError(failure.code === "too-large" ? "netmap" : "control-protocol", `map poll: ${failure.message}`), false, false);
	}

	#ended(error: string): void {
		if (this.#isOver) return;
		const text = this.#errorText.slice(0, MAXIMUM_ERROR_BYTES);
		if (error) this.#end(new TailnetError("control-unreachable", `map poll: ${error}`), false, false);
		else if (this.#status === 400) this.#end(refusalOf("map poll", text), true, false);
		else if (this.#status !== 200) {
			this.#end(new TailnetError("control-refused", `control answered the map poll with status ${this.#status} "${text}"`), meansUnknown(this.#status), false);
		} else if (this.#sawMessage) this.#end(new TailnetError("control-unreachable", "control ended the map poll"), false, true);
		// Some servers answer so to a node key they do not know, others when they stumble: registering again is right or does no harm.
		else this.#end(new TailnetError("control-unreachable", "control answered the map poll with nothing"), true, false);
	}

	#end(error: TailnetError, isUnknown: boolean, isOrderly: boolean): void {
		if (this.#isOver) return;
		this.close();
		this.#options.onEnd(error, isUnknown, isOrderly);
	}
}
