/**
 * Measurements with stock peers, for the project's bench command and to be run alone:
 *
 *   node tests/interop/bench.js [stock-stock] [own-stock] [own-own]
 *
 * Every function makes a world of its own, in which each node is a process of its own and all are in one namespace (loopback, same
 * cores), and returns plain numbers. A pair is two subjects, "own" or "stock", for example ["own", "stock"]; the first initiates.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { attackingAnother, attacks, hostileMembers } from "./harness/attacks.js";
import { processorSeconds } from "./harness/memory.js";
import { buildPeers } from "./harness/peers.js";
import { missing } from "./harness/requirements.js";
import { at, World } from "./harness/world.js";

/** A stream under attack that takes longer has broken. */
const limitMS = 20_000;

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Runs `work` with two nodes that have a session over the wanted kind of path. */
async function withPair([first, second], { relayed = false } = {}, work) {
	const world = await World.create({ shared: true });
	try {
		if (relayed) world.blockUDP();
		const [a, b] = await Promise.all([world.subject("a", { subject: first }), world.subject("b", { subject: second })]);
		await world.eventually(async () => {
			const { via } = await a.do({ do: "ping", peer: b.address, kind: "disco", timeoutMS: 2000 }, 4000);
			if (via.startsWith("10.71.") === relayed) throw new Error(`the path is ${via}`);
		}, 20_000);
		return await work(a, b, world);
	} finally {
		await world.close();
	}
}

/**
 * TCP, one stream, echoed and compared; each run is one new connection. A run that does not end within its time counts as 0 Mbit/s and is
 * told in `failures`: stock nodes now and then stall for minutes behind a relay that dropped packets.
 * @param {["own" | "stock", "own" | "stock"]} pair
 * @param {{relayed?: boolean, bytes?: number, runs?: number, limitMS?: number}} [options]
 * @returns {Promise<{forward: number[], backward: number[], forwardMedian: number, backwardMedian: number, processor: number[], failures: string[]}>} Mbit/s of
 * each run, initiated by the first (forward) and by the second, and the seconds of processor time that each node used for all
 */
export function throughput(pair, { relayed = false, bytes = 64 * 1024 * 1024, runs = 5, limitMS = 60_000 } = {}) {
	return withPair(pair, { relayed }, async (a, b) => {
		const failures = [];
		const echo = async (from, to) => {
			try {
				return (await from.do({ do: "bulk", peer: to.address, port: 7, bytes, mode: "echo" }, limitMS)).megabitsPerSecond;
			} catch (error) {
				failures.push(error.message.split("\n")[0]);
				return 0;
			}
		};
		await a.do({ do: "bulk", peer: b.address, port: 7, bytes: 2_000_000, mode: "echo" }, 60_000);
		const before = [processorSeconds(a.pid), processorSeconds(b.pid)];
		const forward = [];
		const backward = [];
		for (let run = 0; run < runs; run++) {
			forward.push(await echo(a, b));
			backward.push(await echo(b, a));
		}
		const processor = [processorSeconds(a.pid) - before[0], processorSeconds(b.pid) - before[1]];
		return { forward, backward, forwardMedian: median(forward), backwardMedian: median(backward), processor, failures };
	});
}

/**
 * Round trips of a kind of ping, in milliseconds.
 * @param {{relayed?: boolean, kind?: "disco" | "tsmp" | "icmp" | "peerapi", count?: number}} [options]
 */
export function roundTrip(pair, { relayed = false, kind = "tsmp", count = 50 } = {}) {
	return withPair(pair, { relayed }, async (a, b) => {
		const latencies = [];
		for (let i = 0; i < count; i++) latencies.push((await a.do({ do: "ping", peer: b.address, kind, timeoutMS: 5000 }, 8000)).latencyMS);
		return { medianMS: median(latencies), worstMS: Math.max(...latencies) };
	});
}

/**
 * From start to running: first logins of fresh nodes, and starts with the state of the one before. For ours from its event of the
 * state "connecting" on, if that is its first event, else from the start of the process, which includes that of Node.js (`processMS`: always that); for a stock node from the new Server on. `firstByteMS` is from
 * there to the first page that a stock peer fetched from it; after a restart the peer first has to learn that its old path is dead.
 * @returns {Promise<{first: StartTimes, again: StartTimes}>} medians
 * @typedef {{runningMS: number, processMS: number, firstByteMS: number}} StartTimes
 */
