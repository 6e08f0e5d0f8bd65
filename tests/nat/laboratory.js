/**
 * Places of the laboratory, pairs of nodes at two places, and what is seen of a pair.
 *
 * A place is a host with two nodes on it, one of ours and one of stock, so that every cell of a table is tried with four pairs in the same network: ours
 * with ours, ours with stock, stock with ours, and stock with stock to compare. The first of a pair begins.
 */
import assert from "node:assert/strict";
import { sleep } from "../interop/harness/world.js";

/** Options of a world of the laboratory. Two relays, so that a netcheck sees whether the mapping varies with the destination (protocol/paths.md §3.1). */
export const relays = [{ region: 1 }, { region: 2 }];

/** An application sends once a second. */
const trafficMS = 1_000;
const lookMS = 50;

/**
 * Moments of protocol/paths.md §9.1, in milliseconds. The delays of the network are below one here; what the document leaves to d, o and s is the
 * machine's: four pairs are measured at once.
 */
const machineMS = 1_000;
export const bounds = {
	/** An address is asked again 5 s after its last ping, the next heartbeat is 6 s after the first packet (§9.2); before it, 250 ms for a netcheck. */
	direct: 6_000 + 250 + machineMS,
	/** A round of pings, a CallMeMaybe, and the next round, twice. */
	relayed: 12_000,
	/** A path dies while packets flow: trust ends after 6.5 s, and the next beat (3 s) or packet asks everywhere. */
	repaired: 6_500 + 3_000 + machineMS,
	/** A stock node looks at its links at most each second, and gives its relay 3 s to answer before it connects anew (§6.1, §6.3). */
	derpAgain: 1_000 + 3_000 + machineMS,
	/** Both ends changed network, from when both have DERP (§10, 40). */
	both: 10_000,
};
/** An end roams: DERP again, then as an easy NAT. */
bounds.roamed = bounds.derpAgain + bounds.direct;

/**
 * @typedef {object} Place
 * @property {string} name
 * @property {import("../interop/harness/network.js").Namespace} host
 * @property {import("../interop/harness/home.js").Home} [home] where the host is, if it is behind a router
 * @property {object} own our node
 * @property {object} stock
 */

/**
 * Starts both nodes on hosts, all at once, until each knows all others and is on the relay where they reach it; the networks are there already.
 * @param {{name: string, host?: object, home?: object, portMapping?: boolean}[]} list a place without host is the first one of its home
 * @returns {Promise<Record<string, Place>>} by name
 */
export async function places(world, list) {
	const made = await forAll(list, async ({ name, home, host = home.inside, portMapping = false }) => {
		// Whoever does not know yet who speaks to it hears only the second try, 5 s later.
		const common = { namespace: host, timeoutMS: 60_000, expectPeers: 2 * list.length - 1 };
		const [own, stock] = await forAll(
			[
				{ ...common, subject: "own", args: portMapping ? [] : ["--no-port-mapping"] },
				{ ...common, subject: "stock", portMapping },
			],
			(options) => world.subject(`${name}-${options.subject}`, options),
		);
		return [name, { name, host, home, own, stock }];
	});
	const nodes = made.flatMap(([, { own, stock }]) => [own, stock]);
	await forAll(nodes, (node) => world.eventually(() => onRelay(world, node), 20_000));
	await forAll(nodes, (node) => world.eventually(() => knowsRelays(node), 20_000));
	return Object.fromEntries(made);
}

/** A stock node runs before it has a relay: what is sent to it until then is lost. @throws if it has none yet */
async function onRelay(world, { options: { hostname } }) {
	const { Key, HomeDERP } = await world.known(hostname);
	assert.ok(HomeDERP > 0, `${hostname} has no home`);
	const { connected } = await world.peers.do("relay.connected", { region: HomeDERP, nodeKey: Key });
	assert.ok(connected, `${hostname} is not on its relay`);
}

/** @throws if it does not know by which relay each of the others is reached */
async function knowsRelays(node) {
	const { peers } = await node.do({ do: "peers" });
	for (const { name, relay } of peers) assert.ok(relay, `${node.options.hostname} does not know the relay of ${name}`);
}

