/**
 * The tunnel as the modules see it: calls become command records, event records become calls. One object a node; the tunnel's thread is behind it.
 *
 * A command that finds the ring full waits here, in order, until the tunnel has taken some; nothing overtakes. Only packets, which any network may lose,
 * are lost when many wait already.
 */
import { Tunnel, wipe } from "tailnet/host";
import { TailnetError } from "../errors.js";
import { endpointToText, parseEndpoint } from "../netmap/address.js";
import { type CloseReason, Command, closeReasons, Event, eventBufferBytes, headBytes, RecordWriter } from "./records.js";

export interface Identity {
	/** 32 bytes. */
	nodePrivateKey: Uint8Array;
	/** 32 bytes. */
	discoPublicKey: Uint8Array;
	/** Own tailnet addresses, 16 bytes each (IPv4 mapped), or undefined. */
	addressV4: Uint8Array | undefined;
	addressV6: Uint8Array | undefined;
	/** TCP ports of our PeerAPI, 0 = none. */
	peerAPIPortV4: number;
	peerAPIPortV6: number;
	shieldsUp: boolean;
	/** UDP port to try first, 0 = any. */
	port: number;
	/** What TAI64N starts from (Unix milliseconds) and the bound it must not pass (Unix seconds). protocol/tunnel.md §1.7 */
	clockMS: number;
	clockBoundSeconds: number;
}

export interface PeerRecord {
	/** slot | generation << 16 */
	handle: number;
	publicKey: Uint8Array;
	/** 0 = none */
	homeRegion: number;
	jailed: boolean;
	/** Our address towards this peer where it differs, 16 bytes each. */
	masqueradeV4?: Uint8Array | undefined;
	masqueradeV6?: Uint8Array | undefined;
	/** Interned ids of the capabilities that the filter asks for. */
	capabilities: readonly number[];
	/** 18 bytes a prefix: address 16, bits 1 (IPv4: 96..128), flags 1 (bit 0: a single address of the peer itself). */
	prefixes: Uint8Array;
	/** A session of the run before: endpoint 18, session 96 (native/tn_records.h). Holds secrets. */
	saved?: Uint8Array | undefined;
}

export interface Activity {
	sent: boolean;
	received: boolean;
	/** Region over which a packet came, 0 = none. */
	derpRegion: number;
	bytesSent: number;
	bytesReceived: number;
}

/** What the tunnel tells. Byte arrays are valid during the call only. */
export interface TunnelEvents {
	stun(endpoint: string, datagram: Uint8Array): void;
	disco(endpoint: string, datagram: Uint8Array): void;
	/** What looks like an answer to NAT-PMP, PCP or SSDP, from a private address. */
	mapping(endpoint: string, datagram: Uint8Array): void;
	derpDisco(region: number, source: Uint8Array, packet: Uint8Array): void;
	/** A packet waits for an address that no configured peer owns. */
	peerWantedByAddress(address: Uint8Array): void;
	/** A handshake, or a DERP packet, came from a key that no configured peer has. */
	peerWantedByKey(publicKey: Uint8Array): void;
	activity(handle: number, activity: Activity): void;
	peerIdle(handle: number): void;
	derpReady(region: number): void;
	tsmp(handle: number, source: Uint8Array, payload: Uint8Array): void;
	echoReply(handle: number, source: Uint8Array, id: number, sequence: number): void;
	session(handle: number, initiated: boolean): void;
	/** A send failed because the destination is unreachable. */
	unreachable(endpoint: string): void;
	/** The UDP sockets are dead; a rebind is wanted. */
	socketsDead(): void;
	/** An address or a route of this machine may have changed. */
	linkNews(): void;
	/** One of the sessions of a tunnel that was suspended, 96 bytes, wiped after the call; undefined: there are no more. */
	suspended(handle: number, session: Uint8Array | undefined): void;
	/** An exception left a callback. */
	report(error: unknown): void;
}

/** What the tunnel tells one socket. */
export interface SocketEvents {
	connected?(): void;
	/** Bytes that can be read now. */
	readable?(count: number): void;
	/** Bytes that can be written now. */
	writable?(count: number): void;
	closed(reason: CloseReason): void;
	accepted?(socket: number, remoteAddress: Uint8Array, remotePort: number, localAddress: Uint8Array): void;
	received?(address: Uint8Array, port: number, payload: Uint8Array): void;
}

const endpointBytes = 18;
/** In Event.suspended. */
const sessionAt = 8;
const sessionBytes = 96;
/** Commands that wait, above which packets are lost. */
const waitingForPackets = 256;

