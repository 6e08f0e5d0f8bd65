/**
 * What the node's owner hears of control: the state with its reason, errors (equal ones in a row once), and everything else through tell(). Also the
 * silence that turns "running" into "degraded": 130 s without a map message.
 */
import { log, startTimer, stopTimer } from "tailnet/host";
import type { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import { type ControlCallbacks, type ControlState, DEGRADED_AFTER_MS } from "./types.js";

export class Owner {
	readonly #callbacks: ControlCallbacks;
	#state: ControlState = "stopped";
	#reason = "";
	#error: TailnetError | undefined;
	#toldError = "";
	#silence: Timer | undefined;
	#isClosed = false;

	constructor(callbacks: ControlCallbacks) {
		this.#callbacks = callbacks;
	}

	get state(): ControlState {
		return this.#state;
	}

	get reason(): string {
		return this.#reason;
	}

	/** The last failure since the last map message. */
	get error(): TailnetError | undefined {
		return this.#error;
	}

	setState(state: ControlState, reason: string): void {
		if (this.#isClosed || (state === this.#state && reason === this.#reason)) return;
		if (state === "stopped") stopTimer(this.#silence);
		this.#state = state;
		this.#reason = reason;
		this.tell((callbacks) => callbacks.onState(state, reason));
	}

	/** A failure. @param isQuiet worth a word only if it cannot be made good: kept for the reason of "degraded" */
	failed(error: TailnetError, isQuiet: boolean): void {
		this.#error = error;
		const text = `${error.code} ${error.message}`;
		if (isQuiet || text === this.#toldError) return;
		this.#toldError = text;
		this.tell((callbacks) => callbacks.onError(error));
	}

	/** The app has acted on an error: the same one is news again. */
	forgetError(): void {
		this.#toldError = "";
	}

	/** A map message has come. */
	heard(): void {
		this.#error = undefined;
		this.#toldError = "";
		stopTimer(this.#silence);
		this.#silence = startTimer(() => {
			if (this.#state === "running") this.setState("degraded", this.#error?.message ?? `no message of control for ${DEGRADED_AFTER_MS / 1000} s`);
		}, DEGRADED_AFTER_MS);
		this.setState("running", "");
	}

	/** Calls the owner; what it throws is its own fault, and must not end the session. */
	tell(call: (callbacks: ControlCallbacks) => void): void {
		if (this.#isClosed) return;
		try {
			call(this.#callbacks);
		} catch (error) {
			log("error", `control: a callback threw: ${error instanceof Error ? error.message : "not an Error"}`);
		}
	}

	/** The owner hears nothing more. */
	close(): void {
		this.#isClosed = true;
		this.#state = "stopped";
		stopTimer(this.#silence);
	}
}
