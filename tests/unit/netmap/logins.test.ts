/** Login names of users. */
import { describe, expect, test } from "../../harness.js";
import { firstMessage, Lab, node } from "./fixtures.js";

const said = (...profiles: unknown[]) => ({ ...firstMessage([node(2)]), UserProfiles: profiles });
const profile = (ID: number, LoginName: string) => ({ ID, LoginName, DisplayName: "somebody", ProfilePicURL: "https://example.com/a.png" });

describe("login names", () => {
	test("are known from the message that says them, change with a later one, and stay when none says them", () => {
		const lab = new Lab({ logins: true });
		lab.feed(said(profile(7, "alice@example.com"), profile(8, "bob@example.com")));
		lab.feed({ UserProfiles: [profile(8, "robert@example.com")] });
		lab.feed({ UserProfiles: null });
		lab.reader.begin();
		lab.feed(firstMessage([node(2)]));
		expect(["7", "8", "9"].map((user) => lab.netmap.logins?.get(user))).toEqual(["alice@example.com", "robert@example.com", undefined]);
	});

	test("of a message that is refused are not taken, and a wrong type refuses it", () => {
		for (const wrong of [[profile(7, "mallory@example.com"), 5], [{ LoginName: "x" }], [{ ID: 7, LoginName: 5 }], 5]) {
			const lab = new Lab({ logins: true });
			lab.feed(said(profile(7, "alice@example.com")));
			expect(lab.refuse({ UserProfiles: wrong })).toBe("type");
			lab.reader.begin();
			lab.feed(firstMessage([node(2)]));
			expect(lab.netmap.logins?.get("7")).toBe("alice@example.com");
		}
	});

	test("are kept for 256 users, whose names may change, and none that is too long", () => {
		const lab = new Lab({ logins: true });
		lab.feed(said(...Array.from({ length: 300 }, (_, i) => profile(i + 1, `user-${i + 1}@example.com`))));
		lab.feed({ UserProfiles: [profile(1, "first@example.com"), profile(400, "late@example.com"), profile(2, "x".repeat(255))] });
		expect(["1", "2", "256", "257", "400"].map((user) => lab.netmap.logins?.get(user))).toEqual([
			"first@example.com",
			"user-2@example.com",
			"user-256@example.com",
			undefined,
			undefined,
		]);
	});

	test("cost nothing where nobody wants them", () => {
		const lab = new Lab();
		lab.feed({ ...said(5 as never) });
		expect(lab.netmap.logins).toBe(undefined);
	});
});