export class TunnelLink {
	readonly #tunnel: Tunnel;
	readonly #events: TunnelEvents;
	readonly #sockets = new Map<number, SocketEvents>();
	readonly #writer = new RecordWriter();
	readonly #buffer = new Uint8Array(eventBufferBytes);
	readonly #view = new DataView(this.#buffer.buffer);
	/** Commands that the ring had no room for, oldest first. */
	#waiting: Uint8Array[] = [];
	#lost = 0;
	#closed = false;

	/** @throws HostError code "io" when no UDP socket can be bound */
	constructor(identity: Identity, events: TunnelEvents) {
		this.#events = events;
		this.#tunnel = new Tunnel(this.#identityRecord(identity), () => this.#wake());
		this.#writer.wipe();
	}

	/** UDP port that is bound. */
	get port(): number {
		return this.#tunnel.port;
	}

	/** Commands waiting for room in the ring. */
	get waiting(): number {
		return this.#waiting.length;
	}

	/** Packets lost because too many commands waited. */
	get lost(): number {
		return this.#lost;
	}

	identity(identity: Identity): void {
		this.#send(this.#identityRecord(identity));
		this.#writer.wipe();
	}

	/** @param block compiled filter (native/tn_filter.h), or undefined: block everything */
	filter(block: Uint8Array | undefined, shieldsUp: boolean): void {
		const record = this.#writer.begin(Command.filter, shieldsUp ? 1 : 0);
		if (block) record.bytes(block);
		this.#send(record.end());
	}

	peer(peer: PeerRecord): void {
		const record = this.#writer
			.begin(Command.peer, (peer.jailed ? 1 : 0) | (peer.saved ? 2 : 0), peer.homeRegion)
			.u32(peer.handle)
			.bytes(peer.publicKey);
		if (peer.masqueradeV4) record.bytes(peer.masqueradeV4.subarray(12));
		else record.zeros(4);
		if (peer.masqueradeV6) record.bytes(peer.masqueradeV6);
		else record.zeros(16);
		record.u16(peer.capabilities.length).u16(peer.prefixes.length / 18);
		for (const capability of peer.capabilities) record.u16(capability);
		record.bytes(peer.prefixes);
		if (peer.saved) record.bytes(peer.saved);
		this.#send(record.end());
		if (peer.saved) this.#writer.wipe();
	}

	peerRemove(handle: number): void {
		this.#send(this.#writer.begin(Command.peerRemove).u32(handle).end());
	}

	/** @param trustedUntilMS the tunnel stops trusting the endpoint by itself after this (monotonicMS) */
	path(handle: number, endpoint: string | undefined, trustedUntilMS: number, homeRegion: number): void {
		const record = this.#writer.begin(Command.path, 0, homeRegion).u32(handle);
		const bytes = endpoint === undefined ? undefined : parseEndpoint(endpoint);
		if (bytes) record.bytes(bytes);
		else record.zeros(endpointBytes);
		this.#send(record.u16(0).u64(Math.floor(trustedUntilMS)).end());
	}

	/** Sends STUN, DISCO or a question about port mappings from the node's UDP socket. An unusable endpoint is ignored. */
	sendRaw(endpoint: string, datagram: Uint8Array): void {
		const bytes = parseEndpoint(endpoint);
		if (bytes) this.#sendPacket(this.#writer.begin(Command.udpSendRaw).bytes(bytes).bytes(datagram).end());
	}

	/** Sends DISCO through a DERP region. */
	derpSend(region: number, nodeKey: Uint8Array, packet: Uint8Array): void {
		this.#sendPacket(this.#writer.begin(Command.derpSend, 0, region).bytes(nodeKey).bytes(packet).end());
	}

	derpState(region: number, isOpen: boolean): void {
		this.#send(this.#writer.begin(Command.derpState, isOpen ? 1 : 0, region).end());
	}

	derpGone(region: number, nodeKey: Uint8Array): void {
		this.#send(this.#writer.begin(Command.derpGone, 0, region).bytes(nodeKey).end());
	}

	/** @returns the frames of the connection that are not data, or -1 when the stream is broken */
	derpReceive(region: number, bytes: Uint8Array): Uint8Array | undefined | -1 {
		return this.#tunnel.derpReceive(region, bytes);
	}

	derpReset(region: number): void {
		this.#tunnel.derpReset(region);
	}

	/** Fills buffer with frames that wait for region. @returns bytes filled */
	derpTake(region: number, buffer: Uint8Array): number {
		return this.#closed ? 0 : this.#tunnel.derpSend(region, buffer);
	}

	/** @param packet a whole IP packet of ours */
	inject(packet: Uint8Array): void {
		this.#sendPacket(this.#writer.begin(Command.inject).bytes(packet).end());
	}

