/**
 * When to tell control what changed about us (protocol/control.md §6.1). No I/O; the owner sends.
 *
 *   idle         nothing to tell
 *   due          the next turn sends
 *   in flight    one request is out; a change meanwhile makes another one due when it ends
 *
 * What control has already is not sent again.
 */
export class LiteUpdate {
	#accepted = "";
	#inFlight = "";
	#count = 0;

	/** Updates that control took. */
	get count(): number {
		return this.#count;
	}

	/** Another session: what control has is not known any more. */
	begin(): void {
		this.forget();
		this.#inFlight = "";
	}

	/** What control has may have been lost: the next update is due whatever it says. */
	forget(): void {
		this.#accepted = "";
	}

	/** @param request the JSON of an update as of now. @returns whether it is to be sent now */
	isDue(request: string): boolean {
		return this.#inFlight === "" && request !== this.#accepted;
	}

	sent(request: string): void {
		this.#inFlight = request;
	}

	/** The request that was out has ended. @param accepted with status 200 */
	ended(accepted: boolean): void {
		if (accepted) {
			this.#accepted = this.#inFlight;
			this.#count += 1;
		}
		this.#inFlight = "";
	}
}
