/**
 * The facts of a node as JSON, in pieces: a board has no room for the whole text. What is shown is what any member of the tailnet may know who may connect.
 *
 *   { version, viewer, node, layers, netcheck, peerCount, peers, pools, refusals, memory }
 *
 * null stands for what is not known. Joined, the pieces are one JSON object on one line; each is made when it is asked for, so the whole is of more than
 * one moment where its reader is slow. `version` grows when a member changes its meaning or goes.
 */
import type Tailnet from "tailnet";
import type { Peer } from "tailnet";
import { monotonicMS } from "tailnet/host";
import { layersOf } from "./layers.js";

export const factsVersion = 1;

/** Who looks. */
export interface Viewer {
	/** Full name of the machine. */
	name: string;
	address: string;
	/** ID of its user, null for a machine with tags. */
	user: string | null;
	/** Login name of its user, null for a machine with tags, and where it is not known. */
	login: string | null;
	/** May rebind the node and log it out; then there is a token for it. */
	mayAct: boolean;
	token?: string;
}

/** Bytes by name, of what the machine under the node knows beyond the node's own figures. */
export type Memory = () => Record<string, number>;

function nodeOf(tailnet: Tailnet): object {
	const { name, addresses, state, reason, homeRegion, keyExpiry } = tailnet;
	return { name, addresses, state, reason, homeRegion: homeRegion ?? null, keyExpiry: keyExpiry ?? null };
}

function netcheckOf(tailnet: Tailnet): object | null {
	const report = tailnet.lastNetcheck;
	if (!report) return null;
	const { udp, ipv4, ipv6, mappingVaries = null, globalV4, globalV6, startedAt } = report;
	const regions = tailnet.relays.map(({ code, latencyMS = null }) => ({ code, latencyMS, isHome: code === tailnet.homeRegion }));
	return { ageMS: Math.round(monotonicMS() - startedAt), udp, ipv4, ipv6, mappingVaries, globalV4, globalV6, regions };
}

function peerOf(peer: Peer): object {
	const { id, name, address, path = null, latencyMS = null, bytesSent = null, bytesReceived = null, sinceHandshakeMS = null, online = null } = peer;
	return { id, name, address, online, path, isDirect: path !== null && !path.startsWith("DERP "), latencyMS, bytesSent, bytesReceived, sinceHandshakeMS };
}

/** Pools, refusals and memory: one look at the counters, which are many. */
function roomOf(tailnet: Tailnet, memory: Memory | undefined): { pools: object[]; refusals: object[]; memory: object[] } {
	const { counters } = tailnet;
	const count = (name: string): number => counters[name] ?? 0;
	// Those that count what was refused or lost for want of room.
	const refusal = /(?:[fF]ull|[rR]efused|[dD]ropped|[lL]ost|evicted)$/;
	const refusals: object[] = [];
	for (const name in counters) if (refusal.test(name) && count(name) > 0) refusals.push({ name, count: count(name) });
	const bytes = { "native core": count("bytesNode"), "network map": count("netmap.bytes"), ...memory?.() };
	return {
		pools: [
			{ name: "sockets", used: count("socketsUsed"), size: count("poolSockets") },
			{ name: "peers", used: count("paths.active"), size: count("poolPeers") },
		],
		refusals,
		memory: Object.entries(bytes).map(([name, value]) => ({ name, bytes: value })),
	};
}

export function* factsOf(tailnet: Tailnet, viewer: Viewer, memory?: Memory): Generator<string, void> {
	yield `{"version":${factsVersion},"viewer":${JSON.stringify(viewer)},"node":${JSON.stringify(nodeOf(tailnet))}`;
	yield `,"layers":${JSON.stringify(layersOf(tailnet.health))}`;
	yield `,"netcheck":${JSON.stringify(netcheckOf(tailnet))}`;
	yield `,"peerCount":${tailnet.peerCount},"peers":[`;
	let comma = "";
	for (const peer of tailnet.activePeers) {
		yield comma + JSON.stringify(peerOf(peer));
		comma = ",";
	}
	const room = roomOf(tailnet, memory);
	yield `],"pools":${JSON.stringify(room.pools)},"refusals":${JSON.stringify(room.refusals)},"memory":${JSON.stringify(room.memory)}}`;
}
