import { at } from "../../interop/harness/world.js";

/** Everything that a node is there for, some times over: 8 MB and 20 pages each time. */
export async function traffic(world, a, t1, rounds = 5) {
	for (let i = 0; i < rounds; i++) {
		for (const kind of ["disco", "tsmp", "icmp", "peerapi"]) await a.do({ do: "ping", peer: t1.ip4, kind });
		await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 2_000_000, mode: "echo" });
		await a.do({ do: "bulk", peer: t1.ip6, port: 7, bytes: 2_000_000, mode: "echo" });
		await a.do({ do: "udp", peer: t1.ip4, port: 7, size: 1000, count: 50 });
		for (let j = 0; j < 10; j++) {
			await a.do({ do: "http", url: `http://${t1.ip4}/` });
			await world.peers.do("node.http", { node: "t1", url: `http://${a.address}/` });
		}
	}
}
