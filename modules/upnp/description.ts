/**
 * The description of a router: which services it has that map ports, and where they are asked. Source: protocol/paths.md §4.6.
 *
 *   <root> <URLBase>...</URLBase>? <device> ... <service> <serviceType>urn:...:WANIPConnection:1</serviceType> <controlURL>/ctl</controlURL> </service> ...
 *
 * Whatever address stands in it, only the gateway's is asked.
 */
import { utf8Decode } from "tailnet/host";
import { parseURL } from "../control/http1.js";
import { XMLReader } from "./xml.js";

/** In the order in which they are tried. */
export const serviceTypes = Object.freeze([
	"urn:schemas-upnp-org:service:WANIPConnection:2",
	"urn:schemas-upnp-org:service:WANIPConnection:1",
	"urn:schemas-upnp-org:service:WANPPPConnection:1",
	"urn:dslforum-org:service:WANPPPConnection:1",
	"urn:dslforum-org:service:WANIPConnection:1",
] as const);

export type ServiceType = (typeof serviceTypes)[number];

/** Where something is asked of the gateway. */
export interface GatewayURL {
	readonly port: number;
	/** Path and query. */
	readonly path: string;
}

export interface Service {
	readonly type: ServiceType;
	readonly control: GatewayURL;
}

const MOST_SERVICES = 8;

/** The gateway's part of an absolute http URL. */
export function gatewayURL(url: string): GatewayURL | undefined {
	const target = parseURL(url);
	return target && !target.isTLS ? { port: target.port || 80, path: target.path } : undefined;
}

/** Reads one description, in pieces cut anywhere. */
export class DescriptionReader {
	readonly #location: GatewayURL;
	readonly #xml = new XMLReader((name, text) => this.#element(name, text));
	#base: GatewayURL | undefined;
	#type = "";
	#control = "";
	readonly #found: { type: ServiceType; control: string }[] = [];

	constructor(location: GatewayURL) {
		this.#location = location;
	}

	/** @returns "" or what is wrong */
	push(bytes: Uint8Array): string {
		return this.#xml.push(utf8Decode(bytes)) ? "" : "XML of short tags and texts was expected";
	}

	/** The best first. */
	get services(): Service[] {
		const services: Service[] = [];
		for (const type of serviceTypes)
			for (const found of this.#found) {
				const control = found.type === type ? resolve(found.control, this.#base ?? this.#location) : undefined;
				if (control) services.push({ type, control });
			}
		return services;
	}

	#element(name: string, text: string): void {
		if (name === "URLBase") this.#base = gatewayURL(text);
		else if (name === "serviceType") this.#type = text;
		else if (name === "controlURL") this.#control = text;
		else if (name === "service") {
			const type = serviceTypes.find((known) => known === this.#type);
			if (type && this.#control !== "" && this.#found.length < MOST_SERVICES) this.#found.push({ type, control: this.#control });
			this.#type = this.#control = "";
		}
	}
}

/** A reference as it stands in a description. */
function resolve(reference: string, base: GatewayURL): GatewayURL | undefined {
	if (reference.includes("://")) return gatewayURL(reference);
	if (!/^[\x21-\x7e]+$/.test(reference)) return;
	if (reference.startsWith("/")) return { port: base.port, path: reference };
	const path = base.path.split("?", 1)[0] as string;
	return { port: base.port, path: `${path.slice(0, path.lastIndexOf("/") + 1)}${reference}` };
}
