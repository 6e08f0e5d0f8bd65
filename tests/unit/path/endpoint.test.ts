/** The path machine of one peer: the sentences of protocol/paths.md §10.3 and the traces of §5.14. */
import { CANDIDATES_MAX } from "../../../modules/path/candidates.js";
import { describe, expect, Random, test } from "../../harness.js";
import { Machine, x, y } from "./machine.js";

const a = "203.0.113.1:41641";
const b = "203.0.113.2:41641";

describe("path machine", () => {
	test("[paths 17] first packet to a peer with candidates: a ping to each, one CallMeMaybe, DERP for the packet, heartbeat in 3 s", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(1_000);
		expect(machine.take()).toEqual(["ping x", "ping y", "CMM"]);
		expect(machine.endpoint.best).toBe("");
		expect(machine.endpoint.deadline).toBe(4_000);
	});

	test("[paths 18] trusted: UDP alone; 6.5 s after the last pong both ways; after the ping timeout DERP alone", () => {
		const machine = new Machine([x]);
		machine.endpoint.sent(0);
		machine.pong(x, 20);
		machine.run(6_520);
		expect(machine.endpoint.state(6_520)).toBe("T");
		expect(machine.endpoint.state(6_521)).toBe("U");
		machine.run(8_000);
		expect(machine.endpoint.state(8_000)).toBe("N");
	});

	test("[paths 19] only a pong extends trust: packets sent, pings received and CallMeMaybes reach U", () => {
		const machine = new Machine([x]);
		machine.endpoint.sent(0);
		machine.pong(x, 20);
		for (let at = 100; at <= 6_600; at += 100) {
			machine.endpoint.sent(at);
			machine.endpoint.ping(x, `t${at}`, at);
			if (at % 1_000 === 0) machine.endpoint.callMeMaybe([x], at);
		}
		expect(machine.endpoint.state(6_600)).toBe("U");
	});

	test("[paths 20] heartbeats stop 45 s after the last send, whatever comes in", () => {
		const machine = new Machine([x]);
		machine.endpoint.sent(0);
		machine.pong(x, 20);
		let last = 0;
		for (let at = 0; at <= 120_000; at += 500) {
			machine.endpoint.tick(at);
			if (machine.take().includes("ping x")) last = at;
			machine.pong(x, at + 20);
			machine.endpoint.ping(x, `t${at}`, at + 30);
		}
		expect(last).toBe(45_000);
		expect(machine.endpoint.isIdle).toBe(true);
	});

	test("[paths 22, relay 20] a pong proves the pinged address, wherever it came from", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(0);
		// The machine is not even told where the pong came from.
		machine.pong(x, 20);
		expect(machine.endpoint.best).toBe(x);
	});

	test("[paths 23] a flood of pings from ever other addresses leaves at most 24 candidates, never without best", () => {
		const machine = new Machine([x]);
		machine.endpoint.sent(0);
		machine.pong(x, 20);
		for (let i = 0; i < 1_000; i += 1) machine.endpoint.ping(`203.0.113.7:${1_000 + i}`, `t${i}`, 30 + i);
		expect(machine.endpoint.candidates.size).toBe(CANDIDATES_MAX);
		expect(machine.endpoint.candidates.has(x)).toBe(true);
		expect(machine.endpoint.best).toBe(x);
	});

	test("[paths 29, relay 23] a CallMeMaybe that omits an address deletes it, even if it is best or in the netmap; the next netmap list brings it back", () => {
		const machine = new Machine([x]);
		machine.endpoint.callMeMaybe([x, a], 0);
		machine.pong(a, 10);
		expect(machine.endpoint.best).toBe(a);
		machine.endpoint.callMeMaybe([y], 100);
		expect(machine.endpoint.best).toBe("");
		expect([...machine.endpoint.candidates].map(([address]) => address)).toEqual([y]);
		machine.endpoint.setEndpoints([x], 200);
		expect(machine.endpoint.candidates.has(x)).toBe(true);
		expect(machine.endpoint.candidates.has(y)).toBe(true);
	});

	test("[relay 24] an empty CallMeMaybe removes what earlier ones named", () => {
		const machine = new Machine([x]);
		machine.endpoint.callMeMaybe([a, b], 0);
		machine.endpoint.callMeMaybe([], 10);
		expect([...machine.endpoint.candidates].map(([address]) => address)).toEqual([x]);
	});

	test("[relay 22] IPv6 link-local addresses, port 0, unspecified, multicast and the DERP address never become candidates", () => {
		const machine = new Machine([]);
		const bad = ["[fe80::1]:1", "198.51.100.1:0", "0.0.0.0:1", "[::]:1", "224.0.0.1:1", "[ff02::1]:1", "255.255.255.255:1", "127.3.3.40:1"];
		machine.endpoint.callMeMaybe([...bad, a], 0);
		expect(machine.take()).toEqual([`ping ${a}`]);
		machine.endpoint.setEndpoints(["127.3.3.40:1", "nonsense", "198.51.100.1:0"], 1);
		machine.endpoint.ping("127.3.3.40:2", "t", 2);
		expect(machine.endpoint.candidates.size).toBe(1);
	});

	test("[paths 31] a learned candidate goes 45 s after the last ping from it; one of the netmap stays", () => {
		const machine = new Machine([x]);
		machine.endpoint.ping(a, "t1", 0);
		machine.endpoint.ping(a, "t2", 20_000);
		machine.endpoint.sent(65_000);
		expect(machine.take()).toContain(`ping ${a}`);
		machine.endpoint.sent(70_001);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
		expect(machine.endpoint.candidates.has(a)).toBe(false);
		machine.endpoint.sent(500_000);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
	});

	test("a learned candidate that the netmap lists by then stays, and so does a path that proves itself", () => {
		const machine = new Machine([]);
		machine.endpoint.ping(a, "t1", 0);
		machine.endpoint.setEndpoints([a], 1_000);
		machine.endpoint.sent(60_000);
		expect(machine.take()).toEqual([`ping ${a}`, "CMM"]);

		const silent = new Machine([]);
		silent.endpoint.ping(a, "t1", 0);
		for (let at = 0; at < 200_000; at += 1_000) {
			silent.endpoint.sent(at);
			if (silent.take().includes(`ping ${a}`)) silent.pong(a, at + 100);
			expect(silent.endpoint.best).toBe(a);
		}
	});

	test("[paths 32] direct in 20 ms: one search for better in 60 s; in 4 ms: none", () => {
		for (const [latency, rounds] of [
			[20, 3],
			[4, 0],
		] as const) {
			const machine = new Machine([x, y]);
			let searches = 0;
			machine.endpoint.sent(0);
			machine.pong(x, latency);
			machine.take();
			for (let at = 1_000; at <= 200_000; at += 1_000) {
				machine.endpoint.sent(at);
				machine.endpoint.tick(at);
				const log = machine.take();
				if (log.includes("CMM")) searches += 1;
				if (log.includes("ping x")) machine.pong(x, at + latency);
			}
			expect(searches).toBe(rounds);
		}
	});

	test("a question pings DERP and every candidate without trust, best alone with it; the first pong answers, the others still make paths", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.ask(5, 0);
		expect(machine.take()).toEqual(["ping DERP 1", "ping x", "ping y"]);
		machine.pong("DERP", 60, true);
		expect(machine.take()).toEqual(["answer 5 60 DERP 1"]);
		machine.pong(y, 70);
		expect(machine.take()).toEqual(["path y"]);
		expect(machine.endpoint.deadline).toBe(3_000);
		machine.endpoint.ask(6, 100);
		expect(machine.take()).toEqual(["ping y"]);
		machine.endpoint.forget(6);
		machine.pong(y, 120);
		expect(machine.take()).toEqual(["path y"]);
	});

	test("at most 96 pings wait for their pong, however often is asked and called; a heartbeat is never refused", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(0);
		machine.pong(x, 20);
		machine.take();
		machine.endpoint.connectivityChanged(30);
		for (let i = 0; i < 200; i += 1) {
			machine.endpoint.ask(i + 1, 100 + i);
			machine.endpoint.callMeMaybe([x, y], 100 + i);
		}
		expect(machine.take().filter((line) => line.startsWith("ping")).length).toBe(96 - 1);
		machine.pong(x, 301);
		machine.take();
		machine.endpoint.ask(999, 302);
		machine.endpoint.tick(3_000);
		expect(machine.take().filter((line) => line === "ping x").length).toBeGreaterThan(0);
	});

	test("another network: a peer that we talk to is pinged and called at once, one that we have not sent to for 45 s is not", () => {
		for (const [lastSent, expected] of [
			[1_000, ["path none", "ping x", "ping y", "CMM"]],
			[-45_001, ["path none"]],
		] as const) {
			const machine = new Machine([x, y]);
			machine.endpoint.sent(lastSent);
			machine.pong(x, lastSent + 20);
			machine.take();
			machine.endpoint.connectivityChanged(lastSent === 1_000 ? 2_000 : 0);
			expect([lastSent, machine.take()]).toEqual([lastSent, expected]);
		}
	});

	test("after a reset nothing of ours is under way, so that no ping is pinged back", () => {
		const machine = new Machine([x], 1, true);
		machine.endpoint.sent(0);
		machine.endpoint.reset();
		machine.take();
		expect(machine.endpoint.ping(a, "t", 10)).toBe(true);
		expect(machine.take()).toEqual([]);
	});

	test("ping back: a ping from an address that never answered is answered by one of ours while we have traffic, once in 5 s", () => {
		const machine = new Machine([x], 1, true);
		machine.endpoint.ping(a, "t0", 0);
		expect(machine.take()).toEqual([]);
		machine.endpoint.sent(10);
		machine.take();
		machine.endpoint.ping(a, "t1", 60);
		expect(machine.take()).toEqual([`ping ${a}`]);
		machine.endpoint.ping(a, "t2", 4_000);
		expect(machine.take()).not.toContain(`ping ${a}`);
		machine.pong(a, 4_010);
		machine.take();
		machine.endpoint.ping(a, "t3", 5_100);
		expect(machine.take()).toEqual([]);
	});
});

