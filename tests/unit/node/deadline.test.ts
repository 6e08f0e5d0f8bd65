/** A timer that follows a deadline. */
import { monotonicMS, type Timer } from "tailnet/host";
import { timerAt } from "../../../modules/deadline.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

let looks: number[];
let timer: Timer | undefined;
let began: number;
const look = (): void => {
	looks.push(monotonicMS() - began);
};
const set = (afterMS: number): void => {
	timer = timerAt(timer, began + afterMS, look);
};
beforeEach(() => {
	testing.reset();
	began = monotonicMS();
	looks = [];
	timer = undefined;
});

describe("timerAt", () => {
	test("looks once, at the deadline that was set last", () => {
		for (const afterMS of [1000, 300, 500]) set(afterMS);
		testing.advance(10_000);
		expect(looks).toEqual([500]);
	});

	test("looks in a later turn where the deadline is over, and never before a part of a millisecond is", () => {
		set(-5);
		expect(looks).toEqual([]);
		testing.advance(0);
		set(10.25);
		testing.advance(100);
		expect(looks).toEqual([0, 11]);
	});

	test("without a deadline there is no timer", () => {
		for (const none of [undefined, Number.POSITIVE_INFINITY]) {
			set(500);
			timer = timerAt(timer, none, look);
			expect(timer).toBe(undefined);
			expect(testing.timers).toBe(0);
		}
	});

	test("a deadline that timers of 32 bits cannot wait for is looked at once a day", () => {
		set(50 * 86_400_000);
		testing.advance(86_400_000);
		expect(looks).toEqual([86_400_000]);
	});
});
