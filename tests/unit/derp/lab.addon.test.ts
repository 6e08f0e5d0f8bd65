/** The relay client on the real host's sockets and TLS, against the lab's DERP server: protocol/relay.md §3.2-§3.4. */
import { x25519PublicKey } from "tailnet/host";
import { DERP, type DERPOptions } from "../../../modules/derp/derp.js";
import type { DERPNode, RegionStatus } from "../../../modules/derp/types.js";
import { describe, expect, fromHex, test, toHex } from "../../harness.js";
import { type Identity, metaCertificate, selfSigned, TestAuthority, withCertificates } from "../../lab/certificates.js";
import { DERPServer } from "../../lab/derp-server.js";
import vectors from "../../vectors/derp.json" with { type: "json" };
import { FakeSource } from "./fake-source.js";

const privateKey = new Uint8Array(32).fill(0x41);
const ourKey = toHex(x25519PublicKey(privateKey));
const root = TestAuthority.create();
const intermediate = root.intermediate();
const hostName = "derp.lab.example";
const day = 86400000;
const genuineMeta = fromHex(vectors.metaCertificate.der);

async function until(condition: () => boolean, limitMS = 3000): Promise<boolean> {
	for (let waited = 0; waited < limitMS && !condition(); waited += 5) await new Promise((resolve) => setTimeout(resolve, 5));
	return condition();
}

function nodeOf(server: DERPServer, fields: Partial<DERPNode> = {}): DERPNode {
	const base = { name: "10a", hostName, certName: "", ipv4: "127.0.0.1", ipv6: "none", stunOnly: false, insecureForTests: false };
	return { ...base, derpPort: server.port, ...fields };
}

/** A DERP client with one home region. */
function client(nodes: DERPNode[], options: Partial<DERPOptions> = {}): { derp: DERP; source: FakeSource; status: () => RegionStatus } {
	const source = new FakeSource();
	const nothing = () => {};
	const derp = new DERP({
		privateKey,
		source,
		authorities: [root.certificatePEM],
		onStatus: nothing,
		onLost: nothing,
		onHomeLost: nothing,
		onError: (error) => {
			throw error;
		},
		...options,
	});
	derp.setMap(new Map([[10, { id: 10, code: "lab", nodes }]]));
	derp.setHome(10);
	return { derp, source, status: () => derp.status[0] as RegionStatus };
}

/** @returns "" if a client with that node gets in, else its error's code; and how many upgrade requests the server saw */
async function attempt(identity: Identity, fields: Partial<DERPNode> = {}, options: Partial<DERPOptions> = {}): Promise<[string, number]> {
	const server = await DERPServer.start({ identity });
	const { derp, status } = client([nodeOf(server, fields)], options);
	await until(() => status().admitted || status().error !== undefined);
	const result = status().admitted ? "" : (status().error?.code ?? "nothing");
	const requests = server.requests.length;
	derp.close();
	await server.close();
	return [result, requests];
}

