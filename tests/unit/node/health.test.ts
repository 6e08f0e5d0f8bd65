/** The truth about the node: each row of the table of modules/health.ts, and that it is never called running past a bound. */
import { DEGRADED_AFTER_MS } from "../../../modules/control/types.js";
import { TailnetError } from "../../../modules/errors.js";
import { judge, type Layers, NETWORK_BOUND_MS, RELAY_BOUND_MS, RELAY_GRACE_MS } from "../../../modules/health.js";
import { describe, expect, Random, test } from "../../harness.js";

const now = 10_000_000;
const unixSeconds = 1_764_000_000;
const well: Layers = {
	control: {
		state: "running",
		reason: "",
		phase: "polling",
		transport: "plain",
		lastMessageMS: now - 1000,
		sessionSinceMS: now - 60_000,
		failures: 0,
		error: undefined,
		sessions: 1,
		updates: 1,
		messages: 1,
		localAddress: "",
	},
	hasMap: true,
	authorized: true,
	lockedOut: false,
	keyExpired: false,
	keyExpiry: 0,
	unixSeconds,
	hasRegions: true,
	home: {
		region: 1,
		code: "fra",
		home: true,
		state: "up",
		admitted: true,
		problem: "",
		error: undefined,
		lastFrameMS: now - 1000,
	} as unknown as Layers["home"],
	relayDownSince: undefined,
	relayWasUp: true,
	networkDownSince: undefined,
	isUDPBound: true,
	udp: true,
	netmap: [],
	fullPools: [],
	lacks: [],
};

const control = (members: Partial<Layers["control"]>): Partial<Layers> => ({ control: { ...well.control, ...members } });
const home = (members: object): Partial<Layers> => ({ home: { ...(well.home as object), ...members } as Layers["home"] });
const verdict = (members: Partial<Layers>) => judge({ ...well, ...members }, now);
const failure = new TailnetError("control-unreachable", "no connection");

/** what it is, what differs from a node that is well, the state, the conditions with their severity */
const rows: [string, Partial<Layers>, string, string[]][] = [
	["all is well", {}, "running", []],
	[
		"control-unreachable: no session for longer than the bound",
		control({ state: "degraded", reason: "no connection", sessionSinceMS: 0 }),
		"degraded",
		["control-unreachable high"],
	],
	["control-unreachable: a failure within the bound", control({ failures: 2, error: failure, sessionSinceMS: 0 }), "running", ["control-unreachable medium"]],
	["control-silent: a session without a message", control({ state: "degraded", reason: "no message" }), "degraded", ["control-silent high"]],
	["login", control({ state: "needs-login", reason: "visit" }), "needs-login", ["login high"]],
	["refused before the first map", { ...control({ state: "refused", reason: "invalid key" }), hasMap: false }, "needs-login", ["refused high"]],
	["refused later", control({ state: "refused", reason: "gone" }), "degraded", ["refused high"]],
	["approval", { authorized: false }, "needs-approval", []],
	["[control 31] locked-out", { lockedOut: true }, "locked-out", ["locked-out high"]],
	[
		"locked-out, and control is silent",
		{ lockedOut: true, ...control({ state: "degraded", reason: "no message" }) },
		"locked-out",
		["control-silent high", "locked-out high"],
	],
	["key-expired, as the map says", { keyExpired: true, keyExpiry: unixSeconds - 1 }, "key-expired", ["key-expired high"]],
	["key-expired, as control says", control({ state: "key-expired", reason: "log in" }), "key-expired", []],
	["key-expires-soon", { keyExpiry: unixSeconds + 6 * 86_400 }, "running", ["key-expires-soon low"]],
	["a key that expires later", { keyExpiry: unixSeconds + 8 * 86_400 }, "running", []],
	["a key that expires, and nobody knows the time", { keyExpiry: 5, unixSeconds: 0 }, "running", []],
	["relay-none within the bound", { home: undefined, relayDownSince: now - RELAY_BOUND_MS }, "running", ["relay-none medium"]],
	["relay-none past the bound", { home: undefined, relayDownSince: now - RELAY_BOUND_MS - 1 }, "degraded", ["relay-none high"]],
	["relay-down within the bound", { ...home({ state: "waiting" }), relayDownSince: now - RELAY_BOUND_MS }, "running", ["relay-down medium"]],
	["relay-down past the bound", { ...home({ state: "waiting" }), relayDownSince: now - RELAY_BOUND_MS - 1 }, "degraded", ["relay-down high"]],
	[
		"relay-down since the start, within the grace",
		{ ...home({ state: "waiting" }), relayWasUp: false, relayDownSince: now - RELAY_GRACE_MS },
		"connecting",
		["relay-down medium"],
	],
	[
		"relay-down since the start, past the grace and within the bound",
		{ ...home({ state: "waiting" }), relayWasUp: false, relayDownSince: now - RELAY_GRACE_MS - 1 },
		"running",
		["relay-down medium"],
	],
	[
		"relay-down since the start, past the bound",
		{ ...home({ state: "waiting" }), relayWasUp: false, relayDownSince: now - RELAY_BOUND_MS - 1 },
		"degraded",
		["relay-down high"],
	],
	["relay-problem", home({ problem: "duplicate" }), "running", ["relay-problem medium"]],
	["a tailnet without a relay", { hasRegions: false, home: undefined, relayDownSince: 1, relayWasUp: false }, "running", ["relay-none high"]],
	["udp-blocked", { udp: false }, "running", ["udp-blocked medium"]],
	[
		"udp-blocked: not while the relay is down too, then it is the network",
		{ udp: false, relayDownSince: now - 1000, ...home({ state: "waiting" }) },
		"running",
		["relay-down medium"],
	],
	["udp4-unbound: the relay goes on", { isUDPBound: false, udp: false }, "running", ["udp4-unbound high"]],
	[
		"udp4-unbound where there is no relay",
		{ isUDPBound: false, hasRegions: false, home: undefined, relayDownSince: 1, relayWasUp: false },
		"degraded",
		["relay-none high", "udp4-unbound high"],
	],
	["network-down, within its bound", { networkDownSince: now - NETWORK_BOUND_MS }, "running", []],
	[
		"network-down hides what follows from it",
		{
			...control({ state: "degraded", reason: "no connection", sessionSinceMS: 0 }),
			...home({ state: "waiting" }),
			relayDownSince: now - RELAY_BOUND_MS - 1,
			isUDPBound: false,
			networkDownSince: now - NETWORK_BOUND_MS - 1,
		},
		"degraded",
		["network-down high"],
	],
	[
		"the map of the last run is no map of control",
		{ ...control({ state: "connecting" }), hasMap: false, home: undefined, cachedSince: now - DEGRADED_AFTER_MS },
		"connecting",
		[],
	],
	[
		"control-unreachable: nothing but the map of the last run for longer than the bound",
		{ ...control({ state: "connecting", error: failure, failures: 9 }), hasMap: false, home: undefined, cachedSince: now - DEGRADED_AFTER_MS - 1 },
		"degraded",
		["control-unreachable high"],
	],
	["network-down before the first map", { hasMap: false, networkDownSince: now - NETWORK_BOUND_MS - 1 }, "connecting", ["network-down high"]],
	["nobody has looked at UDP", { udp: undefined }, "running", []],
	["netmap: the filter is invalid", { netmap: [{ id: "filter", severity: "high", text: "a rule does not fit" }] }, "degraded", ["filter high"]],
	["netmap: a part does not fit", { netmap: [{ id: "netmap", severity: "high", text: "a peer does not fit" }] }, "degraded", ["netmap high"]],
	["netmap: a word of control's", { netmap: [{ id: "x", severity: "low", text: "hello" }] }, "running", ["x low"]],
	[
		"board-option",
		{ lacks: ["LWIP_IPV6: no IPv6", "MBEDTLS_SSL_ALPN: no name"] },
		"running",
		["board-option:LWIP_IPV6 low", "board-option:MBEDTLS_SSL_ALPN low"],
	],
	["pool-full", { fullPools: ["paths.full"] }, "running", ["pool-full:paths.full medium"]],
	["before the first map", { hasMap: false, home: undefined, relayDownSince: 0 }, "connecting", []],
	["stopped", control({ state: "stopped", reason: "logged out" }), "stopped", []],
];

