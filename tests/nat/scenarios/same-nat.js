/**
 * Two behind the same NAT: on one LAN, on a Wi-Fi whose clients are kept from each other, and customers of one carrier behind routers of their own.
 */
import { directCase, homes, places, relayedCases, relays } from "../laboratory.js";

const byLAN = /^192\.168\.71\./;

export default {
	title: "The same NAT, and NAT behind NAT",
	world: { relays },
	timeoutMS: 120_000,
	async before(t) {
		const { world } = t;
		const carrier = await world.network.home("carrier", { nat: "easy", isCarrier: true });
		const list = await homes(world, {
			lan1: { nat: "hard" },
			cafe1: { nat: "easy", isolated: true },
			customer1: { nat: "easy", behind: carrier },
			customer2: { nat: "easy", behind: carrier },
			easy: { nat: "easy" },
			hard: { nat: "hard" },
		});
		for (const [i, name] of [
			[0, "lan2"],
			[1, "cafe2"],
		])
			list.push({ name, host: await list[i].home.host(name) });
		t.places = await places(world, list);
	},
	cases: [
		directCase(
			"[paths 46] one LAN behind a hard NAT: direct by the LAN",
			({ places }) => [places.lan1, places.lan2],
			() => ({ toPath: byLAN, fromPath: byLAN }),
		),
		directCase("[paths 46] double NAT, easy and easy, to easy NAT: direct", ({ places }) => [places.customer1, places.easy]),
		directCase("[paths 46] easy NAT to double NAT: direct", ({ places }) => [places.easy, places.customer2]),
		...relayedCases([
			["[paths 46] double NAT to hard NAT: DERP", ({ places }) => [places.customer1, places.hard]],
			["[paths 46] two routers of one carrier that does not hairpin: DERP", ({ places }) => [places.customer1, places.customer2]],
			["[paths 46] one Wi-Fi whose clients cannot reach each other: DERP", ({ places }) => [places.cafe1, places.cafe2]],
		]),
	],
};
