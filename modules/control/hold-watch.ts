/**
 * While control holds the follow-up of a login nothing comes for minutes, and TCP would not notice a dead connection either: a PING each minute tells
 * a quiet connection from a dead one.
 *
 *   quiet, 60 s → PING → pong: quiet again
 *                      → nothing for 30 s: dead
 */
import { startTimer, stopTimer } from "tailnet/host";
import type { Timer } from "../host-contract.js";
import type { Session } from "./session.js";

const QUIET_MS = 60_000;
const PONG_MS = 30_000;

export class HoldWatch {
	#timer: Timer | undefined;

	/** Watches session until stop(). */
	start(session: Session, onDead: () => void): void {
		this.stop();
		this.#timer = startTimer(() => {
			this.#timer = startTimer(onDead, PONG_MS);
			session.ping(() => this.start(session, onDead));
		}, QUIET_MS);
	}

	/** Idempotent. A pong that comes later is for nobody: its session is closed, or its request has ended. */
	stop(): void {
		stopTimer(this.#timer);
		this.#timer = undefined;
	}
}
