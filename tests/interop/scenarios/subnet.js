/**
 * Subnet routes that our node offers: a stock peer reaches hosts of a network that only our node's machine is on, while control has made it their router.
 */
import { at } from "../harness/world.js";

const subnets = ["192.168.73.0/24", "fd73:1::/64"];
const router = ["--advertise-routes", subnets.join(",")];
const approve = (t, routes) => t.world.peers.do("control.routes", { node: "a", routes });
/** Control does not name our node as the router any more; peers are told as before. */
const forget = (t) => t.world.peers.do("control.override", { hostname: "a", response: { Node: { PrimaryRoutes: null } } });
const page = (t, address, path = "/", timeoutMS = 5000) => t.world.peers.do("node.http", { node: "t1", url: `http://${at(address, 80)}${path}` }, timeoutMS);
const dial = (t, address, port, timeoutMS = 3000) => t.world.peers.do("node.dial", { node: "t1", to: at(address, port) }, timeoutMS);
const counters = async (t) => (await t.a.do({ do: "memory" })).counters;

export default {
	title: "Subnet routes of ours",
	world: { control: { stream: "own" } },
	async before(t) {
		const { world } = t;
		t.lan = await world.network.behind(world.place, "lan", "192.168.73", "fd73:1:");
		t.host = await world.offering(t.lan);
		await world.stock("t1", { acceptRoutes: true });
		t.a = await world.subject("a", { args: router, tailnet: { advertiseRoutes: subnets } });
		await world.ping("t1", t.a.address, "TSMP");
	},
	cases: [
		["control hears of the subnets", async (t) => t.assert.deepEqual((await t.world.known("a")).Hostinfo.RoutableIPs, subnets)],
		[
			"a peer that sends to them before control has approved gets nothing",
			async (t) => {
				await forget(t);
				await approve(t, subnets);
				await t.world.eventually(async () => t.assert.equal((await dial(t, t.lan.address, 80)).outcome, "timeout"));
				await t.assert.rejects(t.world.ping("t1", t.lan.address, "ICMP", 1500));
				t.assert.ok((await counters(t)).droppedNotOwn > 0);
				t.assert.deepEqual(
					t.host.events.filter(({ event }) => event === "page"),
					[],
				);
			},
		],
		[
			"once it has, a page of a host is fetched, and the host sees our machine as its peer",
			async (t) => {
				await t.world.peers.do("control.override", { hostname: "a" });
				const { status, body } = await t.world.eventually(() => page(t, t.lan.address, "/", 2500), 15_000);
				t.assert.deepEqual([status, body], [200, "hello from lan to 192.168.73.1\n"]);
			},
		],
		["and over IPv6", async (t) => t.assert.equal((await page(t, t.lan.address6)).body, "hello from lan to fd73:1::1\n")],
		[
			"a page of 20 MB comes whole",
			async (t) => t.assert.equal((await page(t, t.lan.address, "/length?bytes=20000000", 30_000)).lengthBytes, 20_000_000),
			{ timeoutMS: 35_000 },
		],
		[
			"20 MB there and back are the same bytes",
			async (t) => {
				const { megabitsPerSecond } = await t.world.peers.do("node.bulk", { node: "t1", to: at(t.lan.address, 7), bytes: 20_000_000, mode: "echo" });
				return `${Math.round(megabitsPerSecond)} Mbit/s`;
			},
		],
		[
			"what comes after the peer has ended its side comes whole",
			({ world, lan }) => world.peers.do("node.bulk", { node: "t1", to: at(lan.address, 7), bytes: 3_000_000, mode: "echo-half" }).then(() => undefined),
		],
		[
			"thirty connections at once to the same port",
			async (t) => {
				const bodies = await Promise.all(Array.from({ length: 30 }, () => page(t, t.lan.address, "/", 15_000)));
				t.assert.ok(bodies.every(({ body }) => body.startsWith("hello from lan")));
			},
		],
		["a port that nobody listens on is refused", async (t) => t.assert.equal((await dial(t, t.lan.address, 81)).outcome, "refused")],
		[
			"UDP to a host comes back, over both families",
			async (t) => {
				for (const address of [t.lan.address, t.lan.address6])
					t.assert.equal((await t.world.peers.do("node.udp", { node: "t1", to: at(address, 7), size: 1000, count: 10 })).received, 10);
				t.assert.deepEqual([...new Set(t.host.events.filter(({ event }) => event === "datagram").map(({ from }) => from))].sort(), [
					"192.168.73.1",
					"fd73:1::1",
				]);
			},
		],
		[
			"an ICMP ping of a host is answered by it, and one of nobody by nobody",
			async (t) => {
				const { latencyMS } = await t.world.ping("t1", t.lan.address, "ICMP");
				await t.world.ping("t1", t.lan.address6, "ICMP");
				await t.assert.rejects(t.world.ping("t1", "192.168.73.77", "ICMP", 1500));
				return `${latencyMS.toFixed(2)} ms`;
			},
		],
		["our node's own services are where they were", async (t) => t.assert.match((await page(t, t.a.address)).body, /./)],
		[
			"rules that name no host of the subnet let nobody in",
			async (t) => {
				await t.world.peers.do("control.override", {
					hostname: "a",
					response: { PacketFilters: { base: [{ SrcIPs: ["*"], DstPorts: [{ IP: t.lan.address, Ports: { First: 7, Last: 7 } }], IPProto: [6] }] } },
				});
				await t.world.eventually(async () => t.assert.notEqual((await dial(t, t.lan.address, 80)).outcome, "connected"));
				t.assert.equal((await dial(t, t.lan.address, 7)).outcome, "connected");
				await t.world.peers.do("control.override", { hostname: "a" });
				await t.world.eventually(() => page(t, t.lan.address, "/", 2500), 15_000);
			},
		],
		[
			"when control takes the route back, what is open ends and nothing new begins",
			async (t) => {
				const bulk = t.world.peers.do("node.bulk", { node: "t1", to: at(t.lan.address, 7), bytes: 2_000_000_000, mode: "echo" }, 20_000).then(
					() => "whole",
					() => "ended",
				);
				await t.world.eventually(async () => t.assert.ok((await counters(t)).subnetFlows > 0));
				await forget(t);
				t.assert.equal(await bulk, "ended");
				t.assert.notEqual((await dial(t, t.lan.address, 80)).outcome, "connected");
				t.assert.equal((await counters(t)).subnetFlows, 0);
			},
		],
	].map(([sentence, run, options]) => [sentence, run, { own: true, ...options }]),
};
