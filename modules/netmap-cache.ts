/**
 * The network map of the last run: put into force at the start, so that a node talks to known peers before control answers, or without it; and written while
 * this run goes on. What the values hold stands in netmap/cache-values.ts.
 *
 *   begin()     a turn later the stored map is put into force, unless there is a map by then
 *   changed()   the map or the use of peers is another: it is written 10 s after the first map, and then every 10 minutes at most
 *   6 hours without a change: written, to keep the filter young; nothing but its age is different then
 *   24 hours    after control vouched for it last, a filter that no map has replaced lets nothing new in
 *
 * Nothing of a map is held between these.
 */
import { monotonicMS, type Store, startTimer, stopTimer, type Timer } from "tailnet/host";
import { controlChecksum } from "./control-checksum.js";
import { timerAt } from "./deadline.js";
import { TailnetError } from "./errors.js";
import { CacheRefused, DESKTOP_BUDGET, DEVICE_BUDGET, forgetMap, type RestoredMap, restoreMap, saveMap } from "./netmap/cache-values.js";
import type { Netmap } from "./netmap/netmap.js";

/** The first map is soon followed by what control, peers and relays say next. */
const FIRST_SAVE_MS = 10_000;
const SAVE_GAP_MS = 600_000;
const RENEW_MS = 21_600_000;

export interface NetmapCacheOwner {
	readonly store: Store;
	readonly netmap: Netmap;
	/** 32 bytes, public. */
	readonly nodeKey: Uint8Array;
	/** URL of the control server. */
	readonly controlURL: string;
	/** Memory is short. */
	readonly isDevice: boolean;
	readonly homeRegion: number;
	/** Monotonic milliseconds of control's last message. */
	readonly heardAtMS: number;
	/** Indexes of the peers in use, the latest first. */
	recentPeers(): number[];
	/** A map of the last run is in force. */
	restored(map: RestoredMap): void;
	/** The filter is too old by now: the map's rules are gone. */
	filterChanged(): void;
	report(error: unknown): void;
}

export class NetmapCache {
	/** Caches that were not used because they are damaged, of another version or expired. */
	refused = 0;
	/** Parts that were left out because they are not those that the head names. */
	lost = 0;
	/** Times that something was written, and its bytes. */
	saves = 0;
	savedBytes = 0;
	/** Monotonic milliseconds since when a map of the last run is in force that no other has replaced. */
	sinceMS: number | undefined;
	readonly #owner: NetmapCacheOwner;
	/** For begin(), and for the end of the filter. */
	#turn: Timer | undefined;
	#saveTimer: Timer | undefined;
	#saveAt = Number.POSITIVE_INFINITY;
	#savedAt: number | undefined;
	#hasMap = false;
	#closed = false;

	constructor(owner: NetmapCacheOwner) {
		this.#owner = owner;
	}

	/** On a turn of its own, before anything of control can come. */
	begin(): void {
		this.#turn = startTimer(() => this.#restore(), 0);
	}

	/** Control's map is in force. */
	mapChanged(): void {
		const isFirst = !this.#hasMap;
		this.#hasMap = true;
		this.sinceMS = undefined;
		if (isFirst) stopTimer(this.#turn);
		this.changed();
	}

	/** Something may be different from what is stored. */
	changed(): void {
		if (!this.#hasMap) return;
		const now = monotonicMS();
		this.#saveBy(this.#savedAt === undefined ? now + FIRST_SAVE_MS : Math.max(now + FIRST_SAVE_MS, this.#savedAt + SAVE_GAP_MS));
	}

	/** Nothing stays stored; written again only after another map. @throws TailnetError "store" */
	forget(): void {
		this.#hasMap = false;
		this.#stop();
		forgetMap(this.#owner.store);
	}

	/** What is stored stays. */
	close(): void {
		this.#closed = true;
		this.#stop();
		stopTimer(this.#turn);
	}

	#stop(): void {
		stopTimer(this.#saveTimer);
		this.#saveAt = Number.POSITIVE_INFINITY;
	}

	#saveBy(at: number): void {
		if (this.#closed || at >= this.#saveAt) return;
		this.#saveAt = at;
		this.#saveTimer = timerAt(this.#saveTimer, at, () => this.#save());
	}

	#save(): void {
		const owner = this.#owner;
		const now = monotonicMS();
		this.#saveAt = Number.POSITIVE_INFINITY;
		this.#savedAt = now;
		const budget = owner.isDevice ? DEVICE_BUDGET : DESKTOP_BUDGET;
		try {
			const facts = { ...this.#whose(), homeRegion: owner.homeRegion, heardAt: owner.netmap.clock.unixSeconds(owner.heardAtMS), recent: owner.recentPeers() };
			const bytes = saveMap(owner.store, owner.netmap, facts, budget);
			this.savedBytes += bytes;
			if (bytes > 0) this.saves += 1;
		} catch (error) {
			owner.report(error); // what is stored is older, or in part left out; it is tried again
		}
		this.#saveBy(now + RENEW_MS);
	}

	#restore(): void {
		const owner = this.#owner;
		const now = monotonicMS();
		let map: RestoredMap | undefined;
		try {
			map = restoreMap(owner.store, owner.netmap, this.#whose(), now);
		} catch (error) {
			if (error instanceof CacheRefused) {
				this.refused += 1;
				owner.report(new TailnetError("netmap", `the network map of the last run is not used: ${error.message}`));
			} else owner.report(error);
		}
		if (!map) return;
		this.sinceMS = now;
		this.lost += map.lost;
		if (map.filterUntil !== 0) this.#turn = startTimer(() => this.#endFilter(), (map.filterUntil - owner.netmap.clock.unixSeconds(now)) * 1000);
		owner.restored(map);
	}

	#endFilter(): void {
		this.#owner.netmap.dropRules();
		this.#owner.filterChanged();
	}

	#whose(): { nodeKey: Uint8Array; control: number } {
		return { nodeKey: this.#owner.nodeKey, control: controlChecksum(this.#owner.controlURL) };
	}
}
