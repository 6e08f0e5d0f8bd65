/**
 * The examples: each is built as its README says, and the page of examples/httpserver is asked for by a stock peer, from the simulator and from Node.
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
const settings = [`authKey=${authKey}`, `controlURL=http://10.71.0.1:${controlPort}`];

const builds = new Map();

/** One after the other, with what its node needs to know where it is run. */
function buildAll() {
	let before = Promise.resolve();
	for (const name of ["httpserver", ...names.filter((other) => other !== "httpserver")]) {
		before = before.catch(() => {}).then(() => build(join(folder, name), { parameters: name === "httpserver" ? settings : [] }));
		before.catch(() => {});
		builds.set(name, before);
	}
}

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
	world: { control: { port: controlPort } },
	prepare: buildAll,
	async before(t) {
		t.t1 = await t.world.stock("t1");
	},
	cases: [
		...names.map((name) => [`examples/${name} is built for the simulator`, async () => void (await builds.get(name)), { timeoutMS: 300_000 }]),
		...asked("examples/httpserver in the simulator", "sensor", async (t) => {
			t.node = await t.world.launch("sensor", { library: library("tailnet-httpserver"), env: { SSL_CERT_FILE: t.world.peers.ca } });
		}),
		...asked("examples/httpserver in Node, the same file", "sensor-of-node", async (t) => {
			await t.node.close();
			const command = [process.execPath, join(folder, "node/run.js"), "httpserver", "hostname=sensor-of-node", ...settings];
			const env = { ...environment, HOME: t.world.directory, NODE_EXTRA_CA_CERTS: t.world.peers.ca };
			t.world.alongside("sensor-of-node", command, { namespace: t.world.place, env, cwd: t.world.directory });
		}),
	],
};
