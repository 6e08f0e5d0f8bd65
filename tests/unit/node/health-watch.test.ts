/** The verdict is kept up to date: by what layers say, and by bounds that pass while nobody says anything. */
import { monotonicMS } from "tailnet/host";
import { RELAY_BOUND_MS, RELAY_GRACE_MS, type Verdict } from "../../../modules/health.js";
import { HealthWatch, type LayerFacts } from "../../../modules/health-watch.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

class Owner {
	isUp = false;
	members: Partial<LayerFacts> = {};
	counters: Record<string, number> = {};
	readonly told: string[] = [];
	readonly verdicts: Verdict[] = [];

	facts(): LayerFacts {
		return {
			control: { state: "running", reason: "", failures: 0, error: undefined, sessionSinceMS: 1 } as unknown as LayerFacts["control"],
			hasMap: true,
			authorized: true,
			lockedOut: false,
			keyExpired: false,
			keyExpiry: 0,
			unixSeconds: 0,
			hasRegions: true,
			home: { code: "fra", state: this.isUp ? "up" : "waiting", admitted: this.isUp, problem: "" } as unknown as LayerFacts["home"],
			networkDownSince: undefined,
			udp: true,
			isUDPBound: true,
			netmap: [],
			lacks: [],
			...this.members,
		};
	}

	changed(verdict: Verdict, before: Verdict): void {
		this.told.push(`${before.state} -> ${verdict.state}`);
		this.verdicts.push(verdict);
	}
}

/** The home region, as it says of itself. */
function relay(region: number, state: string, lastFrameMS: number): Partial<LayerFacts> {
	return { home: { region, code: "x", state, admitted: state === "up", problem: "", lastFrameMS } as unknown as LayerFacts["home"] };
}

let owner: Owner;
let watch: HealthWatch;
beforeEach(() => {
	testing.reset();
	owner = new Owner();
	watch = new HealthWatch(owner);
});

