/**
 * What a member of the tailnet sends that no member should, inside the tunnel (as a node that sends wrong packets) and beside it (as keys without a node, villain.go).
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { icmp, ipv4, tcp, udp } from "./packets.js";
import { at } from "./world.js";

/** More TSMP pings a second are not answered to one peer. */
const everyMS = 100;
/** Resident memory that an attack may add; what is under way in V8's heap included. */
const boundBytes = 24e6;
const [syn, ack, rst] = [2, 16, 4];
const outside = "203.0.113.9";
const text = Buffer.from("what nobody asked for");
const long = Buffer.alloc(1200, 7);

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

const attack = (name, send) => ({ name, send });

/**
 * Every attack: {name, send(members, perSecond, seconds)}, which resolves with {sent} when it is over.
 * @typedef {Awaited<ReturnType<typeof hostileMembers>>} Members
 */
export const attacks = [
	...Object.entries(inside).map(([name, make]) =>
		attack(`inside the tunnel: ${name}`, ({ world, ...members }, perSecond, seconds) => {
			const packets = make({ ...members, header: { from: members.hostile.ip4, to: members.a.address } }).map((packet) => packet.toString("base64"));
			return world.peers.do("node.inject", { node: "hostile", packets, perSecond, seconds }, 60_000);
		}),
	),
	...beside.flatMap((kind) =>
		["UDP", "the relay"].map((way) =>
			attack(`beside the tunnel, by ${way}: ${kind}`, ({ world, relay, target }, perSecond, seconds) =>
				world.peers.do("villain.attack", { name: "villain", kind, perSecond, seconds, ...(way === "UDP" ? {} : { relay }), ...target }, 60_000),
			),
		),
	),
];

/** A hostile node and a villain join the tailnet of an honest stock node t1 and the node under test a, and have paths to it. */
export async function hostileMembers(world, t1, a) {
	const hostile = await world.stock("hostile");
	await world.peers.do("villain.join", { name: "villain" });
	await world.untilDirect("t1", a.address);
	await world.untilDirect("hostile", a.address);
	const { Key, DiscoKey, Endpoints } = await world.known("a");
	const [{ HostName, DERPPort }] = world.regions[1].Nodes;
	return {
		world,
		t1,
		a,
		hostile,
		target: { nodeKey: Key, discoKey: DiscoKey, to: Endpoints.find((endpoint) => endpoint.startsWith("10.71.")) },
		relay: `https://${HostName}:${DERPPort}/derp`,
	};
}

/**
 * The same members, whose attacks go elsewhere, so that what is left is the work of the attacker and of the relay: beside the tunnel to somebody who reads and
 * forgets, inside it to nobody.
 */
export async function attackingAnother(members) {
	const { world, relay, target } = members;
	await world.peers.do("villain.join", { name: "bystander" });
	const { nodeKey, discoKey, port } = await world.peers.do("villain.listen", { name: "bystander", relay });
	return { ...members, a: { address: "100.127.255.254" }, target: { nodeKey, discoKey, to: target.to.replace(/:\d+$/, `:${port}`) } };
}

/** What an honest peer asks of the node until an attack is over. @returns how often it was answered */
async function served({ world, a }, attack) {
	let isOver = false;
	const ended = attack.finally(() => {
		isOver = true;
	});
	let answers = 0;
	while (!isOver) {
		await world.ping("t1", a.address, "TSMP", 5000);
		await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 100_000, mode: "echo" }, 30_000);
		answers += 1;
		await sleep(everyMS);
	}
	const { sent } = await ended;
	assert.ok(answers > 0 && sent > 0, `${answers} answers, ${sent} sent`);
	return { answers, sent };
}

/**
 * One attack: the honest peer is served meanwhile, no memory is kept, and the node is running and direct afterwards.
 * @param {Members} members
 * @returns {Promise<{answers: number, sent: number}>}
 */
export async function endures(members, send, perSecond, seconds) {
	const { world, a } = members;
	const before = a.memory().residentBytes;
	const result = await served(members, send(members, perSecond, seconds));
	const grown = a.memory().residentBytes - before;
	assert.ok(grown < boundBytes, `${Math.round(grown / 1e6)} MB more`);
	assert.equal((await a.do({ do: "health" })).state, "running");
	await world.untilDirect("t1", a.address);
	return result;
}
