/**
 * POST /machine/map on the server's side (protocol/control.md §6): the endless stream of each node, lite updates, and who is told what when a node changes.
 *
 *   body of the stream   length u32 little-endian | JSON, again and again
 */
import type { ServerHttp2Stream } from "node:http2";
import { keyHex } from "./bytes.js";
import { encodeJSON, id, isExpired, type LabNode, type Nodes, nodeJSON, userJSON } from "./control-nodes.js";
import type { ControlRequest } from "./control-session.js";

/** headscale refuses older clients; so does the lab with its habits. */
export const MINIMUM_VERSION = 113;

/** What every node is told beside nodes. */
export interface Policy {
	derpMap: unknown;
	dns: unknown;
	/** Rules of one node (protocol/control.md §8.2). */
	filter: (node: LabNode) => unknown[];
	/** "PacketFilter" (old form) or "PacketFilters" (named); headscale always uses the latter. */
	filterForm: "PacketFilter" | "PacketFilters";
	/** Additional members of the first message of a stream. */
	extra: Record<string, unknown>;
}

export interface MapFaults {
	/** Accepts a stream and sends no message on it. */
	mute?: boolean;
	/** Writes message bodies in pieces of this many bytes. */
	pieceBytes?: number;
	/** Sends no KeepAlive. */
	noKeepAlive?: boolean;
	/** headscale up to 0.29.1: an empty 200 for a poll. */
	empty?: boolean;
}

interface Poll {
	readonly node: LabNode;
	readonly stream: ServerHttp2Stream;
	readonly version: number;
	timer: NodeJS.Timeout | undefined;
}

export const ALLOW_ALL = Object.freeze([{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] }]);

export class Maps {
	readonly policy: Policy;
	readonly faults: MapFaults = {};
	/** Every request seen, oldest first. */
	readonly requests: Record<string, unknown>[] = [];
	/** Milliseconds between KeepAlives. */
	keepAliveMS = 55000;
	readonly #nodes: Nodes;
	/** By node id; a node has one stream, the newest. */
	readonly #polls = new Map<string, Poll>();

	constructor(nodes: Nodes, policy: Policy) {
		this.#nodes = nodes;
		this.policy = policy;
	}

	/** Whether a node has a stream. */
	isPolling(node: LabNode): boolean {
		return this.#polls.has(node.id);
	}

