/** The lab's certificates in real TLS handshakes: good ones pass, each bad one fails for its own reason. */
import { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { describe, expect, fromHex, test } from "../../harness.js";
import { type Identity, metaCertificate, selfSigned, TestAuthority, withCertificates } from "../../lab/certificates.js";
import vectors from "../../vectors/derp.json" with { type: "json" };

const root = TestAuthority.create();
const intermediate = root.intermediate();
const name = "derp.lab.example";
const day = 86400000;

/** @returns "" after an accepted handshake, else the error code */
async function handshake(identity: Identity, maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3"): Promise<string> {
	const server = createServer({ cert: identity.chainPEM, key: identity.keyPEM, minVersion: "TLSv1.2", maxVersion }, (socket) => socket.end());
	server.on("tlsClientError", () => {});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const result = await new Promise<string>((resolve) => {
		const socket = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, servername: name, ca: [root.certificatePEM] });
		socket.on("secureConnect", () => resolve(""));
		socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
		socket.on("close", () => socket.destroy());
	});
	await new Promise((resolve) => server.close(resolve));
	return result;
}

describe("lab: certificates", () => {
	test("a leaf under the root, and one under an intermediate, are accepted under TLS 1.2 and 1.3", async () => {
		expect(await handshake(root.issue({ names: [name] }))).toBe("");
		expect(await handshake(intermediate.issue({ names: [name] }))).toBe("");
		expect(await handshake(intermediate.issue({ names: [name] }), "TLSv1.2")).toBe("");
	});

	test("another name, an expired one, a future one, an unknown root are refused", async () => {
		expect(await handshake(root.issue({ names: ["other.example"] }))).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
		expect(await handshake(root.issue({ names: [name], notAfter: new Date(Date.now() - day / 2) }))).toBe("CERT_HAS_EXPIRED");
		expect(await handshake(root.issue({ names: [name], notBefore: new Date(Date.now() + day) }))).toBe("CERT_NOT_YET_VALID");
		expect(await handshake(TestAuthority.create("Other").issue({ names: [name] }))).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
	});

	test("a self-signed leaf in front of a genuine intermediate is refused", async () => {
		expect(await handshake(selfSigned({ names: [name] }, [intermediate.certificate]))).not.toBe("");
	});

	test("a chain with the meta certificate at the end is accepted like the same chain without it", async () => {
		const meta = metaCertificate(vectors.server.publicKey);
		for (const extra of [meta, fromHex(vectors.metaCertificate.der)]) {
			expect(await handshake(withCertificates(intermediate.issue({ names: [name] }), extra))).toBe("");
			expect(await handshake(withCertificates(intermediate.issue({ names: [name] }), extra), "TLSv1.2")).toBe("");
		}
		const parsed = new X509Certificate(meta);
		const genuine = new X509Certificate(fromHex(vectors.metaCertificate.der));
		expect(parsed.subject).toBe(genuine.subject);
		expect(parsed.serialNumber).toBe(genuine.serialNumber);
		expect(parsed.publicKey.asymmetricKeyType).toBe("ed25519");
		expect(parsed.verify(parsed.publicKey)).toBe(true);
	});

	test("addresses stand in the certificate as addresses", () => {
		const parsed = new X509Certificate(root.issue({ names: ["127.0.0.1", "2001:db8::1", "a.example"] }).certificate);
		expect(parsed.subjectAltName).toBe("IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:a.example");
	});
});
