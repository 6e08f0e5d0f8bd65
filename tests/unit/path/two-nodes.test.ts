/**
 * Two path tables in a small model of the internet: 20 ms by UDP, 40 ms through DERP, NATs between. What two nodes of ours make of every pair of NATs
 * (protocol/paths.md §9.3) and how fast (§9.1).
 */
import { describe, expect, test } from "../../harness.js";
import { TestNode } from "./nodes.js";

/** open: public. easy: one mapping for all, inbound only from whom we sent to. hard: a mapping for each destination. blocked: no UDP. */
type Nat = "open" | "easy" | "hard" | "blocked";

class Host {
	readonly node: TestNode;
	readonly nat: Nat;
	readonly ip: string;
	/** Index of the other node in our netmap. */
	other = -1;
	/** Destinations that the NAT lets answer, with the public port that each sees. */
	readonly mappings = new Map<string, number>();
	/** Way of the packets that we sent: "udp", "both", "derp". */
	ways: string[] = [];

	constructor(seed: number, nat: Nat) {
		this.node = new TestNode(seed);
		this.nat = nat;
		this.ip = `203.0.113.${seed}`;
		this.node.ownEndpoints.addresses = nat === "blocked" ? [] : [`${this.ip}:${nat === "open" ? 41641 : nat === "easy" ? 5_000 : 6_999}`];
	}

	/** Our address as that destination sees it, "" = the packet is lost. */
	outbound(destination: string): string {
		if (this.nat === "blocked") return "";
		if (!this.mappings.has(destination)) this.mappings.set(destination, this.nat === "open" ? 41641 : this.nat === "easy" ? 5_000 : 6_000 + this.mappings.size);
		return `${this.ip}:${this.mappings.get(destination)}`;
	}

	accepts(source: string, port: number): boolean {
		if (this.nat === "open") return port === 41641;
		return this.mappings.get(source) === port;
	}
}

class Internet {
	now = 0;
	readonly hosts: [Host, Host];
	#queue: { at: number; run: () => void }[] = [];

	constructor(natA: Nat, natB: Nat) {
		const [a, b] = [new Host(11, natA), new Host(12, natB)];
		this.hosts = [a, b];
		a.other = a.node.netmap.add({ nodeKey: b.node.nodeKey, discoKey: b.node.box.publicKey, endpoints: [...b.node.ownEndpoints.addresses] });
		b.other = b.node.netmap.add({ nodeKey: a.node.nodeKey, discoKey: a.node.box.publicKey, endpoints: [...a.node.ownEndpoints.addresses] });
	}

	at(time: number, run: () => void): void {
		this.#queue.push({ at: time, run });
	}

