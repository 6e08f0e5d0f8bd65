/**
 * A node logs in with an auth key and is what control and its peers need it to be.
 */
export default {
	title: "Register and map",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"control sees its disco key, endpoints and home region",
			async ({ world, assert }) => {
				const node = await world.eventually(async () => {
					const known = await world.known("a");
					assert.match(known.DiscoKey ?? "", /^discokey:(?!0{64})[0-9a-f]{64}$/);
					assert.equal(known.HomeDERP, 1);
					assert.ok(known.Endpoints?.length > 0, "no endpoints");
					return known;
				});
				assert.ok(
					node.Endpoints.some((endpoint) => endpoint.startsWith(`${world.place.address}:`)),
					`none of ${node.Endpoints} is an address of it`,
				);
			},
		],
		[
			"its addresses are those that control gave",
			async ({ world, a, assert }) => {
				const node = await world.known("a");
				assert.deepEqual(node.Addresses, [`${a.address}/32`, `${a.address6}/128`]);
				const self = await a.do({ do: "self" });
				assert.deepEqual([...self.addresses].sort(), [a.address, a.address6].sort());
			},
		],
		[
			"its host information names a system, a version and a PeerAPI for both families",
			async ({ world, assert }) => {
				const { Hostinfo: hostinfo } = await world.known("a");
				assert.equal(hostinfo.Hostname, "a");
				assert.ok(hostinfo.OS);
				assert.ok(hostinfo.IPNVersion);
				assert.equal(hostinfo.NetInfo.PreferredDERP, 1);
				const protocols = (hostinfo.Services ?? []).map((service) => service.Proto);
				assert.ok(protocols.includes("peerapi4") && protocols.includes("peerapi6"), `services: ${protocols}`);
			},
		],
		[
			"a peer has it in its netmap with its home region",
			({ world, a, assert }) =>
				world.eventually(async () => {
					const { peers } = await world.peers.do("node.status", { node: "t1" });
					const peer = peers.find((candidate) => candidate.hostName === "a");
					assert.ok(peer, "not there");
					assert.equal(peer.relay, "r1");
					assert.deepEqual(peer.addresses, [a.address, a.address6]);
				}),
		],
		[
			"it has the peer in its own list",
			({ world, a, t1, assert }) =>
				world.eventually(async () => {
					const { peers } = await a.do({ do: "peers" });
					assert.ok(JSON.stringify(peers).includes(t1.ip4), JSON.stringify(peers));
				}),
		],
		[
			"it is connected to its home relay",
			({ world, assert }) =>
				world.eventually(async () => {
					const { Key } = await world.known("a");
					assert.ok((await world.peers.do("relay.connected", { region: 1, nodeKey: Key })).connected);
				}),
		],
		[
			"a node that joins later becomes its peer, and traffic flows at once",
			async ({ world, a, assert }) => {
				const t2 = await world.stock("t2");
				await world.ping("t2", a.address, "TSMP", 10_000);
				await world.eventually(async () => assert.ok(JSON.stringify((await a.do({ do: "peers" })).peers).includes(t2.ip4)));
			},
		],
	],
};
