/** The lab's control server keeps to the protocol, with the habits of the SaaS and of headscale: protocol/control.md §2-§6, §9, §12. */
import { describe, expect, test } from "../../harness.js";
import { keyPair } from "../../lab/bytes.js";
import { ControlServer, type ControlServerOptions } from "../../lab/control-server.js";
import { TestControlClient } from "./control-client.js";

const KEY = "tskey-auth-test";
const disco = (digit: string) => `discokey:${digit.repeat(64)}`;

class Bench {
	readonly server: ControlServer;
	readonly clients: TestControlClient[] = [];

	constructor(server: ControlServer) {
		this.server = server;
	}

	async client(machine = keyPair(), version = 131): Promise<TestControlClient> {
		const client = new TestControlClient(machine, version);
		this.clients.push(client);
		await client.connect(this.server.port, this.server.publicKey);
		return client;
	}

	/** Waits until the server has seen that many register requests. */
	async requests(count: number): Promise<void> {
		for (let i = 0; i < 400 && this.server.register.requests.length < count; i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
	}

	/** A client that is in. */
	async node(hostname: string): Promise<TestControlClient> {
		const client = await this.client();
		const answer = await client.register({ Auth: { AuthKey: KEY }, Hostinfo: { Hostname: hostname, OS: "linux" } });
		if (answer["Error"]) throw new Error(String(answer["Error"]));
		return client;
	}
}

async function withServer(options: ControlServerOptions, run: (bench: Bench) => Promise<void>): Promise<void> {
	const server = await ControlServer.start({ authKeys: { [KEY]: { reusable: true }, once: {}, old: { expiresAt: new Date(0) } }, ...options });
	const bench = new Bench(server);
	try {
		await run(bench);
	} finally {
		for (const client of bench.clients) client.close();
		await server.close();
	}
}

describe("lab: /key and the upgrade", () => {
	test("/key tells the Noise key; headscale wants a version and gives old ones nothing", async () => {
		await withServer({}, async ({ server }) => {
			const answer = (await (await fetch(`${server.url}/key?v=131`)).json()) as { publicKey: string };
			expect(answer.publicKey).toBe(server.publicKey);
			server.faults.wrongKey = true;
			expect(((await (await fetch(`${server.url}/key?v=131`)).json()) as { publicKey: string }).publicKey === server.publicKey).toBe(false);
			server.faults.keyStatus = 503;
			expect((await fetch(`${server.url}/key?v=131`)).status).toBe(503);
		});
		await withServer({ habits: "headscale" }, async ({ server }) => {
			expect((await fetch(`${server.url}/key`)).status).toBe(400);
			expect(await (await fetch(`${server.url}/key?v=38`)).text()).toBe("");
		});
	});

	test("the early payload comes, or does not", async () => {
		for (const earlyPayload of [true, false]) {
			await withServer({ earlyPayload }, async (bench) => {
				const client = await bench.node("one");
				expect(client.early.startsWith('{"nodeKeyChallenge":"chalpub:')).toBe(earlyPayload);
			});
		}
	});

	test("a wrong key, an old version on headscale, and the faults show as 101 and the end", async () => {
		await withServer({ habits: "headscale" }, async (bench) => {
			const wrong = new TestControlClient();
			expect(await wrong.connect(bench.server.port, `mkey:${Buffer.from(keyPair().publicKey).toString("hex")}`)).toContain("101");
			expect(wrong.closed).toBe(true);
			const old = new TestControlClient(keyPair(), 112);
			expect(await old.connect(bench.server.port, bench.server.publicKey)).toContain("101");
			expect(old.closed).toBe(true);
			bench.server.faults.upgradeStatus = 500;
			expect(await new TestControlClient().connect(bench.server.port, bench.server.publicKey)).toContain("500");
		});
	});
});

describe("lab: register", () => {
	test("auth keys: reusable, one-off, expired, unknown; a known node needs none", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.client();
			expect((await client.register({ Auth: { AuthKey: "no" } }))["Error"]).toBe("invalid pre auth key");
			expect((await client.register({ Auth: { AuthKey: "old" } }))["Error"]).toBe("authkey expired");
			expect((await client.register({ Auth: { AuthKey: "once" } }))["MachineAuthorized"]).toBe(true);
			expect((await client.register())["Error"]).toBe(undefined);
			const other = await bench.client();
			expect((await other.register({ Auth: { AuthKey: "once" } }))["Error"]).toBe("authkey already used");
			other.nodeKey = client.nodeKey;
			expect((await other.register())["Error"]).toBe("node exists with a different machine key");
			expect(bench.server.nodes.all.length).toBe(1);
		});
	});

	test("interactive login: the follow-up is held until somebody logs in; a replaced URL comes as a new one", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.client();
			const url = String((await client.register())["AuthURL"]);
			const held = client.register({ Followup: url });
			await bench.requests(2);
			const newURL = bench.server.register.replaceLogin(url);
			expect((await held)["AuthURL"]).toBe(newURL);
			const heldAgain = client.register({ Followup: newURL });
			await bench.requests(3);
			expect((await fetch(String(newURL), { method: "POST" })).status).toBe(200);
			const answer = await heldAgain;
			expect([answer["AuthURL"], answer["MachineAuthorized"]]).toEqual(["", true]);
		});
	});

	test("expiry: NodeKeyExpired, then a new key with OldNodeKey is the same node; logout expires it", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.node("one");
			const node = bench.server.node("one");
			if (!node) throw new Error("no node");
			bench.server.expire(node);
			expect((await client.register())["NodeKeyExpired"]).toBe(true);
			const oldKey = client.nodeText;
			client.nodeKey = keyPair();
			const answer = await client.register({ OldNodeKey: oldKey, Auth: { AuthKey: KEY } });
			expect([answer["NodeKeyExpired"], bench.server.nodes.all.length, `nodekey:${node.nodeKey}`]).toEqual([false, 1, client.nodeText]);
			expect((await client.register({ Expiry: "1970-01-01T00:02:03Z" }))["NodeKeyExpired"]).toBe(true);
			expect(node.expired).toBe(true);
		});
	});

	test("429 and 5xx on request", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.client();
			bench.server.answerNext("/machine/register", 429, { "retry-after": "7" }, "slow down");
			const answer = await client.post("/machine/register", {});
			expect([answer.status, answer.headers["retry-after"], answer.body.toString()]).toEqual([429, "7", "slow down"]);
			expect((await client.post("/machine/register", "{")).status).toBe(400);
		});
	});
});

