/**
 * Sleep: a node that was suspended goes on with its session to a stock peer in the next run, with control down, and without a handshake; a record that is used, or old,
 * costs one.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { at } from "../harness/world.js";

const withinMS = 1000;
const clockAhead = pathToFileURL(join(import.meta.dirname, "../harness/clock-ahead.js")).href;

const counters = async (t) => (await t.a.do({ do: "memory" })).counters;
const ping = (t, kind = "tsmp", timeoutMS = 5000) => t.a.do({ do: "ping", peer: t.t1.ip4, kind, timeoutMS });

/**
 * Until the peer's answer comes. While we slept a ping of the peer's may have timed out, which makes it forget our address: then it answers by a relay that we are not
 * connected to yet, and that answer is lost.
 */
const answered = (t) => t.world.eventually(() => ping(t, "tsmp", 500), 10_000);

/** Puts our node to sleep. @returns its record */
async function suspended(t) {
	const { record } = await t.a.do({ do: "suspend" });
	t.assert.equal((await t.a.exited).code, 0);
	return record;
}

/** The next run, with a record, while control is down. @returns when it was made, as the events tell */
async function woken(t, record, options = {}) {
	await t.world.peers.do("control.stop");
	t.a = await t.world.launch("a", { authKey: undefined, resume: record, ...options });
	const created = await t.a.state("connecting");
	// The map of the last run is in force a turn after that.
	await t.a.waitFor("peers", (event) => event.event === "peers", 5000);
	return created.at;
}

/** Control is back, and traffic goes both ways. */
async function works(t) {
	await t.world.peers.do("control.restart");
	await t.a.running(30_000);
	await t.a.do({ do: "bulk", peer: t.t1.ip4, port: 7, bytes: 100_000, mode: "echo" });
	await t.world.peers.do("node.bulk", { node: "t1", to: at(t.address, 7), bytes: 100_000, mode: "echo" }, 5000);
}

/** What a run with a record that is not used has to say, and what it costs. */
async function refused(t, why) {
	await ping(t);
	const { wireguardInitiations, wireguardAdopted } = await counters(t);
	t.assert.deepEqual([wireguardInitiations, wireguardAdopted], [1, 0]);
	t.assert.deepEqual((await t.a.do({ do: "self" })).resumed, { sessions: 0, refused: why });
	t.assert.equal(t.a.events.filter((event) => event.event === "error" && event.code === "resume").length, 1);
}

export default {
	title: "Sleep",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		t.address = t.a.address;
		await t.world.eventually(() => t.world.ping("t1", t.address, "TSMP", 2000), 20_000);
		await t.world.eventually(async () => t.assert.doesNotMatch((await ping(t, "disco")).via, /^DERP/), 20_000);
		await t.world.eventually(() => ping(t), 20_000);
		// testcontrol with a required key refuses even a known node that does not show it.
		await t.world.peers.do("control.set", { requireAuthKey: "" });
		await t.world.eventually(() => t.assert.ok(existsSync(join(t.a.store, "netmap-head")), "the map is not written"), 20_000);
	},
	cases: [
		[
			"the first packet of the next run is answered by the stock peer within 1 s, and nobody makes a handshake",
			async (t) => {
				const record = await suspended(t);
				t.record = record;
				const createdAt = await woken(t, record);
				const { via } = await ping(t);
				const afterMS = performance.now() - createdAt;
				t.assert.equal((await t.a.do({ do: "udp", peer: t.t1.ip4, port: 7, size: 100, count: 5 })).received, 5);
				await t.a.do({ do: "bulk", peer: t.t1.ip4, port: 7, bytes: 100_000, mode: "echo" });
				await t.world.ping("t1", t.address, "TSMP", 3000);
				const { wireguardInitiations, wireguardX25519, wireguardAdopted } = await counters(t);
				t.assert.deepEqual([wireguardInitiations, wireguardX25519, wireguardAdopted], [0, 0, 1]);
				t.assert.deepEqual((await t.a.do({ do: "self" })).resumed, { sessions: 1 });
				t.assert.ok(afterMS < withinMS, `answered after ${Math.round(afterMS)} ms`);
				t.assert.ok(!t.a.events.some((event) => event.event === "state" && event.state === "running"), "it does not say that it runs");
				return `record of ${Buffer.from(record, "base64").length} bytes; answered after ${Math.round(afterMS)} ms by ${via}`;
			},
			{ own: true },
		],
		[
			"with control back the session lives on, and control has the same disco key as before the sleep",
			async (t) => {
				await works(t);
				t.assert.deepEqual([(await counters(t)).wireguardInitiations, (await t.a.do({ do: "self" })).resumed], [0, { sessions: 1 }]);
			},
			{ own: true },
		],
		[
			"one that sleeps and wakes ten times in a row makes no handshake",
			async (t) => {
				const times = [];
				for (let i = 0; i < 10; i++) {
					const record = await suspended(t);
					const createdAt = await woken(t, record);
					await answered(t);
					times.push(performance.now() - createdAt);
					const { wireguardInitiations, wireguardX25519, wireguardAdopted } = await counters(t);
					t.assert.deepEqual([i, wireguardInitiations, wireguardX25519, wireguardAdopted], [i, 0, 0, 1]);
				}
				await works(t);
				return `answered after ${Math.round(Math.max(...times))} ms at most`;
			},
			{ own: true, timeoutMS: 60_000 },
		],
		[
			"by DERP alone it is the same",
			async (t) => {
				t.world.blockUDP();
				try {
					// A path that is gone is trusted for 6.5 s more, by either side (protocol/relay.md §2.8).
					await t.world.eventually(async () => t.assert.ok((await t.world.ping("t1", t.address, "disco", 2000)).region), 20_000);
					await t.world.eventually(async () => t.assert.match((await ping(t, "disco")).via, /^DERP/), 20_000);
					await answered(t);
					const record = await suspended(t);
					await woken(t, record);
					await answered(t);
					const { wireguardInitiations, wireguardX25519, wireguardAdopted } = await counters(t);
					t.assert.deepEqual([wireguardInitiations, wireguardX25519, wireguardAdopted], [0, 0, 1]);
				} finally {
					t.world.allowUDP();
				}
				await works(t);
			},
			{ own: true },
		],
		// Last: these runs have other disco keys, and the peer ends its session when control tells it so, which may be much later.
		[
			"the same record once more is refused and costs one handshake",
			async (t) => {
				await t.a.kill();
				await woken(t, t.record);
				await refused(t, "used");
				await works(t);
			},
			{ own: true },
		],
		[
			"a record of 181 s ago, too, and one that was made by a clock that went back since",
			async (t) => {
				const record = await suspended(t);
				await woken(t, record, { env: { NODE_OPTIONS: `--import ${clockAhead}`, CLOCK_AHEAD_MS: "181000" } });
				await refused(t, "old");
				await works(t);
				const ahead = await suspended(t);
				await woken(t, ahead);
				await refused(t, "clock");
				await works(t);
			},
			{ own: true },
		],
	],
};
