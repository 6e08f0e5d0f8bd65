/**
 * The JSON of POST /machine/map (protocol/control.md §6.1, §6.2).
 *
 *              Stream  KeepAlive  OmitPeers
 *   map poll   true    true       -           endless answer
 *   lite       -       -          true        "here is what changed"
 *
 * Both carry the whole Hostinfo, disco key and endpoints: Tailscale's servers ignore them in the poll, headscale overwrites what it has with them.
 */
import { keyToText } from "../netmap/keys.js";
import type { JSONObject } from "./hostinfo.js";
import type { OwnEndpoint } from "./types.js";

export interface MapFacts {
	version: number;
	/** Public keys, 32 bytes each. */
	nodeKey: Uint8Array;
	discoKey: Uint8Array;
	hostinfo: JSONObject;
	endpoints: readonly OwnEndpoint[];
	/** Head of the key authority that we know, as text, "" = we have none. */
	lockHead: string;
}

/** Whether a status says that control does not know our node key. */
export function meansUnknown(status: number): boolean {
	return status === 404 || status === 401 || status === 403;
}

export function mapPollRequest(facts: MapFacts): string {
	return JSON.stringify({ ...common(facts), Stream: true, KeepAlive: true });
}

export function liteUpdateRequest(facts: MapFacts): string {
	return JSON.stringify({ ...common(facts), OmitPeers: true });
}

function common(facts: MapFacts): JSONObject {
	return {
		Version: facts.version,
		NodeKey: keyToText("nodekey:", facts.nodeKey),
		DiscoKey: keyToText("discokey:", facts.discoKey),
		Hostinfo: facts.hostinfo,
		Endpoints: facts.endpoints.map((endpoint) => endpoint.endpoint),
		EndpointTypes: facts.endpoints.map((endpoint) => endpoint.type),
		...(facts.lockHead === "" ? {} : { TKAHead: facts.lockHead }),
	};
}
