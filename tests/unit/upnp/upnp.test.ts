/** Port mapping by UPnP: protocol/paths.md §4.2, §4.6, §10.2. */
import { DescriptionReader, gatewayURL } from "../../../modules/upnp/description.js";
import { SOAPReader } from "../../../modules/upnp/soap.js";
import { parseSSDPAnswer, SSDPAnswers, ssdpSearches } from "../../../modules/upnp/ssdp.js";
import { XMLReader } from "../../../modules/upnp/xml.js";
import { beforeEach, describe, expect, Random, test } from "../../harness.js";
import { testing, utf8Decode, utf8Encode } from "../../xs/host.js";
import { gateway, Router } from "../path/router.js";
import { answerOf, Device, description, link, wanIP } from "./device.js";

beforeEach(() => testing.reset());

const location = "http://192.168.1.1:5000/root.xml";

describe("SSDP", () => {
	test("asks the router by itself first, then the group for routers", () => {
		const [first, second] = ssdpSearches("192.168.1.1") as [[string, Uint8Array], [string, Uint8Array]];
		expect([first[0], second[0], ssdpSearches("192.168.1.1").length]).toEqual(["192.168.1.1:1900", "239.255.255.250:1900", 2]);
		expect(utf8Decode(first[1])).toBe('M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: ssdp:all\r\nMAN: "ssdp:discover"\r\nMX: 2\r\n\r\n');
		expect(utf8Decode(second[1]).includes("ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n")).toBe(true);
	});

	test("reads a router's answer, whatever the case of its names; nothing else is one", () => {
		expect(parseSSDPAnswer(answerOf(location))).toEqual({ location, server: "router", usn: "uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1" });
		expect(parseSSDPAnswer(answerOf(location, "uuid:1::urn:schemas-upnp-org:device:MediaServer:1"))).toBe(undefined);
		expect(parseSSDPAnswer(answerOf(""))).toBe(undefined);
		expect(parseSSDPAnswer(utf8Encode(`HTTP/1.1 404 No\r\nLOCATION: ${location}\r\nUSN: :InternetGatewayDevice:\r\n\r\n`))).toBe(undefined);
		expect(parseSSDPAnswer(utf8Encode(`NOTIFY * HTTP/1.1\r\nLOCATION: ${location}\r\nNT: :InternetGatewayDevice:\r\n\r\n`))).toBe(undefined);
		expect(parseSSDPAnswer(answerOf(`http://192.168.1.1/${"x".repeat(2100)}`))).toBe(undefined);
	});

	test("an answer cut anywhere, or changed anywhere, throws nothing", () => {
		const whole = answerOf(location);
		for (let length = 0; length <= whole.length; length += 1) parseSSDPAnswer(whole.subarray(0, length));
		const random = new Random(3);
		for (let i = 0; i < 500; i += 1) {
			const bytes = whole.slice();
			for (let k = 0; k < 4; k += 1) bytes[random.below(bytes.length)] = random.below(256);
			const answer = parseSSDPAnswer(bytes);
			expect(answer === undefined || answer.location !== "").toBe(true);
		}
	});

	test("keeps at most 11 answers, of one description one, IGD:2 before IGD:1", () => {
		const answers = new SSDPAnswers();
		for (let i = 0; i < 30; i += 1) answers.add({ location: `http://192.168.1.1/${String(i % 15).padStart(2, "0")}`, server: "a", usn: `igd:${i % 2}` });
		expect(answers.list.length).toBe(11);
		expect(answers.list.map(({ usn }) => usn)).toEqual([...new Array(5).fill("igd:1"), ...new Array(6).fill("igd:0")]);
		expect(answers.list[0]?.location).toBe("http://192.168.1.1/01");
	});
});

