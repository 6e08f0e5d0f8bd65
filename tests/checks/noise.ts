/** The Noise handshake and records of ts2021: tests/vectors/control-noise.json, protocol/control.md §3. */
import { sha256 } from "@noble/hashes/sha2.js";
import { aeadSeal, base64Encode, blake2s, hkdfBlake2s, utf8Encode, x25519, x25519PublicKey } from "tailnet/host";
import { NoiseInitiator, ResponseReader, SymmetricState } from "../../modules/control/noise.js";
import { RecordReader, RecordWriter } from "../../modules/control/noise-records.js";
import { parseKey } from "../../modules/netmap/keys.js";
import { expect, fromHex, toHex } from "../harness.js";
import type vectors from "../vectors/control-noise.json";
import { type Check, each, one } from "./check.js";

export type NoiseVectors = typeof vectors;

interface NoiseRecord {
	direction: string;
	nonce_hex: string;
	note: string;
	plaintext_hex?: string;
	plaintext_ascii?: string;
	plaintext_len: number;
	wire_hex?: string;
	wire_len: number;
	wire_sha256: string;
	wire_header_hex: string;
}

export function noiseInitiator(file: NoiseVectors): NoiseInitiator {
	return new NoiseInitiator(
		fromHex(file.inputs.machine_priv),
		fromHex(file.inputs.control_pub),
		file.protocol_version,
		fromHex(file.inputs.client_ephemeral_priv),
	);
}

/** Key of a direction. */
function keyOf(file: NoiseVectors, direction: string): Uint8Array {
	return fromHex(direction === "client_to_server" ? file.key_client_to_server : file.key_server_to_client);
}

/** All plaintext of records, hex, or what the reader complained of. */
function opened(key: Uint8Array, counter: number, wire: Uint8Array): string {
	let text = "";
	const problem = new RecordReader(key, counter).push(wire, (plaintext) => {
		text += toHex(plaintext);
	});
	return problem || text;
}

export function noiseHandshake(file: NoiseVectors): Check[] {
	return one(file.initiation, "messages 1 and 2, both keys, the handshake hash", () => {
		const noise = noiseInitiator(file);
		expect(toHex(noise.initiation)).toBe(file.initiation.hex);
		expect(noise.initiation.length).toBe(file.initiation.len);
		expect(base64Encode(noise.initiation)).toBe(file.initiation.x_tailscale_handshake_base64);
		const { version_be16, type, payload_len_be16, ephemeral_pub, enc_machine_pub, tag } = file.initiation.fields;
		expect(version_be16 + type + payload_len_be16 + ephemeral_pub + enc_machine_pub + tag).toBe(file.initiation.hex);
		const answer = file.response.fields;
		expect(answer.type + answer.payload_len_be16 + answer.ephemeral_pub + answer.tag).toBe(file.response.hex);
		const response = fromHex(file.response.hex);
		expect(response.length).toBe(file.response.len);
		const keys = noise.finish(response);
		expect(toHex(keys?.send as Uint8Array)).toBe(file.key_client_to_server);
		expect(toHex(keys?.receive as Uint8Array)).toBe(file.key_server_to_client);
		expect(toHex(keys?.handshakeHash as Uint8Array)).toBe(file.handshake_hash);
	});
}

export function noiseInputs(file: NoiseVectors): Check[] {
	const { inputs } = file;
	return one(inputs, "keys and prologue", () => {
		for (const name of ["machine", "control", "client_ephemeral", "control_ephemeral"] as const) {
			expect(toHex(x25519PublicKey(fromHex(inputs[`${name}_priv`])))).toBe(inputs[`${name}_pub`]);
		}
		expect(toHex(parseKey(inputs.machine_pub_text, "mkey:") as Uint8Array)).toBe(inputs.machine_pub);
		expect(toHex(parseKey(inputs.control_pub_text, "mkey:") as Uint8Array)).toBe(inputs.control_pub);
		expect(toHex(utf8Encode(file.prologue_ascii))).toBe(file.prologue_hex);
		const first = blake2s(blake2s(utf8Encode(file.protocol_name)), utf8Encode(file.prologue_ascii));
		expect(toHex(new SymmetricState(file.protocol_version).hash)).toBe(toHex(first));
	});
}

