/** Login names of users by their id. Control says each once (UserProfiles, protocol/control.md §6.7), again when it is another, and never takes one back. */
import { type Members, textMember, WrongType } from "./members.js";
import { idFromJSON } from "./wide-id.js";

/** More names are left out, and longer ones: they are for people to read, and control must not fill the memory with them. */
const MOST_LOGINS = 256;
const MOST_CHARACTERS = 254;

export class Logins {
	readonly #names = new Map<string, string>();
	#staged: [user: string, name: string][] = [];

	/** @param user decimal text @returns "alice@example.com"; undefined: control has not said it, or it was left out */
	get(user: string): string | undefined {
		return this.#names.get(user);
	}

	/** One of UserProfiles. @throws WrongType */
	stage(profile: Members): void {
		const user = idFromJSON(profile["ID"]);
		if (user === undefined) throw new WrongType("UserProfiles[].ID: expected a number");
		const name = textMember(profile, "LoginName");
		if (name !== "" && name.length <= MOST_CHARACTERS && this.#staged.length < MOST_LOGINS) this.#staged.push([user, name]);
	}

	commit(): void {
		for (const [user, name] of this.#staged) if (this.#names.size < MOST_LOGINS || this.#names.has(user)) this.#names.set(user, name);
		this.abort();
	}

	abort(): void {
		this.#staged = [];
	}
}
