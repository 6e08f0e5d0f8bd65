/**
 * The network under a node changes while a TCP connection over it is in use: another address, no cable for a while. The node is told by its machine alone.
 */
import { at } from "../harness/world.js";

const everyMS = 10;
/** Another address in the same network, as a DHCP server gives one. */
const readdress = (number) => `ip address flush dev eth0; ip address add 10.71.0.${number}/24 dev eth0; ip route add default via 10.71.0.254`;
/** In the simulator TCP's second attempt: its first is lost where other rings run beside it. Alone it is back within 500 as well. */
const mostMS = ({ kind }) => (kind === "simulator" ? 1000 : 500);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The longest silence of a connection from t1, in milliseconds, while `change` happens to the network of the node with that address. */
async function silence(t, address, change, blocks) {
	const { peers } = t.world;
	await peers.do("node.drip", { node: "t1", to: at(address, 7), everyMS, count: blocks });
	await change();
	return (await peers.do("node.dripped", { node: "t1" }, blocks * everyMS + 90_000)).longestGapMS;
}

/** Silences of a node whose namespace gets another address `times` times. */
async function silences(t, node, namespace, times) {
	const all = [];
	for (let i = 0; i < times; i += 1) all.push(await silence(t, node.address, () => namespace.run("sh", "-ec", readdress(t.number++)), 300));
	return all;
}

export default {
	title: "Another network, while it is used",
	async before(t) {
		await t.world.stock("t1");
		t.subject = await t.world.subject("a");
		await t.world.untilDirect("t1", t.subject.address);
		t.number = 100;
	},
	cases: [
		[
			"another address during a TCP transfer: the connection survives, and there is traffic again soon (median of 5)",
			async (t) => {
				const ours = await silences(t, t.subject, t.world.place, 5);
				if (t.subject.kind !== "stock") t.assert.ok(median(ours) <= mostMS(t.subject), `${ours.join()}, at most ${mostMS(t.subject)}`);
				return `${ours.map(Math.round).join(", ")} ms`;
			},
			{ timeoutMS: 120_000 },
		],
		[
			"the path is direct again, by the new address",
			async (t) => {
				const { endpoint, afterMS } = await t.world.untilDirect("t1", t.subject.address);
				t.assert.match(endpoint, new RegExp(`^10\\.71\\.0\\.${t.number - 1}:`));
				return `after ${Math.round(afterMS)} ms`;
			},
		],
		[
			"control knows the new address, and not the old one",
			(t) =>
				t.world.eventually(async () => {
					const { Endpoints } = await t.world.known("a");
					const addresses = Endpoints.map((endpoint) => endpoint.split(":")[0]);
					t.assert.ok(addresses.includes(`10.71.0.${t.number - 1}`), addresses.join());
					t.assert.ok(!addresses.includes(`10.71.0.${t.number - 2}`), addresses.join());
				}),
			// A stock node tells old addresses for some minutes more.
			{ own: true },
		],
		[
			"no network for 2 s: the connection survives",
			async (t) => {
				const away = () => t.world.place.run("sh", "-ec", "ip link set eth0 down; sleep 2; ip link set eth0 up; ip route add default via 10.71.0.254");
				return `${Math.round(await silence(t, t.subject.address, away, 600))} ms of silence`;
			},
			{ timeoutMS: 60_000 },
		],
		[
			"no network for 8 s: the node says so after 5 s, and that it is back",
			async (t) => {
				const from = t.subject.events.length;
				await t.world.place.run("ip", "link", "set", "eth0", "down");
				const { reason } = await t.subject.state("degraded", 10_000, from);
				t.assert.equal(reason, "there is no network");
				const { warnings } = await t.subject.do({ do: "health" });
				t.assert.deepEqual(
					warnings.map(({ id }) => id),
					["network-down"],
				);
				await t.world.place.run("sh", "-ec", "ip link set eth0 up; ip route add default via 10.71.0.254");
				await t.subject.state("running", 10_000, from);
				await t.world.untilDirect("t1", t.subject.address);
			},
			{ own: true, timeoutMS: 60_000 },
		],
		[
			"a stock node with another address, for comparison",
			async (t) => {
				const namespace = await t.world.network.namespace("reference");
				const stock = await t.world.subject("s", { subject: "stock", in: "reference" });
				await t.world.untilDirect("t1", stock.address);
				return `${(await silences(t, stock, namespace, 3)).map(Math.round).join(", ")} ms`;
			},
			{ own: true, timeoutMS: 120_000 },
		],
	],
};
