/**
 * Who sends boxes that do not open. Disco keys travel in the clear, so anyone may send garbage under a peer's key, and each costs an open: a source that
 * fails more than 50 times in a second is not listened to for the rest of it. Source: protocol/paths.md §5.9.
 */

/** Failures of one source in one second that are still examined. */
export const FAILURES_PER_SECOND = 50;
const SOURCES = 16;
const WINDOW_MS = 1_000;

interface Source {
	/** Begin of its second. */
	since: number;
	failures: number;
}

export class OpenFailures {
	/** Packets refused unopened. */
	refused = 0;
	/** Boxes that did not open. */
	failed = 0;
	/** Least recently begun first; the oldest makes room for a new one. */
	#sources = new Map<string, Source>();

	/** Whether packets of this source are to be dropped unopened. */
	isRefused(source: string, now: number): boolean {
		if (this.#sources.size === 0) return false;
		const known = this.#sources.get(source);
		if (!known) return false;
		if (now - known.since >= WINDOW_MS) {
			this.#sources.delete(source);
			return false;
		}
		if (known.failures < FAILURES_PER_SECOND) return false;
		this.refused += 1;
		return true;
	}

	/** A packet of this source did not open. */
	count(source: string, now: number): void {
		this.failed += 1;
		const known = this.#sources.get(source);
		if (known && now - known.since < WINDOW_MS) {
			known.failures += 1;
			return;
		}
		this.#sources.delete(source);
		if (this.#sources.size >= SOURCES) {
			for (const oldest of this.#sources.keys()) {
				this.#sources.delete(oldest);
				break;
			}
		}
		this.#sources.set(source, { since: now, failures: 1 });
	}
}
