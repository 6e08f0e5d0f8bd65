/** The life of one node with the real native core, on the lab: login, restart, expiry, deletion, refusal, faults of control, the end. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "../../harness.js";
import type { LabNode } from "../../lab/control-nodes.js";
import { pair, stage, until } from "./stage.js";

let store = "";
beforeEach(() => {
	if (store) rmSync(store, { recursive: true, force: true });
	store = mkdtempSync(join(tmpdir(), "tailnet-life-"));
});

const registrations = (lab: { control: { register: { requests: unknown[] } } }): number => lab.control.register.requests.length;

describe("login", () => {
	test("with an auth key: keys, addresses and name are those at control, the peer hears of it", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await pair(start);
			expect([a.tailnet.name, a.v4, a.v6]).toEqual(["alpha.lab.ts.net", a.atControl.v4, a.atControl.v6]);
			expect([a.logins, a.errors, a.states.at(-1)]).toEqual([[], [], "running"]);
			expect(b.peers.some((change) => change.added.includes(a.atControl.id))).toBe(true);
			expect([registrations(lab), lab.control.maps.isPolling(a.atControl)]).toEqual([2, true]);
		});
	});

	test("routes are offered to control with their host bits cleared", async () => {
		await stage({}, async (lab, start) => {
			await start("alpha", { advertiseRoutes: ["10.1.2.3/8", "fd00:1::5/64", "0.0.0.0/0"] }).running();
			const [request] = lab.control.register.requests as { Hostinfo?: { RoutableIPs?: string[] } }[];
			expect(request?.Hostinfo?.RoutableIPs).toEqual(["10.0.0.0/8", "fd00:1::/64", "0.0.0.0/0"]);
		});
	});

	test("without a key a person logs in by the URL", async () => {
		await stage({}, async (lab, start) => {
			const a = start("alpha", { authKey: "" });
			await until("a URL", () => a.logins.length > 0);
			expect([a.tailnet.state, a.tailnet.addresses]).toEqual(["needs-login", []]);
			expect(a.logins[0]?.startsWith(`${lab.controlURL}/a/`)).toBe(true);
			lab.control.register.approveLogin(a.logins[0] as string);
			await a.running();
			expect(a.errors).toEqual([]);
		});
	});

	test("a wrong auth key is told once, as auth-key, and not tried again and again", async () => {
		await stage({}, async (lab, start) => {
			const a = start("alpha", { authKey: "tskey-auth-wrong" });
			await until("an error", () => a.errors.length > 0);
			const asked = registrations(lab);
			await new Promise((resolve) => setTimeout(resolve, 600));
			expect(a.errors.map((error) => error.code)).toEqual(["auth-key"]);
			expect(a.errors[0]?.message).toContain("invalid pre auth key");
			expect(a.errors[0]?.message).not.toContain("tskey");
			expect([asked, registrations(lab) - asked]).toEqual([2, 0]); // with it, and once without: this node might be registered already
			expect([a.tailnet.state, a.tailnet.health.map((condition) => condition.id)]).toEqual(["needs-login", ["refused"]]);
		});
	});

	test("a machine that waits for approval says so, and runs once it is approved", async () => {
		await stage({ control: { needsApproval: true, authKeys: { once: { reusable: true } } } }, async (lab, start) => {
			const a = start("alpha", { authKey: "once" });
			await until("the question", () => a.tailnet.state === "needs-approval");
			lab.control.approve(a.atControl);
			await a.running();
		});
	});
});

describe("restart", () => {
	test("[control 11] with the same store: the same node key and addresses, without the auth key, and traffic again", async () => {
		await stage({}, async (lab, start) => {
			const b = start("beta");
			const first = start("alpha", { store });
			await Promise.all([b.running(), first.running()]);
			await b.sees(first);
			await first.sees(b);
			await first.tailnet.ping("beta", { kind: "tsmp" });
			const { nodeKey, machineKey, discoKey, id } = first.atControl;
			const addresses = first.tailnet.addresses;
			first.tailnet.close();
			const second = start("alpha", { store, authKey: "" });
			await second.running();
			expect(second.tailnet.addresses).toEqual(addresses);
			expect([second.atControl.nodeKey, second.atControl.machineKey, second.atControl.id]).toEqual([nodeKey, machineKey, id]);
			expect([second.logins, second.errors]).toEqual([[], []]);
			await until("the new disco key at control", () => second.atControl.discoKey !== discoKey && second.atControl.discoKey !== "");
			b.echo(7);
			await second.roundTrip(b.v4, 7, new Uint8Array(1000));
			expect(lab.control.nodes.all.length).toBe(2);
		});
	});

	test("[relay 26] after a restart the node has another disco key and control has it; the peer's pings with it are answered, and traffic goes both ways meanwhile", async () => {
		await stage({}, async (lab, start) => {
			const b = start("beta");
			const first = start("alpha", { store });
			await Promise.all([b.running(), first.running()]);
			await b.sees(first);
			await first.sees(b);
			await b.tailnet.ping("alpha");
			const { discoKey, v4 } = first.atControl;
			first.tailnet.close();
			const second = start("alpha", { store });
			second.echo(7);
			b.echo(7);
			await second.running();
			// It speaks first: its session is older than the peer's knowledge of the new key.
			await second.roundTrip(b.v4, 7, new Uint8Array(50_000).fill(1));
			await b.roundTrip(v4, 7, new Uint8Array(50_000).fill(2));
			expect(second.atControl.discoKey).not.toBe(discoKey);
			const answer = await b.tailnet.ping("alpha", { kind: "disco" });
			expect(answer.latencyMS).toBeLessThan(1000);
			await b.roundTrip(v4, 7, new Uint8Array(50_000).fill(3));
			await second.roundTrip(b.v6, 7, new Uint8Array(50_000).fill(4));
			expect([b.errors, second.errors]).toEqual([[], []]);
			expect(lab.control.nodes.all.length).toBe(2);
		});
	});

	test("the UDP port of the last run is bound again", async () => {
		await stage({}, async (_lab, start) => {
			const first = await start("alpha", { store }).running();
			await until("endpoints", () => first.atControl.endpoints.length > 0);
			const before = [...first.atControl.endpoints].sort();
			first.tailnet.close();
			const second = await start("alpha", { store }).running();
			await until("endpoints", () => second.atControl.endpoints.length > 0);
			expect([...second.atControl.endpoints].sort()).toEqual(before);
		});
	});
});

describe("the node key", () => {
	const keyOf = (node: LabNode): string => node.nodeKey;

	test("expires: with an auth key another one takes its place, the node stays the same, traffic goes on", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await pair(start);
			b.echo(7);
			await a.roundTrip(b.v4, 7, new Uint8Array(1000));
			const { id, v4 } = a.atControl;
			const before = keyOf(a.atControl);
			lab.control.expire(a.atControl);
			await until("another key", () => keyOf(a.atControl) !== before);
			await a.running();
			expect([a.atControl.id, a.atControl.v4, a.tailnet.addresses[0]]).toEqual([id, v4, v4]);
			await b.sees(a);
			await a.roundTrip(b.v4, 7, new Uint8Array(1000));
			expect(lab.control.nodes.all.length).toBe(2);
		});
	});

	test("expires without an auth key: the state says key-expired or needs-login, with a URL; after the login the same node runs on", async () => {
		await stage({}, async (lab, start) => {
			const a = start("alpha", { authKey: "" });
			await until("a URL", () => a.logins.length > 0);
			lab.control.register.approveLogin(a.logins[0] as string);
			await a.running();
			const { id, nodeKey } = a.atControl;
			lab.control.expire(a.atControl);
			await until("another URL", () => a.logins.length > 1);
			expect(["key-expired", "needs-login"]).toContain(a.tailnet.state);
			expect(a.states).not.toContain("degraded");
			lab.control.register.approveLogin(a.logins.at(-1) as string);
			await a.running();
			expect(a.atControl.id).toBe(id);
			expect(a.atControl.nodeKey).not.toBe(nodeKey);
		});
	});

	test("that expired is replaced everywhere also where the state cannot be written, which is told", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = [start("alpha", { store }), start("beta")];
			await Promise.all([a.running(), b.running()]);
			await Promise.all([a.sees(b), b.sees(a)]);
			b.echo(7);
			const before = keyOf(a.atControl);
			rmSync(join(store, "registered"));
			mkdirSync(join(store, "registered"));
			lab.control.expire(a.atControl);
			await until("another key", () => keyOf(a.atControl) !== before);
			await until("the error", () => a.errors.some((error) => error.code === "store"));
			await a.running();
			await b.sees(a);
			await a.roundTrip(b.v4, 7, new Uint8Array(1000));
			await expect(a.tailnet.logout()).rejects.toThrow("the state cannot be");
		});
	});

	test("is not given up because the machine's clock is years ahead: control says what time it is", async () => {
		const { now } = Date;
		Date.now = () => now() + (new Error().stack?.includes("wallClockMS") ? 10 * 365 * 86_400_000 : 0);
		try {
			await stage({}, async (lab, start) => {
				const a = await start("alpha").running();
				const { nodeKey } = a.atControl;
				a.atControl.keyExpiry = new Date(now() + 180 * 86_400_000);
				lab.control.announce(a.atControl);
				await until("the expiry in the map", () => a.tailnet.keyExpiry !== undefined);
				await new Promise((resolve) => setTimeout(resolve, 300));
				expect([a.atControl.nodeKey, a.tailnet.state, a.tailnet.health.map((condition) => condition.id)]).toEqual([nodeKey, "running", []]);
				expect(registrations(lab)).toBe(1);
			});
		} finally {
			Date.now = now;
		}
	});

	test("[control 16] of a node that was deleted: 404 leads back to registration, with a new identity at control", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			const before = a.atControl;
			lab.control.remove(before);
			await until("another node", () => lab.control.nodes.all.some((node) => node.id !== before.id && lab.control.maps.isPolling(node)));
			await a.running();
			expect(a.atControl.id).not.toBe(before.id);
		});
	});

	test("[control 15] is given up by logout: control expires it, the state is stopped, the next start is a new login", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha", { store }).running();
			const { nodeKey, id } = a.atControl;
			const atControl = a.atControl;
			await a.tailnet.logout();
			expect([a.tailnet.state, atControl.expired, atControl.nodeKey]).toEqual(["stopped", true, nodeKey]);
			const again = start("alpha", { store, authKey: "" });
			await until("a URL", () => again.logins.length > 0);
			lab.control.register.approveLogin(again.logins[0] as string);
			await again.running();
			expect(again.atControl.nodeKey).not.toBe(nodeKey);
			expect(lab.control.nodes.all.filter((node) => node.id === id).length).toBe(1);
		});
	});

	test("of an ephemeral node is given up by logout as well: control removes it at once", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha", { ephemeral: true }).running();
			await a.tailnet.logout();
			expect([lab.control.nodes.all.length, a.errors]).toEqual([0, []]);
		});
	});
});
