/**
 * The status page as people see it: the browser is on a stock peer's machine, the node is ours.
 */
import { Peers } from "../../interop/harness/peers.js";
import { at } from "../../interop/harness/world.js";
import { launch, leaflet, openPage, picture, violations } from "../harness/browser.js";

const domain = "interop.test";
const url = `http://a.${domain}/`;
const capability = "example.com/cap/status";
const long = "the-greenhouse-behind-the-old-station-with-the-longest-name";
const widths = [360, 1440];
const schemes = ["light", "dark"];
/** What a page is late by, at most. */
const latenessMS = 2000;

const everybody = { SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: 0, Last: 65535 } }] };
/** What the policy grants at our node. */
const grantTo = (world, source) => {
	const grants = source ? [{ SrcIPs: [source], CapGrant: [{ Dsts: ["100.64.0.0/10"], CapMap: { [capability]: [] } }] }] : [];
	return world.peers.do("control.override", { hostname: "a", response: { PacketFilters: { base: [everybody, ...grants] } } });
};

/** In a peer's namespace. */
const noUDP = `table inet interop {
	chain input { type filter hook input priority -10; policy accept; meta l4proto udp drop; }
}
`;

/** The card of a peer. */
const card = (name) => `#peers > li:has(h3:text-is("${name}.${domain}"))`;

/** The page, open and live. */
async function look(t, options = {}, address = url) {
	const opened = await openPage(t.browser, options);
	await opened.page.goto(address);
	await opened.page.locator("#live:text-is('live')").waitFor({ timeout: 10_000 });
	return opened;
}

/** Nothing was complained of, and the page is done with. */
async function leave(t, { page, complaints }) {
	t.assert.deepEqual(complaints, []);
	await page.context().close();
}

/** The path of a peer as the page has it. */
const path = (page, name, kind) => page.locator(card(name)).locator(`dd:text-matches("^${kind}")`);

/**
 * Changes the network of the peer "far", and speaks to it all the while.
 * @returns how long after the node took the other path the page shows it, in milliseconds
 */
async function lateness(t, page, kind, change) {
	const from = t.a.events.length;
	let isOver = false;
	const shown = path(page, "far", kind)
		.waitFor({ timeout: 30_000 })
		.then(() => performance.now());
	const isIt = ({ event, peer, via }) => event === "path" && peer === `far.${domain}` && (kind === "direct") === !via.startsWith("DERP");
	change();
	const speak = async () => {
		while (!isOver) await t.a.do({ do: "ping", peer: t.far.address, kind: "tsmp", timeoutMS: 500 }).catch(() => {});
	};
	const speaking = speak();
	try {
		const [{ at: told }, seen] = await Promise.all([t.a.waitFor(`a path ${kind}`, isIt, 30_000, { from }), shown]);
		t.assert.ok(seen - told < latenessMS, `shown ${Math.round(seen - told)} ms after the node took it`);
		return Math.round(seen - told);
	} finally {
		isOver = true;
		await speaking;
	}
}

const post = (page, path, headers) =>
	page.evaluate(
		([to, all]) => fetch(to, { method: "POST", headers: all }).then(async (answer) => [answer.status, (await answer.text()).trim()]),
		[path, headers],
	);

