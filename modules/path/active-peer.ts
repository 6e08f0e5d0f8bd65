/**
 * One peer that has a slot: its path machine, and what the machine's wishes mean on the wire.
 *
 *   machine says                 becomes
 *   sendPing, sendPingDERP       a sealed DISCO ping, by the WireGuard socket or through the peer's home region
 *   wantCallMeMaybe              the table sends it, when our own endpoints are fresh
 *   pathChanged                  a PATH record, if the tunnel knows the peer
 */
import type { DiscoBox } from "../disco/box.js";
import { appendMessage } from "../disco/message.js";
import type { PeerRecord } from "../tunnel/link.js";
import { Budget } from "./budget.js";
import { Endpoint, type EndpointOutput } from "./endpoint.js";

/** Pongs to one peer: a burst covers a path MTU probe (six pings) of every address of ours. */
export const PONG_BURST = 64;
export const PONGS_PER_SECOND = 32;
/** Boxes of one peer that are opened: its pings as above, and as many pongs for ours. */
export const OPEN_BURST = 128;
export const OPENS_PER_SECOND = 64;
/** CallMeMaybes obeyed for one peer; each makes us ping up to 24 addresses of its choice. */
const CALLS_BURST = 5;
const CALLS_PER_SECOND = 1;

/** What the paths need of the data plane; TunnelLink of modules/tunnel/link.ts is one. */
export interface PathTunnel {
	peer(peer: PeerRecord): void;
	peerRemove(handle: number): void;
	/** @param trustedUntilMS monotonic; the tunnel itself stops trusting endpoint then */
	path(handle: number, endpoint: string | undefined, trustedUntilMS: number, homeRegion: number): void;
	/** The peer restarted: the next packet starts a handshake. */
	sessionDrop(handle: number): void;
	/** By the same socket as WireGuard. */
	sendRaw(endpoint: string, datagram: Uint8Array): void;
	derpSend(region: number, nodeKey: Uint8Array, packet: Uint8Array): void;
}

/** What the paths tell their owner. */
export interface PathOwner {
	/** A CallMeMaybe waits for own endpoints that are fresh: update them, then call PathTable.ownEndpointsUpdated. */
	endpointsWanted(): void;
	/** Another address, or none; not called for trust coming and going. */
	pathChanged(index: number): void;
	/** First pong for PathTable.ask(). address "" = through DERP region. */
	pingAnswered(token: number, latencyMS: number, address: string, region: number): void;
}

export class ActivePeer implements EndpointOutput {
	/** slot | generation << 16 */
	readonly handle: number;
	readonly index: number;
	/** 32 bytes. */
	readonly nodeKey: Uint8Array;
	/** 32 bytes; pings are sealed to it. */
	discoKey: Uint8Array;
	readonly endpoint: Endpoint;
	/** The tunnel has a PEER record for the slot. */
	configured = false;
	/** CRC-32 of the disco key that the peer had in the run before, while its session of that run is in use. */
	resumedWith: number | undefined;
	/** Last packet to or from the peer, or question for it; decides who makes room. */
	lastUsed: number;
	/** Bytes of WireGuard, as the tunnel reported. */
	bytesSent = 0;
	bytesReceived = 0;
	/** Time of the last WireGuard handshake, 0 = none. */
	sessionAt = 0;
	readonly opens = new Budget(OPEN_BURST, OPENS_PER_SECOND);
	readonly pongs = new Budget(PONG_BURST, PONGS_PER_SECOND);
	readonly calls = new Budget(CALLS_BURST, CALLS_PER_SECOND);

	#tunnel: PathTunnel;
	#owner: PathOwner;
	#box: DiscoBox;
	#ownNodeKey: Uint8Array;
	#wantCall: (peer: ActivePeer) => void;
	#shownAddress = "";

	constructor(
		identity: { handle: number; index: number; nodeKey: Uint8Array; discoKey: Uint8Array; ownNodeKey: Uint8Array },
		tunnel: PathTunnel,
		owner: PathOwner,
		box: DiscoBox,
		random: (lengthBytes: number) => Uint8Array,
		wantCall: (peer: ActivePeer) => void,
		now: number,
	) {
		this.handle = identity.handle;
		this.index = identity.index;
		this.nodeKey = identity.nodeKey;
		this.discoKey = identity.discoKey;
		this.#ownNodeKey = identity.ownNodeKey;
		this.#tunnel = tunnel;
		this.#owner = owner;
		this.#box = box;
		this.#wantCall = wantCall;
		this.lastUsed = now;
		this.endpoint = new Endpoint(this, random);
	}

	sendPing(address: string, transaction: Uint8Array): void {
		const packet = this.#sealPing(transaction);
		if (packet) this.#tunnel.sendRaw(address, packet);
	}

	sendPingDERP(region: number, transaction: Uint8Array): void {
		const packet = this.#sealPing(transaction);
		if (packet) this.#tunnel.derpSend(region, this.nodeKey, packet);
	}

	wantCallMeMaybe(): void {
		this.#wantCall(this);
	}

	pathChanged(): void {
		if (this.configured) this.sendPath();
		const address = this.endpoint.best;
		if (address === this.#shownAddress) return;
		this.#shownAddress = address;
		this.#owner.pathChanged(this.index);
	}

	pingAnswered(token: number, latencyMS: number, address: string, region: number): void {
		this.#owner.pingAnswered(token, latencyMS, address, region);
	}

	/** Tells the tunnel where packets go. */
	sendPath(): void {
		const { best, trustUntil, region } = this.endpoint;
		if (best === "") this.#tunnel.path(this.handle, undefined, 0, region);
		else this.#tunnel.path(this.handle, best, trustUntil, region);
	}

	/** Names our addresses to the peer, through its home region. @param endpoints 18 bytes each */
	sendCallMeMaybe(endpoints: Uint8Array[]): void {
		const packet = this.#box.seal(this.discoKey, appendMessage({ type: "call-me-maybe", endpoints }));
		if (packet && this.endpoint.region !== 0) this.#tunnel.derpSend(this.endpoint.region, this.nodeKey, packet);
	}

	#sealPing(transaction: Uint8Array): Uint8Array | undefined {
		return this.#box.seal(this.discoKey, appendMessage({ type: "ping", transaction, nodeKey: this.#ownNodeKey, padding: 0 }));
	}
}
