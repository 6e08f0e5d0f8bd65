/**
 * One fault from rest to rest: connections are opened, the fault runs, each node's way back is timed, the connections are compared to their end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Streams } from "./streams.js";

/** A node that has not recovered by then is given up. */
const patienceMS = 200_000;

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {boolean} [relayOnly] UDP is lost before it begins
 * @property {boolean} [isLong] only where there is time
 * @property {number} [seconds] how long it lasts, where that is more than some
 * @property {number} [count] how often it happens within
 * @property {(stage: import("./stage.js").Stage) => string[]} [spares] nodes that the fault lets live; default: all
 * @property {(trial: object) => Promise<void>} run gets {stage, random, pass, recover, recoverOwn}
 *
 * @typedef {{name: string, what: string, afterMS: number, boundMS: number}} Recovery of one node: what it has again, how long after the fault's end (or its
 * beginning, where it lasts); Infinity: never
 * @typedef {{fault: Fault, recoveries: Recovery[], outcomes: import("./outcomes.js").Outcome[], error?: Error}} Trial
 */

/**
 * @param {import("./canary.js").Canary[]} canaries they hear their nodes when the fault begins: the loss of UDP before it makes deaf, too, while a direct path is trusted
 * @returns {Promise<Trial>}
 */
export async function tryFault(stage, fault, random, canaries) {
	const trial = { fault, recoveries: [], outcomes: [] };
	let streams;
	try {
		await stage.rest();
		if (fault.relayOnly) await stage.relayOnly();
		streams = await Streams.open(stage, fault.spares?.(stage) ?? stage.all, fault.relayOnly);
		await Promise.all(canaries.map((canary) => canary.hears()));
		const recoverThose = async (names, what, check, boundMS) => {
			const began = performance.now();
			await Promise.all(
				names.map(async (name) => {
					const afterMS = await stage
						.until(() => check(name), patienceMS)
						.then(
							() => performance.now() - began,
							(error) => {
								// Whether the reference recovers is worth knowing, and no fault of ours.
								if (stage.isOwn(name)) throw error;
								return Number.POSITIVE_INFINITY;
							},
						);
					trial.recoveries.push({ name, what, afterMS, boundMS });
				}),
			);
		};
		await fault.run({
			stage,
			random,
			pass: sleep,
			recover: (...how) => recoverThose(stage.all, ...how),
			recoverOwn: (...how) => recoverThose(stage.own, ...how),
		});
	} catch (error) {
		trial.error = error;
		await stage.repair();
	}
	trial.outcomes = (await streams?.close()) ?? [];
	await stage.rest().catch((error) => {
		trial.error ??= error;
	});
	return trial;
}
