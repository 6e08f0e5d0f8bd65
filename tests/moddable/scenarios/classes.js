/**
 * The SDK's own classes over the tailnet, unchanged: each with the other side that it is made for, on a stock node.
 *
 * Left out, because SDK 8.2.3 does it wrong over any socket: its HTTP classes end a body that they send in chunks with the last three bytes of "0\r\n\r\n",
 * and its WebSocket server answers a close with the masked bytes of the client's. Its TLS socket throws where it should tell the app that it refuses.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { at } from "../../interop/harness/world.js";

const ports = { pages: 8000, websocket: 8001, mqtt: 1883, locked: 1884, tls: 8443, https: 443, unknown: 8444, wrong: 8445, served: 8080 };
const domain = "interop.test";
const host = `t1.${domain}`;

async function converse(t, what, fields, timeoutMS = 30_000) {
	return t.a.do({ do: "converse", with: what, host, ...fields }, timeoutMS);
}

const get = (t, requests) => converse(t, "http", { port: ports.pages, requests });
const fetched = (t, path, options = {}) =>
	t.world.peers.do("node.http", { node: "t1", url: `http://${at(t.a.address, ports.served)}${path}`, ...options }, 15_000);

/** Once more when everything goes by the relay. */
const relayed =
	/^(HTTP client: (a page of|bodies)|HTTP server: bodies|WebSocket client: .* it$|WebSocket server|MQTT client: subscribes|TLS socket: 20|NTP|DNS)/;

