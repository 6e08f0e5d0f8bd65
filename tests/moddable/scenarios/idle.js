/**
 * A node in use, and then in an idle minute: its heap stays as it is, and it does no more than the protocols ask. It lives in a world of its own beside
 * the scenarios before this one, since a minute takes a minute.
 */
import { sleep, World } from "../../interop/harness/world.js";
import { traffic } from "../harness/traffic.js";

/**
 * A peer that is not talked to is forgotten 45 s after its last packet, and its session's last keepalive is gone by then. A look at the network that was due in
 * those comes up to 26 s later.
 */
const settleMS = 75_000;
const minuteMS = 60_000;
const mostPackets = 4;
/** Each of control and relay says once a minute that it is there; beside that, the timers of the protocols. */
const mostWakes = 10;
/** Slots of the stack: an app's manifest asks for 448 (documentation/memory.md), of which 64 are left to its own callbacks. */
const mostSlots = 384;
const heapBytes = 4096;

/**
 * What leaves the namespace. A bare acknowledgement has at most 60 bytes: those are the system's, most of them for the servers' probes of TCP, which Go
 * sends every 15 s.
 */
const counted = {
	acknowledgements: "tcp flags & (syn | fin | rst) == 0 ip length <= 60 counter accept",
	TCP: "meta l4proto tcp counter accept",
	UDP: "meta l4proto udp counter accept",
	others: "counter accept",
};

/** Counts from now on. */
function count(namespace) {
	const rules = Object.values(counted).map((rule) => `oifname "eth0" ${rule}\n`);
	namespace.rules(`table inet interop {\nchain output {\ntype filter hook output priority 0; policy accept;\n${rules.join("")}}\n}\n`);
}

/** @returns {Promise<Record<string, number>>} packets since then */
async function packets(namespace) {
	const { nftables } = JSON.parse(await namespace.run("nft", "--json", "list", "ruleset"));
	const counters = nftables.flatMap(({ rule }) => rule?.expr.flatMap(({ counter }) => counter?.packets ?? []) ?? []);
	return Object.fromEntries(Object.keys(counted).map((name, i) => [name, counters[i]]));
}

async function live() {
	const world = await World.create({ subject: "simulator" });
	try {
		const t1 = await world.stock("t1");
		const a = await world.subject("a");
		await world.untilDirect("t1", a.address);
		const used = async () => a.do({ do: "memory" });
		await traffic(world, a, t1);
		const before = await used();
		await traffic(world, a, t1);
		await sleep(settleMS);
		const after = await used();
		count(world.place);
		await sleep(minuteMS);
		const sent = await packets(world.place);
		const late = await used();
		await world.ping("t1", a.address, "TSMP", 10_000);
		const slots = Math.max(...a.events.filter(({ event }) => event === "stack").map((event) => event.slots));
		return { before, after, late, sent, slots };
	} finally {
		await world.close();
	}
}

let life;

export default {
	title: "An idle minute",
	prepare() {
		life = live();
		life.catch(() => {});
	},
	cases: [
		[
			"after much traffic its heap is what it was after as much before",
			async ({ assert }) => {
				const { before, after, late } = await life;
				for (const figures of [after, late])
					for (const name of ["slotBytes", "chunkBytes"])
						assert.ok(figures[name] <= before[name] + heapBytes, `${name}: ${before[name]} before, ${figures[name]} after`);
				return `${before.slotBytes} bytes of slots and ${before.chunkBytes} of chunks before, ${late.slotBytes} and ${late.chunkBytes} after`;
			},
			{ timeoutMS: 240_000 },
		],
		[
			`in an idle minute it sends at most ${mostPackets} packets`,
			async ({ assert }) => {
				const { TCP, UDP, others, acknowledgements } = (await life).sent;
				const told = `TCP ${TCP}, UDP ${UDP}, others ${others}; acknowledgements ${acknowledgements}`;
				assert.ok(TCP + UDP + others <= mostPackets, told);
				return told;
			},
		],
		[
			`in an idle minute it wakes the machine at most ${mostWakes} times`,
			async ({ assert }) => {
				const { after, late } = await life;
				const wakes = late.wakes - after.wakes;
				assert.ok(wakes <= mostWakes, `${wakes}`);
				return `${wakes}`;
			},
		],
		[
			`in all of this its JavaScript goes at most ${mostSlots} slots deep`,
			async ({ assert }) => {
				const { slots } = await life;
				assert.ok(slots <= mostSlots, `${slots}`);
				return `${slots}`;
			},
		],
	],
};
