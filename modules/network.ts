/**
 * What the node knows about the network it stands in: its own endpoints, a port mapped on the gateway, its home relay, NetInfo. Runs the netcheck of modules/path on the host's
 * clock and tells the owner what changed. Source: protocol/paths.md §2, §3.
 */
import { localAddresses, monotonicMS, randomBytes, resolveHost, stopTimer, type Timer } from "tailnet/host";
import { timerAt } from "./deadline.js";
import { TailnetError } from "./errors.js";
import { HomeRegion } from "./path/home-region.js";
import { type NetInfo, netInfoDiffers, netInfoOf } from "./path/net-info.js";
import { Netcheck, type NetcheckReport, type ProbeRegion } from "./path/netcheck.js";
import { type OwnEndpoint, OwnEndpoints } from "./path/own-endpoints.js";
import { type UpdateReason, UpdateSchedule } from "./path/update-schedule.js";
import { PortMapping } from "./port-mapping.js";

export interface NetworkOwner {
	sendRaw(endpoint: string, datagram: Uint8Array): void;
	/** UDP port that is bound. */
	readonly port: number;
	/** The app asked for a certain port. */
	readonly isPortFixed: boolean;
	/** Endpoints given by the app. */
	readonly explicitEndpoints: readonly string[];
	/** The gateway may be asked to map our port. */
	readonly mayMapPort: boolean;
	readonly inMapPoll: boolean;
	readonly hasPeers: boolean;
	/** Monotonic milliseconds of the last frame from a region. */
	relayHeardAt(region: number): number | undefined;
	/** Region whose relay connection cannot be made for long although its STUN answers, 0 = none. */
	readonly deadRegion: number;
	/** Control has to hear of our endpoints. */
	endpointsChanged(endpoints: readonly OwnEndpoint[]): void;
	/** They were looked at again just now, changed or not. */
	endpointsFresh(): void;
	homeChanged(region: number): void;
	netInfoChanged(info: NetInfo): void;
	/** UDP worked, and does not any more although packets leave: the sockets may be dead. At most every 5 minutes. */
	udpStopped(): void;
}

/** A relay's address is asked of DNS again when it is older. */
const nameLifeMS = 300_000;
/** A name without an answer is asked again so soon. */
const nameRetryMS = 1_000;
/** While the home relay cannot be used: gap between looks for another. */
const unreachableGapMS = 60_000;
/** UDP that stopped is taken for dead sockets at most so often. protocol/paths.md §6.2 */
const stoppedGapMS = 300_000;
/** Looks without any answer, one after the other, that mean: UDP is blocked. */
const blockedLooks = 2;

interface Name {
	addresses: readonly string[];
	askedAtMS: number;
}

export class Network {
	readonly endpoints = new OwnEndpoints();
	readonly #owner: NetworkOwner;
	readonly #home = new HomeRegion(randomBytes);
	readonly #netcheck: Netcheck;
	readonly mapping: PortMapping;
	readonly #schedule = new UpdateSchedule(randomBytes, () => this.#begin());
	/** Addresses of DERP hosts, by name. */
	readonly #names = new Map<string, Name>();
	#regions: readonly ProbeRegion[] = [];
	#score: (region: number) => number = () => 1;
	#netInfo: NetInfo | undefined;
	#unreachableAt = Number.NEGATIVE_INFINITY;
	/** Looks in a row that asked and had no answer. */
	#unanswered = 0;
	#udp: boolean | undefined;
	#stoppedAt = Number.NEGATIVE_INFINITY;
	/** Endpoint of the mapping that our list was, or is being, made with. */
	#mapped = "";
	#timer: Timer | undefined;
	/** Questions of check() for the next look, and for the one under way. */
	#waiting: { done(report: NetcheckReport): void; failed(error: TailnetError): void }[] = [];
	#asked: { done(report: NetcheckReport): void; failed(error: TailnetError): void }[] = [];
	/** A look begins with the next tick. */
	#isDue = false;
	#closed = false;

