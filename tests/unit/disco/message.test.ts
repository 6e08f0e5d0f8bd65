/** DISCO messages against the vectors of the official implementation, then against anything. */
import { appendMessage, type DiscoMessage, parseMessage } from "../../../modules/disco/message.js";
import { endpointToText, parseEndpoint } from "../../../modules/netmap/address.js";
import { describe, expect, fromHex, Random, test, toHex } from "../../harness.js";
import vectors from "../../vectors/disco.json" with { type: "json" };

/** The names of the vectors for our message types. */
const names: Record<string, string> = {
	ping: "ping",
	pong: "pong",
	"call-me-maybe": "call-me-maybe",
	bind: "bind-udp-relay-endpoint",
	"bind-challenge": "bind-udp-relay-endpoint-challenge",
	"bind-answer": "bind-udp-relay-endpoint-answer",
	"call-me-maybe-via": "call-me-maybe-via",
	"allocate-request": "allocate-udp-relay-endpoint-request",
	"allocate-response": "allocate-udp-relay-endpoint-response",
};

type Fields = Record<string, unknown>;

/** A message with the fields of the vectors. */
function fieldsOf(message: DiscoMessage): Fields {
	const type = names[message.type];
	switch (message.type) {
		case "ping":
			return {
				type,
				transaction: undefined,
				txid: toHex(message.transaction),
				nodeKey: message.nodeKey ? toHex(message.nodeKey) : "",
				padding: message.padding,
			};
		case "pong":
			return { type, txid: toHex(message.transaction), src: endpointToText(message.source) };
		case "call-me-maybe":
			return { type, endpoints: message.endpoints.map((bytes) => endpointToText(bytes)) };
		case "bind":
		case "bind-challenge":
		case "bind-answer":
			return { type, vni: message.vni, generation: message.generation, remoteKey: toHex(message.remoteKey), challenge: toHex(message.challenge) };
		case "allocate-request":
			return { type, clientDisco: message.clientKeys.map(toHex), generation: message.generation };
		default: {
			const fields: Fields = {
				type,
				serverDisco: toHex(message.serverKey),
				clientDisco: message.clientKeys.map(toHex),
				lamportID: String(message.lamport),
				vni: message.vni,
				bindLifetimeNanoseconds: String(message.bindLifetimeNS),
				steadyStateLifetimeNanoseconds: String(message.steadyLifetimeNS),
				endpoints: message.endpoints.map((bytes) => endpointToText(bytes)),
			};
			if (message.type === "allocate-response") fields["generation"] = message.generation;
			return fields;
		}
	}
}

function messageOf(fields: Fields): DiscoMessage {
	const type = Object.keys(names).find((name) => names[name] === fields["type"]) as DiscoMessage["type"];
	const bytes = (name: string): Uint8Array => fromHex(fields[name] as string);
	const endpoints = (): Uint8Array[] => (fields["endpoints"] as string[]).map((text) => parseEndpoint(text) as Uint8Array);
	const keys = (): [Uint8Array, Uint8Array] => (fields["clientDisco"] as string[]).map(fromHex) as [Uint8Array, Uint8Array];
	switch (type) {
		case "ping": {
			const ping: DiscoMessage = { type, transaction: bytes("txid"), padding: fields["padding"] as number };
			if (fields["nodeKey"] !== "") ping.nodeKey = bytes("nodeKey");
			return ping;
		}
		case "pong":
			return { type, transaction: bytes("txid"), source: parseEndpoint(fields["src"] as string) as Uint8Array };
		case "call-me-maybe":
			return { type, endpoints: endpoints() };
		case "bind":
		case "bind-challenge":
		case "bind-answer":
			return { type, vni: fields["vni"] as number, generation: fields["generation"] as number, remoteKey: bytes("remoteKey"), challenge: bytes("challenge") };
		case "allocate-request":
			return { type, clientKeys: keys(), generation: fields["generation"] as number };
		default: {
			const body = {
				serverKey: bytes("serverDisco"),
				clientKeys: keys(),
				lamport: BigInt(fields["lamportID"] as string),
				vni: fields["vni"] as number,
				bindLifetimeNS: BigInt(fields["bindLifetimeNanoseconds"] as string),
				steadyLifetimeNS: BigInt(fields["steadyStateLifetimeNanoseconds"] as string),
				endpoints: endpoints(),
			};
			return type === "call-me-maybe-via" ? { type, ...body } : { type, generation: fields["generation"] as number, ...body };
		}
	}
}

describe("DISCO messages", () => {
	for (const vector of vectors.cases) {
		test(`[relay 7] writes and reads: ${vector.name}`, () => {
			expect(toHex(appendMessage(messageOf(vector.message)))).toBe(vector.plaintext);
			expect(fieldsOf(parseMessage(fromHex(vector.plaintext)) as DiscoMessage)).toEqual(vector.parsed);
		});
	}

	for (const vector of vectors.parse) {
		test(`[relay 8] parses as stated: ${vector.name}`, () => {
			const message = parseMessage(fromHex(vector.plaintext));
			if (vector.error) expect(message).toBe(vector.error === "short message" ? "short" : "unknown");
			else expect(fieldsOf(message as DiscoMessage)).toEqual(vector.message);
		});
	}

	test("takes any bytes without throwing, and what it reads it writes back", () => {
		const random = new Random(1);
		for (let i = 0; i < 3000; i += 1) {
			const plaintext = random.bytes(random.below(200));
			if (plaintext.length > 0 && i % 4 > 0) plaintext[0] = random.below(11);
			if (plaintext.length > 1 && i % 4 > 1) plaintext[1] = 0;
			const message = parseMessage(plaintext);
			if (typeof message === "string" || plaintext[1] !== 0) continue;
			const again = appendMessage(message);
			expect(again.length).toBeLessThanOrEqual(plaintext.length);
			expect(fieldsOf(parseMessage(again) as DiscoMessage)).toEqual(fieldsOf(message));
		}
	});

	test("takes every message cut anywhere", () => {
		for (const vector of vectors.cases) {
			const plaintext = fromHex(vector.plaintext);
			for (let length = 0; length < Math.min(plaintext.length, 260); length += 1) parseMessage(plaintext.subarray(0, length));
		}
	});

	test("refuses to write a field of the wrong length", () => {
		expect(() => appendMessage({ type: "ping", transaction: new Uint8Array(11), padding: 0 })).toThrow(RangeError);
		expect(() => appendMessage({ type: "call-me-maybe", endpoints: [new Uint8Array(17)] })).toThrow(RangeError);
	});
});
