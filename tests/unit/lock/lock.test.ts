/** Tailnet lock from a map message to who carries traffic. */

import { Chain } from "../../../modules/lock/chain.js";
import { encodeChain } from "../../../modules/lock/chain-codec.js";
import { hashToText } from "../../../modules/lock/hash-text.js";
import { parseKey } from "../../../modules/netmap/keys.js";
import { beforeEach, describe, expect, fromHex, test } from "../../harness.js";
import vectors from "../../vectors/lock.json" with { type: "json" };
import { operations, testing } from "../../xs/host.js";
import { type JSONObject, keyText, node, selfNode } from "../netmap/fixtures.js";
import { base64, ControlDouble, genesis, genesisHead, peer, Stage, updateOf } from "./stage.js";

const secret = vectors.disablement[0] as { secret: string; value: string };
const direct = vectors.signatures[0] as { nodeKey: string; bytes: string };
/** Three whom the tailnet trusts, and who is not. */
const peers = (): JSONObject[] => [
	peer(2, "direct, of a second node"),
	peer(3, "a rotation of a fourth node"),
	peer(4, "direct, of a third node, by the other key"),
	peer(5, "direct, by a stranger", { Name: "forger.example.ts.net." }),
	node(6, { Name: "nobody.example.ts.net." }),
];
const self = (): JSONObject => selfNode({ Key: `nodekey:${direct.nodeKey}`, KeySignature: base64(direct.bytes) });

/** A stage that has learned the authority. */
function locked(options: ConstructorParameters<typeof Stage>[0] = {}): Stage {
	const stage = new Stage(options);
	stage.first(peers());
	stage.settle();
	return stage;
}

beforeEach(() => testing.reset());

describe("A tailnet that is not locked", () => {
	test("asks control nothing, stores nothing, and lets everybody in", () => {
		const stage = new Stage();
		stage.first(peers(), { TKAInfo: null });
		stage.settle();
		expect(stage.usable).toEqual(["forger", "host-2", "host-3", "host-4", "nobody"]);
		expect([stage.control.asked.length, stage.store.values.size, stage.lab.netmap.peers.store.marks, testing.timers]).toEqual([0, 0, undefined, 0]);
	});
});