	rebind(port: number): void {
		this.#send(this.#writer.begin(Command.rebind, 0, port).end());
	}

	clock(unixMS: number, boundSeconds: number): void {
		this.#send(this.#writer.begin(Command.clock).u64(unixMS).u64(boundSeconds).end());
	}

	sessionDrop(handle: number): void {
		this.#send(this.#writer.begin(Command.sessionDrop).u32(handle).end());
	}

	/** Nothing leaves from now on; TunnelEvents.suspended tells the sessions. */
	suspend(): void {
		this.#send(this.#writer.begin(Command.suspend).end());
	}

	/** @param prefixes that are forwarded to from now on, 18 bytes each (Netmap.subnets) */
	subnets(prefixes: Uint8Array): void {
		this.#send(this.#writer.begin(Command.subnets).bytes(prefixes).end());
	}

	// ---- Sockets ----

	/** @returns a handle, or 0 when the pool is full. @throws TailnetError "closed" */
	openSocket(events: SocketEvents): number {
		if (this.#closed) throw new TailnetError("closed", "the node is closed");
		const socket = this.#tunnel.openSocket();
		if (socket) this.#sockets.set(socket, events);
		return socket;
	}

	/** Another object listens to the socket from now on. */
	adopt(socket: number, events: SocketEvents): void {
		if (this.#sockets.has(socket)) this.#sockets.set(socket, events);
	}

	tcpConnect(socket: number, address: Uint8Array, port: number, noDelay: boolean): void {
		this.#send(
			this.#writer
				.begin(Command.tcpConnect, noDelay ? 1 : 0, port)
				.u32(socket)
				.bytes(address)
				.end(),
		);
	}

	tcpListen(socket: number, port: number): void {
		this.#send(this.#writer.begin(Command.tcpListen, 0, port).u32(socket).end());
	}

	/** @param isOutside on the network below the tailnet, where 0 = a port that nobody can guess */
	udpBind(socket: number, port: number, isOutside = false): void {
		this.#send(
			this.#writer
				.begin(Command.udpBind, isOutside ? 1 : 0, port)
				.u32(socket)
				.end(),
		);
	}

	udpSend(socket: number, address: Uint8Array, port: number, payload: Uint8Array): void {
		this.#sendPacket(this.#writer.begin(Command.udpSend, 0, port).u32(socket).bytes(address).bytes(payload).end());
	}

	/** The handle is dead at once. Bytes written leave first unless abort is set. */
	socketClose(socket: number, abort: boolean): void {
		if (!this.#sockets.delete(socket)) return;
		this.#send(
			this.#writer
				.begin(Command.socketClose, abort ? 1 : 0)
				.u32(socket)
				.end(),
		);
	}

	/** @returns bytes taken */
	streamWrite(socket: number, bytes: Uint8Array): number {
		return this.#closed ? 0 : this.#tunnel.streamWrite(socket, bytes);
	}

	/** @returns bytes copied */
	streamRead(socket: number, into: Uint8Array): number {
		return this.#closed ? 0 : this.#tunnel.streamRead(socket, into);
	}

	counters(): Record<string, number> {
		return this.#closed ? {} : this.#tunnel.counters();
	}

	/** Every open socket hears that it was reset. Idempotent. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#tunnel.close();
		this.#forget(this.#waiting.length);
		const sockets = [...this.#sockets.values()];
		this.#sockets.clear();
		for (const socket of sockets) this.#guard(() => socket.closed("reset"));
	}

	#identityRecord(identity: Identity): Uint8Array {
		const record = this.#writer.begin(Command.identity, identity.shieldsUp ? 1 : 0, identity.port);
		record.bytes(identity.nodePrivateKey).bytes(identity.discoPublicKey);
		if (identity.addressV4) record.bytes(identity.addressV4.subarray(12));
		else record.zeros(4);
		if (identity.addressV6) record.bytes(identity.addressV6);
		else record.zeros(16);
		return record.u16(identity.peerAPIPortV4).u16(identity.peerAPIPortV6).u64(Math.floor(identity.clockMS)).u64(identity.clockBoundSeconds).end();
	}

	#send(record: Uint8Array): void {
		if (this.#closed) return;
		if (this.#waiting.length > 0 || !this.#tunnel.send(record)) this.#waiting.push(record.slice());
	}

	/** The first commands that waited are not needed any more; there may be keys in them. */
	#forget(count: number): void {
		if (count === 0) return;
		for (const record of this.#waiting.slice(0, count)) if (record[0] === Command.identity || record[0] === Command.peer) wipe(record);
		this.#waiting = this.#waiting.slice(count);
	}

