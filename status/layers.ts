/**
 * The layers of a node as the status page shows them: which layer a health condition is of, and the word for how that layer is. The table of conditions
 * stands in modules/health.ts.
 */
import type { HealthCondition } from "tailnet";

/** "well" without a condition; else by the gravest: low, medium, high. */
export type Word = "well" | "note" | "impaired" | "failing";

export interface Layer {
	name: string;
	word: Word;
	conditions: HealthCondition[];
}

/** In the order in which they are shown. */
const names = Object.freeze(["control", "key", "network", "relay", "udp", "netmap", "pools", "board"] as const);
type Name = (typeof names)[number];

/** Beginnings of conditions' ids. What is not here is said by the map itself. */
const beginnings: readonly (readonly [string, Name])[] = Object.freeze([
	["control-", "control"],
	["login", "control"],
	["refused", "control"],
	["locked-out", "key"],
	["key-", "key"],
	["relay-", "relay"],
	["network-", "network"],
	["udp", "udp"],
	["pool-full:", "pools"],
	["board-option:", "board"],
] as const);

const words = Object.freeze({ high: "failing", medium: "impaired", low: "note" } as const);
const ranks = Object.freeze({ well: 0, note: 1, impaired: 2, failing: 3 } as const);

function layerOf(id: string): Name {
	return beginnings.find(([beginning]) => id.startsWith(beginning))?.[1] ?? "netmap";
}

/** Every layer with what is wrong in it. A board's options are no layer where nothing is said of them. */
export function layersOf(health: readonly HealthCondition[]): Layer[] {
	const layers: Layer[] = [];
	for (const name of names) {
		const conditions = health.filter(({ id }) => layerOf(id) === name);
		if (name === "board" && conditions.length === 0) continue;
		let word: Word = "well";
		for (const { severity } of conditions) if (ranks[words[severity]] > ranks[word]) word = words[severity];
		layers.push({ name, word, conditions });
	}
	return layers;
}
