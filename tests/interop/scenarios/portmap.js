/**
 * Behind a router that gives every flow another port, towards a peer that lets in nothing but answers: only a mapped port makes a direct path.
 */
import { join } from "node:path";
import { strict } from "../harness/network.js";
import { root } from "../harness/requirements.js";

const direct = (t, hostname) => t.world.untilDirect("t1", t[hostname].address, 15_000);

/** Starts the router's service, other than the one before. */
async function serve(t, options) {
	await t.service?.kill();
	const { router } = t.home;
	const facts = JSON.stringify({ inside: "192.168.71.1", outside: router.address, lifetimeSeconds: 60, ...options });
	t.service = t.world.alongside("router", [process.execPath, join(root, "tests/interop/harness/router.js"), facts], { namespace: router });
	await t.service.waitFor("ready", ({ event }) => event === "ready", 5000);
}

const asked = (t, protocol, kind) => t.service.events.filter((event) => event.event === "asked" && event.protocol === protocol && event.kind === kind);

/** A node behind the router that is mapped by the given protocol: reached, renewed, deleted. */
const mapped = (protocol, options) => {
	const name = `by-${protocol}`;
	return [
		[
			`${protocol.toUpperCase()}: the peer that could not reach it directly does so through the mapped port`,
			async (t) => {
				await serve(t, options);
				t[name] = await t.world.subject(name, { namespace: t.home.inside });
				// A flow that leaves the router before its port is mapped keeps the port that it has, for as long as it is used.
				const external = await t.world.eventually(async () => {
					const { table } = await t.service.ask({ do: "table" }, 2000);
					t.assert.equal(table.length, 1);
					return table[0].external;
				});
				const { endpoint, afterMS } = await direct(t, name);
				t.assert.equal(endpoint, `${t.home.router.address}:${external}`);
				return `by ${endpoint} after ${Math.round(afterMS)} ms`;
			},
		],
		[
			`${protocol.toUpperCase()}: [paths 14] control sees the mapped endpoint first, as type 3, and what the router speaks`,
			(t) =>
				t.world.eventually(async () => {
					const { Endpoints, EndpointTypes, Hostinfo } = await t.world.known(name);
					const [{ external }] = (await t.service.ask({ do: "table" }, 2000)).table;
					t.assert.equal(Endpoints[0], `${t.home.router.address}:${external}`);
					if (EndpointTypes) t.assert.equal(EndpointTypes[0], 3);
					t.assert.equal(Hostinfo.NetInfo[protocol.toUpperCase()], true);
					t.assert.equal(Hostinfo.NetInfo.HavePortMap, true);
				}),
		],
		[
			`${protocol.toUpperCase()}: it asks from the port that is mapped, and nothing else has asked`,
			async (t) => {
				const [{ internal }] = (await t.service.ask({ do: "table" }, 2000)).table;
				t.assert.deepEqual([...new Set(t.service.events.filter(({ event }) => event === "asked").map(({ from }) => from))], [internal]);
			},
		],
		[
			`${protocol.toUpperCase()}: [paths 14] it renews at half of the life with the same external port`,
			async (t) => {
				const [{ external }] = (await t.service.ask({ do: "table" }, 2000)).table;
				const [first] = asked(t, protocol, "map");
				const again = await t.service.waitFor(
					"a renewal",
					(event) => event !== first && event.protocol === protocol && event.kind === "map" && event.at - first.at > 10_000,
					40_000,
				);
				t.assert.equal(again.external, external);
				t.assert.equal(again.nonce, first.nonce);
				t.assert.ok(again.at - first.at > 29_000 && again.at - first.at < 33_000, `${again.at - first.at}`);
			},
			{ timeoutMS: 45_000 },
		],
		[
			`${protocol.toUpperCase()}: a router that has forgotten everything maps the same port again at a rebind, and the path becomes direct again`,
			async (t) => {
				const [{ external, internal }] = (await t.service.ask({ do: "table" }, 2000)).table;
				await t.service.ask({ do: "restart" }, 2000);
				await t[name].do({ do: "rebind" });
				await t.world.eventually(async () => {
					const { table } = await t.service.ask({ do: "table" }, 2000);
					t.assert.deepEqual([table.length, table[0]?.external, table[0]?.internal], [1, external, internal]);
				});
				await direct(t, name);
			},
		],
		[
			`${protocol.toUpperCase()}: [paths 14] the mapping is deleted when it closes`,
			async (t) => {
				await (t[name].kind === "simulator" ? t[name].do({ do: "close" }) : t[name].interrupt());
				await t.world.eventually(async () => t.assert.deepEqual((await t.service.ask({ do: "table" }, 2000)).table, []), 3000);
				t.assert.equal(asked(t, protocol, "delete").length, 1);
			},
		],
	];
};

export default {
	title: "A port mapped on the router",
	async before(t) {
		t.home = await t.world.network.home("home");
		await t.world.stock("t1");
		t.world.hub.rules(strict(t.world.stunPorts));
	},
	cases: [
		[
			"without port mapping the two stay on the relay",
			async (t) => {
				await serve(t, { pmp: true, pcp: true });
				t.unmapped = await t.world.subject("unmapped", { namespace: t.home.inside, args: ["--no-port-mapping"], tailnet: { portMapping: false } });
				await t.assert.rejects(direct(t, "unmapped"), /no direct path/);
				t.assert.deepEqual(asked(t, "pmp", "address"), []);
				await t.unmapped.close();
			},
			{ timeoutMS: 60_000 },
		],
		...mapped("pmp", { pmp: true }),
		...mapped("pcp", { pcp: true }),
	].map(([sentence, run, options]) => [sentence, run, { own: true, ...options }]),
};
