/** The commands of the machine interface: one JSON object a line in, one result out. */

import HTTPClient from "embedded:network/http/client";
import { converse } from "classes/converse";
import { toBase64 } from "subject/base64";
import { bulk } from "subject/bulk";
import { figures } from "subject/figures";
import { udp } from "subject/udp";
import type { Say } from "subject/up";
import type Tailnet from "tailnet";
import type { PingKind } from "tailnet";
import Timer from "timer";

type Fields = Record<string, unknown>;

const shownCharacters = 4096;

function text(fields: Fields, name: string): string {
	const value = fields[name];
	if (typeof value !== "string" || value === "") throw new Error(`${name}: expected a text`);
	return value;
}

function number(fields: Fields, name: string, otherwise?: number): number {
	const value = fields[name] ?? otherwise;
	if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw new Error(`${name}: expected a number`);
	return value;
}

/** Gets a page with the SDK's HTTP client over the tailnet. */
function http(tailnet: Tailnet, fields: Fields): Promise<Fields> {
	const url = /^http:\/\/(?:\[([^\]]+)\]|([^/:]+))(?::(\d+))?(\/.*)?$/.exec(text(fields, "url"));
	if (!url) throw new Error("url: only http is spoken over the tailnet");
	return new Promise((resolve, reject) => {
		let status = 0;
		let lengthBytes = 0;
		let body = "";
		const finish = (error?: Error | null): void => {
			Timer.clear(timer);
			client.close();
			if (error) reject(error);
			else resolve({ status, lengthBytes, body: body.slice(0, shownCharacters) });
		};
		const timer = Timer.set(() => finish(new Error("no answer in time")), number(fields, "timeoutMS", 30_000));
		const client = new HTTPClient({
			host: (url[1] ?? url[2]) as string,
			port: Number(url[3] ?? 80),
			dns: { io: tailnet.Resolver },
			socket: { io: tailnet.TCP },
			onError: () => finish(new Error("the connection failed")),
		});
		client.request({
			path: url[4] ?? "/",
			onHeaders(answer) {
				status = answer;
			},
			onReadable(count) {
				const part = this.read(count) as ArrayBuffer;
				lengthBytes += part.byteLength;
				if (body.length < shownCharacters) body += String.fromArrayBuffer(part);
			},
			onDone: (error) => Timer.set(() => finish(error)),
		});
	});
}

function self(tailnet: Tailnet): Fields {
	const { name, addresses, state, reason, homeRegion, keyExpiry, health, resumed } = tailnet;
	return { name, addresses, state, reason, homeRegion, keyExpiry, health, ...(resumed ? { resumed } : {}) };
}

async function addressOf(tailnet: Tailnet, peer: string): Promise<string> {
	return (await tailnet.resolve(peer))[0] as string;
}

const actions: Record<string, (tailnet: Tailnet, fields: Fields) => Fields | Promise<Fields>> = {
	async ping(tailnet, fields) {
		const kind = (fields["kind"] ?? "disco") as PingKind;
		return { ...(await tailnet.ping(text(fields, "peer"), { kind, timeoutMS: number(fields, "timeoutMS", 5000) })) };
	},
	http,
	async bulk(tailnet, fields) {
		const mode = fields["mode"] ?? "echo";
		if (mode !== "echo" && mode !== "sink") throw new Error('mode: expected "echo" or "sink"');
		const address = await addressOf(tailnet, text(fields, "peer"));
		return { ...(await bulk(tailnet, address, number(fields, "port", 7), number(fields, "bytes"), mode, number(fields, "timeoutMS", 600_000))) };
	},
	async udp(tailnet, fields) {
		const address = await addressOf(tailnet, text(fields, "peer"));
		return {
			received: await udp(tailnet, address, number(fields, "port"), number(fields, "size"), number(fields, "count", 1), number(fields, "timeoutMS", 5000)),
		};
	},
	async resolve(tailnet, fields) {
		return { addresses: await tailnet.resolve(text(fields, "name")) };
	},
	peers(tailnet) {
		return { peers: [...tailnet.peers] };
	},
	self,
	health(tailnet) {
		return { state: tailnet.state, reason: tailnet.reason, warnings: tailnet.health };
	},
	async netcheck(tailnet) {
		return { ...(await tailnet.netcheck()) };
	},
	memory: (tailnet) => ({ ...figures(), counters: tailnet.counters }),
	converse,
	rebind(tailnet) {
		tailnet.rebind();
		return {};
	},
	async logout(tailnet) {
		await tailnet.logout();
		return {};
	},
	async suspend(tailnet) {
		return { record: toBase64(await tailnet.suspend()) };
	},
};

/** Runs one line; its result carries its id. `close` and `suspend` end the app after their result. */
export async function runCommand(tailnet: Tailnet, line: string, say: Say, close: () => void): Promise<void> {
	if (line.trim() === "") return;
	let fields: Fields = {};
	let name = "";
	try {
		fields = JSON.parse(line) as Fields;
		name = text(fields, "do");
		if (name === "close") {
			say({ event: "result", id: fields["id"] ?? null, ok: true });
			close();
			return;
		}
		const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
		if (!action) throw new Error(`do: no command called ${name}`);
		const result = await action(tailnet, fields);
		say({ event: "result", id: fields["id"] ?? null, ok: true, ...result });
	} catch (error) {
		const { code, message } = error as { code?: string; message?: string };
		say({ event: "result", id: fields["id"] ?? null, ok: false, code: code ?? "argument", message: message ?? String(error) });
	}
	// The node is closed, whatever the store said.
	if (name === "suspend") close();
}
