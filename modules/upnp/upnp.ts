/**
 * Port mapping by a router's UPnP: found by SSDP, asked by HTTP. What is asked and in which order, protocol/paths.md §4.6.
 *
 *   devices that answered -> description of each -> the service to use -> AddPortMapping, GetExternalIPAddress -> an endpoint
 *
 * The service that mapped last is tried first. Everything for one mapping is done within 5 s, each request within 1 s. A device without it has
 * modules/without-upnp in its place.
 */
import { log, monotonicMS, randomBytes } from "tailnet/host";
import { parseAddress } from "../netmap/address.js";
import { isPrivate } from "../path/better.js";
import type { MapperLink, MapperUPnP, UPnPGrant } from "../portmap/port-mapper.js";
import { DescriptionReader, gatewayURL, type Service } from "./description.js";
import { GatewayRequest } from "./request.js";
import { type Arguments, deletionArguments, Fault, mappingArguments, SOAPReader, soapBody, soapHeaders } from "./soap.js";
import { parseSSDPAnswer, SSDPAnswers, ssdpSearches } from "./ssdp.js";

export interface UPnPOwner {
	/** By the node's own UDP socket; answers come to receive(). */
	send(destination: string, datagram: Uint8Array): void;
	/** What came of map(). */
	mapped(grant: UPnPGrant | undefined): void;
}

const LIMIT_MS = 5_000;
const REQUEST_MS = 1_000;
const LEASE_SECONDS = 7_200;
/** Ports below belong to services; and 0 means all of them. */
const LEAST_PORT = 1_024;
const PORTS = 64_511;

/** One map() under way. */
interface Task {
	readonly link: MapperLink;
	readonly endAt: number;
	request: GatewayRequest | undefined;
	isOver: boolean;
}

export function openUPnP(owner: UPnPOwner): MapperUPnP | undefined {
	return new UPnP(owner);
}

export class UPnP implements MapperUPnP {
	readonly #owner: UPnPOwner;
	readonly #answers = new SSDPAnswers();
	#task: Task | undefined;
	/** What mapped last. */
	#service: Service | undefined;
	#gateway = "";

	constructor(owner: UPnPOwner) {
		this.#owner = owner;
	}

	get found(): boolean {
		return this.#answers.list.length > 0;
	}

	search(gateway: string): void {
		for (const [destination, datagram] of ssdpSearches(gateway)) this.#owner.send(destination, datagram);
	}

	receive(datagram: Uint8Array): boolean {
		const answer = parseSSDPAnswer(datagram);
		if (answer) this.#answers.add(answer);
		return answer !== undefined;
	}

	map(link: MapperLink, externalPort: number): void {
		this.#stop();
		const task: Task = { link, endAt: monotonicMS() + LIMIT_MS, request: undefined, isOver: false };
		this.#task = task;
		const end = (grant: UPnPGrant | undefined): void => {
			if (task.isOver) return;
			task.isOver = true;
			this.#owner.mapped(grant);
		};
		this.#map(task, externalPort)
			.then(end, () => end(undefined))
			.catch((error) => log("error", `${(error as { stack?: string }).stack ?? String(error)}`));
	}