describe("lab: map", () => {
	test("the first message is complete; ids above 2^53 are whole numbers in the text", async () => {
		await withServer({ derpMap: { Regions: { "1": { RegionID: 1 } } } }, async (bench) => {
			await bench.node("one");
			const client = await bench.node("two");
			const poll = client.poll();
			const message = await poll.with("Node");
			for (const member of ["Peers", "DERPMap", "DNSConfig", "PacketFilters", "UserProfiles", "Domain", "ControlTime"]) expect(member in message).toBe(true);
			expect(poll.texts[0]).toContain('"ID":9007199254740993,');
			expect((message["Node"] as { Addresses: string[] }).Addresses).toEqual(["100.64.0.2/32", "fd7a:115c:a1e0::2/128"]);
			expect((message["Peers"] as { Name: string }[])[0]?.Name).toBe("one.lab.ts.net.");
		});
	});

	test("SaaS habits: the poll's fields are ignored, a lite update counts and reaches the others as a patch", async () => {
		await withServer({}, async (bench) => {
			const one = await bench.node("one");
			const two = await bench.node("two");
			const poll = two.poll();
			await poll.with("Node");
			one.poll({ DiscoKey: disco("1"), Endpoints: ["192.0.2.1:1"] });
			expect(((await poll.with("PeersChangedPatch"))["PeersChangedPatch"] as { Online: boolean }[])[0]?.Online).toBe(true);
			expect(bench.server.node("one")?.discoKey).toBe("");
			const answer = await one.update({ DiscoKey: disco("1"), Endpoints: ["192.0.2.1:1"], Hostinfo: { Hostname: "one", NetInfo: { PreferredDERP: 7 } } });
			expect([answer.status, answer.body.length]).toEqual([200, 0]);
			const peer = ((await poll.with("PeersChanged"))["PeersChanged"] as Record<string, unknown>[])[0];
			expect([peer?.["DiscoKey"], peer?.["HomeDERP"], peer?.["Endpoints"]]).toEqual([disco("1"), 7, ["192.0.2.1:1"]]);
			await one.update({ DiscoKey: disco("2"), Endpoints: ["192.0.2.1:1"] });
			expect((await poll.with("PeersChangedPatch"))["PeersChangedPatch"]).toEqual([{ NodeID: 2 ** 53, DiscoKey: disco("2") }]);
		});
	});

	test("headscale habits: the poll's fields apply, what is missing is wiped; whole filters; the receiver's version in every peer", async () => {
		await withServer({ habits: "headscale", filter: () => [] }, async (bench) => {
			const one = await bench.node("one");
			const poll = one.poll({ DiscoKey: disco("1"), Hostinfo: { Hostname: "one", NetInfo: { PreferredDERP: 7 } }, Endpoints: ["192.0.2.1:1"] });
			const message = await poll.with("Node");
			expect([message["PacketFilters"], message["Debug"]]).toEqual([{ base: null }, { DisableLogTail: true }]);
			const node = bench.server.node("one");
			expect([node?.discoKey, node?.homeDERP]).toEqual(["1".repeat(64), 7]);
			const again = one.poll();
			await again.with("Node");
			await poll.end();
			expect([node?.discoKey, node?.homeDERP, node?.endpoints]).toEqual(["", 7, ["192.0.2.1:1"]]);
			expect((await one.post("/machine/map", { Version: 131, NodeKey: one.nodeText, ReadOnly: true })).body.length).toBe(0);
			expect((await one.post("/machine/map", { Version: 112, NodeKey: one.nodeText, Stream: true })).status).toBe(400);
		});
	});

	test("removal: others get the id, its stream ends, later requests get 404; expiry and policy are told", async () => {
		await withServer({}, async (bench) => {
			const one = await bench.node("one");
			const two = await bench.node("two");
			const [first, second] = [one.poll(), two.poll()];
			await first.with("Peers");
			await second.with("Peers");
			const node = bench.server.node("one");
			if (!node) throw new Error("no node");
			bench.server.setFilter(() => []);
			expect((await second.with("PacketFilters"))["PacketFilters"]).toEqual({ base: [] });
			bench.server.expire(node);
			const changed = (await second.with("PeersChanged"))["PeersChanged"] as { Expired: boolean }[];
			expect(changed[0]?.Expired).toBe(true);
			bench.server.remove(node);
			expect((await second.with("PeersRemoved"))["PeersRemoved"]).toEqual([2 ** 53]);
			await first.end();
			expect((await one.post("/machine/map", { Version: 131, NodeKey: one.nodeText, Stream: true })).status).toBe(404);
		});
	});

	test("5,000 fake peers come in one message", async () => {
		await withServer({}, async (bench) => {
			bench.server.addFakePeers(5000, 1);
			const poll = (await bench.node("one")).poll();
			const peers = (await poll.with("Peers"))["Peers"] as { Addresses: string[] }[];
			expect(peers.length).toBe(5000);
			expect(new Set(peers.map((peer) => peer.Addresses[0])).size).toBe(5000);
			bench.server.addFakePeers(100);
			expect(((await poll.with("PeersChanged"))["PeersChanged"] as unknown[]).length).toBe(100);
		});
	});

	test("approval: a device that waits sees nobody, then everything", async () => {
		await withServer({ needsApproval: true }, async (bench) => {
			await bench.node("one");
			const poll = (await bench.node("two")).poll();
			const first = await poll.with("Node");
			expect([(first["Node"] as { MachineAuthorized: boolean }).MachineAuthorized, first["Peers"]]).toEqual([false, []]);
			for (const node of bench.server.nodes.all) bench.server.approve(node);
			expect(((await poll.with("Peers"))["Peers"] as unknown[]).length).toBe(1);
		});
	});
});

