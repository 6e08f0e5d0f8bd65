/** A router for tests of the port mapper: NAT-PMP, PCP, and what a test takes away from it. Times are those of the test. */
import { type MapperLink, PortMapper, type PortMapperOptions } from "../../../modules/portmap/port-mapper.js";

export const link: MapperLink = Object.freeze({ gateway: "192.168.1.1", address: "192.168.1.20", port: 41641 });
export const gateway = "192.168.1.1:5351";

export interface Sent {
	at: number;
	destination: string;
	packet: Uint8Array;
}

const big = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Kind of a request, for comparison. */
export function kindOf(packet: Uint8Array): string {
	if (packet[0] === 2) return packet[1] === 0 ? "announce" : big(packet).getUint32(4) === 0 ? "pcp delete" : "pcp map";
	return packet.length === 2 ? "address" : big(packet).getUint32(8) === 0 ? "pmp delete" : "pmp map";
}

export class Router {
	now = 1_000_000;
	pmp = true;
	pcp = false;
	/** Results; 0 = success. */
	addressResult = 0;
	mapResult = 0;
	announceResult = 0;
	publicAddress = [203, 0, 113, 7];
	lifetime = 7200;
	/** When its table began. */
	startedAt = this.now - 5_000_000;
	/** Given where no port is wanted. */
	freePort = 50_001;
	/** Answers take so long. */
	delayMS = 3;
	/** Packets are lost. */
	isSilent = false;
	readonly sent: Sent[] = [];
	/** Endpoint each time the mapper said that something changed. */
	readonly changes: string[] = [];
	readonly mapper: PortMapper;
	#answers: { at: number; packet: Uint8Array }[] = [];

	constructor(options: Partial<PortMapperOptions> = {}) {
		let byte = 0;
		this.mapper = new PortMapper({
			send: (destination, packet) => {
				this.sent.push({ at: this.now, destination, packet });
				const answer = destination === gateway && !this.isSilent ? this.answer(packet) : undefined;
				if (answer) this.#answers.push({ at: this.now + this.delayMS, packet: answer });
			},
			random: (length) => new Uint8Array(length).fill((byte += 1)),
			changed: () => this.changes.push(this.endpoint),
			...options,
		});
	}

	get endpoint(): string {
		return this.mapper.endpoint(this.now);
	}

	get epoch(): number {
		return Math.floor((this.now - this.startedAt) / 1000);
	}

	/** Requests since the last call. */
	taken(): string[] {
		return this.sent.splice(0).map(({ packet }) => kindOf(packet));
	}

	answer(packet: Uint8Array): Uint8Array | undefined {
		const kind = kindOf(packet);
		if (kind === "address" && this.pmp) return this.#addressAnswer();
		if (kind.startsWith("pmp ") && this.pmp) return this.#pmpMapAnswer(packet);
		if (packet[0] === 2 && this.pcp) return this.#pcpAnswer(packet);
		return undefined;
	}

	#addressAnswer(): Uint8Array {
		const answer = new Uint8Array(12);
		answer[1] = 128;
		big(answer).setUint16(2, this.addressResult);
		big(answer).setUint32(4, this.epoch);
		answer.set(this.publicAddress, 8);
		return answer;
	}

	#pmpMapAnswer(packet: Uint8Array): Uint8Array {
		const request = big(packet);
		const answer = new Uint8Array(16);
		const view = big(answer);
		answer[1] = 129;
		view.setUint16(2, this.mapResult);
		view.setUint32(4, this.epoch);
		view.setUint16(8, request.getUint16(4));
		view.setUint16(10, request.getUint16(6) || this.freePort);
		view.setUint32(12, request.getUint32(8) && this.lifetime);
		return answer;
	}

	#pcpAnswer(packet: Uint8Array): Uint8Array {
		const answer = packet.slice();
		const view = big(answer);
		answer[1] = (packet[1] as number) | 128;
		answer[3] = packet[1] === 0 ? this.announceResult : this.mapResult;
		view.setUint32(8, this.epoch);
		answer.fill(0, 12, 24);
		if (packet[1] !== 1) return answer;
		view.setUint32(4, view.getUint32(4) && this.lifetime);
		if (view.getUint16(42) === 0) view.setUint16(42, this.freePort);
		answer.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...this.publicAddress], 44);
		return answer;
	}

	/** Lets time pass: answers arrive, the mapper is called when it wants to be. */
	pass(ms: number): void {
		const end = this.now + ms;
		for (;;) {
			const answer = Math.min(...this.#answers.map(({ at }) => at));
			const next = Math.min(answer, this.mapper.deadline ?? Number.POSITIVE_INFINITY);
			if (next > end) break;
			this.now = Math.max(this.now, next);
			const due = this.#answers.findIndex(({ at }) => at <= this.now);
			if (due >= 0) this.say((this.#answers.splice(due, 1)[0] as { packet: Uint8Array }).packet);
			else this.mapper.tick(this.now);
		}
		this.now = end;
	}

	/** A datagram of the gateway arrives now. */
	say(packet: Uint8Array, source = gateway): void {
		this.mapper.receive(source, packet, this.now);
	}

	/** Our endpoints are looked at, and a second passes. */
	look(where: MapperLink | undefined = link): void {
		this.mapper.update(where, this.now);
		this.pass(1000);
	}
}