export default {
	title: "The status page in Chromium",
	world: {
		relays: [{ region: 1 }, { region: 2 }, { region: 3 }],
		control: { stream: "own", magicDNSDomain: domain, dnsConfig: { Proxied: true, Domains: [domain] } },
	},
	timeoutMS: 120_000,
	async before(t) {
		t.t1 = await t.world.stock("t1");
		await t.world.stock(long);
		t.far = await t.world.subject("far", { subject: "stock", in: "far" });
		t.away = await t.world.network.namespace("far");
		t.a = await t.world.subject("a", { args: ["--http-actions", capability, "--log-level", "info"] });
		await t.world.untilDirect("t1", t.a.address);
		await t.world.ping(long, t.a.address, "TSMP");
		await t.a.do({ do: "ping", peer: t.far.address, kind: "tsmp" });
		const { address } = await t.world.peers.do("node.proxy", { node: "t1" });
		t.browser = await launch(t.world.hub, t.world.directory, address);
	},
	after: (t) => t.browser?.close(),
	cases: [
		[
			"loads over the tailnet through a peer, says how the node is and who looks",
			async (t) => {
				const opened = await look(t);
				const { page } = opened;
				t.assert.equal(await page.locator("h1").textContent(), `a.${domain}`);
				t.assert.equal(await page.locator("#state").textContent(), "running");
				t.assert.match(
					await page.locator("#viewer").textContent(),
					new RegExp(`^You are t1\\.${domain} \\(${t.t1.ip4.replaceAll(".", "\\.")}, \\S+@\\S+\\)\\.$`),
				);
				t.assert.match(await page.locator("#self").textContent(), new RegExp(`${t.a.address}\n${t.a.address6}`));
				for (const layer of ["control", "key", "network", "relay", "udp", "netmap", "pools"])
					t.assert.match(await page.locator(`#layers > li[data-key=${layer}]`).textContent(), new RegExp(`^${layer}(well|note)`));
				t.assert.match(
					await page.locator(card("t1")).textContent(),
					/Pathdirect, 10\.71\.0\.1:\d+Latency[\d.]+ msSent[\d.]+ (bytes|KB)Received[\d.]+ (bytes|KB)Handshake\d+ s ago/,
				);
				t.assert.match(await page.locator("#relays").textContent(), /^(r\d( \(home\))?[\d.]+ ms){3}$/);
				t.assert.match(await page.locator("#pools").textContent(), /sockets\d+ of \d+peers3 of \d+/);
				await leave(t, opened);
			},
		],
		[
			"shows within two seconds that a path has gone to the relay, and that it is direct again; latency is plotted meanwhile",
			async (t) => {
				const opened = await look(t);
				await path(opened.page, "far", "direct").waitFor();
				const relayed = await lateness(t, opened.page, "by relay", () => t.away.rules(noUDP));
				const direct = await lateness(t, opened.page, "direct", () => t.away.rules(""));
				const plot = opened.page.locator(card("far")).locator("svg");
				await t.world.eventually(async () => t.assert.ok((await plot.locator("polyline").count()) >= 2, "no two lines in the plot"));
				t.assert.equal(await plot.locator("line").count(), 2);
				t.assert.match(await plot.getAttribute("aria-label"), /^Latency of far\.interop\.test: [\d.]+ ms to [\d.]+ ms, last \d+ s$/);
				await leaflet(opened.page, "status-desktop", { width: 1200, height: 900 }, "light");
				await leaflet(opened.page, "status-phone", { width: 360, height: 800 }, "dark", "#h-peers");
				await leave(t, opened);
				return `${relayed} ms, ${direct} ms`;
			},
			{ timeoutMS: 90_000 },
		],
		[
			"lives through a change of the viewer's own path, both ways, without being loaded again",
			async (t) => {
				const opened = await look(t);
				await path(opened.page, "t1", "direct").waitFor();
				t.world.blockUDP();
				await path(opened.page, "t1", "by relay").waitFor({ timeout: 40_000 });
				t.world.allowUDP();
				await path(opened.page, "t1", "direct").waitFor({ timeout: 40_000 });
				await leave(t, opened);
			},
			{ timeoutMS: 100_000 },
		],
		...widths.flatMap((width) =>
			schemes.map((colorScheme) => [
				`at ${width} px, ${colorScheme}: nothing is wider than the screen, and axe-core finds nothing`,
				async (t) => {
					await grantTo(t.world, t.t1.ip4);
					const opened = await look(t, { colorScheme, viewport: { width, height: 800 } });
					const { page } = opened;
					await page.locator("#rebind").waitFor();
					await page.locator(card(long)).waitFor();
					const [inner, outer] = await page.evaluate(() => [document.scrollingElement.scrollWidth, globalThis.innerWidth]);
					t.assert.ok(inner <= outer, `${inner} of ${outer} px`);
					t.assert.deepEqual(await violations(page), []);
					await picture(page, `status-${width}-${colorScheme}`);
					await page.locator("#logout").click();
					t.assert.deepEqual(await violations(page), []);
					await page.locator("#no").click();
					await leave(t, opened);
				},
			]),
		),
		[
			"is read without colour: each state is a word with a sign, and each bar has its figure",
			async (t) => {
				const opened = await look(t, { forcedColors: "active" });
				const signs = await opened.page
					.locator("#layers .word")
					.evaluateAll((all) => all.map((word) => [word.textContent, getComputedStyle(word, "::before").content]));
				for (const [word, sign] of signs) t.assert.ok(/^(well|note|impaired|failing)$/.test(word) && sign.length > 2, `${word} ${sign}`);
				for (const text of await opened.page.locator(".bar > span").allTextContents()) t.assert.match(text, /\d/);
				await leave(t, opened);
			},
		],
		[
			"is used by keys alone: what can be done is reached by Tab and seen to be, the question is answered by Escape",
			async (t) => {
				const opened = await look(t);
				const { page } = opened;
				await page.locator("#rebind").waitFor();
				const reached = [];
				for (let i = 0; i < 3; i++) {
					await page.keyboard.press("Tab");
					reached.push(
						await page.evaluate(() => [document.activeElement.id || document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]),
					);
				}
				t.assert.deepEqual(reached, [
					["rebind", "solid"],
					["logout", "solid"],
					["The same facts as JSON", "solid"],
				]);
				await page.locator("#logout").focus();
				await page.keyboard.press("Enter");
				t.assert.ok(await page.locator("#sure").isVisible());
				await page.keyboard.press("Escape");
				t.assert.ok(!(await page.locator("#sure").isVisible()));
				t.assert.equal(await page.evaluate(() => document.activeElement.id), "logout");
				await leave(t, opened);
			},
		],
		[
			"tells no more and no less as JSON",
			async (t) => {
				const opened = await look(t);
				const facts = await opened.page.evaluate(() => fetch("/status.json").then((answer) => answer.json()));
				t.assert.deepEqual(Object.keys(facts), ["version", "viewer", "node", "layers", "netcheck", "peerCount", "peers", "pools", "refusals", "memory"]);
				t.assert.equal(facts.node.name, `a.${domain}`);
				await leave(t, opened);
			},
		],
		[
			"a host of the local network gets no answer on that port, neither at the node's address there nor at its tailnet's with a route to it",
			async ({ world, a, assert }) => {
				const stranger = await world.network.namespace("stranger");
				await stranger.run("ip", "route", "add", "100.64.0.0/10", "via", world.place.address);
				const peers = await Peers.start(stranger, world.directory);
				for (const address of [world.place.address, a.address]) {
					const { outcome } = await peers.do("local.dial", { to: at(address, 80) }, 3000);
					assert.ok(["refused", "timeout"].includes(outcome), `${address}: ${outcome}`);
				}
				await peers.close();
			},
		],
		[
			"under a name that is not the node's nothing is shown, though it leads there",
			async (t) => {
				await t.world.peers.do("control.set", { addRecords: [{ Name: `rebound.${domain}`, Value: t.a.address }] });
				const { page } = await openPage(t.browser);
				await t.world.eventually(async () => t.assert.equal((await page.goto(`http://rebound.${domain}/`)).status(), 403));
				t.assert.equal((await page.textContent("body")).trim(), "this is not the node that was asked for");
				await page.context().close();
			},
		],
		[
			"actions are refused without the capability, and without the token; they appear and vanish with the grant, while the page is open",
			async (t) => {
				await grantTo(t.world);
				const { page } = await look(t);
				await page.locator("#actions").waitFor({ state: "hidden" });
				for (const action of ["/rebind", "/logout"]) t.assert.deepEqual(await post(page, action, {}), [403, "the tailnet's policy does not grant you this"]);
				await grantTo(t.world, t.t1.ip4);
				await page.locator("#actions").waitFor({ state: "visible", timeout: 5000 });
				for (const action of ["/rebind", "/logout"]) {
					const refusal = [403, "the token is missing, or of another run"];
					t.assert.deepEqual(await post(page, action, {}), refusal);
					t.assert.deepEqual(await post(page, action, { "x-status-token": "0".repeat(32) }), refusal);
				}
				await grantTo(t.world);
				await page.locator("#actions").waitFor({ state: "hidden", timeout: 5000 });
				await page.context().close();
				t.assert.equal((await t.a.do({ do: "health" })).state, "running");
			},
		],
		[
			"another site's page can neither read what the node says nor make it do anything",
			async (t) => {
				await grantTo(t.world, t.t1.ip4);
				const { page, complaints } = await openPage(t.browser);
				await page.goto(`http://${long}.${domain}/`);
				complaints.length = 0;
				const outcomes = await page.evaluate(async (node) => {
					const read = await fetch(`${node}status.json`).then(
						() => "read",
						() => "refused",
					);
					await fetch(`${node}rebind`, { method: "POST", mode: "no-cors" }).catch(() => {});
					const sent = await fetch(`${node}rebind`, { method: "POST", headers: { "x-status-token": "0" } }).then(
						() => "sent",
						() => "refused",
					);
					return [read, sent];
				}, url);
				t.assert.deepEqual(outcomes, ["refused", "refused"]);
				// What was sent in spite of the browser came, and was refused by the node.
				t.assert.ok(
					complaints.some((text) => text === `request: ${url}rebind net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin`),
					complaints.join("\n"),
				);
				t.assert.ok(!t.a.log.some((line) => line.includes("status page: rebind")));
				await page.context().close();
			},
		],
		[
			"a peer's name is a text, whatever is in it",
			async (t) => {
				const hostile = '<img src=x onerror=document.body.remove()><b id=h-peers>"&amp;';
				await t.world.peers.do("control.edit", { node: "far", fields: { Name: `${hostile}.${domain}.` } });
				const opened = await look(t);
				await opened.page.locator("#peers h3", { hasText: hostile }).waitFor({ timeout: 10_000 });
				t.assert.equal(await opened.page.locator("img, b").count(), 0);
				await leave(t, opened);
			},
		],
		[
			"whom the policy lets may rebind the node, and the page lives on; and log it out, which ends it in order",
			async (t) => {
				await grantTo(t.world, t.t1.ip4);
				const { page } = await look(t);
				await page.locator("#rebind").click();
				await page.locator("#outcome:text-is('rebind has begun')").waitFor();
				t.assert.ok(
					t.a.log.some((line) => line.includes(`status page: rebind asked for by t1.${domain} (${t.t1.ip4})`)),
					t.a.log.join("\n"),
				);
				await t.world.untilDirect("t1", t.a.address);
				await path(page, "t1", "direct").waitFor();
				await page.locator("#logout").click();
				await page.locator("#yes").click();
				await page.locator("#outcome:text-is('logout has begun')").waitFor();
				t.assert.deepEqual({ ...(await t.a.exited) }, { code: 0, signal: null });
				await page.locator("#live:has-text('the connection is lost')").waitFor();
				await page.context().close();
			},
		],
	],
};
