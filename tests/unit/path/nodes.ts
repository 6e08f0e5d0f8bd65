/** A path table with a netmap, a tunnel and disco keys to test it with: everything it says is written down in records. */
import { DiscoBox } from "../../../modules/disco/box.js";
import { appendMessage, type DiscoMessage, parseMessage } from "../../../modules/disco/message.js";
import { addressToText, endpointToText, parseAddress, parseEndpoint } from "../../../modules/netmap/address.js";
import type { NetmapChange, NetmapLookup, PeerLookup, PeerView } from "../../../modules/netmap/types.js";
import { PathTable } from "../../../modules/path/path-table.js";
import type { PeerRecord } from "../../../modules/tunnel/link.js";
import { Random, toHex } from "../../harness.js";

/** A peer as tests write it down. */
export interface FakePeer {
	nodeKey: Uint8Array;
	discoKey: Uint8Array | undefined;
	address: string;
	endpoints: string[];
	homeRegion: number;
	expired: boolean;
}

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && toHex(a) === toHex(b);

export class FakeNetmap implements NetmapLookup {
	readonly list: (FakePeer | undefined)[] = [];
	readonly peers: PeerLookup;
	/** How often view() was called: it is the dear one. */
	views = 0;

	constructor() {
		const list = this.list;
		const find = (test: (peer: FakePeer) => boolean): number => list.findIndex((peer) => peer !== undefined && test(peer));
		const view = (index: number): PeerView | undefined => this.#view(index);
		this.peers = {
			get count() {
				return list.filter((peer) => peer !== undefined).length;
			},
			get limit() {
				return list.length;
			},
			has: (index) => list[index] !== undefined,
			view,
			usable: (index) => list[index] !== undefined && !list[index]?.expired,
			findByID: () => -1,
			findByNodeKey: (key, offset = 0) => find((peer) => same(peer.nodeKey, key.subarray(offset, offset + 32))),
			findByDiscoKey: (key, offset = 0) => {
				const wanted = key.subarray(offset, offset + 32);
				return list.flatMap((peer, index) => (peer && same(peer.discoKey, wanted) ? [index] : []));
			},
			findByAddress: (address, offset = 0) => find((peer) => peer.address === addressToText(address, offset)),
			findByName: () => -1,
			nodeKey: (index) => list[index]?.nodeKey,
			discoKey: (index) => list[index]?.discoKey,
			homeRegion: (index) => list[index]?.homeRegion ?? 0,
			endpoints: (index) => {
				const endpoints = list[index]?.endpoints ?? [];
				const bytes = new Uint8Array(18 * endpoints.length);
				for (let i = 0; i < endpoints.length; i += 1) bytes.set(parseEndpoint(endpoints[i] as string) as Uint8Array, 18 * i);
				return bytes;
			},
			isJailed: () => false,
		};
	}

	add(peer: Partial<FakePeer> & { nodeKey: Uint8Array }): number {
		const address = `100.64.1.${this.list.length + 1}`;
		this.list.push({ discoKey: undefined, address, endpoints: [], homeRegion: 1, expired: false, ...peer });
		return this.list.length - 1;
	}

	route(address: Uint8Array): number {
		return this.peers.findByAddress(address);
	}

	prefixes(index: number): Uint8Array {
		const peer = this.list[index];
		const bytes = new Uint8Array(18);
		if (!peer) return bytes;
		bytes.set(parseAddress(peer.address) as Uint8Array);
		bytes[16] = 128;
		bytes[17] = 1;
		return bytes;
	}

	capabilityIDs(): Uint16Array {
		return new Uint16Array([7]);
	}

	learnDiscoKey(index: number, key: Uint8Array): boolean {
		const peer = this.list[index];
		if (!peer || same(peer.discoKey, key)) return false;
		peer.discoKey = key.slice();
		return true;
	}

	#view(index: number): PeerView | undefined {
		const peer = this.list[index];
		if (!peer) return undefined;
		this.views += 1;
		return {
			index,
			id: String(index + 1),
			nodeKey: peer.nodeKey,
			discoKey: peer.discoKey,
			name: `peer${index}`,
			addresses: [peer.address],
			allowedIPs: [`${peer.address}/32`],
			endpoints: peer.endpoints,
			homeRegion: peer.homeRegion,
			capVersion: 100,
			capabilities: [],
			user: "1",
			online: true,
			lastSeen: 0,
			keyExpiry: 0,
			expired: peer.expired,
			jailed: false,
			untrusted: false,
			wireGuardOnly: false,
			unsignedPeerAPIOnly: false,
			tagged: false,
			masquerade4: undefined,
			masquerade6: undefined,
			peerAPI4: 0,
			peerAPI6: 0,
		};
	}
}

/** A change of the netmap that names only what a test says. */
export function changeOf(lists: Partial<Record<"added" | "changed" | "removed" | "keyChanged" | "discoChanged" | "routingChanged", number[]>>): NetmapChange {
	const list = (name: keyof typeof lists): Uint32Array => new Uint32Array(lists[name] ?? []);
	return {
		full: false,
		added: list("added"),
		changed: list("changed"),
		removed: list("removed"),
		keyChanged: list("keyChanged"),
		discoChanged: list("discoChanged"),
		routingChanged: list("routingChanged"),
		self: false,
		derp: false,
		dns: false,
		filter: false,
		health: false,
	};
}

export interface Sent {
	/** "udp <endpoint>" or "derp <region> <node key, 8 hex digits>" */
	to: string;
	packet: Uint8Array;
}

