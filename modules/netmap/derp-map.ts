/**
 * The DERP map: where relay and STUN servers are. See protocol/control.md §6.9 and protocol/relay.md §3.1.
 *
 *   Regions absent or null    regions stay           Regions present      all are replaced; a null region is none
 *   RegionScore absent        scores stay            RegionScore {}       every score is 1 again
 *
 * A region keeps its object as long as nothing in it changes, so that a listener sees by identity which connections are outdated.
 */
import { flagMember, listMember, type Members, numberMember, objectMember, objectOf, textMember } from "./members.js";

const DEFAULT_DERP_PORT = 443;
const DEFAULT_STUN_PORT = 3478;
const LARGEST_REGION = 0xffff;

export interface DERPMapNode {
	/** Unique in the map, "10b"; not a host name. */
	readonly name: string;
	/** DNS name or IP literal. */
	readonly hostName: string;
	/** "", a name, or "sha256-raw:" and 64 hex digits. */
	readonly certName: string;
	/** "" = DNS, a literal = this address, other text = family disabled. */
	readonly ipv4: string;
	readonly ipv6: string;
	/** TCP port. */
	readonly derpPort: number;
	/** UDP port, 0 = no STUN. */
	readonly stunPort: number;
	readonly stunOnly: boolean;
	readonly canPort80: boolean;
	readonly insecureForTests: boolean;
	/** Test override of the STUN address, "" = none. */
	readonly stunTestIP: string;
}

export interface DERPMapRegion {
	/** 1..65535: it travels in 16 bits. */
	readonly id: number;
	readonly code: string;
	readonly name: string;
	/** Not to be chosen as home. */
	readonly avoid: boolean;
	/** Not to be measured, never home; connected to only to reach a peer there. */
	readonly noMeasureNoHome: boolean;
	/** In order of preference. */
	readonly nodes: readonly DERPMapNode[];
}

export class DERPMap {
	#regions = new Map<number, DERPMapRegion>();
	#scores = new Map<number, number>();
	#stagedRegions: Map<number, DERPMapRegion> | undefined;
	#stagedScores: Map<number, number> | undefined;

	/** By id, in the order of control. */
	get regions(): ReadonlyMap<number, DERPMapRegion> {
		return this.#regions;
	}

	/** The regions as a list. */
	get probeRegions(): readonly DERPMapRegion[] {
		return Array.from(this.#regions.values());
	}

	region(id: number): DERPMapRegion | undefined {
		return this.#regions.get(id);
	}

	/** Factor on the latency of a region when home is chosen; 1 if control says nothing. */
	score(region: number): number {
		return this.#scores.get(region) ?? 1;
	}

	// ---- Staging ----

	/** Regions is present: only those staged from here on will exist. */
	replaceRegions(): void {
		this.#stagedRegions = new Map();
	}

	/** One region. @param key its name in Regions. @throws WrongType */
	stageRegion(key: string, value: unknown): void {
		if (value === null) return;
		const region = readRegion(key, objectOf(value, "Regions[]"));
		this.#stagedRegions ??= new Map();
		if (region !== undefined) this.#stagedRegions.set(region.id, region);
	}

	/** HomeParams. @throws WrongType */
	stageHomeParams(value: Members): void {
		const scores = objectMember(value, "RegionScore");
		if (scores === undefined) return;
		this.#stagedScores = new Map();
		for (const key of Object.keys(scores)) {
			const score = scores[key];
			if (typeof score === "number" && score > 0) this.#stagedScores.set(Number(key), score);
		}
	}

	/** @param replacing the first message of a poll: if it has regions, scores that it does not say are 1. @returns whether anything is different now */
	commit(replacing: boolean): boolean {
		let changed = false;
		if (replacing && this.#stagedRegions !== undefined) this.#stagedScores ??= new Map();
		if (this.#stagedRegions !== undefined) {
			changed = this.#stagedRegions.size !== this.#regions.size;
			for (const [id, region] of this.#stagedRegions) {
				const known = this.#regions.get(id);
				if (known !== undefined && JSON.stringify(known) === JSON.stringify(region)) this.#stagedRegions.set(id, known);
				else changed = true;
			}
			this.#regions = this.#stagedRegions;
		}
		if (this.#stagedScores !== undefined) {
			changed ||= this.#stagedScores.size !== this.#scores.size;
			for (const [id, score] of this.#stagedScores) changed ||= this.#scores.get(id) !== score;
			this.#scores = this.#stagedScores;
		}
		this.abort();
		return changed;
	}

	abort(): void {
		this.#stagedRegions = undefined;
		this.#stagedScores = undefined;
	}
}

function readRegion(key: string, region: Members): DERPMapRegion | undefined {
	const id = numberMember(region, "RegionID") || Number(key);
	if (!Number.isInteger(id) || id < 1 || id > LARGEST_REGION) return undefined;
	const nodes: DERPMapNode[] = [];
	for (const node of listMember(region, "Nodes") ?? []) if (node !== null) nodes.push(readNode(objectOf(node, "Nodes[]")));
	return {
		id,
		code: textMember(region, "RegionCode"),
		name: textMember(region, "RegionName"),
		avoid: flagMember(region, "Avoid"),
		noMeasureNoHome: flagMember(region, "NoMeasureNoHome"),
		nodes,
	};
}

function readNode(node: Members): DERPMapNode {
	const stunPort = numberMember(node, "STUNPort") || DEFAULT_STUN_PORT;
	return {
		name: textMember(node, "Name"),
		hostName: textMember(node, "HostName"),
		certName: textMember(node, "CertName"),
		ipv4: textMember(node, "IPv4"),
		ipv6: textMember(node, "IPv6"),
		derpPort: numberMember(node, "DERPPort") || DEFAULT_DERP_PORT,
		stunPort: stunPort < 0 || stunPort > 65535 ? 0 : stunPort,
		stunOnly: flagMember(node, "STUNOnly"),
		canPort80: flagMember(node, "CanPort80"),
		insecureForTests: flagMember(node, "InsecureForTests"),
		stunTestIP: textMember(node, "STUNTestIP"),
	};
}
