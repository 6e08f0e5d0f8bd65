/** STUN requests and answers: tests/vectors/stun.json, protocol/relay.md §4. */
import { isStun, parseStunResponse, type StunAnswer, stunRequest } from "../../modules/path/stun.js";
import { expect, fromHex, toHex } from "../harness.js";
import type vectors from "../vectors/stun.json";
import { type Check, each } from "./check.js";

export type StunVectors = Partial<typeof vectors>;

const errors: Record<string, string> = {
	"response is not a STUN packet": "not-stun",
	"STUN packet is not a response": "not-a-response",
	"STUN response has malformed attributes": "malformed",
};

export function stunRequests(file: StunVectors): Check[] {
	return each(
		file.requests,
		(vector) => `request ${vector.txid}`,
		(vector) => expect(toHex(stunRequest(fromHex(vector.txid)))).toBe(vector.packet),
	);
}

export function stunAnswers(file: StunVectors): Check[] {
	return each(
		file.parseResponse,
		(vector) => `answer: ${vector.name}`,
		(vector) => {
			const packet = fromHex(vector.packet);
			expect(isStun(packet)).toBe(vector.isSTUN);
			const result = parseStunResponse(packet);
			if (vector.error !== undefined) expect(result).toBe(errors[vector.error] ?? `no error of ours: ${vector.error}`);
			else expect([(result as StunAnswer).endpoint, toHex((result as StunAnswer).transactionID)]).toEqual([vector.address, vector.txid]);
		},
	);
}

export function stunServerAnswers(file: StunVectors): Check[] {
	return each(
		file.responses,
		(vector) => `answer for ${vector.address}, ${vector.txid}`,
		(vector) => {
			const result = parseStunResponse(fromHex(vector.packet)) as StunAnswer;
			expect([result.endpoint, toHex(result.transactionID)]).toEqual([vector.address, vector.txid]);
		},
	);
}

export function stunChecks(file: StunVectors): Check[] {
	return [...stunRequests(file), ...stunAnswers(file), ...stunServerAnswers(file)];
}
