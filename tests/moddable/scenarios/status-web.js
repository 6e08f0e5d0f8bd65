/**
 * The status page of an app: examples/status-web in the simulator, on the SDK's HTTP server, in a real Chromium on a stock peer's machine.
 */
import { join } from "node:path";
import { root } from "../../../scripts/prepare.js";
import { browserMissing, launch, openPage, picture } from "../../browser/harness/browser.js";
import { authKey } from "../../interop/harness/world.js";
import { build, library } from "../harness/sdk.js";

const domain = "interop.test";
/** Known before the world is there: the app has it from its build. */
const controlPort = 8181;
const capability = "example.com/cap/status";
const hostname = "greenhouse";
const url = `http://${hostname}.${domain}/`;
const parameters = [`authKey=${authKey}`, `controlURL=http://10.71.0.1:${controlPort}`, `capability=${capability}`];

const everybody = { SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] };
const grantTo = (world, source) =>
	world.peers.do("control.override", {
		hostname,
		response: { PacketFilters: { base: [everybody, { SrcIPs: [source], CapGrant: [{ Dsts: ["100.64.0.0/10"], CapMap: { [capability]: [] } }] }] } },
	});

async function look(t) {
	const opened = await openPage(t.browser);
	await opened.page.goto(url);
	await opened.page.locator("#live:text-is('live')").waitFor({ timeout: 15_000 });
	return opened;
}

export default {
	title: "The status page of an app",
	world: { control: { port: controlPort, stream: "own", magicDNSDomain: domain, dnsConfig: { Proxied: true, Domains: [domain] } } },
	missing: () => browserMissing()[0],
	timeoutMS: 300_000,
	async before(t) {
		await build(join(root, "examples/status-web"), { parameters });
		t.t1 = await t.world.stock("t1");
		t.node = await t.world.launch(hostname, { library: library("tailnet-status-web"), env: { SSL_CERT_FILE: t.world.peers.ca } });
		const { Addresses } = await t.world.eventually(() => t.world.known(hostname), 30_000);
		t.address = Addresses[0].split("/")[0];
		await t.world.untilDirect("t1", t.address, 20_000);
		const { address } = await t.world.peers.do("node.proxy", { node: "t1" });
		t.browser = await launch(t.world.hub, t.world.directory, address);
	},
	after: (t) => t.browser?.close(),
	cases: [
		[
			"loads, is live, names who looks, and nothing is complained of",
			async (t) => {
				const { page, complaints } = await look(t);
				t.assert.equal(await page.locator("h1").textContent(), `${hostname}.${domain}`);
				t.assert.match(await page.locator("#viewer").textContent(), new RegExp(`^You are t1\\.${domain} `));
				t.assert.match(await page.locator("#peers").textContent(), /Pathdirect, 10\.71\.0\.1:\d+/);
				const sent = async () => (await page.evaluate(() => fetch("/status.json").then((answer) => answer.json()))).peers[0].bytesSent;
				const before = await sent();
				await t.world.eventually(async () => t.assert.ok((await sent()) > before));
				await picture(page, "status-simulator");
				t.assert.deepEqual(complaints, []);
				await page.context().close();
			},
		],
		[
			"is loaded twenty times one after the other: what was left is free again",
			async (t) => {
				const { page, complaints } = await look(t);
				for (let i = 0; i < 20; i++) {
					await page.reload();
					await page.locator("#live:text-is('live')").waitFor({ timeout: 15_000 });
				}
				const facts = await page.evaluate(() => fetch("/status.json").then((answer) => answer.json()));
				t.assert.ok(facts.pools[0].used < 16, `${facts.pools[0].used} sockets`);
				t.assert.deepEqual(
					complaints.filter((text) => !text.includes("net::ERR_ABORTED")),
					[],
				);
				await page.context().close();
			},
			{ timeoutMS: 120_000 },
		],
		[
			"one viewer more than there is room for waits, and looks when another has left",
			async (t) => {
				// Two of one peer are all that there is room for, and that peer's third takes the place of its first: the stranger is another peer.
				const first = await look(t);
				const second = await look(t);
				await t.world.stock("t2");
				const { address } = await t.world.peers.do("node.proxy", { node: "t2" });
				const other = await launch(t.world.hub, t.world.directory, address);
				const { page } = await openPage(other);
				await page.goto(url);
				await page.locator("#live:has-text('the connection is lost')").waitFor({ timeout: 15_000 });
				await first.page.context().close();
				await page.locator("#live:text-is('live')").waitFor({ timeout: 20_000 });
				t.assert.match(await page.locator("#viewer").textContent(), /^You are t2\./);
				await second.page.context().close();
				await other.close();
			},
			{ timeoutMS: 90_000 },
		],
		[
			"lets whom the policy lets look for paths anew, and lives on; refuses the rest by name",
			async (t) => {
				const { page } = await look(t);
				const post = (headers) =>
					page.evaluate(
						(all) => fetch("/rebind", { method: "POST", headers: all, body: "x".repeat(500) }).then(async (answer) => [answer.status, await answer.text()]),
						headers,
					);
				t.assert.deepEqual(await post({}), [403, "the tailnet's policy does not grant you this\n"]);
				await grantTo(t.world, t.t1.ip4);
				await page.locator("#actions").waitFor({ state: "visible", timeout: 10_000 });
				t.assert.deepEqual(await post({}), [403, "the token is missing, or of another run\n"]);
				await page.locator("#rebind").click();
				await page.locator("#outcome:text-is('rebind has begun')").waitFor();
				await t.world.untilDirect("t1", t.address, 20_000);
				await page.locator('#peers dd:text-matches("^direct")').first().waitFor();
				await page.context().close();
			},
			{ timeoutMS: 90_000 },
		],
	],
};
