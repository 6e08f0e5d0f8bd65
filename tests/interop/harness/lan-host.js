/**
 * A host of a local network, as a program: a page on port 80, an echo of TCP and of UDP on port 7, both families. Its own ICMP answers by itself.
 *
 *   node lan-host.js NAME
 *
 * Events: {"event":"ready"}, {"event":"page","from"}, {"event":"datagram","from","lengthBytes"}. A page says "hello from NAME to ADDRESS"; /length?bytes=N is so long.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { createServer as createEcho } from "node:net";

const [name] = process.argv.slice(2);
const tell = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const plain = (address) => address.replace(/^::ffff:/, "");

const pages = createServer((request, response) => {
	const from = plain(request.socket.remoteAddress);
	const bytes = Number(new URL(request.url, "http://host").searchParams.get("bytes"));
	tell({ event: "page", from });
	response.end(bytes > 0 ? Buffer.alloc(bytes, "x") : `hello from ${name} to ${from}\n`);
});
const echo = createEcho({ allowHalfOpen: true }, (socket) => {
	socket.on("error", () => {});
	socket.pipe(socket);
});
const datagrams = createSocket({ type: "udp6" });
datagrams.on("message", (datagram, from) => {
	tell({ event: "datagram", from: plain(from.address), lengthBytes: datagram.length });
	datagrams.send(datagram, from.port, from.address);
});

await Promise.all([
	new Promise((listening) => pages.listen(80, "::", listening)),
	new Promise((listening) => echo.listen(7, "::", listening)),
	new Promise((listening) => datagrams.bind(7, "::", listening)),
]);
tell({ event: "ready" });
process.stdin.resume().on("end", () => process.exit(0));