	handle(request: ControlRequest): void {
		let body: Record<string, unknown>;
		try {
			body = JSON.parse(Buffer.from(request.body).toString()) as Record<string, unknown>;
		} catch {
			refuse(request.stream, 400, "bad JSON");
			return;
		}
		this.requests.push(body);
		const nodeKey = keyHex("nodekey", body["NodeKey"]);
		const node = nodeKey ? this.#nodes.byNodeKey(nodeKey) : undefined;
		if (this.#isHeadscale && Number(body["Version"]) < MINIMUM_VERSION) refuse(request.stream, 400, "unsupported client version");
		else if (!node || node.machineKey !== request.session.machineKey) refuse(request.stream, 404, "node not found");
		else if (body["Stream"] === true) this.#poll(node, body, request);
		else this.#update(node, body, request);
	}

	/** Sends members to one node's stream. @returns false when it has none */
	send(node: LabNode, message: Record<string, unknown>): boolean {
		const poll = this.#polls.get(node.id);
		if (!poll) return false;
		this.#write(poll, Buffer.from(encodeJSON(message)));
		return true;
	}

	/** Sends bytes that need be no message. */
	sendRaw(node: LabNode, bytes: Uint8Array): void {
		this.#polls.get(node.id)?.stream.write(bytes);
	}

	/** Ends a node's stream: "end" orderly, "reset" with RST_STREAM. */
	end(node: LabNode, how: "end" | "reset"): void {
		const poll = this.#polls.get(node.id);
		if (!poll) return;
		if (how === "end") poll.stream.end();
		else poll.stream.close(2);
	}

	/** A node is new or changed: whole, to everybody else and to itself. */
	announce(node: LabNode): void {
		for (const poll of this.#polls.values()) {
			if (poll.node === node) this.send(node, { Node: nodeJSON(node, this.#nodes, true, poll.version) });
			else if (this.#sees(poll.node, node))
				this.send(poll.node, { PeersChanged: [nodeJSON(node, this.#nodes, false, poll.version)], UserProfiles: [userJSON(node.user)] });
		}
	}

	/** Nodes without a stream of their own are new: one message to everybody. */
	announceNew(nodes: readonly LabNode[]): void {
		for (const poll of this.#polls.values()) {
			const seen = nodes.filter((node) => this.#sees(poll.node, node));
			if (seen.length > 0) this.send(poll.node, { PeersChanged: seen.map((node) => nodeJSON(node, this.#nodes, false, poll.version)) });
		}
	}

	/** PeersChangedPatch to everybody else. */
	patch(node: LabNode, change: Record<string, unknown>): void {
		for (const poll of this.#polls.values()) {
			if (poll.node !== node && this.#sees(poll.node, node)) this.send(poll.node, { PeersChangedPatch: [{ NodeID: id(node.id), ...change }] });
		}
	}

	/** A node is gone: others are told, its stream ends. */
	removed(node: LabNode): void {
		this.#polls.get(node.id)?.stream.end();
		for (const poll of this.#polls.values()) if (poll.node !== node) this.send(poll.node, { PeersRemoved: [id(node.id)] });
	}

	/** Members to every stream. */
	broadcast(message: Record<string, unknown>): void {
		for (const poll of this.#polls.values()) this.send(poll.node, message);
	}

	/** The filter of every node, again. */
	broadcastFilter(): void {
		for (const poll of this.#polls.values()) this.send(poll.node, this.#filter(poll.node));
	}

	/** The first message of a stream: everything. */
	full(node: LabNode, version: number): Record<string, unknown> {
		const peers = this.#nodes.all.filter((peer) => this.#sees(node, peer));
		const users = new Map([node, ...peers].map((one) => [one.user.id, one.user]));
		return {
			Node: nodeJSON(node, this.#nodes, true, version),
			DERPMap: this.policy.derpMap,
			Peers: peers.map((peer) => nodeJSON(peer, this.#nodes, false, version)),
			DNSConfig: this.policy.dns,
			...this.#filter(node),
			UserProfiles: [...users.values()].map(userJSON),
			Domain: this.#isHeadscale ? "127.0.0.1" : this.#nodes.domain,
			CollectServices: false,
			ControlTime: new Date().toISOString(),
			...(this.#isHeadscale ? { Debug: { DisableLogTail: true } } : {}),
			...this.policy.extra,
		};
	}

	close(): void {
		for (const poll of this.#polls.values()) clearInterval(poll.timer);
		this.#polls.clear();
	}

	get #isHeadscale(): boolean {
		return this.#nodes.habits === "headscale";
	}

	/** A node that waits for approval sees nobody and is seen by nobody. */
	#sees(node: LabNode, peer: LabNode): boolean {
		return node !== peer && node.authorized && peer.authorized && !isExpired(node);
	}

	#filter(node: LabNode): Record<string, unknown> {
		const rules = this.policy.filter(node);
		if (this.#isHeadscale) return { PacketFilters: { base: rules.length > 0 ? rules : null } };
		return this.policy.filterForm === "PacketFilter" ? { PacketFilter: rules } : { PacketFilters: { base: rules } };
	}

	#poll(node: LabNode, body: Record<string, unknown>, request: ControlRequest): void {
		const { stream } = request;
		const version = Number(body["Version"]);
		node.capVersion = version;
		if (this.#isHeadscale) this.#applyPoll(node, body);
		stream.respond({ ":status": 200, "content-type": "application/json" });
		if (this.faults.empty) {
			stream.end();
			return;
		}
		const old = this.#polls.get(node.id);
		const poll: Poll = { node, stream, version, timer: undefined };
		this.#polls.set(node.id, poll);
		old?.stream.end();
		stream.on("close", () => this.#ended(poll));
		if (this.faults.mute) return;
		this.#write(poll, Buffer.from(encodeJSON(this.full(node, version))));
		poll.timer = setInterval(() => {
			if (!this.faults.noKeepAlive) this.#write(poll, Buffer.from('{"KeepAlive":true}'));
		}, this.keepAliveMS);
		poll.timer.unref();
		if (node.online !== true) {
			node.online = true;
			this.patch(node, { Online: true });
		}
	}

	#ended(poll: Poll): void {
		clearInterval(poll.timer);
		if (this.#polls.get(poll.node.id) !== poll) return;
		this.#polls.delete(poll.node.id);
		poll.node.online = false;
		poll.node.lastSeen = new Date();
		this.patch(poll.node, { Online: false, LastSeen: poll.node.lastSeen.toISOString() });
	}

	/** headscale applies what a poll says: what is missing becomes empty, but for NetInfo and the host name. */
	#applyPoll(node: LabNode, body: Record<string, unknown>): void {
		const hostinfo = (body["Hostinfo"] ?? {}) as Record<string, unknown>;
		const kept = { NetInfo: node.hostinfo["NetInfo"], Hostname: node.hostinfo["Hostname"] };
		node.hostinfo = { ...kept, ...hostinfo };
		node.discoKey = keyHex("discokey", body["DiscoKey"]) ?? "";
		if (Array.isArray(body["Endpoints"])) node.endpoints = body["Endpoints"] as string[];
		this.#takeHome(node);
		this.announceQuietly(node);
	}

	/** Tells the others without echoing to the node itself. */
	announceQuietly(node: LabNode): void {
		for (const poll of this.#polls.values()) {
			if (poll.node !== node && this.#sees(poll.node, node)) this.send(poll.node, { PeersChanged: [nodeJSON(node, this.#nodes, false, poll.version)] });
		}
	}

	/** A lite update: disco key, endpoints, Hostinfo. */
	#update(node: LabNode, body: Record<string, unknown>, request: ControlRequest): void {
		const { stream } = request;
		if (this.#isHeadscale && body["OmitPeers"] !== true) {
			stream.respond({ ":status": 200 }, { endStream: true }); // headscale answers a one-shot fetch with nothing
			return;
		}
		if (body["ReadOnly"] !== true) this.#applyUpdate(node, body);
		if (this.#isHeadscale || body["OmitPeers"] === true) {
			stream.respond({ ":status": 200 }, { endStream: true });
			return;
		}
		stream.respond({ ":status": 200 });
		stream.end(framed(Buffer.from(encodeJSON(this.full(node, Number(body["Version"]))))));
	}

	#applyUpdate(node: LabNode, body: Record<string, unknown>): void {
		const isNew = node.discoKey === "";
		const hostinfo = body["Hostinfo"] as Record<string, unknown> | undefined;
		const endpoints = Array.isArray(body["Endpoints"]) ? (body["Endpoints"] as string[]) : [];
		const discoKey = keyHex("discokey", body["DiscoKey"]);
		const change: Record<string, unknown> = {};
		if (discoKey && discoKey !== node.discoKey) change["DiscoKey"] = `discokey:${discoKey}`;
		if (JSON.stringify(endpoints) !== JSON.stringify(node.endpoints)) change["Endpoints"] = endpoints;
		if (discoKey) node.discoKey = discoKey;
		node.endpoints = endpoints;
		const oldHome = node.homeDERP;
		const oldHostinfo = JSON.stringify({ ...node.hostinfo, NetInfo: undefined });
		if (hostinfo) node.hostinfo = { ...node.hostinfo, ...hostinfo };
		this.#takeHome(node);
		if (node.homeDERP !== oldHome) change["DERPRegion"] = node.homeDERP;
		if (isNew || JSON.stringify({ ...node.hostinfo, NetInfo: undefined }) !== oldHostinfo) this.announceQuietly(node);
		else if (Object.keys(change).length > 0) this.patch(node, change);
	}

	#takeHome(node: LabNode): void {
		const netInfo = node.hostinfo["NetInfo"] as Record<string, unknown> | undefined;
		const preferred = netInfo?.["PreferredDERP"];
		if (typeof preferred === "number" && preferred > 0) node.homeDERP = preferred;
	}

	#write(poll: Poll, json: Uint8Array): void {
		if (poll.stream.destroyed || poll.stream.writableEnded) return;
		const bytes = framed(json);
		const piece = this.faults.pieceBytes ?? bytes.length;
		for (let at = 0; at < bytes.length; at += piece) poll.stream.write(bytes.subarray(at, at + piece));
	}
}

/** A message as it stands in the body of a map poll. */
export function framed(json: Uint8Array): Buffer {
	const head = Buffer.alloc(4);
	head.writeUInt32LE(json.length);
	return Buffer.concat([head, json]);
}

function refuse(stream: ServerHttp2Stream, status: number, text: string): void {
	stream.respond({ ":status": status, "content-type": "text/plain; charset=utf-8" });
	stream.end(`${text}\n`);
}
