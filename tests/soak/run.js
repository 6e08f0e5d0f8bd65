/**
 * `npm run soak`: two nodes of ours and two stock ones under faults, one after the other, for as long as is asked.
 *
 *   node tests/soak/run.js [--minutes N] [--seed N] [--only TEXT] [--list]
 *   node tests/soak/run.js --silent-peers
 *   node tests/soak/run.js --hostile [--minutes N] [--seed N]
 *
 * Every fault happens once in a random order, then again in another, until the time is over; the first round is always whole, but for those faults
 * that last minutes and are left out when there are fewer than 20. Each line says what the nodes of ours hold: live memory of resident. --only takes the faults whose name contains TEXT. A run prints its seed: with it the
 * same faults come in the same order, with the same pauses.
 *
 * --silent-peers measures something else: silent-peers.js. --hostile is the long form of the hostile ring: tests/hostile.
 *
 * Exit code: 0 no lie, no leak, no connection lost that a stock node would have kept, every node back within its bound; 1 otherwise; 2 bad usage; 5 something
 * that it needs is missing.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepare, root } from "../../scripts/prepare.js";
import { buildPeers } from "../interop/harness/peers.js";
import { missing } from "../interop/harness/requirements.js";
import { Canary } from "./canary.js";
import networks from "./faults/networks.js";
import nodes from "./faults/nodes.js";
import servers from "./faults/servers.js";
import { enough, isEnough, leaksOf, sampleOf } from "./leaks.js";
import { lostAlone } from "./outcomes.js";
import { Random } from "./random.js";
import { measureSilentPeers } from "./silent-peers.js";
import { Stage } from "./stage.js";
import { holdingsTable, recoveryTable, streamTable } from "./table.js";
import { tryFault } from "./trial.js";

const faults = [...servers, ...networks, ...nodes];
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
/** With fewer minutes the long faults are left out. */
const longMinutes = 20;

/**
 * Faults round by round; the first round does not look at the clock, nor do so many short faults after it as memory is judged by. Later ones leave out what
 * does not fit into the rest of the time.
 */
function* schedule(chosen, random, endsAt) {
	yield* random.shuffled(chosen);
	const short = chosen.filter(({ seconds }) => seconds === undefined);
	for (let i = 0; i < enough && short.length > 0; i += 1) yield short[random.between(0, short.length - 1)];
	const fits = ({ seconds = 0 }) => performance.now() + seconds * 1000 < endsAt;
	while (chosen.some(fits)) for (const fault of random.shuffled(chosen)) if (fits(fault)) yield fault;
}

async function soak(chosen, seed, minutes) {
	const random = new Random(seed);
	const began = performance.now();
	const elapsed = () => `${((performance.now() - began) / 60_000).toFixed(1).padStart(5)} min`;
	const stage = await Stage.create();
	const isOwn = (name) => stage.isOwn(name);
	const canaries = new Map();
	const samples = new Map(stage.own.map((name) => [name, []]));
	const trials = [];
	const sample = async () => {
		for (const name of stage.own) samples.get(name).push(await sampleOf(stage.node(name)));
	};
	try {
		await stage.rest();
		for (const name of stage.own) canaries.set(name, new Canary(stage.world, stage.canary, stage.node(name)));
		await sample();
		for (const fault of schedule(chosen, random, began + minutes * 60_000)) {
			const trial = await tryFault(stage, fault, random, [...canaries.values()]);
			trials.push(trial);
			await sample();
			const held = [...samples.values()]
				.map((those) => those.at(-1))
				.map(({ liveBytes, residentBytes }) => `${megabytes(liveBytes)} of ${megabytes(residentBytes)} MB`);
			console.log(`${elapsed()}  ${held.join(", ")}  ${trial.error ? "not recovered: " : ""}${fault.name}`);
			if (trial.error) console.log(`${trial.error.stack ?? trial.error}`.replace(/^/gm, "    "));
			for (const outcome of trial.outcomes) if (outcome.error) console.log(`    lost: ${outcome.kind} of ${outcome.name}: ${outcome.error}`);
		}
		for (const canary of canaries.values()) await canary.close();
	} finally {
		await stage.close();
	}
	return { trials, samples, canaries, isOwn };
}

