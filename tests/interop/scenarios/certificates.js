/**
 * Which relays it believes, by their certificates. Each case has a fresh node whose DERP map has that relay only.
 */
const accepted = [
	["ca", "a certificate of the given authority"],
	["intermediate", "a chain with an intermediate"],
	["hash", "a self-signed certificate that the DERP map pins by sha256-raw"],
	["cert-name", "a certificate of the name that CertName gives"],
];
/** What ours says of it: OpenSSL's words under Node, Mbed TLS's facts in ours on XS. */
const nobody = /issued by nobody|self.signed certificate|unable to (get|verify)/;
const refused = [
	["expired", "an expired certificate", /expired|not valid now/],
	["not-yet-valid", "a certificate of the future", /not yet valid|not valid now/],
	["unknown-ca", "a certificate of an unknown authority", nobody],
	["self-signed", "a self-signed certificate", nobody],
	["self-signed-then-intermediate", "a self-signed leaf followed by a genuine intermediate", nobody],
	["hash-wrong", "a pinned certificate of another hash", /another SHA-256/],
	["hash-expired", "a pinned certificate that has expired", /not valid now/],
	["wrong-name", "a certificate of another name", /expected name|altnames/, { hostName: "derp.test" }],
];

let next = 10;

async function meet(world, certificate, relay = {}, launch = {}) {
	const region = next++;
	const described = await world.peers.do("relay.start", { address: world.hub.address, region, certificate, ...relay });
	await world.peers.do("control.set", { derpMap: { Regions: { [region]: described }, OmitDefaultRegions: true } });
	const hostname = `node${region}`;
	const node = await world.launch(hostname, launch);
	// Ours says what it refuses; a stock node is given the time that it needs to run with that relay.
	if (node.kind === "stock") await node.running(4000).catch(() => {});
	const { Key: nodeKey } = await world.eventually(() => world.known(hostname));
	return { node, connected: async () => (await world.peers.do("relay.connected", { region, nodeKey })).connected };
}

async function accepts({ world, assert }, ...relay) {
	const { node, connected } = await meet(world, ...relay);
	await world.eventually(async () => assert.ok(await connected(), "not connected"), 8000);
	await node.close();
}

async function refuses({ world, assert }, reason, ...relay) {
	const { node, connected } = await meet(world, ...relay);
	if (node.kind !== "stock") {
		const told = (event) => event.event === "error" && event.code === "certificate" && reason.test(event.message);
		await node.waitFor(`an error with code certificate that says ${reason}`, told, 10_000);
	} else await new Promise((resolve) => setTimeout(resolve, 2000));
	assert.equal(await connected(), false);
	await node.close();
}

export default {
	title: "Certificates of relays",
	world: { relays: [] },
	cases: [
		...accepted.map(([kind, what]) => [`accepts ${what}`, (t) => accepts(t, kind)]),
		["accepts a server without the extra meta certificate", (t) => accepts(t, "ca", { noMeta: true })],
		["accepts a name that is not an address", (t) => accepts(t, "ca", { hostName: "derp.test" })],
		...refused.map(([kind, what, reason, relay]) => [`refuses ${what}`, (t) => refuses(t, reason, kind, relay)]),
		["refuses the certificate of an authority that was not given", (t) => refuses(t, nobody, "ca", {}, { ca: undefined }), { own: true }],
		[
			"accepts a certificate of an authority that the system trusts",
			(t) => accepts(t, "ca", {}, { ca: undefined, env: { SSL_CERT_FILE: t.world.peers.ca } }),
			{ simulator: true },
		],
	],
};
