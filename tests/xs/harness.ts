/**
 * Takes the place of tests/harness.ts in bundles for an XS engine: `test`, `describe`, `expect` with the matchers that the tests use, and run(), which
 * prints one line a test and returns the counts.
 */
export { fromHex, Random, toHex } from "./harness-tools.js";

type Body = () => void | Promise<void>;

interface Entry {
	name: string;
	body: Body;
}

const entries: Entry[] = [];
const before: Body[] = [];
const path: string[] = [];

function add(name: string, body: Body): void {
	const hooks = before.slice();
	entries.push({
		name: [...path, name].join(" "),
		body: async () => {
			for (const hook of hooks) await hook();
			await body();
		},
	});
}

/** Fills %s, %d, %i, %j, %p and %# of a table's title, as jest does. */
function fill(title: string, row: unknown[], index: number): string {
	let at = 0;
	return title.replace(/%[sdijp#%]/g, (mark) => {
		if (mark === "%%") return "%";
		if (mark === "%#") return String(index);
		const value = row[at++];
		return typeof value === "string" ? value : String(show(value));
	});
}

function each(table: readonly unknown[]) {
	return (title: string, body: (...row: unknown[]) => void | Promise<void>): void => {
		table.forEach((entry, index) => {
			const row = Array.isArray(entry) ? entry : [entry];
			add(fill(title, row, index), () => body(...row));
		});
	};
}

export const test = Object.assign((name: string, body: Body) => add(name, body), { each });

export const describe = Object.assign(
	(name: string, body: () => void): void => {
		path.push(name);
		const depth = before.length;
		body();
		before.length = depth;
		path.pop();
	},
	{ each: () => () => undefined },
);

export function beforeEach(body: Body): void {
	before.push(body);
}

function show(value: unknown): string {
	if (value instanceof Uint8Array) return `bytes ${Array.from(value.subarray(0, 64)).join(",")}`;
	try {
		return JSON.stringify(value, (_key, inner) => (typeof inner === "bigint" ? `${inner}n` : inner))?.slice(0, 400) ?? String(value);
	} catch {
		return String(value);
	}
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null;
}

/** Deep equality; undefined members count only when strict. */
function equal(a: unknown, b: unknown, strict: boolean): boolean {
	if (Object.is(a, b)) return true;
	if (!isObject(a) || !isObject(b)) return false;
	if (b instanceof Matching) return false;
	if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) && (strict || Array.isArray(a) !== Array.isArray(b))) return false;
	if (a instanceof Set && b instanceof Set) return equal([...a].sort(), [...b].sort(), strict);
	if (a instanceof Map && b instanceof Map) return a.size === b.size && [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key), strict));
	if (a instanceof Error && b instanceof Error) return a.message === b.message;
	if (ArrayBuffer.isView(a) !== ArrayBuffer.isView(b)) return false;
	if (a instanceof ArrayBuffer && b instanceof ArrayBuffer) return equal(new Uint8Array(a), new Uint8Array(b), strict);
	const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
	for (const key of keys) {
		if (strict && !(key in a && key in b)) return false;
		if (!matches(a[key], b[key], strict)) return false;
	}
	return true;
}

class Matching {
	readonly test: (value: unknown) => boolean;
	constructor(test: (value: unknown) => boolean) {
		this.test = test;
	}
}

function matches(actual: unknown, expected: unknown, strict: boolean): boolean {
	return expected instanceof Matching ? expected.test(actual) : equal(actual, expected, strict);
}

function includes(actual: unknown, expected: unknown): boolean {
	if (!isObject(expected) || expected instanceof Matching) return matches(actual, expected, false);
	if (!isObject(actual)) return false;
	if (Array.isArray(expected)) return Array.isArray(actual) && actual.length === expected.length && expected.every((item, i) => includes(actual[i], item));
	return Object.keys(expected).every((key) => includes(actual[key], expected[key]));
}

function thrown(actual: unknown): { error: unknown } | undefined {
	try {
		(actual as () => unknown)();
		return undefined;
	} catch (error) {
		return { error };
	}
}

function fits(error: unknown, expected: unknown): boolean {
	if (expected === undefined) return true;
	const message = isObject(error) ? String((error as { message?: unknown }).message) : String(error);
	if (typeof expected === "string") return message.includes(expected);
	if (expected instanceof RegExp) return expected.test(message);
	if (typeof expected === "function") return error instanceof (expected as new () => unknown);
	return message === (expected as { message?: unknown }).message;
}

function at(value: unknown, keys: string | readonly string[]): { found: boolean; value: unknown } {
	let current = value;
	for (const key of typeof keys === "string" ? keys.split(".") : keys) {
		if (!isObject(current) || !(key in current)) return { found: false, value: undefined };
		current = current[key];
	}
	return { found: true, value: current };
}

