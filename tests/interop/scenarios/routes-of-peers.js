/**
 * Subnets and an outside world that only a stock peer can reach: our node gets there through it, and not in any other way.
 */
import { at } from "../harness/world.js";

const subnets = ["192.168.72.0/24", "fd72:1::/64"];
const everything = ["0.0.0.0/0", "::/0"];
const page = (address) => `http://${at(address, 80)}/`;
const approve = (world, node, routes) => world.peers.do("control.routes", { node, routes });
/** No peer is asked, and nothing goes by any other way. The SDK's client in the simulator does not say why it failed. */
const hasNoRoute = (t, subject, address) =>
	t.assert.rejects(
		t[subject].do({ do: "http", url: page(address), timeoutMS: 2500 }),
		t[subject].kind === "simulator" ? /the connection failed/ : /"code":"no-route"/,
	);

export default {
	title: "Routes of peers",
	async before(t) {
		const { world } = t;
		t.behind = await world.network.behind(world.hub, "behind", "192.168.72", "fd72:1:");
		t.outside = await world.network.behind(world.hub, "outside", "203.0.113", "2001:db8:113:");
		// An exit node gives no access to networks that it is on itself: the outside is a hop further.
		t.outside.address = "198.51.100.7";
		t.outside.address6 = "2001:db8:100::7";
		await t.outside.run("sh", "-ec", `ip address add ${t.outside.address}/32 dev lo; ip -6 address add ${t.outside.address6}/128 dev lo nodad`);
		await world.hub.run("sh", "-ec", `ip route add ${t.outside.address} via 203.0.113.2; ip -6 route add ${t.outside.address6} via 2001:db8:113::2`);
		t.hosts = { behind: await world.offering(t.behind), outside: await world.offering(t.outside) };
		await world.stock("router", { advertiseRoutes: subnets });
		await world.stock("exit", { advertiseRoutes: everything });
		await approve(world, "router", subnets);
		t.a = await world.subject("a", { args: ["--accept-routes"], tailnet: { acceptRoutes: true } });
		t.b = await world.subject("b");
	},
	cases: [
		[
			"a page of a host behind a peer's subnet route, IPv4",
			async (t) => {
				const { status, body } = await t.world.eventually(() => t.a.do({ do: "http", url: page(t.behind.address), timeoutMS: 5000 }), 15_000);
				t.assert.equal(status, 200);
				t.assert.equal(body, "hello from behind to 192.168.72.1\n");
			},
		],
		[
			"and IPv6",
			async (t) => {
				const { body } = await t.a.do({ do: "http", url: page(t.behind.address6), timeoutMS: 5000 });
				t.assert.equal(body, "hello from behind to fd72:1::1\n");
			},
		],
		[
			"UDP to such a host comes back",
			async (t) => t.assert.equal((await t.a.do({ do: "udp", peer: t.behind.address, port: 7, size: 900, count: 5 })).received, 5),
		],
		[
			"10 MB through it are the same bytes",
			({ a, behind }) =>
				a.do({ do: "bulk", peer: behind.address, port: 7, bytes: 10_000_000, mode: "echo" }).then((r) => `${Math.round(r.megabitsPerSecond)} Mbit/s`),
		],
		["a node that does not accept routes does not reach it", (t) => hasNoRoute(t, "b", t.behind.address)],
		["what only the exit node reaches is not reached without one", (t) => hasNoRoute(t, "a", t.outside.address)],
		[
			"a route that control takes back is one no longer, and one that it gives again is",
			async (t) => {
				await approve(t.world, "router", []);
				await t.world.eventually(() => hasNoRoute(t, "a", t.behind.address), 15_000);
				await approve(t.world, "router", subnets);
				await t.world.eventually(() => t.a.do({ do: "http", url: page(t.behind.address), timeoutMS: 2500 }), 15_000);
			},
			{ timeoutMS: 90_000 },
		],
		[
			"through the exit node an outside address answers, both families",
			async (t) => {
				await approve(t.world, "exit", everything);
				t.c = await t.world.subject("c", { args: ["--exit-node", "exit"], tailnet: { exitNode: "exit" } });
				for (const [address, from] of [
					[t.outside.address, "203.0.113.1"],
					[t.outside.address6, "2001:db8:113::1"],
				]) {
					const { body } = await t.world.eventually(() => t.c.do({ do: "http", url: page(address), timeoutMS: 5000 }), 15_000);
					t.assert.equal(body, `hello from outside to ${from}\n`);
				}
			},
		],
		[
			"with the exit node, peers are still reached as peers and control and relay stay on the network below",
			async (t) => {
				const { ip4 } = t.world.stockNodes.get("router");
				await t.c.do({ do: "ping", peer: ip4, kind: "tsmp", timeoutMS: 5000 });
				t.assert.deepEqual((await t.c.do({ do: "health" })).warnings, []);
			},
		],
		[
			"an exit node that control does not offer any more is not replaced by another way",
			async (t) => {
				await approve(t.world, "exit", []);
				await t.world.eventually(() => hasNoRoute(t, "c", t.outside.address), 15_000);
			},
		],
	].map(([sentence, run, options]) => [sentence, run, { own: true, ...options }]),
};
