/**
 * A node with a part of the machine interface of our command: state, self, health, error events; the commands ping, self, health, memory, close.
 * The harness waits for the board at a fixed place on its network, and says first what node it is: {"do":"up","options":{...}}.
 */

import HTTPServer, { type HTTPConnection } from "embedded:network/http/server";
import { Line } from "subject/line";
import Tailnet, { type PingKind, type TailnetError, type TailnetOptions } from "tailnet";
import { figures } from "tn_figures";

const harness = { address: "10.71.0.1", port: 7100 };
const pagePort = 80;

type Fields = Record<string, unknown>;
type Say = (event: object) => void;

function servePage(tailnet: Tailnet): void {
	const page = (): string => `${tailnet.name} ${tailnet.addresses.join(" ")} ${tailnet.state}\n`;
	const handlers = {
		onResponse(this: HTTPConnection & { page?: ArrayBuffer }, response: { headers: Map<string, unknown> }) {
			this.page = ArrayBuffer.fromString(page());
			response.headers.set("content-type", "text/plain");
			response.headers.set("content-length", this.page.byteLength);
			this.respond(response as never);
		},
		onWritable(this: HTTPConnection & { page?: ArrayBuffer }) {
			if (this.page) this.write(this.page);
			delete this.page;
		},
	};
	new HTTPServer({
		io: tailnet.Listener as never,
		port: pagePort,
		onConnect: (connection) => connection.accept(handlers as never),
	});
}

async function command(tailnet: Tailnet, fields: Fields): Promise<Fields> {
	switch (fields["do"]) {
		case "ping":
			return { ...(await tailnet.ping(fields["peer"] as string, { kind: fields["kind"] as PingKind, timeoutMS: (fields["timeoutMS"] as number) ?? 5000 })) };
		case "self":
			return { name: tailnet.name, addresses: tailnet.addresses, state: tailnet.state };
		case "health":
			return { state: tailnet.state, reason: tailnet.reason, warnings: tailnet.health };
		case "memory":
			return { ...JSON.parse(figures()), ...(fields["counters"] ? { counters: tailnet.counters } : {}) };
		case "close":
			tailnet.close();
			return {};
		default:
			throw new Error(`do: no command called ${fields["do"]}`);
	}
}

function up(options: TailnetOptions, say: Say): (fields: Fields) => void {
	say({ event: "state", state: "connecting" });
	const tailnet = new Tailnet({
		...options,
		onStateChange: (state, reason) => say({ event: "state", state, ...(reason ? { reason } : {}) }),
		onSelfChange: () => say({ event: "self", name: tailnet.name, addresses: tailnet.addresses }),
		onHealthChange: (warnings) => say({ event: "health", warnings }),
		onError: ({ code, message }) => say({ event: "error", code, message }),
	});
	servePage(tailnet);
	return (fields) => {
		const { id } = fields;
		command(tailnet, fields).then(
			(result) => say({ event: "result", id, ok: true, ...result }),
			(error: TailnetError) => say({ event: "result", id, ok: false, code: error.code, message: error.message }),
		);
	};
}

export function begin(): void {
	let run: ((fields: Fields) => void) | undefined;
	const line = new Line(harness, (text) => {
		const fields = JSON.parse(text) as Fields;
		if (run) {
			run(fields);
			return;
		}
		try {
			run = up(fields["options"] as TailnetOptions, say);
		} catch (error) {
			say({ event: "error", code: (error as TailnetError).code, message: (error as Error).message });
		}
	});
	const say: Say = (event) => line.send(JSON.stringify(event));
	say({ event: "memory", ...JSON.parse(figures()) });
}
