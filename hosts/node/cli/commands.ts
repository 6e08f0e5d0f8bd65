/** The commands of the machine interface: one JSON object a line in, one result out. */

import { request } from "node:http";
import { isIP } from "node:net";
import { getHeapCodeStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { largestPayloadBytes } from "../../../modules/socket/udp.js";
import type Tailnet from "../../../modules/tailnet.js";
import type { PingKind } from "../../../modules/tailnet.js";
import { addon } from "../addon.js";
import { TailnetStream } from "../stream.js";
import { bulk } from "./bulk.js";

export type OutputEvent = { event: string } & Record<string, unknown>;
export type Output = (event: OutputEvent) => void;

type Fields = Record<string, unknown>;

const shownCharacters = 4096;
const largestBody = 64 * 1024 * 1024;
const largestPort = 65535;
const largestCount = 1_000_000;
const longestTimeoutMS = 86_400_000;

function text(fields: Fields, name: string): string {
	const value = fields[name];
	if (typeof value !== "string" || value === "") throw new Error(`${name}: expected a text`);
	return value;
}

/** A whole number of a range. */
function number(fields: Fields, name: string, least: number, most: number, otherwise?: number): number {
	const value = fields[name] ?? otherwise;
	if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most)
		throw new Error(`${name}: expected a whole number from ${least} to ${most}`);
	return value;
}

function timeout(fields: Fields, otherwise: number): number {
	return number(fields, "timeoutMS", 1, longestTimeoutMS, otherwise);
}

async function addressOf(tailnet: Tailnet, peer: string): Promise<string> {
	if (isIP(peer)) return peer;
	return (await tailnet.resolve(peer))[0] as string;
}

async function ping(tailnet: Tailnet, fields: Fields): Promise<Fields> {
	const kind = (fields["kind"] ?? "disco") as PingKind;
	return { ...(await tailnet.ping(text(fields, "peer"), { kind, timeoutMS: timeout(fields, 5000) })) };
}

/** Gets a page over the tailnet. */
async function http(tailnet: Tailnet, fields: Fields): Promise<Fields> {
	const url = new URL(text(fields, "url"));
	if (url.protocol !== "http:") throw new Error("url: only http is spoken over the tailnet");
	const address = await addressOf(tailnet, url.hostname.replace(/^\[|\]$/g, ""));
	const port = url.port === "" ? 80 : Number(url.port);
	const timeoutMS = timeout(fields, 30_000);
	return new Promise((resolve, reject) => {
		const stream = new TailnetStream(tailnet.TCP, { address, port });
		const asked = request(
			{ createConnection: () => stream, host: url.hostname, port, path: url.pathname + url.search, headers: { host: url.host, connection: "close" } },
			(response) => {
				let lengthBytes = 0;
				let body = "";
				const decoder = new TextDecoder();
				response.on("data", (part: Buffer) => {
					lengthBytes += part.length;
					if (body.length < shownCharacters) body += decoder.decode(part, { stream: true });
					if (lengthBytes > largestBody) asked.destroy(new Error("the page is too long"));
				});
				response.on("end", () => resolve({ status: response.statusCode ?? 0, lengthBytes, body: (body + decoder.decode()).slice(0, shownCharacters) }));
				response.on("error", reject);
			},
		);
		asked.setTimeout(0);
		const timer = setTimeout(() => asked.destroy(new Error("no answer in time")), timeoutMS);
		asked.on("close", () => clearTimeout(timer));
		asked.on("error", reject);
		asked.end();
	});
}

