import { JSONScanner } from "tailnet/host";
import { parseAddress } from "../../../modules/netmap/address.js";
import { mapSchema } from "../../../modules/netmap/map-schema.js";
import { MapStage } from "../../../modules/netmap/map-stage.js";
import { describe, expect, Random, test, toHex } from "../../harness.js";
import { firstMessage, frame, type JSONObject, keyText, Lab, node, picture } from "./fixtures.js";
import { cutEverywhere, delta, replacement, start } from "./messages.js";

/** Everything that the scanner would say of a message. */
function eventsOf(message: JSONObject): [number, string, string][] {
	const events: [number, string, string][] = [];
	new JSONScanner(mapSchema(), 32768).push(frame(message).subarray(4), (path, key, text) => events.push([path, key, text]));
	return events;
}

describe("staging", () => {
	test("a message cut at every byte leaves the old map or makes the new one, never a mixture", cutEverywhere);

	test("a message that ends after any of its values leaves the old map; so does one refused there", () => {
		for (const message of [delta, replacement]) {
			const lab = new Lab();
			lab.feed(start);
			const before = picture(lab.netmap);
			const events = eventsOf(message);
			const stage = new MapStage(lab.netmap);
			for (let stop = 0; stop <= events.length; stop += 1) {
				for (const isRefused of [false, true]) {
					stage.begin();
					for (const [path, key, text] of events.slice(0, stop)) stage.value(path, key, text);
					expect(picture(lab.netmap)).toBe(before);
					// A second poll has to name our node, so ending here refuses a replacement as well.
					if (isRefused) {
						stage.value(17, "", "5");
						stage.value(35, "", "7");
						expect("code" in stage.end()).toBe(true);
					}
				}
			}
			stage.begin();
			expect(picture(lab.netmap)).toBe(before);
			lab.reader.begin();
			const { change } = lab.feed(start);
			expect([change!.added.length, change!.removed.length, change!.changed.length]).toEqual([0, 0, 0]);
		}
	});

	test("a message that failed leaves nothing that the next poll brings into force, whatever that one does not mention", () => {
		const next = firstMessage([node(2)]);
		for (const message of [delta, replacement]) {
			const untouched = new Lab();
			untouched.feed(start);
			untouched.reader.begin();
			untouched.feed(next);
			const wanted = picture(untouched.netmap);
			const events = eventsOf(message);
			for (let stop = 1; stop <= events.length; stop += 1) {
				const lab = new Lab();
				lab.feed(start);
				const stage = new MapStage(lab.netmap);
				stage.begin();
				for (const [path, key, text] of events.slice(0, stop)) stage.value(path, key, text);
				lab.reader.begin();
				lab.feed(next);
				expect([stop, picture(lab.netmap)]).toEqual([stop, wanted]);
			}
		}
	});

	test("aborted messages leave no memory behind", () => {
		const lab = new Lab();
		lab.feed(start);
		lab.feed({ PeersChanged: [node(100)] });
		const bytes = lab.netmap.peers.bytes;
		const many = frame({ PeersChanged: Array.from({ length: 60 }, (_, i) => node(1000 + i)), Health: 5 });
		for (let n = 0; n < 5; n += 1) {
			lab.reader.push(many, 0);
			expect(lab.reader.failure!.code).toBe("type");
			lab.reader.begin();
			lab.feed(start, { PeersChanged: [node(100)] });
		}
		// Room made for indexes may stay, records may not.
		expect(lab.netmap.peers.bytes <= bytes + 8192).toBe(true);
	});

	test("patches before PeersChanged in one message have their effect after it", () => {
		const lab = new Lab();
		lab.feed(start);
		lab.feed({ PeersChangedPatch: [{ NodeID: 2, DERPRegion: 44 }], OnlineChange: { "2": false }, PeersChanged: [node(2), node(9), node(3)] });
		const view = lab.netmap.peers.view(lab.netmap.peers.findByID("2"))!;
		expect([view.homeRegion, view.online, lab.names]).toEqual([44, false, ["host-2", "host-3", "host-4", "host-5", "host-9"]]);
	});

	test("PeersRemoved acts before PeersChanged, wherever it stands: a node in both stays, as the message brings it", () => {
		const both = { PeersRemoved: [3, 4, 9, 77], PeersChanged: [node(9), node(3, { HomeDERP: 44 })], PeersChangedPatch: [{ NodeID: 4, DERPRegion: 1 }] };
		for (const message of [both, Object.fromEntries(Object.entries(both).reverse())]) {
			const lab = new Lab();
			lab.feed(start);
			const index = lab.netmap.peers.findByID("3");
			const { change } = lab.feed(message);
			expect(lab.names).toEqual(["host-2", "host-3", "host-5", "host-9"]);
			expect([change!.removed.length, change!.added.length, Array.from(change!.changed)]).toEqual([1, 1, [index]]);
			expect(lab.netmap.peers.view(index)!.homeRegion).toBe(44);
		}
	});
});

/** The peers as a plain object, by the words of control.md §6.7. */
class Model {
	nodes = new Map<string, JSONObject>();

