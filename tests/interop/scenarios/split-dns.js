/**
 * Split DNS: the tailnet names resolvers for some suffixes, inside it and outside; each is asked for its own names, by its own way, and for no others.
 */
const lan = (t, port = 53) => `${t.world.hub.address}:${port}`;
const asked = (t, port) => t.world.peers.do("local.dnsAsked", { on: lan(t, port) });
const resolve = (t, name) => t.a.do({ do: "resolve", name });

export default {
	title: "Split DNS",
	world: { control: { magicDNSDomain: "interop.test" } },
	async before(t) {
		const { peers } = t.world;
		const { ip4, ip6 } = await t.world.stock("t1");
		await peers.do("node.offer", { node: "t1", what: "dns", port: 53, records: { "db.corp.test": "10.1.0.7", "t1.six.test": "10.1.0.8" } });
		await peers.do("local.dns", { on: lan(t), records: { "nas.lan.test": "192.168.5.5" } });
		await peers.do("local.dns", { on: lan(t, 5300), records: { "much.large.test": "192.168.5.6" }, truncates: true });
		await peers.do("control.set", {
			dnsConfig: {
				Proxied: true,
				Domains: ["interop.test", "corp.test"],
				Routes: {
					"corp.test.": [{ Addr: ip4 }],
					"six.test.": [{ Addr: ip6 }],
					"lan.test.": [{ Addr: t.world.hub.address }],
					"large.test.": [{ Addr: lan(t, 5300) }],
					"silent.test.": [{ Addr: "10.71.0.200" }, { Addr: t.world.hub.address }],
				},
			},
		});
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"a resolver on the tailnet answers through it, over IPv4 and IPv6",
			async (t) => {
				t.assert.deepEqual((await resolve(t, "db.corp.test")).addresses, ["10.1.0.7"]);
				t.assert.deepEqual((await resolve(t, "T1.Six.Test.")).addresses, ["10.1.0.8"]);
			},
		],
		["a short name is found in the search domain that it serves", async (t) => t.assert.deepEqual((await resolve(t, "db")).addresses, ["10.1.0.7"])],
		["a name that it does not know does not exist", (t) => t.assert.rejects(resolve(t, "nobody.corp.test."), /"not-found"/)],
		[
			"a resolver outside answers by UDP, by the network below",
			async (t) => {
				t.assert.deepEqual((await resolve(t, "nas.lan.test")).addresses, ["192.168.5.5"]);
				t.assert.deepEqual(await asked(t), ["udp nas.lan.test.", "udp nas.lan.test."]);
			},
		],
		[
			"the answer is kept: the second time nobody is asked",
			async (t) => {
				t.assert.deepEqual((await resolve(t, "nas.lan.test")).addresses, ["192.168.5.5"]);
				t.assert.equal((await asked(t)).length, 2);
			},
		],
		[
			"an answer that was cut off is asked for by TCP",
			async (t) => {
				t.assert.deepEqual((await resolve(t, "much.large.test")).addresses, ["192.168.5.6"]);
				t.assert.deepEqual((await asked(t, 5300)).slice().sort(), [
					"tcp much.large.test.",
					"tcp much.large.test.",
					"udp much.large.test.",
					"udp much.large.test.",
				]);
			},
		],
		[
			"of two resolvers one is silent: the other's word counts at once",
			async (t) => {
				const began = performance.now();
				await t.assert.rejects(resolve(t, "www.silent.test."), /"not-found"/);
				t.assert.ok(performance.now() - began < 1500);
			},
		],
		[
			"names of the tailnet are asked of nobody",
			async (t) => {
				await t.assert.rejects(resolve(t, "nobody.interop.test"), /"not-found"/);
				t.assert.deepEqual(
					[...(await asked(t)), ...(await asked(t, 5300))].filter((line) => line.includes("interop")),
					[],
				);
			},
		],
		[
			"what control says of resolvers anew holds at once",
			async (t) => {
				await t.world.peers.do("control.set", { dnsConfig: { Proxied: true, Domains: ["interop.test"], Routes: { "lan.test.": [{ Addr: lan(t, 5300) }] } } });
				await t.world.eventually(() => t.assert.rejects(resolve(t, "nas.lan.test."), /"not-found"/));
				t.assert.ok((await asked(t, 5300)).includes("tcp nas.lan.test."));
			},
		],
	].map(([sentence, run, options]) => [sentence, run, { own: true, ...options }]),
};
