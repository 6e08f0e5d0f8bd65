/**
 * The status page of a node: what is answered to whom. It owns no socket; the SDK's HTTPServer (server.ts) and Node's (hosts/node/cli/status-server.ts) ask it.
 *
 *   GET  /, /status.css, /status.js   the page, from the app's resources
 *   GET  /status.json                 the facts (facts.ts)
 *   GET  /events                      the facts once a second (events.ts)
 *   POST /rebind, /logout             where the app allows it: with Origin, the token of the facts in X-Status-Token, and the capability
 *
 *   refused with   because
 *   403            Host is not ours; the viewer is no peer; an action is not allowed to them, or comes from elsewhere
 *   404, 405       no such thing; not by this method
 *   503            as many look as there is room for
 */
import type Tailnet from "tailnet";
import { log, startTimer } from "tailnet/host";
import { answerOf, refuse, type StatusAnswer, type StatusRequest } from "./answer.js";
import { type Bytes, BytesBody, PiecesBody, textBody } from "./body.js";
import { EventStreams } from "./events.js";
import { factsOf, type Memory, type Viewer } from "./facts.js";
import { type PageFile, pageFiles } from "./files.js";
import { isOwnHost, Tokens } from "./guard.js";

export type { StatusAnswer, StatusRequest } from "./answer.js";

export interface StatusOptions {
	/**
	 * Lets viewers to whom the tailnet's policy grants this capability ("example.com/cap/status") rebind the node and log it out. The node has to be made with
	 * `grants: true`. Absent: the page is for reading.
	 */
	capability?: string | undefined;
	/** Viewers at the same time, default 4. One more is told to come later. */
	viewers?: number;
	/** What the machine knows of its memory, bytes by name. */
	memory?: Memory;
	/** In the place of the node's own logout(). */
	logout?(): void;
}

const defaultViewers = 4;
/** The answer to a logout leaves before the node does. */
const logoutDelayMS = 500;
const actions = Object.freeze(["/rebind", "/logout"]);

export class Status {
	readonly #tailnet: Tailnet;
	readonly #options: StatusOptions;
	readonly #file: (name: string) => Bytes;
	readonly #streams: EventStreams;
	readonly #tokens = new Tokens();

	/** @param file the bytes of a file of the page, by its name in files.ts */
	constructor(tailnet: Tailnet, file: (name: string) => Bytes, options: StatusOptions = {}) {
		this.#tailnet = tailnet;
		this.#options = options;
		this.#file = file;
		this.#streams = new EventStreams(options.viewers ?? defaultViewers);
	}

	/** How many have the page open. */
	get viewers(): number {
		return this.#streams.count;
	}

	answer(request: StatusRequest): StatusAnswer {
		const { method } = request;
		const path = request.path.split("?")[0] as string;
		if (!isOwnHost(this.#tailnet, request.header("host"))) return refuse(403, "this is not the node that was asked for");
		const viewer = this.#viewer(request.remoteAddress);
		if (!viewer) return refuse(403, "only peers of the tailnet may look");
		if (actions.includes(path)) return method === "POST" ? this.#act(path, request, viewer) : refuse(405, "POST", ["allow", "POST"]);
		const file = Object.hasOwn(pageFiles, path) ? pageFiles[path] : undefined;
		if (!file && path !== "/status.json" && path !== "/events") return refuse(404, "not here");
		if (method !== "GET" && method !== "HEAD") return refuse(405, "GET", ["allow", "GET, HEAD"]);
		const answer = file ? this.#page(file, request) : path === "/events" ? this.#events(viewer) : this.#facts(viewer);
		if (method === "HEAD") answer.body.close();
		return answer;
	}

	/** Everybody who looks is left. */
	close(): void {
		this.#streams.close();
	}

	/** @returns undefined for an address that is no peer's */
	#viewer(address: string): Viewer | undefined {
		const identity = this.#tailnet.whois(address);
		if (!identity) return undefined;
		const { capability } = this.#options;
		const mayAct = capability !== undefined && identity.capabilities.includes(capability);
		const token = mayAct ? { token: this.#tokens.of(identity.peer.id) } : {};
		return { name: identity.peer.name, address, user: identity.user ?? null, login: identity.login ?? null, mayAct, ...token };
	}

	#page(file: PageFile, request: StatusRequest): StatusAnswer {
		const tag = `"${file.tag}"`;
		// Asked for each time: what is new in the firmware is seen at once.
		const answer = answerOf(200, new BytesBody(this.#file(file.name)), ["content-type", file.type], ["cache-control", "no-cache"], ["etag", tag]);
		if (request.header("if-none-match") !== tag) return answer;
		answer.body.close();
		answer.headers.delete("content-length");
		return { ...answer, status: 304 };
	}

	#facts(viewer: Viewer): StatusAnswer {
		const pieces = factsOf(this.#tailnet, viewer, this.#options.memory);
		return answerOf(200, new PiecesBody(pieces), ["content-type", "application/json"], ["cache-control", "no-store"]);
	}

	#events({ address }: Viewer): StatusAnswer {
		const { memory } = this.#options;
		// The viewer is looked at anew for every event: what they may do changes, and so does who they are.
		const facts = (): Iterator<string> => {
			const viewer = this.#viewer(address);
			return viewer ? factsOf(this.#tailnet, viewer, memory) : ["null"][Symbol.iterator]();
		};
		const stream = this.#streams.open(address, facts);
		if (!stream) return refuse(503, "as many look as there is room for", ["retry-after", "10"]);
		return answerOf(200, stream, ["content-type", "text/event-stream"], ["cache-control", "no-store"]);
	}

	#act(path: string, request: StatusRequest, viewer: Viewer): StatusAnswer {
		if (this.#options.capability === undefined) return refuse(403, "this page is for reading");
		const site = request.header("sec-fetch-site") ?? "same-origin";
		if (request.header("origin")?.toLowerCase() !== `http://${request.header("host")?.toLowerCase()}` || site !== "same-origin")
			return refuse(403, "the request comes from another site");
		if (!viewer.mayAct) return refuse(403, "the tailnet's policy does not grant you this");
		const id = this.#tailnet.whois(viewer.address)?.peer.id ?? "";
		if (!this.#tokens.isOf(id, request.header("x-status-token"))) return refuse(403, "the token is missing, or of another run");
		log("info", `status page: ${path.slice(1)} asked for by ${viewer.name} (${viewer.address})`);
		if (path === "/rebind") this.#tailnet.rebind();
		else startTimer(() => this.#logout(), logoutDelayMS);
		return answerOf(202, textBody(`${path.slice(1)} has begun\n`), ["content-type", "text/plain"], ["cache-control", "no-store"]);
	}

	#logout(): void {
		if (this.#options.logout) this.#options.logout();
		else this.#tailnet.logout().catch((error: { code?: string }) => log("warning", `status page: logged out here, control says ${error.code}`));
	}
}
