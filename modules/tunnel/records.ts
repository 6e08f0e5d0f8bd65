/**
 * The records that cross between modules/ and the tunnel thread: commands in, events out. native/tn_records.h is the same in C and says what each
 * field means.
 *
 *   offset 0   u8   type
 *   offset 1   u8   flags of the type
 *   offset 2   u16  a 16-bit argument of the type (region, port), else 0
 *   offset 4   ...  by type
 *
 * Integers are little-endian; addresses are 16 bytes (IPv4 as ::ffff:a.b.c.d); an endpoint is address 16 + port 2 (big-endian, as in DISCO).
 * A handle is slot | generation << 16.
 */
import { wipe } from "tailnet/host";

export const headBytes = 4;

export const Command = Object.freeze({
	identity: 1,
	filter: 2,
	peer: 3,
	peerRemove: 4,
	path: 5,
	udpSendRaw: 6,
	derpSend: 7,
	derpState: 8,
	derpGone: 9,
	inject: 10,
	rebind: 11,
	clock: 12,
	sessionDrop: 13,
	subnets: 14,
	suspend: 15,
	tcpConnect: 32,
	tcpListen: 33,
	udpBind: 34,
	udpSend: 35,
	socketClose: 36,
});

export const Event = Object.freeze({
	stun: 1,
	disco: 2,
	derpDisco: 3,
	peerWanted: 4,
	activity: 5,
	peerIdle: 6,
	derpReady: 7,
	tsmp: 8,
	echoReply: 9,
	session: 10,
	udpError: 11,
	mapping: 12,
	link: 13,
	suspended: 14,
	connected: 32,
	readable: 33,
	writable: 34,
	closed: 35,
	accepted: 36,
	udpReceived: 37,
});

/** Why a stream ended: the flags of Event.closed, in the order of enum tn_close. */
export const closeReasons = Object.freeze(["remote", "reset", "timeout", "refused", "policy", "no-route", "in-use", "full"] as const);

export type CloseReason = (typeof closeReasons)[number];

/** Largest event: a UDP datagram of the largest accepted inner packet with its head. */
export const eventBufferBytes = 2304;

/** Writes one record into a buffer that grows; one instance a link, reused. */
export class RecordWriter {
	#bytes = new Uint8Array(512);
	#view = new DataView(this.#bytes.buffer);
	#length = 0;

	begin(type: number, flags = 0, argument = 0): this {
		this.#length = 0;
		return this.u8(type).u8(flags).u16(argument);
	}

	u8(value: number): this {
		this.#reserve(1);
		this.#bytes[this.#length++] = value;
		return this;
	}

	u16(value: number): this {
		this.#reserve(2);
		this.#view.setUint16(this.#length, value, true);
		this.#length += 2;
		return this;
	}

	u32(value: number): this {
		this.#reserve(4);
		this.#view.setUint32(this.#length, value, true);
		this.#length += 4;
		return this;
	}

	/** @param value whole and not negative, below 2^53 */
	u64(value: number): this {
		return this.u32(value >>> 0).u32(Math.floor(value / 4294967296));
	}

	bytes(value: Uint8Array): this {
		this.#reserve(value.length);
		this.#bytes.set(value, this.#length);
		this.#length += value.length;
		return this;
	}

	zeros(lengthBytes: number): this {
		this.#reserve(lengthBytes);
		this.#bytes.fill(0, this.#length, this.#length + lengthBytes);
		this.#length += lengthBytes;
		return this;
	}

	/** The record so far; valid until the next begin(). */
	end(): Uint8Array {
		return this.#bytes.subarray(0, this.#length);
	}

	/** Leaves nothing of the last record, which held a secret. */
	wipe(): void {
		wipe(this.#bytes);
	}

	#reserve(lengthBytes: number): void {
		const needed = this.#length + lengthBytes;
		if (needed <= this.#bytes.length) return;
		const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
		larger.set(this.#bytes.subarray(0, this.#length));
		this.#bytes = larger;
		this.#view = new DataView(larger.buffer);
	}
}
