/** The status page of the command, asked for by another node over the lab's tailnet. */
import { type IncomingMessage, request } from "node:http";
import { serveStatus } from "../../../hosts/node/cli/status-server.js";
import { TailnetStream } from "../../../hosts/node/stream.js";
import { describe, expect, test } from "../../harness.js";
import { ALLOW_ALL } from "../../lab/control-map.js";
import { pair, type StageNode, stage, until } from "./stage.js";

const capability = "example.com/cap/status";

interface Got {
	status: number | undefined;
	text: string;
	response: IncomingMessage;
}

/** @returns the answer with what has come of its body; "end" waits for all of it */
function get(from: StageNode, to: StageNode, path: string, options: { method?: string; headers?: Record<string, string>; end?: boolean } = {}): Promise<Got> {
	const { method = "GET", headers = {}, end = true } = options;
	return new Promise((resolve, reject) => {
		const stream = new TailnetStream(from.tailnet.TCP, { address: to.v4, port: 80 });
		const asked = request({ createConnection: () => stream, path, method, headers: { host: to.tailnet.name, ...headers } }, (response) => {
			const got: Got = { status: response.statusCode, text: "", response };
			response.on("data", (part) => (got.text += part));
			response.on("error", () => {});
			if (end) response.on("end", () => resolve(got));
			else resolve(got);
		});
		asked.on("error", reject);
		asked.end();
	});
}

describe("status page of the command", () => {
	test("names who looks, shows the path to them and lives: bytes grow from one event to the next; a viewer who leaves frees their place", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			serveStatus(b.tailnet, { viewers: 1 });
			const { text } = await get(a, b, "/status.json");
			const facts = JSON.parse(text);
			expect([facts.viewer.name, facts.viewer.address, facts.viewer.mayAct]).toEqual(["alpha.lab.ts.net", a.v4, false]);
			expect([facts.node.name, facts.node.state, facts.peers[0].name]).toEqual(["beta.lab.ts.net", "running", "alpha.lab.ts.net"]);
			const live = await get(a, b, "/events", { end: false });
			const events = () => [...live.text.matchAll(/^event: status\ndata: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data as string));
			await until("three events", () => events().length >= 3);
			const [first, , third] = events();
			expect(third.peers[0].bytesSent).toBeGreaterThan(first.peers[0].bytesSent);
			live.response.destroy();
			let again: Got | undefined;
			for (let i = 0; i < 100 && again?.status !== 200; i += 1) again = await get(a, b, "/events", { end: false });
			expect(again?.status).toBe(200);
			again?.response.destroy();
		});
	});

	test("does what the policy lets a viewer do, by the token that the page has", async () => {
		await stage({}, async (lab, start) => {
			const a = start("alpha");
			const b = start("beta", { grants: true });
			await Promise.all([a.running(), b.running()]);
			await Promise.all([a.sees(b), b.sees(a)]);
			let isOut = false;
			serveStatus(b.tailnet, { capability, logout: () => (isOut = true) });
			const origin = `http://${b.tailnet.name}`;
			const act = (action: string, token: string) => get(a, b, action, { method: "POST", headers: { origin, "x-status-token": token } });
			expect([(await act("/logout", "")).status, (await act("/rebind", "")).status]).toEqual([403, 403]);
			lab.control.setFilter(() => [...ALLOW_ALL, { SrcIPs: [a.v4], CapGrant: [{ Dsts: ["100.64.0.0/10"], CapMap: { [capability]: null } }] }]);
			await until("the grant", () => b.tailnet.whois(a.v4)?.capabilities.includes(capability));
			const { token } = JSON.parse((await get(a, b, "/status.json")).text).viewer;
			expect([(await act("/rebind", "0".repeat(32))).status, (await act("/rebind", token)).status]).toEqual([403, 202]);
			expect([(await act("/logout", token)).status]).toEqual([202]);
			await until("the logout", () => isOut);
		});
	});
});
