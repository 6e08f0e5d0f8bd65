/** A node whose tunnel is played by the test: what sockets ask is recorded, what the tunnel would say is said by hand. */
import { startTimer } from "tailnet/host";
import { PortSet, type SocketNode } from "../../../modules/socket/node.js";
import type { SocketEvents, TunnelLink } from "../../../modules/tunnel/link.js";

export class FakeLink {
	readonly sockets = new Map<number, SocketEvents>();
	readonly calls: unknown[][] = [];
	/** Bytes waiting in the receive ring of each socket. */
	readonly incoming = new Map<number, number[]>();
	/** Bytes taken from each socket. */
	readonly outgoing = new Map<number, number[]>();
	poolSize = 8;
	/** Whether a peer owns the address that is connected to. */
	isReachable = true;
	#next = 1;

	openSocket(events: SocketEvents): number {
		if (this.sockets.size >= this.poolSize) return 0;
		const handle = this.#next++;
		this.sockets.set(handle, events);
		return handle;
	}

	adopt(handle: number, events: SocketEvents): void {
		this.sockets.set(handle, events);
	}

	tcpConnect(...call: unknown[]): void {
		this.calls.push(["tcpConnect", ...call]);
	}

	tcpListen(...call: unknown[]): void {
		this.calls.push(["tcpListen", ...call]);
	}

	udpBind(...call: unknown[]): void {
		this.calls.push(["udpBind", ...call]);
	}

	udpSend(socket: number, address: Uint8Array, port: number, payload: Uint8Array): void {
		this.calls.push(["udpSend", socket, address.slice(), port, payload.slice()]);
	}

	socketClose(socket: number, abort: boolean): void {
		this.calls.push(["socketClose", socket, abort]);
		this.sockets.delete(socket);
	}

	streamWrite(socket: number, bytes: Uint8Array): number {
		const sent = this.outgoing.get(socket) ?? [];
		sent.push(...bytes);
		this.outgoing.set(socket, sent);
		return bytes.length;
	}

	streamRead(socket: number, into: Uint8Array): number {
		const waiting = this.incoming.get(socket) ?? [];
		const part = waiting.splice(0, into.length);
		into.set(part);
		return part.length;
	}

	// ---- What the tunnel says ----

	/** Bytes come, and are announced. */
	deliver(socket: number, ...bytes: number[]): void {
		this.arrive(socket, ...bytes);
		this.announce(socket);
	}

	/** Bytes are in the ring; that is on its way to be told. */
	arrive(socket: number, ...bytes: number[]): void {
		const waiting = this.incoming.get(socket) ?? [];
		waiting.push(...bytes);
		this.incoming.set(socket, waiting);
	}

	/** It is told, if anything is in the ring still. */
	announce(socket: number): void {
		const count = this.incoming.get(socket)?.length ?? 0;
		if (count > 0) this.sockets.get(socket)?.readable?.(count);
	}

	connect(socket: number, space = 1000): void {
		this.sockets.get(socket)?.connected?.();
		this.sockets.get(socket)?.writable?.(space);
	}

	/** A connection that a listener accepts. @returns its handle */
	accept(listener: number, address: Uint8Array, port: number): number {
		const handle = this.#next++;
		this.sockets.set(handle, { closed() {} });
		this.sockets.get(listener)?.accepted?.(handle, address, port, address);
		return handle;
	}
}

export interface FakeNode extends SocketNode {
	readonly fake: FakeLink;
	readonly errors: unknown[];
}

export function fakeNode(): FakeNode {
	const fake = new FakeLink();
	const errors: unknown[] = [];
	return {
		fake,
		errors,
		link: fake as unknown as TunnelLink,
		ports: { tcp: new PortSet(0), udp: new PortSet(0) },
		canReach: () => fake.isReachable,
		report: (error) => void errors.push(error),
		later: (callback) => void startTimer(callback, 0),
	};
}