/** What a soak must not show, one line each. */
function faultsOf({ trials, samples, canaries, isOwn }, warmup) {
	const lines = [];
	for (const [name, { watch }] of canaries)
		for (const { deafMS } of watch.lies) lines.push(`lie: ${name} said running while it was deaf for ${Math.round(deafMS / 1000)} s`);
	for (const [name, those] of samples) for (const leak of leaksOf(those, warmup)) lines.push(`leak: ${name}: ${leak}`);
	for (const trial of trials) {
		const { fault, recoveries, error } = trial;
		if (error) lines.push(`not recovered: ${fault.name}: ${error.message?.split("\n")[0]}`);
		for (const { name, kind } of lostAlone(trial, isOwn)) lines.push(`lost: ${fault.name}: the ${kind} of ${name}, which a stock node kept`);
		for (const { name, what, afterMS, boundMS } of recoveries)
			if (isOwn(name) && afterMS > boundMS) lines.push(`late: ${fault.name}: ${name} ${what} after ${Math.round(afterMS)} ms instead of ${boundMS}`);
	}
	return lines;
}

/** Prints the tables and the verdict. @returns {boolean} whether all is well */
function report(result, chosen) {
	const { trials, samples, canaries, isOwn } = result;
	console.log(`\n${recoveryTable(trials, isOwn)}\n\n${streamTable(trials, isOwn)}\n\n${holdingsTable(samples)}\n`);
	for (const [name, { watch }] of canaries) console.log(`${name} was deaf for at most ${(watch.longestMS / 1000).toFixed(1)} s`);
	// Those of the first round, and the one before it.
	const warmup = chosen.length + 1;
	if (![...samples.values()].every((those) => isEnough(those, warmup))) console.log("too few faults after the first round to say whether memory grows");
	const wrong = faultsOf(result, warmup);
	for (const line of wrong) console.log(line);
	const counts = ["lie", "leak", "lost", "late", "not recovered"].map((kind) => `${wrong.filter((line) => line.startsWith(kind)).length} ${kind}`);
	console.log(`${trials.length} faults: ${counts.join(", ")}`);
	return wrong.length === 0;
}

/** The options, or undefined if they make no sense. */
function parseOptions() {
	const text = (otherwise) => ({ type: "string", ...(otherwise === undefined ? {} : { default: otherwise }) });
	const flag = { type: "boolean", default: false };
	const { values } = parseArgs({ options: { minutes: text("10"), seed: text(), only: text(""), list: flag, "silent-peers": flag, hostile: flag } });
	const minutes = Number(values.minutes);
	const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
	const chosen = faults.filter(({ name, isLong }) => name.includes(values.only) && (!isLong || minutes >= longMinutes || values.only !== ""));
	if (!(minutes > 0) || !Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32 || chosen.length === 0) return undefined;
	return { minutes, seed, chosen, isList: values.list, isSilentPeers: values["silent-peers"], isHostile: values.hostile };
}

async function main() {
	const options = parseOptions();
	if (!options) {
		console.error("--minutes: a number above 0, --seed: a whole number below 2^32, --only: a part of a fault's name (--list shows them)");
		return 2;
	}
	const { minutes, seed, chosen } = options;
	if (options.isList) {
		for (const { name } of faults) console.log(name);
		return 0;
	}
	if (options.isHostile) {
		const words = [join(root, "tests/hostile/run.js"), "--minutes", String(minutes), "--seed", String(seed)];
		return spawnSync(process.execPath, words, { stdio: "inherit" }).status ?? 1;
	}
	const lines = missing();
	if (lines.length > 0) {
		for (const line of lines) console.error(line);
		return 5;
	}
	if (!(await prepare())) return 5;
	await buildPeers();
	if (options.isSilentPeers) return (await measureSilentPeers()) ? 0 : 1;
	console.log(`seed ${seed}, ${minutes} minutes, ${chosen.length} faults`);
	return report(await soak(chosen, seed, minutes), chosen) ? 0 : 1;
}

process.exitCode = await main();