	constructor(owner: NetworkOwner) {
		this.#owner = owner;
		this.#netcheck = new Netcheck({
			send: (destination, datagram) => owner.sendRaw(destination, datagram),
			addressesOf: (host) => this.#addressesOf(host),
			random: randomBytes,
		});
		this.mapping = new PortMapping({
			sendRaw: (destination, datagram) => owner.sendRaw(destination, datagram),
			mappingChanged: () => this.#mappingChanged(),
		});
	}

	/** Home region, 0 = none yet. */
	get home(): number {
		return this.#home.current;
	}

	/** The last complete look. */
	get last(): NetcheckReport | undefined {
		return this.#netcheck.last;
	}

	/** Whether UDP works; undefined = not known, as where there is nobody to ask. */
	get udp(): boolean | undefined {
		return this.#udp;
	}

	/** A new DERP map. */
	setRegions(regions: readonly ProbeRegion[], score: (region: number) => number): void {
		this.#regions = regions;
		this.#score = score;
		const hosts = new Set(regions.flatMap((region) => region.nodes.map((node) => node.hostName)));
		for (const name of this.#names.keys()) if (!hosts.has(name)) this.#names.delete(name);
		this.update("derp-map-update");
	}

	/** The home of the last run, as long as there is none: peers look for us there. */
	restoreHome(region: number): void {
		if (region === 0 || this.#home.current !== 0) return;
		this.#home.restore(region);
		this.#owner.homeChanged(region);
	}

	/** The home region was redefined, or is not in the map any more. */
	homeLost(): void {
		this.#home.forget();
		this.update("derp-map-update");
	}

	/** The home relay cannot be connected to, for long and still: looks for another home. May be called as often as that is noticed. */
	homeUnreachable(): void {
		const now = monotonicMS();
		if (now - this.#unreachableAt < unreachableGapMS) return;
		this.#unreachableAt = now;
		this.update("home-unreachable");
	}

	/** A peer is reached directly. Where UDP was blocked that is news: an idle node would not look again by itself. */
	udpHeard(): void {
		if (this.#udp === false) this.update("udp-heard");
	}

	/** Looks again, soon: one look for all who ask before it begins; one that is under way is followed by another. */
	update(reason: UpdateReason): void {
		if (!this.#closed && !this.#isDue) this.#schedule.request(reason);
		this.#arm();
	}

	/** A packet went through the tunnel. */
	used(): void {
		this.#schedule.used(monotonicMS());
	}

	/** A complete look, for people. Rejects with TailnetError "closed". */
	check(): Promise<NetcheckReport> {
		return new Promise((resolve, reject) => {
			if (this.#closed) {
				reject(new TailnetError("closed", "the node was closed"));
				return;
			}
			this.#waiting.push({ done: resolve, failed: reject });
			this.update("periodic");
		});
	}

	/** A STUN datagram came. */
	stun(source: string, datagram: Uint8Array): void {
		if (this.#netcheck.receive(source, datagram, monotonicMS())) this.#tick();
	}

	/** What may be an answer about port mappings came. */
	mappingAnswer(source: string, datagram: Uint8Array): void {
		if (!this.#closed) this.mapping.receive(source, datagram);
	}

	/** Other sockets, or another network. */
	expire(): void {
		this.endpoints.expire();
		this.mapping.networkChanged();
		this.#names.clear();
	}

	close(): void {
		this.#closed = true;
		this.mapping.close();
		this.#schedule.stop();
		stopTimer(this.#timer);
		for (const { failed } of [...this.#asked, ...this.#waiting]) failed(new TailnetError("closed", "the node was closed"));
		this.#asked = this.#waiting = [];
	}

	/** On a turn of its own: who asks for a look may be deep in a call, and a look goes deep as well. The stack of a board has room for one of them. */
	#begin(): void {
		this.#isDue = true;
		this.#arm();
	}

	#start(now: number): void {
		this.#lookForMapping();
		const { hasV4, hasV6 } = families();
		this.#isDue = false;
		this.#asked = this.#waiting;
		this.#waiting = [];
		const full = this.#asked.length > 0;
		this.#netcheck.start({ regions: this.#regions, home: this.#home.current, hasV4: hasV4 || !hasV6, hasV6, full }, now);
	}

	#tick(): void {
		if (this.#closed) return;
		const now = monotonicMS();
		if (this.#isDue) this.#start(now);
		const report = this.#netcheck.tick(now);
		if (report) this.#complete(report, now);
		else if (!this.#netcheck.isRunning) this.#schedule.tick(now);
		this.#arm();
	}

	#arm(): void {
		if (this.#closed) return;
		this.#timer = timerAt(this.#timer, this.#isDue ? 0 : (this.#netcheck.deadline ?? this.#schedule.deadline), () => this.#tick());
	}

	#complete(report: NetcheckReport, now: number): void {
		const owner = this.#owner;
		this.#judgeUDP(report, now);
		this.#lookForMapping(); // a rebind may have given us another port meanwhile
		const before = this.#home.current;
		const home = this.#home.choose(
			report,
			{ regions: this.#regions, score: this.#score, heardAt: (region) => owner.relayHeardAt(region), inMapPoll: owner.inMapPoll, deadRegion: owner.deadRegion },
			now,
		);
		if (home !== before) owner.homeChanged(home);
		const result = this.endpoints.update(
			{
				seen: report,
				mapped: this.mapping.endpoint,
				interfaces: localAddresses(),
				port: owner.port,
				isFixedPort: owner.isPortFixed,
				explicit: owner.explicitEndpoints,
				hasDERPMap: this.#regions.length > 0,
			},
			now,
		);
		if (result === "changed") owner.endpointsChanged(this.endpoints.list);
		if (result !== "dropped") owner.endpointsFresh();
		this.#tellNetInfo(report);
		const asked = this.#asked;
		this.#asked = [];
		for (const { done } of asked) done(report);
		this.#schedule.finished(owner.hasPeers, now);
	}

	#lookForMapping(): void {
		this.mapping.update(this.#owner.mayMapPort ? this.#owner.port : 0);
	}

	/** Peers hear of a mapping with the endpoints of the next look; control at once. */
	#mappingChanged(): void {
		if (this.#closed) return;
		const report = this.#netcheck.last;
		if (report) this.#tellNetInfo(report);
		const { endpoint } = this.mapping;
		if (endpoint === this.#mapped) return;
		this.#mapped = endpoint;
		this.update("portmap-changed");
	}

	#tellNetInfo(report: NetcheckReport): void {
		const info = netInfoOf(report, this.#home.current, families().hasV6, this.mapping);
		if (!netInfoDiffers(this.#netInfo, info)) return;
		this.#netInfo = info;
		this.#owner.netInfoChanged(info);
	}

	/** One lost look is no news. */
	#judgeUDP(report: NetcheckReport, now: number): void {
		if (!report.ipv4CanSend && !report.ipv6CanSend) return;
		this.#unanswered = report.udp ? 0 : this.#unanswered + 1;
		if (report.udp) this.#udp = true;
		if (this.#unanswered < blockedLooks) return;
		const didWork = this.#udp === true;
		this.#udp = false;
		if (!didWork || now - this.#stoppedAt < stoppedGapMS) return;
		this.#stoppedAt = now;
		this.#owner.udpStopped();
	}

	/** What is known of a name. Asks for it when that is nothing, or old; a later probe finds the answer. */
	#addressesOf(host: string): readonly string[] {
		const known = this.#names.get(host);
		const now = monotonicMS();
		const lifeMS = known && known.addresses.length > 0 ? nameLifeMS : nameRetryMS;
		if (!known || now - known.askedAtMS >= lifeMS) this.#ask(host, known?.addresses ?? [], now);
		return known?.addresses ?? [];
	}

	/** @param old counts until there is an answer */
	#ask(host: string, old: readonly string[], now: number): void {
		const name: Name = { addresses: old, askedAtMS: now };
		this.#names.set(host, name);
		resolveHost(host).then(
			(addresses) => {
				name.addresses = addresses;
				this.#tick();
			},
			() => {}, // the old answer goes on to count
		);
	}
}

/** Which families this machine has a usable address of. */
function families(): { hasV4: boolean; hasV6: boolean } {
	const addresses = localAddresses();
	return { hasV4: addresses.some((address) => !address.includes(":")), hasV6: addresses.some((address) => address.includes(":")) };
}
