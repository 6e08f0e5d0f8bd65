/**
 * Runs scenario files, for the rings that are made of them (tests/interop, tests/nat): each in a world of its own, its cases in order.
 *
 * A scenario is {title, world, missing?, before?, after?, cases}: options of its world, why it cannot run on this machine (undefined: it can), what happens once
 * before its cases and once after them, and the cases [sentence, function, {own?, timeoutMS?}?]. What they get is the world and assert, and what `before` and earlier cases
 * put beside them. A text that a case returns stands in its line.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildPeers } from "./peers.js";
import { haveOwnNode } from "./requirements.js";
import { World } from "./world.js";

/** Reads the scenario files of some folders. @returns {Promise<[file: string, scenario: object][]>} */
export function readScenarios(...folders) {
	const files = folders.flatMap((folder) =>
		readdirSync(folder)
			.filter((name) => name.endsWith(".js"))
			.sort()
			.map((name) => [folder, name]),
	);
	return Promise.all(files.map(async ([folder, name]) => [name, (await import(join(folder, name))).default]));
}

/** Those whose file name contains the text, or if there is none, those with such a sentence. */
export function choose(scenarios, text) {
	const byName = scenarios.filter(([file]) => file.includes(text));
	if (byName.length > 0) return byName;
	return scenarios.filter(([, { cases }]) => cases.some(([sentence]) => sentence.includes(text)));
}

/** Shows what --list asks for. */
export function list(scenarios) {
	for (const [file, { title, cases }] of scenarios) console.log(`${file}: ${title}${cases.map(([sentence]) => `\n\t${sentence}`).join("")}`);
}

/** Closing line of a ring that this machine cannot run. @param {string[]} lines what is missing */
export function skipAll(scenarios, lines) {
	for (const line of lines) console.log(`skipped: ${line}`);
	console.log(`0 passed, 0 failed, ${scenarios.reduce((sum, [, { cases }]) => sum + cases.length, 0)} skipped`);
}

/** A scenario's end takes no longer. */
const closingMS = 60_000;

export class Runner {
	#counts = { passed: 0, failed: 0, skipped: 0 };

	/** Prints the ring's closing line. @returns {number} its exit code */
	close() {
		const { passed, failed, skipped } = this.#counts;
		console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
		return failed === 0 ? 0 : 1;
	}

	/** @param {"own" | "simulator" | "stock"} [subject] which node is under test */
	async run(scenario, subject = "own") {
		const { cases } = scenario;
		console.log(`# ${scenario.title}`);
		if (subject === "stock" && cases.every(([, , options]) => options?.own)) {
			for (const [sentence] of cases) this.#skip(sentence, "only for our node");
			return;
		}
		const why = scenario.missing?.();
		if (why) {
			console.log(`SKIPPED: ${why}`);
			for (const [sentence] of cases) this.#skip(sentence, "see above");
			return;
		}
		const context = { assert };
		try {
			context.world = await World.create({ ...scenario.world, subject });
			if (scenario.before) await withTimeout(scenario.before(context), scenario.timeoutMS ?? 60_000);
		} catch (error) {
			this.#report(scenario.title, error);
			await this.#leave(scenario, context);
			for (const [sentence] of cases) this.#skip(sentence, "its scenario could not begin");
			return;
		}
		for (const [sentence, run, options = {}] of cases) {
			if (options.own && subject === "stock") {
				this.#skip(sentence, "only for our node");
				continue;
			}
			const began = performance.now();
			try {
				const note = await withTimeout(run(context), options.timeoutMS ?? 60_000);
				this.#counts.passed++;
				console.log(`ok - ${sentence}${typeof note === "string" ? ` (${note})` : ""} [${Math.round(performance.now() - began)} ms]`);
			} catch (error) {
				this.#report(sentence, error);
			}
		}
		await this.#leave(scenario, context);
	}

	/** What is left of a scenario ends, one thing whatever becomes of the other. */
	async #leave({ title, after }, context) {
		for (const end of [() => after?.(context), () => context.world?.close()])
			try {
				await withTimeout(Promise.resolve(end()), closingMS);
			} catch (error) {
				this.#report(`${title}: it ends in order`, error);
			}
	}

	/** Counts what was seen in more than one case. */
	judge(sentence, holds) {
		if (holds) {
			this.#counts.passed++;
			console.log(`ok - ${sentence}`);
		} else this.#report(sentence);
	}

	#skip(sentence, why) {
		this.#counts.skipped++;
		console.log(`skip - ${sentence} (${why})`);
	}

	#report(sentence, error) {
		this.#counts.failed++;
		console.log(`not ok - ${sentence}`);
		const lines = error === undefined ? [] : `${error?.stack ?? error}`.split("\n");
		for (const line of lines.slice(0, 24)) console.log(`    ${line}`);
	}
}

function withTimeout(promise, timeoutMS) {
	let timer;
	const timeout = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`took longer than ${timeoutMS} ms`)), timeoutMS);
	});
	return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/**
 * A ring that is a folder of scenario files.
 * @param {string} name
 * @param {string} folder
 * @param {string[]} lacking what this machine has not
 * @param {{only: string, list?: boolean}} options of its command line
 * @returns {Promise<number>} its exit code
 */
export async function runRing(name, folder, lacking, { only, list: isList = false }) {
	const scenarios = await readScenarios(folder);
	if (isList) {
		list(scenarios);
		return 0;
	}
	const lines = lacking.length === 0 && !haveOwnNode() ? [`the ${name} ring needs the command of our node: npm run build`] : lacking;
	if (lines.length > 0) {
		skipAll(scenarios, lines);
		return 0;
	}
	await buildPeers();
	const runner = new Runner();
	for (const [, scenario] of choose(scenarios, only)) await runner.run(scenario);
	return runner.close();
}
