/** What an app learns of its peers and of who asks it, from nodes on the lab. */
import { describe, expect, test } from "../../harness.js";
import { ALLOW_ALL } from "../../lab/control-map.js";
import { pair, stage, until } from "./stage.js";

const door = "example.com/cap/door";
/** Everybody may connect; the node with this address may open the door, whatever values the policy gives with it. */
const doorFor = (source: string) => [
	...ALLOW_ALL,
	{ SrcIPs: [source], CapGrant: [{ Dsts: ["100.64.0.0/10", "fd7a:115c:a1e0::/48"], CapMap: { [door]: [{ floor: 3 }] } }] },
];

describe("whois", () => {
	test("names the peer behind its own address, of either family, and nobody behind others", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			for (const address of [b.v4, b.v6]) {
				const identity = a.tailnet.whois(address);
				expect([address, identity?.peer.name, identity?.user, identity?.capabilities]).toEqual([address, "beta.lab.ts.net", "1001", []]);
			}
			expect([a.v4, "100.64.9.9", "192.168.1.1", "nonsense", ""].map((address) => a.tailnet.whois(address))).toEqual(new Array(5).fill(undefined));
		});
	});

	test("a user is named by login only where the app keeps logins, and a machine with tags is nobody's", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = [start("alpha", { logins: true }), start("beta", { logins: false })];
			await Promise.all([a.running(), b.running()]);
			await Promise.all([a.sees(b), b.sees(a)]);
			expect(a.tailnet.whois(b.v4)?.login).toMatch(/@/);
			expect([b.tailnet.whois(a.v4)?.user, b.tailnet.whois(a.v4)?.login]).toEqual(["1001", undefined]);
		});
	});

	test("a capability is granted to whom the policy names, from the message on that says so until the one that does not, and only where the app keeps grants", async () => {
		await stage({}, async (lab, start) => {
			const a = start("alpha", { grants: true });
			const [b, c] = [start("beta"), start("gamma", { grants: false })];
			await Promise.all([a.running(), b.running(), c.running()]);
			await Promise.all([a.sees(b), a.sees(c), c.sees(b)]);
			lab.control.setFilter(() => doorFor(b.v4));
			await until("the grant", () => (a.tailnet.whois(b.v4)?.capabilities.length ?? 0) > 0);
			expect(a.tailnet.whois(b.v4)?.capabilities).toEqual([door]);
			expect([a.tailnet.whois(b.v6)?.capabilities, a.tailnet.whois(c.v4)?.capabilities]).toEqual([[], []]);
			expect(c.tailnet.whois(b.v4)?.capabilities).toEqual([]);
			lab.control.setFilter(() => doorFor("100.64.9.9"));
			await until("its end", () => a.tailnet.whois(b.v4)?.capabilities.length === 0);
		});
	});
});

describe("peers that are talked to", () => {
	test("are told apart from those of the map, with bytes, age of the handshake and path; relays with their latency", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			expect([[...a.tailnet.activePeers], a.tailnet.peerCount]).toEqual([[], 1]);
			b.echo(7);
			await a.roundTrip(b.v4, 7, new Uint8Array(50_000));
			await until("its bytes", () => ([...a.tailnet.activePeers][0]?.bytesReceived ?? 0) > 50_000);
			const [peer, ...others] = [...a.tailnet.activePeers];
			expect([peer?.name, others.length]).toEqual(["beta.lab.ts.net", 0]);
			expect(peer?.bytesSent).toBeGreaterThan(50_000);
			expect(peer?.sinceHandshakeMS).toBeLessThan(20_000);
			await a.tailnet.netcheck();
			expect(a.tailnet.lastNetcheck?.udp).toBe(true);
			expect(a.tailnet.relays).toEqual([{ region: 901, code: "lab901", latencyMS: expect.any(Number) }]);
			a.tailnet.close();
			expect([...a.tailnet.activePeers]).toEqual([]);
		});
	});
});
