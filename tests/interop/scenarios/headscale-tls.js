/**
 * A real headscale that listens by TLS alone, with a certificate of an authority of our own, and is the only relay, which admits nobody but its nodes.
 */
import { Headscale, headscaleMissing } from "../harness/headscale.js";
import { at } from "../harness/world.js";

const traffic = [
	...["disco", "TSMP", "ICMP", "peerapi"].map((kind) => [
		`a stock peer's ${kind} ping succeeds`,
		({ world, a }) => world.eventually(() => world.ping("t1", a.address, kind, 3000), 15_000).then(() => undefined),
	]),
	[
		"1 MB comes back unharmed",
		({ world, a }) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" }).then(() => undefined),
	],
];

export default {
	title: "A real headscale, by TLS alone and its own relay",
	missing: headscaleMissing,
	timeoutMS: 120_000,
	async before(t) {
		t.headscale = await Headscale.start(t.world, { tls: true, relay: true });
		t.user = await t.headscale.user("alice");
		t.t1 = await t.world.stock("t1", { controlURL: t.headscale.url, authKey: await t.headscale.key(t.user) });
		t.a = await t.world.launch("a", { controlURL: t.headscale.url, authKey: await t.headscale.key(t.user) });
		await t.a.running();
	},
	cases: [
		[
			"its home is headscale's relay, and its peer knows",
			({ world, a, assert }) =>
				world.eventually(async () => {
					const { peers } = await world.peers.do("node.status", { node: "t1" });
					assert.equal(peers.find((peer) => peer.addresses.includes(a.address)).relay, "own");
				}, 15_000),
		],
		...traffic,
		[
			"without the authority it says certificate, and registers nothing",
			async ({ world, headscale, user, assert }) => {
				const node = await world.launch("distrustful", { controlURL: headscale.url, authKey: await headscale.key(user), ca: undefined });
				await node.waitFor("an error", (event) => event.event === "error" && event.code === "certificate", 15_000);
				await assert.rejects(headscale.node("distrustful"));
				await node.close();
			},
			{ own: true },
		],
		[
			"of two nodes that offer one subnet, both answer headscale's probes at its public address",
			async ({ world, headscale, user, assert }) => {
				const route = "10.99.0.0/24";
				const options = { controlURL: headscale.url, args: ["--advertise-routes", route] };
				const ids = [];
				for (const name of ["gate1", "gate2"]) {
					const gate = await world.launch(name, { ...options, authKey: await headscale.key(user) });
					await gate.running();
					const { id } = await headscale.node(name);
					await headscale.do("nodes", "approve-routes", "--identifier", `${id}`, "--routes", route);
					ids.push(id);
				}
				const heard = (text, id) => headscale.log.filter((line) => line.includes(text) && new RegExp(`node\\.id=${id}\\b`).test(line)).length;
				await world.eventually(() => {
					for (const id of ids) assert.ok(heard("HA probe: node responded", id) >= 2, `probes that ${id} answered: ${heard("HA probe: node responded", id)}`);
				}, 40_000);
				for (const id of ids) assert.equal(heard("HA probe: node did not respond", id), 0);
			},
			{ own: true, timeoutMS: 100_000 },
		],
		[
			"with UDP blocked the peer's ping goes by the relay",
			async ({ world, a, assert }) => {
				world.network.blockUDP();
				await world.eventually(async () => {
					const { endpoint, region } = await world.ping("t1", a.address, "disco", 3000);
					assert.deepEqual([endpoint, region], ["", 999]);
				}, 30_000);
			},
			{ timeoutMS: 90_000 },
		],
		[
			"1 MB comes back by the relay",
			({ world, a }) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" }).then(() => undefined),
		],
		[
			"headscale restarts, control and relay at once, and it comes back",
			async ({ world, headscale, a, assert }) => {
				await headscale.stop();
				await headscale.run();
				await world.eventually(async () => assert.equal((await headscale.node("a")).online, true), 40_000);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 40_000);
			},
			{ timeoutMS: 100_000 },
		],
	],
};
