/** An expired node key is replaced once, and its successor that is expired as well after a while. */
import { Renewal } from "../../../modules/renewal.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

const key = (number: number) => new Uint8Array(32).fill(number);
const minute = 60_000;
let renewal: Renewal;
beforeEach(() => {
	testing.reset();
	renewal = new Renewal();
});

describe("renewal", () => {
	test("a key that has not expired is kept", () => {
		expect(renewal.look(false, key(1), 0)).toBe(undefined);
	});

	test("a key that has expired is replaced at once, and once", () => {
		expect(renewal.look(true, key(1), 5)).toBe(0);
		for (let now = 5; now < 10 * minute; now += minute) expect(renewal.look(true, key(1), now)).toBe(undefined);
	});

	test("a successor that control calls expired before it ever was valid is replaced as well, about a minute later, the next after four", () => {
		renewal.look(true, key(1), 0);
		const first = renewal.look(true, key(2), 1) as number;
		expect(first >= minute / 2 - 1 && first <= 1.5 * minute).toBe(true);
		expect(renewal.look(true, key(2), first)).toBe(1);
		expect(renewal.look(true, key(2), first + 1)).toBe(0);
		expect(renewal.look(true, key(2), first + 2)).toBe(undefined);
		const second = renewal.look(true, key(3), first + 2) as number;
		expect(second >= 2 * minute - 1 && second <= 6 * minute).toBe(true);
	});

	test("a key that was valid in between is replaced at once when it expires, be it the same or another one", () => {
		for (const number of [1, 1, 2, 2]) {
			expect(renewal.look(true, key(number), 0)).toBe(0);
			expect(renewal.look(false, key(number), 1)).toBe(undefined);
		}
	});

	test("remembers the key itself, not where it was read from", () => {
		const read = key(1);
		renewal.look(true, read, 0);
		read.fill(2);
		expect(renewal.look(true, key(1), 1)).toBe(undefined);
	});
});
