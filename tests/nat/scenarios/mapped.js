/**
 * A port mapped on a hard NAT: whoever is behind it is as open as a public host.
 */
import { join } from "node:path";
import { root } from "../../interop/harness/requirements.js";
import { directCase, homes, places, relays } from "../laboratory.js";

export default {
	title: "A hard NAT with a mapped port",
	world: { relays },
	async before(t) {
		const list = await homes(t.world, { mapped: { nat: "hard" }, hard1: { nat: "hard" }, hard2: { nat: "hard" } });
		const [{ home }] = list;
		const facts = JSON.stringify({ inside: "192.168.71.1", outside: home.router.address, lifetimeSeconds: 7200, pmp: true });
		t.service = t.world.alongside("router", [process.execPath, join(root, "tests/interop/harness/router.js"), facts], { namespace: home.router });
		await t.service.waitFor("ready", ({ event }) => event === "ready", 5_000);
		list[0].portMapping = true;
		t.places = await places(t.world, list);
		// A flow that leaves before its port is mapped keeps the port that it has.
		await t.world.eventually(async () => {
			t.ports = (await t.service.ask({ do: "table" }, 2_000)).table.map(({ external }) => external);
			t.assert.equal(t.ports.length, 2);
		});
		t.outside = new RegExp(`^${home.router.address.replaceAll(".", "\\.")}:(${t.ports.join("|")})$`);
	},
	cases: [
		directCase(
			"[paths 46] hard NAT to a port mapped on a hard NAT: direct by that port",
			({ places }) => [places.hard1, places.mapped],
			(t) => ({ toPath: t.outside }),
		),
		directCase(
			"[paths 46] a port mapped on a hard NAT to hard NAT: direct by that port",
			({ places }) => [places.mapped, places.hard2],
			(t) => ({ fromPath: t.outside }),
		),
	],
};
