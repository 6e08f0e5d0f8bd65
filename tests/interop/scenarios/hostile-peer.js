/**
 * A member of the tailnet sends what no member should, inside the tunnel and outside of it. An honest peer is served all the time, memory stays bounded, and
 * afterwards all is as before. How much slower the honest peer is served meanwhile is a question for `npm run bench`.
 */
import { attacks, endures, hostileMembers } from "../harness/attacks.js";
import { at } from "../harness/world.js";

const perSecond = 2000;
const seconds = 2;

const counters = async (t) => (await t.a.do({ do: "memory" })).counters;
/** Names of counters that have grown. */
const grownIn = (before, after) => Object.keys(after).filter((name) => after[name] > (before[name] ?? 0));

export default {
	title: "A hostile peer",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		t.members = await hostileMembers(t.world, t.t1, t.a);
	},
	cases: [
		...attacks.map(({ name, send }) => [
			name,
			async (t) => {
				const before = await counters(t);
				const { sent, answers } = await endures(t.members, send, perSecond, seconds);
				const counted = grownIn(before, await counters(t)).filter((counter) => /^dropped|refused|full|bad/i.test(counter));
				return `${sent} sent, ${answers} times answered${counted.length > 0 ? `; ${counted.join(", ")}` : ""}`;
			},
			{ timeoutMS: 120_000 },
		]),
		[
			"the hostile peer is served as well, when it asks as others do",
			(t) => t.world.peers.do("node.bulk", { node: "hostile", to: at(t.a.address, 7), bytes: 100_000, mode: "echo" }, 30_000).then(() => undefined),
		],
	],
};
