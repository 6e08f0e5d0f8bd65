/** A DNS server's words, for tests: messages built record by record, without the code under test. */

export interface Record {
	name: string;
	type: number;
	/** Default 300. */
	life?: number;
	data: number[];
}

/** A name, label by label; never compressed. */
export function labels(name: string): number[] {
	const bytes: number[] = [];
	for (const label of name === "" ? [] : name.split(".")) bytes.push(label.length, ...[...label].map((character) => character.charCodeAt(0)));
	return [...bytes, 0];
}

const u16 = (value: number): number[] => [value >> 8, value & 255];

export const a = (name: string, address: string, life?: number): Record => ({
	name,
	type: 1,
	data: address.split(".").map(Number),
	...(life === undefined ? {} : { life }),
});
export const aaaa = (name: string, last: number): Record => ({ name, type: 28, data: [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), last] });
export const cname = (name: string, target: string): Record => ({ name, type: 5, data: labels(target) });

/** The answer to a query: its id and its question, these flags, these records. */
export function answer(query: Uint8Array, records: Record[], flags = 0x8180): Uint8Array {
	const bytes = [query[0] as number, query[1] as number, ...u16(flags), 0, 1, ...u16(records.length), 0, 0, 0, 0, ...query.subarray(12)];
	for (const { name, type, life = 300, data } of records)
		bytes.push(...labels(name), ...u16(type), 0, 1, (life >>> 24) & 255, (life >> 16) & 255, (life >> 8) & 255, life & 255, ...u16(data.length), ...data);
	return Uint8Array.from(bytes);
}

/** What a query asks: "A name". */
export function asked(query: Uint8Array): string {
	let name = "";
	let at = 12;
	for (let length = query[at] as number; length > 0; length = query[at] as number) {
		name += `${name && "."}${String.fromCharCode(...query.subarray(at + 1, at + 1 + length))}`;
		at += 1 + length;
	}
	return `${query[at + 2] === 28 ? "AAAA" : "A"} ${name}`;
}

/** As a stream carries it. */
export const framed = (message: Uint8Array): Uint8Array => Uint8Array.from([...u16(message.length), ...message]);
