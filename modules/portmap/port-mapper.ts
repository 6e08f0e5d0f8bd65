/**
 * One UDP port of ours, mapped on the gateway of the LAN, so that peers reach us behind any NAT. Source: protocol/paths.md §4; pure, time is passed in.
 *
 *   state     event                                 next
 *   idle      update(), no mapping, an attempt due   probing: NAT-PMP address request, PCP ANNOUNCE and SSDP searches are sent; asking if a service is known
 *   probing   250 ms                                 asking, if NAT-PMP or PCP has answered; mapping by UPnP, if that has; else idle, a failed attempt
 *   idle      an answer within 3 s after that          asking or mapping by UPnP: slow routers, and sleepy radios
 *   asking    a grant                                idle, with a mapping
 *   asking    a refusal                              idle, a failed attempt: nothing else is asked
 *   asking    250 ms of silence, twice               mapping by UPnP, if a device is known; else idle, a failed attempt
 *   upnp      upnpMapped()                           idle, with a mapping or a failed attempt
 *   idle      half of a mapping's life is over       asking or upnp: the same external port, and with PCP the same nonce
 *
 * A renewal that fails is tried again after half of the time that is left; a mapping whose time is over is gone. Failed attempts are 5 s apart at least, and
 * after the third in a row 10 minutes. A mapping is deleted on close, and when our port, our address or the gateway is another one. A router that restarted
 * (its epoch says so) has forgotten it, and so do we. Answers count only from the gateway, and only while asked for.
 */
import { addressToText, isTailnetAddress, parseAddress } from "../netmap/address.js";
import { isPrivate } from "../path/better.js";
import { MAPPING_PORT, type PMPAnswer, parsePMPAnswer, pmpAddressRequest, pmpMapRequest } from "./nat-pmp.js";
import { PCP_NONCE_BYTES, type PCPAnswer, parsePCPAnswer, pcpAnnounceRequest, pcpMapRequest } from "./pcp.js";

/** Where we stand: the gateway, our address towards it, the UDP port that is bound. */
export interface MapperLink {
	readonly gateway: string;
	readonly address: string;
	readonly port: number;
}

/** What the mapper needs of UPnP. Nothing here calls back into the mapper. */
export interface MapperUPnP {
	/** Asks the network for devices of the gateway. */
	search(gateway: string): void;
	/** A datagram that is not from the gateway's port 5351. @returns false if it is no answer of a device */
	receive(datagram: Uint8Array): boolean;
	/** A device has answered since forget(). */
	readonly found: boolean;
	/** Asks for a mapping; upnpMapped() of the mapper follows, unless forget() comes before. */
	map(link: MapperLink, externalPort: number): void;
	/** Deletes a mapping; nothing follows. */
	unmap(externalPort: number): void;
	/** Everything found belongs to another network. */
	forget(): void;
}

export interface PortMapperOptions {
	/** By the same socket as WireGuard; answers come to receive(). */
	send(destination: string, datagram: Uint8Array): void;
	random: (lengthBytes: number) => Uint8Array;
	upnp?: MapperUPnP;
	/** The mapping, or what is known of services, is another one. */
	changed(): void;
}

/** What is known of the gateway's services; undefined = not known yet. */
export interface MappingServices {
	pmp: boolean | undefined;
	pcp: boolean | undefined;
	upnp: boolean | undefined;
}

type Protocol = "pmp" | "pcp" | "upnp";

interface Mapping {
	readonly protocol: Protocol;
	readonly link: MapperLink;
	readonly nonce: Uint8Array;
	address: string;
	port: number;
	renewAt: number;
	until: number;
}

const WAIT_MS = 250;
/** Requests for a mapping, one WAIT_MS after the other. */
const TRIES = 2;
const LIFETIME_SECONDS = 7_200;
/** A router may grant what it likes, but not make us ask every second, or never. */
const LEAST_LIFETIME_SECONDS = 60;
const MOST_LIFETIME_SECONDS = 86_400;
const LEAST_RETRY_MS = 30_000;
/** SSDP lets a device wait for 2 s. */
const LATE_MS = 3_000;
const SERVICE_MEMORY_MS = 600_000;
const ATTEMPT_GAP_MS = 5_000;
const EMPTY_ATTEMPTS = 3;
const EMPTY_GAP_MS = 600_000;
/** RFC 6886 §3.6: a router's clock may be slow by an eighth, and a restart within 2 s of an answer is no restart. */
const EPOCH_SLACK_SECONDS = 2;
/** Results of PCP that mean: there, but not for us. RFC 6887 §7.4 */
const NOT_AUTHORIZED = 2;
const ADDRESS_MISMATCH = 12;