	/** WireGuard from one host to the other, answered if wanted. */
	data(from: Host, isAnswered: boolean): void {
		const endpoint = from.node.table.peer(from.other)?.endpoint;
		const state = endpoint?.state(this.now) ?? "N";
		from.ways.push(state === "T" ? "udp" : state === "U" ? "both" : "derp");
		from.node.send(from.other, this.now);
		this.#carry(from);
		if (isAnswered) this.at(this.now + (state === "T" ? 20 : 40), () => this.data(this.#peerOf(from), false));
	}

	run(until: number): void {
		for (;;) {
			this.#queue.sort((x, y) => x.at - y.at);
			let next = this.#queue[0]?.at ?? Number.POSITIVE_INFINITY;
			for (const host of this.hosts) next = Math.min(next, host.node.table.deadline ?? Number.POSITIVE_INFINITY);
			if (next > until) break;
			this.now = Math.max(this.now, next);
			for (const host of this.hosts) {
				host.node.table.tick(this.now);
				this.#carry(host);
			}
			if (this.#queue[0] && this.#queue[0].at <= this.now) this.#queue.shift()?.run();
		}
		this.now = until;
	}

	states(): string {
		return this.hosts.map((host) => host.node.table.peer(host.other)?.endpoint.state(this.now) ?? "N").join("");
	}

	#peerOf(host: Host): Host {
		return this.hosts[0] === host ? this.hosts[1] : this.hosts[0];
	}

	/** Sends what the host wants sent. */
	#carry(from: Host): void {
		for (const { to, packet } of from.node.take()) {
			if (to.startsWith("derp")) {
				const peer = this.#peerOf(from);
				this.at(this.now + 40, () => {
					peer.node.table.disco.receiveDERP(1, from.node.nodeKey, packet, this.now);
					this.#carry(peer);
				});
				continue;
			}
			const destination = to.slice(4);
			const source = from.outbound(destination);
			const peer = this.hosts.find((host) => destination.startsWith(`${host.ip}:`));
			if (source === "" || !peer) continue;
			const port = Number(destination.slice(destination.lastIndexOf(":") + 1));
			this.at(this.now + 20, () => {
				if (!peer.accepts(source, port) || peer.nat === "blocked") return;
				peer.node.table.disco.receiveUDP(source, packet, this.now);
				this.#carry(peer);
			});
		}
	}
}

/** A talks to B for 30 s, a packet and an answer every 500 ms. */
function talk(natA: Nat, natB: Nat): Internet {
	const internet = new Internet(natA, natB);
	for (let at = 0; at < 30_000; at += 500) internet.at(at, () => internet.data(internet.hosts[0], true));
	internet.run(30_000);
	return internet;
}

const matrix: [Nat, Nat, "direct" | "DERP"][] = [
	["open", "open", "direct"],
	["open", "easy", "direct"],
	["open", "hard", "direct"],
	["open", "blocked", "DERP"],
	["easy", "open", "direct"],
	["easy", "easy", "direct"],
	["easy", "hard", "DERP"],
	["hard", "open", "direct"],
	["hard", "easy", "DERP"],
	["hard", "hard", "DERP"],
	["hard", "blocked", "DERP"],
	["blocked", "open", "DERP"],
	["blocked", "blocked", "DERP"],
];

describe("two nodes of ours", () => {
	for (const [natA, natB, outcome] of matrix) {
		test(`${natA} and ${natB}: ${outcome}, both ways`, () => {
			expect(talk(natA, natB).states()).toBe(outcome === "direct" ? "TT" : "NN");
		});
	}

	test("easy and easy, endpoints fresh: both direct within 200 ms of the first packet, and never both ways again", () => {
		const internet = talk("easy", "easy");
		for (const host of internet.hosts) expect(host.ways.filter((way) => way === "both")).toEqual([]);
		const fast = new Internet("easy", "easy");
		fast.at(0, () => fast.data(fast.hosts[0], true));
		fast.run(200);
		expect(fast.states()).toBe("TT");
	});

	test("a path that dies: at most 6.5 s of UDP alone, then both ways, then DERP; direct again at most 6 s after it lives", () => {
		const internet = new Internet("open", "open");
		const [a, b] = internet.hosts;
		for (let at = 0; at < 60_000; at += 250) internet.at(at, () => internet.data(a, true));
		internet.run(10_000);
		expect(internet.states()).toBe("TT");
		const accepts = b.accepts;
		const died = internet.now;
		b.accepts = () => false;
		a.accepts = () => false;
		a.ways = [];
		internet.run(died + 6_500);
		const alone = a.ways.filter((way) => way === "udp").length;
		expect(alone).toBeGreaterThan(12);
		internet.run(died + 12_000);
		expect(a.ways.slice(-8)).toEqual(new Array(8).fill("derp"));
		expect(a.ways.indexOf("both")).toBe(alone);
		a.accepts = accepts;
		b.accepts = accepts;
		internet.run(died + 18_100);
		expect(internet.states()).toBe("TT");
	});

	test("silence: heartbeats end 45 s after the last packet, and nothing is sent any more", () => {
		const internet = talk("easy", "easy");
		internet.run(120_000);
		for (const host of internet.hosts) expect(host.node.table.deadline).toBeUndefined();
	});
});
