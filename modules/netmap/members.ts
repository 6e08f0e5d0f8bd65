/**
 * Members of control's JSON with their types made sure of. Upstream decodes into typed structs, so one member of a wrong type refuses the whole message
 * (protocol/filter.md §1.4); so do we, for members that we use. Absent and null are the same: "not said".
 */

/** A member has a type that it must not have: the message is refused. */
export class WrongType extends Error {}

/** An object of JSON, members unchecked. */
export type Members = Record<string, unknown>;

function nameOf(value: unknown): string {
	return value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

function refuse(where: string, expected: string, value: unknown): never {
	throw new WrongType(`${where}: expected ${expected}, got ${nameOf(value)}`);
}

/** true, or false when it is not said. */
export function flagMember(members: Members, name: string): boolean {
	return optionalFlag(members, name) === true;
}

/** undefined when it is not said. */
export function optionalFlag(members: Members, name: string): boolean | undefined {
	const value = members[name];
	if (value === undefined || value === null) return undefined;
	return typeof value === "boolean" ? value : refuse(name, "true or false", value);
}

/** A whole number, 0 when it is not said. Integers too long for a number come as strings and are refused here: what needs them is an id. */
export function numberMember(members: Members, name: string): number {
	const value = members[name];
	if (value === undefined || value === null) return 0;
	return typeof value === "number" && Number.isSafeInteger(value) ? value : refuse(name, "a whole number", value);
}

/** "" when it is not said. */
export function textMember(members: Members, name: string): string {
	const value = members[name];
	if (value === undefined || value === null) return "";
	return typeof value === "string" ? value : refuse(name, "a text", value);
}

/** undefined when it is not said (an empty list is said). */
export function listMember(members: Members, name: string): unknown[] | undefined {
	const value = members[name];
	if (value === undefined || value === null) return undefined;
	return Array.isArray(value) ? value : refuse(name, "a list", value);
}

/** A list of texts. */
export function textsMember(members: Members, name: string): string[] | undefined {
	const list = listMember(members, name);
	if (list !== undefined) for (const each of list) if (typeof each !== "string") refuse(`${name}[]`, "a text", each);
	return list as string[] | undefined;
}

/** undefined when it is not said. */
export function objectMember(members: Members, name: string): Members | undefined {
	const value = members[name];
	if (value === undefined || value === null) return undefined;
	return objectOf(value, name);
}

/** The value itself has to be an object. */
export function objectOf(value: unknown, where: string): Members {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : refuse(where, "an object", value);
}
