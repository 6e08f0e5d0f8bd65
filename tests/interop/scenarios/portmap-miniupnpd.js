/**
 * The same as portmap.js, with a router's service that is in many home routers: miniupnpd of Debian, which speaks UPnP IGD, NAT-PMP and PCP.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strict } from "../harness/network.js";

const program = "/usr/sbin/miniupnpd";

/** The chains that it fills, before those of the router: what it maps leaves by the mapped port as well. */
const chains = `table inet filter {
	chain miniupnpd { }
	chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
	chain prerouting_miniupnpd { }
	chain prerouting { type nat hook prerouting priority -110; jump prerouting_miniupnpd; }
	chain postrouting_miniupnpd { }
	chain postrouting { type nat hook postrouting priority 90; jump postrouting_miniupnpd; }
}`;

async function serve(t, options) {
	await t.service?.kill("SIGTERM");
	const { router } = t.home;
	const file = join(t.world.directory, "miniupnpd.conf");
	const settings = {
		ext_ifname: "eth0",
		listening_ip: "lan0",
		enable_upnp: "yes",
		enable_natpmp: "no",
		secure_mode: "yes",
		system_uptime: "no",
		uuid: "00000000-0000-0000-0000-000000000001",
		upnp_table_name: "filter",
		upnp_nat_table_name: "filter",
		upnp_forward_chain: "miniupnpd",
		upnp_nat_chain: "prerouting_miniupnpd",
		upnp_nat_postrouting_chain: "postrouting_miniupnpd",
		...options,
	};
	const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
	writeFileSync(file, [...lines, "allow 1024-65535 192.168.71.0/24 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535", ""].join("\n"));
	await router.run("nft", "flush chain inet filter prerouting_miniupnpd; flush chain inet filter postrouting_miniupnpd");
	t.service = t.world.alongside("miniupnpd", [program, "-d", "-f", file, "-P", join(t.world.directory, "miniupnpd.pid")], { namespace: router });
	await t.world.eventually(
		() =>
			t.assert.ok(
				t.service.log.some((line) => /listening on|HTTP.*listen/i.test(line)),
				t.service.log.join("\n"),
			),
		5000,
	);
}

const ports = async (t) => {
	const rules = await t.home.router.run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd");
	return [...rules.matchAll(/dport (\d+)/g)].map((match) => Number(match[1]));
};

/** A node that is mapped by the given service: reached, and the mapping deleted at its end. */
const mapped = (label, service, options) => {
	const name = `by-${label.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
	return [
		[
			`${label}: the peer that could not reach it directly does so through the mapped port`,
			async (t) => {
				await serve(t, options);
				t.node = await t.world.subject(name, { namespace: t.home.inside });
				// A flow that leaves the router before its port is mapped keeps the port that it has, for as long as it is used.
				const external = await t.world.eventually(async () => {
					const mappedPorts = await ports(t);
					t.assert.equal(mappedPorts.length, 1);
					return mappedPorts[0];
				});
				const { endpoint, afterMS } = await t.world.untilDirect("t1", t.node.address, 15_000);
				t.assert.equal(endpoint, `${t.home.router.address}:${external}`);
				return `by ${endpoint} after ${Math.round(afterMS)} ms`;
			},
		],
		[
			`${label}: control sees the mapped endpoint first, and by which service`,
			(t) =>
				t.world.eventually(async () => {
					const { Endpoints, Hostinfo } = await t.world.known(name);
					t.assert.equal(Endpoints[0], `${t.home.router.address}:${(await ports(t))[0]}`);
					t.assert.equal(Hostinfo.NetInfo[service], true);
					t.assert.equal(Hostinfo.NetInfo.HavePortMap, true);
				}),
		],
		[
			`${label}: the mapping is deleted when it closes`,
			async (t) => {
				const began = performance.now();
				await (t.node.kind === "simulator" ? t.node.do({ do: "close" }) : t.node.interrupt());
				const endedMS = performance.now() - began;
				await t.world.eventually(async () => t.assert.deepEqual(await ports(t), []), 3000);
				return `ended within ${Math.round(endedMS)} ms`;
			},
		],
	];
};

export default {
	title: "A port mapped by miniupnpd",
	missing: () => (existsSync(program) ? undefined : "miniupnpd is not here: apt-get install miniupnpd-nftables"),
	async before(t) {
		t.home = await t.world.network.home("home");
		await t.home.router.run("nft", chains);
		await t.world.stock("t1");
		t.world.hub.rules(strict(t.world.stunPorts));
	},
	cases: [
		...mapped("UPnP IGD:1", "UPnP", { force_igd_desc_v1: "yes" }),
		...mapped("UPnP IGD:2", "UPnP", { force_igd_desc_v1: "no" }),
		...mapped("NAT-PMP, PCP and UPnP", "PMP", { enable_natpmp: "yes" }),
	].map(([sentence, run, options]) => [sentence, run, { own: true, ...options }]),
};
