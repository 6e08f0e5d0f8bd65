/** Names of the tailnet for the SDK's clients: an ECMA-419 resolver that answers from the network map, and asks the machine's resolver for the rest. */
import type { TailnetError } from "../errors.js";

/** Resolves a name to address texts, IPv4 first; rejects with TailnetError "not-found". */
export type Resolve = (host: string) => Promise<string[]>;

export interface ResolveRequest {
	/** A name, or an IP literal. */
	host: string;
	/** There is an address: the first of them. */
	onResolved?(this: Resolver, host: string, address: string): void;
	/** There is none. */
	onError?(this: Resolver, host: string): void;
}

export class Resolver {
	readonly #resolve: Resolve;
	readonly #report: (error: unknown) => void;
	#closed = false;

	/** @param report told of exceptions that leave an app's callback */
	constructor(resolve: Resolve, report: (error: unknown) => void = () => {}) {
		this.#resolve = resolve;
		this.#report = report;
	}

	/**
	 * One of the callbacks of the request runs later, unless the resolver is closed before.
	 * @param callback in their place: `(error, address)`
	 * @throws SyntaxError when it is closed
	 */
	resolve(request: ResolveRequest, callback?: (error: TailnetError | null, address?: string) => void): void {
		if (this.#closed) throw new SyntaxError("closed");
		const { host, onResolved, onError } = request;
		this.#resolve(String(host))
			.then(
				(addresses) => {
					if (this.#closed) return;
					if (callback) callback(null, addresses[0]);
					else onResolved?.call(this, host, addresses[0] as string);
				},
				(error: TailnetError) => {
					if (this.#closed) return;
					if (callback) callback(error);
					else onError?.call(this, host);
				},
			)
			.catch((error) => this.#report(error));
	}

	/** Idempotent; nothing is told afterwards. */
	close(): void {
		this.#closed = true;
	}
}
