/**
 * IPv6 under the two, behind firewalls that let in answers only; or under one of them, which is no help.
 */
import { directCase, homes, places, relayedCases, relays } from "../laboratory.js";

const byIPv6 = /^\[2001:db8:/;
const addresses = { address: "10.71.0.1", address6: "2001:db8:71::1" };

export default {
	title: "IPv6 on both sides, and on one",
	world: { v6: true, relays: relays.map((relay) => ({ ...relay, ...addresses })) },
	async before(t) {
		t.places = await places(t.world, await homes(t.world, { six1: { v6: true }, six2: { v6: true }, four: {} }));
	},
	cases: [
		directCase(
			"[paths 46] IPv6 behind firewalls on both sides, hard NATs for IPv4: direct by IPv6",
			({ places }) => [places.six1, places.six2],
			() => ({ toPath: byIPv6, fromPath: byIPv6 }),
		),
		...relayedCases([
			["[paths 46] IPv6 on one side, hard NATs for IPv4: DERP", ({ places }) => [places.six1, places.four]],
			["[paths 46] IPv6 on the other side, hard NATs for IPv4: DERP", ({ places }) => [places.four, places.six2]],
		]),
	],
};
