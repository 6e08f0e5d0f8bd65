/**
 * An app that leaves tailnet lock out (without-lock.json): on a locked tailnet it believes control, as it did before there was a lock, and says so.
 */
import { join } from "node:path";
import { build, library } from "../harness/sdk.js";

/** The app, once it is there. */
let built;

export default {
	title: "Without tailnet lock",
	world: { control: { stream: "own" } },
	prepare() {
		built = build(join(import.meta.dirname, "../without-lock"));
		built.catch(() => {});
	},
	async before(t) {
		t.t1 = await t.world.stock("t1");
	},
	cases: [
		["it is built for the simulator", () => built, { timeoutMS: 300_000 }],
		[
			"it joins a tailnet",
			async (t) => {
				t.a = await t.world.subject("a", { library: library("tailnet-without-lock") });
				await t.world.ping("t1", t.a.address, "TSMP", 20_000);
			},
		],
		[
			"a peer that nobody signed is reached on a locked tailnet, and health says why",
			async ({ world, a, t1, assert }) => {
				await world.peers.do("lock.sign", { node: "a", by: "first" });
				await world.peers.do("lock.begin", { keys: ["first"] });
				await world.eventually(async () => {
					const { warnings } = await a.do({ do: "health" });
					assert.ok(
						warnings.some(({ id }) => id === "lock-unverified"),
						JSON.stringify(warnings),
					);
				}, 20_000);
				// The stock node has no signature either: it trusts ours, which has one.
				await a.do({ do: "ping", peer: t1.ip4, kind: "tsmp", timeoutMS: 5000 }, 10_000);
			},
		],
		[
			"and says nothing once the lock is over",
			async ({ world, a, assert }) => {
				await world.peers.do("lock.end", { right: true });
				await world.eventually(async () => {
					const { warnings } = await a.do({ do: "health" });
					assert.ok(!warnings.some(({ id }) => id === "lock-unverified"), JSON.stringify(warnings));
				}, 20_000);
			},
		],
	],
};
