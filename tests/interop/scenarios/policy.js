/**
 * The tailnet's access rules hold on the node, also while they change.
 */
import { at } from "../harness/world.js";

const everyone = ["*"];
const port = (number, protocols = [6]) => ({ SrcIPs: everyone, DstPorts: [{ IP: "*", Ports: { First: number, Last: number } }], IPProto: protocols });
const all = { SrcIPs: everyone, DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] };

const setRules = (world, rules) => world.peers.do("control.override", { hostname: "a", response: { PacketFilters: { base: rules } } });
const dial = (world, a, number, timeoutMS = 4000) => world.peers.do("node.dial", { node: "t1", to: at(a.address, number) }, timeoutMS);
const until = (world, a, number, outcomes, assert) =>
	world.eventually(async () => {
		const { outcome } = await dial(world, a, number, 2500);
		assert.ok(outcomes.includes(outcome), `port ${number}: ${outcome}`);
		return outcome;
	}, 15_000);
const closed = ["refused", "timeout"];

export default {
	title: "Access rules",
	world: { control: { stream: "own" } },
	async before(t) {
		t.t1 = await t.world.stock("t1");
		await setRules(t.world, [port(7)]);
		t.a = await t.world.subject("a");
		await t.world.eventually(() => t.world.ping("t1", t.a.address, "TSMP", 3000), 15_000);
	},
	cases: [
		[
			"the one port that is allowed answers",
			async ({ world, a }) => void (await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 500_000, mode: "echo" })),
		],
		["another port gets a reject or silence", async ({ world, a, assert }) => until(world, a, 80, closed, assert)],
		[
			"UDP on the same port number gets nothing",
			async ({ world, a, assert }) =>
				assert.equal((await world.peers.do("node.udp", { node: "t1", to: at(a.address, 7), size: 10, count: 1 }, 8000)).received, 0),
		],
		["ICMP is opened by any rule for this source and destination, as upstream", ({ world, a }) => world.ping("t1", a.address, "ICMP", 3000)],
		["TSMP is answered in spite of the rules", ({ world, a }) => world.ping("t1", a.address, "TSMP")],
		[
			"it can still connect out, and answers come in",
			({ a, t1 }) => a.do({ do: "bulk", peer: t1.ip4, port: 7, bytes: 500_000, mode: "echo" }).then(() => undefined),
		],
		[
			"UDP that it begins is answered",
			async ({ a, t1, assert }) => assert.equal((await a.do({ do: "udp", peer: t1.ip4, port: 7, size: 100, count: 3 })).received, 3),
			// A stock node does not track the UDP flows of its own netstack.
			{ own: true },
		],
		[
			"new rules take effect while it runs",
			async ({ world, a, assert }) => {
				await setRules(world, [port(80)]);
				await until(world, a, 80, ["connected"], assert);
				return `port 7: ${await until(world, a, 7, closed, assert)}`;
			},
		],
		[
			"a rule for another source lets nobody else in",
			async ({ world, a, assert }) => {
				await setRules(world, [{ ...all, SrcIPs: ["100.64.77.0/24", "fd7a:115c:a1e0::7700/120"] }]);
				await until(world, a, 80, closed, assert);
				await assert.rejects(world.ping("t1", a.address, "ICMP", 2000));
			},
		],
		[
			"a rule for another destination opens nothing here",
			async ({ world, a, assert }) => {
				await setRules(world, [{ SrcIPs: everyone, DstPorts: [{ IP: "100.64.77.1", Ports: { First: 0, Last: 65535 } }] }]);
				await until(world, a, 80, closed, assert);
			},
		],
		[
			"no rules at all close everything",
			async ({ world, a, assert }) => {
				await setRules(world, []);
				await until(world, a, 80, closed, assert);
				await until(world, a, 7, closed, assert);
			},
		],
		[
			"one rule with 10,000 sources works",
			async ({ world, a, t1, assert }) => {
				const sources = Array.from({ length: 9_999 }, (_, i) => `100.${100 + (i >> 13)}.${(i >> 5) & 255}.${(i & 31) * 8}`);
				await setRules(world, [{ ...port(80), SrcIPs: sources }]);
				await until(world, a, 80, closed, assert);
				await setRules(world, [{ ...port(80), SrcIPs: [...sources, t1.ip4] }]);
				await until(world, a, 80, ["connected"], assert);
				await until(world, a, 7, closed, assert);
			},
		],
		[
			"a jailed peer cannot begin anything, but may be connected to",
			async ({ world, a, t1, assert }) => {
				await setRules(world, [all]);
				await until(world, a, 7, ["connected"], assert);
				await world.peers.do("control.jail", { node: "a", peer: "t1", jailed: true });
				await until(world, a, 7, closed, assert);
				await a.do({ do: "bulk", peer: t1.ip4, port: 7, bytes: 100_000, mode: "echo" });
				await world.peers.do("control.jail", { node: "a", peer: "t1", jailed: false });
				await until(world, a, 7, ["connected"], assert);
			},
		],
	],
};
