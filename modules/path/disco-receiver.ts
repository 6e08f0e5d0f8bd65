/**
 * What a node does with a DISCO packet. Source: protocol/relay.md §2.6, protocol/paths.md §5.6 and §5.9.
 *
 *   1  sender key is no peer's disco key      drop before any cryptography
 *   2  source failed too often this second    drop
 *   3  peer sent too much this second         drop: to open a box costs more than all before it
 *   4  box does not open, message unreadable  drop; usual after either side restarted
 *   ping over UDP     candidate of every peer with that key; pong to the exact source, once per transaction
 *   ping over DERP    pong through the same region, if the DERP source is a peer
 *   pong              the machine that sent the ping; the pinged address is what it proves
 *   call-me-maybe     over DERP only, from the node whose disco key sealed it
 *   others            belong to peer relays: ignored
 *
 * A drop costs a counter and nothing else: no answer, no log line.
 */
import { bytesKey, type DiscoBox, isDisco, senderOf } from "../disco/box.js";
import { OpenFailures } from "../disco/failures.js";
import { appendMessage, type CallMeMaybe, type DiscoMessage, type Ping, parseMessage } from "../disco/message.js";
import { endpointOf, endpointToText, parseAddress, parseEndpoint } from "../netmap/address.js";
import type { PeerLookup } from "../netmap/types.js";
import { type ActivePeer, OPEN_BURST, OPENS_PER_SECOND, type PathTunnel, PONG_BURST, PONGS_PER_SECOND } from "./active-peer.js";
import { Budget } from "./budget.js";

/** Addresses of one CallMeMaybe that are looked at. */
const CALL_ENDPOINTS_MAX = 16;
/** Sender key in the packet. */
const KEY_AT = 6;
/** Stands for a DERP region in a pong, with the region as port. */
const DERP_ADDRESS = "127.3.3.40";

/** The peers with machines; PathTable has them. */
export interface ActivePeers {
	/** The peer's machine, made if there is room; undefined if not. */
	activate(index: number, now: number): ActivePeer | undefined;
	/** The peer's machine, if it has one. */
	known(index: number, now: number): ActivePeer | undefined;
}

export class DiscoReceiver {
	pings = 0;
	pongs = 0;
	callMeMaybes = 0;
	/** No peer has the sender's disco key. */
	unknownKey = 0;
	/** Opened, but too short or of a type that we do not know. */
	unreadable = 0;
	/** Pongs for a ping that is not ours, or not any more. */
	unknownTransaction = 0;
	/** The same ping again from the same address. */
	copies = 0;
	/** CallMeMaybes over UDP, or from a node that does not own the disco key. */
	misplaced = 0;
	/** Messages of peer relays. */
	relay = 0;
	/** Refused because the peer sends too many. */
	limited = 0;
	readonly failures = new OpenFailures();

	#box: DiscoBox;
	#peers: PeerLookup;
	#tunnel: PathTunnel;
	#active: ActivePeers;
	/** Boxes of peers without a machine. */
	#otherOpens = new Budget(OPEN_BURST, OPENS_PER_SECOND);
	/** Pongs to peers that got no machine. */
	#otherPongs = new Budget(PONG_BURST, PONGS_PER_SECOND);

	constructor(box: DiscoBox, peers: PeerLookup, tunnel: PathTunnel, active: ActivePeers) {
		this.#box = box;
		this.#peers = peers;
		this.#tunnel = tunnel;
		this.#active = active;
	}

	/** A datagram that the tunnel took for DISCO. @param from "ip:port" or "[v6]:port" */
	receiveUDP(from: string, packet: Uint8Array, now: number): void {
		if (!isDisco(packet)) return;
		const owners = this.#peers.findByDiscoKey(packet, KEY_AT);
		const message = this.#open(owners, from, packet, now);
		if (!message) return;
		if (message.type === "ping") this.#pingUDP(owners, from, message, senderOf(packet), now);
		else if (message.type === "pong") this.#pong(owners, message.transaction, false, now);
		else if (message.type === "call-me-maybe") this.misplaced += 1;
		else this.relay += 1;
	}