const cases = [
	[
		"HTTP client: a page of 100,003 bytes, with its headers",
		async (t) => {
			const { answers } = await get(t, [{ path: "/length?bytes=100003" }]);
			const [{ status, lengthBytes, isPattern, headers }] = answers;
			t.assert.deepEqual([status, lengthBytes, isPattern, headers["x-page"], headers["content-length"]], [200, 100_003, true, "length", "100003"]);
		},
	],
	[
		"HTTP client: a page in chunks, only the headers that are wanted",
		async (t) => {
			const { answers } = await get(t, [{ path: "/chunked?bytes=50021&pieces=9", mask: ["date"] }]);
			const [{ status, lengthBytes, isPattern, headers }] = answers;
			t.assert.deepEqual([status, lengthBytes, isPattern, Object.keys(headers)], [200, 50_021, true, ["date"]]);
		},
	],
	[
		"HTTP client: bodies of 70,001 and 20,001 bytes come back as they were sent",
		async (t) => {
			const { answers } = await get(t, [
				{ method: "POST", path: "/echo", bytes: 70_001 },
				{ method: "PUT", path: "/echo", bytes: 20_001 },
			]);
			t.assert.deepEqual(
				answers.map(({ status, lengthBytes, isPattern, headers }) => [status, lengthBytes, isPattern, headers["x-method"]]),
				[
					[200, 70_001, true, "POST"],
					[200, 20_001, true, "PUT"],
				],
			);
		},
	],
	[
		"HTTP client: ten requests one after the other on one connection",
		async (t) => {
			const { answers } = await get(
				t,
				Array.from({ length: 10 }, (_, i) => ({ path: i % 2 ? `/chunked?bytes=${i * 1000}&pieces=3` : `/length?bytes=${i * 1000}` })),
			);
			t.assert.deepEqual(
				answers.map(({ lengthBytes, isPattern }) => [lengthBytes, isPattern]),
				answers.map((_, i) => [i * 1000, true]),
			);
		},
	],
	[
		"HTTP client: a port that is closed is an error",
		(t) => t.assert.rejects(converse(t, "http", { port: 4242, requests: [{ path: "/" }] }), /the connection failed after 0 answers/),
	],
	[
		"HTTP client over the TLS socket: a page of 30,000 bytes",
		async (t) => {
			const { answers } = await converse(t, "https", { port: ports.https, authority: t.authority, requests: [{ path: "/length?bytes=30000" }] });
			const [{ status, lengthBytes, isPattern }] = answers;
			t.assert.deepEqual([status, lengthBytes, isPattern], [200, 30_000, true]);
		},
	],
	[
		"HTTP server: a page with its length, and 404",
		async (t) => {
			const [page, nothing] = [await fetched(t, "/page"), await fetched(t, "/nothing")];
			t.assert.deepEqual([page.status, page.lengthBytes, page.headers["Content-Type"]], [200, 1000, ["text/plain"]]);
			t.assert.equal(nothing.status, 404);
		},
	],
	[
		"HTTP server: bodies of 1, 5,000 and 60,000 bytes come back as they were",
		async (t) => {
			for (const bytes of [1, 5000, 60_000]) {
				const { status, isEcho, lengthBytes } = await fetched(t, "/echo", { method: "POST", bytes });
				t.assert.deepEqual([status, isEcho, lengthBytes], [200, true, bytes]);
			}
		},
	],
	[
		"HTTP server: thirty requests, six at a time",
		async (t) => {
			for (let i = 0; i < 5; i++)
				for (const { status, isEcho } of await Promise.all(Array.from({ length: 6 }, (_, j) => fetched(t, "/echo", { method: "POST", bytes: 100 + j }))))
					t.assert.deepEqual([status, isEcho], [200, true]);
		},
	],
	...[true, false].map((isClosing) => [
		`WebSocket client: messages of 5 to 40,000 bytes, a ping, and a close by ${isClosing ? "it" : "the peer"}`,
		async (t) => {
			const { story } = await converse(t, "websocket-client", { port: ports.websocket, sizes: [5, 125, 126, 3000, 40_000], isClosing });
			t.assert.deepEqual(story, [
				"message of 5",
				"message of 125",
				"message of 126",
				"message of 3000",
				"message of 40000",
				"ping",
				"pong came",
				"close",
				"closed",
			]);
		},
	]),
	[
		"WebSocket server: a peer's texts and bytes of 1 to 3,000 bytes come back",
		(t) => t.world.peers.do("node.websocket", { node: "t1", url: `ws://${at(t.a.address, ports.served)}/socket`, sizes: [1, 2, 125, 126, 1000, 3000] }, 20_000),
	],
	[
		"WebSocket, the class of the web: a text, 3,000 bytes, and a close with its code",
		async (t) => {
			const { story } = await converse(t, "websocket", { url: `ws://${host}:${ports.websocket}/` });
			t.assert.deepEqual(story, ["open", "a text", "3000 bytes as sent", "closed with 1000"]);
		},
	],
	[
		"MQTT client: subscribes, publishes with QoS 0, 1 and 2, gets all of it back, and the broker had it",
		async (t) => {
			const { story } = await converse(t, "mqtt", { port: ports.mqtt, topic: "greenhouse/1", sizes: [10, 300, 20_000] });
			t.assert.deepEqual(
				story.filter((line) => line.startsWith("message")),
				["message of 10 with QoS 0", "message of 300 with QoS 1", "message of 20000 with QoS 2"],
			);
			for (const name of ["CONNACK", "SUBACK", "PUBACK", "PUBREC", "PUBCOMP", "PINGRESP"]) t.assert.ok(story.includes(name), `${name} in ${story}`);
			const heard = (await t.world.peers.do("node.heard", { node: "t1" })).filter(({ topic }) => topic === "greenhouse/1");
			t.assert.deepEqual(heard.map(({ bytes }) => bytes).slice(-3), [10, 300, 20_000]);
		},
	],
	[
		"MQTT client: its will is told when it goes without a word",
		async (t) => {
			await converse(t, "mqtt", { port: ports.mqtt, topic: "greenhouse/2", sizes: [1], will: "it is gone" });
			await t.world.eventually(async () => {
				const heard = await t.world.peers.do("node.heard", { node: "t1" });
				t.assert.ok(heard.some(({ topic, text }) => topic === "will" && text === "it is gone"));
			});
		},
	],
	[
		"MQTT client: the right password is let in, a wrong one is refused",
		async (t) => {
			const log = (password) => converse(t, "mqtt", { port: ports.locked, topic: "locked", sizes: [1], user: "user", password });
			await log("let me in");
			await t.assert.rejects(log("open"), /the client failed/);
		},
	],
	[
		"TLS socket: 20,000 bytes there and back",
		async (t) => t.assert.equal((await converse(t, "tls", { address: t.t1.ip4, port: ports.tls, authority: t.authority, bytes: 20_000 })).received, 20_000),
	],
	[
		"TLS socket: with a certificate of an unknown authority, or of another name, nothing that the app writes arrives",
		async (t) => {
			// What the conversation before this one sent is counted when its connection ends.
			const echoed = await t.world.eventually(async () => {
				const served = await t.world.peers.do("node.served", { node: "t1" });
				t.assert.ok(served.echoed >= 20_000);
				return served.echoed;
			});
			for (const port of [ports.unknown, ports.wrong])
				await t.assert.rejects(converse(t, "tls", { address: t.t1.ip4, port, authority: t.authority, bytes: 10 }), /never open/);
			t.assert.equal((await t.world.peers.do("node.served", { node: "t1" })).echoed, echoed);
		},
	],
	[
		"NTP client: the peer's time",
		async (t) => {
			const { time } = await converse(t, "ntp", { server: host });
			t.assert.ok(Math.abs(time - Date.now()) < 5000, `${time}`);
		},
	],
	[
		"DNS resolver: asks the peer's name server, and hears that a name is not there",
		async (t) => {
			t.assert.equal((await converse(t, "dns", { server: t.t1.ip4, host: "sensor.example" })).address, "192.0.2.33");
			await t.assert.rejects(converse(t, "dns", { server: t.t1.ip4, host: "nothing.example" }), /no such name/);
		},
	],
	[
		"fetch: a page, and what was posted",
		async (t) => {
			const url = `http://${host}:${ports.pages}`;
			const page = await converse(t, "fetch", { url: `${url}/length?bytes=5000`, bytes: 0 });
			t.assert.deepEqual([page.status, page.lengthBytes, page.isPattern, page.page], [200, 5000, true, "length"]);
			const posted = await converse(t, "fetch", { url: `${url}/echo`, bytes: 3000 });
			t.assert.deepEqual([posted.status, posted.lengthBytes, posted.isPattern], [200, 3000, true]);
		},
	],
	[
		"EventSource: three events",
		async (t) => {
			const { events } = await converse(t, "events", { url: `http://${host}:${ports.pages}/stream`, count: 3 });
			t.assert.deepEqual(events, ["event 0", "event 1", "event 2"]);
		},
	],
];

