/** DISCO messages and envelope: tests/vectors/disco.json, protocol/relay.md §2. */
import { boxSharedKey, x25519, x25519PublicKey } from "tailnet/host";
import { DiscoBox, isDisco, senderOf } from "../../modules/disco/box.js";
import { appendMessage, type DiscoMessage, parseMessage } from "../../modules/disco/message.js";
import { endpointToText, parseEndpoint } from "../../modules/netmap/address.js";
import { parseKey } from "../../modules/netmap/keys.js";
import { expect, fromHex, toHex } from "../harness.js";
import type vectors from "../vectors/disco.json";
import { type Check, each, one } from "./check.js";

export type DiscoVectors = Partial<typeof vectors>;

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
export function fieldsOf(message: DiscoMessage): Fields {
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

/** Whose keys a case names. */
function keysOf(file: DiscoVectors): Record<string, { private: string; public: string }> {
	return (file.keys ?? {}) as Record<string, { private: string; public: string }>;
}

function keyOf(file: DiscoVectors, name: string): Uint8Array {
	return fromHex(keysOf(file)[name]?.public ?? "");
}

export function boxOf(file: DiscoVectors, name: string, nonce = ""): DiscoBox {
	return new DiscoBox(fromHex(keysOf(file)[name]?.private ?? ""), () => fromHex(nonce));
}

export function discoMessages(file: DiscoVectors): Check[] {
	return each(
		file.cases,
		(vector) => vector.name,
		(vector) => {
			expect(toHex(appendMessage(messageOf(vector.message)))).toBe(vector.plaintext);
			expect(fieldsOf(parseMessage(fromHex(vector.plaintext)) as DiscoMessage)).toEqual(vector.parsed);
		},
	);
}

export function discoParsing(file: DiscoVectors): Check[] {
	return each(
		file.parse,
		(vector) => vector.name,
		(vector) => {
			const message = parseMessage(fromHex(vector.plaintext));
			if (vector.error) expect(message).toBe(vector.error === "short message" ? "short" : "unknown");
			else expect(fieldsOf(message as DiscoMessage)).toEqual(vector.message);
		},
	);
}

export function discoSealing(file: DiscoVectors): Check[] {
	return each(
		file.cases,
		(vector) => vector.name,
		(vector) => {
			const packet = boxOf(file, vector.from, vector.nonce).seal(keyOf(file, vector.to), fromHex(vector.plaintext));
			expect(toHex(packet as Uint8Array)).toBe(vector.packet);
			expect(toHex(boxOf(file, vector.to).open(fromHex(vector.packet)) as Uint8Array)).toBe(vector.plaintext);
			const shared = boxSharedKey(fromHex(keysOf(file)[vector.from]?.private ?? ""), keyOf(file, vector.to)) as Uint8Array;
			expect(toHex(shared)).toBe((file.shared as Record<string, string> | undefined)?.[vector.shared]);
			expect(vector.packet.startsWith(file.magic ?? "")).toBe(true);
		},
	);
}

export function discoPackets(file: DiscoVectors): Check[] {
	return each(
		file.packets,
		(vector) => vector.name,
		(vector) => {
			const packet = fromHex(vector.packet);
			expect(isDisco(packet)).toBe(vector.classifiedAsDisco);
			if (!vector.classifiedAsDisco) return;
			if (vector.senderIsKnownPeer !== undefined) expect(toHex(senderOf(packet)) === toHex(keyOf(file, "a"))).toBe(vector.senderIsKnownPeer);
			const plaintext = boxOf(file, "b").open(packet);
			expect(plaintext !== undefined).toBe(vector.opens);
			if (plaintext) expect(toHex(plaintext)).toBe(vector.plaintext);
			if (plaintext && vector.message) expect(fieldsOf(parseMessage(plaintext) as DiscoMessage)).toEqual(vector.message);
			if (plaintext && vector.error) expect(parseMessage(plaintext)).toBe(vector.error === "short message" ? "short" : "unknown");
		},
	);
}

export function discoKeys(file: DiscoVectors): Check[] {
	const pairs = Object.entries(keysOf(file)).map(([name, pair]) => ({ name, ...pair }));
	return [
		...each(
			pairs,
			(pair) => `key pair ${pair.name}`,
			(pair) => expect(toHex(x25519PublicKey(fromHex(pair.private)))).toBe(pair.public),
		),
		...one(file.text, "key as text", (text) => {
			expect(toHex(parseKey(text.a, "discokey:") as Uint8Array)).toBe(keysOf(file)["a"]?.public);
			expect(text.a.replace("discokey:", "d:").startsWith(text.short)).toBe(true);
		}),
		...one(file.sortedPair, "sorted pair of keys", (pair) => expect([...pair.input].sort()).toEqual(pair.output)),
		...one(file.boxSteps, "steps of one box", (steps) => {
			const vector = file.cases?.find((entry) => entry.name === steps.case);
			const privateKey = fromHex(keysOf(file)[vector?.from ?? ""]?.private ?? "");
			const publicKey = keyOf(file, vector?.to ?? "");
			expect(toHex(x25519(privateKey, publicKey) as Uint8Array)).toBe(steps.x25519);
			expect(toHex(boxSharedKey(privateKey, publicKey) as Uint8Array)).toBe(steps.sharedKey);
			expect(vector?.nonce).toBe(steps.nonce);
			expect(vector?.packet.endsWith(steps.nonce + steps.tag + steps.ciphertext)).toBe(true);
			expect(steps.firstKeystreamBlock.startsWith(steps.poly1305Key)).toBe(true);
			const plaintext = fromHex(vector?.plaintext ?? "");
			const keystream = fromHex(steps.firstKeystreamBlock).slice(32);
			const sealed = fromHex(steps.ciphertext);
			for (let i = 0; i < Math.min(32, sealed.length); i += 1) expect((sealed[i] as number) ^ (keystream[i] as number)).toBe(plaintext[i]);
		}),
	];
}

export function discoChecks(file: DiscoVectors): Check[] {
	return [...discoKeys(file), ...discoMessages(file), ...discoParsing(file), ...discoSealing(file), ...discoPackets(file)];
}