	/** A DISCO packet that a DERP region delivered. @param source node key of the sender, as the DERP server says */
	receiveDERP(region: number, source: Uint8Array, packet: Uint8Array, now: number): void {
		if (!isDisco(packet)) return;
		const owners = this.#peers.findByDiscoKey(packet, KEY_AT);
		const message = this.#open(owners, bytesKey(source), packet, now);
		if (!message) return;
		if (message.type === "ping") this.#pingDERP(region, source, message, senderOf(packet), now);
		else if (message.type === "pong") this.#pong(owners, message.transaction, true, now);
		else if (message.type === "call-me-maybe") this.#callMeMaybe(owners, source, message, now);
		else this.relay += 1;
	}

	#open(owners: readonly number[], source: string, packet: Uint8Array, now: number): DiscoMessage | undefined {
		const [owner] = owners;
		if (owner === undefined) {
			this.unknownKey += 1;
			return undefined;
		}
		if (this.failures.isRefused(source, now)) return undefined;
		const budget = this.#active.known(owner, now)?.opens ?? this.#otherOpens;
		if (!budget.has(now)) {
			this.limited += 1;
			return undefined;
		}
		const plaintext = this.#box.open(packet);
		if (!plaintext) {
			this.failures.count(source, now);
			return undefined;
		}
		// Only what the peer has sealed itself: what others send under its key takes nothing from it.
		budget.take(now);
		const message = parseMessage(plaintext);
		if (message === "short" || message === "unknown") {
			this.unreadable += 1;
			return undefined;
		}
		return message;
	}

	#pingUDP(owners: readonly number[], from: string, message: Ping, sender: Uint8Array, now: number): void {
		this.pings += 1;
		const transaction = bytesKey(message.transaction);
		let budget = this.#otherPongs;
		let isCopy = false;
		for (const index of owners) {
			const peer = this.#active.activate(index, now);
			if (!peer) continue;
			budget = peer.pongs;
			if (!peer.endpoint.ping(from, transaction, now)) isCopy = true;
		}
		const source = parseEndpoint(from);
		if (isCopy) this.copies += 1;
		else if (!budget.take(now)) this.limited += 1;
		else if (source) {
			const pong = this.#box.seal(sender, appendMessage({ type: "pong", transaction: message.transaction, source }));
			if (pong) this.#tunnel.sendRaw(from, pong);
		}
	}

	#pingDERP(region: number, source: Uint8Array, message: Ping, sender: Uint8Array, now: number): void {
		this.pings += 1;
		const index = this.#peers.findByNodeKey(source);
		if (index < 0) {
			this.misplaced += 1;
			return;
		}
		if (!(this.#active.known(index, now)?.pongs ?? this.#otherPongs).take(now)) {
			this.limited += 1;
			return;
		}
		const address = endpointOf(parseAddress(DERP_ADDRESS) as Uint8Array, region);
		const pong = this.#box.seal(sender, appendMessage({ type: "pong", transaction: message.transaction, source: address }));
		if (pong) this.#tunnel.derpSend(region, source, pong);
	}

	#pong(owners: readonly number[], id: Uint8Array, overDERP: boolean, now: number): void {
		this.pongs += 1;
		const transaction = bytesKey(id);
		for (const index of owners) {
			// Whoever has a ping of ours to answer has a machine: none is made here.
			if (this.#active.known(index, now)?.endpoint.pong(transaction, overDERP, now)) return;
		}
		this.unknownTransaction += 1;
	}

	#callMeMaybe(owners: readonly number[], source: Uint8Array, message: CallMeMaybe, now: number): void {
		const index = this.#peers.findByNodeKey(source);
		if (index < 0 || !owners.includes(index)) {
			this.misplaced += 1;
			return;
		}
		const peer = this.#active.activate(index, now);
		if (!peer) return;
		if (!peer.calls.take(now)) {
			this.limited += 1;
			return;
		}
		this.callMeMaybes += 1;
		const endpoints: string[] = [];
		const count = Math.min(message.endpoints.length, CALL_ENDPOINTS_MAX);
		for (let i = 0; i < count; i += 1) endpoints.push(endpointToText(message.endpoints[i] as Uint8Array));
		peer.endpoint.callMeMaybe(endpoints, now);
	}
}
