/**
 * Tailnet lock: who is signed reaches whom, from our node and from a stock one side by side; and what becomes of that when keys, signatures and the lock itself
 * come and go. A refused peer is silent, so that a refusal is shown by what goes through beside it at the same time.
 */
import { at } from "../harness/world.js";

const lock = (world, command, options = {}) => world.peers.do(`lock.${command}`, options);
const health = async (a) => (await a.do({ do: "health" })).warnings;
const ours = (a, peer, kind = "disco") => a.do({ do: "ping", peer, kind, timeoutMS: 2000 }, 8000);

/** Node and stock node t1 reach a peer, both ways. */
async function reaches({ world, a }, name, { ip4 }) {
	await world.eventually(() => ours(a, ip4, "tsmp"), 20_000);
	await world.eventually(() => world.ping(name, a.address, "TSMP", 2000), 20_000);
	await world.eventually(() => world.ping("t1", ip4, "TSMP", 2000), 20_000);
}

/** Neither reaches it, nor does it reach either: not by DISCO, not through the tunnel. */
async function isKeptOut({ world, a, t1, assert }, name, { ip4 }) {
	await world.eventually(() => assert.rejects(ours(a, ip4, "tsmp")), 20_000);
	await assert.rejects(ours(a, ip4, "disco"));
	await world.eventually(() => assert.rejects(world.ping("t1", ip4, "TSMP", 1500)), 20_000);
	for (const kind of ["disco", "TSMP"]) {
		await assert.rejects(world.ping(name, a.address, kind, 1500));
		await assert.rejects(world.ping(name, t1.ip4, kind, 1500));
	}
	// The others are there all the while.
	await world.ping("t1", a.address, "TSMP", 5000);
	await ours(a, t1.ip4, "tsmp");
}

export default {
	title: "Tailnet lock",
	world: { control: { stream: "own" } },
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.t2 = await t.world.stock("t2");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
		await t.world.untilDirect("t2", t.a.address);
		for (const node of ["t1", "a"]) await lock(t.world, "sign", { node, by: "first" });
	},
	cases: [
		[
			"comes into force, and a peer without a signature is reached by nobody, though it was before",
			async (t) => {
				await lock(t.world, "begin", { keys: ["first", "second"] });
				await isKeptOut(t, "t2", t.t2);
			},
		],
		[
			"health names it, and a ping says why",
			async (t) => {
				const refused = (await health(t.a)).find(({ id }) => id === "lock-refused");
				t.assert.match(refused?.text ?? "", /keeps out peers whose node key nobody has signed: t2\b/);
				await t.assert.rejects(ours(t.a, t.t2.ip4), /tailnet lock: nobody that the tailnet trusts/);
			},
			{ own: true },
		],
		[
			"a peer that another key signed, which nobody trusts, is kept out as well",
			async (t) => {
				await lock(t.world, "sign", { node: "t2", by: "stranger" });
				await isKeptOut(t, "t2", t.t2);
			},
		],
		[
			"a peer that is signed is reached, by ours and by the stock node, with traffic",
			async (t) => {
				await lock(t.world, "sign", { node: "t2", by: "second" });
				await reaches(t, "t2", t.t2);
				await t.world.peers.do("node.bulk", { node: "t2", to: at(t.a.address, 7), bytes: 100_000, mode: "echo" });
			},
		],
		[
			"nothing of it is left in health",
			async (t) => t.world.eventually(async () => t.assert.ok(!(await health(t.a)).some(({ id }) => id.startsWith("lock"))), 10_000),
			{ own: true },
		],
		[
			"a signature that is taken away ends it, in the middle of a session",
			async (t) => {
				await lock(t.world, "sign", { node: "t2", by: "" });
				await isKeptOut(t, "t2", t.t2);
				await lock(t.world, "sign", { node: "t2", by: "second" });
				await reaches(t, "t2", t.t2);
			},
		],
		[
			"a key that the authority removes signs nobody any more, and one that it adds does",
			async (t) => {
				await lock(t.world, "change", { remove: ["second"], by: "first" });
				await isKeptOut(t, "t2", t.t2);
				await lock(t.world, "change", { add: ["third"], by: "first" });
				await lock(t.world, "sign", { node: "t2", by: "third" });
				await reaches(t, "t2", t.t2);
			},
		],
		[
			"our own node without a signature says that it is locked out, and the stock node refuses it",
			async (t) => {
				const from = t.a.events.length;
				await lock(t.world, "sign", { node: "a", by: "stranger" });
				await t.a.state("locked-out", 15_000, from);
				await t.world.eventually(() => t.assert.rejects(t.world.ping("t1", t.a.address, "TSMP", 1500)), 20_000);
				const shown = t.a.events.length;
				await lock(t.world, "sign", { node: "a", by: "third" });
				await t.a.state("running", 15_000, shown);
				await reaches(t, "t2", t.t2);
			},
			{ own: true },
		],
		[
			"a restart finds the authority in the store, and believes no control that says there is none",
			async (t) => {
				await lock(t.world, "sign", { node: "t2", by: "stranger" });
				await t.a.close();
				await lock(t.world, "end", { right: false });
				t.a = await t.world.subject("a");
				await isKeptOut(t, "t2", t.t2);
				await t.world.eventually(async () => {
					const { text } = (await health(t.a)).find(({ id }) => id === "lock") ?? {};
					t.assert.match(text ?? "", /control says that it is over, and cannot prove it/);
				}, 20_000);
			},
			{ own: true },
		],
		[
			"the right secret ends it, here and there",
			async (t) => {
				await lock(t.world, "end", { right: true });
				await t.world.eventually(() => ours(t.a, t.t2.ip4, "tsmp"), 60_000);
				await reaches(t, "t2", t.t2);
			},
		],
	],
};
