/**
 * What a path needs goes away while it is used: the home relay, in each way that it can die, and UDP.
 */
import { at } from "../harness/world.js";

const everyMS = 10;
/** Life of a TSMP ping, which is how exactly its answer is timed. */
const pingMS = 250;
/** The first dial of a peer's home relay, with TLS, on a busy machine. */
const dialMS = 1500;

/** A connection from t1 that is never quiet, while `change` happens and until it has had its effect. @returns {Promise<number>} its longest silence, ms */
async function silence(t, blocks, change) {
	const { peers } = t.world;
	await peers.do("node.drip", { node: "t1", to: at(t.a.address, 7), everyMS, count: blocks });
	await change();
	return (await peers.do("node.dripped", { node: "t1" }, blocks * everyMS + 90_000)).longestGapMS;
}

const homeOf = async ({ world }) => (await world.known("a")).HomeDERP;

/** Until control knows another home, and the node a peer that reaches it there; nothing was started again. */
async function moved(t, from, withinMS) {
	const { world, a, assert } = t;
	const began = performance.now();
	const home = await world.eventually(async () => {
		const home = await homeOf(t);
		assert.ok(home !== from && home !== 0, `home is ${home}`);
		return home;
	}, withinMS);
	const tookMS = performance.now() - began;
	await world.eventually(async () => assert.ok((await world.peers.do("relay.connected", { region: home, nodeKey: t.nodeKey })).connected), 20_000);
	assert.equal(a.ended, undefined);
	return { home, tookMS };
}

/** t2 begins anew, without a path to the node, and has no other way to it than its relay. */
async function reachedAnew({ world, a }) {
	await world.peers.do("node.stop", { node: "t2" }).catch(() => {});
	world.blockUDP();
	try {
		await world.stock("t2");
		await world.eventually(() => world.ping("t2", a.address, "TSMP", 2000), 30_000);
	} finally {
		world.allowUDP();
	}
}

export default {
	title: "What a path needs breaks",
	world: { relays: [{ region: 1 }, { region: 2 }, { region: 3 }] },
	async before(t) {
		const { world } = t;
		await world.stock("t1");
		t.a = await world.subject("a");
		t.nodeKey = (await world.eventually(() => world.known("a"))).Key;
		await world.untilDirect("t1", t.a.address);
		await world.eventually(async () => t.assert.ok((await homeOf(t)) > 0));
	},
	cases: [
		[
			"[paths 36] its home relay is stopped: a direct peer notices nothing, home moves, control is told, and who has no path reaches it there",
			async (t) => {
				const { world, assert } = t;
				const home = await homeOf(t);
				let result;
				const gapMS = await silence(t, 1000, async () => {
					await world.peers.do("stun.state", { region: home, mute: true });
					await world.peers.do("relay.stop", { region: home });
					result = await moved(t, home, 60_000);
				});
				assert.ok(gapMS < 500, `${gapMS} ms of silence`);
				await reachedAnew(t);
				await world.peers.do("relay.restart", { region: home });
				await world.peers.do("stun.state", { region: home, mute: false });
				return `home from ${home} to ${result.home} after ${Math.round(result.tookMS)} ms; at most ${Math.round(gapMS)} ms between two bytes`;
			},
			{ timeoutMS: 150_000 },
		],
		[
			"[paths 36] its home relay falls silent: a direct peer notices nothing, home moves, control is told, and who has no path reaches it there",
			async (t) => {
				const { world, assert, a } = t;
				await world.untilDirect("t1", a.address);
				const home = await homeOf(t);
				const { DERPPort, STUNPort } = world.regions[home].Nodes[0];
				let result;
				const gapMS = await silence(t, 1000, async () => {
					world.place.rules(
						`table inet interop {\nchain input {\ntype filter hook input priority -10; policy accept;\ntcp sport ${DERPPort} drop\nudp sport ${STUNPort} drop\n}\n}\n`,
					);
					result = await moved(t, home, 100_000);
				});
				world.place.rules("");
				assert.ok(gapMS < 500, `${gapMS} ms of silence`);
				await reachedAnew(t);
				return `home from ${home} to ${result.home} after ${Math.round(result.tookMS)} ms; at most ${Math.round(gapMS)} ms between two bytes`;
			},
			{ timeoutMS: 200_000 },
		],
		[
			"[paths 37] UDP is blocked in the middle: traffic goes on by DERP after at most 6.5 s, and health says why",
			async (t) => {
				const { world, a, assert } = t;
				await world.untilDirect("t1", a.address);
				let afterMS;
				// The connection's own silence is longer: TCP waits twice as long before each attempt.
				const gapMS = await silence(t, 1500, async () => {
					const began = performance.now();
					world.blockUDP({ stun: false });
					await world.eventually(() => world.ping("t1", a.address, "TSMP", pingMS), 20_000, 0);
					afterMS = performance.now() - began;
					if (a.kind === "stock") return;
					await a.waitFor("the condition udp-blocked", ({ event, warnings }) => event === "health" && warnings.some(({ id }) => id === "udp-blocked"), 90_000);
				});
				// The path changes while a ping waits in vain, and the next one may take its whole life.
				assert.ok(afterMS <= 6500 + dialMS + 2 * pingMS, `${afterMS} ms until a ping was answered`);
				return `a ping is answered after ${Math.round(afterMS)} ms; the connection was silent for ${Math.round(gapMS)}`;
			},
			{ timeoutMS: 150_000 },
		],
		[
			"[paths 37] unblocked, the path of that traffic is direct again within 30 s, and health has nothing to say",
			async (t) => {
				const { world, a, assert } = t;
				world.allowUDP();
				const { afterMS } = await world.untilDirect("t1", a.address, 30_000);
				if (a.kind !== "stock")
					await world.eventually(async () => {
						const { warnings } = await a.do({ do: "health" });
						assert.deepEqual(warnings, []);
					}, 60_000);
				return `after ${Math.round(afterMS)} ms`;
			},
			{ timeoutMS: 120_000 },
		],
	],
};