	#sendPacket(record: Uint8Array): void {
		if (this.#waiting.length < waitingForPackets) this.#send(record);
		else this.#lost += 1;
	}

	#wake(): void {
		if (this.#closed) return;
		let sent = 0;
		while (sent < this.#waiting.length && this.#tunnel.send(this.#waiting[sent] as Uint8Array)) sent += 1;
		this.#forget(sent);
		for (;;) {
			const length = this.#tunnel.receive(this.#buffer);
			if (length === 0) return;
			this.#guard(() => this.#dispatch(length));
			if (this.#closed) return;
		}
	}

	#guard(action: () => void): void {
		try {
			action();
		} catch (error) {
			this.#events.report(error);
		}
	}

	#dispatch(length: number): void {
		const bytes = this.#buffer;
		const view = this.#view;
		const events = this.#events;
		const type = bytes[0] as number;
		const flags = bytes[1] as number;
		const argument = view.getUint16(2, true);
		if (type >= Event.connected) {
			this.#dispatchSocket(type, flags, argument, length);
			return;
		}
		switch (type) {
			case Event.stun:
				events.stun(endpointToText(bytes, headBytes), bytes.subarray(headBytes + endpointBytes, length));
				break;
			case Event.disco:
				events.disco(endpointToText(bytes, headBytes), bytes.subarray(headBytes + endpointBytes, length));
				break;
			case Event.mapping:
				events.mapping(endpointToText(bytes, headBytes), bytes.subarray(headBytes + endpointBytes, length));
				break;
			case Event.derpDisco:
				events.derpDisco(argument, bytes.subarray(4, 36), bytes.subarray(36, length));
				break;
			case Event.peerWanted:
				if (flags === 0) events.peerWantedByAddress(bytes.subarray(4, 20));
				else events.peerWantedByKey(bytes.subarray(4, 36));
				break;
			case Event.activity:
				events.activity(view.getUint32(4, true), {
					sent: (flags & 1) !== 0,
					received: (flags & 2) !== 0,
					derpRegion: (flags & 4) !== 0 ? argument : 0,
					bytesSent: Number(view.getBigUint64(8, true)),
					bytesReceived: Number(view.getBigUint64(16, true)),
				});
				break;
			case Event.peerIdle:
				events.peerIdle(view.getUint32(4, true));
				break;
			case Event.derpReady:
				events.derpReady(argument);
				break;
			case Event.tsmp:
				events.tsmp(view.getUint32(4, true), bytes.subarray(8, 24), bytes.subarray(24, length));
				break;
			case Event.echoReply:
				events.echoReply(view.getUint32(4, true), bytes.subarray(8, 24), view.getUint16(24), view.getUint16(26));
				break;
			case Event.session:
				events.session(view.getUint32(4, true), (flags & 1) !== 0);
				break;
			case Event.udpError:
				if (flags === 1) events.unreachable(endpointToText(bytes, headBytes));
				else events.socketsDead();
				break;
			case Event.link:
				events.linkNews();
				break;
			case Event.suspended:
				this.#suspended(flags === 0, length);
				break;
		}
	}

	#suspended(isSession: boolean, length: number): void {
		if (!isSession) {
			this.#events.suspended(0, undefined);
			return;
		}
		if (length !== sessionAt + sessionBytes) return;
		const session = this.#buffer.subarray(sessionAt, length);
		try {
			this.#events.suspended(this.#view.getUint32(4, true), session);
		} finally {
			wipe(session);
		}
	}

	#dispatchSocket(type: number, flags: number, argument: number, length: number): void {
		const bytes = this.#buffer;
		const view = this.#view;
		const handle = view.getUint32(4, true);
		const socket = this.#sockets.get(handle);
		if (type === Event.accepted) {
			const accepted = view.getUint32(8, true);
			if (!socket?.accepted) {
				this.#send(this.#writer.begin(Command.socketClose, 1).u32(accepted).end());
				return;
			}
			this.#sockets.set(accepted, nobody);
			socket.accepted(accepted, bytes.slice(12, 28), argument, bytes.slice(28, 44));
			return;
		}
		if (!socket) return;
		if (type === Event.readable) socket.readable?.(view.getUint32(8, true));
		else if (type === Event.writable) socket.writable?.(view.getUint32(8, true));
		else if (type === Event.connected) socket.connected?.();
		else if (type === Event.closed) socket.closed(closeReasons[flags] ?? "reset");
		else if (type === Event.udpReceived) socket.received?.(bytes.subarray(8, 24), argument, bytes.subarray(24, length));
	}
}

/** Listens for a socket between its acceptance and its adoption, which follows in the same call. */
const nobody: SocketEvents = Object.freeze({ closed() {} });
