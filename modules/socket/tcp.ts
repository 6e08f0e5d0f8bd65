/**
 * TCP over the tailnet, to the contract of an ECMA-419 TCP socket (protocol of options, callbacks and states: platform/moddable.md §3.2), so that the
 * HTTP, WebSocket, MQTT and TLS classes of the Moddable SDK take it unchanged.
 *
 *   state      read        write         callbacks
 *   idle       undefined   throws        none: an empty shell that a listener fills
 *   open       bytes       space         onReadable, onWritable (first one = connected), onError once at the end
 *   ended      what is left as open      onError after the last byte was read; onWritable and write go on if the other side only stopped sending, and
 *                                        onError says so when the connection then breaks
 *   closed     throws      throws        none
 */
import { TailnetError } from "../errors.js";
import { addressToText, parseAddress } from "../netmap/address.js";
import type { SocketEvents } from "../tunnel/link.js";
import type { CloseReason } from "../tunnel/records.js";
import { asBytes, asCallback, checkByte, checkPort, type SocketNode } from "./node.js";

export interface TCPOptions {
	/** IP literal of either family. */
	address?: string;
	/** 1 to 65535. */
	port?: number;
	/** In place of the two: another instance of this node's. Its connection moves with unread bytes and what was to be told; it is closed then. */
	from?: TCP;
	/**
	 * "buffer": `read` gives ArrayBuffers. "number": `read` gives one byte, `write` takes one.
	 * @default "buffer"
	 */
	format?: string;
	/**
	 * Send small writes at once.
	 * @default false
	 */
	nodelay?: boolean;
	/** `read` gives so many bytes now. */
	onReadable?(this: TCP, count: number): void;
	/** `write` takes so many bytes now. The first call means: connected. */
	onWritable?(this: TCP, count: number): void;
	/** The connection ended, in order or not, and everything received was read; told once. `error.code`: "closed", "reset", "timeout", "refused", "policy", "no-route", "in-use", "full". */
	onError?(this: TCP, error: TailnetError): void;
	/** Kept as `target` of the instance. */
	target?: unknown;
}

type State = "idle" | "open" | "ended" | "closed";

/** In format "number" a byte costs a native call; this many are fetched together. */
const readAheadBytes = 256;

const reasons: Record<CloseReason, [TailnetError["code"], string]> = {
	remote: ["closed", "the other side closed the connection"],
	reset: ["reset", "the connection was reset"],
	timeout: ["timeout", "the other side did not answer"],
	refused: ["refused", "the other side refused the connection"],
	policy: ["policy", "the tailnet's access rules refused the connection"],
	"no-route": ["no-route", "no peer owns that address"],
	"in-use": ["in-use", "the port is in use"],
	full: ["full", "the connection pool is full"],
};

export class TCP {
	/** What the tunnel calls: no members of the socket, where every other name belongs to the app (the SDK's TLS socket keeps `readable`, `writable` there). */
	static readonly #Events = class implements SocketEvents {
		readonly #tcp: TCP;

		constructor(tcp: TCP) {
			this.#tcp = tcp;
		}

		connected(): void {
			this.#tcp.#connected = true;
		}

		readable(count: number): void {
			this.#tcp.#readable(count);
		}

		writable(count: number): void {
			this.#tcp.#writable(count);
		}

