/**
 * What an hour of use does to the engine's heap: a node in the simulator with traffic every two minutes, directly and by the relay, and a peer that comes
 * and goes. Too long for the ring.
 *
 *   node tests/moddable/hour.js [--minutes 60]
 *
 * Prints the heap after each traffic, collected, and exits 1 when it has grown since the fifth.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepare } from "../../scripts/prepare.js";
import { buildPeers } from "../interop/harness/peers.js";
import { missing as interopMissing } from "../interop/harness/requirements.js";
import { sleep, World } from "../interop/harness/world.js";
import { build, missing } from "./harness/sdk.js";
import { traffic } from "./harness/traffic.js";

const everyMS = 120_000;
const mayGrowBytes = 4096;
/** Tables have the size that they need after so many rounds. */
const settledRounds = 5;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" } } });
const why = missing() ?? interopMissing()[0];
if (why) {
	console.log(`SKIPPED: an hour in the simulator needs ${why}`);
	process.exit(0);
}
if (!(await prepare())) throw new Error("the node of the command cannot be built");
await build(join(import.meta.dirname, "subject"));
await buildPeers();

const end = performance.now() + Number(values.minutes) * 60_000;
const world = await World.create({ subject: "simulator" });
try {
	const t1 = await world.stock("t1");
	const a = await world.subject("a");
	let settled;
	for (let round = 1; performance.now() < end; round++) {
		const began = performance.now();
		const isRelayed = round % 5 === 0;
		if (isRelayed) world.blockUDP();
		await traffic(world, a, t1, 1);
		if (isRelayed) world.allowUDP();
		await world.stock("guest");
		await world.peers.do("node.stop", { node: "guest" });
		const { slotBytes, chunkBytes, nativeBytes } = await a.do({ do: "memory" });
		const minute = ((began + Number(values.minutes) * 60_000 - end) / 60_000).toFixed(0);
		console.log(`minute ${minute}: ${slotBytes} bytes of slots, ${chunkBytes} of chunks, ${nativeBytes} of C${isRelayed ? "; by the relay" : ""}`);
		if (round === settledRounds) settled = { slotBytes, chunkBytes, nativeBytes };
		if (settled)
			for (const [name, bytes] of Object.entries({ slotBytes, chunkBytes }))
				assert.ok(bytes <= settled[name] + mayGrowBytes, `${name}: ${settled[name]} after ${settledRounds} rounds, ${bytes} now`);
		await sleep(Math.max(0, Math.min(everyMS - (performance.now() - began), end - performance.now())));
	}
	console.log(`flat over ${values.minutes} minutes`);
} finally {
	await world.close();
}
