/** Who is answered what by the status page. */
import { utf8Decode, utf8Encode } from "tailnet/host";
import { Status, type StatusAnswer, type StatusOptions } from "../../../status/status.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { capability, FakeNode, otherAddress, viewerAddress } from "./fake.js";

const files: Record<string, string> = { "tailnet-status.html": "<!doctype html>", "tailnet-status.css": "body{}", "tailnet-status.js": "listen()" };
const host = "sensor.example.ts.net";

let node: FakeNode;
beforeEach(() => {
	testing.reset();
	node = new FakeNode();
});

function open(options: StatusOptions = {}): Status {
	const file = (name: string) => {
		const bytes = utf8Encode(files[name] as string);
		return { lengthBytes: bytes.length, slice: (begin: number, end: number) => bytes.subarray(begin, end) };
	};
	return new Status(node.face, file, options);
}

interface Asked {
	method?: string;
	from?: string;
	headers?: Record<string, string>;
}

function ask(status: Status, path: string, { method = "GET", from = viewerAddress, headers = {} }: Asked = {}): StatusAnswer {
	const all: Record<string, string> = { host, ...headers };
	return status.answer({ method, path, header: (name) => all[name], remoteAddress: from });
}

function textOf({ body }: StatusAnswer, space = 1000): string {
	let text = "";
	for (let part = body.next(space); part; part = body.next(space)) text += utf8Decode(part);
	return text;
}

describe("the page", () => {
	test("is three files, each with its type, length and tag; with that tag nothing is sent again", () => {
		const status = open();
		for (const [path, type, name] of [
			["/", "text/html; charset=utf-8", "tailnet-status.html"],
			["/?x=1", "text/html; charset=utf-8", "tailnet-status.html"],
			["/status.css", "text/css; charset=utf-8", "tailnet-status.css"],
			["/status.js", "text/javascript; charset=utf-8", "tailnet-status.js"],
		] as const) {
			const answer = ask(status, path);
			const text = files[name] as string;
			expect([path, answer.status, answer.headers.get("content-type"), answer.headers.get("content-length")]).toEqual([path, 200, type, `${text.length}`]);
			expect([answer.headers.get("cache-control"), textOf(answer), answer.body.isEnded]).toEqual(["no-cache", text, true]);
			const again = ask(status, path, { headers: { "if-none-match": answer.headers.get("etag") as string } });
			expect([again.status, again.body.isEnded, again.headers.has("content-length")]).toEqual([304, true, false]);
			expect(ask(status, path, { headers: { "if-none-match": '"old"' } }).status).toBe(200);
		}
	});

	test("HEAD gets the head alone; other methods and other paths are refused by name", () => {
		const status = open();
		for (const path of ["/", "/status.json", "/events"]) {
			const answer = ask(status, path, { method: "HEAD" });
			expect([path, answer.status, answer.body.isEnded]).toEqual([path, 200, true]);
		}
		expect(status.viewers).toBe(0);
		for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "get"]) expect([method, ask(status, "/", { method }).status]).toEqual([method, 405]);
		for (const path of ["/favicon.ico", "/constructor", "/__proto__", "//", "/../status.json", "/Events", "", "*"])
			expect([path, ask(status, path).status]).toEqual([path, 404]);
	});

	test("every answer says that nothing runs but the page's own script, and that the connection ends", () => {
		const status = open();
		const answers = [
			ask(status, "/"),
			ask(status, "/status.json"),
			ask(status, "/events"),
			ask(status, "/nothing"),
			ask(status, "/", { headers: { host: "x" } }),
		];
		for (const { headers } of answers) {
			const policy = headers.get("content-security-policy") as string;
			expect([policy.startsWith("default-src 'none';"), policy.includes("unsafe"), policy.includes("frame-ancestors 'none'")]).toEqual([true, false, true]);
			expect([headers.get("x-content-type-options"), headers.get("x-frame-options"), headers.get("connection")]).toEqual(["nosniff", "DENY", "close"]);
			expect(headers.has("access-control-allow-origin")).toBe(false);
		}
	});
});

describe("who may look", () => {
	test("under any name and address of the node, by whatever port; under another host nobody, as a name that was bound anew would be", () => {
		const status = open();
		for (const own of [host, "sensor", "SENSOR", `${host}.`, "100.64.0.1", "100.64.0.1:8080", "[fd7a:115c:a1e0::1]", "[fd7a:115c:a1e0::1]:80", "sensor:8080"])
			expect([own, ask(status, "/status.json", { headers: { host: own } }).status]).toEqual([own, 200]);
		const others = [
			"evil.example",
			"sensor.evil.example",
			"127.0.0.1",
			"localhost",
			"100.64.0.2",
			"[::1]",
			"[",
			"",
			":80",
			"sensor@evil.example",
			"example.ts.net",
		];
		for (const other of others) {
			expect([other, ask(status, "/status.json", { headers: { host: other } }).status]).toEqual([other, 403]);
			expect([other, ask(status, "/events", { headers: { host: other } }).status]).toEqual([other, 403]);
		}
		const without = status.answer({ method: "GET", path: "/", header: () => undefined, remoteAddress: viewerAddress });
		expect([without.status, status.viewers]).toEqual([403, 0]);
	});

	test("a node without a name yet answers under its addresses alone", () => {
		node.name = "";
		expect([ask(open(), "/", { headers: { host: "100.64.0.1" } }).status, ask(open(), "/", { headers: { host: "." } }).status]).toEqual([200, 403]);
	});

	test("peers alone: an address that is nobody's is refused, whatever is asked for", () => {
		const status = open({ capability });
		for (const path of ["/", "/status.json", "/events"]) expect([path, ask(status, path, { from: "192.168.1.5" }).status]).toEqual([path, 403]);
		expect(ask(status, "/rebind", { method: "POST", from: "192.168.1.5" }).status).toBe(403);
		expect(node.done).toEqual([]);
	});
});

