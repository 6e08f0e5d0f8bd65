/** What `npm test` shows of rings that run side by side (scripts/turns.js). */
import { describe, expect, test } from "../../harness.js";

// Plain JavaScript, without types.
const file = "../../../scripts/turns.js";
const { Turns } = await import(file);

describe("text of programs side by side", () => {
	/** Three programs, and what has been shown so far. */
	function three() {
		let shown = "";
		return { turns: new Turns(3, (text: string) => (shown += text)), shown: () => shown };
	}

	test("is shown in their order, the first as it prints", () => {
		const { turns, shown } = three();
		turns.print(1, "b1 ");
		turns.print(0, "a1 ");
		expect(shown()).toBe("a1 ");
		turns.print(2, "c1 ");
		turns.end(0);
		expect(shown()).toBe("a1 b1 ");
		turns.print(1, "b2 ");
		expect(shown()).toBe("a1 b1 b2 ");
		turns.end(1);
		turns.print(2, "c2 ");
		turns.end(2);
		expect(shown()).toBe("a1 b1 b2 c1 c2 ");
	});

	test("is kept of one that ended long before its turn", () => {
		const { turns, shown } = three();
		turns.print(2, "c1 ");
		turns.end(2);
		turns.print(1, "b1 ");
		turns.end(1);
		expect(shown()).toBe("");
		turns.end(0);
		expect(shown()).toBe("b1 c1 ");
	});
});
