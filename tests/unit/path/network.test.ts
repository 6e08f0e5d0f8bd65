/** What the node knows about its network, on the test host's clock: protocol/paths.md §2.2, §3.5, §6.3, §8. */
import { Network, type NetworkOwner } from "../../../modules/network.js";
import type { NetInfo } from "../../../modules/path/net-info.js";
import type { ProbeRegion } from "../../../modules/path/probe-plan.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";
import { gateway, kindOf, Router } from "./router.js";

const region = (id: number, hostName = `192.0.2.${id}`): ProbeRegion => ({
	id,
	nodes: [{ hostName, ipv4: "", ipv6: "none", stunPort: 3478 }],
	avoid: false,
	noMeasureNoHome: false,
});

/** A node around a network; region i answers STUN after 10 * i ms, and its relay is up unless a test says otherwise. */
class Stage implements NetworkOwner {
	readonly network = new Network(this);
	port = 41641;
	readonly isPortFixed = false;
	readonly explicitEndpoints = [];
	mayMapPort = true;
	inMapPoll = true;
	hasPeers = true;
	deadRegion = 0;
	/** Silent regions. */
	readonly silent = new Set<number>();
	/** Destinations of the probes, oldest first. */
	readonly probes: string[] = [];
	readonly told: string[] = [];
	#answers: { at: number; from: string; packet: Uint8Array }[] = [];

	/** What the router hears; it answers by NAT-PMP if a test has one. */
	readonly asked: string[] = [];
	router: Router | undefined;
	netInfo: NetInfo | undefined;