/** Sends count datagrams of size bytes and counts those that come back the same. */
async function udp(tailnet: Tailnet, fields: Fields): Promise<Fields> {
	const address = await addressOf(tailnet, text(fields, "peer"));
	const port = number(fields, "port", 1, largestPort);
	const size = number(fields, "size", 0, largestPayloadBytes);
	const count = number(fields, "count", 0, largestCount, 1);
	const timeoutMS = timeout(fields, 5000);
	return new Promise((resolve, reject) => {
		/** How often each payload is awaited: small ones repeat. */
		const expected = new Map<string, number>();
		let received = 0;
		let sent = 0;
		const finish = (error?: unknown): void => {
			clearInterval(pace);
			clearTimeout(timer);
			socket.close();
			if (error) reject(error);
			else resolve({ received });
		};
		const socket = new tailnet.UDP({
			onReadable() {
				for (let datagram = this.read(); datagram; datagram = this.read()) {
					const text = Buffer.from(datagram).toString("base64");
					const awaited = expected.get(text) ?? 0;
					if (awaited === 0) continue;
					expected.set(text, awaited - 1);
					received += 1;
				}
				if (received === count) finish();
			},
			onError: (error) => finish(error),
		});
		const send = (): void => {
			if (sent === count) return;
			const payload = crypto.getRandomValues(new Uint8Array(size));
			if (size >= 4) new DataView(payload.buffer).setUint32(0, sent);
			const text = Buffer.from(payload).toString("base64");
			expected.set(text, (expected.get(text) ?? 0) + 1);
			sent += 1;
			try {
				socket.write(payload, address, port);
			} catch (error) {
				finish(error);
			}
		};
		const pace = setInterval(send, 2);
		const timer = setTimeout(finish, timeoutMS + 2 * count);
		if (count === 0) finish();
		else send();
	});
}

/**
 * Memory after garbage collection: heap, compiled code on the heap, array buffers and what else was allocated, which do not overlap; with the tunnel's counters.
 * How much code V8 has compiled depends on what ran how often, not on what there is to keep.
 */
function memory(tailnet: Tailnet): Fields {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	collect();
	collect();
	const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
	const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics();
	const malloced = addon.mallocedBytes();
	return {
		heapBytes: heapUsed - code - bytecode,
		codeBytes: code + bytecode,
		arrayBuffersBytes: arrayBuffers,
		...(malloced === undefined ? {} : { nativeBytes: malloced - arrayBuffers }),
		rssBytes: rss,
		counters: tailnet.counters,
	};
}

const actions: Record<string, (tailnet: Tailnet, fields: Fields) => Fields | Promise<Fields>> = {
	ping,
	http,
	udp,
	async bulk(tailnet, fields) {
		const mode = fields["mode"] ?? "echo";
		if (mode !== "echo" && mode !== "sink") throw new Error('mode: expected "echo" or "sink"');
		const address = await addressOf(tailnet, text(fields, "peer"));
		const bytes = number(fields, "bytes", 1, Number.MAX_SAFE_INTEGER);
		return { ...(await bulk(tailnet, address, number(fields, "port", 1, largestPort, 7), bytes, mode, timeout(fields, 600_000))) };
	},
	async resolve(tailnet, fields) {
		return { addresses: await tailnet.resolve(text(fields, "name")) };
	},
	peers(tailnet) {
		return { peers: [...tailnet.peers] };
	},
	self(tailnet) {
		const { name, addresses, state, reason, homeRegion, keyExpiry, health, resumed } = tailnet;
		return { name, addresses, state, reason, homeRegion, keyExpiry, health, ...(resumed ? { resumed } : {}) };
	},
	health(tailnet) {
		return { state: tailnet.state, reason: tailnet.reason, warnings: tailnet.health };
	},
	async netcheck(tailnet) {
		const report: Fields = { ...(await tailnet.netcheck()) };
		for (const [name, value] of Object.entries(report)) if (value instanceof Map) report[name] = Object.fromEntries(value);
		return report;
	},
	memory,
	rebind(tailnet) {
		tailnet.rebind();
		return {};
	},
	async logout(tailnet) {
		await tailnet.logout();
		return {};
	},
	async suspend(tailnet) {
		return { record: Buffer.from(await tailnet.suspend()).toString("base64") };
	},
};

/** Runs one line; its result carries its id. `close`, `logout` and `suspend` end the command after their result. */
export async function runCommand(tailnet: Tailnet, line: string, output: Output, close: () => void): Promise<void> {
	if (line.trim() === "") return;
	let fields: Fields = {};
	let name = "";
	try {
		fields = JSON.parse(line) as Fields;
		name = text(fields, "do");
		if (name === "close") {
			output({ event: "result", id: fields["id"] ?? null, ok: true });
			close();
			return;
		}
		const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
		if (!action) throw new Error(`do: no command called ${name}`);
		const result = await action(tailnet, fields);
		output({ event: "result", id: fields["id"] ?? null, ok: true, ...result });
	} catch (error) {
		const { code, message } = error as { code?: string; message?: string };
		output({ event: "result", id: fields?.["id"] ?? null, ok: false, code: code ?? "argument", message: message ?? String(error) });
	}
	// The node is closed, whatever control or the store said.
	if (name === "logout" || name === "suspend") close();
}
