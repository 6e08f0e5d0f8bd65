/**
 * Every kind of ping, both families, both directions; TSMP through the relay first, as it is the least that a node can answer.
 */
const families = [
	["IPv4", "address", "ip4"],
	["IPv6", "address6", "ip6"],
];
const kinds = [
	["disco", "disco"],
	["TSMP", "tsmp"],
	["ICMP", "icmp"],
	["peerapi", "peerapi"],
];

const fromPeer = families.flatMap(([family, address]) =>
	kinds.map(([kind]) => [
		`[tunnel 50] a peer's ${kind} ping of its ${family} address succeeds`,
		async ({ world, a }) => {
			const { latencyMS } = await world.ping("t1", a[address], kind);
			return `${latencyMS.toFixed(2)} ms`;
		},
	]),
);

const fromSubject = families.flatMap(([family, , ip]) =>
	kinds.map(([stock, kind]) => [
		`its ${stock} ping of a peer's ${family} address succeeds`,
		async ({ a, t1, assert }) => {
			const { latencyMS, via } = await a.do({ do: "ping", peer: t1[ip], kind, timeoutMS: 5000 });
			assert.ok(latencyMS > 0 && latencyMS < 1000, `latency ${latencyMS}`);
			return `${latencyMS.toFixed(2)} ms via ${via}`;
		},
	]),
);

export default {
	title: "Pings",
	async before(t) {
		t.world.blockUDP();
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		["a peer's TSMP ping is answered over DERP, UDP being dead from the start", ({ world, a }) => world.ping("t1", a.address, "TSMP", 10_000)],
		[
			"a peer's disco ping is answered over DERP",
			async ({ world, a, assert }) => {
				const answer = await world.ping("t1", a.address, "disco");
				assert.equal(answer.region, 1);
			},
		],
		[
			"the path becomes direct when UDP comes to life",
			async ({ world, a, assert }) => {
				world.allowUDP();
				const { endpoint, afterMS } = await world.untilDirect("t1", a.address);
				assert.ok(endpoint.startsWith(`${world.place.address}:`), endpoint);
				return `after ${Math.round(afterMS)} ms`;
			},
		],
		...fromPeer,
		...fromSubject,
		[
			"a TSMP answer carries the port of its PeerAPI",
			async ({ world, a, assert }) => {
				const { peerAPIPort } = await world.ping("t1", a.address, "TSMP");
				const { Hostinfo } = await world.known("a");
				assert.equal(peerAPIPort, Hostinfo.Services.find((service) => service.Proto === "peerapi4").Port);
			},
		],
	],
};
