/** A node that a test plays, as far as the status page asks. */
import type Tailnet from "../../../modules/tailnet.js";
import type { HealthCondition, Identity, Peer } from "../../../modules/tailnet.js";

export const capability = "example.com/cap/status";
export const viewerAddress = "100.64.0.2";
export const otherAddress = "100.64.0.3";

export function peer(members: Partial<Peer> = {}): Peer {
	return {
		id: "2",
		name: "laptop.example.ts.net",
		address: viewerAddress,
		addresses: [viewerAddress],
		online: true,
		expired: false,
		relay: "fra",
		path: "192.0.2.7:41641",
		latencyMS: 12.5,
		bytesSent: 1000,
		bytesReceived: 2000,
		sinceHandshakeMS: 3000,
		...members,
	};
}

export class FakeNode {
	name = "sensor.example.ts.net";
	addresses = ["100.64.0.1", "fd7a:115c:a1e0::1"];
	state = "running";
	reason = "";
	homeRegion: string | undefined = "fra";
	keyExpiry: string | undefined = "2030-01-01T00:00:00.000Z";
	health: HealthCondition[] = [];
	peerCount = 7;
	activePeers: Peer[] = [peer()];
	relays = [
		{ region: 1, code: "fra", latencyMS: 8 },
		{ region: 2, code: "par", latencyMS: undefined },
	];
	lastNetcheck: object | undefined = { startedAt: 0, udp: true, ipv4: true, ipv6: false, mappingVaries: undefined, globalV4: "192.0.2.1:41641", globalV6: "" };
	counters: Record<string, number> = { socketsUsed: 2, poolSockets: 8, "paths.active": 1, poolPeers: 4, bytesNode: 500, "netmap.bytes": 600, "paths.full": 3 };
	/** By address of the peer. */
	identities: Record<string, Identity> = {
		[viewerAddress]: { peer: peer(), user: "7", login: "alice@example.com", capabilities: [] },
		[otherAddress]: {
			peer: peer({ id: "3", name: "phone.example.ts.net", address: otherAddress }),
			user: undefined,
			login: undefined,
			capabilities: [capability],
		},
	};
	readonly done: string[] = [];

	whois(address: string): Identity | undefined {
		return this.identities[address];
	}

	rebind(): void {
		this.done.push("rebind");
	}

	async logout(): Promise<void> {
		this.done.push("logout");
	}

	get face(): Tailnet {
		return this as unknown as Tailnet;
	}
}