/** Every value that the handshake passes through, in the order of the steps: h, ck, k and DH results, written out from the specification. */
function walk(file: NoiseVectors): Record<string, string>[] {
	const { inputs } = file;
	const steps: Record<string, string>[] = [];
	let h = blake2s(utf8Encode(file.protocol_name));
	let ck = h;
	let k = h;
	const hash = (bytes: Uint8Array): void => {
		h = blake2s(h, bytes);
		steps.push({ h: toHex(h) });
	};
	const mix = (privateKey: string, publicKey: string): void => {
		const dh = x25519(fromHex(privateKey), fromHex(publicKey)) as Uint8Array;
		[ck, k] = hkdfBlake2s(ck, dh, 2) as [Uint8Array, Uint8Array];
		steps.push({ ck: toHex(ck), dh: toHex(dh), k: toHex(k) });
	};
	const seal = (plaintext: Uint8Array, name: string): void => {
		const sealed = aeadSeal(k, new Uint8Array(12), h, plaintext);
		steps.push({ ad: toHex(h), [name]: toHex(sealed) });
		hash(sealed);
	};
	steps.push({ h: toHex(h), ck: toHex(ck) });
	hash(fromHex(file.prologue_hex));
	hash(fromHex(inputs.control_pub));
	hash(fromHex(inputs.client_ephemeral_pub));
	mix(inputs.client_ephemeral_priv, inputs.control_pub);
	seal(fromHex(inputs.machine_pub), "ciphertext");
	mix(inputs.machine_priv, inputs.control_pub);
	seal(new Uint8Array(0), "tag");
	hash(fromHex(inputs.control_ephemeral_pub));
	mix(inputs.client_ephemeral_priv, inputs.control_ephemeral_pub);
	mix(inputs.machine_priv, inputs.control_ephemeral_pub);
	seal(new Uint8Array(0), "tag");
	const [k1, k2] = hkdfBlake2s(ck, new Uint8Array(0), 2) as [Uint8Array, Uint8Array];
	steps.push({ k1_client_to_server: toHex(k1), k2_server_to_client: toHex(k2) });
	return steps;
}

export function noiseSteps(file: NoiseVectors): Check[] {
	return one(file.handshake_steps, "steps of the handshake", (steps) => {
		const values = walk(file);
		expect(steps.length).toBe(values.length);
		for (const [i, { step, ...step_values }] of steps.entries()) expect([step, step_values]).toEqual([step, values[i]]);
	});
}

export function noiseErrorFrame(file: NoiseVectors): Check[] {
	return one(file.error_frame_example, "error frame", (example) => {
		expect(new ResponseReader().push(fromHex(example.hex))).toEqual({ failed: `control refused the Noise handshake: "${example.message_ascii}"` });
	});
}

/** plaintext[i] = i & 0xff over a whole write; the records of it give lengths and hashes only. */
function counting(lengthBytes: number): Uint8Array {
	return Uint8Array.from({ length: lengthBytes }, (_, i) => i & 0xff);
}

export function noiseRecords(file: NoiseVectors): Check[] {
	const records = (file.records ?? []) as NoiseRecord[];
	/** Plaintext bytes of the same write before a record, and in all of it. */
	const before = new Map<NoiseRecord, number>();
	const total = new Map<string, number>();
	for (const record of records.filter((entry) => entry.plaintext_hex === undefined)) {
		const write = record.direction + record.note;
		before.set(record, total.get(write) ?? 0);
		total.set(write, (total.get(write) ?? 0) + record.plaintext_len);
	}
	return [
		...each(
			records,
			(record) => `record ${Number.parseInt(record.nonce_hex, 16)} ${record.direction}`,
			(record) => {
				const counter = Number.parseInt(record.nonce_hex, 16);
				const key = keyOf(file, record.direction);
				const at = before.get(record);
				const plaintext =
					at === undefined
						? fromHex(record.plaintext_hex as string)
						: counting(total.get(record.direction + record.note) as number).slice(at, at + record.plaintext_len);
				const wire = new RecordWriter(key, counter).seal(plaintext);
				expect([plaintext.length, wire.length, toHex(sha256(wire))]).toEqual([record.plaintext_len, record.wire_len, record.wire_sha256]);
				expect(toHex(wire).startsWith(record.wire_header_hex)).toBe(true);
				if (record.wire_hex !== undefined) expect(toHex(wire)).toBe(record.wire_hex);
				if (record.plaintext_ascii !== undefined) expect(toHex(utf8Encode(record.plaintext_ascii))).toBe(record.plaintext_hex);
				expect(opened(keyOf(file, record.direction), counter, wire)).toBe(toHex(plaintext));
			},
		),
		...each(
			[...total.values()],
			(length) => `a write of ${length} bytes is split as stated`,
			(length) => {
				const parts = records.filter((record) => before.has(record) && total.get(record.direction + record.note) === length);
				const [first] = parts as [NoiseRecord];
				const wire = new RecordWriter(keyOf(file, first.direction), Number.parseInt(first.nonce_hex, 16)).seal(counting(length));
				let at = 0;
				for (const part of parts) {
					expect(toHex(sha256(wire.slice(at, at + part.wire_len)))).toBe(part.wire_sha256);
					at += part.wire_len;
				}
				expect(wire.length).toBe(at);
			},
		),
		...each(
			file.extra_nonce_records,
			(record) => `record ${record.counter} ${record.direction}`,
			(record) => {
				const wire = new RecordWriter(keyOf(file, record.direction), Number(record.counter)).seal(utf8Encode(record.plaintext_ascii));
				expect(toHex(wire)).toBe(record.wire_hex);
				expect(BigInt(`0x${record.nonce_hex}`)).toBe(BigInt(record.counter));
				expect(opened(keyOf(file, record.direction), Number(record.counter), wire)).toBe(toHex(utf8Encode(record.plaintext_ascii)));
			},
		),
	];
}

export function noiseChecks(file: NoiseVectors): Check[] {
	return [...noiseInputs(file), ...noiseHandshake(file), ...noiseSteps(file), ...noiseErrorFrame(file), ...noiseRecords(file)];
}
