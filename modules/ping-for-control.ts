/** Control asks us to ping a peer, and to tell it what came of that. */
import type { PingAnswer } from "./control/types.js";
import type { TailnetError } from "./errors.js";
import { parseAddress } from "./netmap/address.js";
import type { Netmap } from "./netmap/netmap.js";
import type { PingKind, PingResult } from "./path/ping.js";

const timeoutMS = 10_000;

/** Who pings: the node. */
export interface Pinger {
	readonly netmap: Netmap;
	ping(kind: PingKind, index: number, timeoutMS: number): Promise<PingResult>;
	regionCode(region: number): string;
}

/**
 * @param type as control writes it: "disco", "TSMP", "ICMP"; others are refused
 * @param address of a peer
 * @param done called once, later
 */
export async function pingForControl(node: Pinger, type: string, address: string, done: (answer: PingAnswer) => void): Promise<void> {
	// On a turn of its own: a map message comes from deep, a ping goes deep, and the stack of a board has room for one of them.
	await undefined;
	const { peers } = node.netmap;
	const kind = type.toLowerCase();
	const bytes = parseAddress(address);
	const index = bytes ? peers.findByAddress(bytes) : -1;
	if (index < 0 || !(kind === "disco" || kind === "tsmp" || kind === "icmp")) {
		done({ error: index < 0 ? "no matching peer" : `ping type ${type} is not supported` });
		return;
	}
	const view = peers.view(index);
	node.ping(kind, index, timeoutMS).then(
		({ latencyMS, via }) => {
			const region = via.startsWith("DERP ") ? (view?.homeRegion ?? 0) : 0;
			done({
				error: "",
				latencySeconds: latencyMS / 1000,
				nodeIP: address,
				nodeName: view?.name ?? "",
				...(region ? { derpRegion: region, derpRegionCode: node.regionCode(region) } : { endpoint: via }),
			});
		},
		(error: TailnetError) => done({ error: error.message }),
	);
}