	sendRaw(endpoint: string, datagram: Uint8Array): void {
		if (endpoint === gateway) {
			this.asked.push(kindOf(datagram));
			if (this.router) this.router.now = 1_000_000 + this.now;
			const packet = this.router?.answer(datagram);
			if (packet) this.#answers.push({ at: this.now + 4, from: endpoint, packet });
			return;
		}
		this.probes.push(endpoint);
		const id = Number((endpoint.split(":")[0] as string).split(".")[3]);
		if (this.silent.has(id)) return;
		const packet = new Uint8Array(32);
		packet.set([1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
		packet.set(datagram.subarray(8, 20), 8);
		packet.set([0, 1, 0, 8, 0, 1, 0xa2, 0xa9, 203, 0, 113, 9], 20);
		this.#answers.push({ at: this.now + 10 * id, from: endpoint, packet });
	}

	relayHeardAt(): number | undefined {
		return undefined;
	}

	endpointsChanged(): void {
		this.told.push("endpoints");
	}

	endpointsFresh(): void {}

	homeChanged(id: number): void {
		this.told.push(`home ${id}`);
	}

	netInfoChanged(info: NetInfo): void {
		this.netInfo = info;
	}

	udpStopped(): void {
		this.told.push("udp stopped");
	}

	now = 0;

	async pass(ms: number): Promise<void> {
		for (let left = ms; left > 0; left -= 5) {
			testing.advance(5);
			this.now += 5;
			const due = this.#answers.filter((answer) => answer.at <= this.now);
			this.#answers = this.#answers.filter((answer) => answer.at > this.now);
			for (const { from, packet } of due) {
				if (from === gateway) this.network.mappingAnswer(from, packet);
				else this.network.stun(from, packet);
			}
			await testing.settle();
		}
	}

	/** Looks at the network. @returns how many probes went to a region in the next ms */
	async look(id: number, ms: number): Promise<number> {
		this.probes.length = 0;
		this.network.update("periodic");
		await this.pass(ms);
		return this.probes.filter((probe) => probe === `192.0.2.${id}:3478`).length;
	}
}

let stage: Stage;
beforeEach(() => {
	testing.reset();
	stage = new Stage();
});

describe("home region", () => {
	test("a home whose relay cannot be used is left for another that answers, and not taken again for 10 minutes", async () => {
		stage.network.setRegions([region(1), region(4)], () => 1);
		await stage.pass(500);
		expect(stage.network.home).toBe(1);
		stage.deadRegion = 1;
		stage.network.homeUnreachable();
		await stage.pass(500);
		expect([stage.network.home, stage.told.at(-1)]).toEqual([4, "home 4"]);
		// The new home is fine, and the old one still answers STUN, much faster.
		stage.deadRegion = 0;
		for (let minute = 0; minute < 9; minute += 1) {
			stage.network.update("periodic");
			await stage.pass(60_000);
			expect([minute, stage.network.home]).toEqual([minute, 4]);
		}
		await stage.pass(60_000);
		stage.network.update("periodic");
		await stage.pass(500);
		expect(stage.network.home).toBe(1);
	});

	test("is chosen by the scores of the map, and anew when the map has another one in its place", async () => {
		stage.network.setRegions([region(1), region(4)], (id) => (id === 4 ? 0.1 : 1));
		await stage.pass(500);
		expect(stage.network.home).toBe(4);
		stage.told.length = 0;
		stage.network.homeLost();
		expect(stage.network.home).toBe(0);
		await stage.pass(500);
		expect([stage.network.home, stage.told]).toEqual([4, ["home 4"]]);
	});

	test("while its relay cannot be used the network is looked at once a minute, not with every failed attempt", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(500);
		stage.deadRegion = 1;
		stage.probes.length = 0;
		let looks = 0;
		for (let i = 0; i < 60; i += 1) {
			stage.probes.length = 0;
			stage.network.homeUnreachable();
			await stage.pass(5000);
			if (stage.probes.length > 0) looks += 1;
		}
		expect(looks).toBe(5);
		expect(stage.network.home).toBe(1);
	});
});

describe("names of relays", () => {
	test("are asked for again after a while, so that a server that moved is found without a restart; the old answer counts meanwhile", async () => {
		testing.names.set("derp.example", ["192.0.2.1"]);
		stage.network.setRegions([region(1, "derp.example")], () => 1);
		await stage.pass(500);
		expect(stage.network.last?.latency.has(1)).toBe(true);
		testing.names.set("derp.example", ["192.0.2.2"]);
		expect(await stage.look(1, 60_000)).toBeGreaterThan(0);
		expect(await stage.look(2, 60_000)).toBe(0);
		await stage.pass(600_000);
		stage.network.update("periodic");
		await stage.pass(500);
		expect(await stage.look(2, 500)).toBeGreaterThan(0);
		testing.names.clear();
		await stage.pass(600_000);
		expect(await stage.look(2, 500)).toBeGreaterThan(0);
	});

	test("that a new map does not have are forgotten", async () => {
		testing.names.set("derp.example", ["192.0.2.1"]);
		stage.network.setRegions([region(1, "derp.example")], () => 1);
		await stage.pass(500);
		testing.names.set("derp.example", ["192.0.2.2"]);
		stage.network.setRegions([region(3)], () => 1);
		stage.network.setRegions([region(1, "derp.example")], () => 1);
		expect(await stage.look(1, 1000)).toBe(0);
		expect(stage.probes).toContain("192.0.2.2:3478");
	});

	test("that have no answer are asked for once a second, not with every probe; an answer that comes later is used", async () => {
		let asked = 0;
		const get = testing.names.get.bind(testing.names);
		testing.names.get = (name) => {
			asked += 1;
			return get(name);
		};
		stage.network.setRegions([region(1, "derp.example")], () => 1);
		await stage.pass(3500);
		expect(asked).toBeGreaterThan(0);
		expect(asked).toBeLessThanOrEqual(4);
		testing.names.set("derp.example", ["192.0.2.1"]);
		stage.network.update("periodic");
		await stage.pass(1000);
		expect(stage.network.last?.latency.has(1)).toBe(true);
		testing.names.get = get;
	});
});

describe("a look", () => {
	test("begins on a turn of its own, and is one for all who asked before it", async () => {
		stage.network.setRegions([region(1)], () => 1);
		stage.network.update("link-change-major");
		const report = stage.network.check();
		expect(stage.probes).toEqual([]);
		await stage.pass(5);
		expect(stage.probes).toEqual(["192.0.2.1:3478"]);
		await stage.pass(1000);
		expect((await report).full).toBe(true);
		expect(stage.probes).toEqual(["192.0.2.1:3478"]);
	});
});

describe("check", () => {
	test("answers with a full report that began after the question, also while another is under way", async () => {
		stage.network.setRegions(
			[1, 2, 3, 4, 5, 6].map((id) => region(id)),
			() => 1,
		);
		await stage.pass(500);
		stage.network.update("periodic");
		await stage.pass(5);
		const report = stage.network.check();
		await stage.pass(1000);
		expect((await report).full).toBe(true);
		expect(stage.network.last?.full).toBe(true);
	});

	test("is rejected with the code closed when the node is closed, before or meanwhile; no timer stays", async () => {
		stage.network.setRegions([region(1)], () => 1);
		const question = stage.network.check();
		stage.network.close();
		await expect(question).rejects.toMatchObject({ code: "closed" });
		await expect(stage.network.check()).rejects.toMatchObject({ code: "closed" });
		expect(testing.timers).toBe(0);
	});
});

describe("UDP", () => {
	test("is blocked after two looks in a row without any answer, and works with the first answer; where nobody can be asked, nothing is known", async () => {
		expect(stage.network.udp).toBe(undefined);
		stage.network.setRegions([], () => 1);
		await stage.pass(500);
		stage.network.update("periodic");
		await stage.pass(500);
		expect(stage.network.udp).toBe(undefined);
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(500);
		expect(stage.network.udp).toBe(true);
		stage.silent.add(1);
		stage.network.update("periodic");
		await stage.pass(5000);
		expect(stage.network.udp).toBe(true);
		stage.network.update("periodic");
		await stage.pass(5000);
		expect(stage.network.udp).toBe(false);
		stage.silent.clear();
		stage.network.update("periodic");
		await stage.pass(500);
		expect(stage.network.udp).toBe(true);
	});

	test("that is blocked is looked at again when a peer is reached directly, and not while it works", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(500);
		const looks = (): number => stage.probes.length;
		const before = looks();
		stage.network.udpHeard();
		await stage.pass(5000);
		expect(looks()).toBe(before);
		stage.silent.add(1);
		for (let i = 0; i < 2; i += 1) {
			stage.network.update("periodic");
			await stage.pass(5000);
		}
		expect(stage.network.udp).toBe(false);
		stage.silent.clear();
		await stage.pass(5000);
		expect(stage.network.udp).toBe(false);
		stage.network.udpHeard();
		await stage.pass(500);
		expect(stage.network.udp).toBe(true);
	});

	test("that worked and stopped is told, so that other sockets are tried: at most once in 5 minutes", async () => {
		const look = async (): Promise<void> => {
			stage.network.update("periodic");
			await stage.pass(5000);
		};
		const stopped = (): number => stage.told.filter((what) => what === "udp stopped").length;
		stage.silent.add(1);
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(5000);
		await look();
		expect([stage.network.udp, stopped()]).toEqual([false, 0]);
		for (const expected of [1, 1]) {
			stage.silent.clear();
			await look();
			stage.silent.add(1);
			for (let i = 0; i < 4; i += 1) await look();
			expect([stage.network.udp, stopped()]).toEqual([false, expected]);
		}
		testing.advance(300_000);
		stage.now += 300_000;
		stage.silent.clear();
		await look();
		stage.silent.add(1);
		await look();
		await look();
		expect(stopped()).toBe(2);
	});
});

