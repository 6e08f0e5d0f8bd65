/**
 * Our node dies and is started again, over and over, while a stock peer pings it all the time: how long the peer hears nothing. The gap is from the end of the
 * old process to the first answer that the peer gets from the new one; what the process itself takes until `new Tailnet` is in it, and told beside it. A stock
 * node that is treated in the same way is the reference.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../harness/world.js";

const everyMS = 50;
const restarts = 20;
const restartsAlone = 8;
const stockRestarts = 5;
/** Beyond what the process itself takes. One in ten may be late where the machine is busy, but not so late as a peer that tries again by itself, which is after 5 s. */
const boundMS = 1000;
const retryMS = 4500;

/** A peer's TSMP pings, one every 50 ms whatever becomes of those before. */
class Stream {
	/** Times of answers, and when their pings were sent. */
	answers = [];
	#world;
	#address;
	#timer;

	constructor(world, address) {
		this.#world = world;
		this.#address = address;
		this.#timer = setInterval(() => this.#ping(), everyMS);
	}

	#ping() {
		const sentAt = performance.now();
		this.#world.ping("t1", this.#address, "TSMP", 1000).then(
			() => this.answers.push({ sentAt, at: performance.now() }),
			() => {},
		);
	}

	/** Until a ping that was sent after `since` is answered. @returns when */
	async answered(since, withinMS = 30_000) {
		for (const end = performance.now() + withinMS; performance.now() < end; await sleep(5)) {
			const answer = this.answers.find(({ sentAt }) => sentAt >= since);
			if (answer) return answer.at;
		}
		throw new Error(`no answer within ${withinMS} ms`);
	}

	stop() {
		clearInterval(this.#timer);
	}
}

/** Kills and starts a node. @returns [gap, what of it the process took], ms each */
async function restart(t, stream, hostname, options) {
	// Some answers, so that there is a session, and traffic in it.
	const before = performance.now();
	await stream.answered(before);
	await stream.answered(performance.now() + 200);
	await t.nodes[hostname].kill();
	const endedAt = performance.now();
	const node = await t.world.launch(hostname, options);
	t.nodes[hostname] = node;
	const firstAt = await stream.answered(endedAt);
	const created = node.kind !== "stock" ? (await node.state("connecting")).at : node.startedAt;
	return [firstAt - endedAt, created - endedAt];
}

const longest = (gaps) => Math.round(Math.max(...gaps));
const middle = (gaps) => Math.round(gaps.toSorted((a, b) => a - b)[gaps.length >> 1]);
const told = (gaps) => `longest ${longest(gaps)} ms, median ${middle(gaps)} ms`;

/** Of gaps beyond the process, and whole ones. */
function inTime({ assert }, own, whole) {
	const late = own.filter((gap) => gap > boundMS);
	assert.ok(late.length <= own.length / 10 && longest(own) < retryMS, `beyond the process: ${own.map(Math.round)}; whole: ${whole.map(Math.round)}`);
}

export default {
	title: "Restarts under traffic",
	async before(t) {
		await t.world.stock("t1");
		t.nodes = { a: await t.world.subject("a") };
		t.address = t.nodes.a.address;
		// testcontrol with a required key refuses even a known node that does not show it.
		await t.world.peers.do("control.set", { requireAuthKey: "" });
		await t.world.eventually(() => t.world.ping("t1", t.address, "TSMP", 2000), 20_000);
	},
	cases: [
		[
			"20 times in a row: the peer hears nothing for at most 1 s beyond the start of the process, and never as long as a retry takes",
			async (t) => {
				const stream = new Stream(t.world, t.address);
				const gaps = [];
				const own = [];
				try {
					const kept = join(t.nodes.a.store, "netmap-head");
					await t.world.eventually(() => t.assert.ok(existsSync(kept), "the map is not written"), 20_000);
					for (let i = 0; i < restarts; i++) {
						const [gap, process] = await restart(t, stream, "a", { authKey: undefined });
						gaps.push(gap);
						own.push(gap - process);
					}
				} finally {
					stream.stop();
				}
				t.gaps = gaps;
				inTime(t, own, gaps);
				return `${told(gaps)}; beyond the start of the process ${told(own)}`;
			},
			{ own: true, timeoutMS: 240_000 },
		],
		[
			"with control down it is the same: the map of the last run is enough",
			async (t) => {
				await t.world.peers.do("control.stop");
				const stream = new Stream(t.world, t.address);
				const gaps = [];
				const own = [];
				try {
					for (let i = 0; i < restartsAlone; i++) {
						const [gap, process] = await restart(t, stream, "a", { authKey: undefined });
						gaps.push(gap);
						own.push(gap - process);
					}
				} finally {
					stream.stop();
					await t.world.peers.do("control.restart");
				}
				inTime(t, own, gaps);
				return `${told(gaps)}, of ${restartsAlone}; beyond the start of the process ${told(own)}`;
			},
			{ own: true, timeoutMS: 120_000 },
		],
		[
			"a stock node in its place, for comparison",
			async (t) => {
				t.nodes.b = await t.world.subject("b", { subject: "stock" });
				const stream = new Stream(t.world, t.nodes.b.address);
				const gaps = [];
				try {
					for (let i = 0; i < stockRestarts; i++) gaps.push((await restart(t, stream, "b", { subject: "stock" }))[0]);
				} finally {
					stream.stop();
				}
				return `${told(gaps)}, of ${stockRestarts}; ours ${told(t.gaps)}`;
			},
			{ own: true, timeoutMS: 240_000 },
		],
	],
};
