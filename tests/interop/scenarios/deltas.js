/**
 * Changes of the netmap by the book, and messages that are cut or make no sense.
 */
import { at } from "../harness/world.js";

const send = (world, response) => world.peers.do("control.send", { node: "a", response });
const back = (world) => world.eventually(() => world.peers.do("control.c2n", { node: "a", method: "POST", path: "/echo", body: "here" }, 2000), 30_000);
const list = async (a) => JSON.stringify((await a.do({ do: "peers" })).peers);

export default {
	title: "Changes of the netmap",
	world: { control: { stream: "own" } },
	async before(t) {
		t.t1 = await t.world.stock("t1");
		t.t2 = await t.world.stock("t2");
		t.a = await t.world.subject("a");
		await t.world.untilDirect("t1", t.a.address);
		await t.world.untilDirect("t2", t.a.address);
	},
	cases: [
		[
			"PeersRemoved takes a peer away, PeersChanged brings it back",
			async ({ world, a, t2, assert }) => {
				const node = await world.known("t2");
				// Asked again, because control brings the peer back in a whole map whenever a stock node reports new endpoints.
				await world.eventually(async () => {
					await send(world, { PeersRemoved: [node.ID] });
					await world.eventually(async () => assert.ok(!(await list(a)).includes(`"${t2.ip4}"`)), 2000);
					await assert.rejects(world.ping("t2", a.address, "TSMP", 2000));
				}, 20_000);
				await send(world, { PeersChanged: [node] });
				await world.eventually(async () => assert.ok((await list(a)).includes(`"${t2.ip4}"`)));
				await world.eventually(() => world.ping("t2", a.address, "TSMP", 3000), 15_000);
			},
		],
		[
			"peers that are added, changed, renamed and removed in one message are told at once, and nothing else is",
			async ({ world, a, assert }) => {
				await world.peers.do("control.fakes", { count: 100 });
				await a.waitFor("100 peers more", (event) => event.event === "peers" && event.total >= 102, 10_000);
				const from = a.events.length;
				await world.peers.do("control.churn", { add: 4, change: 3, rename: 2, remove: 1, seed: 1 });
				const told = await a.waitFor("what changed", (event) => event.event === "peers", 5000, { from });
				assert.deepEqual([told.total, told.added, told.changed, told.removed], [105, 4, 5, 1]);
				const { peers } = await a.do({ do: "peers" });
				assert.equal(peers.filter(({ name }) => name.startsWith("renamed-")).length, 2);
			},
			{ own: true },
		],
		[
			"a patch of a peer's endpoints and region does not disturb its traffic",
			async ({ world, a }) => {
				const { ID, Endpoints } = await world.known("t1");
				await send(world, { PeersChangedPatch: [{ NodeID: ID, DERPRegion: 1, Endpoints: [...Endpoints, "192.0.2.9:9"], Online: true }] });
				await world.ping("t1", a.address, "TSMP");
				await world.peers.do("node.bulk", { node: "t1", to: at(a.address, 7), bytes: 500_000, mode: "echo" });
			},
		],
		[
			"a patch of an unknown peer is ignored",
			async ({ world, a }) => {
				await send(world, { PeersChangedPatch: [{ NodeID: 987654321, Online: true }] });
				await world.ping("t1", a.address, "TSMP");
			},
		],
		...[1, 4, 5, 100, 400, 900].map((cutAfter) => [
			`a message that ends after ${cutAfter} bytes changes nothing`,
			async ({ world, a, t1, t2, assert }) => {
				const ids = [(await world.known("t1")).ID, (await world.known("t2")).ID];
				const text = JSON.stringify({ PeersRemoved: ids, Domain: "x".repeat(1000) });
				await world.peers.do("control.send", { node: "a", text, cutAfter });
				await back(world);
				const peers = await list(a);
				assert.ok(peers.includes(`"${t1.ip4}"`) && peers.includes(`"${t2.ip4}"`), peers);
				await world.ping("t1", a.address, "TSMP", 5000);
			},
			{ own: true },
		]),
		...["this is no JSON", "[1,2,3]", '{"Peers":{"not":"a list"}}', `{"Node":${"[".repeat(500)}`].map((text) => [
			`a message "${text.slice(0, 24)}" ends in a new session with the old map`,
			async ({ world, a, t1, assert }) => {
				await world.peers.do("control.send", { node: "a", text });
				await back(world);
				assert.ok((await list(a)).includes(`"${t1.ip4}"`));
				await world.ping("t1", a.address, "TSMP", 5000);
			},
			{ own: true },
		]),
	],
};
