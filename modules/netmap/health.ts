/**
 * Conditions of the map that a person should see: control's own (Health, DisplayMessages: protocol/control.md §6.7), staged with the message that
 * brings them, and ours, by id.
 */
import { type Members, objectOf, textMember, WrongType } from "./members.js";
import type { HealthCondition } from "./types.js";

const ALL = "*";
/** Messages of control that are kept; a person reads no more. */
export const MOST_MESSAGES = 64;

export class MapHealth {
	#control = new Map<string, HealthCondition>();
	#staged: Map<string, HealthCondition> | undefined;
	readonly #own = new Map<string, HealthCondition>();

	/** All of them, ours first. */
	get conditions(): HealthCondition[] {
		return [...this.#own.values(), ...this.#control.values()];
	}

	/** Raises or, without text, ends a condition of ours. @returns whether anything is different now */
	set(id: string, text: string | undefined, severity: HealthCondition["severity"] = "high"): boolean {
		if (this.#own.get(id)?.text === text) return false;
		if (text === undefined) this.#own.delete(id);
		else this.#own.set(id, { id, text, severity });
		return true;
	}

	// ---- Staging ----

	/** Health: a list of texts that replaces all; empty = healthy. @throws WrongType */
	stageTexts(value: unknown): void {
		if (value === null) return;
		if (!Array.isArray(value)) throw new WrongType("Health: expected a list");
		this.#staged = new Map();
		for (const text of value.slice(0, MOST_MESSAGES)) {
			if (typeof text !== "string") throw new WrongType("Health[]: expected a text");
			const id = `control:${this.#staged.size}`;
			this.#staged.set(id, { id, text, severity: "medium" });
		}
	}

	/**
	 * One of DisplayMessages: null ends it, "*" null ends all that were there before, wherever it stands.
	 * @returns false when it is left out: there are too many
	 * @throws WrongType
	 */
	stageMessage(key: string, value: unknown): boolean {
		if (key === ALL) {
			if (value === null) this.#staged = this.#said();
			return true;
		}
		this.#staged ??= new Map(this.#control);
		const id = `control:${key}`;
		if (value === null) this.#staged.delete(id);
		else if (this.#staged.size >= MOST_MESSAGES && !this.#staged.has(id)) return false;
		else this.#staged.set(id, readMessage(id, objectOf(value, "DisplayMessages[]")));
		return true;
	}

	/** @param replacing the first message of a poll: what it does not say is over. @returns whether anything is different now */
	commit(replacing: boolean): boolean {
		const staged = replacing ? this.#said() : this.#staged;
		this.#staged = undefined;
		if (staged === undefined) return false;
		const changed = JSON.stringify([...staged.values()]) !== JSON.stringify([...this.#control.values()]);
		this.#control = staged;
		return changed;
	}

	abort(): void {
		this.#staged = undefined;
	}

	/** What the message itself says of control's conditions. */
	#said(): Map<string, HealthCondition> {
		return new Map(Array.from(this.#staged ?? []).filter(([id, condition]) => this.#control.get(id) !== condition));
	}
}

function readMessage(id: string, message: Members): HealthCondition {
	const title = textMember(message, "Title");
	const text = textMember(message, "Text");
	const severity = textMember(message, "Severity");
	return {
		id,
		text: title === "" || text === "" ? title + text : `${title}: ${text}`,
		severity: severity === "high" || severity === "low" ? severity : "medium",
	};
}
