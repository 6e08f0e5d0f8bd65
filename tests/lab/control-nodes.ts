/**
 * The tailnet of the lab's control server: its nodes, and the JSON in which other nodes see them (protocol/control.md §6.7, §7, §12.1).
 * Node IDs are strings here, because they may pass 2^53; they become JSON numbers in encodeJSON().
 */
import { randomBytes } from "node:crypto";
import { toHex } from "./bytes.js";

/** Whose habits the server has. */
export type Habits = "tailscale" | "headscale";

export interface User {
	readonly id: string;
	readonly login: string;
	readonly name: string;
}

/** One node. Members may be changed by a test; ControlServer.announce() tells the others. */
export interface LabNode {
	readonly id: string;
	readonly stableID: string;
	readonly created: string;
	/** Keys in hex; "" = none. */
	machineKey: string;
	nodeKey: string;
	discoKey: string;
	hostname: string;
	/** First label of the DNS name. */
	label: string;
	v4: string;
	v6: string;
	endpoints: string[];
	homeDERP: number;
	hostinfo: Record<string, unknown>;
	capVersion: number;
	user: User;
	tags: string[];
	/** undefined = never. */
	keyExpiry: Date | undefined;
	expired: boolean;
	authorized: boolean;
	online: boolean | undefined;
	lastSeen: Date | undefined;
	ephemeral: boolean;
	/** A peer without a machine behind it. */
	isFake: boolean;
	/** Routes beyond its own addresses. */
	routes: string[];
	capMap: Record<string, unknown>;
	/** Merged last into the JSON that others get: IsJailed, UnsignedPeerAPIOnly, masquerade ... */
	extra: Record<string, unknown>;
}

const DIGITS = "@digits:";

/** JSON whose strings made by id() are numbers. */
export function encodeJSON(value: unknown): string {
	return JSON.stringify(value).replace(/"@digits:([0-9]+)"/g, "$1");
}

/** An integer of any size for encodeJSON. */
export function id(digits: string): string {
	return DIGITS + digits;
}

export class Nodes {
	readonly domain: string;
	readonly habits: Habits;
	/** By id. */
	readonly #nodes = new Map<string, LabNode>();
	readonly #labels = new Set<string>();
	#nextID: bigint;
	#nextAddress = 1;

	/** @param firstID of the nodes; above 2^53 to catch readers that lose digits */
	constructor(domain: string, habits: Habits, firstID: bigint) {
		this.domain = domain;
		this.habits = habits;
		this.#nextID = firstID;
	}

