/**
 * The setup page of a device without a login: examples/setup in the simulator, asked from another machine of its local network, by Chromium as well; then the factory reset.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import QRCode from "qrcode";
import { root } from "../../../scripts/prepare.js";
import { browserMissing, launch, openPage, picture, violations } from "../../browser/harness/browser.js";
import { askFrom } from "../../interop/harness/page.js";
import { build, library } from "../harness/sdk.js";

const controlPort = 8182;
const hostname = "newcomer";
const parameters = [`controlURL=http://10.71.0.1:${controlPort}`];

const ask = (t, path, options) => askFrom(t.world.hub, `http://${t.world.place.address}${path}`, options);

/** Waits for a line that the example traces, after the first `from` lines. */
const traced = (t, line, from = 0) =>
	t.world.eventually(() => {
		const found = t.node.log.slice(from).find((text) => line.test(text));
		t.assert.ok(found !== undefined, `nothing like ${line} in\n${t.node.log.join("\n")}`);
		return found;
	}, 30_000);

async function start(t) {
	t.node = await t.world.launch(hostname, { library: library("tailnet-setup"), env: { SSL_CERT_FILE: t.world.peers.ca } });
	t.store = join(t.node.options.directory, "state/tailnet", hostname);
}

/** The page's facts, once it has a URL. */
const offered = (t) =>
	t.world.eventually(async () => {
		const { status, body } = await ask(t, "/state");
		t.assert.equal(status, 200);
		const facts = JSON.parse(body);
		t.assert.ok(facts.url, body);
		return facts;
	}, 30_000);

/** A client that connects and asks for nothing. */
async function silentClient(t) {
	const script = `const say = (event) => console.log(JSON.stringify({ event }));
		require("node:net").connect(80, "${t.world.place.address}", () => say("open")).on("error", () => {}).on("close", () => say("closed"));`;
	const client = t.world.alongside("client", [process.execPath, "-e", script]);
	await client.waitFor("its connection", ({ event }) => event === "open", 5000);
	return client;
}

const refused = async (t) => t.assert.equal((await ask(t, "/")).code, "ECONNREFUSED");

