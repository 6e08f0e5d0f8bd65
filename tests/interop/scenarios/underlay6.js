/**
 * Both nodes have global IPv6 addresses: the path may and should use them.
 */
export default {
	title: "An IPv6 network underneath",
	world: { v6: true },
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"control sees an IPv6 endpoint of it",
			({ world, assert }) =>
				world.eventually(async () => {
					const { Endpoints } = await world.known("a");
					assert.ok(
						Endpoints.some((endpoint) => endpoint.startsWith("[2001:db8:71:")),
						`${Endpoints}`,
					);
				}),
		],
		["the path becomes direct", async ({ world, a }) => `by ${(await world.untilDirect("t1", a.address)).endpoint}`],
		[
			"with IPv4 UDP lost the path is direct by IPv6",
			async ({ world, a, assert }) => {
				const rules =
					"table inet interop {\nchain input {\ntype filter hook input priority -10; policy accept;\nmeta nfproto ipv4 meta l4proto udp drop\n}\n}\n";
				world.hub.rules(rules);
				world.place.rules(rules);
				await world.eventually(async () => {
					const { endpoint } = await world.ping("t1", a.address, "disco", 2000);
					assert.match(endpoint, /^\[2001:db8:71:/);
				}, 20_000);
			},
		],
	],
};
