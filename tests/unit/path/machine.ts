/** One Endpoint with a log of what it asks for, and short names for what happens to it. */
import { Endpoint, type EndpointOutput } from "../../../modules/path/endpoint.js";

export const x = "198.51.100.1:41641";
export const y = "198.51.100.2:41641";
export const z = "198.51.100.3:41641";

export class Machine implements EndpointOutput {
	readonly endpoint: Endpoint;
	/** "ping x", "ping DERP 1", "CMM", "path x", "answer 1 20 x". */
	log: string[] = [];
	/** Last transaction sent to each address; "DERP" for the region. */
	readonly last = new Map<string, string>();
	#counter = 0;

	constructor(addresses: readonly string[] = [x], region = 1, pingBack = false) {
		this.endpoint = new Endpoint(this, (lengthBytes) => this.#bytes(lengthBytes), pingBack);
		this.endpoint.setEndpoints(addresses, 0);
		this.endpoint.setRegion(region);
		this.log = [];
	}

	/** Lets time pass as an owner does: tick() at every deadline. */
	run(until: number): void {
		for (let at = this.endpoint.deadline; at !== undefined && at <= until; at = this.endpoint.deadline) this.endpoint.tick(at);
	}

	/** What was asked for since the last call. */
	take(): string[] {
		const log = this.log;
		this.log = [];
		return log;
	}

	/** Our last ping to address is answered. @param source undefined = over UDP */
	pong(address: string, now: number, overDERP = false): boolean {
		return this.endpoint.pong(this.last.get(address) as string, overDERP, now);
	}

	sendPing(address: string, transaction: Uint8Array): void {
		this.last.set(address, String.fromCharCode(...transaction));
		this.log.push(`ping ${nameOf(address)}`);
	}

	sendPingDERP(region: number, transaction: Uint8Array): void {
		this.last.set("DERP", String.fromCharCode(...transaction));
		this.log.push(`ping DERP ${region}`);
	}

	wantCallMeMaybe(): void {
		this.log.push("CMM");
	}

	pathChanged(): void {
		this.log.push(`path ${nameOf(this.endpoint.best)}`);
	}

	pingAnswered(token: number, latencyMS: number, address: string, region: number): void {
		this.log.push(`answer ${token} ${latencyMS} ${address === "" ? `DERP ${region}` : nameOf(address)}`);
	}

	#bytes(lengthBytes: number): Uint8Array {
		const bytes = new Uint8Array(lengthBytes);
		this.#counter += 1;
		new DataView(bytes.buffer).setUint32(0, this.#counter);
		return bytes;
	}
}

function nameOf(address: string): string {
	return address === "" ? "none" : address === x ? "x" : address === y ? "y" : address === z ? "z" : address;
}