describe("health", () => {
	for (const [name, members, state, conditions] of rows) {
		test(name, () => {
			const result = verdict(members);
			expect([result.state, result.conditions.map((condition) => `${condition.id} ${condition.severity}`)]).toEqual([state, conditions]);
		});
	}

	test("a state that is not running has a reason that a person can read", () => {
		for (const [name, members, state] of rows) {
			const { reason } = verdict(members);
			if (state === "running") expect([name, reason]).toEqual([name, ""]);
			else if (!["before the first map", "key-expired, as the map says"].includes(name)) expect([name, reason.length > 0]).toEqual([name, true]);
		}
	});

	test("whatever the layers say together, running is never said past a bound", () => {
		const random = new Random(9);
		const pick = <T>(...choices: T[]): T => choices[random.below(choices.length)] as T;
		let running = 0;
		for (let i = 0; i < 5000; i += 1) {
			const layers: Layers = {
				...well,
				...control({
					state: pick("running", "running", "running", "connecting", "degraded", "needs-login", "refused", "key-expired", "stopped"),
					sessionSinceMS: pick(0, 5),
				}),
				hasMap: random.below(5) > 0,
				authorized: random.below(5) > 0,
				keyExpired: random.below(5) === 0,
				hasRegions: random.below(5) > 0,
				home: pick(undefined, well.home),
				relayDownSince: pick(undefined, now - random.below(2 * RELAY_BOUND_MS)),
				relayWasUp: random.below(2) === 0,
				networkDownSince: pick(undefined, now - random.below(2 * NETWORK_BOUND_MS)),
				isUDPBound: random.below(5) > 0,
				udp: pick(undefined, true, false),
				netmap: pick([], [{ id: "filter", severity: "high" as const, text: "no" }]),
			};
			if (judge(layers, now).state !== "running") continue;
			running += 1;
			const relayLateMS = layers.relayDownSince === undefined ? 0 : now - layers.relayDownSince;
			expect(layers.hasMap && layers.authorized && !layers.keyExpired && layers.netmap.length === 0).toBe(true);
			expect(["running", "connecting"]).toContain(layers.control.state);
			expect(layers.networkDownSince === undefined || now - layers.networkDownSince <= NETWORK_BOUND_MS).toBe(true);
			expect(layers.hasRegions || layers.isUDPBound).toBe(true);
			if (layers.hasRegions) expect([relayLateMS <= RELAY_BOUND_MS, layers.relayWasUp || relayLateMS > RELAY_GRACE_MS]).toEqual([true, true]);
		}
		expect(running).toBeGreaterThan(50);
	});
});
