/** The tunnel as modules/derp sees it, in TypeScript: takes RecvPacket frames, returns the others whole, gives SendPacket frames that a test queued. */
import { FRAME_RECV_PACKET, FRAME_SEND_PACKET, frame, frameLength, MAXIMUM_FRAME_LENGTH } from "../../../modules/derp/frames.js";
import type { DERPSource } from "../../../modules/derp/types.js";
import { toHex } from "../../harness.js";

export class FakeSource implements DERPSource {
	/** "region: source packet" of every RecvPacket. */
	readonly packets: string[] = [];
	/** "state 10 open", "gone 10 KEY", "reset 10". */
	readonly log: string[] = [];
	/** Frames to give, by region. */
	readonly queues = new Map<number, Uint8Array[]>();
	/** All frames in order, whoever takes them, hex. */
	readonly frames: string[] = [];
	readonly #rest = new Map<number, Uint8Array>();

	/** A packet for a peer. */
	queue(region: number, destination: Uint8Array, packet: Uint8Array): void {
		const list = this.queues.get(region) ?? [];
		this.queues.set(region, list);
		list.push(frame(FRAME_SEND_PACKET, join([destination, packet])));
		// As the tunnel: 32 wait, the oldest goes.
		if (list.length > 32) list.shift();
	}

	derpReceive(region: number, bytes: Uint8Array): Uint8Array | undefined | -1 {
		let rest = join([this.#rest.get(region) ?? new Uint8Array(0), bytes]);
		const others: Uint8Array[] = [];
		while (rest.length >= 5) {
			const length = frameLength(rest, 0);
			if (length > MAXIMUM_FRAME_LENGTH) return -1;
			if (rest.length < 5 + length) break;
			const whole = rest.slice(0, 5 + length);
			this.frames.push(toHex(whole));
			if (whole[0] !== FRAME_RECV_PACKET) others.push(whole);
			else if (length >= 32) this.packets.push(`${region}: ${toHex(whole.subarray(5, 37))} ${toHex(whole.subarray(37))}`);
			rest = rest.subarray(5 + length);
		}
		this.#rest.set(region, rest.slice());
		return others.length > 0 ? join(others) : undefined;
	}

	derpReset(region: number): void {
		this.#rest.delete(region);
		this.log.push(`reset ${region}`);
	}

	derpTake(region: number, buffer: Uint8Array): number {
		const list = this.queues.get(region) ?? [];
		let filled = 0;
		for (let next = list[0]; next && filled + next.length <= buffer.length; next = list[0]) {
			buffer.set(next, filled);
			filled += next.length;
			list.shift();
		}
		return filled;
	}

	derpState(region: number, open: boolean): void {
		this.log.push(`state ${region} ${open ? "open" : "gone"}`);
	}

	derpGone(region: number, nodeKey: Uint8Array): void {
		this.log.push(`gone ${region} ${toHex(nodeKey)}`);
	}
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
	let length = 0;
	for (const part of parts) length += part.length;
	const all = new Uint8Array(length);
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}