/** A node under test: PathTable with everything it needs. */
export class TestNode {
	readonly netmap = new FakeNetmap();
	readonly box: DiscoBox;
	readonly nodeKey: Uint8Array;
	readonly table: PathTable;
	/** Datagrams since the last take(). */
	sent: Sent[] = [];
	/** Records for the tunnel, as text, since the last takeRecords(). */
	records: string[] = [];
	readonly peers: PeerRecord[] = [];
	readonly answers: string[] = [];
	ownEndpoints = { addresses: ["203.0.113.77:41641"] as readonly string[], fresh: true, isFresh: () => this.ownEndpoints.fresh };
	endpointsWanted = 0;
	pathChanges: number[] = [];

	constructor(seed: number, slots = 4) {
		const random = new Random(seed);
		this.nodeKey = random.bytes(32);
		this.box = new DiscoBox(random.bytes(32), (lengthBytes) => random.bytes(lengthBytes));
		this.table = new PathTable({
			tunnel: {
				peer: (peer) => {
					this.peers.push(peer);
					this.records.push(`peer ${peer.handle & 0xffff}`);
				},
				peerRemove: (handle) => this.records.push(`remove ${handle & 0xffff}`),
				path: (handle, endpoint, trustedUntilMS, region) => this.records.push(`path ${handle & 0xffff} ${endpoint ?? "none"} ${trustedUntilMS} DERP ${region}`),
				sessionDrop: (handle) => this.records.push(`drop ${handle & 0xffff}`),
				sendRaw: (endpoint, packet) => this.sent.push({ to: `udp ${endpoint}`, packet: packet.slice() }),
				derpSend: (region, nodeKey, packet) => this.sent.push({ to: `derp ${region} ${toHex(nodeKey).slice(0, 8)}`, packet: packet.slice() }),
			},
			owner: {
				endpointsWanted: () => {
					this.endpointsWanted += 1;
				},
				pathChanged: (index) => this.pathChanges.push(index),
				pingAnswered: (token, latencyMS, address, region) => this.answers.push(`${token} ${latencyMS} ${address || `DERP ${region}`}`),
			},
			netmap: this.netmap,
			nodeKey: this.nodeKey,
			box: this.box,
			ownEndpoints: this.ownEndpoints,
			slots,
			random: (lengthBytes) => random.bytes(lengthBytes),
		});
	}

	/** Makes a peer with keys of its own known to this node. */
	meet(seed: number, peer: Partial<FakePeer> = {}): Stranger {
		const stranger = new Stranger(seed, this);
		stranger.index = this.netmap.add({ nodeKey: stranger.nodeKey, discoKey: stranger.box.publicKey, ...peer });
		return stranger;
	}

	take(): Sent[] {
		const sent = this.sent;
		this.sent = [];
		return sent;
	}

	takeRecords(): string[] {
		const records = this.records;
		this.records = [];
		return records;
	}

	/** A packet of ours wants the peer: the tunnel asks, is configured, and reports what it sent. */
	send(index: number, now: number): void {
		const address = parseAddress(this.netmap.list[index]?.address as string) as Uint8Array;
		if (!this.table.peer(index)?.configured) this.table.peerWantedByAddress(address, now);
		const handle = this.table.peer(index)?.handle;
		if (handle !== undefined) this.table.activity(handle, { sent: true, received: false, derpRegion: 0, bytesSent: 100, bytesReceived: 0 }, now);
	}
}

/** A peer of a TestNode that a test plays by hand. */
export class Stranger {
	readonly nodeKey: Uint8Array;
	box: DiscoBox;
	index = -1;
	#node: TestNode;
	#random: Random;

	constructor(seed: number, node: TestNode) {
		this.#random = new Random(seed);
		this.#node = node;
		this.nodeKey = this.#random.bytes(32);
		this.box = this.newBox();
	}

	newBox(): DiscoBox {
		return new DiscoBox(this.#random.bytes(32), (lengthBytes) => this.#random.bytes(lengthBytes));
	}

	transaction(): Uint8Array {
		return this.#random.bytes(12);
	}

	seal(message: DiscoMessage): Uint8Array {
		return this.box.seal(this.#node.box.publicKey, appendMessage(message)) as Uint8Array;
	}

	/** What a datagram of the node says to this peer; undefined if it is not for it. */
	read(packet: Uint8Array): DiscoMessage | undefined {
		const plaintext = this.box.open(packet);
		const message = plaintext ? parseMessage(plaintext) : undefined;
		return typeof message === "string" ? undefined : message;
	}

	ping(transaction = this.transaction(), withKey = true): Uint8Array {
		return this.seal(withKey ? { type: "ping", transaction, nodeKey: this.nodeKey, padding: 0 } : { type: "ping", transaction, padding: 0 });
	}

	callMeMaybe(endpoints: readonly string[]): Uint8Array {
		return this.seal({ type: "call-me-maybe", endpoints: endpoints.map((text) => parseEndpoint(text) as Uint8Array) });
	}

	/** The pong for a ping of the node that was sent to us. */
	pongFor(packet: Uint8Array, source = "203.0.113.77:41641"): Uint8Array {
		const ping = this.read(packet);
		if (ping?.type !== "ping") throw new Error("not a ping");
		return this.seal({ type: "pong", transaction: ping.transaction, source: parseEndpoint(source) as Uint8Array });
	}
}

/** A datagram in words: "udp 1.2.3.4:5 ping". */
export function describeSent(stranger: Stranger, sent: Sent): string {
	const message = stranger.read(sent.packet);
	if (message?.type === "pong") return `${sent.to} pong ${endpointToText(message.source)}`;
	return `${sent.to} ${message?.type ?? "?"}`;
}