describe("certificates", () => {
	test("[relay 32] another name, an expired one, an unknown root, a self-signed leaf in front of a genuine intermediate: no HTTP byte is sent", async () => {
		const bad: [Identity, Partial<DERPNode>][] = [
			[intermediate.issue({ names: ["other.example"] }), {}],
			[intermediate.issue({ names: [hostName], notAfter: new Date(Date.now() - day / 2) }), {}],
			[TestAuthority.create("Other").issue({ names: [hostName] }), {}],
			[selfSigned({ names: [hostName] }, [intermediate.certificate]), {}],
			[intermediate.issue({ names: [hostName] }), { certName: "cert.example" }],
		];
		for (const [identity, fields] of bad) expect(await attempt(identity, fields)).toEqual(["certificate", 0]);
	});

	test("[relay 33] a chain followed by an Ed25519 derpkey certificate is accepted like the same chain without it", async () => {
		const identity = intermediate.issue({ names: [hostName] });
		expect(await attempt(identity)).toEqual(["", 1]);
		expect(await attempt(withCertificates(identity, genuineMeta))).toEqual(["", 1]);
		expect(await attempt(withCertificates(identity, metaCertificate(vectors.server.publicKey)))).toEqual(["", 1]);
	});

	test("CertName: the chain is verified for that name", async () => {
		expect(await attempt(intermediate.issue({ names: ["cert.example"] }), { certName: "cert.example" })).toEqual(["", 1]);
	});

	test("[relay 34] sha256-raw: with the right self-signed certificate connects, with and without a meta certificate", async () => {
		const identity = selfSigned({ names: [hostName] });
		const certName = `sha256-raw:${identity.sha256}`;
		expect(await attempt(identity, { certName })).toEqual(["", 1]);
		expect(await attempt(withCertificates(identity, genuineMeta), { certName })).toEqual(["", 1]);
		const byAddress = selfSigned({ names: [], commonName: "x" });
		expect(await attempt(byAddress, { certName: `sha256-raw:${byAddress.sha256}`, hostName: "127.0.0.1" })).toEqual(["", 1]);
	});

	test("[relay 32] sha256-raw: a wrong hash, an expired certificate, another name: no HTTP byte is sent", async () => {
		const identity = selfSigned({ names: [hostName] });
		expect(await attempt(identity, { certName: `sha256-raw:${"0".repeat(64)}` })).toEqual(["certificate", 0]);
		const expired = selfSigned({ names: [hostName], notAfter: new Date(Date.now() - day / 2) });
		expect(await attempt(expired, { certName: `sha256-raw:${expired.sha256}` })).toEqual(["certificate", 0]);
		const other = selfSigned({ names: ["other.example"] });
		expect(await attempt(other, { certName: `sha256-raw:${other.sha256}` })).toEqual(["certificate", 0]);
	});

	test("[relay 32] sha256-raw: two ordinary certificates: no HTTP byte is sent", async () => {
		const identity = intermediate.issue({ names: [hostName] });
		expect(await attempt(identity, { certName: `sha256-raw:${identity.sha256}` })).toEqual(["certificate", 0]);
	});

	test("InsecureForTests counts only with allowInsecure", async () => {
		const identity = selfSigned({ names: ["x.example"] });
		expect(await attempt(identity, { insecureForTests: true })).toEqual(["certificate", 0]);
		expect(await attempt(identity, { insecureForTests: true }, { allowInsecure: true })).toEqual(["", 1]);
	});
});

describe("a conversation", () => {
	test("logs in as home, sends and receives packets, answers pings, comes back after a cut", async () => {
		const server = await DERPServer.start({ identity: withCertificates(intermediate.issue({ names: [hostName] }), genuineMeta), keepAliveMS: 30 });
		const { derp, source, status } = client([nodeOf(server)]);
		const session = () => server.clients(ourKey).at(-1);
		await until(() => session()?.preferred === true);
		expect(session()?.clientInfo).toEqual({ version: 2, CanAckPings: true });
		expect(server.requests[0]?.headers).toEqual({ host: hostName, connection: "Upgrade", upgrade: "DERP" });
		source.queue(10, x25519PublicKey(privateKey), Uint8Array.of(1, 2, 3)); // to ourselves
		derp.ready(10);
		expect(await until(() => source.packets.length === 1)).toBe(true);
		expect(source.packets[0]).toBe(`10: ${ourKey} 010203`);
		session()?.send(0x12, fromHex("0102030405060708"));
		expect(await until(() => session()?.pongs[0] === "0102030405060708")).toBe(true);
		const before = status().lastFrameMS as number;
		expect(await until(() => (status().lastFrameMS as number) > before)).toBe(true);
		server.cut();
		expect(await until(() => server.requests.length === 2 && status().admitted)).toBe(true);
		derp.close();
		await server.close();
	});

	test("[relay 30] the server's bytes one at a time make no difference", async () => {
		const server = await DERPServer.start({ identity: intermediate.issue({ names: [hostName] }) });
		server.faults.stream = { pieceBytes: 1 };
		const { derp, status } = client([nodeOf(server)]);
		expect(await until(() => status().admitted)).toBe(true);
		derp.close();
		await server.close();
	});

	test("[relay 36] the first node refuses TCP: the second is in use within 1.5 s", async () => {
		const server = await DERPServer.start({ identity: intermediate.issue({ names: [hostName] }) });
		const dead = await DERPServer.start({});
		const port = dead.port;
		await dead.close();
		const started = Date.now();
		const { derp, status } = client([nodeOf(server, { name: "dead", derpPort: port }), nodeOf(server, { name: "10b" })]);
		expect(await until(() => status().admitted)).toBe(true);
		expect(Date.now() - started < 1500).toBe(true);
		expect([status().node, server.requests[0]?.headers["ideal-node"]]).toEqual(["10b", "dead"]);
		derp.close();
		await server.close();
	});

	test("a node key that is not of the tailnet is told as refused, and not hammered", async () => {
		const server = await DERPServer.start({ identity: intermediate.issue({ names: [hostName] }), admit: () => false });
		const { derp, status } = client([nodeOf(server)]);
		expect(await until(() => status().error?.code === "refused")).toBe(true);
		await new Promise((resolve) => setTimeout(resolve, 300));
		expect(server.requests.length).toBe(1);
		derp.close();
		await server.close();
	});
});
