/** One HTTP request to the gateway, whose answer is read while it comes. The connection is used once; redirects are not followed. */
import { Connection, startTimer, stopTimer, type Timer } from "tailnet/host";
import { authorityOf, BodyReader, type Head, HeadReader, http1Request } from "../control/http1.js";
import type { GatewayURL } from "./description.js";

/** The largest answer that is read. */
const LIMIT_BYTES = 32_768;
const HTTP_PORT = 80;

export interface GatewayRequestOptions {
	gateway: string;
	url: GatewayURL;
	method: "GET" | "POST";
	headers?: readonly (readonly [string, string])[];
	body?: Uint8Array;
	timeoutMS: number;
	/** Bytes of the answer's body, whatever its status. @returns "" or what is wrong with them */
	onBytes(bytes: Uint8Array): string;
	/** Once, unless closed before: the status, 0 = no whole answer came. */
	onDone(status: number): void;
}

export class GatewayRequest {
	readonly #options: GatewayRequestOptions;
	readonly #connection: Connection;
	readonly #headReader = new HeadReader();
	#timer: Timer | undefined;
	#head: Head | undefined;
	#body: BodyReader | undefined;
	#isDone = false;

	/** @throws {RangeError} if the request is none */
	constructor(options: GatewayRequestOptions) {
		const { gateway, url, method, headers, body, timeoutMS } = options;
		this.#options = options;
		const fields: (readonly [string, string])[] = [...(headers ?? []), ["Connection", "close"]];
		if (body) fields.push(["Content-Length", String(body.length)]);
		const request = http1Request(method, url.path, authorityOf(gateway, url.port, HTTP_PORT), fields, body);
		this.#timer = startTimer(() => this.#end(0), timeoutMS);
		this.#connection = new Connection({
			address: gateway,
			port: url.port,
			timeoutMS,
			onOpen: () => this.#connection.write(request),
			onData: (bytes) => this.#receive(bytes),
			onClose: (error) => this.#closed(error !== undefined),
		});
	}

	/** Idempotent; no callback afterwards. */
	close(): void {
		this.#isDone = true;
		stopTimer(this.#timer);
		this.#connection.close();
	}

	#receive(bytes: Uint8Array): void {
		if (this.#isDone) return;
		if (!this.#body) {
			const result = this.#headReader.push(bytes);
			if (result === "more") return;
			if ("failed" in result || result.head.status === 0) {
				this.#end(0);
				return;
			}
			this.#head = result.head;
			this.#body = new BodyReader(result.head, LIMIT_BYTES, true);
			bytes = bytes.subarray(result.consumed);
		}
		if (this.#body.push(bytes) !== "" || this.#options.onBytes(this.#body.takeAway()) !== "") this.#end(0);
		else if (this.#body.isDone) this.#end((this.#head as Head).status);
	}

	#closed(isBroken: boolean): void {
		const headers = this.#head?.headers;
		// Without a length the end of the stream is the end of the body.
		const isWhole = !isBroken && headers !== undefined && !headers.has("content-length") && !headers.has("transfer-encoding");
		this.#end(isWhole ? (this.#head as Head).status : 0);
	}

	#end(status: number): void {
		if (this.#isDone) return;
		this.close();
		this.#options.onDone(status);
	}
}