describe("lab: callbacks and faults", () => {
	test("c2n, ping and HEAD requests reach the node and their answers come back", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.node("one");
			const poll = client.poll();
			await poll.with("Node");
			const node = bench.server.node("one");
			if (!node) throw new Error("no node");
			const echo = bench.server.c2n(node, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
			const request = (await poll.with("PingRequest"))["PingRequest"] as { URL: string; Payload: string };
			expect(Buffer.from(request.Payload, "base64").toString()).toContain("POST /echo");
			await client.post(new URL(request.URL).pathname, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
			expect(await echo).toEqual({ status: 200, headers: "HTTP/1.1 200 OK\r\nContent-Length: 2", body: "hi" });
			const ping = bench.server.ping(node, "disco", "100.64.0.2");
			const asked = (await poll.with("PingRequest"))["PingRequest"] as { URL: string };
			await client.post(new URL(asked.URL).pathname, { Type: "disco" });
			expect(await ping).toEqual({ Type: "disco" });
			const head = bench.server.headPing(node, false);
			await fetch(((await poll.with("PingRequest"))["PingRequest"] as { URL: string }).URL, { method: "HEAD" });
			await head;
		});
	});

	test("keep-alives, one-byte pieces, reset, end, goaway, corrupt records, garbage and cuts", async () => {
		await withServer({}, async (bench) => {
			bench.server.faults.stream = { pieceBytes: 1 };
			bench.server.maps.keepAliveMS = 20;
			const client = await bench.node("one");
			const node = bench.server.node("one");
			if (!node) throw new Error("no node");
			const poll = client.poll();
			await poll.with("KeepAlive");
			bench.server.maps.end(node, "reset");
			await poll.end();
			const ended = client.poll();
			await ended.with("Node");
			bench.server.maps.end(node, "end");
			await ended.end();
			bench.server.sessionsOf(node)[0]?.goaway();
			delete bench.server.faults.stream;
			for (const harm of ["corrupt", "garbage", "close"] as const) {
				const next = await bench.client(client.machine);
				next.nodeKey = client.nodeKey;
				const open = next.poll();
				await open.with("Node");
				[...bench.server.sessions].at(-1)?.[harm]();
				await open.end();
				expect(next.closed).toBe(true);
			}
			bench.server.cut();
			expect(bench.server.counters.upgrades).toBe(4);
		});
	});

	test("a stalled session sends nothing until it is let go", async () => {
		await withServer({}, async (bench) => {
			const client = await bench.node("one");
			const session = [...bench.server.sessions][0];
			if (!session) throw new Error("no session");
			session.writer.faults.stalled = true;
			const poll = client.poll();
			await new Promise((resolve) => setTimeout(resolve, 50));
			expect(poll.texts.length).toBe(0);
			session.writer.faults.stalled = false;
			session.writer.flush();
			await poll.with("Node");
		});
	});
});