/** The modules of a code's SVG as rows of 0 and 1. */
function modulesOf(svg) {
	const size = Number(/viewBox="0 0 (\d+) /.exec(svg)[1]) - 8;
	const rows = Array.from({ length: size }, () => Array(size).fill(0));
	for (const [, x, y, width] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) rows[y - 4].fill(1, x - 4, x - 4 + Number(width));
	return rows.map((row) => row.join("")).join("\n");
}

/** Every code of a text that a reader would take for it: of any strength and mask. */
function codesOf(text) {
	const codes = [];
	for (const errorCorrectionLevel of ["L", "M", "Q", "H"])
		for (let maskPattern = 0; maskPattern < 8; maskPattern++) {
			const { size, data } = QRCode.create([{ data: Buffer.from(text), mode: "byte" }], { errorCorrectionLevel, maskPattern }).modules;
			codes.push(Array.from({ length: size }, (_, y) => Array.from(data.slice(y * size, (y + 1) * size), Number).join("")).join("\n"));
		}
	return codes;
}

export default {
	title: "The setup page of a device without a login",
	world: { control: { port: controlPort, requireAuthKey: "", requireAuth: true } },
	missing: () => browserMissing()[0],
	timeoutMS: 300_000,
	async before(t) {
		await build(join(root, "examples/setup"), { parameters });
		await start(t);
		t.browser = await launch(t.world.hub, t.world.directory);
	},
	after: (t) => t.browser?.close(),
	cases: [
		[
			"is there on the device's local address while it has no login, with the URL that control gave, as link and as QR code",
			async (t) => {
				await traced(t, /^setup page on port 80$/);
				t.facts = await offered(t);
				t.assert.deepEqual([t.facts.name, t.facts.state, new URL(t.facts.url).port], [hostname, "needs-login", `${controlPort}`]);
				const { status, headers, body } = await ask(t, "/qr.svg");
				t.assert.deepEqual([status, headers["content-type"]], [200, "image/svg+xml"]);
				t.assert.ok(codesOf(t.facts.url).includes(modulesOf(body)), body);
				let bytes = 0;
				for (const path of ["/", "/setup.css", "/setup.js"]) bytes += (await ask(t, path)).body.length;
				t.assert.ok(bytes < 4096, `${bytes} bytes`);
				return `${bytes} bytes`;
			},
		],
		[
			"answers to its address alone, changes nothing, and no other site may read it",
			async (t) => {
				for (const host of ["evil.example", hostname, `${hostname}.local`]) t.assert.equal((await ask(t, "/state", { headers: { host } })).status, 403);
				t.assert.equal((await ask(t, "/state", { method: "POST" })).status, 405);
				t.assert.equal((await ask(t, "/nothing")).status, 404);
				const { headers } = await ask(t, "/state", { headers: { origin: "http://evil.example" } });
				t.assert.deepEqual([headers["access-control-allow-origin"], headers["cross-origin-resource-policy"]], [undefined, "same-origin"]);
			},
		],
		[
			"ends a request that is longer than one may be, and answers the next",
			async (t) => {
				const { code } = await ask(t, "/", { headers: { "x-long": "x".repeat(12_000) } });
				t.assert.ok(["ECONNRESET", "EPIPE"].includes(code), `${code}`);
				t.assert.equal((await ask(t, "/")).status, 200);
			},
		],
		[
			"can be used on a phone, in light and in dark, and nothing is complained of",
			async (t) => {
				t.opened = await openPage(t.browser, { viewport: { width: 360, height: 740 } });
				const { page, complaints } = t.opened;
				await page.goto(`http://${t.world.place.address}/`);
				await page.locator("#url").waitFor({ timeout: 10_000 });
				t.assert.equal(await page.locator("#url").getAttribute("href"), t.facts.url);
				await page.waitForFunction(() => document.getElementById("qr").naturalWidth > 0);
				t.assert.match(await page.locator("#text").textContent(), /^Waiting for a login/);
				t.assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
				for (const colorScheme of ["light", "dark"]) {
					await page.emulateMedia({ colorScheme });
					t.assert.deepEqual(await violations(page), []);
					await picture(page, `setup-${colorScheme}`);
				}
				await page.keyboard.press("Tab");
				t.assert.equal(await page.evaluate(() => document.activeElement.id), "url");
				t.assert.deepEqual(complaints, []);
			},
		],
		[
			"is gone when the URL was visited: the port refuses connections, those that are open end, and an open page says so",
			async (t) => {
				const client = await silentClient(t);
				await t.world.peers.do("control.set", { completeAuth: t.facts.url });
				await traced(t, /^running/);
				await refused(t);
				await client.waitFor("its end", ({ event }) => event === "closed", 5000);
				const { page } = t.opened;
				await page.locator("#text:has-text('This page is closed')").waitFor({ timeout: 10_000 });
				t.assert.ok(await page.locator("#login").isHidden());
				await page.context().close();
			},
		],
		[
			"is there again when the key has expired, with another URL, and gone when that was visited",
			async (t) => {
				const from = t.node.log.length;
				await t.world.peers.do("control.expire", { node: hostname, at: new Date(Date.now() - 60_000).toISOString() });
				const { url } = await offered(t);
				t.assert.notEqual(url, t.facts.url);
				await t.world.peers.do("control.set", { completeAuth: url });
				await t.world.peers.do("control.expire", { node: hostname });
				await traced(t, /^running/, from);
				await refused(t);
			},
		],
		[
			"is not there at the next start, which needs no login",
			async (t) => {
				await t.node.close();
				await start(t);
				await traced(t, /^running/);
				await refused(t);
				t.assert.ok(!t.node.log.some((line) => line.includes("setup page")));
				await t.node.close();
			},
		],
		[
			"is there after a factory reset: another machine without a login, and no key of before in the store",
			async (t) => {
				const old = new Map(["machine-key", "node-key", "registered"].map((name) => [name, readFileSync(join(t.store, name))]));
				const { Machine } = await t.world.known(hostname);
				await build(join(root, "examples/setup"), { parameters: [...parameters, "reset=yes"] });
				await start(t);
				await traced(t, /^reset$/);
				const { url } = await offered(t);
				const kept = readdirSync(t.store);
				t.assert.ok(kept.includes("machine-key") && !kept.includes("registered") && !kept.includes("reset"), kept.join(" "));
				for (const name of kept) for (const [which, key] of old) t.assert.ok(!readFileSync(join(t.store, name)).includes(key), `${which} is in ${name}`);
				await t.world.peers.do("control.set", { completeAuth: url });
				await traced(t, /^running/);
				const machines = (await t.world.peers.do("control.nodes", {})).map((node) => node.Machine);
				t.assert.equal(new Set(machines).size, 2, machines.join(" "));
				t.assert.ok(machines.includes(Machine));
				await t.node.close();
			},
			{ timeoutMS: 300_000 },
		],
	],
};
