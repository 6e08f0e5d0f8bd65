/**
 * The network map of the last run: a node that is started while control is down talks to the peers that it knew, and the first map of control takes its place.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { stateDirectory } from "../harness/subject.js";
import { at } from "../harness/world.js";

const withinMS = 1000;
const head = (world) => join(stateDirectory(world.directory, "a"), "netmap-head");

/** Until our node has written its map. */
const kept = (world, isDone = () => true) =>
	world.eventually(() => {
		if (!existsSync(head(world)) || !isDone(readFileSync(head(world)))) throw new Error("the map is not written");
	}, 20_000);

/** Another process of our node, with control down. @returns what a ping of it took since `new Tailnet` */
async function startedAlone(t, kind = "tsmp") {
	await t.a.kill();
	await t.world.peers.do("control.stop");
	t.a = await t.world.launch("a", { authKey: undefined });
	const created = await t.a.state("connecting");
	const answer = await t.a.do({ do: "ping", peer: t.t1.ip4, kind, timeoutMS: 5000 });
	return { ...answer, afterMS: performance.now() - created.at, processMS: created.at - t.a.startedAt };
}

async function controlIsBack(t) {
	await t.world.peers.do("control.restart");
	await t.a.running(30_000);
}

const isAnswered = (t, { afterMS, via, processMS }) => {
	t.assert.ok(afterMS < withinMS, `answered after ${Math.round(afterMS)} ms`);
	t.assert.ok(!t.a.events.some((event) => event.event === "state" && event.state === "running"), "it does not say that it runs");
	return `${Math.round(afterMS)} ms by ${via}; the process took ${Math.round(processMS)} ms before`;
};

/** Changes a head and makes its checksum right. */
function edit(world, change) {
	const bytes = readFileSync(head(world));
	change(bytes);
	bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
	writeFileSync(head(world), bytes);
}

export default {
	title: "The network map of the last run",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.t2 = await t.world.stock("t2");
		t.a = await t.world.subject("a");
		await t.world.eventually(() => t.world.ping("t1", t.a.address, "TSMP", 2000), 20_000);
		await t.world.eventually(() => t.a.do({ do: "ping", peer: t.t2.ip4, kind: "tsmp", timeoutMS: 2000 }), 20_000);
		t.address = t.a.address;
		// testcontrol with a required key refuses even a known node that does not show it.
		await t.world.peers.do("control.set", { requireAuthKey: "" });
		await kept(t.world);
	},
	cases: [
		["control down at the start: a TSMP ping to a cached peer is answered within 1 s", async (t) => isAnswered(t, await startedAlone(t)), { own: true }],
		[
			"meanwhile it has its address and takes what the cached filter lets in",
			async (t) => {
				t.assert.deepEqual((await t.a.do({ do: "self" })).addresses.includes(t.address), true);
				await t.world.ping("t1", t.address, "ICMP", 3000);
				await t.world.peers.do("node.bulk", { node: "t1", to: at(t.address, 7), bytes: 100_000, mode: "echo" }, 5000);
				await t.a.do({ do: "bulk", peer: t.t1.ip4, port: 7, bytes: 100_000, mode: "echo" });
				t.assert.equal((await t.a.do({ do: "udp", peer: t.t1.ip4, port: 7, size: 100, count: 5 })).received, 5);
				await controlIsBack(t);
			},
			{ own: true },
		],
		[
			"the same by DERP alone, with an ICMP ping",
			async (t) => {
				t.world.blockUDP();
				try {
					// A path that is gone is trusted for 6.5 s more, by either side (protocol/relay.md §2.8).
					await t.world.eventually(async () => t.assert.ok((await t.world.ping("t1", t.address, "disco", 2000)).region), 20_000);
					const answer = await startedAlone(t, "icmp");
					t.assert.match(answer.via, /^DERP/);
					return isAnswered(t, answer);
				} finally {
					t.world.allowUDP();
					await controlIsBack(t);
				}
			},
			{ own: true },
		],
		[
			"a filter of more than 24 hours lets nothing new in; what we ask is answered; control's map opens it again",
			async (t) => {
				await t.a.kill();
				edit(t.world, (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(4) - 86_500, 4));
				await startedAlone(t);
				await t.a.do({ do: "bulk", peer: t.t1.ip4, port: 7, bytes: 100_000, mode: "echo" });
				t.assert.equal(
					(await t.world.peers.do("node.dial", { node: "t1", to: at(t.address, 7) }, 5000).catch(() => ({ outcome: "timeout" }))).outcome,
					"timeout",
				);
				await controlIsBack(t);
				await t.world.peers.do("node.bulk", { node: "t1", to: at(t.address, 7), bytes: 100_000, mode: "echo" }, 5000);
			},
			{ own: true },
		],
		[
			"a peer that was removed while we were down goes with the first map, and the session with one that stays lives on",
			async (t) => {
				await t.a.kill();
				await t.world.peers.do("control.delete", { node: "t2" });
				await startedAlone(t);
				const names = async () => (await t.a.do({ do: "peers" })).peers.map((peer) => peer.name.split(".")[0]).sort();
				t.assert.deepEqual(await names(), ["t1", "t2"]);
				const before = t.a.events.length;
				const transfer = t.world.peers.do("node.bulk", { node: "t1", to: at(t.address, 7), bytes: 30_000_000, mode: "echo" }, 30_000);
				await Promise.all([controlIsBack(t), transfer]);
				t.assert.deepEqual(await names(), ["t1"]);
				const errors = t.a.events.slice(before).filter((event) => event.event === "error" && !event.code.startsWith("control"));
				t.assert.deepEqual(errors, []);
			},
			{ own: true },
		],
		[
			"a damaged one is told and not used: an ordinary start",
			async (t) => {
				await t.a.kill();
				const bytes = readFileSync(head(t.world));
				bytes[20] ^= 1;
				writeFileSync(head(t.world), bytes);
				t.a = await t.world.subject("a", { authKey: undefined });
				const { code, message } = await t.a.waitFor("the error", (event) => event.event === "error", 1000);
				t.assert.deepEqual([code, /checksum/.test(message)], ["netmap", true]);
				await t.world.eventually(() => t.world.ping("t1", t.address, "TSMP", 2000), 20_000);
				// What the first map brings replaces it.
				await kept(t.world, (now) => !now.equals(bytes));
			},
			{ own: true },
		],
		[
			"a logout removes it",
			async (t) => {
				await t.a.do({ do: "logout" });
				t.assert.ok(!existsSync(head(t.world)));
				t.assert.ok(!existsSync(head(t.world).replace("head", "0")));
			},
			{ own: true },
		],
	],
};
