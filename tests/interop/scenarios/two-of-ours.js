/**
 * Two nodes of the kind under test, in two namespaces.
 */
export default {
	title: "Two of a kind",
	async before(t) {
		t.a = await t.world.subject("a");
		t.b = await t.world.subject("b", { in: "second" });
	},
	cases: [
		...["disco", "tsmp", "icmp", "peerapi"].map((kind) => [
			`${kind} ping works both ways`,
			async ({ world, a, b }) => {
				await world.eventually(() => a.do({ do: "ping", peer: b.address, kind, timeoutMS: 4000 }, 6000), 15_000);
				await world.eventually(() => b.do({ do: "ping", peer: a.address6, kind, timeoutMS: 4000 }, 6000), 15_000);
			},
		]),
		[
			"the path becomes direct",
			({ world, a, b, assert }) =>
				world.eventually(async () => assert.match((await a.do({ do: "ping", peer: b.address, kind: "disco", timeoutMS: 2000 })).via, /^10\.71\./)),
		],
		[
			"100 MB are echoed both ways",
			async ({ a, b }) => {
				const there = await a.do({ do: "bulk", peer: b.address, port: 7, bytes: 100_000_000, mode: "echo" }, 100_000);
				const back = await b.do({ do: "bulk", peer: a.address6, port: 7, bytes: 100_000_000, mode: "echo" }, 100_000);
				return `${Math.round(there.megabitsPerSecond)} and ${Math.round(back.megabitsPerSecond)} Mbit/s`;
			},
			{ timeoutMS: 210_000 },
		],
		[
			"10 MB are echoed with UDP lost",
			async ({ world, a, b }) => {
				world.blockUDP();
				await world.eventually(() => a.do({ do: "ping", peer: b.address, kind: "tsmp", timeoutMS: 2000 }, 5000), 20_000);
				const { megabitsPerSecond } = await a.do({ do: "bulk", peer: b.address, port: 7, bytes: 10_000_000, mode: "echo" }, 60_000);
				return `${Math.round(megabitsPerSecond)} Mbit/s`;
			},
			{ timeoutMS: 90_000 },
		],
	],
};
