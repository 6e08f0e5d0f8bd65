/**
 * What `npm run bench` measures, a panel each: `name`, by which it is asked for, `title`, `unit`, which way is `better`, and `measure(settings)`, an async generator of
 * bars {label, value, note}; what else a bar has is for bench.json. Ours stands beside the stock node in every panel, measured in the same run.
 */
import { bytesAPeer, idlePackets, manyPeers, median, memory, roundTrip, startup, throughput, underAttack } from "../tests/interop/bench.js";

const subjects = ["stock", "own"];
const pairs = [
	["stock", "stock"],
	["own", "stock"],
	["own", "own"],
];
const megabyte = 1024 * 1024;

async function* streams({ runs, bytes }, relayed) {
	for (const pair of pairs) {
		const { forwardMedian, backwardMedian, failures } = await throughput(pair, { relayed, bytes, runs });
		const lost = failures.length > 0 ? `, ${failures.length} did not end` : "";
		yield {
			label: pair.join(" – "),
			value: (forwardMedian + backwardMedian) / 2,
			note: `${Math.round(forwardMedian)} there, ${Math.round(backwardMedian)} back${lost}`,
		};
	}
}

/** Figures of one kind for the stock node and ours. `measure` gives {value, note}. */
async function* each(measure) {
	for (const subject of subjects) yield { label: subject, ...(await measure(subject)) };
}

export const panels = [
	{
		name: "direct",
		title: "TCP, one stream, echoed, direct",
		unit: "Mbit/s",
		better: "more",
		measure: ({ runs, megabytes }) => streams({ runs, bytes: megabytes * megabyte }, false),
	},
	{
		name: "relayed",
		title: "TCP, one stream, echoed, through a relay",
		unit: "Mbit/s",
		better: "more",
		measure: ({ runs, megabytes }) => streams({ runs, bytes: (megabytes * megabyte) / 8 }, true),
	},
	{
		name: "latency",
		title: "TSMP ping, direct, median",
		unit: "ms",
		better: "less",
		async *measure() {
			for (const pair of pairs) {
				const { medianMS, worstMS } = await roundTrip(pair);
				yield { label: pair.join(" – "), value: medianMS, note: `longest ${worstMS.toFixed(2)}` };
			}
		},
	},
	{
		name: "start",
		title: "Start to running",
		unit: "ms",
		better: "less",
		async *measure({ runs }) {
			for (const subject of subjects) {
				const { first, again } = await startup(subject, { runs });
				yield { label: `${subject}, first login`, value: first.runningMS, note: `first page after ${Math.round(first.firstByteMS)}` };
				yield { label: `${subject}, known`, value: again.runningMS, note: `first page after ${Math.round(again.firstByteMS)}` };
			}
		},
	},
	{
		name: "peers",
		title: "A map of 5,000 peers, until all are known",
		unit: "ms",
		better: "less",
		measure: () =>
			each(async (subject) => {
				const { completeMS, residentBytes } = await manyPeers(subject);
				return { value: completeMS, note: `then ${Math.round(residentBytes / 1e6)} MB resident` };
			}),
	},
	{
		name: "peer",
		title: "What a peer at rest costs",
		unit: "bytes",
		better: "less",
		async *measure() {
			yield { label: "own", value: (await bytesAPeer()).bytesAPeer, note: "5,000 peers less 1,000" };
		},
	},
	{
		name: "memory",
		title: "Resident memory of an idle node, one peer",
		unit: "MB",
		better: "less",
		measure: () => each(async (subject) => ({ value: (await memory(subject)).residentBytes / 1e6, note: subject === "own" ? "with Node.js" : "" })),
	},
	{
		name: "attack",
		title: "A peer's stream while a member sends 2,000 wrong packets a second",
		unit: "% of the stream while the same goes to another",
		better: "more",
		async *measure({ runs }) {
			for (const subject of subjects) {
				const results = (await underAttack(subject, { rounds: runs })).sort((a, b) => a.kept - b.kept);
				const [worst, middle] = [results[0], results[Math.floor(results.length / 2)]];
				const cost = median(results.map(({ microseconds }) => microseconds).filter(Number.isFinite));
				yield { label: `${subject}, median`, value: 100 * middle.kept, note: `a wrong packet costs ${Math.round(cost)} µs of processor`, each: results };
				yield { label: `${subject}, worst`, value: 100 * worst.kept, note: worst.name };
			}
		},
	},
	{
		name: "idle",
		title: "Packets of an idle node, one peer",
		unit: "a minute",
		better: "less",
		measure: () => each(async (subject) => ({ value: (await idlePackets(subject)).packetsPerMinute, note: "" })),
	},
];