describe("A locked tailnet", () => {
	test("lets nobody in before the authority is known and signatures are verified, and then those whom it trusts", () => {
		const stage = new Stage();
		const before = operations.ed25519;
		stage.first(peers());
		expect([stage.usable, operations.ed25519 - before]).toEqual([[], 0]);
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
		expect(stage.control.asked.map(({ path }) => path)).toEqual(["/machine/tka/bootstrap", "/machine/tka/sync/offer"]);
		expect(stage.head).toBe(genesisHead);
		expect(stage.events).toEqual(["shrinks", "stored"]);
	});

	test("names whom it keeps out, and counts them", () => {
		const stage = locked();
		expect(stage.condition("lock-refused")).toBe("tailnet lock keeps out peers whose node key nobody has signed: forger.example.ts.net, nobody.example.ts.net");
		expect(stage.lock.counters.refused).toBe(2);
		stage.feed({ PeersRemoved: [5, 6] });
		stage.settle();
		expect([stage.condition("lock-refused"), stage.lock.counters.refused]).toEqual([undefined, 0]);
	});

	test("names eight at most", () => {
		const stage = new Stage();
		stage.first(Array.from({ length: 11 }, (_, i) => node(10 + i)));
		stage.settle();
		expect(stage.condition("lock-refused")).toMatch(/host-17\.example\.ts\.net and 3 more$/);
	});

	test("keeps a peer out of everything that traffic is found by", () => {
		const stage = locked();
		const { peers } = stage.lab.netmap;
		const index = peers.findByName("forger.example.ts.net");
		const address = peers.addresses(index)[0] as Uint8Array;
		expect(index >= 0 && peers.view(index)?.untrusted).toBe(true);
		expect(stage.lab.netmap.route(address)).toBe(-1);
		expect(stage.lab.netmap.prefixes(index).length).toBe(0);
		expect(peers.findByDiscoKey(peers.discoKey(index) as Uint8Array)).toEqual([]);
		expect(peers.findByNodeKey(parseKey(keyText("nodekey", 6), "nodekey:") as Uint8Array)).toBe(-1);
		const good = peers.findByName("host-3.example.ts.net");
		expect(peers.findByNodeKey(peers.nodeKey(good) as Uint8Array)).toBe(good);
		expect(stage.lab.netmap.route(peers.addresses(good)[0] as Uint8Array)).toBe(good);
	});

	test("does not cover a peer that says so: it keeps its own addresses", () => {
		const stage = new Stage();
		stage.first([node(7, { UnsignedPeerAPIOnly: true, AllowedIPs: ["100.64.0.7/32", "10.0.0.0/8"] })]);
		stage.settle();
		expect(stage.usable).toEqual(["host-7"]);
		expect(stage.condition("lock-refused")).toBe(undefined);
		expect(stage.lab.netmap.prefixes(0).length).toBe(18);
	});

	test("knows whether our own key is signed", () => {
		const stage = new Stage();
		stage.first([], { Node: self() });
		stage.settle();
		expect(stage.lab.netmap.lockedOut).toBe(false);
		stage.feed({ Node: selfNode({ KeySignature: base64(direct.bytes) }) });
		stage.settle();
		expect(stage.lab.netmap.lockedOut).toBe(true); // a signature of another node key
		stage.feed({ Node: self() });
		stage.settle();
		expect(stage.lab.netmap.lockedOut).toBe(false);
	});

	test("that becomes one while the node runs asks for another map, since nothing was kept of signatures", () => {
		const stage = new Stage();
		stage.first([peer(2, "direct"), node(6)], { TKAInfo: null });
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-6"]);
		stage.feed({ TKAInfo: { Head: genesisHead } });
		expect(stage.usable).toEqual([]);
		stage.settle();
		expect([stage.usable, stage.mapsWanted]).toEqual([[], 1]);
		stage.first([peer(2, "direct"), node(6)]);
		stage.settle();
		expect([stage.usable, stage.mapsWanted]).toEqual([["host-2"], 1]);
	});
});

describe("A peer", () => {
	test("with another key is out until its signature is verified", () => {
		const stage = locked();
		stage.feed({ PeersChanged: [peer(2, "direct, of a second node", { Key: keyText("nodekey", 99) })] });
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		stage.settle();
		expect(stage.usable).toEqual(["host-3", "host-4"]); // a signature of another key
		stage.feed({ PeersChanged: [peer(2, "direct, of a second node")] });
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});

	test("whose key a patch changes without a signature is out", () => {
		const stage = locked();
		stage.feed({ PeersChangedPatch: [{ NodeID: 2, Key: keyText("nodekey", 98) }] });
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		stage.settle();
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		const { Key, KeySignature } = peer(2, "direct, of a second node");
		stage.feed({ PeersChangedPatch: [{ NodeID: 2, Key, KeySignature }] });
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});

	test("with another signature, a wrong one, or none any more, is out", () => {
		const stage = locked();
		stage.feed({ PeersChanged: [peer(2, "direct, of a second node", { KeySignature: base64(direct.bytes) })] });
		stage.settle();
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		stage.feed({ PeersChanged: [peer(3, "a rotation of a fourth node", { KeySignature: "" })] });
		expect(stage.usable).toEqual(["host-4"]);
		stage.feed({ PeersChangedPatch: [{ NodeID: 4, KeySignature: "AAAA" }] });
		stage.settle();
		expect(stage.usable).toEqual([]);
	});

	test("whose other news come without a change of signature stays in", () => {
		const stage = locked();
		const before = stage.lock.counters.verified;
		stage.feed({ PeersChangedPatch: [{ NodeID: 2, DERPRegion: 3 }], OnlineChange: { "3": false } });
		stage.settle();
		expect([stage.usable, stage.lock.counters.verified]).toEqual([["host-2", "host-3", "host-4"], before]);
	});

	test("that takes the slot of one that was trusted is not", () => {
		const stage = locked();
		stage.feed({ PeersRemoved: [2, 3, 4] });
		stage.feed({ PeersChanged: [node(20), node(21), node(22)] });
		expect(stage.usable).toEqual([]);
		stage.settle();
		expect(stage.usable).toEqual([]);
	});

	test("whose node has another key since is out, and in again when that is gone", () => {
		const stage = new Stage();
		stage.first([peer(2, "direct, with a key for rotations"), peer(3, "a rotation")]);
		stage.settle();
		expect(stage.usable).toEqual(["host-3"]);
		expect(stage.condition("lock-refused")).toMatch(/host-2/);
		stage.feed({ PeersRemoved: [3] });
		stage.settle();
		expect(stage.usable).toEqual(["host-2"]);
	});

	test("that goes and comes in one message is what it is at the end", () => {
		const stage = locked();
		stage.feed({ PeersRemoved: [2], PeersChanged: [peer(2, "direct, of a second node")] });
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});

	test("in a message that is refused changes nothing", () => {
		const stage = locked();
		expect(stage.lab.refuse({ PeersChanged: [peer(2, "direct, by a stranger")], Health: 5 })).toBe("type");
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});
});

