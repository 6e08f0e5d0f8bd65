/**
 * Port mapping on the host's clock: PortMapper of modules/portmap with a timer, on the gateway that the machine says it has. Without it the node works all the
 * same, by other paths.
 */
import { defaultGateway, monotonicMS, randomBytes, stopTimer, type Timer } from "tailnet/host";
import { timerAt } from "./deadline.js";
import type { PortMappingFacts } from "./path/net-info.js";
import { type MappingServices, PortMapper } from "./portmap/port-mapper.js";
import { openUPnP } from "./upnp/upnp.js";

export interface PortMappingOwner {
	sendRaw(endpoint: string, datagram: Uint8Array): void;
	/** The mapping, or what is known of services, is another one. Not called from inside update(). */
	mappingChanged(): void;
}

export class PortMapping implements PortMappingFacts {
	readonly #mapper: PortMapper;
	#timer: Timer | undefined;
	#closed = false;

	constructor(owner: PortMappingOwner) {
		const send = (destination: string, datagram: Uint8Array): void => owner.sendRaw(destination, datagram);
		const upnp = openUPnP({
			send,
			mapped: (grant) => {
				this.#mapper.upnpMapped(grant, monotonicMS());
				this.#arm();
			},
		});
		this.#mapper = new PortMapper({
			send,
			random: randomBytes,
			...(upnp ? { upnp } : {}),
			changed: () => owner.mappingChanged(),
		});
	}

	/** Where peers reach us, "" = there is no mapping. */
	get endpoint(): string {
		return this.#mapper.endpoint(monotonicMS());
	}

	get hasMapping(): boolean {
		return this.endpoint !== "";
	}

	get services(): Readonly<MappingServices> {
		return this.#mapper.services;
	}

	get counters(): Readonly<PortMapper["counters"]> {
		return this.#mapper.counters;
	}

	/** Our endpoints are looked at. @param port UDP port that is bound, 0 = no mapping is wanted */
	update(port: number): void {
		if (this.#closed) return;
		const gateway = port === 0 ? undefined : defaultGateway();
		this.#mapper.update(gateway && { ...gateway, port }, monotonicMS());
		this.#arm();
	}

	/** Other sockets, or another network. */
	networkChanged(): void {
		this.#mapper.networkChanged(monotonicMS());
		this.#arm();
	}

	/** A datagram that the tunnel took for an answer. */
	receive(source: string, datagram: Uint8Array): void {
		this.#mapper.receive(source, datagram, monotonicMS());
		this.#arm();
	}

	/** The gateway is told to forget the mapping. */
	close(): void {
		this.#closed = true;
		stopTimer(this.#timer);
		this.#mapper.close();
	}

	#arm(): void {
		if (this.#closed) return;
		this.#timer = timerAt(this.#timer, this.#mapper.deadline, () => {
			this.#mapper.tick(monotonicMS());
			this.#arm();
		});
	}
}