export default {
	title: "Classes of the SDK",
	world: { control: { magicDNSDomain: domain, dnsConfig: { Proxied: true, Domains: [domain] } } },
	async before(t) {
		t.t1 = await t.world.stock("t1");
		const offer = (what, port, more = {}) => t.world.peers.do("node.offer", { node: "t1", what, port, ...more });
		await offer("pages", ports.pages);
		await offer("websocket", ports.websocket);
		await offer("mqtt", ports.locked, { password: "let me in" });
		await offer("mqtt", ports.mqtt);
		await offer("ntp", 123);
		await offer("dns", 53, { records: { "sensor.example": "192.0.2.33" } });
		await offer("tls", ports.tls, { certificate: "intermediate", hostName: host });
		await offer("https", ports.https, { certificate: "intermediate", hostName: host });
		await offer("tls", ports.unknown, { certificate: "unknown-ca", hostName: host });
		await offer("tls", ports.wrong, { certificate: "intermediate", hostName: "another.test" });
		t.authority = new X509Certificate(readFileSync(t.world.peers.ca)).raw.toString("base64");
		t.a = await t.world.subject("a");
		await converse(t, "serve", { port: ports.served });
		await t.world.untilDirect("t1", t.a.address);
	},
	cases: [
		...cases,
		[
			"from here on everything goes by the relay",
			async (t) => {
				t.world.blockUDP();
				await t.world.eventually(async () => t.assert.equal((await t.world.ping("t1", t.a.address, "disco", 2000)).region, 1), 20_000);
			},
		],
		...cases.filter(([sentence]) => relayed.test(sentence)).map(([sentence, run]) => [`by the relay: ${sentence}`, run]),
	],
};
