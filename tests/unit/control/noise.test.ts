import { EarlyPayload } from "../../../modules/control/early-payload.js";
import { NoiseInitiator, ResponseReader } from "../../../modules/control/noise.js";
import { MAXIMUM_PLAINTEXT_BYTES, MAXIMUM_RECORD_BYTES, RecordReader, RecordWriter } from "../../../modules/control/noise-records.js";
import { noiseHandshake, noiseInitiator, noiseInputs, noiseRecords, noiseSteps } from "../../checks/noise.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/control-noise.json" with { type: "json" };
import { aeadSeal } from "../../xs/host.js";
import { ascii, concat, cut } from "./pieces.js";

const inputs = vectors.inputs;
const machine = fromHex(inputs.machine_priv);
const initiator = () => noiseInitiator(vectors);
const response = fromHex(vectors.response.hex);
const toServer = () => fromHex(vectors.key_client_to_server);
const toClient = () => fromHex(vectors.key_server_to_client);

/** All plaintext of a reader as one piece, or what it complained of. */
function read(reader: RecordReader, parts: readonly Uint8Array[]): Uint8Array | string {
	const out: Uint8Array[] = [];
	for (const part of parts) {
		const problem = reader.push(part, (plaintext) => out.push(plaintext.slice()));
		if (problem) return problem;
	}
	return concat(...out);
}

describe("Noise handshake", () => {
	for (const { name, run } of [...noiseInputs(vectors), ...noiseHandshake(vectors), ...noiseSteps(vectors)]) test(`[control 1] as in the vector: ${name}`, run);

	test("[control 5] a response with any bit changed is refused", () => {
		for (let i = 3; i < response.length; i += 1) {
			const bad = response.slice();
			bad[i] = (bad[i] as number) ^ 1;
			expect(initiator().finish(bad)).toBe(undefined);
		}
	});

	test("a low-order key of control is an error with a name, not a handshake", () => {
		expect(() => new NoiseInitiator(machine, new Uint8Array(32), 131, fromHex(inputs.client_ephemeral_priv))).toThrow("low-order");
		const lowOrder = response.slice();
		lowOrder.fill(0, 3, 35);
		expect(initiator().finish(lowOrder)).toBe(undefined);
	});

	test("the response is read whole however it is cut, and what follows is left alone", () => {
		const stream = concat(response, ascii("records"));
		for (let at = 0; at <= stream.length; at += 1) {
			const reader = new ResponseReader();
			let result = reader.push(stream.slice(0, at));
			if (result === "more") result = reader.push(stream.slice(at));
			if (result === "more" || "failed" in result) throw new Error("expected the response");
			expect(toHex(result.response)).toBe(vectors.response.hex);
		}
	});

	test("[control 5] an error frame gives its text, also one byte at a time", () => {
		const reader = new ResponseReader();
		const results = cut(fromHex(vectors.error_frame_example.hex), new Random(1), 1).map((byte) => reader.push(byte));
		expect(results.pop()).toEqual({ failed: `control refused the Noise handshake: "${vectors.error_frame_example.message_ascii}"` });
		expect(results.every((result) => result === "more")).toBe(true);
	});

	test("[control 5] another type or length is no response", () => {
		for (const head of [
			[1, 0, 48],
			[4, 0, 48],
			[2, 0, 47],
			[2, 1, 48],
		]) {
			const result = new ResponseReader().push(Uint8Array.from([...head, ...new Array(60).fill(0)]));
			expect(typeof result === "object" && "failed" in result).toBe(true);
		}
	});

	test("random bytes never throw, and never make a handshake", () => {
		const random = new Random(7);
		for (let i = 0; i < 200; i += 1) {
			const reader = new ResponseReader();
			for (const part of cut(random.bytes(80), random, 20)) {
				const result = reader.push(part);
				if (result === "more") continue;
				if ("response" in result) expect(initiator().finish(result.response)).toBe(undefined);
				break;
			}
		}
	});
});

