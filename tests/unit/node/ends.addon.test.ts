/** A closed node keeps nothing alive: a process that closes its node in any state ends by itself. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "../../harness.js";
import { type Lab, startLab } from "../../lab/lab.js";
import { stage } from "./stage.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
// The processes run what is built.
spawnSync(process.execPath, [join(root, "scripts/build.js")]);

/** Runs a leaver. @returns its exit code and what it said; "killed" when it did not end */
function leave(lab: Lab, when: string, { authKey = lab.authKey, store = "" } = {}): Promise<string> {
	return new Promise((resolve) => {
		const script = join(root, "tests/unit/node/leaver.js");
		const child = spawn(process.execPath, [script, when, lab.controlURL, authKey, store, lab.authorityPEM], { stdio: ["ignore", "pipe", "pipe"] });
		let text = "";
		child.stdout.on("data", (bytes) => (text += bytes));
		child.stderr.on("data", (bytes) => (text += bytes));
		const timer = setTimeout(() => child.kill("SIGKILL"), 4500);
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			resolve(signal ? `killed: ${text}` : `${code} ${text.trim()}`);
		});
	});
}

/** Runs a story on a lab, which is closed however it ends. */
async function withLab(story: (lab: Lab) => Promise<void>): Promise<void> {
	const lab = await startLab();
	try {
		await story(lab);
	} finally {
		await lab.close();
	}
}

describe("close", () => {
	for (const when of ["at once", "soon", "running", "sockets", "asking", "logout"]) {
		test(`${when}: the process ends by itself`, async () => {
			await withLab(async (lab) => expect(await leave(lab, when)).toBe(`0 closed in ${when}: stopped`));
		});
	}

	test("from inside each callback: the process ends by itself, and nothing is called any more", async () => {
		await stage({}, async (lab, start) => {
			await start("beta").running();
			for (const when of ["onStateChange", "onSelfChange", "onPeersChange", "onPathChange", "onHealthChange"])
				expect(await leave(lab, when)).toBe(`0 closed in ${when}: stopped`);
		});
	}, 30_000);

	test("while a person is to log in, after a refusal, and while control is mute: the process ends by itself", async () => {
		await withLab(async (lab) => {
			expect(await leave(lab, "login", { authKey: "" })).toBe("0 closed in login: stopped");
			expect(await leave(lab, "error", { authKey: "wrong" })).toBe("0 closed in error: stopped");
			lab.control.faults.mute = true;
			expect(await leave(lab, "soon")).toBe("0 closed in soon: stopped");
		});
	}, 30_000);

	test("a state folder that another process uses is refused, by name, and free again when that process ends, however it ends", async () => {
		await withLab(async (lab) => {
			const store = mkdtempSync(join(tmpdir(), "tailnet-two-"));
			const script = join(root, "tests/unit/node/leaver.js");
			const first = spawn(process.execPath, [script, "never", lab.controlURL, lab.authKey, store, lab.authorityPEM], { stdio: "ignore" });
			try {
				for (let i = 0; i < 400 && !existsSync(join(store, "udp-port")); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
				expect(await leave(lab, "running", { store })).toContain("the state folder is in use by another node");
			} finally {
				first.kill("SIGKILL");
				await new Promise((resolve) => first.once("close", resolve));
			}
			expect(await leave(lab, "running", { store })).toBe("0 closed in running: stopped");
			expect(lab.control.nodes.all.length).toBe(1);
		});
	}, 30_000);

	test("a node that is killed leaves a state that starts, as the same node", async () => {
		await withLab(async (lab) => {
			const store = mkdtempSync(join(tmpdir(), "tailnet-kill-"));
			const script = join(root, "tests/unit/node/leaver.js");
			for (const delayMS of [60, 90, 120, 150, 180, 220, 260]) {
				const child = spawn(process.execPath, [script, "never", lab.controlURL, lab.authKey, store, lab.authorityPEM], { stdio: "ignore" });
				await new Promise((resolve) => setTimeout(resolve, delayMS));
				child.kill("SIGKILL");
				await new Promise((resolve) => child.once("close", resolve));
			}
			expect(await leave(lab, "running", { store })).toBe("0 closed in running: stopped");
			expect(lab.control.nodes.all.length).toBe(1);
		});
	}, 30_000);
});
