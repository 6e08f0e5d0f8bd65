/** What the vector files say of servers, checked with the lab's: a lab that answers as the real servers is what other tests stand on. Needs Node. */
import { X509Certificate } from "node:crypto";
import { expect, fromHex, toHex } from "../harness.js";
import { keyPair } from "../lab/bytes.js";
import { DERPServer } from "../lab/derp-server.js";
import { isDisco } from "../lab/derp-session.js";
import { RecordOpener, RecordSealer, respond } from "../lab/noise-responder.js";
import { bindingResponse, parseBindingRequest } from "../lab/stun-server.js";
import { Client } from "../unit/lab/derp-client.js";
import { type Check, each, one } from "./check.js";
import type { DERPVectors } from "./derp.js";
import type { DiscoVectors } from "./disco.js";
import type { NoiseVectors } from "./noise.js";
import type { StunVectors } from "./stun.js";

export function stunServerRequests(file: StunVectors): Check[] {
	return each(
		file.parseBindingRequest,
		(vector) => `request to the server: ${vector.name}`,
		(vector) => {
			const result = parseBindingRequest(fromHex(vector.packet));
			if (vector.answered) expect(toHex(result as Uint8Array)).toBe(vector.txid);
			else expect(result).toBe(vector.error);
		},
	);
}

export function stunServerResponses(file: StunVectors): Check[] {
	return each(
		file.responses,
		(vector) => `response for ${vector.address}, ${vector.txid}`,
		(vector) => {
			const colon = vector.address.lastIndexOf(":");
			const address = vector.address.slice(0, colon).replace(/[[\]]/g, "");
			expect(toHex(bindingResponse(fromHex(vector.txid), address, Number(vector.address.slice(colon + 1))))).toBe(vector.packet);
		},
	);
}

export function discoAtServer(file: DiscoVectors): Check[] {
	return each(
		file.packets,
		(vector) => `seen by a DERP server: ${vector.name}`,
		(vector) => expect(isDisco(fromHex(vector.packet))).toBe(vector.derpServerSeesDisco),
	);
}

export function noiseResponder(file: NoiseVectors): Check[] {
	return [
		...one(file.response, "the responder's answer and keys", () => {
			const established = respond(
				fromHex(file.initiation.hex),
				keyPair(fromHex(file.inputs.control_priv)),
				keyPair(fromHex(file.inputs.control_ephemeral_priv)),
			);
			expect(toHex(established.response)).toBe(file.response.hex);
			expect(toHex(established.machineKey)).toBe(file.inputs.machine_pub);
			expect(established.version).toBe(file.protocol_version);
			expect(toHex(established.clientToServer)).toBe(file.key_client_to_server);
			expect(toHex(established.serverToClient)).toBe(file.key_server_to_client);
			expect(toHex(established.handshakeHash)).toBe(file.handshake_hash);
		}),
		...each(
			file.extra_nonce_records,
			(record) => `the responder's record ${record.counter}`,
			(record) => {
				const key = fromHex(record.direction === "client_to_server" ? file.key_client_to_server : file.key_server_to_client);
				expect(toHex(new RecordSealer(key, BigInt(record.counter)).record(Buffer.from(record.plaintext_ascii)))).toBe(record.wire_hex);
				expect(Buffer.from(new RecordOpener(key, BigInt(record.counter)).push(fromHex(record.wire_hex))).toString()).toBe(record.plaintext_ascii);
			},
		),
	];
}

export function derpServerReceives(file: DERPVectors): Check[] {
	return each(
		file.serverReceives,
		(vector) => `the server receives: ${vector.name}`,
		async (vector) => {
			const server = await DERPServer.start({ keys: keyPair(fromHex(file.server?.privateKey ?? "")) });
			try {
				const client = await Client.login(server, file.connections?.[0] as { clientToServer: { frame: string }[] });
				if (vector.frame !== undefined) client.send(vector.frame);
				else client.send(vector.header as string, toHex(new Uint8Array(vector.zeroPayloadLength as number)));
				await client.settle();
				expect(client.closed).toBe(vector.serverClosesConnection);
				client.socket.destroy();
			} finally {
				await server.close();
			}
		},
	);
}

export function derpMetaCertificate(file: DERPVectors): Check[] {
	return one(file.metaCertificate, "meta certificate", (meta) => {
		const certificate = new X509Certificate(fromHex(meta.der));
		expect(certificate.subject).toBe(`CN=derpkey${file.server?.publicKey}`);
		expect([certificate.serialNumber, certificate.publicKey.asymmetricKeyType]).toEqual(["02", "ed25519"]);
		expect(certificate.verify(certificate.publicKey)).toBe(true);
	});
}
