/**
 * One attempt to reach control's Noise channel over one transport, and the channel itself once it stands.
 *
 *   dialling    TCP, or TCP and TLS
 *   upgrading   POST /ts2021 is out, 101 is awaited
 *   handshake   101 came, the Noise response is awaited
 *   open        records both ways
 *   closed
 *
 * Bytes behind the 101 already belong to Noise, bytes behind the response are records; both usually share one segment with what they follow.
 */
import { randomBytes, startTimer, stopTimer } from "tailnet/host";
import { TailnetError } from "../errors.js";
import type { Timer } from "../host-contract.js";
import { NoiseInitiator, ResponseReader } from "./noise.js";
import { RecordReader, RecordWriter } from "./noise-records.js";
import { Stream } from "./stream.js";
import { UpgradeReader, upgradeRequest } from "./upgrade.js";

/** The response is sent together with the 101. A server that cannot read the initiation keeps silent, or ends the stream. */
const RESPONSE_MS = 5000;

export interface NoiseStreamOptions {
	host: string;
	port: number;
	isTLS: boolean;
	/** For the Host header. */
	authority: string;
	authorities: string[] | undefined;
	/** 32 bytes. */
	machinePrivateKey: Uint8Array;
	/** 32 bytes, from /key. */
	controlKey: Uint8Array;
	version: number;
	/** Limit up to "open". */
	timeoutMS: number;
	/** The channel stands; attach() is to be called now. */
	onOpen(stream: NoiseStream): void;
	/** It did not come to stand. sawUpgrade: control answered 101, so that the key or the version is in doubt. */
	onFailure(stream: NoiseStream, error: TailnetError, sawUpgrade: boolean): void;
}

export class NoiseStream {
	readonly isTLS: boolean;
	readonly #options: NoiseStreamOptions;
	readonly #stream: Stream;
	/** What reads the answers before the channel stands, and is gone after them. */
	#upgrade: UpgradeReader | undefined = new UpgradeReader();
	#response: ResponseReader | undefined = new ResponseReader();
	#noise: NoiseInitiator | undefined;
	#reader: RecordReader | undefined;
	#writer: RecordWriter | undefined;
	#timer: Timer | undefined;
	#state: "dialling" | "upgrading" | "handshake" | "open" | "closed" = "dialling";
	#onData: (plaintext: Uint8Array) => void = () => undefined;
	#onClose: (error?: TailnetError) => void = () => undefined;

	constructor(options: NoiseStreamOptions) {
		this.#options = options;
		this.isTLS = options.isTLS;
		const { host, port, isTLS, authorities, timeoutMS } = options;
		this.#timer = startTimer(() => this.#end(new TailnetError("control-unreachable", `${this.#where()}: no Noise channel within ${timeoutMS} ms`)), timeoutMS);
		this.#stream = new Stream({
			host,
			port,
			isTLS,
			authorities,
			timeoutMS,
			onOpen: () => this.#begin(),
			onData: (bytes) => this.#receive(bytes),
			onClose: (error) => this.#end(error),
		});
	}

	/** Our own address, "" before TCP stands. */
	get localAddress(): string {
		return this.#stream.localAddress;
	}

	/** Takes the open channel over. onClose is called once, not after close(). */
	attach(onData: (plaintext: Uint8Array) => void, onClose: (error?: TailnetError) => void): void {
		this.#onData = onData;
		this.#onClose = onClose;
	}

	write(plaintext: Uint8Array): void {
		if (this.#state === "open" && this.#writer) this.#stream.write(this.#writer.seal(plaintext));
	}

	/** Idempotent; wipes the keys. No callback afterwards. */
	close(): void {
		if (this.#state === "closed") return;
		this.#state = "closed";
		stopTimer(this.#timer);
		this.#noise?.close();
		this.#reader?.close();
		this.#writer?.close();
		this.#stream.close();
	}

	#begin(): void {
		const { machinePrivateKey, controlKey, version, authority } = this.#options;
		try {
			this.#noise = new NoiseInitiator(machinePrivateKey, controlKey, version, randomBytes(32));
		} catch (error) {
			this.#end(error as TailnetError);
			return;
		}
		this.#state = "upgrading";
		this.#stream.write(upgradeRequest(authority, this.#noise.initiation));
	}

	#receive(bytes: Uint8Array): void {
		if (this.#state === "upgrading") {
			const result = (this.#upgrade as UpgradeReader).push(bytes);
			if (result === "more") return;
			if ("refused" in result) {
				this.#end(this.#error(result.refused));
				return;
			}
			this.#upgrade = undefined;
			this.#state = "handshake";
			stopTimer(this.#timer);
			this.#timer = startTimer(() => this.#end(), RESPONSE_MS);
			bytes = bytes.subarray(result.consumed);
		}
		if (this.#state === "handshake") {
			const result = (this.#response as ResponseReader).push(bytes);
			if (result === "more") return;
			if ("failed" in result) {
				this.#end(this.#error(result.failed));
				return;
			}
			const keys = this.#noise?.finish(result.response);
			if (!keys) {
				this.#end(this.#error("the Noise response is not from the owner of control's key"));
				return;
			}
			this.#reader = new RecordReader(keys.receive);
			this.#writer = new RecordWriter(keys.send);
			this.#response = undefined;
			this.#noise = undefined;
			this.#state = "open";
			stopTimer(this.#timer);
			this.#options.onOpen(this);
			bytes = bytes.subarray(result.consumed);
		}
		if (this.#state !== "open" || !this.#reader) return;
		const problem = this.#reader.push(bytes, this.#onData);
		if (problem) this.#end(this.#error(problem));
	}

	#end(error?: TailnetError): void {
		const state = this.#state;
		if (state === "closed") return;
		this.close();
		if (state === "open") {
			this.#onClose(error);
			return;
		}
		const isAfterUpgrade = state === "handshake";
		const silent = isAfterUpgrade
			? this.#error(`no Noise response came after 101: control's key is another one, or version ${this.#options.version} is not accepted`)
			: this.#error("the stream ended instead of an answer to the upgrade");
		// A reset right after 101 means the same as an orderly end there.
		this.#options.onFailure(this, !error || (isAfterUpgrade && error.code === "control-unreachable") ? silent : error, isAfterUpgrade);
	}

	#error(text: string): TailnetError {
		return new TailnetError("control-protocol", `${this.#where()}: ${text}`);
	}

	#where(): string {
		return `${this.#options.host} port ${this.#options.port}${this.isTLS ? " (TLS)" : ""}`;
	}
}
