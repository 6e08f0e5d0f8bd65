/** What the app serves on the tailnet: echo on port 7 (TCP and UDP) with our own classes, a page on port 80 with the SDK's HTTP server. */
import HTTPServer, { type HTTPConnection, type HTTPConnectionHandlers } from "embedded:network/http/server";
import type Tailnet from "tailnet";

const echoPort = 7;
const pagePort = 80;
const pieceBytes = 16_384;

export function serveEcho(tailnet: Tailnet): void {
	const { TCP } = tailnet;
	const buffer = new Uint8Array(pieceBytes);
	new tailnet.Listener({
		port: echoPort,
		onReadable() {
			for (let from = this.read(); from; from = this.read()) {
				let readable = 0;
				let writable = 0;
				const socket = new TCP({
					from,
					onReadable(count) {
						readable = count;
						pump();
					},
					onWritable(count) {
						writable = count;
						pump();
					},
					onError() {
						this.close();
					},
				});
				/** As much as both sides allow: what cannot be written is not read, so the sender is slowed down. */
				const pump = (): void => {
					while (readable > 0 && writable > 0) {
						const count = socket.read(buffer.subarray(0, Math.min(readable, writable, pieceBytes))) as number;
						readable -= count;
						writable = socket.write(buffer.subarray(0, count));
					}
				};
			}
		},
	});
	new tailnet.UDP({
		port: echoPort,
		onReadable() {
			for (let datagram = this.read(); datagram; datagram = this.read()) this.write(datagram, datagram.address, datagram.port);
		},
	});
}

export function servePage(tailnet: Tailnet): void {
	const handlers: HTTPConnectionHandlers & { page?: Uint8Array } = {
		onResponse(this: HTTPConnection & { page?: Uint8Array }, response) {
			this.page = new Uint8Array(ArrayBuffer.fromString(`${tailnet.name} ${tailnet.addresses.join(" ")} ${tailnet.state}\n`));
			response.headers.set("content-type", "text/plain");
			response.headers.set("content-length", this.page.length);
			this.respond(response);
		},
		onWritable(this: HTTPConnection & { page?: Uint8Array }, count) {
			const page = this.page as Uint8Array;
			this.page = page.subarray(count);
			this.write(page.subarray(0, count));
		},
	};
	new HTTPServer({
		io: tailnet.Listener as never,
		port: pagePort,
		onConnect: (connection) => connection.accept(handlers),
	});
}
