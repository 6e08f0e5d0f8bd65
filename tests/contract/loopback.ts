/**
 * Two nodes whose tunnels a test plays: what one says to the other goes through rings of a device's sizes, in pieces of any size, one step a turn of the test's clock. As the native
 * core does it: events are flags that carry a count of now, a ring that is full takes less, the end is told once.
 */
import { startTimer } from "tailnet/host";
import { TailnetError } from "../../modules/errors.js";
import { parseAddress } from "../../modules/netmap/address.js";
import { Listener, type ListenerOptions } from "../../modules/socket/listener.js";
import { PortSet, type SocketNode } from "../../modules/socket/node.js";
import { Resolver } from "../../modules/socket/resolver.js";
import { TCP, type TCPOptions } from "../../modules/socket/tcp.js";
import { UDP, type UDPOptions } from "../../modules/socket/udp.js";
import type { SocketEvents, TunnelLink } from "../../modules/tunnel/link.js";
import type { CloseReason } from "../../modules/tunnel/records.js";
import { Random } from "../xs/harness-tools.js";
import { testing } from "../xs/host.js";
import type { Place, Side } from "./place.js";

const poolSize = 16;
const sendBytes = 4096;
const receiveBytes = 8192;

/** One end of a connection. */
interface End {
	side: LoopbackSide;
	handle: number;
	other: End | undefined;
	sending: number[];
	received: number[];
	/** close() was called: what is sending goes first. */
	isClosing: boolean;
	isEnded: boolean;
	wantsRoom: boolean;
}

interface Open {
	events: SocketEvents;
	kind: "none" | "stream" | "listener" | "datagram";
	port: number;
	end: End | undefined;
}

const keyOf = (address: Uint8Array): string => address.join(".");

/** Not push(...bytes): the stack of an engine for microcontrollers holds no thousand arguments. */
function append(to: number[], bytes: Iterable<number>): void {
	for (const byte of bytes) to.push(byte);
}

class LoopbackSide {
	readonly addresses: Uint8Array[];
	readonly open = new Map<number, Open>();
	peer: LoopbackSide | undefined;
	readonly #random: Random;
	#next = 1;

	constructor(addresses: string[], random: Random) {
		this.addresses = addresses.map((text) => parseAddress(text) as Uint8Array);
		this.#random = random;
	}

	owns(address: Uint8Array): boolean {
		return this.addresses.some((own) => keyOf(own) === keyOf(address));
	}

	// ---- What sockets ask ----

	openSocket(events: SocketEvents): number {
		if (this.open.size >= poolSize) return 0;
		const handle = this.#next++;
		this.open.set(handle, { events, kind: "none", port: 0, end: undefined });
		return handle;
	}

	adopt(handle: number, events: SocketEvents): void {
		const socket = this.open.get(handle);
		if (socket) socket.events = events;
	}

	tcpListen(handle: number, port: number): void {
		Object.assign(this.open.get(handle) as Open, { kind: "listener", port });
	}

	udpBind(handle: number, port: number): void {
		Object.assign(this.open.get(handle) as Open, { kind: "datagram", port });
	}

	tcpConnect(handle: number, address: Uint8Array, port: number): void {
		const socket = this.open.get(handle) as Open;
		const end: End = { side: this, handle, other: undefined, sending: [], received: [], isClosing: false, isEnded: false, wantsRoom: true };
		Object.assign(socket, { kind: "stream", end });
		this.soon(() => {
			if (this.open.get(handle) !== socket) return;
			const { peer } = this;
			const target = address.slice();
			const listening = peer?.owns(target) ? [...peer.open].find(([, each]) => each.kind === "listener" && each.port === port) : undefined;
			const accepted = listening ? peer?.openSocket({ closed() {} }) : 0;
			if (!peer || !listening || !accepted) {
				socket.events.closed(peer?.owns(target) ? "refused" : "no-route");
				return;
			}
			const other: End = { side: peer, handle: accepted, other: end, sending: [], received: [], isClosing: false, isEnded: false, wantsRoom: true };
			Object.assign(peer.open.get(accepted) as Open, { kind: "stream", end: other });
			end.other = other;
			const own = this.addresses.find((each) => each[10] === target[10]) as Uint8Array;
			listening[1].events.accepted?.(accepted, own, 40_000 + handle, target);
			socket.events.connected?.();
			other.wantsRoom = false;
			peer.open.get(accepted)?.events.writable?.(sendBytes);
			this.move(end);
		});
	}

	udpSend(handle: number, address: Uint8Array, port: number, payload: Uint8Array): void {
		const from = this.open.get(handle)?.port ?? 0;
		const [target, bytes] = [address.slice(), payload.slice()];
		this.soon(() => {
			const own = this.addresses.find((each) => each[10] === target[10]) as Uint8Array;
			for (const socket of this.peer?.owns(target) ? [...(this.peer as LoopbackSide).open.values()] : [])
				if (socket.kind === "datagram" && socket.port === port) socket.events.received?.(own, from, bytes);
		});
	}