describe("Many signatures", () => {
	const many = (count: number): JSONObject[] => Array.from({ length: count }, (_, i) => peer(100 + i, i % 5 === 0 ? "direct, by a stranger" : "direct"));

	test("are verified map by map on a device, as many as it has room for, and all in the end", () => {
		const stage = new Stage({ isDevice: true });
		const list = many(120);
		stage.first(list);
		stage.settle();
		let maps = 1;
		for (; stage.mapsWanted === maps && maps < 20; maps += 1) {
			stage.first(list);
			stage.settle();
		}
		expect([stage.usable.length, stage.lock.counters.refused, stage.lock.counters.waiting]).toEqual([96, 24, 0]);
		expect(maps > 2 && maps < 12).toBe(true);
	});

	test("that a device has no memory to verify at present are verified later, and let nobody in until then", () => {
		const stage = new Stage();
		testing.isShortOfMemory = true;
		stage.first(peers());
		stage.settle();
		expect(stage.condition("lock")).toBe("tailnet lock: no memory to verify a signature"); // that of the authority's first update
		testing.isShortOfMemory = false;
		testing.advance(10_000);
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
		testing.isShortOfMemory = true;
		stage.first(peers(), { PeersChanged: [], Node: selfNode({ KeySignature: base64(direct.bytes) }) });
		stage.feed({ PeersRemoved: [2] });
		stage.feed({ PeersChanged: [peer(2, "direct, of a second node")] });
		testing.advance(5_000);
		expect(stage.usable).toEqual(["host-3", "host-4"]);
		testing.isShortOfMemory = false;
		testing.advance(1_000);
		expect([stage.usable, stage.lab.netmap.lockedOut]).toEqual([["host-2", "host-3", "host-4"], true]);
	});

	test("that are too long to be any are refused, and do not ask for maps without an end", () => {
		const stage = new Stage({ isDevice: true });
		stage.first([peer(2, "direct", { KeySignature: "A".repeat(20_000) }), peer(3, "a rotation")]);
		stage.settle();
		expect([stage.usable, stage.mapsWanted, stage.lock.counters.refused]).toEqual([["host-3"], 0, 1]);
	});
});