function matchers(actual: unknown, negated: boolean) {
	const check = (ok: boolean, what: string, expected?: unknown): void => {
		if (ok !== negated) return;
		throw new Error(`expected ${show(actual)} ${negated ? "not " : ""}${what} ${expected === undefined ? "" : show(expected)}`);
	};
	const number = actual as number;
	return {
		toBe: (expected: unknown) => check(Object.is(actual, expected), "to be", expected),
		toEqual: (expected: unknown) => check(matches(actual, expected, false), "to equal", expected),
		toStrictEqual: (expected: unknown) => check(matches(actual, expected, true), "to equal strictly", expected),
		toBeUndefined: () => check(actual === undefined, "to be undefined"),
		toBeDefined: () => check(actual !== undefined, "to be defined"),
		toBeNull: () => check(actual === null, "to be null"),
		toBeNaN: () => check(Number.isNaN(actual), "to be NaN"),
		toBeTruthy: () => check(!!actual, "to be truthy"),
		toBeFalsy: () => check(!actual, "to be falsy"),
		toBeGreaterThan: (expected: number) => check(number > expected, "to be above", expected),
		toBeGreaterThanOrEqual: (expected: number) => check(number >= expected, "to be at least", expected),
		toBeLessThan: (expected: number) => check(number < expected, "to be below", expected),
		toBeLessThanOrEqual: (expected: number) => check(number <= expected, "to be at most", expected),
		toBeCloseTo: (expected: number, digits = 2) => check(Math.abs(number - expected) < 10 ** -digits / 2, "to be close to", expected),
		toContain: (expected: unknown) =>
			check(typeof actual === "string" ? actual.includes(expected as string) : [...(actual as Iterable<unknown>)].includes(expected), "to contain", expected),
		toContainEqual: (expected: unknown) =>
			check(
				[...(actual as Iterable<unknown>)].some((item) => matches(item, expected, false)),
				"to contain",
				expected,
			),
		toHaveLength: (expected: number) => check((actual as { length: number }).length === expected, "to have length", expected),
		toHaveProperty: (keys: string | readonly string[], ...expected: unknown[]) => {
			const { found, value } = at(actual, keys);
			check(found && (expected.length === 0 || matches(value, expected[0], false)), "to have property", keys);
		},
		toMatch: (expected: string | RegExp) =>
			check(typeof expected === "string" ? (actual as string).includes(expected) : expected.test(actual as string), "to match", String(expected)),
		toMatchObject: (expected: unknown) => check(includes(actual, expected), "to match", expected),
		toBeInstanceOf: (expected: new () => unknown) => check(actual instanceof expected, "to be a", expected.name),
		toThrow: (expected?: unknown) => {
			const result = typeof actual === "function" ? thrown(actual) : { error: actual };
			check(result !== undefined && fits(result.error, expected), "to throw", expected === undefined ? undefined : String(expected));
		},
	};
}

type Matchers = ReturnType<typeof matchers>;

/** The same matchers, for the value that a promise ends with. */
function later(promise: unknown, wanted: "resolves" | "rejects") {
	const settle = async (): Promise<unknown> => {
		let value: unknown;
		try {
			value = await promise;
		} catch (error) {
			if (wanted === "resolves") throw error;
			return error;
		}
		if (wanted === "rejects") throw new Error(`expected a rejection, got ${show(value)}`);
		return value;
	};
	const wrap = (negated: boolean) =>
		new Proxy({} as Record<keyof Matchers, (...expected: unknown[]) => Promise<void>>, {
			get:
				(_target, name) =>
				async (...expected: unknown[]) => {
					const all = matchers(await settle(), negated) as unknown as Record<string, (...expected: unknown[]) => void>;
					all[name as string]?.(...expected);
				},
		});
	return Object.assign(wrap(false), { not: wrap(true) });
}

export const expect = Object.assign(
	(actual: unknown) => ({
		...matchers(actual, false),
		not: matchers(actual, true),
		get resolves() {
			return later(actual, "resolves");
		},
		get rejects() {
			return later(actual, "rejects");
		},
	}),
	{
		any: (type: new () => unknown) => new Matching((value) => value instanceof type || typeof value === type.name.toLowerCase()),
		anything: () => new Matching((value) => value !== undefined && value !== null),
		objectContaining: (expected: unknown) => new Matching((value) => includes(value, expected)),
		arrayContaining: (expected: readonly unknown[]) =>
			new Matching((value) => Array.isArray(value) && expected.every((item) => value.some((other) => matches(other, item, false)))),
		stringContaining: (expected: string) => new Matching((value) => typeof value === "string" && value.includes(expected)),
		stringMatching: (expected: RegExp) => new Matching((value) => typeof value === "string" && expected.test(value)),
	},
);

declare function print(text: string): void;

/** Runs every test; prints `ok - name` or `not ok - name: why`. */
export async function run(): Promise<void> {
	let passed = 0;
	let failed = 0;
	for (const entry of entries) {
		try {
			await entry.body();
			passed += 1;
			print(`ok - ${entry.name}`);
		} catch (error) {
			failed += 1;
			print(`not ok - ${entry.name}: ${isObject(error) ? String((error as { message?: unknown }).message) : String(error)}`);
		}
	}
	print(`closing ${passed} ${failed}`);
}