export async function startup(subject, { runs = 5 } = {}) {
	const world = await World.create({ shared: true, subject });
	try {
		await world.stock("t1");
		const times = { first: [], again: [] };
		for (const kind of ["first", "again"]) {
			for (let run = 0; run < runs; run++) {
				const node = await world.launch(kind === "first" ? `a${run}` : "a0");
				await node.running();
				const ready = performance.now();
				const { address } = node;
				await world.eventually(() => world.peers.do("node.http", { node: "t1", url: `http://${at(address, 80)}/` }, 15_000), 30_000, 5);
				const runningMS = node.sinceCreationMS ?? node.runningMS;
				times[kind].push({ runningMS, processMS: node.runningMS, firstByteMS: runningMS + performance.now() - ready });
				await node.close();
				await sleep(300);
			}
		}
		const medians = (results) => Object.fromEntries(["runningMS", "processMS", "firstByteMS"].map((name) => [name, median(results.map((r) => r[name]))]));
		return { first: medians(times.first), again: medians(times.again) };
	} finally {
		await world.close();
	}
}

/**
 * A netmap of `count` peers: time until all are there, and memory of the process; for ours also what its own `memory` says.
 */
export async function manyPeers(subject, { count = 5000, nodeArgs = [] } = {}) {
	const world = await World.create({ shared: true, subject });
	try {
		const { bytesAPeer } = await world.peers.do("control.fakes", { count }, 60_000);
		const node = await world.subject("a", { expectPeers: count, timeoutMS: 60_000, nodeArgs });
		await sleep(1000);
		const memory = subject === "own" ? await node.do({ do: "memory" }) : undefined;
		return { completeMS: node.completeMS, messageBytes: bytesAPeer * count, ...node.memory(), memory };
	} finally {
		await world.close();
	}
}

/**
 * What a peer at rest costs our node, indexes included: heap, array buffers and native memory after garbage collection with `many` peers, less the same with
 * `few`, for each of those between. Medians of `runs`. V8 compiles nothing to machine code here: how much it does depends on how often code ran, and lies on the
 * heap as well.
 */
export async function bytesAPeer({ few = 1000, many = 5000, runs = 3 } = {}) {
	const parts = ["heapBytes", "arrayBuffersBytes", "nativeBytes"];
	const measure = async (count) => {
		const results = [];
		for (let run = 0; run < runs; run++) results.push((await manyPeers("own", { count, nodeArgs: ["--no-opt", "--no-sparkplug"] })).memory);
		return Object.fromEntries(parts.map((part) => [part, median(results.map((memory) => memory[part]))]));
	};
	const [small, large] = [await measure(few), await measure(many)];
	const each = Object.fromEntries(parts.map((part) => [part, (large[part] - small[part]) / (many - few)]));
	return { ...each, bytesAPeer: parts.reduce((sum, part) => sum + each[part], 0) };
}

/** Memory of an idle node with one peer and a session. */
export async function memory(subject) {
	return withPair([subject, "stock"], {}, async (a) => a.memory());
}

/**
 * Packets a minute, both directions, of a node with one peer and nothing to say; it has a namespace of its own for this.
 * @param {{seconds?: number, settleSeconds?: number}} [options] a session's last keepalives need about 20 s to end, a direct path's
 * heartbeats 45 s
 */
export async function idlePackets(subject, { seconds = 60, settleSeconds = 60 } = {}) {
	const world = await World.create({ subject });
	try {
		await world.stock("t1");
		const a = await world.subject("a");
		await world.ping("t1", a.address, "TSMP", 10_000);
		await sleep(settleSeconds * 1000);
		const packets = async () => {
			const [link] = JSON.parse(await world.place.run("ip", "-s", "-j", "link", "show", "eth0"));
			return link.stats64.rx.packets + link.stats64.tx.packets;
		};
		const before = await packets();
		await sleep(seconds * 1000);
		return { packetsPerMinute: ((await packets()) - before) * (60 / seconds) };
	} finally {
		await world.close();
	}
}

