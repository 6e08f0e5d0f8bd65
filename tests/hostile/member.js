/**
 * The long form of a hostile member of the tailnet: every attack of the interop ring (hostile-peer.js) in random order, strength and length, again and again. The honest
 * peer is served all the time, and in the end the node holds what it held after the first round.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { attacks, endures, hostileMembers } from "../interop/harness/attacks.js";
import { buildPeers } from "../interop/harness/peers.js";
import { World } from "../interop/harness/world.js";
import { leaksOf, measured, sampleOf } from "../soak/leaks.js";

const [leastPerSecond, mostPerSecond] = [100, 4000];
const [leastSeconds, mostSeconds] = [1, 6];
/** A node is given so long to forget what the last attack left: half-open connections and fragments. */
const forgottenMS = 30_000;

export async function memberSoak(check, minutes, random) {
	await buildPeers();
	const world = await World.create();
	try {
		await check(`a member of the tailnet attacks for ${minutes} minutes: an honest peer is served, and nothing is kept`, async () => {
			const members = await hostileMembers(world, await world.stock("t1"), await world.subject("a", { ...measured }));
			const samples = [await sampleOf(members.a)];
			const total = { attacks: 0, sent: 0, answers: 0 };
			for (const until = performance.now() + minutes * 60_000; performance.now() < until; ) {
				for (const { name, send } of random.shuffled(attacks)) {
					const [perSecond, seconds] = [random.between(leastPerSecond, mostPerSecond), random.between(leastSeconds, mostSeconds)];
					try {
						const { sent, answers } = await endures(members, send, perSecond, seconds);
						total.attacks += 1;
						total.sent += sent;
						total.answers += answers;
					} catch (error) {
						throw new Error(`${name}, ${perSecond} a second for ${seconds} s: ${error.message}`, { cause: error });
					}
				}
				await sleep(forgottenMS);
				samples.push(await sampleOf(members.a));
			}
			assert.deepEqual(leaksOf(samples, 1), []);
			return `${total.attacks} attacks of ${total.sent} packets, ${total.answers} times answered; ${samples
				.slice(1)
				.map(({ liveBytes }) => (liveBytes / 1e6).toFixed(2))
				.join(", ")} MB live`;
		});
	} finally {
		await world.close();
	}
}
