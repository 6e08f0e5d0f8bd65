/** The SDK's TLS socket, NTP client, DNS resolver, fetch and event source. */
import Resolver from "embedded:network/dns/resolver/udp";
import HTTPClient from "embedded:network/http/client";
import NTP from "embedded:network/ntp/client";
import { isPattern, pattern } from "classes/pattern";
import { EventSource, TLSSocket } from "classes/sdk";
import fetch from "fetch";
import type Tailnet from "tailnet";
import Timer from "timer";

type Shape = Record<string, unknown>;

/** @param authority DER of a certificate to trust, in base64 */
export function secure(host: string, authority: string): Shape {
	return { serverName: host, certificate: Uint8Array.fromBase64(authority), applicationLayerProtocolNegotiation: "http/1.1" };
}

/** What a record of TLS takes beside its bytes, at most. */
const recordBytes = 96;
/** A handshake over loopback takes a tenth of it. */
const handshakeMS = 1500;

/** Bytes of the pattern to a TLS echo and back. The class does not say that it refuses a certificate: it is never open. @returns how many came back as they were */
export function tls(tailnet: Tailnet, address: string, port: number, host: string, authority: string, bytes: number): Promise<number> {
	return new Promise((resolve, reject) => {
		let sent = 0;
		let received = 0;
		const finish = (error?: Error): void => {
			Timer.clear(timer);
			socket.close();
			if (error) reject(error);
			else resolve(received);
		};
		const timer = Timer.set(() => finish(new Error("it was never open")), handshakeMS);
		const socket = new TLSSocket({
			address,
			port,
			host,
			TCP: { io: tailnet.TCP },
			secure: secure(host, authority),
			onWritable(count: number) {
				Timer.clear(timer);
				while (sent < bytes && count > 0) {
					const part = pattern(sent, Math.min(count, bytes - sent)).slice();
					sent += part.length;
					socket.write(part);
					count -= part.length + recordBytes;
				}
			},
			onReadable() {
				const part = new Uint8Array(socket.read());
				if (!isPattern(part, received)) return finish(new Error(`byte ${received} or one of the next ${part.length} differs`));
				received += part.length;
				if (received >= bytes) finish();
			},
			onError: () => finish(new Error("the connection failed")),
		});
	});
}

/** @returns what a time server says, in milliseconds since 1970 */
export function ntp(tailnet: Tailnet, server: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const client = new NTP({ servers: [server], socket: { io: tailnet.UDP as never }, dns: { io: tailnet.Resolver as never } });
		client.getTime(((error: Error | null, time?: number) => {
			client.close();
			if (error) reject(error);
			else resolve(time as number);
		}) as never);
	});
}

/** @returns the address that a name server has for a name */
export function dns(tailnet: Tailnet, server: string, host: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const resolver = new Resolver({ servers: [server], socket: { io: tailnet.UDP } });
		resolver.resolve({
			host,
			onResolved: (_host: string, address: string) => {
				resolver.close();
				resolve(address);
				return null;
			},
			onError: () => {
				resolver.close();
				reject(new Error("no such name"));
				return null;
			},
		});
	});
}

/** Gives fetch and EventSource, which take no providers, the tailnet's. */
export function provide(tailnet: Tailnet): void {
	const scope = globalThis as unknown as { device: { network: Shape } };
	const http = { io: HTTPClient, dns: { io: tailnet.Resolver }, socket: { io: tailnet.TCP } };
	scope.device = { ...scope.device, network: { ...scope.device.network, http } };
}

export async function fetchPage(url: string, bytes: number): Promise<Shape> {
	const response = await fetch(url, bytes > 0 ? ({ method: "POST", body: pattern(0, bytes).slice().buffer } as never) : undefined);
	const body = new Uint8Array((await response.arrayBuffer()) as ArrayBuffer);
	return { status: response.status, lengthBytes: body.length, isPattern: isPattern(body, 0), page: response.headers.get("x-page") };
}

/** @returns the data of the first events */
export function events(url: string, count: number): Promise<string[]> {
	return new Promise((resolve) => {
		const all: string[] = [];
		const source = new EventSource(url);
		source.onmessage = ({ data }) => {
			all.push(data);
			if (all.length < count) return;
			source.close();
			resolve(all);
		};
	});
}
