/** Netcheck: protocol/paths.md §3.1-3.4, §3.6 and §10.1. */
import { netInfoDiffers, netInfoOf } from "../../../modules/path/net-info.js";
import { Netcheck, type NetcheckInput, type NetcheckReport, type ProbeRegion } from "../../../modules/path/netcheck.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/stun.json" with { type: "json" };

const region = (id: number, fields: Partial<ProbeRegion> = {}): ProbeRegion => ({
	id,
	nodes: [{ hostName: `derp${id}.example`, ipv4: `192.0.2.${id}`, ipv6: `2001:db8::${id}`, stunPort: 3478 }],
	avoid: false,
	noMeasureNoHome: false,
	...fields,
});

/** Regions 1..count; region i answers after 10 * i ms. */
class Lab {
	readonly netcheck: Netcheck;
	/** "<ms since start> <region><family>" */
	probes: string[] = [];
	startedAt = 0;
	/** Latency of a region, undefined = silent. */
	latencyOf: (id: number, v6: boolean) => number | undefined = (id) => 10 * id;
	/** Our endpoint as a region sees it. */
	seenBy: (id: number, v6: boolean) => string = (_id, v6) => (v6 ? "[2001:db8::99]:41641" : "203.0.113.9:41641");
	names: Record<string, string[]> = {};
	#now = 0;
	#answers: { at: number; from: string; packet: Uint8Array }[] = [];

	constructor() {
		const random = new Random(1);
		this.netcheck = new Netcheck({
			send: (destination, packet) => this.#receive(destination, packet),
			addressesOf: (host) => this.names[host] ?? [],
			random: (lengthBytes) => random.bytes(lengthBytes),
		});
	}

