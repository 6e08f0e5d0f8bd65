/**
 * Actions of UPnP's WAN connection services (UPnP Device Architecture 1.1 §3, WANIPConnection:2): a POST with an envelope, and its answer or fault.
 * Source: protocol/paths.md §4.6.
 *
 *   POST control path
 *   Content-Type: text/xml; charset="utf-8"
 *   SOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#GetExternalIPAddress"
 */
import { utf8Decode, utf8Encode } from "tailnet/host";
import type { ServiceType } from "./description.js";
import { XMLReader } from "./xml.js";

/** Faults that an answer may carry. */
export const Fault = Object.freeze({
	invalidArguments: 402,
	conflict: 718,
	onlyPermanentLeases: 725,
});

/** Arguments in their order. */
export type Arguments = readonly (readonly [name: string, value: string])[];

export function soapHeaders(type: ServiceType, action: string): [string, string][] {
	return [
		["Content-Type", 'text/xml; charset="utf-8"'],
		["SOAPAction", `"${type}#${action}"`],
	];
}

/** @param parameters values that need no escape: numbers, addresses, words */
export function soapBody(type: ServiceType, action: string, parameters: Arguments): Uint8Array {
	const inner = parameters.map(([name, value]) => `<${name}>${value}</${name}>`).join("");
	return utf8Encode(
		`<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">` +
			`<s:Body><u:${action} xmlns:u="${type}">${inner}</u:${action}></s:Body></s:Envelope>\r\n`,
	);
}

/** Arguments of AddPortMapping and AddAnyPortMapping. */
export function mappingArguments(externalPort: number, internalPort: number, internalAddress: string, leaseSeconds: number): Arguments {
	return [
		["NewRemoteHost", ""],
		["NewExternalPort", String(externalPort)],
		["NewProtocol", "UDP"], // in lower case some routers refuse it
		["NewInternalPort", String(internalPort)],
		["NewInternalClient", internalAddress],
		["NewEnabled", "1"],
		["NewPortMappingDescription", "tailscale-portmap"],
		["NewLeaseDuration", String(leaseSeconds)],
	];
}

/** Arguments of DeletePortMapping. */
export function deletionArguments(externalPort: number): Arguments {
	return [
		["NewRemoteHost", ""],
		["NewExternalPort", String(externalPort)],
		["NewProtocol", "UDP"],
	];
}

/** Reads one answer, in pieces cut anywhere. */
export class SOAPReader {
	readonly #xml = new XMLReader((name, text) => this.#element(name, text));
	/** "" where the answer does not say. */
	externalAddress = "";
	connectionStatus = "";
	/** 0 = not said. */
	reservedPort = 0;
	/** Code of a fault, 0 = none. */
	fault = 0;

	/** @returns "" or what is wrong */
	push(bytes: Uint8Array): string {
		return this.#xml.push(utf8Decode(bytes)) ? "" : "XML of short tags and texts was expected";
	}

	#element(name: string, text: string): void {
		if (name === "NewExternalIPAddress") this.externalAddress = text;
		else if (name === "NewConnectionStatus") this.connectionStatus = text;
		else if (name === "NewReservedPort") this.reservedPort = numberOf(text);
		else if (name === "errorCode") this.fault = numberOf(text);
	}
}

function numberOf(text: string): number {
	return /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
}
