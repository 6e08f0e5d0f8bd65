/** When examples/setup has a page, and what it says to whom. */
import { utf8Decode, utf8Encode } from "tailnet/host";
import { Setup } from "../../../examples/setup/setup.js";
import type { TailnetState } from "../../../modules/health.js";
import type { StatusAnswer, StatusRequest } from "../../../status/answer.js";
import { isAddressHost } from "../../../status/guard.js";
import { describe, expect, test } from "../../harness.js";

const url = "https://login.example/a/0123456789ab";

/** The page of a device, and what became of its sockets. */
class Stage {
	readonly doings: string[] = [];
	answer: ((request: StatusRequest) => StatusAnswer) | undefined;
	readonly setup = new Setup({
		name: "newcomer",
		serve: (answer) => {
			this.doings.push("open");
			this.answer = answer;
			return {
				close: () => {
					this.doings.push("close");
					this.answer = undefined;
				},
			};
		},
		file(name) {
			const bytes = utf8Encode(name);
			return { lengthBytes: bytes.length, slice: (begin, end) => bytes.subarray(begin, end) };
		},
		qr: (text) => `<svg>${text}</svg>`,
	});

	/** @returns status and text */
	ask(path: string, { method = "GET", host = "192.0.2.7" as string | null } = {}): [number, string] {
		const answer = this.answer?.({ method, path, header: (name) => (name === "host" ? (host ?? undefined) : undefined), remoteAddress: "192.0.2.9" });
		if (!answer) return [0, ""];
		expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
		expect([answer.headers.get("cache-control"), answer.headers.get("access-control-allow-origin")]).toEqual(["no-store", undefined]);
		let text = "";
		for (let part = answer.body.next(1000); part; part = answer.body.next(1000)) text += utf8Decode(part);
		return [answer.status, text];
	}

	get facts(): Record<string, unknown> {
		return JSON.parse(this.ask("/state")[1]);
	}
}

describe("the page", () => {
	test("is there from a login that is wanted until the node runs, and again with the next one", () => {
		const { setup, doings } = new Stage();
		const states: [TailnetState, string[]][] = [
			["connecting", []],
			["needs-login", ["open"]],
			["needs-login", ["open"]],
			["connecting", ["open"]],
			["needs-approval", ["open"]],
			["running", ["open", "close"]],
			["degraded", ["open", "close"]],
			["connecting", ["open", "close"]],
			["needs-approval", ["open", "close"]],
			["needs-login", ["open", "close", "open"]],
			["stopped", ["open", "close", "open", "close"]],
		];
		for (const [state, expected] of states) {
			setup.change(state, "");
			expect([state, doings]).toEqual([state, expected]);
		}
	});

	test("is not there for a device that starts with a login, whatever becomes of its connections", () => {
		const { setup, doings } = new Stage();
		for (const state of ["connecting", "running", "degraded", "connecting", "locked-out", "running", "key-expired", "running"] as const)
			setup.change(state, "");
		expect(doings).toEqual([]);
	});

	test("is there again for a key that has expired as soon as there is a URL, in either order", () => {
		for (const isURLFirst of [true, false]) {
			const stage = new Stage();
			stage.setup.change("running", "");
			if (isURLFirst) stage.setup.login(url);
			stage.setup.change("key-expired", "");
			if (!isURLFirst) stage.setup.login(url);
			expect([stage.doings, stage.facts["url"]]).toEqual([["open"], url]);
			stage.setup.change("running", "");
			stage.setup.change("key-expired", "");
			expect(stage.doings).toEqual(["open", "close"]);
		}
	});

	test("says in words what is waited for, and shows the URL while it is to be visited", () => {
		const stage = new Stage();
		stage.setup.change("needs-login", "control says no");
		expect(stage.facts).toEqual({ name: "newcomer", state: "needs-login", text: "Waiting for a link from the control server. control says no", url: null });
		expect(stage.ask("/qr.svg")[0]).toBe(404);
		stage.setup.login(url);
		expect(stage.facts).toEqual({ name: "newcomer", state: "needs-login", text: "Waiting for a login: open the link, or scan the code, and log in.", url });
		expect(stage.ask(`/qr.svg?${encodeURIComponent(url)}`)).toEqual([200, `<svg>${url}</svg>`]);
		stage.setup.change("needs-approval", "");
		expect([stage.facts["url"], stage.ask("/qr.svg")[0]]).toEqual([null, 404]);
		expect(stage.facts["text"]).toMatch(/Waiting for approval/);
		expect(stage.ask("/setup.css")).toEqual([200, "setup.css"]);
	});

	test("shows no URL but a web address, whatever control says", () => {
		const stage = new Stage();
		stage.setup.change("needs-login", "");
		for (const bad of ["javascript:alert(1)", "", "file:///etc/passwd", "https://a b", " https://a"]) {
			stage.setup.login(bad);
			expect([bad, stage.facts["url"], stage.ask("/qr.svg")[0]]).toEqual([bad, null, 404]);
		}
	});
});

describe("a request", () => {
	test("under a name, or none, is refused: another site may have bound that to our address", () => {
		const stage = new Stage();
		stage.setup.change("needs-login", "");
		stage.setup.login(url);
		for (const host of ["evil.example", "newcomer", "newcomer.local", "192.0.2.7.evil.example", "localhost", "1.2.3", "", null])
			for (const path of ["/", "/state", "/qr.svg", "/nothing"]) {
				const [status, text] = stage.ask(path, { host });
				expect([host, path, status, text.includes(url)]).toEqual([host, path, 403, false]);
			}
		for (const host of ["192.0.2.7", "192.0.2.7:8080", "[fe80::1]", "[2001:db8::7]:8080"])
			expect([host, stage.ask("/state", { host })[0]]).toEqual([host, 200]);
		expect(isAddressHost("[evil.example]")).toBe(false);
	});

	test("can change nothing, and gets nothing but what there is", () => {
		const stage = new Stage();
		stage.setup.change("needs-login", "");
		for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) expect([method, stage.ask("/state", { method })[0]]).toEqual([method, 405]);
		expect(stage.ask("/state", { method: "HEAD" })).toEqual([200, ""]);
		for (const path of ["/setup.html", "/constructor", "/__proto__", "/../main", "//", "/state/", "/status.json"])
			expect([path, stage.ask(path)[0]]).toEqual([path, 404]);
	});
});