	/** Runs one report from now to its end. */
	run(input: Partial<NetcheckInput> & { regions: readonly ProbeRegion[] }, now: number): NetcheckReport {
		this.startedAt = now;
		this.#now = now;
		this.probes = [];
		this.#answers = [];
		this.netcheck.start({ home: 0, hasV4: true, hasV6: false, ...input }, now);
		for (;;) {
			const report = this.netcheck.tick(this.#now);
			if (report) return report;
			this.#answers.sort((a, b) => a.at - b.at);
			const next = Math.min(this.netcheck.deadline as number, this.#answers[0]?.at ?? Number.POSITIVE_INFINITY);
			this.#now = Math.max(this.#now, next);
			if (this.#answers[0] && this.#answers[0].at <= this.#now) {
				const answer = this.#answers.shift() as { from: string; packet: Uint8Array };
				this.netcheck.receive(answer.from, answer.packet, this.#now);
			}
		}
	}

	get lastedMS(): number {
		return this.#now - this.startedAt;
	}

	#receive(destination: string, packet: Uint8Array): void {
		const v6 = destination.startsWith("[");
		const id = Number(v6 ? destination.slice(11, destination.indexOf("]")) : (destination.split(":")[0] as string).split(".")[3]);
		this.probes.push(`${this.#now - this.startedAt} ${id}${v6 ? "v6" : ""}`);
		expect(packet.length).toBe(40);
		const latency = this.latencyOf(id, v6);
		if (latency !== undefined)
			this.#answers.push({ at: this.#now + latency, from: destination, packet: stunAnswer(packet.subarray(8, 20), this.seenBy(id, v6)) });
	}
}

/** What a STUN server answers (MAPPED-ADDRESS, which needs no XOR). */
function stunAnswer(transaction: Uint8Array, endpoint: string): Uint8Array {
	const v6 = endpoint.startsWith("[");
	const port = Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
	const packet = new Uint8Array(v6 ? 44 : 32);
	packet.set([1, 1, 0, packet.length - 20, 0x21, 0x12, 0xa4, 0x42]);
	packet.set(transaction, 8);
	packet.set([0, 1, 0, v6 ? 20 : 8, 0, v6 ? 2 : 1, port >> 8, port & 255], 20);
	if (v6) packet.set([0x20, 1, 0x0d, 0xb8], 28);
	else packet.set((endpoint.split(":")[0] as string).split(".").map(Number), 28);
	if (v6) packet[43] = 0x99;
	return packet;
}

const many = (count: number): ProbeRegion[] => Array.from({ length: count }, (_, i) => region(i + 1));

const noMapping = { hasMapping: false, services: { pmp: undefined, pcp: undefined, upnp: undefined } };

describe("netcheck", () => {
	test("[paths 1] a request is byte-exact", () => {
		const packets: string[] = [];
		const vector = vectors.requests[0] as { txid: string; packet: string };
		const netcheck = new Netcheck({ send: (_to, packet) => packets.push(toHex(packet)), addressesOf: () => [], random: () => fromHex(vector.txid) });
		netcheck.start({ regions: [region(1)], home: 0, hasV4: true, hasV6: false }, 0);
		netcheck.tick(0);
		expect(packets).toEqual([vector.packet]);
	});

	test("[paths 2, relay 59] an unknown id, another source, a broken or a second answer changes nothing and does not throw", () => {
		const sent: Uint8Array[] = [];
		const random = new Random(3);
		const netcheck = new Netcheck({ send: (_to, packet) => sent.push(packet), addressesOf: () => [], random: (n) => random.bytes(n) });
		netcheck.start({ regions: many(2), home: 0, hasV4: true, hasV6: false }, 0);
		netcheck.tick(0);
		const id = (sent[0] as Uint8Array).subarray(8, 20);
		const good = stunAnswer(id, "203.0.113.9:1");
		expect(netcheck.receive("192.0.2.1:3478", stunAnswer(random.bytes(12), "203.0.113.9:1"), 10)).toBe(false);
		expect(netcheck.receive("192.0.2.7:3478", good, 10)).toBe(false);
		for (let length = 0; length < good.length; length += 1) expect(netcheck.receive("192.0.2.1:3478", good.subarray(0, length), 10)).toBe(false);
		for (const vector of vectors.parseResponse) if (vector.error) expect(netcheck.receive("192.0.2.1:3478", fromHex(vector.packet), 10)).toBe(false);
		const longer = new Uint8Array(good.length + 5);
		longer.set(good);
		expect(netcheck.receive("192.0.2.1:3478", longer, 10)).toBe(true);
		expect(netcheck.receive("192.0.2.1:3478", good, 20)).toBe(false);
		netcheck.tick(3_000);
		expect(netcheck.last?.latency).toEqual(new Map([[1, 10]]));
		expect(netcheck.receive("192.0.2.1:3478", good, 3_001)).toBe(false);
	});

	test("[paths 3] MappingVaries: unknown after one answer, false after two equal ones, true for good after one that differs", () => {
		const lab = new Lab();
		expect(lab.run({ regions: many(1) }, 0).mappingVaries).toBeUndefined();
		expect(lab.run({ regions: many(2), full: true }, 10_000).mappingVaries).toBe(false);
		lab.seenBy = (id) => `203.0.113.9:${id === 2 ? 7 : 5}`;
		const report = lab.run({ regions: many(4), full: true }, 20_000);
		expect(report.mappingVaries).toBe(true);
		expect(report.globalV4).toBe("203.0.113.9:5");
		expect([...report.seenV4]).toEqual([
			["203.0.113.9:5", 3],
			["203.0.113.9:7", 1],
		]);
	});

	test("a full report ends when three regions have answered and twice their largest latency has passed", () => {
		const lab = new Lab();
		const report = lab.run({ regions: many(30) }, 0);
		expect(report.full).toBe(true);
		expect(lab.lastedMS).toBe(30 + 60);
		// Eight at a time; each answer lets the next in.
		expect(lab.probes.filter((probe) => probe.startsWith("0 ")).length).toBe(8);
		expect(report.latency.get(1)).toBe(10);
		expect(report.udp && report.ipv4 && report.ipv4CanSend).toBe(true);
		expect(report.ipv6CanSend).toBe(false);
	});

	test("[paths 4] full when the last full one is more than 5 minutes old, else the 3 fastest and home; home is always probed, with 4 tries", () => {
		const lab = new Lab();
		lab.run({ regions: many(8), home: 7 }, 0);
		expect(lab.probes[0]).toBe("0 7");
		lab.latencyOf = (id) => (id === 7 ? undefined : 10 * id);
		const report = lab.run({ regions: many(8), home: 7 }, 23_000);
		expect(report.full).toBe(false);
		expect(lab.probes.map((probe) => probe.split(" ")[1]).sort()).toEqual(["1", "2", "3", "7"]);
		lab.latencyOf = () => undefined;
		expect(lab.run({ regions: many(8), home: 7 }, 299_000).full).toBe(false);
		expect(lab.probes.filter((probe) => probe.endsWith(" 7")).length).toBe(4);
		// A report that measured nothing is no base for an incremental one.
		expect(lab.run({ regions: many(8), home: 7 }, 299_500).full).toBe(true);
		const other = new Lab();
		other.run({ regions: many(8) }, 0);
		expect(other.run({ regions: many(8) }, 300_000).full).toBe(false);
		expect(other.run({ regions: many(8) }, 300_001).full).toBe(true);
		expect(other.run({ regions: many(8), full: true }, 310_000).full).toBe(true);
	});

	test("a good incremental run sends three packets and lasts as long as its slowest region, once more", () => {
		const lab = new Lab();
		lab.run({ regions: many(8) }, 0);
		const report = lab.run({ regions: many(8), home: 1 }, 23_000);
		expect(lab.probes).toEqual(["0 1", "0 2", "0 3"]);
		expect(report.latency.size).toBe(3);
		expect(lab.lastedMS).toBe(30);
	});

	test("[paths 4] tries of an incremental run: home at 0, D, 2D + 100, 3D + 150; the two fastest at 0 and D; the third once; D = 1.2 of its last latency", () => {
		const lab = new Lab();
		lab.latencyOf = (id) => (id === 4 ? 100 : 50 + id);
		lab.run({ regions: many(4) }, 0);
		lab.latencyOf = () => undefined;
		lab.run({ regions: many(4), home: 4 }, 23_000);
		const at = (id: number): string[] => lab.probes.filter((probe) => probe.endsWith(` ${id}`)).map((probe) => Number(probe.split(" ")[0]).toFixed(0));
		expect([at(1), at(2), at(3)]).toEqual([["0", "61"], ["0", "62"], ["0"]]);
		expect(at(4)).toEqual(["0", "120", "340", "510"]);
	});

	test("[paths 5] all STUN lost: the report ends at 3 s with UDP=false, after two probes a region", () => {
		const lab = new Lab();
		lab.latencyOf = () => undefined;
		const report = lab.run({ regions: many(20) }, 0);
		expect(lab.lastedMS).toBe(3_000);
		expect(report.udp).toBe(false);
		expect(lab.probes.length).toBe(40);
		expect(new Set(lab.probes.map((probe) => probe.split(" ")[1])).size).toBe(20);
	});

	test("nothing to probe, or no family: the report is over at once", () => {
		const lab = new Lab();
		expect(lab.run({ regions: [] }, 0).udp).toBe(false);
		expect(lab.lastedMS).toBe(0);
		lab.run({ regions: many(3), hasV4: false }, 10);
		expect(lab.lastedMS).toBe(0);
	});

	test("one region that answers: the report ends with its answer, also with IPv6", () => {
		const lab = new Lab();
		const report = lab.run({ regions: many(1), hasV6: true }, 0);
		expect(lab.probes).toEqual(["0 1", "0 1v6"]);
		expect(lab.lastedMS).toBe(10);
		expect(report.globalV6).toBe("[2001:db8::99]:41641");
		expect(report.ipv6 && report.ipv6CanSend).toBe(true);
	});

	test("an incremental run without IPv6 answers last time tries IPv6 once a region; the third region is IPv4 only", () => {
		const lab = new Lab();
		lab.latencyOf = (id, v6) => (v6 ? undefined : 10 * id);
		lab.run({ regions: many(3), hasV6: true }, 0);
		lab.latencyOf = () => undefined;
		lab.run({ regions: many(3), hasV6: true, home: 1 }, 23_000);
		const count = (name: string): number => lab.probes.filter((probe) => probe.endsWith(` ${name}`)).length;
		expect([count("1"), count("1v6"), count("2"), count("2v6"), count("3"), count("3v6")]).toEqual([4, 1, 2, 1, 1, 0]);
	});

	test("no probe that could teach nothing: the second IPv6 answer ends the other IPv6 sets", () => {
		const lab = new Lab();
		const regions = many(3);
		const report = lab.run({ regions, hasV6: true }, 0);
		expect(report.ipv6).toBe(true);
		// All six were sent at once; the retries at 100 ms would teach nothing.
		expect(lab.probes.length).toBe(6);
	});

	test("[relay 61] NoMeasureNoHome and nodes without STUN are never probed, Avoid regions only as home or when there is nothing else", () => {
		const lab = new Lab();
		const odd = [region(1, { noMeasureNoHome: true }), region(2, { avoid: true }), region(3), region(4, { nodes: [] })];
		const silent = region(5, { nodes: [{ hostName: "x", ipv4: "192.0.2.5", ipv6: "", stunPort: 0 }] });
		lab.run({ regions: [...odd, silent] }, 0);
		expect(lab.probes).toEqual(["0 3"]);
		lab.run({ regions: [...odd, silent], home: 2, full: true }, 10_000);
		expect(lab.probes).toEqual(["0 2", "0 3"]);
		lab.run({ regions: odd.slice(0, 2), full: true }, 20_000);
		expect(lab.probes).toEqual(["0 2"]);
	});

	test('a name is resolved by the owner: the probe goes when the address is known; "none" disables a family', () => {
		const lab = new Lab();
		const named = region(1, { nodes: [{ hostName: "derp.example", ipv4: "", ipv6: "none", stunPort: 3478 }] });
		let asked = 0;
		const names = ["192.0.2.1"];
		Object.defineProperty(lab.names, "derp.example", { get: () => (++asked > 3 ? names : []) });
		const report = lab.run({ regions: [named], hasV6: true }, 0);
		expect(lab.probes).toEqual(["300 1"]);
		expect(report.latency.get(1)).toBe(10);
		const literal = region(2, { nodes: [{ hostName: "192.0.2.2", ipv4: "", ipv6: "none", stunPort: 3478 }] });
		lab.run({ regions: [literal], full: true }, 10_000);
		expect(lab.probes).toEqual(["0 2"]);
	});

	test("a latency of 0 ms counts as an answer", () => {
		const lab = new Lab();
		lab.latencyOf = () => 0;
		expect(lab.run({ regions: many(1) }, 0).latency.get(1)).toBeGreaterThan(0);
	});

	test("NetInfo: members of the report; sent again only if something other than a latency differs", () => {
		const lab = new Lab();
		const report = lab.run({ regions: many(2), hasV6: true }, 0);
		const info = netInfoOf(report, 2, true, noMapping);
		expect(info).toEqual({
			MappingVariesByDestIP: false,
			WorkingIPv6: true,
			OSHasIPv6: true,
			WorkingUDP: true,
			PreferredDERP: 2,
			HavePortMap: false,
			DERPLatency: { "1-v4": 0.01, "1-v6": 0.01, "2-v4": 0.02, "2-v6": 0.02 },
		});
		expect(netInfoDiffers(undefined, info)).toBe(true);
		expect(netInfoDiffers(info, { ...info, DERPLatency: {} })).toBe(false);
		expect(netInfoDiffers(info, { ...info, PreferredDERP: 3 })).toBe(true);
		const mapped = netInfoOf(report, 2, true, { hasMapping: true, services: { pmp: true, pcp: false, upnp: undefined } });
		expect([mapped.HavePortMap, mapped.PMP, mapped.PCP, "UPnP" in mapped]).toEqual([true, true, false, false]);
		expect(netInfoDiffers(info, { ...info, HavePortMap: true })).toBe(true);
		for (const service of ["UPnP", "PMP", "PCP"]) expect(netInfoDiffers(info, { ...info, [service]: false })).toBe(true);
		const unknown = netInfoOf(lab.run({ regions: many(1), full: true }, 10_000), 1, false, noMapping, "wifi");
		expect("MappingVariesByDestIP" in unknown).toBe(false);
		expect(unknown.LinkType).toBe("wifi");
	});
});
