/**
 * What a node holds when everything is at rest, sample by sample, and whether that grew: descriptors and threads have to be the same ones, memory
 * after garbage collection may differ by a hundredth.
 */
import { holdingsOf } from "../interop/harness/memory.js";

/**
 * How a node is started whose memory is looked at, so that only what it keeps can grow. What V8 learns of code that runs again would look like a leak: it
 * learns at the first run, and makes no machine code. The C library counts blocks that its threads' caches hold for the next time as used: it has none.
 * Both give back what they have free instead of keeping it in pieces.
 */
export const measured = Object.freeze({
	nodeArgs: ["--no-opt", "--no-sparkplug", "--no-lazy-feedback-allocation", "--max-semi-space-size=2", "--compact-on-every-full-gc"],
	env: {
		GLIBC_TUNABLES: ["tcache_count=0", "arena_max=1", "mmap_threshold=16384", "trim_threshold=16384"].map((tunable) => `glibc.malloc.${tunable}`).join(":"),
	},
});

/** Memory may grow by so much. */
const toleration = 1.01;
/** So many samples of live memory at the beginning are compared with as many at the end. */
const group = 3;

/**
 * @typedef {object} Sample
 * @property {string[]} files what the descriptors are, sorted
 * @property {string[]} threads names, sorted
 * @property {number} liveBytes heap without compiled code, array buffers, and native memory, after collection
 * @property {number} residentBytes
 */

/** @returns {Promise<Sample>} of a node of ours */
export async function sampleOf(node) {
	const { heapBytes, arrayBuffersBytes, nativeBytes = 0, rssBytes } = await node.do({ do: "memory" });
	return {
		...holdingsOf(node.pid),
		liveBytes: heapBytes + arrayBuffersBytes + nativeBytes,
		residentBytes: rssBytes,
	};
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** What is in the first list and not in the second, with repetitions. */
function without(list, other) {
	const rest = [...other];
	return list.filter((each) => {
		const index = rest.indexOf(each);
		if (index >= 0) rest.splice(index, 1);
		return index < 0;
	});
}

/** So many samples after the warmup are needed to compare memory. */
export const enough = 2 * group;
export const isEnough = (samples, warmup) => samples.length >= warmup + enough;

/**
 * @param {Sample[]} samples of one process, in the order of time
 * @param {number} warmup samples at the beginning that say nothing of memory: every fault has to have happened once, with what it loads and compiles
 * @returns {string[]} what leaked, for people; empty if nothing did
 */
export function leaksOf(samples, warmup) {
	const found = [];
	const [first, last] = [samples[0], samples.at(-1)];
	for (const kind of ["files", "threads"]) {
		const more = without(last[kind], first[kind]);
		if (more.length > 0) found.push(`${last[kind].length} ${kind} instead of ${first[kind].length}: ${more.join(", ")}`);
	}
	if (!isEnough(samples, warmup)) return found;
	const settled = samples.slice(warmup);
	const [live, resident] = ["liveBytes", "residentBytes"].map((kind) => settled.map((sample) => sample[kind]));
	const half = Math.floor(settled.length / 2);
	const compare = (what, before, after) => {
		if (after > before * toleration) found.push(`${what} grew from ${before} to ${after} (${((after / before - 1) * 100).toFixed(1)} %)`);
	};
	compare("live bytes", median(live.slice(0, group)), median(live.slice(-group)));
	// What the process has free it keeps or gives back as it likes: what it cannot give back is the least that it had.
	compare("resident bytes", Math.min(...resident.slice(0, half)), Math.min(...resident.slice(half)));
	return found;
}
