/**
 * The examples: each is built as its README says and run in the simulator with a stock peer; the page of examples/httpserver is asked for also from Node.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../scripts/prepare.js";
import { authKey } from "../../interop/harness/world.js";
import { build, environment, library } from "../harness/sdk.js";

const folder = join(root, "examples");
const names = readdirSync(folder, { withFileTypes: true })
	.filter((entry) => entry.isDirectory() && !["node", "typings"].includes(entry.name))
	.map(({ name }) => name);
/** Known before the world is there: the app has it from its build. */
const controlPort = 8180;
const controlURL = `controlURL=http://10.71.0.1:${controlPort}`;
const settings = [`authKey=${authKey}`, controlURL];
const domain = "interop.test";
const websocketPort = 8001;

/** What an example is told where it is built, besides the settings, its hostname, and what it then says. */
const told = {
	httpclient: { parameters: ["host=t1"], hostname: "reader", says: [/^t1\/: 200$/, /^hello from t1 to /] },
	mqtt: { parameters: ["host=t1"], hostname: "greenhouse", says: [/^sensors\/greenhouse\/celsius: \d+\.\d$/] },
	ping: {
		parameters: [],
		hostname: "pinger",
		says: ["disco", "tsmp", "icmp", "peerapi"].map((kind) => new RegExp(`^t1\\.${domain} ${kind}: \\d+\\.\\d ms via `)),
	},
	status: { parameters: [], hostname: "display", says: [new RegExp(`^display\\.${domain}$`), /^running /, /^t1 /] },
	websocket: { parameters: ["host=t1", `port=${websocketPort}`], hostname: "ticker", says: [/^\{"celsius":[\d.]+\}$/] },
};

const builds = new Map();

/** One after the other. */
function buildAll() {
	let before = Promise.resolve();
	for (const name of ["httpserver", ...names.filter((other) => other !== "httpserver")]) {
		before = before.catch(() => {}).then(() => build(join(folder, name), { parameters: parametersOf(name) }));
		before.catch(() => {});
		builds.set(name, before);
	}
}

/** A key is for all but the one that has none. */
const parametersOf = (name) => (name === "login" ? [controlURL] : [...settings, ...(told[name]?.parameters ?? [])]);

/** Runs an example in the simulator; what it traces is in the log. */
function run(t, name, hostname) {
	return t.world.launch(hostname, { library: library(`tailnet-${name}`), env: { SSL_CERT_FILE: t.world.peers.ca } });
}

/** Waits for a line that it traces. */
const traced = (t, node, line) =>
	t.world.eventually(() => {
		const found = node.log.map((text) => line.exec(text)).find(Boolean);
		t.assert.ok(found, `nothing like ${line} in\n${node.log.join("\n")}`);
		return found;
	}, 30_000);

/** A running example is asked for its page, by the relay and then directly. */
const asked = (what, hostname, start) => [
	[
		`${what}: it joins the tailnet, and a peer gets its page through DERP`,
		async (t) => {
			t.world.blockUDP();
			await start(t);
			const { Addresses } = await t.world.eventually(() => t.world.known(hostname), 20_000);
			t.address = Addresses[0].split("/")[0];
			await t.world.eventually(() => t.world.ping("t1", t.address, "TSMP", 1000), 20_000);
			await page(t, hostname);
			t.assert.equal((await t.world.ping("t1", t.address, "disco")).region, 1);
		},
		{ timeoutMS: 90_000 },
	],
	[
		`${what}: a peer gets its page directly`,
		async (t) => {
			t.world.allowUDP();
			await t.world.untilDirect("t1", t.address);
			await page(t, hostname);
			t.assert.ok((await t.world.ping("t1", t.address, "disco")).endpoint);
		},
	],
	...["disco", "TSMP", "ICMP", "peerapi"].map((kind) => [`${what}: a peer's ${kind} ping is answered`, (t) => t.world.ping("t1", t.address, kind)]),
];

async function page(t, hostname) {
	const get = (path) => t.world.peers.do("node.http", { node: "t1", url: `http://${t.address}${path}` }, 15_000);
	const { status, body } = await get("/");
	t.assert.equal(status, 200);
	t.assert.match(body, new RegExp(`<title>${hostname}</title>[^]*<b>\\d+\\.\\d °C</b>[^]*${t.address}`));
	const { celsius, time } = JSON.parse((await get("/reading")).body);
	t.assert.ok(celsius > 10 && celsius < 30 && Date.parse(time) > 0);
	t.assert.equal((await get("/nothing")).status, 404);
}

export default {
	title: "Examples",
	world: { control: { port: controlPort, magicDNSDomain: domain, dnsConfig: { Proxied: true, Domains: [domain] } } },
	prepare: buildAll,
	async before(t) {
		await t.world.stock("t1");
		await t.world.peers.do("node.offer", { node: "t1", what: "mqtt", port: 1883 });
		await t.world.peers.do("node.offer", { node: "t1", what: "websocket", port: websocketPort });
	},
	cases: [
		...names.map((name) => [`examples/${name} is built for the simulator`, async () => void (await builds.get(name)), { timeoutMS: 300_000 }]),
		...asked("examples/httpserver in the simulator", "sensor", async (t) => {
			t.node = await run(t, "httpserver", "sensor");
		}),
		...asked("examples/httpserver in Node, the same file", "sensor-of-node", async (t) => {
			await t.node.close();
			const command = [process.execPath, join(folder, "node/run.js"), "httpserver", "hostname=sensor-of-node", ...settings];
			const env = { ...environment, HOME: t.world.directory, NODE_EXTRA_CA_CERTS: t.world.peers.ca };
			t.world.alongside("sensor-of-node", command, { namespace: t.world.place, env, cwd: t.world.directory });
		}),
		...Object.entries(told).map(([name, { hostname, says }]) => [
			`examples/${name} in the simulator does and says what it is for`,
			async (t) => {
				const node = await run(t, name, hostname);
				for (const line of says) await traced(t, node, line);
				await node.close();
			},
		]),
		[
			"examples/login in the simulator shows a URL, and is on the tailnet when that was visited",
			async (t) => {
				await t.world.peers.do("control.set", { requireAuthKey: "", requireAuth: true });
				const node = await run(t, "login", "newcomer");
				const [, url] = await traced(t, node, /^Scan to log in (http:.*)$/);
				await t.world.peers.do("control.set", { completeAuth: url });
				await traced(t, node, new RegExp(`^newcomer\\.${domain}$`));
				await node.close();
			},
		],
	],
};