describe("health watch", () => {
	test("a relay that is lost makes the node degraded after its bound, without anybody saying a word; running when it is back", () => {
		owner.isUp = true;
		watch.look();
		expect([watch.verdict.state, watch.relayDownMS()]).toEqual(["running", 0]);
		owner.isUp = false;
		watch.look();
		expect([watch.verdict.state, watch.verdict.conditions.map((condition) => condition.id)]).toEqual(["running", ["relay-down"]]);
		testing.advance(RELAY_BOUND_MS);
		expect(watch.verdict.state).toBe("running");
		testing.advance(1);
		expect([watch.verdict.state, watch.relayDownMS()]).toEqual(["degraded", RELAY_BOUND_MS + 1]);
		owner.isUp = true;
		watch.look();
		expect([watch.verdict.state, owner.told.at(-1), testing.timers]).toEqual(["running", "degraded -> running", 0]);
	});

	test("a node that never had a relay is connecting for its grace, then running with a warning, then degraded", () => {
		watch.look();
		expect(watch.verdict.state).toBe("connecting");
		testing.advance(RELAY_GRACE_MS);
		expect(watch.verdict.state).toBe("connecting");
		testing.advance(1);
		expect([watch.verdict.state, watch.verdict.conditions.map((condition) => condition.id)]).toEqual(["running", ["relay-down"]]);
		testing.advance(RELAY_BOUND_MS - RELAY_GRACE_MS);
		expect(watch.verdict.state).toBe("degraded");
		owner.isUp = true;
		watch.look();
		expect(watch.verdict.state).toBe("running");
	});

	test("a relay that fell silent is gone since its last frame: the bound has passed with the connection's end, whatever the next attempt meets", () => {
		const heard = monotonicMS();
		owner.members = relay(1, "up", heard);
		watch.look();
		testing.advance(RELAY_BOUND_MS);
		owner.members = relay(1, "waiting", heard);
		watch.look();
		testing.advance(1);
		expect([watch.verdict.state, watch.relayDownMS(), watch.homeDownMS()]).toEqual(["degraded", RELAY_BOUND_MS + 1, 1]);
		owner.members = relay(1, "up", monotonicMS());
		watch.look();
		expect([watch.verdict.state, testing.timers]).toEqual(["running", 0]);
	});

	test("a relay whose connection broke is gone since then, however quiet it was before", () => {
		const heard = monotonicMS();
		owner.members = relay(1, "up", heard);
		watch.look();
		testing.advance(RELAY_BOUND_MS - 1);
		owner.members = relay(1, "waiting", heard);
		watch.look();
		testing.advance(RELAY_BOUND_MS);
		expect([watch.verdict.state, watch.relayDownMS()]).toEqual(["running", RELAY_BOUND_MS]);
	});

	test("what a region said before it became home is no silence of the home", () => {
		const heard = monotonicMS();
		testing.advance(10 * RELAY_BOUND_MS);
		owner.members = relay(1, "up", monotonicMS());
		watch.look();
		owner.members = relay(2, "dialling", heard);
		watch.look();
		expect([watch.verdict.state, watch.relayDownMS()]).toEqual(["running", 0]);
	});

	test("time that the relay was gone counts from the first look at it, not from the last", () => {
		owner.isUp = true;
		watch.look();
		owner.isUp = false;
		for (let i = 0; i < 10; i += 1) {
			watch.look();
			testing.advance(RELAY_BOUND_MS / 10);
		}
		testing.advance(1);
		expect(watch.verdict.state).toBe("degraded");
	});

	test("time before the first map does not count: who waited for a login has its grace then, and says neither running nor degraded before", () => {
		owner.members = { hasMap: false, home: undefined };
		for (let i = 0; i < 10; i += 1) {
			watch.look();
			testing.advance(RELAY_BOUND_MS);
		}
		expect([watch.verdict.state, watch.relayDownMS(), testing.timers]).toEqual(["connecting", 0, 0]);
		owner.members = {};
		watch.look();
		expect(watch.verdict.state).toBe("connecting");
		testing.advance(RELAY_GRACE_MS + 1);
		expect(watch.verdict.state).toBe("running");
		testing.advance(RELAY_BOUND_MS);
		expect([watch.verdict.state, owner.told.includes("connecting -> degraded")]).toEqual(["degraded", false]);
	});

	test("another home begins anew: that the one before was dead says nothing of it; the node is degraded all the same", () => {
		const home = (region: number) => ({ home: { region, code: "x", state: "waiting", admitted: false, problem: "" } as unknown as LayerFacts["home"] });
		owner.members = home(1);
		watch.look();
		testing.advance(RELAY_BOUND_MS - 5000);
		expect(watch.homeDownMS()).toBe(RELAY_BOUND_MS - 5000);
		owner.members = home(2);
		watch.look();
		expect([watch.homeDownMS(), watch.relayDownMS()]).toEqual([0, RELAY_BOUND_MS - 5000]);
		testing.advance(5001);
		expect([watch.homeDownMS(), watch.verdict.state]).toEqual([5001, "degraded"]);
	});

	test("tells once what changed, and nothing when nothing did", () => {
		owner.isUp = true;
		for (let i = 0; i < 5; i += 1) watch.look();
		expect(owner.told).toEqual(["connecting -> running"]);
		owner.members = { udp: false };
		for (let i = 0; i < 5; i += 1) watch.look();
		expect(owner.told).toEqual(["connecting -> running", "running -> running"]);
	});

	test("a pool that refused something is shown for a minute", () => {
		owner.isUp = true;
		owner.counters = { "paths.full": 1, dropped: 9 };
		watch.look();
		const pools = (): string[] => watch.verdict.conditions.filter((condition) => condition.id.startsWith("pool-full")).map((condition) => condition.id);
		expect(pools()).toEqual(["pool-full:paths.full"]);
		testing.advance(59_000);
		watch.look();
		expect(pools()).toEqual(["pool-full:paths.full"]);
		testing.advance(1_000);
		watch.look();
		expect(pools()).toEqual([]);
		owner.counters = { "paths.full": 2 };
		watch.look();
		expect(pools()).toEqual(["pool-full:paths.full"]);
	});

	test("stop is the last word", () => {
		watch.look();
		watch.stop("logged out");
		owner.isUp = true;
		watch.look();
		watch.stop("again");
		testing.advance(10 * RELAY_BOUND_MS);
		expect([watch.verdict.state, watch.verdict.reason, testing.timers]).toEqual(["stopped", "logged out", 0]);
	});
});
