/** Nodes, messages and frames for the tests of the network map. */
import { utf8Encode } from "tailnet/host";
import { MapReader } from "../../../modules/netmap/map-reader.js";
import { Netmap, type NetmapOptions } from "../../../modules/netmap/netmap.js";
import type { MapMessage } from "../../../modules/netmap/types.js";
import { Random, toHex } from "../../harness.js";

export type JSONObject = Record<string, unknown>;

/** A key that a number stands for. */
export function keyText(prefix: string, number: number): string {
	return `${prefix}:${toHex(new Random(number * 7 + prefix.length).bytes(32))}`;
}

/** A node as control sends it; what is given takes the place of what is usual. */
export function node(id: number | string, members: JSONObject = {}): JSONObject {
	const number = Number(BigInt(id) % 60000n);
	const last = `${(number >> 8) & 255}.${number & 255}`;
	return {
		ID: id,
		StableID: `n${id}CNTRL`,
		Name: `host-${id}.example.ts.net.`,
		User: 7,
		Key: keyText("nodekey", number),
		KeyExpiry: "2030-01-01T00:00:00Z",
		Machine: keyText("mkey", number),
		DiscoKey: keyText("discokey", number),
		Addresses: [`100.64.${last}/32`, `fd7a:115c:a1e0::${(number + 1).toString(16)}/128`],
		AllowedIPs: [`100.64.${last}/32`, `fd7a:115c:a1e0::${(number + 1).toString(16)}/128`],
		Endpoints: [`192.0.2.${number % 250}:41641`, `198.51.100.7:${1024 + (number % 60000)}`, `10.1.${last}:41641`],
		HomeDERP: 1 + (number % 3),
		Hostinfo: {
			OS: "linux",
			Hostname: `host-${id}`,
			Services: [
				{ Proto: "peerapi4", Port: 40000 },
				{ Proto: "peerapi6", Port: 40001 },
			],
		},
		Created: "2024-01-01T00:00:00Z",
		Cap: 113,
		MachineAuthorized: true,
		Online: true,
		...members,
	};
}

/** Our own node. */
export function selfNode(members: JSONObject = {}): JSONObject {
	return node(1, { Name: "me.example.ts.net.", ...members });
}

/** The first message of a poll with these peers. */
export function firstMessage(peers: JSONObject[], members: JSONObject = {}): JSONObject {
	return { Node: selfNode(), Peers: peers, ...members };
}

/** Bytes of one message with its length in front. A text is taken as JSON as it is. */
export function frame(message: JSONObject | string): Uint8Array {
	const body = utf8Encode(typeof message === "string" ? message : JSON.stringify(message));
	const bytes = new Uint8Array(4 + body.length);
	bytes[0] = body.length & 255;
	bytes[1] = (body.length >> 8) & 255;
	bytes[2] = (body.length >> 16) & 255;
	bytes[3] = (body.length >> 24) & 255;
	bytes.set(body, 4);
	return bytes;
}

/** A map, its reader, and a short way to feed both. */
export class Lab {
	readonly netmap: Netmap;
	readonly reader: MapReader;
	now = 1000;

	constructor(options: NetmapOptions = {}, bufferBytes?: number) {
		this.netmap = new Netmap(options);
		this.reader = new MapReader(this.netmap, bufferBytes);
	}

	/** Feeds messages. @returns what the last one said */
	feed(...messages: (JSONObject | string)[]): MapMessage {
		let last: MapMessage | undefined;
		for (const message of messages) {
			const read = this.reader.push(frame(message), this.now);
			if (this.reader.failure !== undefined) throw new Error(`${this.reader.failure.code}: ${this.reader.failure.message}`);
			last = read[read.length - 1];
		}
		if (last === undefined) throw new Error("no message came out");
		return last;
	}

	/** Feeds a message that is to be refused. @returns the code of the failure */
	refuse(message: JSONObject | string): string {
		this.reader.push(frame(message), this.now);
		return this.reader.failure?.code ?? "accepted";
	}

	get names(): string[] {
		const names: string[] = [];
		for (let index = 0; index < this.netmap.peers.limit; index += 1) {
			const view = this.netmap.peers.view(index);
			if (view !== undefined) names.push(view.name.split(".")[0] as string);
		}
		return names.sort();
	}
}

/** Everything that a map says, as one text: equal texts, equal maps. Indexes are left out. */
export function picture(netmap: Netmap): string {
	const peers: unknown[] = [];
	for (let index = 0; index < netmap.peers.limit; index += 1) {
		const view = netmap.peers.view(index);
		if (view === undefined) continue;
		const { index: _, nodeKey, discoKey, ...rest } = view;
		peers.push([view.id, toHex(nodeKey), discoKey === undefined ? "" : toHex(discoKey), rest, toHex(netmap.prefixes(index))]);
	}
	peers.sort((a, b) => ((a as string[])[0]! < (b as string[])[0]! ? -1 : 1));
	const { self, derpMap, names, chunks } = netmap;
	return JSON.stringify({
		peers,
		self: [self.id, self.name, self.addresses.map(toHex), self.keyExpiry, self.authorized, self.capabilities],
		regions: derpMap.probeRegions,
		dns: [names.config.proxied, names.config.domains, [...names.config.records.keys()], [...names.config.routes]],
		chunks: chunks.names.map((name) => [name, chunks.matches(name)]),
		filter: netmap.filter === undefined ? "" : toHex(netmap.filter),
		health: netmap.health,
		domain: netmap.domain,
		locked: netmap.isLocked,
	});
}
