/**
 * Connections that are open across a fault, and compared byte for byte: from the canary to every node a drip and a steady flow, from every node to
 * the canary a transfer, and one between the two of ours.
 */
import { at } from "../interop/harness/world.js";

/** A connection that is silent for longer is lost: longer than any fault lasts. */
const patienceMS = 300_000;
/** A connection that carries nothing by then does not begin. */
const beginMS = 60_000;
/** From the canary: a connection that is never quiet, and one that always has something in flight. */
const drips = [
	{ kind: "drip", everyMS: 100, blockBytes: 64 },
	{ kind: "flow", everyMS: 20, blockBytes: 16_384 },
];
const directBytes = 48_000_000;
const relayedBytes = 8_000_000;

export class Streams {
	#stage;
	#names;
	/** @type {Promise<import("./outcomes.js").Outcome>[]} */
	#transfers = [];

	/**
	 * @param {string[]} names nodes that the fault lets live
	 * @param {boolean} isRelayed there is no direct path: less is transferred in the same time
	 */
	static async open(stage, names, isRelayed) {
		const streams = new Streams();
		streams.#stage = stage;
		streams.#names = names;
		// The transfers first: while the drips begin, which say when they flow, those have long been connected.
		for (const name of names) streams.#transfer(name, "transfer", stage.canary, isRelayed);
		const [a, b] = stage.own;
		if (names.includes(a) && names.includes(b)) streams.#transfer(a, "between two of ours", b, isRelayed);
		await Promise.all(names.flatMap((name) => drips.map((drip) => streams.#drip(name, drip))));
		return streams;
	}

	async #drip(name, { kind, ...pace }) {
		const stage = this.#stage;
		const asked = { node: stage.canary, name: `${name} ${kind}`, to: at(stage.address(name), 7), patienceMS, ...pace };
		try {
			await stage.world.peers.do("node.drip", asked, beginMS);
		} catch (error) {
			// One of the reference that does not begin counts as lost, when it is asked for: a stock node now and then stalls behind a relay that drops packets.
			if (stage.isOwn(name)) throw error;
		}
	}

	#transfer(name, kind, peer, isRelayed) {
		const request = {
			do: "bulk",
			peer: this.#stage.address(peer),
			port: 7,
			bytes: isRelayed ? relayedBytes : directBytes,
			mode: "echo",
			timeoutMS: patienceMS,
		};
		const done = this.#stage.node(name).do(request, patienceMS + 5000);
		this.#transfers.push(
			done.then(
				() => ({ name, kind }),
				(error) => ({ name, kind, error: error.message.split("\n")[0] }),
			),
		);
	}

	/** Ends them all. @returns {Promise<import("./outcomes.js").Outcome[]>} */
	async close() {
		const dripped = this.#names.flatMap((name) =>
			drips.map(async ({ kind }) => {
				try {
					const asked = { node: this.#stage.canary, name: `${name} ${kind}` };
					return { name, kind, gapMS: (await this.#stage.world.peers.do("node.dripped", asked, patienceMS)).longestGapMS };
				} catch (error) {
					return { name, kind, error: error.message };
				}
			}),
		);
		return Promise.all([...dripped, ...this.#transfers]);
	}
}
