/**
 * Finds a way to control's Noise channel: plaintext port 80 first, TLS on 443 after a delay or as soon as 80 has failed; the first that stands wins
 * (protocol/control.md §3.1).
 *
 *   control URL     ways, in order
 *   https://h       80 plain, 443 TLS
 *   https://h:P     P TLS
 *   http://h        80 plain, 443 TLS (the latter not for a private host)
 *   http://h:P      P plain, 443 TLS (the latter not for a private host)
 *
 * Some networks let the upgrade on port 80 pass and kill or swallow the stream later: after a plaintext session that lived less than 2 min, TLS alone is
 * tried for 2 min. The way that worked last comes first. TLS certificates are always verified.
 */
import { startTimer, stopTimer } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import { authorityOf, type Target } from "./http1.js";
import { NoiseStream } from "./noise-stream.js";

const SHORT_LIFE_MS = 120_000;
const ATTEMPT_MS = 10_000;

export interface Way {
	readonly port: number;
	readonly isTLS: boolean;
}

/** The ways that a control URL allows, in the order above. */
export function waysTo(control: Target): Way[] {
	if (control.isTLS && control.port !== 0) return [{ port: control.port, isTLS: true }];
	const plain = { port: control.port || 80, isTLS: false };
	return !control.isTLS && isPrivateHost(control.host) ? [plain] : [plain, { port: 443, isTLS: true }];
}

/** Whether a host is this machine or an address literal of a private network: nobody offers TLS there by chance. */
export function isPrivateHost(host: string): boolean {
	if (host === "localhost" || host.endsWith(".localhost")) return true;
	if (host.includes(":")) return host === "::1" || /^f[cd]/i.test(host) || /^fe[89ab]/i.test(host);
	return /^(?:127|10)(?:\.[0-9]+){3}$|^(?:192\.168|169\.254)(?:\.[0-9]+){2}$|^172\.(?:1[6-9]|2[0-9]|3[01])(?:\.[0-9]+){2}$/.test(host);
}

/** What dials before teach the next one. */
export class DialMemory {
	#avoidPlainUntil = 0;
	#prefersTLS = false;

	/** The ways to try now, first one first. */
	order(ways: readonly Way[], now: number): Way[] {
		const tls = ways.filter((way) => way.isTLS);
		if (tls.length === 0 || tls.length === ways.length) return [...ways];
		if (now < this.#avoidPlainUntil) return tls;
		return this.#prefersTLS ? [...tls, ...ways.filter((way) => !way.isTLS)] : [...ways];
	}

	opened(way: { readonly isTLS: boolean }): void {
		this.#prefersTLS = way.isTLS;
	}

	/** No way of the last dial worked: all are worth trying again. */
	failed(): void {
		this.#avoidPlainUntil = 0;
		this.#prefersTLS = false;
	}

	/** A session has ended that was not closed by us, or nothing comes through it any more: then heardAt says since when. */
	ended(way: { readonly isTLS: boolean }, openedAt: number, now: number, heardAt = now): void {
		if (!way.isTLS && heardAt - openedAt < SHORT_LIFE_MS) this.#avoidPlainUntil = now + SHORT_LIFE_MS;
	}
}

export interface DialOptions {
	control: Target;
	ways: readonly Way[];
	/** The next way is tried this many ms after the one before. */
	fallbackDelayMS: number;
	authorities: string[] | undefined;
	machinePrivateKey: Uint8Array;
	controlKey: Uint8Array;
	version: number;
	/** Once: the channel stands; attach() is to be called now. */
	onOpen(stream: NoiseStream): void;
	/** Once: no way worked. isKeyInDoubt: a server answered 101 and then did not complete the handshake. */
	onFailure(error: TailnetError, isKeyInDoubt: boolean): void;
}

/** One race over all ways. */
export class Dial {
	readonly #options: DialOptions;
	readonly #racing = new Set<NoiseStream>();
	readonly #errors: TailnetError[] = [];
	#next = 0;
	#timer: Timer | undefined;
	#isDone = false;
	#isKeyInDoubt = false;

	constructor(options: DialOptions) {
		this.#options = options;
		this.#startNext();
	}

	/** Gives up. Idempotent; no callback afterwards. */
	close(): void {
		this.#isDone = true;
		stopTimer(this.#timer);
		for (const stream of this.#racing) stream.close();
		this.#racing.clear();
	}

	#startNext(): void {
		const { control, ways, fallbackDelayMS, authorities, machinePrivateKey, controlKey, version } = this.#options;
		stopTimer(this.#timer);
		this.#timer = undefined;
		const way = ways[this.#next];
		if (!way) return;
		this.#next += 1;
		this.#racing.add(
			new NoiseStream({
				host: control.host,
				port: way.port,
				isTLS: way.isTLS,
				authority: authorityOf(control.host, way.port, way.isTLS ? 443 : 80),
				authorities,
				machinePrivateKey,
				controlKey,
				version,
				timeoutMS: ATTEMPT_MS,
				onOpen: (stream) => {
					if (this.#isDone) return;
					this.#racing.delete(stream);
					this.close();
					this.#options.onOpen(stream);
				},
				onFailure: (stream, error, sawUpgrade) => {
					if (this.#isDone) return;
					this.#racing.delete(stream);
					this.#errors.push(error);
					this.#isKeyInDoubt ||= sawUpgrade;
					if (this.#next < ways.length) this.#startNext();
					else if (this.#racing.size === 0) this.#fail();
				},
			}),
		);
		if (this.#next < ways.length) this.#timer = startTimer(() => this.#startNext(), fallbackDelayMS);
	}

	#fail(): void {
		this.close();
		const code = (["certificate", "control-key", "control-protocol"] as const).find((worst) => this.#errors.some((error) => error.code === worst));
		this.#options.onFailure(new TailnetError(code ?? "control-unreachable", this.#errors.map((error) => error.message).join("; ")), this.#isKeyInDoubt);
	}
}