	unmap(externalPort: number): void {
		const service = this.#service;
		if (!service) return;
		const task: Task = {
			link: { gateway: this.#gateway, address: "", port: 0 },
			endAt: monotonicMS() + REQUEST_MS,
			request: undefined,
			isOver: false,
		};
		this.#ask(task, service, "DeletePortMapping", deletionArguments(externalPort)).catch(() => {});
	}

	forget(): void {
		this.#stop();
		this.#answers.clear();
		this.#service = undefined;
	}

	#stop(): void {
		if (!this.#task) return;
		this.#task.isOver = true;
		this.#task.request?.close();
		this.#task = undefined;
	}

	async #map(task: Task, externalPort: number): Promise<UPnPGrant | undefined> {
		const known = this.#service;
		const again = known && (await this.#add(task, known, externalPort));
		if (again) return again;
		for (const { location } of this.#answers.list) {
			const service = await this.#choose(task, await this.#describe(task, location));
			const grant = service && (await this.#add(task, service, externalPort));
			if (task.isOver) return;
			if (!grant) continue;
			this.#service = service;
			this.#gateway = task.link.gateway;
			return grant;
		}
		return;
	}

	/** The services of a device. Its address has to be an address, but it is the gateway that is asked. */
	async #describe(task: Task, location: string): Promise<readonly Service[]> {
		const host = /^http:\/\/([0-9.]+)(?:[:/]|$)/i.exec(location)?.[1];
		const url = host !== undefined && parseAddress(host) ? gatewayURL(location) : undefined;
		if (!url) return [];
		const reader = new DescriptionReader(url);
		const status = await this.#request(task, { url, method: "GET", onBytes: (bytes) => reader.push(bytes) });
		return status === 200 ? reader.services : [];
	}

	/** Of several: one that is connected to the internet, one that is connected, the first. */
	async #choose(task: Task, services: readonly Service[]): Promise<Service | undefined> {
		if (services.length < 2) return services[0];
		let best: Service | undefined;
		let bestPoints = -1;
		for (const service of services) {
			const { connectionStatus } = await this.#ask(task, service, "GetStatusInfo", []);
			const isConnected = connectionStatus === "Connected" || connectionStatus === "Up";
			const address = parseAddress((await this.#ask(task, service, "GetExternalIPAddress", [])).externalAddress);
			const isPublic = address !== undefined && !isPrivate(address);
			if (isConnected && isPublic) return service;
			const points = isConnected ? (address ? 2 : 1) : 0;
			if (points > bestPoints) {
				best = service;
				bestPoints = points;
			}
		}
		return best;
	}

	async #add(task: Task, service: Service, wantedPort: number): Promise<UPnPGrant | undefined> {
		const { link } = task;
		const action = service.type.endsWith(":WANIPConnection:2") ? "AddAnyPortMapping" : "AddPortMapping";
		let port = wantedPort >= LEAST_PORT ? wantedPort : randomPort();
		let lease = LEASE_SECONDS;
		let answer = await this.#ask(task, service, action, mappingArguments(port, link.port, link.address, lease));
		if (answer.fault === Fault.onlyPermanentLeases || answer.fault === Fault.invalidArguments) {
			lease = 0;
			answer = await this.#ask(task, service, action, mappingArguments(port, link.port, link.address, lease));
		}
		if (answer.fault === Fault.conflict) {
			port = randomPort();
			answer = await this.#ask(task, service, action, mappingArguments(port, link.port, link.address, lease));
		}
		if (answer.status !== 200) return;
		const { externalAddress } = await this.#ask(task, service, "GetExternalIPAddress", []);
		if (task.isOver || externalAddress === "") return;
		return { address: externalAddress, port: answer.reservedPort || port };
	}

	/** Asks a service. status is 200 only for a whole answer without a fault. */
	async #ask(task: Task, service: Service, action: string, parameters: Arguments): Promise<SOAPReader & { status: number }> {
		const reader = new SOAPReader();
		const status = await this.#request(task, {
			url: service.control,
			method: "POST",
			headers: soapHeaders(service.type, action),
			body: soapBody(service.type, action, parameters),
			onBytes: (bytes) => reader.push(bytes),
		});
		return Object.assign(reader, { status: reader.fault ? 0 : status });
	}

	/** @returns the status, 0 = no whole answer, or no time left for one */
	#request(task: Task, options: Omit<ConstructorParameters<typeof GatewayRequest>[0], "gateway" | "timeoutMS" | "onDone">): Promise<number> {
		const restMS = Math.min(REQUEST_MS, task.endAt - monotonicMS());
		if (task.isOver || restMS <= 0) return Promise.resolve(0);
		return new Promise((resolve) => {
			task.request = new GatewayRequest({ ...options, gateway: task.link.gateway, timeoutMS: restMS, onDone: resolve });
		});
	}
}

function randomPort(): number {
	const bytes = randomBytes(2);
	return LEAST_PORT + ((((bytes[0] as number) << 8) | (bytes[1] as number)) % PORTS);
}
