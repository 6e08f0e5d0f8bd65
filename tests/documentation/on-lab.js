/* What snippets import as "tailnet": the built package, on a lab with a peer called laptop. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Tailnet from "../../dist/modules/tailnet.js";
import { startLab } from "../../dist/tests/lab/lab.js";

export * from "../../dist/modules/tailnet.js";

let lab;
/** Folder of the stores of one snippet's nodes. */
let stores;
const nodes = [];

function storeOf(name) {
	stores ??= mkdtempSync(join(tmpdir(), "tailnet-documentation-"));
	return join(stores, name);
}

export default class extends Tailnet {
	static reset(name) {
		Tailnet.reset(storeOf(name));
	}

	constructor(options) {
		const store = options.store === undefined ? undefined : storeOf(options.store);
		super({ ...options, controlURL: lab.controlURL, authKey: lab.authKey, authorities: [lab.authorityPEM], store });
		nodes.push(this);
	}
}

const page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** Sends back what comes to TCP and UDP port 7, and a page to whom asks port 8000. */
function serve(laptop) {
	const listen = (port, answer) =>
		new laptop.Listener({
			port,
			onReadable() {
				for (let from = this.read(); from; from = this.read())
					new laptop.TCP({
						from,
						onReadable(count) {
							this.write(answer(this.read(count)));
						},
						onError() {
							this.close();
						},
					});
			},
		});
	listen(7, (bytes) => bytes);
	listen(8000, () => new TextEncoder().encode(page));
	new laptop.UDP({
		port: 7,
		onReadable() {
			for (let datagram = this.read(); datagram; datagram = this.read()) this.write(datagram, datagram.address, datagram.port);
		},
	});
}

export async function openLab() {
	lab = await startLab();
	const laptop = new Tailnet({ hostname: "laptop", controlURL: lab.controlURL, authKey: lab.authKey, authorities: [lab.authorityPEM] });
	await laptop.running;
	serve(laptop);
	return {
		/** Connects to a port of the snippet's node. */
		visit(port) {
			const address = nodes.at(-1)?.addresses[0];
			if (!address) return;
			const socket = new laptop.TCP({
				address,
				port,
				onWritable() {
					socket.close();
				},
				onError() {
					socket.close();
				},
			});
		},
		/** A node beside laptop, running. */
		async startNode() {
			const node = new Tailnet({ hostname: "asked", controlURL: lab.controlURL, authKey: lab.authKey, authorities: [lab.authorityPEM] });
			nodes.push(node);
			await node.running;
			return node;
		},
		closeNodes() {
			for (const node of nodes.splice(0)) node.close();
			if (stores !== undefined) rmSync(stores, { recursive: true, force: true });
			stores = undefined;
		},
		async close() {
			laptop.close();
			await lab.close();
		},
	};
}
