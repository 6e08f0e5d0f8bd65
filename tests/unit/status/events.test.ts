/** The stream of facts: once a second, and what happens to those who do not take it. */
import { utf8Decode } from "tailnet/host";
import { type EventStream, EventStreams, periodMS, stallMS } from "../../../status/events.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing } from "../../xs/host.js";

let made = 0;
beforeEach(() => {
	testing.reset();
	made = 0;
});

function* facts(): Generator<string, void> {
	made += 1;
	yield `{"n":${made},`;
	yield `"x":"${"y".repeat(100)}"}`;
}

/** Takes all that is there. */
function take(stream: EventStream, space = 4096): string {
	let text = "";
	for (let part = stream.next(space); part; part = stream.next(space)) text += utf8Decode(part);
	return text;
}

const event = (n: number): string => `event: status\ndata: {"n":${n},"x":"${"y".repeat(100)}"}\n\n`;

describe("events", () => {
	test("the first is there at once, with how soon to come back; then one a second, and each is told of", () => {
		const stream = new EventStreams(2).open("a", facts) as EventStream;
		let told = 0;
		stream.onMore = () => (told += 1);
		expect(take(stream)).toBe(`retry: 2000\n\n${event(1)}`);
		expect(take(stream)).toBe("");
		testing.advance(periodMS - 1);
		expect([told, take(stream)]).toEqual([0, ""]);
		testing.advance(1);
		expect([told, take(stream)]).toEqual([1, event(2)]);
		testing.advance(periodMS);
		expect(take(stream)).toBe(event(3));
	});

	test("a viewer who is slow loses whole events and gets the others whole; nothing is made for what they lose", () => {
		const stream = new EventStreams(2).open("a", facts) as EventStream;
		let text = "";
		for (let i = 0; i < 20; i += 1) {
			const part = stream.next(50);
			if (part) text += utf8Decode(part);
			testing.advance(periodMS);
		}
		const whole = text.slice(0, text.lastIndexOf("\n\n") + 2).replace("retry: 2000\n\n", "");
		const events = whole.split(/(?<=\n\n)/);
		expect(events).toEqual(events.map((_, i) => event(i + 1)));
		expect([events.length > 2, made <= events.length + 1, stream.skipped > 5]).toEqual([true, true, true]);
	});

	test("a viewer who takes nothing for a minute is left, one who takes a byte is not", () => {
		const streams = new EventStreams(2);
		const [dead, slow] = [streams.open("a", facts) as EventStream, streams.open("b", facts) as EventStream];
		for (let passed = 0; passed <= stallMS; passed += periodMS) {
			slow.next(1);
			testing.advance(periodMS);
		}
		expect([dead.isEnded, slow.isEnded, streams.count]).toEqual([true, false, 1]);
		expect(dead.next(100)).toBe(undefined);
	});

	test("there is room for so many; one more of the same viewer takes the place of their oldest, another is refused", () => {
		const streams = new EventStreams(2);
		const first = streams.open("a", facts);
		const second = streams.open("b", facts);
		expect(streams.open("c", facts)).toBe(undefined);
		const third = streams.open("a", facts);
		expect([first?.isEnded, second?.isEnded, third?.isEnded, streams.count]).toEqual([true, false, false, 2]);
	});

	test("without viewers there is no timer, and closing is heard once", () => {
		const streams = new EventStreams(2);
		expect(testing.timers).toBe(0);
		const [a, b] = [streams.open("a", facts) as EventStream, streams.open("b", facts) as EventStream];
		expect(testing.timers).toBe(1);
		let heard = 0;
		a.onMore = () => (heard += 1);
		a.close();
		a.close();
		expect([heard, streams.count, testing.timers]).toEqual([1, 1, 1]);
		streams.close();
		expect([b.isEnded, streams.count, testing.timers]).toEqual([true, 0, 0]);
	});
});