	socketClose(handle: number, abort: boolean): void {
		const { end } = this.open.get(handle) ?? {};
		this.open.delete(handle);
		if (!end) return;
		end.isClosing = true;
		if (abort) this.endOther(end, "reset");
		else this.move(end);
	}

	streamWrite(handle: number, bytes: Uint8Array): number {
		const end = this.open.get(handle)?.end;
		if (!end) return 0;
		const part = bytes.subarray(0, sendBytes - end.sending.length);
		append(end.sending, part);
		end.wantsRoom = true;
		this.move(end);
		return part.length;
	}

	streamRead(handle: number, into: Uint8Array): number {
		const end = this.open.get(handle)?.end;
		if (!end) return 0;
		const part = end.received.splice(0, into.length);
		into.set(part);
		if (end.other) this.move(end.other);
		return part.length;
	}

	// ---- The wire ----

	soon(action: () => void): void {
		startTimer(action, this.#random.below(3));
	}

	/** Moves a piece of what an end sends. */
	move(end: End): void {
		this.soon(() => {
			const { other } = end;
			if (!other) return;
			const size = Math.min(end.sending.length, receiveBytes - other.received.length, 1 + this.#random.below(1240));
			if (size > 0 && other.side.open.has(other.handle)) {
				append(other.received, end.sending.splice(0, size));
				other.side.open.get(other.handle)?.events.readable?.(other.received.length);
			} else if (size > 0) end.sending.splice(0, size); // nobody is there any more
			if (end.wantsRoom && end.sending.length < sendBytes) {
				end.wantsRoom = end.sending.length > 0;
				end.side.open.get(end.handle)?.events.writable?.(sendBytes - end.sending.length);
			}
			if (end.sending.length > 0 && receiveBytes > other.received.length) this.move(end);
			else if (end.sending.length === 0 && end.isClosing) this.endOther(end, "remote");
		});
	}

	endOther(end: End, reason: CloseReason): void {
		const { other } = end;
		if (!other || other.isEnded) return;
		other.isEnded = true;
		this.soon(() => other.side.open.get(other.handle)?.events.closed(reason));
	}
}

/** Two nodes that reach each other, as the bound classes of the public face are. */
export function loopback(seed: number): Place {
	const random = new Random(seed);
	const hosts = [
		{ name: "alpha", v4: "100.64.0.1", v6: "fd7a:115c:a1e0::1" },
		{ name: "beta", v4: "100.64.0.2", v6: "fd7a:115c:a1e0::2" },
	];
	const links = hosts.map(({ v4, v6 }) => new LoopbackSide([v4, v6], random));
	(links[0] as LoopbackSide).peer = links[1];
	(links[1] as LoopbackSide).peer = links[0];
	const resolve = async (host: string): Promise<string[]> => {
		const found = hosts.find((each) => [each.name, each.v4].includes(host));
		if (!found) throw new TailnetError("not-found", `no such name: ${host}`);
		return [found.v4, found.v6];
	};
	const [a, b] = hosts.map((host, i): Side => {
		const reported: string[] = [];
		const link = links[i] as LoopbackSide;
		const node: SocketNode = {
			link: link as unknown as TunnelLink,
			ports: { tcp: new PortSet(0), udp: new PortSet(0) },
			canReach: (address) => link.peer?.owns(address) === true,
			report: (error) => void reported.push((error as Error).message),
			later: (callback) => void startTimer(callback, 0),
		};
		class BoundTCP extends TCP {
			constructor(options?: TCPOptions) {
				super(node, options);
			}
		}
		class BoundUDP extends UDP {
			constructor(options?: UDPOptions) {
				super(node, options);
			}
		}
		class BoundListener extends Listener {
			constructor(options?: ListenerOptions) {
				super(node, () => new BoundTCP(), options);
			}
		}
		class BoundResolver extends Resolver {
			constructor(_options?: object) {
				super(resolve, node.report);
			}
		}
		return { ...host, reported, TCP: BoundTCP, UDP: BoundUDP, Listener: BoundListener, Resolver: BoundResolver };
	}) as [Side, Side];
	const turn = async (): Promise<void> => {
		testing.advance(1);
		await testing.settle();
	};
	return {
		a,
		b,
		async until(what, condition) {
			for (let i = 0; !condition(); i += 1) {
				if (i === 20_000) throw new Error(`did not come: ${what}`);
				await turn();
			}
		},
		async rest() {
			for (let i = 0; i < 50; i += 1) await turn();
		},
	};
}
