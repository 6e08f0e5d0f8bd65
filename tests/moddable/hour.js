/**
 * What an hour of use does to the engine's heap: a node in the simulator with traffic every two minutes, directly and by the relay, and a peer that comes
 * and goes. Too long for the ring.
 *
 *   node tests/moddable/hour.js [--minutes 60] [--rate 1]
 *
 * With a rate the simulator's clocks go that many times faster, and so does the traffic (needs faketime): minutes are those of the simulator.
 * Prints the heap after each traffic, collected, and exits 1 when it has grown since the first minutes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { has, prepare } from "../../scripts/prepare.js";
import { buildPeers } from "../interop/harness/peers.js";
import { missing as interopMissing } from "../interop/harness/requirements.js";
import { sleep, World } from "../interop/harness/world.js";
import { build, missing } from "./harness/sdk.js";
import { traffic } from "./harness/traffic.js";

const everyMinutes = 2;
const mayGrowBytes = 4096;
/** Rounds of which the last goes by the relay. Averages over them are compared: what a round leaves until its timers are over differs. */
const cycle = 5;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, rate: { type: "string", default: "1" } } });
const rate = Number(values.rate);
if (rate !== 1) process.env.SIMULATOR_RATE = values.rate;
const minuteMS = 60_000 / rate;
const why = missing() ?? interopMissing()[0] ?? (rate !== 1 && !has("faketime") ? "faketime" : undefined);
if (why) {
	console.log(`SKIPPED: an hour in the simulator needs ${why}`);
	process.exit(0);
}
if (!(await prepare())) throw new Error("the node of the command cannot be built");
await build(join(import.meta.dirname, "subject"));
await buildPeers();

const start = performance.now();
const end = start + Number(values.minutes) * minuteMS;
const world = await World.create({ subject: "simulator" });
try {
	const t1 = await world.stock("t1");
	const a = await world.subject("a");
	const rounds = [];
	while (performance.now() < end) {
		const began = performance.now();
		const isRelayed = rounds.length % cycle === cycle - 1;
		if (isRelayed) {
			world.blockUDP();
			// Until the peer has given the direct path up, by its own clock.
			await world.eventually(() => world.ping("t1", a.address, "TSMP", 1000), 20_000);
		}
		await traffic(world, a, t1, 1);
		if (isRelayed) world.allowUDP();
		await world.stock("guest");
		await world.peers.do("node.stop", { node: "guest" });
		const { slotBytes, chunkBytes, nativeBytes } = await a.do({ do: "memory" });
		rounds.push({ slotBytes, chunkBytes });
		const minute = Math.round((began - start) / minuteMS);
		console.log(`minute ${minute}: ${slotBytes} bytes of slots, ${chunkBytes} of chunks, ${nativeBytes} of C${isRelayed ? "; by the relay" : ""}`);
		await sleep(Math.max(0, Math.min(everyMinutes * minuteMS - (performance.now() - began), end - performance.now())));
	}
	assert.ok(rounds.length >= 3 * cycle, `${rounds.length} rounds say nothing: at least ${3 * cycle * everyMinutes} minutes`);
	for (const name of ["slotBytes", "chunkBytes"]) {
		const mean = (from) => Math.round(rounds.slice(from, from + cycle).reduce((sum, round) => sum + round[name], 0) / cycle);
		const [early, late] = [mean(cycle), mean(rounds.length - cycle)];
		console.log(`${name}: ${early} on average in rounds ${cycle + 1} to ${2 * cycle}, ${late} in the last ${cycle}`);
		assert.ok(late <= early + mayGrowBytes, `${name} has grown`);
	}
	console.log(`flat over ${values.minutes} minutes`);
} finally {
	await world.close();
}