		closed(reason: CloseReason): void {
			this.#tcp.#closed(reason);
		}
	};

	/** The app's own. */
	target: unknown;
	readonly #node: SocketNode;
	readonly #events = new TCP.#Events(this);
	#state: State = "idle";
	#socket = 0;
	#format: "buffer" | "number" = "buffer";
	/** Bytes in the tunnel's receive ring, and our own read-ahead before them. */
	#inRing = 0;
	#ahead: Uint8Array | undefined;
	#aheadAt = 0;
	#aheadEnd = 0;
	#room = 0;
	#connected = false;
	/** Why the connection ended, until it is told. */
	#endReason: CloseReason | undefined;
	/** The other side stopped sending, and still takes what we send. */
	#isHalfOpen = false;
	#remoteAddress = "";
	#remotePort = 0;
	#onReadable: TCPOptions["onReadable"];
	#onWritable: TCPOptions["onWritable"];
	#onError: TCPOptions["onError"];

	/**
	 * @param options none: an empty shell
	 * @throws RangeError, TypeError for options of a wrong form; TailnetError "full" when no socket is free, "closed" when the node is
	 */
	constructor(node: SocketNode, options?: TCPOptions) {
		this.#node = node;
		if (!options) return;
		const onReadable = asCallback(options.onReadable, "onReadable");
		const onWritable = asCallback(options.onWritable, "onWritable");
		const onError = asCallback(options.onError, "onError");
		if (options.format !== undefined) this.format = options.format;
		if (options.target !== undefined) this.target = options.target;
		if (options.from) this.#takeOver(options.from);
		else this.#connect(options);
		this.#onReadable = onReadable;
		this.#onWritable = onWritable;
		this.#onError = onError;
	}

	/** "buffer" or "number"; may be changed at any time. */
	get format(): string {
		this.#check();
		return this.#format;
	}

	set format(value: string) {
		this.#check();
		if (value !== "buffer" && value !== "number") throw new RangeError(`format: expected "buffer" or "number", got ${String(value)}`);
		this.#format = value;
	}

	/** Of the other side. */
	get remoteAddress(): string {
		this.#check();
		return this.#remoteAddress;
	}

	/** Of the other side. */
	get remotePort(): number {
		this.#check();
		return this.#remotePort;
	}

	/**
	 * Format "buffer": all there is; with a number, exactly so many bytes; with a buffer, as many as fit. Format "number": one byte.
	 * @returns an ArrayBuffer, the count for a buffer, a byte, or undefined when there is nothing
	 * @throws RangeError for more than there is
	 */
	read(request?: number | ArrayBuffer | ArrayBufferView): ArrayBuffer | number | undefined {
		this.#check();
		const available = this.#available;
		if (available === 0) return undefined;
		if (this.#format === "number") {
			const byte = this.#readByte();
			this.#drained();
			return byte;
		}
		if (request === undefined || typeof request === "number") {
			const count = request ?? available;
			if (!(Number.isInteger(count) && count > 0 && count <= available)) throw new RangeError(`read: expected 1 to ${available} bytes, got ${count}`);
			const bytes = new Uint8Array(count);
			const got = this.#readInto(bytes);
			this.#drained();
			if (got === 0) return undefined;
			return got < count ? bytes.buffer.slice(0, got) : bytes.buffer;
		}
		const bytes = asBytes(request);
		if (bytes.length === 0) throw new RangeError("read: empty buffer");
		const count = this.#readInto(bytes.length > available ? bytes.subarray(0, available) : bytes);
		this.#drained();
		return count === 0 ? undefined : count;
	}

	/**
	 * Sends bytes.
	 * @param data any buffer, or in format "number" one byte
	 * @param _options { more: true } is a hint that is not needed here: bytes of one turn leave together
	 * @returns bytes that may follow now
	 * @throws RangeError "would block" for more than was told, and nothing is sent then, or for a number that is no byte; TypeError for data of the other format
	 */
	write(data: number | ArrayBuffer | ArrayBufferView, _options?: unknown): number {
		this.#check();
		if (!this.#isSending) throw new TailnetError("reset", "the connection has ended");
		const bytes = this.#format === "number" ? Uint8Array.of(checkByte(data)) : asBytes(data);
		if (bytes.length > this.#room) throw new RangeError("would block");
		const taken = this.#node.link.streamWrite(this.#socket, bytes);
		this.#room -= taken;
		if (taken < bytes.length) throw new TailnetError("reset", "the connection has ended");
		return this.#room;
	}

	/** Bytes written leave first. Idempotent, nothing is told afterwards; everything else throws SyntaxError then. */
	close(): void {
		this.#finish(false);
	}

	/**
	 * For a listener: makes an empty shell the socket of a connection that was accepted.
	 * @internal
	 */
	static accept(shell: TCP, socket: number, remoteAddress: Uint8Array, remotePort: number): void {
		shell.#socket = socket;
		shell.#state = "open";
		shell.#connected = true;
		shell.#remoteAddress = addressToText(remoteAddress);
		shell.#remotePort = remotePort;
		shell.#node.link.adopt(socket, shell.#events);
	}

	// ---- From the tunnel ----

	#readable(count: number): void {
		this.#inRing = count;
		if (this.#state === "open" || this.#state === "ended") this.#call(this.#onReadable, this.#available);
	}

	#writable(count: number): void {
		this.#room = count;
		if (this.#isSending) this.#call(this.#onWritable, count);
	}

	#closed(reason: CloseReason): void {
		if (this.#state !== "open" && !(this.#isSending && reason !== "remote")) return;
		this.#state = "ended";
		this.#isHalfOpen = reason === "remote";
		this.#endReason = reason;
		this.#drained();
	}

	// ---- Inside ----

	get #isSending(): boolean {
		return this.#state === "open" || (this.#state === "ended" && this.#isHalfOpen);
	}

	get #available(): number {
		return this.#inRing + this.#aheadEnd - this.#aheadAt;
	}

	#connect(options: TCPOptions): void {
		const port = checkPort(options.port, 1);
		const address = typeof options.address === "string" ? parseAddress(options.address) : undefined;
		if (!address) throw new TypeError(`address: expected an IP literal, got ${String(options.address)}`);
		const socket = this.#node.link.openSocket(this.#events);
		if (socket === 0) throw new TailnetError("full", "no socket is free");
		this.#socket = socket;
		this.#state = "open";
		this.#remoteAddress = options.address as string;
		this.#remotePort = port;
		if (this.#node.canReach(address)) this.#node.link.tcpConnect(socket, address, port, options.nodelay === true);
		else this.#node.later(() => this.#closed("no-route")); // nobody would answer, ever
	}

	#takeOver(from: TCP): void {
		if (!(#socket in from) || from.#node !== this.#node) throw new TypeError("from: expected a socket of this node");
		from.#check();
		this.#socket = from.#socket;
		this.#state = from.#state;
		this.#inRing = from.#inRing;
		this.#ahead = from.#ahead;
		this.#aheadAt = from.#aheadAt;
		this.#aheadEnd = from.#aheadEnd;
		this.#room = from.#room;
		this.#connected = from.#connected;
		this.#endReason = from.#endReason;
		this.#isHalfOpen = from.#isHalfOpen;
		this.#remoteAddress = from.#remoteAddress;
		this.#remotePort = from.#remotePort;
		from.#socket = 0;
		from.#state = "closed";
		from.#dropCallbacks();
		if (this.#socket === 0) return;
		this.#node.link.adopt(this.#socket, this.#events);
		this.#node.later(() => this.#deliverPending());
	}

	/** Tells a new owner what had come before it took over. */
	#deliverPending(): void {
		if (this.#isSending && this.#connected && this.#room > 0) this.#call(this.#onWritable, this.#room);
		if (this.#available > 0 && this.#state !== "closed") this.#call(this.#onReadable, this.#available);
		this.#drained();
	}

	#readByte(): number | undefined {
		if (this.#aheadAt === this.#aheadEnd) {
			this.#ahead ??= new Uint8Array(readAheadBytes);
			this.#aheadAt = 0;
			// What was not announced stays in the ring: the tunnel tells of it only as long as it is there.
			this.#aheadEnd = this.#readRing(this.#ahead.subarray(0, this.#inRing));
			if (this.#aheadEnd === 0) return undefined;
		}
		return (this.#ahead as Uint8Array)[this.#aheadAt++] as number;
	}

	/** @returns bytes copied; fewer than were asked for and announced when the tunnel is closed: then there are no more */
	#readRing(into: Uint8Array): number {
		const read = this.#node.link.streamRead(this.#socket, into);
		this.#inRing = read < Math.min(into.length, this.#inRing) ? 0 : Math.max(0, this.#inRing - read);
		return read;
	}

	#readInto(bytes: Uint8Array): number {
		let count = 0;
		const ahead = Math.min(this.#aheadEnd - this.#aheadAt, bytes.length);
		if (ahead > 0) {
			bytes.set((this.#ahead as Uint8Array).subarray(this.#aheadAt, this.#aheadAt + ahead));
			this.#aheadAt += ahead;
			count = ahead;
		}
		if (count < bytes.length) {
			count += this.#readRing(count === 0 ? bytes : bytes.subarray(count));
		}
		return count;
	}

	/** The end is told when the last byte is out, and never from inside read. It stays to be told while nobody listens: a new owner may come. */
	#drained(): void {
		if (this.#state !== "ended" || this.#available > 0 || this.#endReason === undefined || !this.#onError) return;
		this.#node.later(() => {
			if (this.#state !== "ended" || this.#endReason === undefined) return;
			const [code, text] = reasons[this.#endReason];
			this.#endReason = undefined;
			this.#call(this.#onError, new TailnetError(code, text));
		});
	}

	#finish(abort: boolean): void {
		if (this.#state === "closed") return;
		this.#state = "closed";
		this.#dropCallbacks();
		if (this.#socket) this.#node.link.socketClose(this.#socket, abort);
		this.#socket = 0;
		this.#ahead = undefined;
	}

	#dropCallbacks(): void {
		this.#onReadable = undefined;
		this.#onWritable = undefined;
		this.#onError = undefined;
	}

	#call<A>(callback: ((this: TCP, argument: A) => void) | undefined, argument: A): void {
		if (!callback) return;
		try {
			callback.call(this, argument);
		} catch (error) {
			this.#node.report(error);
		}
	}

	/** The SDK's own sockets throw a SyntaxError once closed, and its tests ask for it. */
	#check(): void {
		if (this.#state === "closed") throw new SyntaxError("closed");
	}
}
