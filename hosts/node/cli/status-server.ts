/** The status page by Node's HTTP server, on the tailnet only. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import type Tailnet from "../../../modules/tailnet.js";
import type { Bytes } from "../../../status/body.js";
import { EventStream } from "../../../status/events.js";
import { Status, type StatusAnswer, type StatusOptions } from "../../../status/status.js";
import { packageFolder } from "../addon.js";
import { TailnetStream } from "../stream.js";

export const statusPort = 80;

/** Bytes given to a connection at once. */
const partBytes = 16_384;
/** An answer that is no stream of events takes no longer: those have a bound of their own. */
const answerMS = 60_000;
/** Connections at the same time. */
const mostConnections = 64;

function readPageFile(name: string): Bytes {
	const bytes = readFileSync(join(packageFolder(), "status", "page", name));
	return { lengthBytes: bytes.length, slice: (begin, end) => bytes.subarray(begin, end) };
}

function memory(): Record<string, number> {
	const { heapUsed, rss } = process.memoryUsage();
	return { "JavaScript heap": heapUsed, process: rss };
}

/** A part is made when the one before has left: what a viewer does not take is not kept. */
function send(response: ServerResponse, { status, headers, body }: StatusAnswer): void {
	response.writeHead(status, Object.fromEntries(headers));
	let isSending = false;
	const pump = (): void => {
		if (isSending) return;
		const part = body.next(partBytes);
		if (part) {
			isSending = true;
			response.write(part, () => {
				isSending = false;
				pump();
			});
		} else if (body.isEnded) response.end();
	};
	const timer = body instanceof EventStream ? undefined : setTimeout(() => response.destroy(), answerMS).unref();
	response.on("close", () => {
		clearTimeout(timer);
		body.onMore = undefined;
		body.close();
	});
	body.onMore = pump;
	response.flushHeaders();
	pump();
}

function text(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value[0] : value;
}

/** @returns what ends it */
export function serveStatus(tailnet: Tailnet, options: StatusOptions = {}): { close(): void } {
	const status = new Status(tailnet, readPageFile, { memory, ...options });
	const server = createServer((request: IncomingMessage, response) => {
		const { method = "", url = "", headers, socket } = request;
		request.resume();
		const remoteAddress = (socket as unknown as TailnetStream).remoteAddress;
		send(response, status.answer({ method, path: url, header: (name) => text(headers[name]), remoteAddress }));
	});
	const streams = new Set<TailnetStream>();
	const listener = new tailnet.Listener({
		port: statusPort,
		onReadable() {
			for (let from = this.read(); from; from = this.read()) {
				if (streams.size === mostConnections) {
					from.close();
					continue;
				}
				const stream = new TailnetStream(tailnet.TCP, from);
				streams.add(stream);
				stream.on("error", () => stream.destroy());
				stream.on("close", () => streams.delete(stream));
				server.emit("connection", stream);
			}
		},
	});
	return {
		close() {
			status.close();
			listener.close();
			for (const stream of streams) stream.destroy();
		},
	};
}
