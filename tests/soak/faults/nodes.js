/**
 * A peer dies and comes back, a node's key expires, and the netmap does not stand still.
 */
const churns = 10;
/** In one message, among 1,000. */
const churn = { add: 20, change: 20, rename: 20, remove: 20 };

export default [
	{
		name: "peer of ours killed and restarted",
		async run({ stage, recover }) {
			const peer = await stage.launch("c");
			try {
				for (const name of stage.all) await stage.until(() => stage.reaches(name, "c"), 20_000);
				await peer.kill();
				await stage.launch("c");
				await recover("reaches it", (name) => stage.reaches(name, "c"), 10_000);
			} finally {
				await stage.node("c").close();
			}
		},
	},
	{
		name: "stock peer killed and restarted",
		spares: (stage) => stage.own,
		async run({ stage, recoverOwn, recover }) {
			await stage.node(stage.reference).kill();
			await stage.launch(stage.reference);
			await recoverOwn("reaches it", (name) => stage.reaches(name, stage.reference), 10_000);
			await recover("reached", stage.answers, 10_000);
		},
	},
	{
		// A stock node does not renew its key by itself, so it is no reference here.
		name: "key expired",
		spares: (stage) => stage.own,
		async run({ stage, recoverOwn }) {
			const { peers } = stage.world;
			const before = new Map();
			for (const name of stage.own) {
				const { Key, Addresses } = await stage.world.known(name);
				before.set(name, { Key, Addresses, from: stage.node(name).events.length });
			}
			for (const name of stage.own) await peers.do("control.expire", { node: name, at: new Date(Date.now() - 60_000).toISOString() });
			const hasAnother = async (name) => {
				const { Key, Addresses } = await stage.world.known(name);
				if (Key === before.get(name).Key) throw new Error(`${name} has its old key`);
				if (Addresses.join() !== before.get(name).Addresses.join()) throw new Error(`${name} is ${Addresses} instead of ${before.get(name).Addresses}`);
			};
			await recoverOwn("has another key", hasAnother, 10_000);
			for (const name of stage.own) {
				await stage.node(name).state("key-expired", 1, before.get(name).from);
				await peers.do("control.expire", { node: name });
			}
			await recoverOwn("reached", stage.answers, 10_000);
			await recoverOwn("says running", (name) => stage.says(name, "running"), 10_000);
		},
	},
	{
		name: `${Object.values(churn).reduce((sum, count) => sum + count)} peers of 1,000 others, ${churns} times`,
		count: churns,
		async run({ stage, recoverOwn, random }) {
			for (let i = 0; i < churns; i += 1) {
				const from = new Map(stage.own.map((name) => [name, stage.node(name).events.length]));
				await stage.world.peers.do("control.churn", { ...churn, seed: random.between(0, 2 ** 31) });
				// One message, one event.
				const isIt = ({ event, added, changed, removed }) =>
					event === "peers" && added === churn.add && changed === churn.change + churn.rename && removed === churn.remove;
				await recoverOwn("knows", (name) => stage.node(name).waitFor("all that changed, at once", isIt, 10_000, { from: from.get(name) }), 10_000);
			}
			await recoverOwn("reached", stage.answers, 10_000);
		},
	},
];
