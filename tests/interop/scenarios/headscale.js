/**
 * A real headscale over plain HTTP, with a stock relay: registration, map, deltas, policy, expiry, deletion, login, restart.
 */
import { Headscale, headscaleMissing, headscaleVersion } from "../harness/headscale.js";
import { at } from "../harness/world.js";

const kinds = ["disco", "TSMP", "ICMP", "peerapi"];
const rule = (ports) => ({ acls: [{ action: "accept", src: ["*"], dst: [`*:${ports}`] }] });
const dial = async (world, a, number) => (await world.peers.do("node.dial", { node: "t1", to: at(a.address, number) }, 2500)).outcome;

/** Ends the start of a subject that is to join this headscale. */
const joining = (t, hostname, options = {}) => t.world.launch(hostname, { controlURL: t.headscale.url, authKey: undefined, ...options });

export default {
	title: "A real headscale",
	missing: headscaleMissing,
	timeoutMS: 120_000,
	async before(t) {
		t.headscale = await Headscale.start(t.world);
		t.user = await t.headscale.user("alice");
		t.t1 = await t.world.stock("t1", { controlURL: t.headscale.url, authKey: await t.headscale.key(t.user) });
		t.oneTime = await t.headscale.key(t.user);
		t.a = await joining(t, "a", { authKey: t.oneTime });
		await t.a.running();
		console.log(`# ${headscaleVersion()}`);
	},
	cases: [
		[
			"it registers with a one-time key, and headscale knows its disco key, endpoints and home region",
			async ({ world, headscale, a, assert }) => {
				await world.eventually(async () => {
					const node = await headscale.node("a");
					assert.deepEqual(node.ip_addresses, [a.address, a.address6]);
					assert.match(node.disco_key, /^discokey:(?!0{64})/);
				});
			},
		],
		...kinds.map((kind) => [
			`a stock peer's ${kind} ping succeeds`,
			({ world, a }) => world.eventually(() => world.ping("t1", a.address, kind, 3000), 15_000).then(() => undefined),
		]),
		...kinds.map((kind) => [
			`its ${kind} ping of the stock peer succeeds`,
			async ({ a, t1 }) => (await a.do({ do: "ping", peer: t1.ip4, kind: kind.toLowerCase(), timeoutMS: 5000 })).via,
		]),
		[
			"1 MB comes back unharmed",
			({ world, a }) => world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 1_000_000, mode: "echo" }).then(() => undefined),
		],
		[
			"names of peers resolve, short and full",
			async ({ a, t1, assert }) => {
				assert.ok((await a.do({ do: "resolve", name: "t1" })).addresses.includes(t1.ip4));
				assert.ok((await a.do({ do: "resolve", name: "t1.real.test" })).addresses.includes(t1.ip4));
			},
		],
		[
			"a node that joins becomes its peer; one that is deleted, or expired, is none any more",
			async ({ world, headscale, user, a, assert }) => {
				const t2 = await world.stock("t2", { controlURL: headscale.url, authKey: await headscale.key(user) });
				await world.eventually(() => a.do({ do: "ping", peer: t2.ip4, kind: "tsmp", timeoutMS: 2000 }), 15_000);
				await headscale.do("nodes", "expire", "--identifier", `${(await headscale.node("t2")).id}`);
				await world.eventually(async () => {
					const { peers } = await a.do({ do: "peers" });
					assert.equal(peers.find((peer) => peer.addresses.includes(t2.ip4))?.expired ?? true, true);
				}, 15_000);
				await headscale.do("nodes", "delete", "--identifier", `${(await headscale.node("t2")).id}`);
				await world.eventually(async () => assert.ok(!JSON.stringify((await a.do({ do: "peers" })).peers).includes(`"${t2.ip4}"`)), 15_000);
				await world.peers.do("node.stop", { node: "t2" });
			},
		],
		[
			"a policy takes effect while it runs, and so does the next",
			async ({ world, headscale, a, assert }) => {
				const until = (number, outcomes) =>
					world.eventually(async () => {
						const outcome = await dial(world, a, number);
						assert.ok(outcomes.includes(outcome), `port ${number}: ${outcome}`);
					}, 15_000);
				await until(80, ["connected"]);
				await headscale.policy(rule("7"));
				await until(80, ["refused", "timeout"]);
				await until(7, ["connected"]);
				await headscale.policy(rule("80"));
				await until(80, ["connected"]);
				await until(7, ["refused", "timeout"]);
				await headscale.policy(rule("*"));
				await until(7, ["connected"]);
			},
		],
		[
			"a policy that hides it from its peer takes the peer from its list, and gives it back",
			async ({ world, headscale, a, t1, assert }) => {
				const listed = async () => JSON.stringify((await a.do({ do: "peers" })).peers).includes(`"${t1.ip4}"`);
				await headscale.policy({ acls: [{ action: "accept", src: ["100.64.99.1"], dst: ["100.64.99.2:*"] }] });
				await world.eventually(async () => assert.ok(!(await listed())), 15_000);
				await headscale.policy(rule("*"));
				await world.eventually(async () => assert.ok(await listed()), 15_000);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 15_000);
			},
		],
		[
			"after a restart it is the same node, although its key was for one time",
			async (t) => {
				const { world, headscale, a, assert } = t;
				const { id } = await headscale.node("a");
				await a.kill();
				t.a = await joining(t, "a", { authKey: t.oneTime });
				await t.a.running();
				assert.deepEqual([t.a.address, (await headscale.node("a")).id], [a.address, id]);
				await world.eventually(() => world.ping("t1", t.a.address, "disco", 3000), 15_000);
			},
			{ own: true },
		],
		[
			"headscale restarts, and it comes back",
			async ({ world, headscale, a, assert }) => {
				const { messages } = (await a.do({ do: "memory" })).counters ?? {};
				await headscale.stop();
				await headscale.run();
				await world.eventually(async () => assert.equal((await headscale.node("a")).online, true), 30_000);
				await world.eventually(() => world.ping("t1", a.address, "TSMP", 3000), 15_000);
				return messages;
			},
			{ timeoutMS: 90_000 },
		],
		[
			"a wrong key is said in headscale's words",
			async (t) => {
				const node = await joining(t, "wrong", { authKey: "hskey-auth-000000000000-0000000000000000000000000000000000000000000000000000000000000000" });
				const error = await node.waitFor("an error", (event) => event.event === "error" && event.code === "auth-key", 15_000);
				await node.exited;
				t.assert.ok(!JSON.stringify(node.events).includes("000000000000-00000"), "the key is shown");
				return error.message;
			},
			{ own: true },
		],
		[
			"without a key it shows a URL, and runs when an administrator has registered it",
			async (t) => {
				const node = await joining(t, "person");
				const { url } = await node.waitFor("a login URL", (event) => event.event === "login", 15_000);
				t.assert.ok(url.startsWith(`${t.headscale.url}/register/`), url);
				await node.state("needs-login", 5000);
				await t.headscale.do("auth", "register", "--auth-id", url.split("/").at(-1), "--user", "alice");
				await node.running();
				await t.world.eventually(() => t.world.ping("t1", node.address, "TSMP", 3000), 15_000);
				t.person = node;
			},
			{ own: true },
		],
		[
			"when its key expires and it has none, a person is asked for, and it keeps its address",
			async ({ world, headscale, person, assert }) => {
				const from = person.events.length;
				await headscale.do("nodes", "expire", "--identifier", `${(await headscale.node("person")).id}`);
				const { url } = await person.waitFor("a login URL", (event) => event.event === "login", 20_000, { from });
				await person.state("key-expired", 5000, from);
				await headscale.do("auth", "register", "--auth-id", url.split("/").at(-1), "--user", "alice");
				await person.state("running", 20_000, from);
				assert.deepEqual((await headscale.node("person")).ip_addresses, [person.address, person.address6]);
				await world.eventually(() => world.ping("t1", person.address, "TSMP", 3000), 20_000);
			},
			{ own: true, timeoutMS: 90_000 },
		],
		[
			"with a reusable key it renews an expired node key by itself, and keeps its address",
			async (t) => {
				const { world, headscale, user, assert } = t;
				t.reusable = await joining(t, "reusable", { authKey: await headscale.key(user, "--reusable") });
				await t.reusable.running();
				const before = await headscale.node("reusable");
				await headscale.do("nodes", "expire", "--identifier", `${before.id}`);
				await world.eventually(async () => {
					const after = await headscale.node("reusable");
					assert.notEqual(after.node_key, before.node_key);
					assert.deepEqual([after.id, after.ip_addresses], [before.id, before.ip_addresses]);
				}, 20_000);
				await world.eventually(() => world.ping("t1", t.reusable.address, "TSMP", 3000), 20_000);
			},
			{ own: true, timeoutMS: 90_000 },
		],
		[
			"deleted, it registers again with its reusable key",
			async ({ world, headscale, reusable, assert }) => {
				const before = await headscale.node("reusable");
				await headscale.do("nodes", "delete", "--identifier", `${before.id}`);
				// Up to 0.29 it goes on feeding the stream: the node hears of it by its next lite update, or when it connects anew.
				await reusable.do({ do: "rebind" });
				await world.eventually(async () => assert.notEqual((await headscale.node("reusable")).id, before.id), 60_000, 500);
				await world.eventually(async () => {
					const [address] = (await headscale.node("reusable")).ip_addresses;
					await world.ping("t1", address, "TSMP", 3000);
				}, 20_000);
				await reusable.do({ do: "self" });
			},
			{ own: true, timeoutMS: 120_000 },
		],
		[
			"a tagged, ephemeral key makes a tagged node, which logout removes",
			async (t) => {
				const { world, headscale, assert } = t;
				await headscale.policy({ tagOwners: { "tag:esp": ["alice@"] }, acls: [{ action: "accept", src: ["*"], dst: ["*:*"] }] });
				const node = await joining(t, "tagged", { authKey: await headscale.key(undefined, "--ephemeral", "--tags", "tag:esp") });
				await node.running();
				assert.deepEqual((await headscale.node("tagged")).tags, ["tag:esp"]);
				await world.eventually(() => world.ping("t1", node.address, "TSMP", 3000), 15_000);
				await node.do({ do: "logout" });
				await world.eventually(() => assert.rejects(headscale.node("tagged")), 15_000);
			},
			{ own: true },
		],
		[
			"logged out, it has to log in again",
			async ({ world, headscale, person, assert }) => {
				await person.do({ do: "logout" });
				await world.eventually(async () => assert.ok((await headscale.node("person")).expiry.seconds * 1000 < Date.now()), 15_000);
			},
			{ own: true },
		],
	],
};