describe("Noise records", () => {
	for (const { name, run } of noiseRecords(vectors)) test(`[control 1] sealed and opened byte for byte: ${name}`, run);

	test("[control 4] a write of any length becomes records of at most 4096 bytes", () => {
		for (const length of [0, 1, 4076, 4077, 4078, 5000, 8154, 20000]) {
			const wire = new RecordWriter(toServer()).seal(new Uint8Array(length));
			let total = 0;
			for (let at = 0; at < wire.length; ) {
				const size = 3 + (((wire[at + 1] as number) << 8) | (wire[at + 2] as number));
				expect(size <= MAXIMUM_RECORD_BYTES).toBe(true);
				total += size - 19;
				at += size;
			}
			expect(total).toBe(length);
		}
	});

	test("[control 4] records of exactly 4096 and of 19 bytes are accepted, larger ones are not", () => {
		const full = new RecordWriter(toClient()).seal(new Uint8Array(MAXIMUM_PLAINTEXT_BYTES));
		expect(full.length).toBe(4096);
		expect((read(new RecordReader(toClient()), [full]) as Uint8Array).length).toBe(4077);

		const empty = emptyRecord();
		expect(empty.length).toBe(19);
		const then = new RecordWriter(toClient(), 1).seal(ascii("next"));
		expect(read(new RecordReader(toClient()), [empty, then])).toEqual(ascii("next"));
		expect(typeof read(new RecordReader(toClient()), [Uint8Array.of(4, 0x0f, 0xfe)])).toBe("string");
		expect(typeof read(new RecordReader(toClient()), [Uint8Array.of(4, 0, 15)])).toBe("string");
	});

	test("[control 5] a bad tag, a lost record and another type end the connection", () => {
		const writer = new RecordWriter(toClient());
		const first = writer.seal(ascii("one"));
		const second = writer.seal(ascii("two"));
		const bad = first.slice();
		bad[5] = (bad[5] as number) ^ 0x80;
		expect(read(new RecordReader(toClient()), [bad])).toBe("a Noise record cannot be opened");
		expect(read(new RecordReader(toClient()), [second])).toBe("a Noise record cannot be opened");
		expect(read(new RecordReader(toClient()), [Uint8Array.of(3, 0, 20)])).toBe("a Noise record (type 4) was expected, not type 3");
	});

	test("records are one stream, cut anywhere", () => {
		const random = new Random(3);
		const writer = new RecordWriter(toClient());
		const plaintext = random.bytes(10_000);
		const wire = concat(writer.seal(plaintext.slice(0, 5)), writer.seal(plaintext.slice(5, 9)), writer.seal(plaintext.slice(9)));
		for (const largest of [1, 2, 7, 100, 4096, 20_000]) expect(read(new RecordReader(toClient()), cut(wire, random, largest))).toEqual(plaintext);
	});

	test("a stream cut short gives the records that were complete, and no error", () => {
		const writer = new RecordWriter(toClient());
		const wire = concat(writer.seal(ascii("one")), writer.seal(ascii("two")));
		for (let length = 0; length < wire.length; length += 1) {
			expect(read(new RecordReader(toClient()), [wire.slice(0, length)])).toEqual(ascii(length < 22 ? "" : "one"));
		}
	});

	test("random bytes never throw", () => {
		const random = new Random(11);
		for (let i = 0; i < 300; i += 1) expect(typeof read(new RecordReader(toClient()), cut(random.bytes(64), random, 10)) === "undefined").toBe(false);
	});
});

describe("early payload", () => {
	const json = ascii('{"nodeKeyChallenge":"chalpub:00"}');
	const early = concat(Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53, 0, 0, 0, json.length), json);
	const settings = fromHex("000006040000000000000400100000");

	function strip(parts: readonly Uint8Array[]): Uint8Array | string {
		const out: Uint8Array[] = [];
		const payload = new EarlyPayload();
		for (const part of parts) {
			const problem = payload.push(part, (bytes) => out.push(bytes.slice()));
			if (problem) return problem;
		}
		return concat(...out);
	}

	test("[control 3] what follows is the same with and without it, however it is cut", () => {
		const random = new Random(5);
		for (const largest of [1, 3, 9, 40, 100]) {
			expect(strip(cut(concat(early, settings), random, largest))).toEqual(settings);
			expect(strip(cut(settings, random, largest))).toEqual(settings);
		}
		expect(strip([early])).toEqual(new Uint8Array(0));
	});

	test("one above 10 MiB is refused", () => {
		expect(strip([Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53, 0, 0xa0, 0, 1)])).toBe("an early payload of at most 10485760 bytes was expected, not 10485761");
	});
});

function emptyRecord(): Uint8Array {
	// seal() makes no record of nothing.

	return concat(Uint8Array.of(4, 0, 16), aeadSeal(toClient(), new Uint8Array(12), new Uint8Array(0), new Uint8Array(0)));
}