describe("path machine, traces of §5.14", () => {
	test("silent death", () => {
		const machine = new Machine([x, y]);
		const { endpoint } = machine;
		// y was pinged long ago, with the last search; a question's ping leaves no trace, and its pong comes at 0.
		endpoint.callMeMaybe([x, y], -10_000);
		endpoint.ask(9, 0);
		machine.pong(x, 0);
		machine.take();
		expect(endpoint.trustUntil).toBe(6_500);
		endpoint.tick(3_000);
		expect(machine.take()).toEqual(["ping x"]);
		endpoint.tick(6_000);
		expect(machine.take()).toEqual(["ping x"]);
		expect(endpoint.state(6_000)).toBe("T");
		endpoint.sent(6_500);
		expect(machine.take()).toEqual([]);
		endpoint.sent(6_501);
		expect(machine.take()).toEqual(["ping y", "CMM"]);
		expect(endpoint.state(6_501)).toBe("U");
		machine.run(7_999);
		expect(endpoint.state(7_999)).toBe("U");
		endpoint.tick(8_000);
		expect(machine.take()).toEqual(["path none"]);
		endpoint.sent(8_001);
		expect(machine.take()).toEqual([]);
		endpoint.tick(9_000);
		expect(machine.take()).toEqual([]);
		expect(endpoint.deadline).toBe(11_000);
		endpoint.tick(11_000);
		endpoint.sent(11_000);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
		endpoint.tick(11_501);
		endpoint.sent(11_501);
		expect(machine.take()).toEqual(["ping y", "CMM"]);
		endpoint.tick(12_000);
		expect(machine.take()).toEqual([]);
	});

	test("connect, easy and easy NAT, the CallMeMaybe overtakes the first packet", () => {
		const A = new Machine([b]);
		const B = new Machine([a]);
		A.endpoint.sent(0);
		expect(A.take()).toEqual([`ping ${b}`, "CMM"]);
		B.endpoint.callMeMaybe([a], 40);
		expect(B.take()).toEqual([`ping ${a}`]);
		B.endpoint.sent(40);
		expect(B.take()).toEqual([]);
		expect(B.endpoint.deadline).toBe(3_040);
		expect(A.endpoint.ping(b, "from b", 60)).toBe(true);
		expect(A.take()).toEqual([]);
		B.pong(a, 80);
		expect(B.take()).toEqual([`path ${a}`]);
		expect(B.endpoint.trustUntil).toBe(6_580);
		A.endpoint.sent(80);
		expect(A.take()).toEqual([]);
		A.endpoint.tick(3_000);
		B.endpoint.tick(3_040);
		expect(B.take()).toEqual([`ping ${a}`]);
		B.pong(a, 3_080);
		expect(B.endpoint.trustUntil).toBe(9_580);
		A.take();
		A.endpoint.sent(5_000);
		expect(A.take()).toEqual([`ping ${b}`, "CMM"]);
		B.endpoint.callMeMaybe([a], 5_040);
		expect(B.take()).toContain(`ping ${a}`);
		A.pong(b, 5_040);
		expect(A.endpoint.state(5_040)).toBe("T");
	});

	test("the same with ping back: A is direct after 100 ms instead of 5 s", () => {
		const A = new Machine([b], 1, true);
		A.endpoint.sent(0);
		A.take();
		A.endpoint.ping(b, "from b", 60);
		expect(A.take()).toEqual([`ping ${b}`]);
		A.pong(b, 100);
		expect(A.endpoint.state(100)).toBe("T");
	});

	test("the same with the initiation first: direct after 120 ms", () => {
		const A = new Machine([b]);
		const B = new Machine([a]);
		A.endpoint.sent(0);
		B.endpoint.sent(40);
		expect(B.take()).toEqual([`ping ${a}`, "CMM"]);
		A.endpoint.callMeMaybe([b], 80);
		A.take();
		A.pong(b, 120);
		expect(A.endpoint.state(120)).toBe("T");
	});
});

