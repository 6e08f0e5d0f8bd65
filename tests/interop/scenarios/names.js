/**
 * MagicDNS: names of peers and extra records, asked of the node itself.
 */
export default {
	title: "Names",
	world: {
		control: {
			magicDNSDomain: "interop.test",
			dnsConfig: { Proxied: true, Domains: ["interop.test"], ExtraRecords: [{ Name: "printer.interop.test", Value: "192.0.2.77" }] },
		},
	},
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.a = await t.world.subject("a");
	},
	cases: [
		[
			"the short and the full name of a peer give its addresses",
			async ({ a, t1, assert }) => {
				for (const name of ["t1", "t1.interop.test", "T1.Interop.Test."]) {
					const { addresses } = await a.do({ do: "resolve", name });
					assert.ok(addresses.includes(t1.ip4), `${name}: ${addresses}`);
				}
			},
			{ own: true },
		],
		[
			"an extra record gives its value",
			async ({ a, assert }) => assert.deepEqual((await a.do({ do: "resolve", name: "printer.interop.test" })).addresses, ["192.0.2.77"]),
			{ own: true },
		],
		["a name of the tailnet that nobody has fails", ({ a, assert }) => assert.rejects(a.do({ do: "resolve", name: "nobody.interop.test" })), { own: true }],
		[
			"a ping by name works",
			({ a }) => a.do({ do: "ping", peer: "t1", kind: "tsmp", timeoutMS: 5000 }).then(({ latencyMS }) => `${latencyMS} ms`),
			{ own: true },
		],
		[
			"a page is fetched by name",
			async ({ a, assert }) => assert.equal((await a.do({ do: "http", url: "http://t1.interop.test/" })).status, 200),
			{ own: true },
		],
		["it knows its own full name", async ({ a, assert }) => assert.equal((await a.do({ do: "self" })).name.replace(/\.$/, ""), "a.interop.test")],
	],
};
