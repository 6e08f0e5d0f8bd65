/**
 * A member of the tailnet sends what no member should, inside the tunnel and outside of it. An honest peer is served all the time, memory stays bounded, and
 * afterwards all is as before. How much slower the honest peer is served meanwhile is a question for `npm run bench`.
 */
import { icmp, ipv4, tcp, udp } from "../harness/packets.js";
import { at } from "../harness/world.js";

const seconds = 2;
/** More TSMP pings a second are not answered to one peer. */
const everyMS = 100;
/** Resident memory that an attack may add; what is under way in V8's heap included. */
const boundBytes = 24e6;
const [syn, ack, rst] = [2, 16, 4];
const outside = "203.0.113.9";
const text = Buffer.from("what nobody asked for");
const long = Buffer.alloc(1200, 7);

/** What is asked of the node while an attack lasts. @returns how often it answered */
async function serves(t, attack) {
	let isOver = false;
	const ended = attack.finally(() => {
		isOver = true;
	});
	let answers = 0;
	while (!isOver) {
		await t.world.ping("t1", t.a.address, "TSMP", 5000);
		await t.world.peers.do("node.bulk", { node: "t1", to: at(t.a.address, 7), bytes: 100_000, mode: "echo" }, 30_000);
		answers += 1;
		await new Promise((resolve) => setTimeout(resolve, everyMS));
	}
	const { sent } = await ended;
	t.assert.ok(answers > 0 && sent > 0, `${answers} answers, ${sent} sent`);
	return { answers, sent };
}

/** One attack: served meanwhile, no memory kept, running and direct afterwards. */
async function endures(t, attack) {
	const before = t.a.memory().residentBytes;
	const { answers, sent } = await serves(t, attack);
	const grown = t.a.memory().residentBytes - before;
	t.assert.ok(grown < boundBytes, `${Math.round(grown / 1e6)} MB more`);
	const { state } = await t.a.do({ do: "health" });
	t.assert.equal(state, "running");
	await t.world.untilDirect("t1", t.a.address);
	return `${sent} sent, ${answers} times answered`;
}

const counters = async (t) => (await t.a.do({ do: "memory" })).counters;
/** Names of counters that have grown. */
const grownIn = (before, after) => Object.keys(after).filter((name) => after[name] > (before[name] ?? 0));

/** Inner packets of the hostile node, by name. */
const inside = {
	"packets in the name of others": ({ a, t1 }) =>
		[t1.ip4, outside, a.address, "127.0.0.1", "224.0.0.1", "0.0.0.0"].flatMap((from) => {
			const header = { from, to: a.address };
			return [tcp(header, 999, 7, syn), udp(header, 999, 7, text), icmp(header, 8, 0, text), ipv4({ ...header, protocol: 99 }, Buffer.from([0x70, ...text]))];
		}),
	"fragments that never become whole, overlap, or are too small": ({ header }) =>
		[0x2000, 0x2001, 0x0001, 0x1fff, 0x3fff].flatMap((fragment) =>
			[6, 17, 1].flatMap((protocol) => [Buffer.alloc(8), text, long].map((payload) => ipv4({ ...header, protocol, fragment }, payload))),
		),
	"connections begun and never finished": ({ header }) => Array.from({ length: 2000 }, (_, index) => tcp(header, 1024 + index, [7, 80, 81][index % 3], syn)),
	"segments of connections that never were": ({ header }) => [0, ack, rst, syn | ack, syn | rst, 0xff].map((flags) => tcp(header, 999, 7, flags, long)),
	"datagrams to open and closed ports": ({ header }) => [7, 9, 0, 65535].map((port) => udp(header, 999, port, long)),
	"packets that are not what they say": ({ header }) => [
		...[0x00, 0x15, 0x40, 0x44, 0x4f, 0x55, 0x65, 0xf5].map((first) => ipv4({ ...header, protocol: 17, first }, long)),
		...[0, 19, 21, 65535].map((total) => ipv4({ ...header, protocol: 17, total }, text)),
		...[0, 1, 19].map((size) => Buffer.alloc(Math.max(1, size), 0x45)),
		...[0, 50, 51, 132, 255].map((protocol) => ipv4({ ...header, protocol }, text)),
	],
	"ICMP of every type": ({ header }) => Array.from({ length: 256 }, (_, type) => icmp(header, type, type % 16, long)),
	"TSMP of every type": ({ header }) =>
		Array.from({ length: 256 }, (_, type) => ipv4({ ...header, protocol: 99 }, Buffer.from([type, ...text.subarray(0, type % 20)]))),
};

/** Datagrams beside the tunnel (villain.go), by UDP and by the relay. */
const beside = ["disco-ping", "disco-pong", "call-me-maybe", "disco-garbage", "disco-unsealed", "wireguard-garbage"];

export default {
	title: "A hostile peer",
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
		t.hostile = await t.world.stock("hostile");
		await t.world.peers.do("villain.join", { name: "villain" });
		await t.world.untilDirect("t1", t.a.address);
		await t.world.untilDirect("hostile", t.a.address);
		const { Key, DiscoKey, Endpoints } = await t.world.known("a");
		t.target = { nodeKey: Key, discoKey: DiscoKey, to: Endpoints.find((endpoint) => endpoint.startsWith("10.71.")) };
		const [{ HostName, DERPPort }] = t.world.regions[1].Nodes;
		t.relay = `https://${HostName}:${DERPPort}/derp`;
	},
	cases: [
		...Object.entries(inside).map(([name, make]) => [
			`inside the tunnel: ${name}`,
			async (t) => {
				const packets = make({ ...t, header: { from: t.hostile.ip4, to: t.a.address } }).map((packet) => packet.toString("base64"));
				const before = await counters(t);
				const told = await endures(t, t.world.peers.do("node.inject", { node: "hostile", packets, perSecond: 2000, seconds }, 60_000));
				return `${told}; ${grownIn(before, await counters(t))
					.filter((counter) => /^dropped|refused|full|bad/i.test(counter))
					.join(", ")}`;
			},
			{ timeoutMS: 120_000 },
		]),
		...beside.flatMap((kind) =>
			["UDP", "the relay"].map((way) => [
				`beside the tunnel, by ${way}: ${kind}`,
				(t) => {
					const by = way === "UDP" ? {} : { relay: t.relay };
					return endures(t, t.world.peers.do("villain.attack", { name: "villain", kind, perSecond: 2000, seconds, ...by, ...t.target }, 60_000));
				},
				{ timeoutMS: 120_000 },
			]),
		),
		[
			"the hostile peer is served as well, when it asks as others do",
			(t) => t.world.peers.do("node.bulk", { node: "hostile", to: at(t.a.address, 7), bytes: 100_000, mode: "echo" }, 30_000).then(() => undefined),
		],
	],
};
