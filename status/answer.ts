/** What a page of ours is asked, and what it answers, whichever HTTP server is between. */
import { type Body, textBody } from "./body.js";
import { safeHeaders } from "./guard.js";

export interface StatusRequest {
	method: string;
	/** With its query, which is not looked at. */
	path: string;
	/** @param name in lower case */
	header(name: string): string | undefined;
	/** Of the connection. */
	remoteAddress: string;
}

export interface StatusAnswer {
	status: number;
	/** By name in lower case. */
	headers: Map<string, string>;
	body: Body;
}

export function answerOf(status: number, body: Body, ...headers: (readonly [string, string])[]): StatusAnswer {
	const all = new Map<string, string>([...headers, ...safeHeaders, ["connection", "close"]]);
	if (body.lengthBytes !== undefined) all.set("content-length", String(body.lengthBytes));
	return { status, headers: all, body };
}

export function refuse(status: number, text: string, ...headers: (readonly [string, string])[]): StatusAnswer {
	return answerOf(status, textBody(`${text}\n`), ["content-type", "text/plain"], ["cache-control", "no-store"], ...headers);
}
