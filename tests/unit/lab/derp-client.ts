/** A DERP client for the lab's server that sends bytes as they were captured. */
import { connect as connectTCP, type Socket } from "node:net";
import { fromHex } from "../../harness.js";
import type { DERPServer } from "../../lab/derp-server.js";

const request = "GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n";

/** A client that plays captured bytes. */
export class Client {
	readonly socket: Socket;
	closed = false;
	bytes = Buffer.alloc(0);

	constructor(socket: Socket) {
		this.socket = socket;
		socket.on("data", (bytes: Buffer) => {
			this.bytes = Buffer.concat([this.bytes, bytes]);
		});
		socket.on("error", () => {});
		socket.on("close", () => {
			this.closed = true;
		});
	}

	static async open(server: DERPServer, extra = ""): Promise<Client> {
		const socket = connectTCP(server.port, "127.0.0.1");
		await new Promise((resolve) => socket.once("connect", resolve));
		const client = new Client(socket);
		socket.write(`${request}${extra}\r\n`);
		return client;
	}

	static async login(server: DERPServer, who: { clientToServer: readonly { frame: string }[] }): Promise<Client> {
		const client = await Client.open(server);
		client.send((who.clientToServer[0] as { frame: string }).frame);
		await client.until(() => client.frames.length >= 2);
		return client;
	}

	send(...frames: string[]): void {
		this.socket.write(fromHex(frames.join("")));
	}

	/** Frames behind the HTTP answer, hex. */
	get frames(): string[] {
		const head = this.bytes.subarray(0, 4).toString() === "HTTP" ? this.bytes.indexOf("\r\n\r\n") + 4 : 0;
		const list: string[] = [];
		for (let at = head; at + 5 <= this.bytes.length; ) {
			const end = at + 5 + this.bytes.readUInt32BE(at + 1);
			if (end > this.bytes.length) break;
			list.push(this.bytes.subarray(at, end).toString("hex"));
			at = end;
		}
		return list;
	}

	async until(condition: () => boolean): Promise<void> {
		for (let i = 0; i < 400 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
		if (!condition()) throw new Error(`nothing came; frames so far: ${this.frames.join(" ")}`);
	}

	/** A Pong to a Ping of ours: everything before it was handled. */
	async settle(): Promise<void> {
		const count = this.frames.filter((one) => one.startsWith("13")).length;
		this.send("12000000080000000000000000");
		await this.until(() => this.closed || this.frames.filter((one) => one.startsWith("13")).length > count);
	}
}
