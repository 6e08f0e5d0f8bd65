/**
 * SSDP, as much as finds a router's UPnP (UPnP Device Architecture 1.1 §1.3): HTTP over UDP, to port 1900. Source: protocol/paths.md §4.2, §4.6.
 *
 *   M-SEARCH * HTTP/1.1           HTTP/1.1 200 OK
 *   HOST: 239.255.255.250:1900    LOCATION: http://192.168.1.1:5000/root.xml     where the description is
 *   ST: what is searched          SERVER: ...
 *   MAN: "ssdp:discover"          USN: uuid:...::urn:schemas-upnp-org:device:InternetGatewayDevice:1
 *   MX: 2
 */
import { utf8Decode, utf8Encode } from "tailnet/host";

const PORT = 1900;
const GROUP = "239.255.255.250";
const GATEWAY_DEVICE = ":InternetGatewayDevice:";
const LONGEST_ANSWER = 2_048;
/** A router answers for each of its services; more are not kept. */
const MOST_ANSWERS = 11;

export interface SSDPAnswer {
	readonly location: string;
	readonly server: string;
	readonly usn: string;
}

/**
 * What is asked, and whom. The router first and by itself: firewalls of this machine learn that its answer is welcome. Not every device of the LAN is asked
 * what it is: each has a dozen answers, and a small node no room for them.
 */
export function ssdpSearches(gateway: string): [destination: string, datagram: Uint8Array][] {
	return [
		[`${gateway}:${PORT}`, search("ssdp:all")],
		[`${GROUP}:${PORT}`, search("urn:schemas-upnp-org:device:InternetGatewayDevice:1")],
	];
}

function search(target: string): Uint8Array {
	return utf8Encode(`M-SEARCH * HTTP/1.1\r\nHOST: ${GROUP}:${PORT}\r\nST: ${target}\r\nMAN: "ssdp:discover"\r\nMX: 2\r\n\r\n`);
}

/** @returns undefined for anything but a router's answer */
export function parseSSDPAnswer(datagram: Uint8Array): SSDPAnswer | undefined {
	if (datagram.length > LONGEST_ANSWER) return;
	const text = utf8Decode(datagram);
	if (!text.startsWith("HTTP/1.") || !text.includes(GATEWAY_DEVICE)) return;
	const lines = text.split("\n");
	if (!/^HTTP\/1\.[01] 200\b/.test(lines[0] as string)) return;
	const location = header(lines, "location");
	return location === "" ? undefined : { location, server: header(lines, "server"), usn: header(lines, "usn") };
}

function header(lines: readonly string[], name: string): string {
	for (const line of lines) {
		const colon = line.indexOf(":");
		if (colon === name.length && line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
	}
	return "";
}

/** Answers of one router, the best first: by USN, descending (a second version comes before a first), then by location. */
export class SSDPAnswers {
	#list: readonly SSDPAnswer[] = [];

	get list(): readonly SSDPAnswer[] {
		return this.#list;
	}

	/** Two services of one description count once. */
	add(answer: SSDPAnswer): void {
		if (this.#list.some(({ location, server }) => location === answer.location && server === answer.server)) return;
		if (this.#list.length >= MOST_ANSWERS) return;
		this.#list = [...this.#list, answer].sort((a, b) => descending(a.usn, b.usn) || descending(b.location, a.location));
	}

	clear(): void {
		this.#list = [];
	}
}

function descending(a: string, b: string): number {
	return a === b ? 0 : a < b ? 1 : -1;
}
