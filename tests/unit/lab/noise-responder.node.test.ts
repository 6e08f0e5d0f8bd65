/** The lab's Noise responder and records against the vectors of the official implementation. */
import { noiseResponder } from "../../checks/lab.js";
import { describe, expect, fromHex, test, toHex } from "../../harness.js";
import { keyPair } from "../../lab/bytes.js";
import { RecordOpener, RecordSealer, respond } from "../../lab/noise-responder.js";
import vectors from "../../vectors/control-noise.json" with { type: "json" };

const control = keyPair(fromHex(vectors.inputs.control_priv));
const ephemeral = keyPair(fromHex(vectors.inputs.control_ephemeral_priv));
const initiation = fromHex(vectors.initiation.hex);

describe("lab: Noise responder", () => {
	for (const { name, run } of noiseResponder(vectors)) test(`as in the vector: ${name}`, run);

	test("refuses an initiation of another length, for another key, or with a wrong tag, in the real server's words", () => {
		expect(() => respond(initiation.slice(1), control, ephemeral)).toThrow("wrong handshake initiation size");
		expect(() => respond(initiation, ephemeral, control)).toThrow("decrypting machine key: message authentication failed");
		const broken = initiation.slice();
		broken[100] = (broken[100] as number) ^ 1;
		expect(() => respond(broken, control, ephemeral)).toThrow("decrypting initiation tag");
		const otherVersion = initiation.slice();
		otherVersion[1] = 131;
		expect(() => respond(otherVersion, control, ephemeral)).toThrow("decrypting machine key");
	});

	test("opens the client's records and seals the server's byte for byte", () => {
		const sealer = new RecordSealer(fromHex(vectors.key_server_to_client));
		const opener = new RecordOpener(fromHex(vectors.key_client_to_server));
		let compared = 0;
		for (const record of vectors.records) {
			if (!("wire_hex" in record) || !record.wire_hex || !("plaintext_hex" in record) || !record.plaintext_hex) continue;
			compared += 1;
			if (record.direction === "server_to_client") expect(toHex(sealer.record(fromHex(record.plaintext_hex)))).toBe(record.wire_hex);
			else expect(toHex(opener.push(fromHex(record.wire_hex)))).toBe(record.plaintext_hex);
		}
		expect(compared).toBeGreaterThan(4);
	});

	test("records cut at every byte give the same stream; none is longer than 4096 bytes", () => {
		const key = fromHex(vectors.key_server_to_client);
		const plaintext = new Uint8Array(9000).map((_, i) => i);
		const sealed = new RecordSealer(key).seal(plaintext);
		const opener = new RecordOpener(key);
		const parts: Uint8Array[] = [];
		for (const byte of sealed) parts.push(opener.push(Uint8Array.of(byte)));
		expect(toHex(Buffer.concat(parts))).toBe(toHex(plaintext));
		expect(((sealed[1] as number) << 8) | (sealed[2] as number)).toBe(4093);
	});

	test("a record that is too long, of another type, or with a wrong tag ends the stream", () => {
		const key = fromHex(vectors.key_server_to_client);
		expect(() => new RecordOpener(key).push(Uint8Array.of(4, 0x0f, 0xfe))).toThrow("4097");
		expect(() => new RecordOpener(key).push(Uint8Array.of(2, 0, 48))).toThrow("unexpected type 2");
		expect(() => new RecordOpener(key).push(new Uint8Array([4, 0, 16, ...new Uint8Array(16)]))).toThrow();
	});
});