/** The external address and port of a grant. */
export interface UPnPGrant {
	readonly address: string;
	readonly port: number;
}

export class PortMapper {
	/** Answers that were no answers, and those that said no. */
	readonly counters = { mapped: 0, renewed: 0, refused: 0, malformed: 0, unexpected: 0, restarts: 0 };
	readonly #options: PortMapperOptions;
	#link: MapperLink | undefined;
	#state: "idle" | "probing" | "asking" | "upnp" = "idle";
	/** End of probing, or of one try. */
	#stateUntil = 0;
	#tries = 0;
	/** What is asked with. */
	#asked: "pmp" | "pcp" = "pmp";
	#nonce: Uint8Array = new Uint8Array(PCP_NONCE_BYTES);
	#grant: { port: number; lifetimeSeconds: number } | undefined;
	#mapping: Mapping | undefined;
	#wantedPort = 0;
	#services: MappingServices = nothingKnown();
	/** When each service has answered last. */
	#pmpAt = Number.NEGATIVE_INFINITY;
	#pcpAt = Number.NEGATIVE_INFINITY;
	/** By NAT-PMP, "" = not known. */
	#publicAddress = "";
	#epoch: { seconds: number; at: number } | undefined;
	#failures = 0;
	#attemptAt = Number.NEGATIVE_INFINITY;
	#epochAskedAt = Number.NEGATIVE_INFINITY;
	/** The last probe was empty, and an answer is still welcome. */
	#lateUntil = Number.NEGATIVE_INFINITY;

	constructor(options: PortMapperOptions) {
		this.#options = options;
	}

	/** Where peers reach us, "" = there is no mapping. */
	endpoint(now: number): string {
		const mapping = this.#mapping;
		return mapping && now < mapping.until ? `${mapping.address}:${mapping.port}` : "";
	}

	get services(): Readonly<MappingServices> {
		return this.#services;
	}