	apply(message: JSONObject): void {
		const peers = message["Peers"] as JSONObject[] | undefined;
		if (peers !== undefined && peers.length > 0) {
			this.nodes = new Map(peers.map((each) => [String(each["ID"]), { ...each }]));
			return;
		}
		for (const id of (message["PeersRemoved"] as number[] | undefined) ?? []) this.nodes.delete(String(id));
		for (const each of (message["PeersChanged"] as JSONObject[] | undefined) ?? []) this.nodes.set(String(each["ID"]), { ...each });
		for (const [id, online] of Object.entries((message["OnlineChange"] as JSONObject | undefined) ?? {})) {
			const known = this.nodes.get(id);
			if (known !== undefined) known["Online"] = online;
		}
		for (const patch of (message["PeersChangedPatch"] as JSONObject[] | undefined) ?? []) {
			const known = this.nodes.get(String(patch["NodeID"]));
			if (known === undefined) continue;
			const { NodeID, DERPRegion, ...rest } = patch;
			Object.assign(known, rest);
			if (DERPRegion !== undefined) known["HomeDERP"] = DERPRegion;
		}
	}
}

describe("random deltas", () => {
	test("the packed table agrees with a plain model after every message, by every index", () => {
		for (const seed of [1, 2]) {
			const random = new Random(seed);
			const lab = new Lab();
			const model = new Model();
			lab.feed(firstMessage([]));
			const id = () => 2 + random.below(60);
			const some = (): JSONObject => {
				const members: JSONObject = { HomeDERP: 1 + random.below(5) };
				if (random.below(3) === 0) members["Key"] = keyText("nodekey", 100 + random.below(1000));
				if (random.below(3) === 0) members["DiscoKey"] = keyText("discokey", random.below(20));
				if (random.below(3) === 0) members["Name"] = `n${random.below(1000)}.${random.below(2) === 0 ? "example.ts.net" : "other.net"}.`;
				if (random.below(4) === 0) members["Addresses"] = [`100.99.${random.below(250)}.${random.below(250)}/32`];
				if (random.below(4) === 0)
					members["Endpoints"] = Array.from({ length: random.below(11) }, (_, i) => (i % 2 === 0 ? `192.0.2.${i}:${i + 1}` : `[2001:db8::${i}]:${i}`));
				if (random.below(4) === 0) members["CapMap"] = { [`c${random.below(300)}`]: null };
				return members;
			};
			for (let n = 0; n < 80; n += 1) {
				const message: JSONObject = {};
				const kind = random.below(10);
				if (kind === 0) message["Peers"] = Array.from(new Set(Array.from({ length: random.below(50) }, id)), (each) => node(each, some()));
				if (kind < 6) message["PeersChanged"] = Array.from({ length: random.below(6) }, () => node(id(), some()));
				if (kind > 4) message["PeersRemoved"] = Array.from({ length: random.below(6) }, id);
				if (kind % 2 === 0) message["OnlineChange"] = Object.fromEntries(Array.from({ length: random.below(6) }, () => [String(id()), random.below(2) === 0]));
				if (kind % 3 === 0)
					message["PeersChangedPatch"] = Array.from({ length: random.below(4) }, () => ({
						NodeID: id(),
						DERPRegion: 1 + random.below(9),
						Key: keyText("nodekey", 2000 + random.below(50)),
					}));
				if (random.below(5) === 0) {
					// A message that is refused half-way changes nothing.
					const before = picture(lab.netmap);
					lab.reader.push(frame({ ...message, Health: 1 }), 0);
					expect(picture(lab.netmap)).toBe(before);
					lab.reader.begin();
					const nodes = Array.from(model.nodes.values());
					lab.feed(firstMessage(nodes));
					expect(picture(lab.netmap)).toBe(before);
				}
				lab.feed(message);
				model.apply(message);
				compare(lab, model);
			}
		}
	});
});

/** Everything that differs is in one text, so that a message costs one comparison. */
function compare(lab: Lab, model: Model): void {
	const { peers } = lab.netmap;
	const got: unknown[] = [peers.count];
	const wanted: unknown[] = [model.nodes.size];
	const shared = new Map<unknown, number>();
	for (const each of model.nodes.values()) shared.set(each["DiscoKey"], (shared.get(each["DiscoKey"]) ?? 0) + 1);
	for (const [id, each] of model.nodes) {
		const index = peers.findByID(id);
		const view = peers.view(index)!;
		const name = (each["Name"] as string).slice(0, -1);
		const addresses = (each["Addresses"] as string[]).map((prefix) => prefix.split("/")[0] as string);
		wanted.push([id, each["Key"], each["DiscoKey"], name, each["HomeDERP"], (each["Endpoints"] as string[]).slice(0, 8), addresses, each["Online"]]);
		got.push([
			view.id,
			`nodekey:${toHex(view.nodeKey)}`,
			`discokey:${toHex(view.discoKey!)}`,
			view.name,
			view.homeRegion,
			view.endpoints,
			view.addresses,
			view.online,
		]);
		wanted.push(Object.keys((each["CapMap"] as JSONObject | undefined) ?? {}), shared.get(each["DiscoKey"]), true);
		const sameDisco = peers.findByDiscoKey(view.discoKey!);
		got.push(view.capabilities, sameDisco.length, sameDisco.includes(index));
		// Several may share a node key, a name or an address; whoever is found has it.
		const byKey = peers.view(peers.findByNodeKey(view.nodeKey));
		const byName = peers.view(peers.findByName(`${name.toUpperCase()}.`));
		wanted.push(
			each["Key"],
			name,
			addresses.map(() => true),
		);
		got.push(
			`nodekey:${toHex(byKey!.nodeKey)}`,
			byName!.name,
			addresses.map((address) => peers.view(peers.findByAddress(parseAddress(address)!))!.addresses.includes(address)),
		);
	}
	for (let id = 2; id < 62; id += 1) {
		if (model.nodes.has(String(id))) continue;
		wanted.push([id, -1]);
		got.push([id, peers.findByID(String(id))]);
	}
	expect(JSON.stringify(got)).toBe(JSON.stringify(wanted));
}