describe("The authority", () => {
	test("that removes a key refuses at once those for whom it vouched, and nobody else", () => {
		const stage = locked();
		const removal = updateOf("removes the key that signs it");
		stage.control.history.push(removal);
		stage.events.length = 0;
		stage.feed({ TKAInfo: { Head: removal.head } });
		stage.settle();
		expect(stage.head).toBe(removal.head);
		expect(stage.events).toEqual(["shrinks", "stored"]);
		expect([stage.usable, stage.mapsWanted]).toEqual([["host-4"], 0]); // for which the other key vouches
		expect(stage.changes.at(-1)?.routingChanged.length).toBe(2);
		expect(stage.condition("lock-refused")).toMatch(/forger.*host-2|host-2.*forger/);
		stage.first([...peers(), peer(8, "direct, by the other key", { Key: `nodekey:${direct.nodeKey}` })]);
		stage.settle();
		expect([stage.usable, stage.mapsWanted]).toEqual([["host-4", "host-8"], 0]);
	});

	test("that removes a key asks for the signatures of those whom only the last run verified", () => {
		const { values } = locked().store;
		const stage = new Stage({ values });
		const { peers: table } = stage.lab.netmap;
		stage.first(peers());
		table.store.marks?.set(table.findByName("host-4.example.ts.net"), 1);
		stage.settle();
		for (let index = 0; index < table.limit; index += 1) table.store.marks?.setSigner(index, 0);
		table.store.marks?.setSigner(table.findByName("host-2.example.ts.net"), 1);
		const removal = updateOf("removes the key that signs it");
		stage.control.history.push(removal);
		stage.feed({ TKAInfo: { Head: removal.head } });
		stage.settle();
		expect([stage.usable, stage.mapsWanted]).toEqual([[], 1]);
		stage.first(peers());
		stage.settle();
		expect([stage.usable, stage.mapsWanted]).toEqual([["host-4"], 1]);
	});

	test("that adds a key looks again at those whom it kept out", () => {
		const stage = locked();
		const addition = updateOf("adds a key");
		stage.control.history.push(addition);
		stage.events.length = 0;
		stage.feed({ TKAInfo: { Head: addition.head } });
		stage.settle();
		expect([stage.head, stage.events, stage.mapsWanted]).toEqual([addition.head, ["stored"], 1]);
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});

	test("tells control where it is after an update, and nothing where both are the same", () => {
		const stage = locked();
		const addition = updateOf("adds a key");
		stage.control.asked.length = 0;
		stage.feed({ TKAInfo: { Head: genesisHead } });
		stage.settle();
		expect(stage.control.asked).toEqual([]);
		stage.control.history.push(addition);
		stage.feed({ TKAInfo: { Head: addition.head } });
		stage.settle();
		expect(stage.control.asked.map(({ path }) => path)).toEqual(["/machine/tka/sync/offer", "/machine/tka/sync/send"]);
		expect(stage.control.asked[0]?.body).toEqual({
			Version: 1,
			NodeKey: `nodekey:${"00".repeat(32)}`,
			Head: genesisHead,
			Ancestors: [genesisHead],
		});
		expect(stage.control.asked[1]?.body).toEqual({
			Version: 1,
			NodeKey: `nodekey:${"00".repeat(32)}`,
			Head: addition.head,
			MissingAUMs: [],
			Interactive: false,
		});
	});

	test("gives control what it has lost", () => {
		const stage = locked();
		const addition = updateOf("adds a key");
		stage.control.history.push(addition);
		stage.feed({ TKAInfo: { Head: addition.head } });
		stage.settle();
		stage.control.history.pop();
		stage.control.asked.length = 0;
		stage.feed({ TKAInfo: { Head: genesisHead } });
		stage.settle();
		expect(stage.control.asked.at(-1)?.body["MissingAUMs"]).toEqual([base64(addition.bytes)]);
		expect(stage.head).toBe(addition.head);
		expect(stage.condition("lock")).toBe("tailnet lock: control's history and ours end in different places");
	});

	test("that is forged stays what it was, and that is shown until it is good again", () => {
		const stage = locked();
		const forged = {
			bytes: vectors.updates.find(({ name }) => name === "adds a key, signed by a stranger")?.bytes as string,
			head: genesisHead.replace("A", "B"),
		};
		stage.control.history.push(forged);
		stage.feed({ TKAInfo: { Head: forged.head } });
		stage.settle();
		expect(stage.condition("lock")).toBe("tailnet lock: an update is refused: signed by a key that is not trusted");
		expect([stage.head, stage.usable]).toEqual([genesisHead, ["host-2", "host-3", "host-4"]]);
		stage.control.history.pop();
		stage.feed({ TKAInfo: { Head: genesisHead } });
		testing.advance(10_000);
		expect(stage.condition("lock")).toBe(undefined);
	});

	test("that cannot be learned lets nobody in, says why, and is asked again for ever", () => {
		const stage = new Stage();
		stage.control.answer = () => ({ status: 501, text: "" });
		stage.first(peers());
		stage.settle();
		expect(stage.condition("lock")).toBe("tailnet lock: /machine/tka/bootstrap: expected status 200, got 501");
		expect(stage.errors).toEqual([stage.condition("lock")]);
		testing.advance(3_600_000 * 5);
		expect(stage.control.asked.length > 8).toBe(true);
		expect(stage.usable).toEqual([]);
		stage.control.answer = undefined;
		testing.advance(3_600_000);
		expect([stage.condition("lock"), stage.usable]).toEqual([undefined, ["host-2", "host-3", "host-4"]]);
	});

	for (const [what, text, problem] of [
		["no JSON", "{", /JSON|Unexpected|unexpected|Expected|parse|invalid/],
		["no object", "[]", /the answer: expected an object/],
		["no update", "{}", /control does not tell how its history begins/],
		["no base64", '{"GenesisAUM":"*"}', /GenesisAUM: expected base64/],
		[
			"no checkpoint",
			JSON.stringify({ GenesisAUM: base64(updateOf("adds a key").bytes) }),
			/its first update is refused: an authority begins with a checkpoint/,
		],
		["no CBOR", '{"GenesisAUM":"AAAA"}', /its first update is refused: malformed/],
	] as const) {
		test(`that begins with ${what} is refused`, () => {
			const stage = new Stage();
			stage.control.answer = () => ({ status: 200, text });
			stage.first(peers());
			stage.settle();
			expect(stage.condition("lock")).toMatch(problem);
			expect([stage.usable, stage.store.values.size]).toEqual([[], 0]);
		});
	}

	test("is asked again in another session, when the answer went down with the one before", () => {
		const stage = new Stage();
		stage.control.answer = () => "silence";
		stage.first(peers());
		stage.settle();
		stage.control.answer = undefined;
		expect(stage.usable).toEqual([]);
		stage.first(peers());
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
	});

	test("that nobody answers for is asked again after a minute", () => {
		const stage = new Stage();
		stage.control.answer = () => "silence";
		stage.first(peers());
		testing.advance(61_000);
		expect(stage.condition("lock")).toBe("tailnet lock: /machine/tka/bootstrap: no answer");
		stage.control.answer = undefined;
		stage.control.isThere = false;
		testing.advance(20_000);
		expect(stage.condition("lock")).toBe("tailnet lock: there is no session with control");
	});
});

