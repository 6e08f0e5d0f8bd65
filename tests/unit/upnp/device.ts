/** A router with UPnP for tests, behind the streams of the test host: a description, and services that answer SOAP. */
import type { MapperLink, UPnPGrant } from "../../../modules/portmap/port-mapper.js";
import { UPnP } from "../../../modules/upnp/upnp.js";
import { type Connection, testing, utf8Decode, utf8Encode } from "../../xs/host.js";

export const link: MapperLink = Object.freeze({ gateway: "192.168.1.1", address: "192.168.1.20", port: 41641 });
export const wanIP = (version: number): string => `urn:schemas-upnp-org:service:WANIPConnection:${version}`;

export const answerOf = (location: string, usn = "uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1", server = "router"): Uint8Array =>
	utf8Encode(`HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLocation: ${location}\r\nSERVER: ${server}\r\nUSN: ${usn}\r\nEXT:\r\n\r\n`);

export const description = (services: readonly (readonly [type: string, control: string])[], base = ""): string =>
	`<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0"><!-- <service> in a comment -->${base && `<URLBase>${base}</URLBase>`}<device><serviceList>` +
	`<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/l3f</controlURL></service>` +
	services
		.map(([type, control]) => `<service><serviceType>${type}</serviceType><SCPDURL>/x.xml</SCPDURL><controlURL>${control}</controlURL></service>`)
		.join("") +
	`</serviceList></device></root>`;

export interface Asked {
	/** "address:port" that was connected to. */
	to: string;
	method: string;
	path: string;
	action: string;
	body: string;
}

export class Device {
	readonly searches: string[] = [];
	readonly grants: (UPnPGrant | undefined)[] = [];
	readonly asked: Asked[] = [];
	/** Descriptions by path. */
	readonly pages = new Map([["/root.xml", description([[wanIP(1), "/ctl"]])]]);
	/** Answer of an action: inner XML, a fault's code, or undefined for silence. */
	readonly actions = new Map<string, (asked: Asked) => string | number | undefined>([
		["AddPortMapping", () => ""],
		["AddAnyPortMapping", () => "<NewReservedPort>50002</NewReservedPort>"],
		["GetExternalIPAddress", () => "<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>"],
		["GetStatusInfo", () => "<NewConnectionStatus>Connected</NewConnectionStatus>"],
		["DeletePortMapping", () => ""],
	]);
	/** Bytes come in pieces of so many. */
	pieceBytes = 7;
	readonly upnp = new UPnP({
		send: (destination) => this.searches.push(destination),
		mapped: (grant) => this.grants.push(grant),
	});
	#served = 0;

	get actionsAsked(): string[] {
		return this.asked.map(({ method, action, path }) => (method === "GET" ? path : action));
	}

	/** Serves every stream, until nothing new is asked. */
	async settle(): Promise<void> {
		for (let i = 0; i < 100; i += 1) {
			await testing.settle();
			if (this.#served >= testing.connections.length) return;
			this.#serve(testing.connections[this.#served++] as Connection);
		}
	}

	async map(port = 0): Promise<UPnPGrant | undefined> {
		this.upnp.map(link, port);
		await this.settle();
		return this.grants.at(-1);
	}

	#serve(connection: Connection): void {
		connection.opened();
		const text = utf8Decode(connection.take());
		const [head = "", body = ""] = text.split("\r\n\r\n");
		const [method = "", path = ""] = head.split(" ");
		const action = /SOAPAction: "[^"#]*#(\w+)"/.exec(head)?.[1] ?? "";
		const asked = { to: `${connection.options.address}:${connection.options.port}`, method, path, action, body };
		this.asked.push(asked);
		const reply = this.#reply(asked);
		if (reply === undefined) return;
		const bytes = utf8Encode(reply);
		for (let at = 0; at < bytes.length; at += this.pieceBytes) connection.receive(bytes.slice(at, at + this.pieceBytes));
		connection.closed();
	}

	#reply({ method, path, action }: Asked): string | undefined {
		if (method === "GET") {
			const page = this.pages.get(path);
			return page === undefined ? http(404, "") : http(200, page);
		}
		const result = this.actions.get(action)?.(this.asked.at(-1) as Asked);
		if (result === undefined) return;
		if (typeof result === "number")
			return http(500, `<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>${result}</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`);
		return http(200, `<s:Envelope xmlns:s="x"><s:Body><u:${action}Response xmlns:u="y">${result}</u:${action}Response></s:Body></s:Envelope>`);
	}
}

/** Without a length: ends with the stream. */
function http(status: number, body: string): string {
	return `HTTP/1.1 ${status} OK\r\nContent-Type: text/xml\r\n\r\n${body}`;
}