describe("actions", () => {
	const origin = `http://${host}`;
	const tokenOf = (status: Status, from = otherAddress): string => JSON.parse(textOf(ask(status, "/status.json", { from }))).viewer.token;
	const act = (status: Status, path: string, headers: Record<string, string>, from = otherAddress): number =>
		ask(status, path, { method: "POST", from, headers }).status;

	test("with the capability, the token and from our own page: rebind at once, logout when the answer has left", () => {
		const status = open({ capability });
		const headers = { origin, "x-status-token": tokenOf(status) };
		expect([act(status, "/rebind", headers), node.done]).toEqual([202, ["rebind"]]);
		expect([act(status, "/logout", { ...headers, "sec-fetch-site": "same-origin" }), node.done]).toEqual([202, ["rebind"]]);
		testing.advance(500);
		expect(node.done).toEqual(["rebind", "logout"]);
		let isOut = false;
		const own = open({ capability, logout: () => (isOut = true) });
		expect(act(own, "/logout", { origin, "x-status-token": tokenOf(own) })).toBe(202);
		testing.advance(500);
		expect([isOut, node.done.length]).toEqual([true, 2]);
	});

	test("are refused without any one of these, and nothing happens", () => {
		const status = open({ capability });
		const token = tokenOf(status);
		const refused: [string, Record<string, string>, string?][] = [
			["no token", { origin }],
			["another token", { origin, "x-status-token": `${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}` }],
			["a token too long", { origin, "x-status-token": `${token}0` }],
			["an empty token", { origin, "x-status-token": "" }],
			["a token of another run", { origin, "x-status-token": tokenOf(open({ capability })) }],
			["no origin", { "x-status-token": token }],
			["an origin elsewhere", { origin: "http://evil.example", "x-status-token": token }],
			["the origin of nobody", { origin: "null", "x-status-token": token }],
			["our name by another scheme", { origin: `https://${host}`, "x-status-token": token }],
			["from another site", { origin, "x-status-token": token, "sec-fetch-site": "cross-site" }],
			["another host", { origin: "http://evil.example", host: "evil.example", "x-status-token": token }],
			["a viewer without the capability, with another's token", { origin, "x-status-token": token }, viewerAddress],
			["an address that is nobody's", { origin, "x-status-token": token }, "100.64.9.9"],
		];
		for (const [what, headers, from] of refused)
			for (const path of ["/rebind", "/logout"]) expect([what, act(status, path, headers, from)]).toEqual([what, 403]);
		for (const method of ["GET", "HEAD", "PUT"])
			expect(ask(status, "/rebind", { method, from: otherAddress, headers: { origin, "x-status-token": token } }).status).toBe(405);
		testing.advance(1000);
		expect(node.done).toEqual([]);
	});

	test("end with the grant: what the policy took away is refused at once", () => {
		const status = open({ capability });
		const headers = { origin, "x-status-token": tokenOf(status) };
		(node.identities[otherAddress] as { capabilities: string[] }).capabilities = ["example.com/cap/other"];
		expect([act(status, "/rebind", headers), node.done]).toEqual([403, []]);
	});

	test("do not exist where the app names no capability, whatever the policy grants, and nobody is given a token", () => {
		const status = open();
		expect(act(status, "/rebind", { origin })).toBe(403);
		const { viewer } = JSON.parse(textOf(ask(status, "/status.json", { from: otherAddress })));
		expect([viewer.mayAct, "token" in viewer, node.done]).toEqual([false, false, []]);
	});

	test("the token is shown to whom it is for alone, and is each viewer's own", () => {
		const status = open({ capability });
		const { viewer } = JSON.parse(textOf(ask(status, "/status.json")));
		expect([viewer.mayAct, "token" in viewer]).toEqual([false, false]);
		const [mine, again] = [tokenOf(status), tokenOf(status)];
		(node.identities[viewerAddress] as { capabilities: string[] }).capabilities = [capability];
		const theirs = tokenOf(status, viewerAddress);
		expect([mine === again, mine === theirs, /^[0-9a-f]{32}$/.test(mine)]).toEqual([true, false, true]);
	});
});
