/** The transition table of protocol/paths.md §5.8, row by row and state by state. */
import { describe, expect, test } from "../../harness.js";
import { Machine, x, y, z } from "./machine.js";

const now = 100_000;

/**
 * A machine with candidates x, y, z. T: x is best since a pong at now - 100. U: the session ended 15 s ago, all its heartbeats answered. No ping is under way
 * (in T those of a question, which touch nothing), none within 5 s.
 */
function inState(state: "N" | "T" | "U"): Machine {
	const machine = new Machine([x, y, z]);
	const { endpoint } = machine;
	if (state === "T") {
		endpoint.ask(1, now - 120);
		machine.pong(x, now - 100);
	}
	if (state === "U") {
		const start = now - 60_000;
		endpoint.sent(start);
		machine.pong(x, start + 20);
		for (let at = start + 3_000; at <= start + 45_000; at += 3_000) {
			machine.run(at);
			machine.pong(x, at + 20);
		}
		machine.run(now);
	}
	expect(endpoint.state(now)).toBe(state);
	expect(endpoint.best).toBe(state === "N" ? "" : x);
	machine.take();
	return machine;
}

describe("path machine, row by row", () => {
	test("send in N: DERP; full ping with CallMeMaybe; heartbeat armed", () => {
		const machine = inState("N");
		machine.endpoint.sent(now);
		expect(machine.take()).toEqual(["ping x", "ping y", "ping z", "CMM"]);
		expect(machine.endpoint.deadline).toBe(now + 3_000);
		expect(machine.endpoint.state(now)).toBe("N");
	});

	test("send in T: nothing but the heartbeat", () => {
		const machine = inState("T");
		machine.endpoint.sent(now);
		expect(machine.take()).toEqual([]);
		expect(machine.endpoint.state(now)).toBe("T");
		expect(machine.endpoint.isIdle).toBe(false);
	});

	test("send in U: full ping with CallMeMaybe; best stays for the copy by UDP", () => {
		const machine = inState("U");
		machine.endpoint.sent(now);
		expect(machine.take()).toEqual(["ping x", "ping y", "ping z", "CMM"]);
		expect(machine.endpoint.best).toBe(x);
		expect(machine.endpoint.state(now)).toBe("U");
	});

	test("heartbeat in N: full ping, again in 3 s", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(now);
		machine.take();
		machine.endpoint.tick(now + 3_000);
		expect(machine.take()).toEqual([]);
		machine.endpoint.tick(now + 6_000);
		expect(machine.take()).toEqual(["ping x", "ping y", "CMM"]);
		expect(machine.endpoint.deadline).toBe(now + 9_000);
	});

	test("heartbeat in T: pings best alone when 60 s have not passed, again in 3 s", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(now);
		machine.pong(x, now + 20);
		machine.take();
		machine.endpoint.tick(now + 3_000);
		expect(machine.take()).toEqual(["ping x"]);
		machine.pong(x, now + 3_020);
		machine.endpoint.tick(now + 6_000);
		expect(machine.take()).toEqual(["path x", "ping x"]);
	});

	test("heartbeat in U: pings best, and the others with CallMeMaybe, again in 3 s", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(now);
		machine.pong(x, now + 20);
		machine.endpoint.tick(now + 3_000);
		machine.endpoint.tick(now + 6_000);
		machine.take();
		// The ping of 3000 times out at 8000: best has trust until 6520 only, so it is gone; before that, at 7000, it is U.
		expect(machine.endpoint.state(now + 7_000)).toBe("U");
		machine.endpoint.sent(now + 7_000);
		expect(machine.take()).toEqual(["ping y", "CMM"]);
	});

	for (const state of ["N", "T", "U"] as const) {
		test(`heartbeat in ${state}, nothing sent for more than 45 s: disarmed`, () => {
			const machine = new Machine(state === "N" ? [] : [x]);
			machine.endpoint.sent(now);
			if (state !== "N") machine.pong(x, now + 10);
			for (let at = now + 3_000; at <= now + 45_000; at += 3_000) {
				machine.endpoint.tick(at);
				if (state === "T" || (state === "U" && at < now + 39_000)) machine.pong(x, at + 10);
			}
			machine.take();
			expect(machine.endpoint.state(now + 46_000)).toBe(state === "U" ? "N" : state);
			machine.endpoint.tick(now + 48_000);
			expect(machine.take()).toEqual([]);
			machine.endpoint.tick(now + 60_000);
			expect(machine.take().filter((line) => line.startsWith("ping"))).toEqual([]);
			expect(machine.endpoint.deadline).toBeUndefined();
			// Best stays; only trust passes.
			if (state === "T") expect(machine.endpoint.state(now + 60_000)).toBe("U");
		});
	}

	test("pong for candidate x in N: best = x, T", () => {
		const machine = inState("N");
		machine.endpoint.sent(now);
		machine.take();
		expect(machine.pong(y, now + 30)).toBe(true);
		expect(machine.take()).toEqual(["path y"]);
		expect(machine.endpoint.state(now + 30 + 6_500)).toBe("T");
		expect(machine.endpoint.state(now + 30 + 6_501)).toBe("U");
		expect(machine.endpoint.latencyMS).toBe(30);
	});

	test("pong for best in T: trust again", () => {
		const machine = inState("T");
		const until = machine.endpoint.trustUntil;
		machine.endpoint.ask(2, now);
		machine.pong(x, now + 40);
		expect(machine.endpoint.trustUntil).toBe(now + 6_540);
		expect(machine.endpoint.trustUntil).toBeGreaterThan(until);
		expect(machine.endpoint.latencyMS).toBe(40);
	});

	test("[paths 27] pong for another in T: replaces best if better, else nothing; in U the first pong wins however slow", () => {
		const slow = new Machine([x, y]);
		slow.endpoint.sent(now);
		slow.pong(x, now + 20);
		slow.take();
		slow.pong(y, now + 200);
		expect(slow.take()).toEqual([]);
		expect(slow.endpoint.best).toBe(x);

		const fast = new Machine([x, y]);
		fast.endpoint.sent(now);
		fast.pong(x, now + 200);
		fast.endpoint.callMeMaybe([x, y], now + 300);
		fast.pong(y, now + 320);
		expect(fast.endpoint.best).toBe(y);

		const untrusted = new Machine([x, y]);
		untrusted.endpoint.sent(now);
		untrusted.pong(x, now + 20);
		untrusted.endpoint.sent(now + 6_600);
		untrusted.pong(y, now + 9_000);
		expect(untrusted.endpoint.best).toBe(y);
		expect(untrusted.endpoint.state(now + 9_000)).toBe("T");
	});

	for (const state of ["N", "T", "U"] as const) {
		test(`[paths 21] pong in ${state} with an unknown id, a second time, late, or for a candidate that is gone: nothing`, () => {
			const machine = inState(state);
			expect(machine.endpoint.pong("unknown", false, now)).toBe(false);
			machine.endpoint.callMeMaybe([x, y, z], now);
			machine.take();
			const best = machine.endpoint.best;
			const until = machine.endpoint.trustUntil;
			machine.endpoint.setEndpoints([x], now);
			machine.endpoint.callMeMaybe([x], now);
			machine.take();
			expect(machine.pong(z, now + 1)).toBe(true);
			expect(machine.endpoint.strayPongs).toBe(1);
			const answered = machine.last.get(x) as string;
			expect(machine.endpoint.pong(answered, true, now + 1)).toBe(true);
			expect(machine.endpoint.pong(answered, false, now + 2)).toBe(false);
			expect(machine.take()).toEqual([]);
			expect(machine.endpoint.best).toBe(best);
			expect(machine.endpoint.trustUntil).toBe(until);
			const late = inState("N");
			late.endpoint.sent(now);
			expect(late.pong(x, now + 5_000)).toBe(false);
			expect(late.endpoint.best).toBe("");
		});

		test(`[paths 25] pong over DERP in ${state}: answers a question, makes no path`, () => {
			const machine = inState(state);
			const until = machine.endpoint.trustUntil;
			const best = machine.endpoint.best;
			machine.endpoint.ask(7, now);
			machine.take();
			const to = state === "T" ? x : "DERP";
			machine.pong(to, now + 55, true);
			expect(machine.take()).toEqual([`answer 7 55 ${state === "T" ? "x" : "DERP 1"}`]);
			expect(machine.endpoint.trustUntil).toBe(until);
			expect(machine.endpoint.best).toBe(best);
		});

		test(`ping received over UDP in ${state}: a candidate, a pong, no ping`, () => {
			const machine = inState(state);
			expect(machine.endpoint.ping("203.0.113.9:1000", "t1", now)).toBe(true);
			expect(machine.take()).toEqual([]);
			expect(machine.endpoint.candidates.has("203.0.113.9:1000")).toBe(true);
			expect(machine.endpoint.state(now)).toBe(state);
		});

		test(`[paths 24] the same ping twice in ${state}: one pong`, () => {
			const machine = inState(state);
			expect(machine.endpoint.ping("203.0.113.9:1000", "t1", now)).toBe(true);
			expect(machine.endpoint.ping("203.0.113.9:1000", "t1", now + 1)).toBe(false);
			expect(machine.endpoint.ping("203.0.113.9:1001", "t1", now + 1)).toBe(true);
			expect(machine.endpoint.ping("203.0.113.9:1000", "t2", now + 2)).toBe(true);
			expect(machine.endpoint.ping(x, "t3", now + 3)).toBe(true);
			expect(machine.endpoint.ping(x, "t3", now + 4)).toBe(false);
		});

		test(`[paths 28] CallMeMaybe in ${state}: every address is pinged at once, also those pinged less than 5 s ago, and no CallMeMaybe goes back`, () => {
			const machine = inState(state);
			machine.endpoint.callMeMaybe([x, "203.0.113.9:1000"], now);
			expect(machine.take()).toEqual(["ping x", "ping y", "ping z", "ping 203.0.113.9:1000"]);
			machine.endpoint.callMeMaybe([x, "203.0.113.9:1000"], now + 1);
			expect(machine.take()).toEqual(["ping x", "ping y", "ping z", "ping 203.0.113.9:1000"]);
			expect(machine.endpoint.state(now + 1)).toBe(state);
		});

		test(`host unreachable in ${state}: best and what is known of it are gone; another address is no path verdict`, () => {
			const machine = inState(state);
			machine.endpoint.unreachable(y, now);
			expect(machine.endpoint.state(now)).toBe(state);
			machine.endpoint.unreachable(x, now);
			expect(machine.take()).toEqual(state === "N" ? [] : ["path none"]);
			expect(machine.endpoint.state(now)).toBe("N");
			expect(machine.endpoint.candidates.has(x)).toBe(true);
			expect(machine.endpoint.candidates.get(x)?.lastPong).toBe(Number.NEGATIVE_INFINITY);
		});

		test(`connectivity changed in ${state}: N, every candidate may be pinged again, pings under way stay`, () => {
			const machine = inState(state);
			machine.endpoint.callMeMaybe([x, y, z], now);
			machine.take();
			machine.endpoint.connectivityChanged(now + 10);
			expect(machine.endpoint.state(now + 10)).toBe("N");
			machine.take();
			expect(machine.pong(y, now + 20)).toBe(true);
			expect(machine.endpoint.best).toBe(y);
		});

		test(`netmap endpoints in ${state}: candidates follow; best goes with its candidate`, () => {
			const machine = inState(state);
			machine.endpoint.setEndpoints([x, "203.0.113.9:1000"], now);
			expect([...machine.endpoint.candidates].map(([address]) => address)).toEqual([x, "203.0.113.9:1000"]);
			expect(machine.endpoint.state(now)).toBe(state);
			machine.endpoint.setEndpoints(["203.0.113.9:1000"], now);
			expect(machine.endpoint.state(now)).toBe("N");
		});

		test(`home region in ${state}: told to the tunnel, the path stays`, () => {
			const machine = inState(state);
			machine.endpoint.setRegion(9);
			expect(machine.take()).toEqual([state === "N" ? "path none" : "path x"]);
			expect(machine.endpoint.state(now)).toBe(state);
		});

		test(`expired in ${state}: nothing is sent`, () => {
			const machine = inState(state);
			machine.endpoint.expired = true;
			machine.endpoint.sent(now);
			machine.endpoint.ask(3, now);
			machine.endpoint.tick(now + 3_000);
			expect(machine.take().filter((line) => line !== "path none")).toEqual([]);
		});

		test(`our key is gone in ${state}: all is forgotten, nothing is armed`, () => {
			const machine = inState(state);
			machine.endpoint.sent(now);
			machine.take();
			machine.endpoint.reset();
			expect(machine.endpoint.state(now)).toBe("N");
			expect(machine.endpoint.deadline).toBeUndefined();
			expect(machine.endpoint.isIdle).toBe(true);
		});
	}

	test("ping timeout for best: in T nothing, in U best is gone; for another address nothing", () => {
		const machine = new Machine([x, y]);
		machine.endpoint.sent(now);
		machine.pong(x, now + 20);
		machine.take();
		// y was pinged at 0: its timeout at 5000 changes nothing.
		machine.endpoint.tick(now + 3_000);
		machine.endpoint.tick(now + 5_000);
		expect(machine.endpoint.best).toBe(x);
		const heartbeat = machine.last.get(x) as string;
		machine.endpoint.ask(4, now + 3_010);
		machine.endpoint.pong(heartbeat, false, now + 5_200);
		// The question's ping to best dies at 8010 while trust lasts until 11700: nothing.
		machine.run(now + 8_010);
		expect(machine.endpoint.state(now + 8_010)).toBe("T");
		// So does the heartbeat's of 6000 at 11000.
		machine.run(now + 11_000);
		expect(machine.endpoint.state(now + 11_000)).toBe("T");
		machine.run(now + 13_999);
		expect(machine.endpoint.state(now + 13_999)).toBe("U");
		machine.take();
		machine.endpoint.tick(now + 14_000);
		expect(machine.take()).toEqual(["path none"]);
		expect(machine.endpoint.state(now + 14_000)).toBe("N");
	});

	test("trust passes without any timer", () => {
		const machine = inState("T");
		const until = machine.endpoint.trustUntil;
		expect(machine.endpoint.state(until)).toBe("T");
		expect(machine.endpoint.state(until + 1)).toBe("U");
	});

	test("no candidates: no CallMeMaybe; nothing to ping because all were pinged within 5 s: none either", () => {
		const empty = new Machine([]);
		empty.endpoint.sent(now);
		expect(empty.take()).toEqual([]);
		const machine = new Machine([x]);
		machine.endpoint.sent(now);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
		machine.endpoint.sent(now + 4_999);
		expect(machine.take()).toEqual([]);
		machine.endpoint.sent(now + 5_000);
		expect(machine.take()).toEqual(["ping x", "CMM"]);
	});

	test("no home region: pings, but no CallMeMaybe", () => {
		const machine = new Machine([x], 0);
		machine.endpoint.sent(now);
		expect(machine.take()).toEqual(["ping x"]);
	});
});
