/**
 * Requests of control to the node (protocol/control.md §9.2): an HTTP/1.1 request comes as bytes, an HTTP/1.1 answer goes back as bytes.
 *
 *   any method  /echo     200, the request's body: control's sign of life
 *   GET         /update   200, no updates here
 *   else                  400 "unknown c2n path"; 405 "bad method" on a known path
 */
import { utf8Encode } from "tailnet/host";
import { BodyReader, HeadReader } from "./http1.js";

const MAXIMUM_BODY_BYTES = 65536;

/** @param request bytes of one HTTP/1.1 request. @returns bytes of the answer */
export function answerC2N(request: Uint8Array): Uint8Array {
	const result = new HeadReader().push(request);
	if (result === "more" || "failed" in result) return answer("400 Bad Request", "malformed c2n request");
	const match = /^([A-Z]+) ([^ ]+) HTTP\/1\.[01]$/.exec(result.head.startLine);
	if (!match) return answer("400 Bad Request", "malformed c2n request");
	const path = (match[2] as string).replace(/^https?:\/\/[^/]*/, "").replace(/\?.*$/, "");
	if (path === "/echo") {
		const body = new BodyReader(result.head, MAXIMUM_BODY_BYTES, false);
		const problem = body.push(request.subarray(result.consumed));
		if (problem || !body.isDone) return answer("400 Bad Request", problem || "the body is cut");
		return answer("200 OK", body.take());
	}
	if (path === "/update") {
		return match[1] === "GET" ? answer("200 OK", '{"Enabled":false,"Supported":false}', "application/json") : answer("405 Method Not Allowed", "bad method");
	}
	return answer("400 Bad Request", "unknown c2n path");
}

function answer(status: string, body: string | Uint8Array, type = "text/plain"): Uint8Array {
	const content = typeof body === "string" ? utf8Encode(body) : body;
	const head = utf8Encode(`HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${content.length}\r\n\r\n`);
	const bytes = new Uint8Array(head.length + content.length);
	bytes.set(head);
	bytes.set(content, head.length);
	return bytes;
}
