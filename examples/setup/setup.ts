/**
 * The local setup page: what a node that has no login shows on the network that it stands in, and to nobody else.
 *
 *   state of the node                       page
 *   needs-login; key-expired, with a URL    opens
 *   connecting, needs-approval              stays as it is
 *   any other                               closes: the port refuses connections
 *
 *   GET  /, /setup.css, /setup.js   the page, from the app's resources
 *   GET  /state                     { name, state, text, url }; the page asks for it again and again
 *   GET  /qr.svg                    the URL as QR code; 404 where there is none
 *
 *   refused with   because
 *   403            Host is a name: another site may have bound it to our address (DNS rebinding), and its page would read the URL
 *   404, 405       no such thing; not by this method: nothing can be changed here
 *
 * It owns no socket: `serve` opens one.
 */
import type { TailnetState } from "tailnet";
import { answerOf, refuse, type StatusAnswer, type StatusRequest } from "tailnet/status/answer";
import { type Bytes, BytesBody, textBody } from "tailnet/status/body";
import { isAddressHost } from "tailnet/status/guard";

export interface SetupOptions {
	/** Name of the device, shown. */
	name: string;
	/** Begins to answer on the local network. @returns what ends it, connections included */
	serve(answer: (request: StatusRequest) => StatusAnswer): { close(): void };
	/** A file of the page. */
	file(name: string): Bytes;
	/** A text as QR code: an SVG. */
	qr(text: string): string;
}

const files: Readonly<Record<string, readonly [string, string]>> = Object.freeze({
	"/": Object.freeze(["setup.html", "text/html; charset=utf-8"] as const),
	"/setup.css": Object.freeze(["setup.css", "text/css; charset=utf-8"] as const),
	"/setup.js": Object.freeze(["setup.js", "text/javascript; charset=utf-8"] as const),
});
const fresh = Object.freeze(["cache-control", "no-store"] as const);

export class Setup {
	readonly #options: SetupOptions;
	#state: TailnetState = "connecting";
	#reason = "";
	#url: string | undefined;
	#server: { close(): void } | undefined;

	constructor(options: SetupOptions) {
		this.#options = options;
	}

	/** For the node's onLogin. What is no web address is not shown. @throws what `serve` throws */
	login(url: string): void {
		this.#url = /^https?:\/\/\S+$/.test(url) ? url : undefined;
		this.#follow();
	}

	/** For the node's onStateChange. @throws what `serve` throws */
	change(state: TailnetState, reason: string): void {
		this.#state = state;
		this.#reason = reason;
		if (state === "running") this.#url = undefined;
		this.#follow();
	}

	answer({ method, path, header }: StatusRequest): StatusAnswer {
		if (!isAddressHost(header("host"))) return refuse(403, "ask for this device by its address");
		const place = path.split("?")[0] as string;
		const make = this.#answers(place);
		if (!make) return refuse(404, "not here");
		if (method !== "GET" && method !== "HEAD") return refuse(405, "GET", ["allow", "GET, HEAD"]);
		const answer = make();
		if (method === "HEAD") answer.body.close();
		return answer;
	}

	#answers(place: string): (() => StatusAnswer) | undefined {
		const file = Object.hasOwn(files, place) ? files[place] : undefined;
		if (file) return () => answerOf(200, new BytesBody(this.#options.file(file[0])), ["content-type", file[1]], fresh);
		if (place === "/state") return () => answerOf(200, textBody(JSON.stringify(this.#facts())), ["content-type", "application/json"], fresh);
		const url = this.#url;
		if (place !== "/qr.svg" || url === undefined || !this.#isLoginWanted) return undefined;
		return () => answerOf(200, textBody(this.#options.qr(url)), ["content-type", "image/svg+xml"], fresh);
	}

	#facts(): object {
		return { name: this.#options.name, state: this.#state, text: this.#text(), url: this.#isLoginWanted ? (this.#url ?? null) : null };
	}

	/** The state in words. */
	#text(): string {
		if (this.#state === "needs-approval") return "Logged in. Waiting for approval: an administrator of the tailnet has to let this device in.";
		if (this.#state === "connecting") return `Connecting. ${this.#reason}`.trim();
		if (this.#url !== undefined) return "Waiting for a login: open the link, or scan the code, and log in.";
		return `Waiting for a link from the control server. ${this.#reason}`.trim();
	}

	get #isLoginWanted(): boolean {
		return this.#state === "needs-login" || (this.#state === "key-expired" && this.#url !== undefined);
	}

	#follow(): void {
		if (this.#isLoginWanted) this.#server ??= this.#options.serve((request) => this.answer(request));
		else if (this.#state !== "connecting" && this.#state !== "needs-approval") this.#close();
	}

	#close(): void {
		const server = this.#server;
		this.#server = undefined;
		server?.close();
	}
}
