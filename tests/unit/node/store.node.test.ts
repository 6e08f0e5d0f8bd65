/** The file store: who may read it, and that a crash leaves the old value or the new one. */
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../../hosts/node/store.js";
import { beforeEach, describe, expect, test } from "../../harness.js";

let folder = "";
beforeEach(() => {
	if (folder) rmSync(folder, { recursive: true, force: true });
	folder = mkdtempSync(join(tmpdir(), "tailnet-store-"));
});

const mode = (path: string): number => statSync(path).mode & 0o777;

describe("file store", () => {
	test("gives back what was set, also to another process; nothing for a key that is not there; deleting twice is harmless", () => {
		const path = join(folder, "a", "b");
		const store = openStore(path);
		expect(store.get("node-key")).toBe(undefined);
		const value = Uint8Array.of(1, 2, 3);
		store.set("node-key", value);
		value[0] = 9;
		expect(openStore(path).get("node-key")).toEqual(Uint8Array.of(1, 2, 3));
		store.set("node-key", new Uint8Array(4096).fill(7));
		expect(store.get("node-key")?.length).toBe(4096);
		store.delete("node-key");
		store.delete("node-key");
		expect(openStore(path).get("node-key")).toBe(undefined);
	});

	test("only the owner may enter the folder (0700) and read the values (0600), whatever the mask says", () => {
		const mask = process.umask(0);
		try {
			const path = join(folder, "state");
			const store = openStore(path);
			store.set("machine-key", Uint8Array.of(1));
			expect([mode(path), mode(join(path, "machine-key"))]).toEqual([0o700, 0o600]);
		} finally {
			process.umask(mask);
		}
	});

	test("a crash between write and rename leaves the old value, and the next start removes what was half done", () => {
		const store = openStore(folder);
		store.set("node-key", Uint8Array.of(1));
		writeFileSync(join(folder, "node-key.new"), Uint8Array.of(2));
		writeFileSync(join(folder, "other.new"), Uint8Array.of(2));
		const after = openStore(folder);
		expect([after.get("node-key"), after.get("other"), readdirSync(folder)]).toEqual([Uint8Array.of(1), undefined, ["node-key"]]);
	});

	test("a value is a file of its own, and no temporary one stays", () => {
		const store = openStore(folder);
		for (let i = 0; i < 20; i += 1) store.set("udp-port", Uint8Array.of(i, i));
		expect([readdirSync(folder), [...readFileSync(join(folder, "udp-port"))]]).toEqual([["udp-port"], [19, 19]]);
	});

	test("a key that could leave the folder is refused", () => {
		const store = openStore(folder);
		for (const key of ["../x", "a/b", "", ".", "a.new", "x".repeat(65)]) {
			for (const action of [() => store.get(key), () => store.set(key, new Uint8Array(1)), () => store.delete(key)])
				expect(action).toThrow(expect.objectContaining({ code: "io" }));
		}
		expect(existsSync(join(folder, "..", "x"))).toBe(false);
	});

	test("a folder that cannot be used is an error with a name, at once", () => {
		const file = join(folder, "file");
		writeFileSync(file, "");
		expect(() => openStore(file)).toThrow(expect.objectContaining({ code: "io", message: expect.stringContaining("state folder") }));
		if (process.getuid?.() === 0) return; // root may do everything
		chmodSync(folder, 0o500);
		expect(() => openStore(join(folder, "x"))).toThrow(expect.objectContaining({ code: "io" }));
		chmodSync(folder, 0o700);
	});

	test("a folder that somebody else has open is refused before anything in it is touched; close gives it free", () => {
		const temporary = join(folder, "node-key.new");
		writeFileSync(temporary, "");
		expect(() => openStore(folder, () => -1)).toThrow(expect.objectContaining({ code: "io", message: expect.stringContaining("in use") }));
		expect(existsSync(temporary)).toBe(true);
		let descriptor = -1;
		const store = openStore(folder, (path) => (descriptor = openSync(path, "w")));
		expect(existsSync(temporary)).toBe(false);
		store.close?.();
		store.close?.();
		expect(() => closeSync(descriptor)).toThrow("EBADF");
		expect(() => openStore(folder, () => -2)).not.toThrow();
	});

	test("a value that the disk takes only in part is an error, and the old one stays", () => {
		if (!existsSync("/dev/full")) return;
		const store = openStore(folder);
		store.set("node-key", Uint8Array.of(1));
		symlinkSync("/dev/full", join(folder, "node-key.new"));
		expect(() => store.set("node-key", Uint8Array.of(2))).toThrow(expect.objectContaining({ code: "io", message: expect.stringContaining("ENOSPC") }));
		expect(store.get("node-key")).toEqual(Uint8Array.of(1));
	});

	test("without a folder the values live as long as the store, each apart from the caller's bytes", () => {
		const store = openStore(undefined);
		const value = Uint8Array.of(5);
		store.set("x", value);
		value[0] = 6;
		const got = store.get("x") as Uint8Array;
		expect(got[0]).toBe(5);
		got[0] = 7;
		expect(store.get("x")?.[0]).toBe(5);
		expect(openStore(undefined).get("x")).toBe(undefined);
	});
});