/** One attack on a node in a world of its own, see underAttack. */
async function attacked(subject, { name, send }, { perSecond, seconds, rounds, bytes }) {
	const world = await World.create({ shared: true, subject });
	try {
		const t1 = await world.stock("t1");
		const a = await world.subject("a");
		const members = await hostileMembers(world, t1, a);
		const others = await attackingAnother(members);
		const nothing = { bytes: 0, seconds: 0, processor: 0, sent: 0 };
		const spent = { another: { ...nothing }, node: { ...nothing } };
		/** Streams follow one another until the attack is over, or one breaks. */
		const during = async (total, whom) => {
			const processor = processorSeconds(a.pid);
			let isOver = false;
			const attack = send(whom, perSecond, seconds).finally(() => {
				isOver = true;
			});
			attack.catch(() => {}); // told below, unless a stream broke before
			while (!isOver) {
				const began = performance.now();
				await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes, mode: "echo" }, limitMS);
				total.bytes += bytes;
				total.seconds += (performance.now() - began) / 1000;
			}
			total.sent += (await attack).sent;
			total.processor += processorSeconds(a.pid) - processor;
		};
		const before = a.memory().residentBytes;
		try {
			await during({ ...nothing }, others);
			for (let round = 0; round < rounds; round++) {
				const both = [() => during(spent.another, others), () => during(spent.node, members)];
				for (const each of round % 2 === 0 ? both : both.reverse()) await each();
			}
		} catch {
			return { name, kept: 0, microseconds: Number.NaN, grownBytes: Number.NaN };
		}
		const rate = ({ bytes, seconds }) => bytes / seconds;
		const usual = (spent.another.processor / spent.another.bytes) * spent.node.bytes;
		return {
			name,
			kept: rate(spent.node) / rate(spent.another),
			microseconds: ((spent.node.processor - usual) / spent.node.sent) * 1e6,
			grownBytes: a.memory().residentBytes - before,
		};
	} finally {
		await world.close();
	}
}

/**
 * Every attack of a member of the tailnet, while an honest stock peer has a stream of echoes to the node. `kept` is the share of its throughput that the stream keeps,
 * against the same attack on somebody else (attackingAnother): attacker, honest peer and relay are one process, on the processors of the node. `microseconds` are
 * what a wrong packet costs the node of its processor, `grownBytes` what its resident memory grew by. A stream that breaks kept nothing.
 * @param {"own" | "stock"} subject
 * @returns {Promise<{name: string, kept: number, microseconds: number, grownBytes: number}[]>}
 */
export async function underAttack(subject, { perSecond = 2000, seconds = 3, rounds = 6, bytes = 16e6 } = {}) {
	const results = [];
	for (const attack of attacks) results.push(await attacked(subject, attack, { perSecond, seconds, rounds, bytes }));
	return results;
}

async function main(pairs) {
	const lines = missing();
	if (lines.length > 0) return console.log(lines.map((line) => `skipped: ${line}`).join("\n"));
	await buildPeers();
	const round = (value) => Math.round(value * 100) / 100;
	for (const pair of pairs.length > 0 ? pairs : ["stock-stock"]) {
		const kinds = pair.split("-");
		for (const relayed of [false, true]) {
			const result = await throughput(kinds, { relayed, bytes: relayed ? 16e6 : 64 * 1024 * 1024 });
			const rtt = await roundTrip(kinds, { relayed });
			const cost = result.processor.map((seconds) => `${round(seconds)} s`).join(" + ");
			for (const failure of result.failures) console.log(`${pair}: ${failure}`);
			console.log(
				`${pair} ${relayed ? "by DERP" : "direct"}: ${Math.round(result.forwardMedian)} Mbit/s, back ${Math.round(result.backwardMedian)} Mbit/s, processor ${cost}, TSMP ${round(rtt.medianMS)} ms`,
			);
		}
	}
	for (const subject of new Set(pairs.flatMap((pair) => pair.split("-")).concat("stock"))) {
		const { first, again } = await startup(subject);
		console.log(
			`${subject}: first login ${round(first.runningMS)} ms, first byte ${round(first.firstByteMS)} ms; restart ${round(again.runningMS)} ms, ${round(again.firstByteMS)} ms`,
		);
		const many = await manyPeers(subject);
		console.log(`${subject}: 5,000 peers after ${round(many.completeMS)} ms, ${round(many.residentBytes / 1e6)} MB`);
	}
	return undefined;
}

if (import.meta.filename === process.argv[1]) await main(process.argv.slice(2));
