/** Where a resolver of control's list is asked. See protocol/tunnel.md §7.3. */
import { parseURL } from "../control/http1.js";
import { endpointOf, parseAddress, parseEndpoint } from "../netmap/address.js";

export interface DNSServer {
	/** 18 bytes: address, port. */
	readonly endpoint: Uint8Array;
	/** DNS over HTTP: what is asked for, "/dns-query"; undefined: plain DNS. */
	readonly path?: string;
}

const DNS_PORT = 53;
const HTTP_PORT = 80;

/**
 * @param text "1.2.3.4", "2001:db8::1", either with a port ("1.2.3.4:5353", "[2001:db8::1]:5353"), or "http://1.2.3.4:5678/dns-query"
 * @returns undefined for what is not asked: names, "https:", "tls:"
 */
export function parseServer(text: string): DNSServer | undefined {
	const address = parseAddress(text);
	if (address !== undefined) return { endpoint: endpointOf(address, DNS_PORT) };
	const endpoint = parseEndpoint(text);
	if (endpoint !== undefined) return { endpoint };
	const target = parseURL(text);
	const host = target && !target.isTLS ? parseAddress(target.host) : undefined;
	return target && host && { endpoint: endpointOf(host, target.port || HTTP_PORT), path: target.path };
}
