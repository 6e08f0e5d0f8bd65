/** Real nodes on the lab, for *.addon.test.ts: what they said, and short ways to move bytes between them. */
import Tailnet, { type PeersChange, type TailnetError, type TailnetOptions } from "../../../modules/tailnet.js";
import type { LabNode } from "../../lab/control-nodes.js";
import { type Lab, type LabOptions, startLab } from "../../lab/lab.js";

/** Nothing here takes longer unless it is broken. */
const limitMS = 20_000;

/** Until the condition holds. @throws Error that names what did not come */
export async function until(what: string, condition: () => boolean | undefined): Promise<void> {
	for (const started = Date.now(); !condition(); ) {
		if (Date.now() - started > limitMS) throw new Error(`did not come: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 2));
	}
}

/** A node and what it told. */
export class StageNode {
	readonly tailnet: Tailnet;
	readonly states: string[] = [];
	readonly logins: string[] = [];
	readonly errors: TailnetError[] = [];
	readonly paths: string[] = [];
	readonly peers: PeersChange[] = [];
	readonly #lab: Lab;

	constructor(lab: Lab, hostname: string, options: TailnetOptions = {}) {
		this.#lab = lab;
		this.tailnet = new Tailnet({
			hostname,
			authKey: lab.authKey,
			controlURL: lab.controlURL,
			authorities: [lab.authorityPEM],
			portMapping: false, // a test asks nothing of the machine's router
			onStateChange: (state) => this.states.push(state),
			onLogin: (url) => this.logins.push(url),
			onError: (error) => this.errors.push(error),
			onPathChange: (_peer, via) => this.paths.push(via),
			onPeersChange: (change) => this.peers.push(change),
			...options,
		});
	}

	/** As control knows it. */
	get atControl(): LabNode {
		const short = this.tailnet.name.split(".")[0] as string;
		const node = this.#lab.control.node(short);
		if (!node) throw new Error(`control does not know ${short}`);
		return node;
	}

	get v4(): string {
		return this.tailnet.addresses.find((address) => !address.includes(":")) as string;
	}

	get v6(): string {
		return this.tailnet.addresses.find((address) => address.includes(":")) as string;
	}

	async running(): Promise<this> {
		await until("running", () => this.tailnet.state === "running");
		return this;
	}

	/** The other one is in the map, with the relay where it is reached. */
	async sees(other: StageNode): Promise<void> {
		await until("the other node in the map", () => [...this.tailnet.peers].some((peer) => peer.address === other.v4 && peer.relay !== undefined));
	}

	/** Sends back what comes to a TCP port. @returns connections accepted so far */
	echo(port: number): { accepted: number; close(): void } {
		const counts = { accepted: 0, close: () => listener.close() };
		const { TCP } = this.tailnet;
		const listener = new this.tailnet.Listener({
			port,
			onReadable() {
				for (let from = this.read(); from; from = this.read()) {
					counts.accepted += 1;
					let readable = 0;
					let writable = 0;
					const buffer = new Uint8Array(65536);
					const pump = (): void => {
						while (readable > 0 && writable > 0) {
							const count = socket.read(buffer.subarray(0, Math.min(readable, writable, buffer.length))) as number;
							readable -= count;
							writable = socket.write(buffer.subarray(0, count));
						}
					};
					const socket = new TCP({
						from,
						onReadable(count) {
							readable = count;
							pump();
						},
						onWritable(count) {
							writable = count;
							pump();
						},
						onError() {
							this.close();
						},
					});
				}
			},
		});
		return counts;
	}

	/** Sends bytes to an echo and compares what comes back. Rejects with the connection's error. */
	roundTrip(address: string, port: number, bytes: Uint8Array): Promise<void> {
		return new Promise((resolve, reject) => {
			let sent = 0;
			let received = 0;
			const finish = (error?: Error): void => {
				clearTimeout(timer);
				socket.close();
				if (error) reject(error);
				else resolve();
			};
			const timer = setTimeout(() => finish(new Error(`${received} of ${bytes.length} bytes came back`)), limitMS);
			const socket = new this.tailnet.TCP({
				address,
				port,
				onWritable(count) {
					const part = bytes.subarray(sent, sent + count);
					if (part.length > 0) this.write(part);
					sent += part.length;
				},
				onReadable(count) {
					const part = new Uint8Array(this.read(count) as ArrayBuffer);
					for (let i = 0; i < part.length; i += 1) if (part[i] !== bytes[received + i]) return finish(new Error(`byte ${received + i} differs`));
					received += part.length;
					if (received === bytes.length) finish();
				},
				onError: finish,
			});
		});
	}

	/** The error code of a connection that is not made; "connected" if it is. */
	connect(address: string, port: number): Promise<string> {
		return new Promise((resolve) => {
			const finish = (code: string): void => {
				clearTimeout(timer);
				socket.close();
				resolve(code);
			};
			const timer = setTimeout(() => finish("silence"), limitMS);
			const socket = new this.tailnet.TCP({ address, port, onWritable: () => finish("connected"), onError: (error) => finish(error.code) });
		});
	}
}

/** Runs a story on a lab; whatever it started is closed at its end. */
export async function stage(
	options: LabOptions,
	story: (lab: Lab, start: (hostname: string, options?: TailnetOptions) => StageNode) => Promise<void>,
): Promise<void> {
	const lab = await startLab(options);
	const nodes: StageNode[] = [];
	try {
		await story(lab, (hostname, nodeOptions) => {
			const node = new StageNode(lab, hostname, nodeOptions);
			nodes.push(node);
			return node;
		});
	} finally {
		for (const node of nodes) node.tailnet.close();
		await lab.close();
	}
}

/** Two nodes that see each other. */
export async function pair(start: (hostname: string, options?: TailnetOptions) => StageNode): Promise<[StageNode, StageNode]> {
	const [a, b] = [start("alpha"), start("beta")];
	await Promise.all([a.running(), b.running()]);
	await Promise.all([a.sees(b), b.sees(a)]);
	return [a, b];
}