describe("a port mapped on the router", () => {
	const own = (): string[] => stage.network.endpoints.list.map(({ endpoint, type }) => `${endpoint} ${type}`);
	beforeEach(() => {
		testing.gateway = { gateway: "192.168.1.1", address: "192.168.1.20" };
		stage.router = new Router();
	});

	test("[paths 14] becomes the first of our endpoints, of type 3, and control hears of both at once", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(400);
		expect(own()[0]).toBe("203.0.113.7:50001 3");
		expect(stage.netInfo).toMatchObject({ HavePortMap: true, PMP: true, PCP: false, UPnP: false });
		expect(stage.told.filter((what) => what === "endpoints").length).toBe(2);
	});

	test("costs an idle node one renewal an hour, and no look at the network", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(1000);
		stage.asked.length = stage.probes.length = 0;
		testing.advance(3_598_000);
		stage.now += 3_598_000;
		expect([stage.asked, stage.probes]).toEqual([[], []]);
		await stage.pass(3000);
		expect([stage.asked, stage.probes]).toEqual([["address", "pmp map"], []]);
		expect(own()[0]).toBe("203.0.113.7:50001 3");
	});

	test("[paths 14] is deleted and remade where the port was taken at a rebind, also if the tunnel says so only after the look began", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(1000);
		stage.asked.length = 0;
		stage.network.expire();
		stage.network.update("link-change-major");
		stage.port = 41642;
		await stage.pass(1000);
		// The renewal that a new network asks for was under way with the old port.
		expect(stage.asked.filter((kind) => kind.startsWith("pmp"))).toEqual(["pmp map", "pmp delete", "pmp map"]);
		expect([own()[0], own().includes("192.0.2.10:41642 1")]).toEqual(["203.0.113.7:50001 3", true]);
	});

	test("is neither asked for nor kept where none is wanted: by option, or where control allows TCP alone", async () => {
		stage.mayMapPort = false;
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(1000);
		expect([stage.asked, "PMP" in (stage.netInfo as NetInfo)]).toEqual([[], false]);
		stage.mayMapPort = true;
		stage.network.update("periodic");
		await stage.pass(1000);
		expect(stage.netInfo?.HavePortMap).toBe(true);
		stage.mayMapPort = false;
		stage.network.update("link-change-major");
		await stage.pass(1000);
		expect([stage.asked.at(-1), stage.netInfo?.HavePortMap, own()[0]]).toEqual(["pmp delete", false, "203.0.113.9:41641 2"]);
	});

	test("[paths 14] is deleted on close, and no timer stays", async () => {
		stage.network.setRegions([region(1)], () => 1);
		await stage.pass(1000);
		stage.asked.length = 0;
		stage.network.close();
		expect([stage.asked, testing.timers]).toEqual([["pmp delete"], 0]);
		stage.network.mappingAnswer(gateway, new Uint8Array([0, 129]));
		expect(stage.network.mapping.counters.malformed).toBe(0);
	});
});
