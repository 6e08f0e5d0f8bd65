/**
 * The status page by the SDK's HTTP server, on the tailnet only:
 *
 *   import { serveStatus } from "tailnet/status/server";
 *   serveStatus(tailnet);          // http://greenhouse-1/ for every machine of the tailnet
 */
import type Tailnet from "tailnet";
import { resource, serveHTTP } from "./http.js";
import { Status, type StatusOptions } from "./status.js";

export interface ServerOptions extends StatusOptions {
	/** Default 80. */
	port?: number;
}

/** Connections at the same time, besides those of viewers. */
const spareConnections = 3;
const defaultViewers = 2;

/**
 * Serves the status page of a node on its tailnet.
 * @returns what ends it
 * @throws TailnetError "in-use", "full" for the port, "closed"
 */
export function serveStatus(tailnet: Tailnet, options: ServerOptions = {}): { close(): void } {
	const viewers = options.viewers ?? defaultViewers;
	const status = new Status(tailnet, resource, { ...options, viewers });
	const server = serveHTTP({
		io: tailnet.Listener,
		port: options.port ?? 80,
		connections: viewers + spareConnections,
		answer: (request) => status.answer(request),
	});
	return {
		close() {
			status.close();
			server.close();
		},
	};
}
