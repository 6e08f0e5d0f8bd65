/**
 * Relay and control are killed and restarted again and again: the node comes back by itself each time, and holds in the end what it held in the
 * beginning. TAILNET_RESTARTS says how often, 20 times where it does not; with other faults between them it is the soak (tests/soak).
 */
import { leaksOf, measured, sampleOf } from "../../soak/leaks.js";

const times = Number(process.env.TAILNET_RESTARTS ?? 20);
/** Restarts after which everything that a restart needs has been loaded and compiled. */
const warmup = 8;
/** Longest rest of modules/derp/backoff.ts, and longest spacing of short sessions in modules/control/control.ts, with what a dial takes. */
const relayBoundMS = 7_500 + 1_000;
const controlBoundMS = 5_000 + 2_500;

export default {
	title: "Servers that are restarted all the time",
	world: { control: { stream: "own" } },
	async before(t) {
		const { world } = t;
		await world.stock("t1");
		t.a = await world.subject("a", { ...measured });
		await world.untilDirect("t1", t.a.address);
		const { Key } = await world.known("a");
		t.onRelay = (withinMS) =>
			world.eventually(
				async () => t.assert.ok((await world.peers.do("relay.connected", { region: 1, nodeKey: Key })).connected, "not on its relay"),
				withinMS,
				20,
			);
		t.onControl = (withinMS) =>
			world.eventually(() => world.peers.do("control.c2n", { node: "a", method: "POST", path: "/echo", body: "here" }, 1000), withinMS, 20);
		await t.onRelay(10_000);
		await t.onControl(10_000);
	},
	cases: [
		[
			`it is back within its backoff after each of ${times} restarts of both, with the same process, descriptors, threads and memory`,
			async (t) => {
				const { world, a, assert } = t;
				const samples = [await sampleOf(a)];
				const late = { relay: 0, control: 0 };
				const timed = async (name, back) => {
					const began = performance.now();
					await back();
					late[name] = Math.max(late[name], performance.now() - began);
				};
				for (let i = 0; i < times; i += 1) {
					await Promise.all([world.peers.do("relay.restart", { region: 1 }), world.peers.do("control.restart")]);
					await Promise.all([timed("relay", () => t.onRelay(relayBoundMS)), timed("control", () => t.onControl(controlBoundMS))]);
					samples.push(await sampleOf(a));
				}
				await world.ping("t1", a.address, "TSMP");
				assert.equal(a.ended, undefined);
				assert.deepEqual(leaksOf(samples, warmup), []);
				const kilobytes = samples.slice(warmup).map(({ residentBytes }) => Math.round(residentBytes / 1024));
				return `longest ${Math.round(late.relay)} ms to the relay, ${Math.round(late.control)} ms to control; ${kilobytes[0]}, then ${kilobytes.at(-1)} kB resident`;
			},
			{ own: true, timeoutMS: times * 9000 },
		],
	],
};