/** Networks behind routers, one after another: they share the switch. @param {Record<string, import("../interop/harness/home.js").HomeOptions>} list by name */
export async function homes(world, list) {
	const made = [];
	for (const [name, options] of Object.entries(list)) made.push({ name, home: await world.network.home(name, options) });
	return made;
}

const kinds = ["own", "stock"];

/** The four pairs of nodes of two places. */
export const pairs = (here, there) =>
	kinds.flatMap((left) => kinds.map((right) => ({ name: `${left}-${right}`, from: here[left], to: there[right], here, there })));

/** Where packets to a peer go, without asking the peer: "ip:port", or "DERP ..." or "" while there is no direct path. */
async function pathTo(node, peer) {
	const { peers } = await node.do({ do: "peers" });
	const entry = peers.find(({ addresses }) => addresses.includes(peer.address));
	return (node.kind === "stock" ? entry?.endpoint : entry?.path) ?? "";
}

const isDirect = (path) => path !== "" && !path.startsWith("DERP");

/** A packet that the peer's network stack answers, by whatever way. */
export const packet = ({ from, to }, timeoutMS = 5_000) => from.do({ do: "ping", peer: to.address, kind: "tsmp", timeoutMS }, timeoutMS + 2_000);

/**
 * @returns {Promise<string>} by which way the first answer to a disco ping came
 * @throws {Error} that names both, if none came
 */
export async function discoVia(from, to, timeoutMS = 5_000) {
	try {
		return (await from.do({ do: "ping", peer: to.address, kind: "disco", timeoutMS }, timeoutMS + 2_000)).via;
	} catch (error) {
		throw new Error(`${from.options.hostname} to ${to.options.hostname}: ${error.message}`, { cause: error });
	}
}

/**
 * Traffic of an application: a packet each second, one at a time, until told to stop.
 * @param {() => void} [onAnswer] called for each answer
 * @returns {{first: Promise<object>, stop: () => Promise<void>}} the answer to the first one, and what ends it
 */
function traffic(pair, onAnswer = () => {}) {
	let stopped = false;
	const first = packet(pair);
	first.then(onAnswer, () => {});
	const ended = (async () => {
		await Promise.allSettled([first, sleep(trafficMS)]);
		// An answer that is lost while a path dies is nothing to an application that sends again.
		while (!stopped) await Promise.allSettled([packet(pair, 2_000).then(onAnswer), sleep(trafficMS)]);
	})();
	return {
		first,
		stop: () => {
			stopped = true;
			return ended;
		},
	};
}

/** Watches one end until it has a direct path that matches. @returns {Promise<number>} after how many milliseconds */
async function watch(node, peer, { withinMS, matches, began }) {
	for (;;) {
		const path = await pathTo(node, peer);
		const afterMS = performance.now() - began;
		if (isDirect(path) && matches.test(path)) return afterMS;
		const names = [node, peer].map(({ options }) => options.hostname).join(" to ");
		assert.ok(afterMS < withinMS, `${names}: no direct path like ${matches} after ${withinMS} ms, but "${path}"`);
		await sleep(lookMS);
	}
}

/**
 * The first packet of a pair is answered at once, by whatever way, and with traffic each end gets a direct path within the bound; a ping in either
 * direction goes by it then.
 * @param {{withinMS?: number, toPath?: RegExp, fromPath?: RegExp}} expected toPath: of the way from `from` to `to`
 * @returns {Promise<{firstMS: number, fromMS: number, toMS: number}>} the first answer, and when each end was seen direct
 */
export async function becomesDirect(pair, { withinMS = bounds.direct, toPath = /:/, fromPath = /:/ } = {}) {
	const { from, to } = pair;
	const began = performance.now();
	const { first, stop } = traffic(pair);
	try {
		const [{ latencyMS: firstMS }, fromMS, toMS] = await Promise.all([
			first,
			watch(from, to, { withinMS, matches: toPath, began }),
			watch(to, from, { withinMS, matches: fromPath, began }),
		]);
		assert.match(await discoVia(from, to), toPath, pair.name);
		assert.match(await discoVia(to, from), fromPath, pair.name);
		return { firstMS, fromMS, toMS };
	} finally {
		await stop();
	}
}

