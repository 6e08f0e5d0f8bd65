/**
 * Keeps the verdict of health.ts up to date: looks again when a layer says that something changed, and when a bound passes without anything happening.
 */
import { monotonicMS, stopTimer, type Timer } from "tailnet/host";
import { DEGRADED_AFTER_MS } from "./control/types.js";
import { timerAt } from "./deadline.js";
import { judge, type Layers, NETWORK_BOUND_MS, RELAY_BOUND_MS, RELAY_GRACE_MS, type Verdict } from "./health.js";

/** What the owner knows of its layers; the rest of Layers is kept here. */
export type LayerFacts = Omit<Layers, "relayDownSince" | "relayWasUp" | "fullPools">;

export interface HealthOwner {
	facts(): LayerFacts;
	/** Counters of every layer; those whose name ends in "full" or "Full" count refusals of a pool. */
	readonly counters: Record<string, number>;
	/** The state, its reason or a condition changed. */
	changed(verdict: Verdict, before: Verdict): void;
}

/** How long a pool that refused something is shown as full. */
const poolNewsMS = 60_000;

export class HealthWatch {
	readonly #owner: HealthOwner;
	#verdict: Verdict = { state: "connecting", reason: "", conditions: [] };
	/** Since when the relay cannot be used, whichever it was; and the present home. undefined = it can, or there is no map yet. */
	#relayDownSince: number | undefined;
	#homeDownSince: number | undefined;
	/** Region of the home that #homeDownSince speaks of. */
	#home = 0;
	#relayWasUp = false;
	/** That home was usable at the last look. */
	#isHomeUp = false;
	#networkDownSince: number | undefined;
	#cachedSince: number | undefined;
	#timer: Timer | undefined;
	#closed = false;
	/** By pool: its refusals when looked at last, and when they grew. */
	readonly #refusals = new Map<string, { count: number; atMS: number }>();

	constructor(owner: HealthOwner) {
		this.#owner = owner;
	}

	get verdict(): Verdict {
		return this.#verdict;
	}

	/** How long there has been no usable relay, 0 = there is one. */
	relayDownMS(): number {
		return this.#relayDownSince === undefined ? 0 : monotonicMS() - this.#relayDownSince;
	}

	/** The same for the present home alone: another home begins anew. */
	homeDownMS(): number {
		return this.#homeDownSince === undefined ? 0 : monotonicMS() - this.#homeDownSince;
	}

	/** Something changed. */
	look(): void {
		if (this.#closed) return;
		const now = monotonicMS();
		const facts = this.#owner.facts();
		this.#watchRelay(facts, now);
		this.#networkDownSince = facts.networkDownSince;
		this.#cachedSince = facts.cachedSince;
		this.#set(judge({ ...facts, relayDownSince: this.#relayDownSince, relayWasUp: this.#relayWasUp, fullPools: this.#fullPools(now) }, now));
		this.#arm(now);
	}

	/** The last word. */
	stop(reason: string): void {
		if (this.#closed) return;
		this.#closed = true;
		stopTimer(this.#timer);
		this.#set({ state: "stopped", reason, conditions: [] });
	}

	#watchRelay({ hasMap, home }: LayerFacts, now: number): void {
		const isUp = home?.state === "up" && home.admitted;
		const isAnother = home?.region !== this.#home;
		if (isAnother) this.#homeDownSince = undefined;
		this.#home = home?.region ?? 0;
		// A connection that ends because nothing came has been of no use since its last frame: the bound of silence is not counted twice.
		const lastFrameMS = home?.lastFrameMS ?? now;
		const since = this.#isHomeUp && !isAnother && now - lastFrameMS >= RELAY_BOUND_MS ? lastFrameMS : now;
		this.#isHomeUp = isUp;
		if (isUp) this.#relayWasUp = true;
		this.#relayDownSince = isUp || !hasMap ? undefined : (this.#relayDownSince ?? since);
		this.#homeDownSince = isUp || !hasMap ? undefined : (this.#homeDownSince ?? now);
	}

	#fullPools(now: number): string[] {
		const full: string[] = [];
		for (const [name, count] of Object.entries(this.#owner.counters)) {
			if (!name.endsWith("full") && !name.endsWith("Full")) continue;
			const seen = this.#refusals.get(name) ?? { count: 0, atMS: Number.NEGATIVE_INFINITY };
			if (count > seen.count) seen.atMS = now;
			seen.count = count;
			this.#refusals.set(name, seen);
			if (now - seen.atMS < poolNewsMS) full.push(name);
		}
		return full;
	}

	#arm(now: number): void {
		if (this.#closed) return;
		const bounds = [
			...boundsOf(this.#relayDownSince, now, RELAY_GRACE_MS, RELAY_BOUND_MS),
			...boundsOf(this.#networkDownSince, now, NETWORK_BOUND_MS),
			...boundsOf(this.#cachedSince, now, DEGRADED_AFTER_MS),
		];
		this.#timer = timerAt(this.#timer, Math.min(...bounds), () => this.look());
	}

	#set(verdict: Verdict): void {
		const before = this.#verdict;
		this.#verdict = verdict;
		if (before.state !== verdict.state || before.reason !== verdict.reason || text(before) !== text(verdict)) this.#owner.changed(verdict, before);
	}
}

/** @returns when each bound that is ahead will have passed */
function boundsOf(since: number | undefined, now: number, ...boundsMS: number[]): number[] {
	return since === undefined ? [] : boundsMS.map((boundMS) => since + boundMS + 1).filter((at) => at > now);
}

function text(verdict: Verdict): string {
	return verdict.conditions.map((condition) => `${condition.id} ${condition.text}`).join("\n");
}