	get all(): LabNode[] {
		return [...this.#nodes.values()];
	}

	byID(nodeID: string): LabNode | undefined {
		return this.#nodes.get(nodeID);
	}

	byNodeKey(hex: string): LabNode | undefined {
		return this.all.find((node) => node.nodeKey === hex);
	}

	byMachineKey(hex: string): LabNode | undefined {
		return this.all.find((node) => node.machineKey === hex);
	}

	add(fields: Partial<LabNode> & { hostname: string; user: User }): LabNode {
		const nodeID = String(this.#nextID);
		this.#nextID += 1n;
		const address = this.#nextAddress;
		this.#nextAddress += 1;
		const node: LabNode = {
			id: nodeID,
			stableID: this.habits === "headscale" ? nodeID : `n${nodeID.slice(-6)}LabCNTRL`,
			created: new Date().toISOString(),
			machineKey: "",
			nodeKey: "",
			discoKey: "",
			label: fields.label ?? this.#label(fields.hostname),
			v4: `100.64.${address >> 8}.${address & 255}`,
			v6: `fd7a:115c:a1e0::${address.toString(16)}`,
			endpoints: [],
			homeDERP: 0,
			hostinfo: {},
			capVersion: 0,
			tags: [],
			keyExpiry: undefined,
			expired: false,
			authorized: true,
			online: undefined,
			lastSeen: undefined,
			ephemeral: false,
			isFake: false,
			routes: [],
			capMap: {},
			extra: {},
			...fields,
		};
		this.#nodes.set(nodeID, node);
		this.#labels.add(node.label);
		return node;
	}

	/** Peers that exist only in the map. */
	addFakes(count: number, user: User, homeDERP: number): LabNode[] {
		const list: LabNode[] = [];
		for (let i = 0; i < count; i += 1) {
			const node = this.add({ hostname: `fake-${i}`, user, label: `fake-${this.#nextAddress}`, homeDERP, isFake: true, online: i % 2 === 0, capVersion: 131 });
			node.machineKey = toHex(randomBytes(32));
			node.nodeKey = toHex(randomBytes(32));
			node.discoKey = toHex(randomBytes(32));
			node.endpoints = [
				`192.0.2.${1 + (i % 250)}:41641`,
				`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}:41641`,
				`[2001:db8::${(i + 1).toString(16)}]:41641`,
			];
			node.hostinfo = { OS: "linux", Hostname: `fake-${i}`, IPNVersion: "1.98.9", Services: [{ Proto: "peerapi4", Port: 40000 }] };
			list.push(node);
		}
		return list;
	}

	remove(node: LabNode): void {
		this.#nodes.delete(node.id);
		this.#labels.delete(node.label);
	}

	/** DNS label of a host name: lower case, letters, digits and hyphens, "-1" and so on if it is taken. */
	#label(hostname: string): string {
		const base =
			hostname
				.toLowerCase()
				.replace(/[^a-z0-9-]+/g, "-")
				.replace(/^-+|-+$/g, "") || "node";
		let label = base;
		for (let i = 1; this.#labels.has(label); i += 1) label = `${base}-${i}`;
		return label;
	}
}

/**
 * A node as its peers, or it itself, see it.
 * @param receiverVersion headscale puts the receiver's capability version into every peer
 */
export function nodeJSON(node: LabNode, nodes: Nodes, isSelf: boolean, receiverVersion: number): Record<string, unknown> {
	const isHeadscale = nodes.habits === "headscale";
	const addresses = [`${node.v4}/32`, `${node.v6}/128`];
	const json: Record<string, unknown> = {
		ID: id(node.id),
		StableID: node.stableID,
		Name: `${node.label}.${nodes.domain}.`,
		User: id(node.user.id),
		Key: `nodekey:${node.nodeKey}`,
		KeyExpiry: node.keyExpiry ? node.keyExpiry.toISOString() : "0001-01-01T00:00:00Z",
		DiscoKey: `discokey:${node.discoKey || "0".repeat(64)}`,
		Addresses: addresses,
		Endpoints: node.endpoints,
		HomeDERP: node.homeDERP,
		Hostinfo: isHeadscale || isSelf ? node.hostinfo : trimmed(node.hostinfo),
		Created: node.created,
		Cap: isHeadscale ? receiverVersion : node.capVersion,
		MachineAuthorized: isHeadscale ? !node.expired : node.authorized,
	};
	if (isHeadscale) json["Machine"] = `mkey:${node.machineKey}`;
	// A capability version of 112 or more reads an absent AllowedIPs as Addresses.
	if (isHeadscale || node.routes.length > 0) json["AllowedIPs"] = [...addresses, ...node.routes];
	if (node.routes.length > 0) json["PrimaryRoutes"] = node.routes;
	if (!isHeadscale && node.homeDERP > 0) json["DERP"] = `127.3.3.40:${node.homeDERP}`;
	if (node.tags.length > 0) json["Tags"] = node.tags;
	if (node.online !== undefined) json["Online"] = node.online;
	if (node.lastSeen && (!isHeadscale || !node.online)) json["LastSeen"] = node.lastSeen.toISOString();
	if (isExpired(node)) json["Expired"] = true;
	if (isSelf || Object.keys(node.capMap).length > 0) json["CapMap"] = { ...(isSelf ? selfCapabilities(isHeadscale) : {}), ...node.capMap };
	return { ...json, ...node.extra };
}

export function isExpired(node: LabNode): boolean {
	return node.expired || (node.keyExpiry !== undefined && node.keyExpiry.getTime() <= Date.now());
}

export function userJSON(user: User): Record<string, unknown> {
	return { ID: id(user.id), LoginName: user.login, DisplayName: user.name };
}

/** What the SaaS leaves of a peer's Hostinfo. */
function trimmed(hostinfo: Record<string, unknown>): Record<string, unknown> {
	const kept: Record<string, unknown> = {};
	for (const name of ["OS", "Hostname", "Services", "AppConnector", "Location"]) if (hostinfo[name] !== undefined) kept[name] = hostinfo[name];
	return kept;
}

function selfCapabilities(isHeadscale: boolean): Record<string, null> {
	return isHeadscale
		? { "https://tailscale.com/cap/is-admin": null, "https://tailscale.com/cap/ssh": null, "https://tailscale.com/cap/file-sharing": null }
		: { "https://tailscale.com/cap/is-admin": null, "tailnet-display-name": null };
}