describe("XML", () => {
	const read = (text: string, pieceLength: number): { elements: string[]; ok: boolean } => {
		const elements: string[] = [];
		const reader = new XMLReader((name, value) => elements.push(`${name}=${value}`));
		let ok = true;
		for (let at = 0; ok && at < text.length; at += pieceLength) ok = reader.push(text.slice(at, at + pieceLength));
		return { elements, ok };
	};

	test("gives elements with their texts as they end, cut anywhere", () => {
		const text =
			'<?xml version="1.0"?><!DOCTYPE a><a:root x="1">\n<b> one &amp; &lt;two&gt; &amp;lt; </b><!-- <b>no</b> --><c/><d><![CDATA[<raw> > text]]></d><e\n y="2">é</e></a:root>';
		const expected = ["b=one & <two> &lt;", "c=", "d=<raw> > text", "e=é", "root="];
		for (let length = 1; length <= text.length; length += 1) expect(read(text, length)).toEqual({ elements: expected, ok: true });
	});

	test("a tag or a text without end is no XML of a router; random text throws nothing", () => {
		expect(read(`<a ${"x".repeat(5000)}`, 100).ok).toBe(false);
		expect(read(`<a>${"x".repeat(5000)}`, 100).ok).toBe(false);
		expect(read(`<a><!-- ${"x".repeat(5000)}`, 100).ok).toBe(false);
		const random = new Random(9);
		const parts = ["<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "a", "b:c", "&amp;", " ", "<?", "<!"];
		for (let i = 0; i < 300; i += 1) {
			let text = "";
			for (let k = 0; k < 40; k += 1) text += parts[random.below(parts.length)] as string;
			expect(read(text, 1 + random.below(9)).elements).toEqual(read(text, 1000).elements);
		}
	});
});

describe("descriptions", () => {
	const services = (text: string, at = location): [string, string][] => {
		const reader = new DescriptionReader(gatewayURL(at) as { port: number; path: string });
		expect(reader.push(utf8Encode(text))).toBe("");
		return reader.services.map(({ type, control }) => [type, `${control.port}${control.path}`]);
	};

	test("services in their order, the newest first; others are left out", () => {
		const dsl = "urn:dslforum-org:service:WANPPPConnection:1";
		expect(
			services(
				description([
					[dsl, "/dsl"],
					[wanIP(1), "/one"],
					[wanIP(3), "/three"],
					[wanIP(2), "/two"],
				]),
			),
		).toEqual([
			[wanIP(2), "5000/two"],
			[wanIP(1), "5000/one"],
			[dsl, "5000/dsl"],
		]);
	});

	test("where a service is asked: absolute, from the root, beside the description, from URLBase; only port and path count", () => {
		const control = (reference: string, base = "", at = location): string | undefined => services(description([[wanIP(1), reference]], base), at)[0]?.[1];
		expect(control("/ctl?a=1&amp;b=2")).toBe("5000/ctl?a=1&b=2");
		expect(control("ctl")).toBe("5000/ctl");
		expect(control("ctl", "", "http://192.168.1.1/igd/root.xml?x=/y")).toBe("80/igd/ctl");
		expect(control("http://203.0.113.5:8080/ctl")).toBe("8080/ctl");
		expect(control("/ctl", "http://192.168.1.1:49000/")).toBe("49000/ctl");
		expect(control("https://192.168.1.1/ctl")).toBe(undefined);
		expect(control("/ctl\r\nHost: x")).toBe(undefined);
		expect(control("/c t l")).toBe(undefined);
	});

	test("a thousand services are eight", () => {
		expect(services(description(new Array(1000).fill([wanIP(1), "/ctl"]))).length).toBe(8);
	});

	test("an answer of SOAP cut anywhere says the same, and a number that is none is 0", () => {
		const text = utf8Encode(
			"<u:R><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress><NewReservedPort>50002</NewReservedPort><errorCode>7x</errorCode></u:R>",
		);
		for (let length = 1; length < text.length; length += 1) {
			const reader = new SOAPReader();
			for (let at = 0; at < text.length; at += length) reader.push(text.subarray(at, at + length));
			expect([reader.externalAddress, reader.reservedPort, reader.fault]).toEqual(["203.0.113.7", 50002, 0]);
		}
	});
});

describe("a mapping by UPnP", () => {
	const found = (): Device => {
		const device = new Device();
		expect(device.upnp.receive(answerOf(location))).toBe(true);
		return device;
	};
	const argument = (body: string | undefined, name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body ?? "")?.[1];

	test("is asked for by description, AddPortMapping, GetExternalIPAddress, in pieces of any size", async () => {
		for (const pieceBytes of [1, 7, 10_000]) {
			testing.reset();
			const device = found();
			device.pieceBytes = pieceBytes;
			const grant = await device.map(50_001);
			expect(grant).toEqual({ address: "203.0.113.7", port: 50_001 });
			expect(device.actionsAsked).toEqual(["/root.xml", "AddPortMapping", "GetExternalIPAddress"]);
			expect(device.asked[1]?.body.slice(device.asked[1].body.indexOf("<New"), device.asked[1].body.indexOf("</u:"))).toBe(
				"<NewRemoteHost></NewRemoteHost><NewExternalPort>50001</NewExternalPort><NewProtocol>UDP</NewProtocol><NewInternalPort>41641</NewInternalPort>" +
					"<NewInternalClient>192.168.1.20</NewInternalClient><NewEnabled>1</NewEnabled>" +
					"<NewPortMappingDescription>tailscale-portmap</NewPortMappingDescription><NewLeaseDuration>7200</NewLeaseDuration>",
			);
			expect([testing.timers, testing.connections.every(({ isClosed }) => isClosed)]).toEqual([0, true]);
		}
	});

	test("[paths 16] UPnP never asks for external port 0, nor for one below 1024", async () => {
		for (const wanted of [0, 1, 1023]) {
			testing.reset(wanted + 5);
			const device = found();
			const grant = await device.map(wanted);
			const asked = Number(argument(device.asked[1]?.body, "NewExternalPort"));
			expect([asked >= 1024 && asked <= 65_534, grant?.port]).toEqual([true, asked]);
		}
	});

	test("[paths 16] error 725 retries with lease 0, and so does 402", async () => {
		for (const fault of [725, 402]) {
			testing.reset();
			const device = found();
			device.actions.set("AddPortMapping", ({ body }) => (argument(body, "NewLeaseDuration") === "0" ? "" : fault));
			expect(await device.map(50_001)).toEqual({ address: "203.0.113.7", port: 50_001 });
			expect(device.asked.slice(1, 3).map(({ body }) => argument(body, "NewLeaseDuration"))).toEqual(["7200", "0"]);
		}
	});

	test("a port that another has is left for another one, once", async () => {
		const device = found();
		device.actions.set("AddPortMapping", ({ body }) => (argument(body, "NewExternalPort") === "50001" ? 718 : ""));
		const grant = await device.map(50_001);
		expect([grant?.address, (grant?.port ?? 0) !== 50_001]).toEqual(["203.0.113.7", true]);
		device.actions.set("AddPortMapping", () => 718);
		expect(await device.map(50_001)).toBe(undefined);
	});

	test("of version 2 is AddAnyPortMapping, and the port is that of the answer", async () => {
		const device = found();
		device.pages.set("/root.xml", description([[wanIP(2), "/ctl"]]));
		expect(await device.map(50_001)).toEqual({ address: "203.0.113.7", port: 50_002 });
		expect(device.actionsAsked[1]).toBe("AddAnyPortMapping");
	});

	test("is renewed at the same service without its description, and deleted there", async () => {
		const device = found();
		await device.map(50_001);
		device.asked.length = 0;
		expect(await device.map(50_001)).toEqual({ address: "203.0.113.7", port: 50_001 });
		device.upnp.unmap(50_001);
		device.upnp.forget();
		await device.settle();
		expect(device.actionsAsked).toEqual(["AddPortMapping", "GetExternalIPAddress", "DeletePortMapping"]);
		expect([argument(device.asked[2]?.body, "NewExternalPort"), argument(device.asked[2]?.body, "NewProtocol")]).toEqual(["50001", "UDP"]);
		expect(device.upnp.found).toBe(false);
	});

	test("only the gateway is asked, whatever address an answer or a description names; a name is no address", async () => {
		const device = new Device();
		device.upnp.receive(answerOf("http://203.0.113.66:5000/root.xml"));
		device.upnp.receive(answerOf("http://router.example:5000/other.xml"));
		device.pages.set("/root.xml", description([[wanIP(1), "http://203.0.113.67:6000/ctl"]]));
		expect((await device.map(50_001))?.port).toBe(50_001);
		expect(device.asked.map(({ to }) => to)).toEqual(["192.168.1.1:5000", "192.168.1.1:6000", "192.168.1.1:6000"]);
	});

	test("of several services takes the one that is connected to the internet", async () => {
		const device = found();
		device.pages.set(
			"/root.xml",
			description([
				[wanIP(1), "/first"],
				["urn:schemas-upnp-org:service:WANPPPConnection:1", "/second"],
			]),
		);
		device.actions.set("GetStatusInfo", ({ path }) => `<NewConnectionStatus>${path === "/second" ? "Up" : "Disconnected"}</NewConnectionStatus>`);
		expect((await device.map(50_001))?.port).toBe(50_001);
		expect(device.asked.find(({ action }) => action === "AddPortMapping")?.path).toBe("/second");
	});

	test("a description that is not there, too long, or no XML; a fault; no external address: no mapping, and the next answer is tried", async () => {
		const spoil: ((device: Device) => void)[] = [
			(device) => device.pages.delete("/root.xml"),
			(device) => device.pages.set("/root.xml", `${description([])}<x>${"<y></y>".repeat(6000)}</x>`),
			(device) => device.pages.set("/root.xml", "x".repeat(9000)),
			(device) => device.actions.set("AddPortMapping", () => 501),
			(device) => device.actions.set("GetExternalIPAddress", () => ""),
		];
		for (const change of spoil) {
			testing.reset();
			const device = found();
			device.upnp.receive(answerOf("http://192.168.1.1:5000/none.xml", "uuid:0::urn:schemas-upnp-org:device:InternetGatewayDevice:1"));
			change(device);
			expect(await device.map(50_001)).toBe(undefined);
			expect([device.grants.length, testing.timers]).toEqual([1, 0]);
		}
	});

	test("silence ends within 5 s, each request after 1 s; nothing is told after forget()", async () => {
		const device = found();
		for (let i = 0; i < 9; i += 1) device.upnp.receive(answerOf(`http://192.168.1.1:5000/${i}.xml`));
		device.upnp.map(link, 0);
		for (let i = 0; i < 6; i += 1) {
			await testing.settle();
			testing.advance(1000);
		}
		await testing.settle();
		expect([device.grants, testing.connections.length, testing.timers]).toEqual([[undefined], 5, 0]);
		device.upnp.map(link, 0);
		device.upnp.forget();
		testing.advance(6000);
		await testing.settle();
		expect([device.grants.length, testing.timers]).toEqual([1, 0]);
	});
});

describe("the mapper with UPnP", () => {
	/** A router whose NAT-PMP and PCP a test may take away, with UPnP behind. */
	const stage = (): { router: Router; device: Device } => {
		const device = new Device();
		return { device, router: new Router({ upnp: device.upnp }) };
	};
	/** Looks, with an answer of SSDP after 20 ms. */
	const look = async ({ router, device }: { router: Router; device: Device }): Promise<void> => {
		router.mapper.update(link, router.now);
		router.pass(20);
		router.say(answerOf(location), "192.168.1.1:40000");
		router.pass(1000);
		await device.settle();
		if (device.grants.length > 0) router.mapper.upnpMapped(device.grants.at(-1), router.now);
	};

	test("[paths 15] silence falls through to UPnP, after the probe and after a service that has stopped to answer", async () => {
		const silent = stage();
		silent.router.pmp = false;
		await look(silent);
		expect([silent.router.endpoint.startsWith("203.0.113.7:"), silent.router.mapper.services]).toEqual([true, { pmp: false, pcp: false, upnp: true }]);
		const stopped = stage();
		const answer = stopped.router.answer.bind(stopped.router);
		stopped.router.answer = (packet) => (packet.length === 2 ? answer(packet) : undefined);
		await look(stopped);
		expect(stopped.router.endpoint.startsWith("203.0.113.7:")).toBe(true);
		expect(stopped.router.taken()).toEqual(["address", "announce", "pmp map", "pmp map"]);
	});

	test("[paths 15] a refusal does not: UPnP is not asked within the same update", async () => {
		const refusing = stage();
		refusing.router.mapResult = 2;
		await look(refusing);
		expect([refusing.router.endpoint, refusing.device.asked]).toEqual(["", []]);
	});

	test("[paths 14] a mapping by UPnP is renewed at half life with the same external port, deleted on port change and on close", async () => {
		const both = stage();
		const { router, device } = both;
		router.pmp = false;
		await look(both);
		const { endpoint } = router;
		const port = endpoint.split(":")[1] as string;
		device.asked.length = 0;
		router.pass(3_600_000);
		await device.settle();
		router.mapper.upnpMapped(device.grants.at(-1), router.now);
		expect([router.endpoint, router.mapper.counters.renewed, device.actionsAsked]).toEqual([endpoint, 1, ["AddPortMapping", "GetExternalIPAddress"]]);
		expect(device.asked[0]?.body.includes(`<NewExternalPort>${port}<`)).toBe(true);
		device.asked.length = 0;
		router.mapper.update({ ...link, port: 41642 }, router.now);
		router.pass(300);
		await device.settle();
		expect(device.actionsAsked.slice(0, 2)).toEqual(["DeletePortMapping", "AddPortMapping"]);
		router.mapper.upnpMapped(device.grants.at(-1), router.now);
		device.asked.length = 0;
		router.mapper.close();
		await device.settle();
		expect([device.actionsAsked, router.endpoint]).toEqual([["DeletePortMapping"], ""]);
	});

	test("[paths 16] external IP 0.0.0.0 of UPnP is refused and its mapping deleted; a private one is taken", async () => {
		const nobody = stage();
		nobody.router.pmp = false;
		nobody.device.actions.set("GetExternalIPAddress", () => "<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>");
		await look(nobody);
		await nobody.device.settle();
		expect([nobody.router.endpoint, nobody.device.actionsAsked.at(-1)]).toEqual(["", "DeletePortMapping"]);
		const twice = stage();
		twice.router.pmp = false;
		twice.device.actions.set("GetExternalIPAddress", () => "<NewExternalIPAddress>10.0.0.2</NewExternalIPAddress>");
		await look(twice);
		expect(twice.router.endpoint.startsWith("10.0.0.2:")).toBe(true);
	});

	test("an answer that is no router's is counted", () => {
		const { router } = stage();
		router.mapper.update(link, router.now);
		router.say(answerOf(location, "uuid:1::urn:schemas-upnp-org:device:MediaServer:1"), "192.168.1.30:1900");
		router.say(answerOf(location), gateway);
		expect([router.mapper.counters.unexpected, router.mapper.counters.malformed]).toEqual([1, 1]);
	});
});