describe("path machine, random histories", () => {
	const addresses = [x, y, a, b, "10.0.0.1:1", "[2001:db8::1]:1", "[fd00::1]:1"];

	test("trust only by a pong for that address, never an unknown best, discovery at most once in 5 s, bounded memory", () => {
		for (let seed = 1; seed <= 40; seed += 1) {
			const random = new Random(seed);
			const machine = new Machine([x], 1, seed % 2 === 0);
			const { endpoint } = machine;
			const lastDiscovery = new Map<string, number>();
			let proven = new Set<string>();
			let now = 0;
			for (let step = 0; step < 400; step += 1) {
				now += random.below(3) === 0 ? random.below(4_000) : random.below(50);
				const address = addresses[random.below(addresses.length)] as string;
				const trusted = endpoint.trustUntil;
				const best = endpoint.best;
				let free = false;
				let proof = "";
				switch (random.below(9)) {
					case 0:
					case 1:
						endpoint.sent(now);
						break;
					case 2:
						endpoint.ping(address, `t${random.below(50)}`, now);
						break;
					case 3: {
						const overDERP = random.below(4) === 0;
						endpoint.tick(now);
						const id = machine.last.get(address);
						if (id && endpoint.pong(id, overDERP, now) && !overDERP) proof = address;
						break;
					}
					case 4:
						free = true;
						lastDiscovery.clear();
						endpoint.callMeMaybe(addresses.slice(random.below(3), 3 + random.below(4)), now);
						break;
					case 5:
						endpoint.setEndpoints(addresses.slice(0, random.below(4)), now);
						break;
					case 6:
						free = true;
						endpoint.ask(step + 1, now);
						break;
					case 7:
						free = true;
						switch (random.below(6)) {
							case 0:
								endpoint.unreachable(address, now);
								lastDiscovery.clear();
								break;
							case 1:
								endpoint.connectivityChanged(now);
								lastDiscovery.clear();
								break;
						}
						break;
					default:
						endpoint.tick(now);
				}
				if (proof !== "") proven = new Set([...proven, proof]);
				if (endpoint.trustUntil > trusted) expect(endpoint.best).toBe(proof);
				if (endpoint.best !== "" && endpoint.best !== best) expect(endpoint.best).toBe(proof);
				if (endpoint.best !== "") {
					expect(endpoint.candidates.has(endpoint.best)).toBe(true);
					expect(proven.has(endpoint.best)).toBe(true);
				}
				expect(endpoint.candidates.size).toBeLessThanOrEqual(CANDIDATES_MAX);
				for (const known of addresses) if (!endpoint.candidates.has(known)) lastDiscovery.delete(nameIn(known));
				for (const line of machine.take()) {
					if (!line.startsWith("ping ") || free) continue;
					const to = line.slice(5);
					// Heartbeats go to best, each 3 s; everything else waits 5 s, but for a ping back.
					if (to === nameIn(best) || to === nameIn(endpoint.best) || seed % 2 === 0) continue;
					expect(now - (lastDiscovery.get(to) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(5_000);
					lastDiscovery.set(to, now);
				}
			}
		}
	});

	test("[paths 45] tick() late or never between events ends in the same state", () => {
		for (let seed = 1; seed <= 20; seed += 1) {
			const onTime = new Machine([x, y]);
			const late = new Machine([x, y]);
			const never = new Machine([x, y]);
			const random = new Random(seed);
			let now = 0;
			for (let step = 0; step < 60; step += 1) {
				now += random.below(2_500);
				onTime.run(now);
				if (random.below(2) === 0) late.endpoint.tick(now);
				const kind = random.below(3);
				for (const machine of [onTime, late, never]) {
					if (kind === 0) machine.endpoint.sent(now);
					else if (kind === 1) machine.endpoint.ping(a, `t${step}`, now);
					else machine.endpoint.unreachable(x, now);
				}
			}
			// Silence settles everything.
			now += 120_000;
			onTime.run(now);
			for (const machine of [onTime, late, never]) machine.endpoint.sent(now);
			now += 60_000;
			onTime.run(now);
			for (let i = 0; i < 3; i += 1) {
				now += 10_000;
				for (const machine of [onTime, late, never]) machine.endpoint.tick(now);
			}
			for (const machine of [late, never]) {
				expect(machine.endpoint.best).toBe(onTime.endpoint.best);
				expect(machine.endpoint.isIdle).toBe(true);
				expect([...machine.endpoint.candidates].map(([address]) => address).sort()).toEqual([...onTime.endpoint.candidates].map(([address]) => address).sort());
			}
			expect(onTime.endpoint.isIdle).toBe(true);
		}
	});
});

function nameIn(address: string): string {
	return address === x ? "x" : address === y ? "y" : address;
}
