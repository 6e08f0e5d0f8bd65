/**
 * TCP, UDP and HTTP with a peer, both initiators, both families, compared byte for byte.
 */
import { at } from "../harness/world.js";

const families = [
	["IPv4", "address", "ip4"],
	["IPv6", "address6", "ip6"],
];
const sizes = [
	["1 byte", 1],
	["64 KB", 65_536],
	["5 MB", 5_000_003],
	["100 MB", 100_000_000],
];
const speed = (result) => `${Math.round(result.megabitsPerSecond)} Mbit/s`;

const echoes = families.flatMap(([family, address, ip]) =>
	sizes.flatMap(([label, bytes]) => [
		[
			`it echoes ${label} to a peer over ${family}`,
			async ({ world, a }) => speed(await world.peers.do("node.bulk", { node: "t1", to: at(a[address], 7), bytes, mode: "echo" }, 120_000)),
			{ timeoutMS: 130_000 },
		],
		[
			`a peer echoes ${label} to it over ${family}`,
			async ({ a, t1 }) => speed(await a.do({ do: "bulk", peer: t1[ip], port: 7, bytes, mode: "echo" }, 120_000)),
			{ timeoutMS: 130_000 },
		],
	]),
);

const datagrams = families.flatMap(([family, address, ip]) =>
	[1, 1200].flatMap((size) => [
		[
			`it echoes UDP of ${size} bytes to a peer over ${family}`,
			async ({ world, a, assert }) => assert.equal((await world.peers.do("node.udp", { node: "t1", to: at(a[address], 7), size, count: 20 })).received, 20),
		],
		[
			`a peer echoes its UDP of ${size} bytes over ${family}`,
			async ({ a, t1, assert }) => assert.equal((await a.do({ do: "udp", peer: t1[ip], port: 7, size, count: 20 })).received, 20),
		],
	]),
);

const pages = families.flatMap(([family, address, ip]) => [
	[
		`a peer fetches its page over ${family}`,
		async ({ world, a, assert }) => {
			const { status, lengthBytes } = await world.peers.do("node.http", { node: "t1", url: `http://${at(a[address], 80)}/` });
			assert.equal(status, 200);
			assert.ok(lengthBytes > 0);
		},
	],
	[
		`it fetches a peer's page over ${family}`,
		async ({ a, t1, assert }) => {
			const { status, body } = await a.do({ do: "http", url: `http://${at(t1[ip], 80)}/` });
			assert.equal(status, 200);
			assert.match(body, /^hello from t1 to /);
			assert.ok(body.includes(a.address) || body.includes(a.address6), body);
		},
	],
]);

export default {
	title: "Traffic over a direct path",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
	},
	cases: [
		...echoes,
		...datagrams,
		...pages,
		[
			"a peer's sink counts every byte that it sends",
			async ({ world, a, t1, assert }) => {
				const before = (await world.peers.do("node.served", { node: "t1" })).sunk;
				const result = await a.do({ do: "bulk", peer: t1.ip4, port: 9, bytes: 20_000_000, mode: "sink", timeoutMS: 20_000 });
				await world.eventually(async () => assert.equal((await world.peers.do("node.served", { node: "t1" })).sunk - before, 20_000_000));
				return speed(result);
			},
		],
		[
			"a peer that ends its side at once after 5 MB gets the rest of the echo",
			({ world, a }) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 5_000_000, mode: "echo-half" }),
		],
		[
			"eight connections at once stay apart",
			async ({ world, a }) => {
				const echo = () => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 2_000_000, mode: "echo" });
				await Promise.all(Array.from({ length: 8 }, echo));
			},
		],
		[
			"a hundred connections one after the other are all served",
			async ({ world, a }) => {
				for (let i = 0; i < 100; i++) await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1000, mode: "echo" }, 5000);
			},
		],
		[
			"a port on which nothing listens refuses at once",
			async ({ world, a, assert }) => {
				const { outcome } = await world.peers.do("node.dial", { node: "t1", to: at(a.address, 4242) }, 5000);
				assert.equal(outcome, "refused");
			},
		],
		[
			"its connection to a peer's closed port fails",
			({ a, t1, assert }) => assert.rejects(a.do({ do: "bulk", peer: t1.ip4, port: 4242, bytes: 10, mode: "echo" }, 30_000)),
		],
	],
};
