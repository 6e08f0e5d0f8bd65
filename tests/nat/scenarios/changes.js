/**
 * Networks that change under nodes that talk: a peer that roams, both at once, a router that starts again. That its machine has moved, every node sees by
 * itself.
 */
import { becomesDirect, bounds, forAll, homes, pairs, places, recovers, relays, sideBySide } from "../laboratory.js";

/** By whatever port of that router. */
const outside = ({ router }, ports = "\\d+") => new RegExp(`^${router.address.replaceAll(".", "\\.")}:${ports}$`);

/** Moves the host of a place into another network. */
async function roam(place, home) {
	await home.join(place.host);
	place.home = home;
}

const settle = (list) => forAll(list, (pair) => becomesDirect(pair));

export default {
	title: "Networks that change",
	world: { relays, control: { stream: "own" } },
	async before(t) {
		const list = await homes(t.world, {
			left: { nat: "easy", lan: "192.168.71" },
			right: { nat: "easy", lan: "192.168.72" },
			elsewhere1: { nat: "easy", lan: "192.168.73" },
			elsewhere2: { nat: "easy", lan: "192.168.74" },
		});
		t.home2 = list[1].home;
		t.elsewhere = list.splice(2).map(({ home }) => home);
		list.push({ name: "still", host: await t.world.network.namespace("still") });
		t.places = await places(t.world, list);
	},
	cases: [
		[
			"[paths 39] a peer roams in the middle of a transfer: its new address is answered, the path changes to it, and the application sees no error",
			async ({ places: { still, right }, elsewhere: [, home], assert }) => {
				const list = pairs(still, right);
				await settle(list);
				// Slow enough to be at work before and after.
				await still.host.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "20mbit", "burst", "256kb", "latency", "200ms");
				const began = performance.now();
				const ended = [];
				const transfers = list.map(({ from, to }, i) =>
					from.do({ do: "bulk", peer: to.address, port: 7, bytes: 10_000_000, mode: "echo" }, 90_000).then(() => (ended[i] = performance.now() - began)),
				);
				const all = forAll(transfers, (transfer) => transfer);
				all.catch(() => {});
				await roam(right, home);
				assert.deepEqual(ended, [], "a transfer ended before the roam");
				const times = await forAll(list, (pair) => recovers(pair, { withinMS: bounds.roamed, toPath: outside(home) }));
				const doneMS = await all;
				return `${sideBySide(list, times)}; transfers ${doneMS.map(Math.round).join(", ")}`;
			},
			{ timeoutMS: 120_000 },
		],
		[
			"[paths 40] both change network at the same moment: direct again within 10 s after both have DERP",
			async ({ places: { left, right }, elsewhere: [home1], home2, assert }) => {
				const list = pairs(left, right);
				await settle(list);
				await Promise.all([roam(left, home1), roam(right, home2)]);
				const expected = { withinMS: bounds.derpAgain + bounds.both, toPath: outside(home2), fromPath: outside(home1) };
				const times = await forAll(list, (pair) => recovers(pair, expected));
				// Packets are answered from when both have DERP, if they are not direct before.
				for (const { firstMS, fromMS, toMS } of times) assert.ok(Math.max(fromMS, toMS) - firstMS <= bounds.both, sideBySide(list, times));
				return sideBySide(list, times);
			},
		],
		[
			"[paths 38] a router starts again and maps other ports: a heartbeat from the new port reaches the peer, and both directions are direct again without control",
			async ({ world, places: { left, still } }) => {
				const list = pairs(left, still);
				await settle(list);
				const hold = (hold) =>
					forAll([left.own, left.stock, still.own, still.stock], ({ options: { hostname } }) => world.peers.do("control.hold", { hostname, hold }));
				await hold(true);
				// The connections to relay and control die with it; nothing says so before somebody writes. Hence this is the last case.
				await left.home.restart();
				const times = await forAll(list, (pair) => recovers(pair, { withinMS: bounds.repaired, fromPath: outside(left.home, "3\\d{4}") }));
				await hold(false);
				return sideBySide(list, times);
			},
		],
	],
};