describe("After a restart", () => {
	test("what is stored is in force at once, whatever control says", () => {
		const before = locked();
		const stage = new Stage({ values: before.store.values });
		expect(stage.head).toBe(genesisHead);
		stage.control.secret = "00";
		stage.first(peers(), { TKAInfo: null });
		expect(stage.usable).toEqual([]);
		stage.settle();
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
		expect(stage.condition("lock")).toMatch(/control says that it is over, and this machine has not the memory/);
	});

	test("the lock ends with the right secret alone", () => {
		testing.derived.set(`${fromHex(secret.secret)}`, fromHex(secret.value));
		testing.derived.set(`${fromHex("01")}`, new Uint8Array(32));
		const stage = locked();
		stage.control.secret = "01";
		stage.feed({ TKAInfo: { Disabled: true } });
		stage.settle();
		expect(stage.condition("lock")).toBe("tailnet lock: control says that it is over, and cannot prove it: it stays in force");
		expect(stage.usable).toEqual(["host-2", "host-3", "host-4"]);
		stage.control.secret = secret.secret;
		testing.advance(30_000);
		expect(stage.usable).toEqual(["forger", "host-2", "host-3", "host-4", "nobody"]);
		expect([stage.condition("lock"), stage.condition("lock-refused"), stage.head, stage.store.values.size]).toEqual([undefined, undefined, "", 0]);
	});

	test("the peers of the last map were trusted when it was stored", () => {
		const stage = new Stage({ values: locked().store.values });
		stage.lab.netmap.peers.staging.replaceAll();
		stage.lab.netmap.peers.staging.upsert(node(2));
		stage.lab.netmap.self.stage(selfNode());
		stage.lab.netmap.commit(true, true, 0);
		expect(stage.usable).toEqual([]);
		stage.lock.restored();
		expect(stage.usable).toEqual(["host-2"]);
	});

	test("a value of another control server means nothing, and one that is damaged is named", () => {
		const { values } = locked().store;
		expect(new Stage({ values, controlURL: "https://other.example" }).head).toBe("");
		const damaged = new Map([["lock", (values.get("lock") as Uint8Array).slice(0, -1)]]);
		const stage = new Stage({ values: damaged });
		stage.settle();
		expect([stage.head, stage.errors]).toEqual(["", ["tailnet lock: what is stored of the key authority is not used: its checksum is wrong"]]);
	});

	test("and after a logout there is nothing", () => {
		const stage = locked();
		stage.lock.forget();
		expect([stage.store.values.size, new Stage({ values: stage.store.values }).head]).toEqual([0, ""]);
	});

	test("nothing is asked after the end", () => {
		const stage = new Stage();
		stage.first(peers());
		stage.lock.close();
		const { timers } = testing;
		testing.advance(3_600_000);
		expect([stage.control.asked.length, timers]).toEqual([0, 0]);
	});
});

