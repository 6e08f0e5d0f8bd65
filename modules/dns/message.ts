/**
 * DNS messages, as far as addresses of names are asked for (RFC 1035 §4, AAAA: RFC 3596). Integers are big-endian.
 *
 *   0   id u16   2  flags u16   4  questions u16   6  answers u16   8  authorities u16   10  additional records u16
 *   12  questions: name, type u16, class u16
 *       records:   name, type u16, class u16, life u32 seconds, length u16, data
 *
 *   flags   8000 answer   7800 opcode   0200 cut off   0100 recursion wanted   0080 recursion offered   000f code
 *
 * What is no answer to the question is not looked at further: whoever else sends to our port shall not end the question.
 */
import { ADDRESS_BYTES } from "../netmap/address.js";
import { readName, writeName } from "./wire-name.js";

export type AddressType = "A" | "AAAA";

export interface DNSQuestion {
	/** Lower case, without trailing dot. */
	readonly name: string;
	readonly type: AddressType;
}

/** What a server says. */
export type Reply =
	| { readonly kind: "addresses"; readonly addresses: readonly Uint8Array[]; readonly lifeSeconds: number }
	/** The name is another one's: isFollowed, the server has looked that one up as well, and found no address of the type. */
	| { readonly kind: "alias"; readonly name: string; readonly isFollowed: boolean }
	/** The name exists and has no address of the type. */
	| { readonly kind: "empty" }
	| { readonly kind: "no-such-name" }
	/** More than a datagram holds: ask by TCP. */
	| { readonly kind: "truncated" }
	/** The server cannot or will not say. code: 1 to 15 as in the message (2 SERVFAIL, 5 REFUSED), 0 = its answer is malformed. */
	| { readonly kind: "failed"; readonly code: number };

/** Largest answer that is taken. protocol/tunnel.md §7.2 */
export const LARGEST_ANSWER_BYTES = 4095;

const HEAD_BYTES = 12;
const IS_ANSWER = 0x8000;
const OPCODE = 0x7800;
const IS_CUT = 0x0200;
const RECURSION_WANTED = 0x0100;
const RECURSION_OFFERED = 0x0080;
const CODE = 0x000f;
const NAME_ERROR = 3;
const TYPES = Object.freeze({ A: 1, CNAME: 5, AAAA: 28 });
const INTERNET = 1;
const MAPPED = 10;
/** More aliases, or more addresses, than this are not looked at. */
const LONGEST_CHAIN = 8;
const MOST_ADDRESSES = 8;
/** A life with the highest bit set is none (RFC 2181 §8). */
const LONGEST_LIFE = 0x7fffffff;

/** Asks for the addresses of a name. @returns undefined for a name that cannot be asked */
export function writeQuery(id: number, question: DNSQuestion): Uint8Array | undefined {
	const name = writeName(question.name);
	if (name === undefined) return undefined;
	const message = new Uint8Array(HEAD_BYTES + name.length + 4);
	const view = new DataView(message.buffer);
	view.setUint16(0, id);
	view.setUint16(2, RECURSION_WANTED);
	view.setUint16(4, 1);
	message.set(name, HEAD_BYTES);
	view.setUint16(HEAD_BYTES + name.length, TYPES[question.type]);
	view.setUint16(HEAD_BYTES + name.length + 2, INTERNET);
	return message;
}

/** @returns undefined for anything but the answer to this question with this id */
export function parseReply(message: Uint8Array, id: number, question: DNSQuestion): Reply | undefined {
	if (message.length < HEAD_BYTES) return undefined;
	const view = new DataView(message.buffer, message.byteOffset, message.length);
	const flags = view.getUint16(2);
	if (view.getUint16(0) !== id || (flags & (IS_ANSWER | OPCODE)) !== IS_ANSWER) return undefined;
	const code = flags & CODE;
	// A server that could not read the question need not repeat it.
	if (view.getUint16(4) === 0 && code !== 0 && code !== NAME_ERROR) return { kind: "failed", code };
	const asked = readName(message, HEAD_BYTES);
	if (view.getUint16(4) !== 1 || asked === undefined || asked.name !== question.name || asked.end + 4 > message.length) return undefined;
	if (view.getUint16(asked.end) !== TYPES[question.type] || view.getUint16(asked.end + 2) !== INTERNET) return undefined;
	if (code !== 0 && code !== NAME_ERROR) return { kind: "failed", code };
	if ((flags & IS_CUT) !== 0) return { kind: "truncated" };
	const records = readRecords(view, message, asked.end + 4, TYPES[question.type]);
	if (records === undefined) return { kind: "failed", code: 0 };
	const found = follow(records, question.name);
	if (found.addresses.length > 0) return { kind: "addresses", addresses: found.addresses, lifeSeconds: found.lifeSeconds };
	if (found.name !== question.name) return { kind: "alias", name: found.name, isFollowed: code === NAME_ERROR || (flags & RECURSION_OFFERED) !== 0 };
	return { kind: code === NAME_ERROR ? "no-such-name" : "empty" };
}

interface Records {
	readonly aliases: Map<string, { name: string; lifeSeconds: number }>;
	readonly addresses: { name: string; address: Uint8Array; lifeSeconds: number }[];
}

/** The records of the answer section that count. @returns undefined if they are malformed */
function readRecords(view: DataView, message: Uint8Array, offset: number, type: number): Records | undefined {
	const records: Records = { aliases: new Map(), addresses: [] };
	let at = offset;
	for (let left = view.getUint16(6); left > 0; left -= 1) {
		const owner = readName(message, at);
		if (owner === undefined || owner.end + 10 > message.length) return undefined;
		const recordType = view.getUint16(owner.end);
		const isInternet = view.getUint16(owner.end + 2) === INTERNET;
		const life = view.getUint32(owner.end + 4);
		const lifeSeconds = life > LONGEST_LIFE ? 0 : life;
		const length = view.getUint16(owner.end + 8);
		const data = owner.end + 10;
		at = data + length;
		if (at > message.length) return undefined;
		if (!isInternet) continue;
		if (recordType === TYPES.CNAME) {
			const alias = readName(message, data);
			if (alias === undefined || alias.end !== at) return undefined;
			records.aliases.set(owner.name, { name: alias.name, lifeSeconds });
		} else if (recordType === type) {
			const address = new Uint8Array(ADDRESS_BYTES);
			if (length !== (type === TYPES.A ? 4 : ADDRESS_BYTES)) return undefined;
			if (type === TYPES.A) address.fill(0xff, MAPPED, MAPPED + 2);
			address.set(message.subarray(data, at), ADDRESS_BYTES - length);
			records.addresses.push({ name: owner.name, address, lifeSeconds });
		}
	}
	return records;
}

/** Goes from alias to alias, as far as the records lead. */
function follow({ aliases, addresses }: Records, start: string): { name: string; addresses: Uint8Array[]; lifeSeconds: number } {
	let name = start;
	let lifeSeconds = LONGEST_LIFE;
	for (let step = 0; step < LONGEST_CHAIN; step += 1) {
		const alias = aliases.get(name);
		if (alias === undefined) break;
		name = alias.name;
		lifeSeconds = Math.min(lifeSeconds, alias.lifeSeconds);
	}
	const own = addresses.filter((record) => record.name === name).slice(0, MOST_ADDRESSES);
	for (const record of own) lifeSeconds = Math.min(lifeSeconds, record.lifeSeconds);
	return { name, addresses: own.map(({ address }) => address), lifeSeconds };
}