	/** When tick() is to be called next. */
	get deadline(): number | undefined {
		const mapping = this.#mapping;
		if (this.#state === "idle") return mapping && Math.min(mapping.renewAt, mapping.until);
		const end = this.#state === "upnp" ? Number.POSITIVE_INFINITY : this.#stateUntil;
		const next = Math.min(end, mapping?.until ?? Number.POSITIVE_INFINITY);
		return next === Number.POSITIVE_INFINITY ? undefined : next;
	}

	/** Our endpoints are looked at now: the place to begin an attempt. @param link undefined: no gateway, or no mapping is wanted */
	update(link: MapperLink | undefined, now: number): void {
		this.#settle(link && isUsable(link) ? link : undefined);
		if (!this.#link || this.#state !== "idle") return;
		if (!this.#mapping) {
			const gap = this.#failures >= EMPTY_ATTEMPTS ? EMPTY_GAP_MS : ATTEMPT_GAP_MS;
			if (now - this.#attemptAt >= gap) this.#attempt(now);
		} else if (this.#mapping.protocol !== "upnp") this.#askEpoch(this.#mapping.protocol, now);
	}

	/** Another network, perhaps with the same addresses: what is known may be wrong. */
	networkChanged(now: number): void {
		this.#pmpAt = this.#pcpAt = this.#attemptAt = this.#epochAskedAt = Number.NEGATIVE_INFINITY;
		this.#failures = 0;
		this.#epoch = undefined;
		if (this.#mapping) this.#mapping.renewAt = now;
	}

	/** A datagram that the tunnel took for an answer about mappings. */
	receive(source: string, datagram: Uint8Array, now: number): void {
		const link = this.#link;
		if (!link) return;
		if (source !== `${link.gateway}:${MAPPING_PORT}`) {
			if (this.#options.upnp?.receive(datagram)) this.#answered(now);
			else this.counters.unexpected += 1;
			return;
		}
		const pmp = parsePMPAnswer(datagram);
		const pcp = pmp ? undefined : parsePCPAnswer(datagram);
		if (pmp) this.#receivePMP(pmp, link, now);
		else if (pcp) this.#receivePCP(pcp, link, now);
		else this.counters.malformed += 1;
	}

	/** What came of map() of UPnP. */
	upnpMapped(grant: UPnPGrant | undefined, now: number): void {
		if (this.#state !== "upnp") return;
		if (grant && isPublicEnough(grant.address) && grant.port !== 0) {
			this.#mapped("upnp", grant.address, grant.port, LIFETIME_SECONDS, now);
			return;
		}
		if (grant) {
			this.counters.refused += 1;
			this.#options.upnp?.unmap(grant.port);
		}
		this.#failed(now);
	}

	tick(now: number): void {
		const mapping = this.#mapping;
		if (mapping && now >= mapping.until) {
			this.#mapping = undefined;
			this.#options.changed();
		}
		if (this.#state === "probing" && now >= this.#stateUntil) this.#probed(now);
		else if (this.#state === "asking" && now >= this.#stateUntil) this.#silence(now);
		else if (this.#state === "idle" && this.#mapping && now >= this.#mapping.renewAt) {
			if (this.#mapping.protocol === "upnp") this.#askUPnP();
			else this.#ask(this.#mapping.protocol, now);
		}
	}

	/** The router is told to forget the mapping; no more is asked. */
	close(): void {
		this.#settle(undefined);
	}

	// ---- The link ----

	#settle(link: MapperLink | undefined): void {
		const before = this.#link;
		if (before && link && before.gateway === link.gateway && before.address === link.address && before.port === link.port) return;
		this.#link = link;
		if (!before) return;
		const had = this.#mapping;
		if (had) this.#release(had);
		this.#mapping = undefined;
		this.#state = "idle";
		this.#attemptAt = this.#lateUntil = Number.NEGATIVE_INFINITY;
		this.#failures = 0;
		if (!link || before.gateway !== link.gateway || before.address !== link.address) {
			this.#services = nothingKnown();
			this.#pmpAt = this.#pcpAt = this.#epochAskedAt = Number.NEGATIVE_INFINITY;
			this.#publicAddress = "";
			this.#epoch = undefined;
			this.#wantedPort = 0;
			this.#options.upnp?.forget();
		}
		if (had) this.#options.changed();
	}

	#release({ protocol, link, nonce, port }: Mapping): void {
		if (protocol === "upnp") this.#options.upnp?.unmap(port);
		else
			this.#send(link, protocol === "pmp" ? pmpMapRequest(link.port, 0, 0) : pcpMapRequest(parseAddress(link.address) as Uint8Array, nonce, link.port, 0, 0));
	}

	#send(link: MapperLink, datagram: Uint8Array): void {
		this.#options.send(`${link.gateway}:${MAPPING_PORT}`, datagram);
	}

	// ---- Probing ----

	#attempt(now: number): void {
		const link = this.#link as MapperLink;
		this.#attemptAt = now;
		if (this.#isKnown(this.#pmpAt, now) || this.#isKnown(this.#pcpAt, now)) {
			this.#askWhatIsKnown(now);
			return;
		}
		this.#state = "probing";
		this.#stateUntil = now + WAIT_MS;
		this.#lateUntil = now + LATE_MS;
		this.#send(link, pmpAddressRequest());
		this.#send(link, pcpAnnounceRequest(parseAddress(link.address) as Uint8Array));
		this.#options.upnp?.search(link.gateway);
	}

	/** One packet in 10 minutes tells whether the router still knows its mapping, and whether the public address is the same. */
	#askEpoch(protocol: "pmp" | "pcp", now: number): void {
		const link = this.#link as MapperLink;
		if (now - Math.max(this.#epochAskedAt, protocol === "pmp" ? this.#pmpAt : this.#pcpAt) < SERVICE_MEMORY_MS) return;
		this.#epochAskedAt = now;
		this.#send(link, protocol === "pmp" ? pmpAddressRequest() : pcpAnnounceRequest(parseAddress(link.address) as Uint8Array));
	}

	#isKnown(answeredAt: number, now: number): boolean {
		return now - answeredAt < SERVICE_MEMORY_MS;
	}

	/** A service has answered. */
	#answered(now: number): void {
		if (this.#state === "idle" && !this.#mapping && now < this.#lateUntil) this.#probed(now);
	}

	#probed(now: number): void {
		const before = this.#services;
		const upnp = this.#options.upnp;
		this.#services = { pmp: this.#isKnown(this.#pmpAt, now), pcp: this.#isKnown(this.#pcpAt, now), upnp: upnp?.found };
		const { pmp, pcp } = this.#services;
		if (pmp || pcp || upnp?.found) this.#lateUntil = Number.NEGATIVE_INFINITY;
		if (pmp || pcp) this.#askWhatIsKnown(now);
		else if (upnp?.found) this.#askUPnP();
		else this.#failed(now);
		if (before.pmp !== pmp || before.pcp !== pcp || before.upnp !== this.#services.upnp) this.#options.changed();
	}

	// ---- Asking ----

	#askWhatIsKnown(now: number): void {
		this.#ask(this.#isKnown(this.#pmpAt, now) ? "pmp" : "pcp", now);
	}

	#ask(protocol: "pmp" | "pcp", now: number): void {
		this.#state = "asking";
		this.#asked = protocol;
		this.#tries = 0;
		this.#grant = undefined;
		this.#nonce = this.#mapping?.nonce ?? this.#options.random(PCP_NONCE_BYTES);
		// The public address may have changed since the last time, unless it is of just now.
		if (protocol === "pmp" && now - this.#pmpAt > ATTEMPT_GAP_MS) this.#publicAddress = "";
		this.#sendMapRequest(now);
	}

	#sendMapRequest(now: number): void {
		const link = this.#link as MapperLink;
		this.#tries += 1;
		this.#stateUntil = now + WAIT_MS;
		if (this.#asked === "pcp")
			this.#send(link, pcpMapRequest(parseAddress(link.address) as Uint8Array, this.#nonce, link.port, this.#wantedPort, LIFETIME_SECONDS));
		else {
			if (this.#publicAddress === "") this.#send(link, pmpAddressRequest());
			if (!this.#grant) this.#send(link, pmpMapRequest(link.port, this.#wantedPort, LIFETIME_SECONDS));
		}
	}

	#askUPnP(): void {
		this.#state = "upnp";
		this.#options.upnp?.map(this.#link as MapperLink, this.#wantedPort);
	}

	#silence(now: number): void {
		if (this.#tries < TRIES) this.#sendMapRequest(now);
		else {
			// It is not there any more: the next attempt looks for it again.
			if (this.#asked === "pmp") this.#pmpAt = Number.NEGATIVE_INFINITY;
			else this.#pcpAt = Number.NEGATIVE_INFINITY;
			// A mapping that is being renewed stays with the service that made it.
			if (!this.#mapping && this.#options.upnp?.found) this.#askUPnP();
			else this.#failed(now);
		}
	}

	#failed(now: number): void {
		this.#state = "idle";
		const mapping = this.#mapping;
		if (mapping) mapping.renewAt = now + Math.max((mapping.until - now) / 2, LEAST_RETRY_MS);
		else this.#failures += 1;
	}

	#refused(now: number): void {
		this.counters.refused += 1;
		if (this.#state === "asking") this.#failed(now);
	}

	#mapped(protocol: Protocol, address: string, port: number, lifetimeSeconds: number, now: number): void {
		const before = this.endpoint(now);
		const lifetimeMS = 1000 * Math.min(lifetimeSeconds, MOST_LIFETIME_SECONDS);
		if (this.#mapping) this.counters.renewed += 1;
		else this.counters.mapped += 1;
		this.#mapping = {
			protocol,
			link: this.#link as MapperLink,
			nonce: this.#nonce,
			address,
			port,
			renewAt: now + lifetimeMS / 2,
			until: now + lifetimeMS,
		};
		this.#wantedPort = port;
		this.#services = { ...this.#services, [protocol]: true };
		this.#failures = 0;
		this.#state = "idle";
		if (this.endpoint(now) !== before) this.#options.changed();
	}

	// ---- Answers ----

	#receivePMP(answer: PMPAnswer, link: MapperLink, now: number): void {
		if (answer.kind === "map" && (this.#state !== "asking" || this.#asked !== "pmp" || answer.internalPort !== link.port)) {
			this.counters.unexpected += 1;
			return;
		}
		if (answer.result !== 0) {
			this.#refused(now);
			return;
		}
		if (answer.kind === "address" && !isPublicEnough(answer.address)) {
			this.#refused(now);
			return;
		}
		this.#pmpAt = now;
		if (answer.kind === "address") {
			this.#publicAddress = answer.address;
			if (this.#mapping?.protocol === "pmp" && this.#hasRestarted(answer.epoch, now)) this.#forget();
			else this.#moved(answer.address, now);
		} else if (answer.externalPort === 0 || answer.lifetimeSeconds < LEAST_LIFETIME_SECONDS) {
			this.#refused(now);
			return;
		} else this.#grant = { port: answer.externalPort, lifetimeSeconds: answer.lifetimeSeconds };
		this.#setEpoch(answer.epoch, now);
		if (this.#state === "asking" && this.#asked === "pmp" && this.#grant && this.#publicAddress !== "")
			this.#mapped("pmp", this.#publicAddress, this.#grant.port, this.#grant.lifetimeSeconds, now);
		else this.#answered(now);
	}

	#receivePCP(answer: PCPAnswer, link: MapperLink, now: number): void {
		if (answer.kind === "announce") {
			if (answer.result === NOT_AUTHORIZED || answer.result === ADDRESS_MISMATCH) this.counters.refused += 1;
			if (answer.result !== 0) return; // "another version" is what a server of PCP alone says to our NAT-PMP
			this.#pcpAt = now;
			if (this.#mapping?.protocol === "pcp" && this.#hasRestarted(answer.epoch, now)) this.#forget();
			this.#setEpoch(answer.epoch, now);
			this.#answered(now);
			return;
		}
		const isOurs = answer.nonce.every((byte, i) => byte === this.#nonce[i]) && answer.protocol === 17 && answer.internalPort === link.port;
		if (this.#state !== "asking" || this.#asked !== "pcp" || !isOurs) {
			this.counters.unexpected += 1;
			return;
		}
		if (answer.result !== 0 || answer.externalPort === 0 || answer.lifetimeSeconds < LEAST_LIFETIME_SECONDS || !isPublicEnough(answer.address)) {
			this.#refused(now);
			return;
		}
		this.#pcpAt = now;
		this.#setEpoch(answer.epoch, now);
		this.#mapped("pcp", answer.address, answer.externalPort, answer.lifetimeSeconds, now);
	}

	#setEpoch(seconds: number, now: number): void {
		if (seconds !== 0) this.#epoch = { seconds, at: now };
	}

	/** The router's clock is behind where it has to be by now. */
	#hasRestarted(epoch: number, now: number): boolean {
		const known = this.#epoch;
		if (!known || epoch === 0) return false;
		const least = known.seconds + ((now - known.at) / 1000) * (7 / 8) - EPOCH_SLACK_SECONDS;
		return epoch < known.seconds || epoch < least;
	}

	/** The router does not know the mapping any more. The same port is asked for again. */
	#forget(): void {
		this.counters.restarts += 1;
		this.#mapping = undefined;
		this.#attemptAt = Number.NEGATIVE_INFINITY;
		this.#options.changed();
	}

	/** The router has another public address than when it made the mapping. */
	#moved(address: string, now: number): void {
		const mapping = this.#mapping;
		if (mapping?.protocol !== "pmp" || mapping.address === address || this.#state === "asking") return;
		mapping.address = address;
		if (now < mapping.until) this.#options.changed();
	}
}

function nothingKnown(): MappingServices {
	return { pmp: undefined, pcp: undefined, upnp: undefined };
}

/** A gateway in the internet maps nothing, and is not to be asked. */
function isUsable({ gateway, address, port }: MapperLink): boolean {
	const bytes = parseAddress(gateway);
	return bytes !== undefined && !gateway.includes(":") && isPrivate(bytes) && parseAddress(address) !== undefined && !address.includes(":") && port !== 0;
}

/** An address that somebody may reach: also a private one, of a router behind another; but nobody's, this machine's, a group's or the tailnet's. */
function isPublicEnough(text: string): boolean {
	const bytes = parseAddress(text);
	if (!bytes || text.includes(":")) return false;
	const first = bytes[12] as number;
	return first !== 0 && first !== 127 && first < 224 && !isTailnetAddress(bytes) && addressToText(bytes) === text;
}
