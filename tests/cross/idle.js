/*
 * What a node sends in a minute in which nobody wants anything: our own node, with a stock peer that it has talked to and 15 that it has not, on the interop tailnet. Datagrams and relay packets are begun by the tunnel;
 * all packets of its network interface also have what answers a server: acknowledgements and keepalives.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { buildPeers } from "../interop/harness/peers.js";
import { World } from "../interop/harness/world.js";

/** A session's last keepalives need 20 s to end, a direct path's heartbeats 45 s. */
const SETTLE_MS = 60_000;
const MINUTE_MS = 60_000;
const OTHERS = 15;

/** @returns { begun, sent, received } packets a minute, and the curve operations of handshakes */
export async function idleMinute() {
	await buildPeers();
	const world = await World.create({ subject: "own" });
	try {
		await world.stock("t1");
		await world.peers.do("control.fakes", { count: OTHERS }, 60_000);
		const node = await world.subject("a");
		await world.ping("t1", node.address, "TSMP", 10_000);
		const look = async () => {
			const [{ stats64 }] = JSON.parse(await world.place.run("ip", "-s", "-j", "link", "show", "eth0"));
			const { counters } = await node.do({ do: "memory" });
			return {
				begun: counters.datagramsOut + counters.derpPacketsOut,
				sent: stats64.tx.packets,
				received: stats64.rx.packets,
				curves: counters.wireguardX25519,
			};
		};
		await sleep(SETTLE_MS);
		const before = await look();
		await sleep(MINUTE_MS);
		const after = await look();
		return Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
	} finally {
		await world.close();
	}
}