describe("A long history", () => {
	const line = vectors.chains.find(({ name }) => name === "a line of 40 updates, one by one");
	const steps = (line?.steps ?? []).map(({ updates, head }) => ({ bytes: updates?.[0] as string, head }));

	test("fits 4,000 bytes: its oldest updates are folded, and it goes on from there", () => {
		const control = new ControlDouble();
		control.history.push(...steps.slice(0, 30));
		const stage = new Stage({ control });
		stage.first([]);
		stage.settle();
		expect(stage.head).toBe(steps[29]?.head);
		const value = stage.store.values.get("lock") as Uint8Array;
		expect(value.length <= 4000 && value.length > 3000).toBe(true);
		control.history.push(...steps.slice(30));
		const next = new Stage({ control, values: stage.store.values });
		next.first([]);
		next.settle();
		expect([next.head, next.condition("lock")]).toEqual([steps[39]?.head, undefined]);
	});

	test("that forks before what is kept is not followed, and that is shown", () => {
		const fork = vectors.chains.find(({ name }) => name === "a fork after the fact")?.steps?.[1];
		const control = new ControlDouble();
		control.history.push(...steps);
		const stage = new Stage({ control });
		stage.first([]);
		stage.settle();
		control.history.splice(6, 34, { bytes: fork?.updates?.[0] as string, head: fork?.head as string });
		stage.feed({ TKAInfo: { Head: fork?.head } });
		stage.settle();
		expect(stage.head).toBe(steps[39]?.head);
		expect(stage.condition("lock")).toMatch(/tailnet lock: /);
	});

	test("is learned anew where it is too large to be stored, and has to be the same", () => {
		const stage = locked();
		const addition = updateOf("adds a key");
		stage.store.values.clear();
		stage.control.history.push(addition);
		stage.feed({ TKAInfo: { Head: addition.head } });
		stage.settle();
		expect(stage.head).toBe(addition.head);
		stage.store.values.clear();
		stage.control.history.splice(0, 1, updateOf("changes votes"));
		stage.feed({ TKAInfo: { Head: stage.control.head } });
		stage.settle();
		expect([stage.head, stage.condition("lock")]).toEqual([addition.head, "tailnet lock: control tells the history of another authority"]);
	});

	test("cannot be written when its state alone is too large", () => {
		const chain = Chain.begin(fromHex(genesis)) as Chain;
		const keys = Array.from({ length: 120 }, (_, i) => ({ bytes: new Uint8Array(32).fill(i), votes: 1 }));
		expect(encodeChain(Chain.from({ ...chain.head, keys }, []) as Chain, 0)).toBe(undefined);
		expect(hashToText(chain.head.head)).toBe(genesisHead);
	});
});
