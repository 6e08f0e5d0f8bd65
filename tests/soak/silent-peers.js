/**
 * Packets of a node whose app says nothing, beside few and beside many peers that are only in the netmap: as many as active peers need, and not one for
 * the others (design.md §2.7).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../interop/harness/requirements.js";
import { authKey, sleep, World } from "../interop/harness/world.js";
import { laidOut } from "./table.js";

/** How many peers have a session, and how many are silent beside them. */
const measures = [
	{ active: 3, silent: 1000 },
	{ active: 64, silent: 5000 },
];
/** A session that carried something is kept warm for 45 s (protocol/paths.md §5): each is asked once in this time, which keeps all of them active. */
const everySeconds = 20;
const seconds = 60;
/** What differs from minute to minute by itself: rekeys, STUN, updates of endpoints. */
const toleration = { factor: 1.05, packets: 20 };

/** Packets in both directions of a namespace while its node asks every active peer now and then. */
async function packetsAMinute(world, node, addresses) {
	const packets = async () => {
		const [link] = JSON.parse(await world.place.run("ip", "-s", "-j", "link", "show", "eth0"));
		return link.stats64.rx.packets + link.stats64.tx.packets;
	};
	const round = async () => {
		for (const peer of addresses) await node.do({ do: "ping", peer, kind: "tsmp", timeoutMS: 5000 }, 8000);
	};
	const until = async (end) => sleep(Math.max(0, end - performance.now()));
	await round();
	await sleep(everySeconds * 1000); // what a change of the netmap began has ended
	const before = await packets();
	const began = performance.now();
	for (let at = 0; at < seconds; at += everySeconds) {
		await round();
		await until(began + (at + everySeconds) * 1000);
	}
	return (await packets()) - before;
}

async function measure({ active, silent }) {
	const world = await World.create({ subject: "own", control: { stream: "own" } });
	try {
		const node = await world.subject("a");
		const options = { controlURL: world.controlURL, authKey, authorities: [readFileSync(world.peers.ca, "utf8")] };
		const crowd = world.alongside("crowd", [process.execPath, join(root, "tests", "soak", "crowd.js"), JSON.stringify(options), `${active}`], {
			namespace: await world.network.namespace("crowd"),
			env: { ...process.env, TAILNET_ADDON: join(root, "build", "tailnet.node") },
		});
		const last = `crowd-${active - 1}`;
		await crowd.waitFor("all of the crowd", (event) => event.name === last, 120_000);
		const addresses = crowd.events.map(({ address }) => address);
		for (const peer of addresses) await world.eventually(() => node.do({ do: "ping", peer, kind: "tsmp", timeoutMS: 2000 }, 4000), 30_000);
		// Only the node that is measured hears of the silent ones: a whole netmap for each of the crowd would take the machine's time.
		const alone = await world.known("a");
		for (let i = 0; i < active; i += 1) await world.peers.do("control.override", { hostname: `crowd-${i}`, response: { Peers: [alone] } });
		const few = await packetsAMinute(world, node, addresses);
		await world.peers.do("control.fakes", { count: silent }, 60_000);
		await node.waitFor("the silent peers", (event) => event.event === "peers" && event.total >= active + silent, 60_000);
		const many = await packetsAMinute(world, node, addresses);
		return { active, silent, few, many };
	} finally {
		await world.close();
	}
}

/** Prints a table. @returns {Promise<boolean>} whether silent peers cost nothing */
export async function measureSilentPeers() {
	const rows = [["active peers", "silent", "packets a minute", "without the silent"]];
	let isWell = true;
	for (const each of measures) {
		const { active, silent, few, many } = await measure(each);
		rows.push([`${active}`, `${silent}`, `${many}`, `${few}`]);
		if (many > few * toleration.factor + toleration.packets) isWell = false;
	}
	console.log(laidOut(rows));
	if (!isWell) console.log("packets grow with the number of silent peers");
	return isWell;
}