/**
 * What becomes of a pair after its network has changed under it: when packets are answered again, and when each end has a direct path that matches.
 * @param {{withinMS: number, toPath?: RegExp, fromPath?: RegExp}} expected as in becomesDirect
 * @returns {Promise<{firstMS: number, fromMS: number, toMS: number}>} since the call
 */
export async function recovers(pair, { withinMS, toPath = /:/, fromPath = /:/ }) {
	const { from, to } = pair;
	const began = performance.now();
	let firstMS;
	const { stop } = traffic(pair, () => (firstMS ??= performance.now() - began));
	try {
		const [fromMS, toMS] = await Promise.all([watch(from, to, { withinMS, matches: toPath, began }), watch(to, from, { withinMS, matches: fromPath, began })]);
		assert.match(await discoVia(from, to), toPath, pair.name);
		assert.match(await discoVia(to, from), fromPath, pair.name);
		await packet(pair);
		firstMS ??= performance.now() - began;
		return { firstMS, fromMS, toMS };
	} finally {
		await stop();
	}
}

/** The first packet of a pair is answered at once, and for the time of the bound every ping, both ways, comes by DERP. */
export async function staysRelayed(pair) {
	const { from, to } = pair;
	const began = performance.now();
	const { first, stop } = traffic(pair);
	let asked = 0;
	try {
		const { latencyMS: firstMS } = await first;
		while (performance.now() - began < bounds.relayed) {
			for (const via of await Promise.all([discoVia(from, to), discoVia(to, from)])) assert.match(via, /^DERP/, pair.name);
			asked += 2;
			await sleep(trafficMS);
		}
		for (const path of [await pathTo(from, to), await pathTo(to, from)]) assert.ok(!isDirect(path), `${pair.name}: ${path}`);
		return { firstMS, asked };
	} finally {
		await stop();
	}
}

/** Runs one thing for all pairs at once; throws the first failure after all have ended, so that no pair is left talking. */
export async function forAll(list, run) {
	const results = await Promise.allSettled(list.map(run));
	const failed = results.filter(({ status }) => status === "rejected");
	if (failed.length > 0) {
		failed[0].reason.message = failed.map(({ reason }) => reason.message).join("\n    ");
		throw failed[0].reason;
	}
	return results.map(({ value }) => value);
}

const milliseconds = (value) => Math.round(value);

/** The note of a case: times of all pairs side by side. */
export const sideBySide = (list, times) =>
	list.map(({ name }, i) => `${name} ${["firstMS", "fromMS", "toMS"].map((of) => milliseconds(times[i][of])).join("/")}`).join(", ");

/** A case: four pairs become direct. @param {(t: object) => [Place, Place]} places @param {(t: object, pair: object) => object} [expected] */
export const directCase = (sentence, places, expected = () => ({})) => [
	sentence,
	async (t) => {
		const list = pairs(...places(t));
		return sideBySide(list, await forAll(list, (pair) => becomesDirect(pair, expected(t, pair))));
	},
];

/** Cases whose pairs stay on the relay, tried all at once, since each takes as long as the longest. @param {[string, (t: object) => [Place, Place]][]} cells */
export function relayedCases(cells) {
	let running;
	const begin = (t) => {
		running ??= cells.map(([, places]) => {
			const result = forAll(pairs(...places(t)), staysRelayed);
			result.catch(() => {});
			return result;
		});
		return running;
	};
	return cells.map(([sentence], i) => [
		sentence,
		async (t) => {
			const results = await begin(t)[i];
			return `${results.reduce((sum, { asked }) => sum + asked, 0)} pings by DERP, first packet after ${results.map(({ firstMS }) => milliseconds(firstMS)).join(", ")} ms`;
		},
	]);
}
