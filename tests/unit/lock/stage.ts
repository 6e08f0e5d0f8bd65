/** A network map, the lock over it, and a control server that knows a history of the vectors. */
import { base64Encode, type Store, startTimer } from "tailnet/host";
import type { TailnetError } from "../../../modules/errors.js";
import { openLock, signatureRoom } from "../../../modules/lock/lock.js";
import type { LockOwner, TailnetLock } from "../../../modules/lock-owner.js";
import type { NetmapChange } from "../../../modules/netmap/types.js";
import { fromHex } from "../../harness.js";
import vectors from "../../vectors/lock.json" with { type: "json" };
import { testing } from "../../xs/host.js";
import { frame, type JSONObject, Lab, node, selfNode } from "../netmap/fixtures.js";

export const genesis = vectors.chains[0]?.genesis as string;

/** An update that follows the genesis, by its name. */
export function updateOf(name: string): { bytes: string; head: string } {
	const found = vectors.updates.find((each) => each.name === name);
	if (!found?.ok) throw new Error(`no good update ${name}`);
	return found as { bytes: string; head: string };
}

export function base64(hex: string): string {
	return base64Encode(fromHex(hex));
}

/** A peer whose node key and signature are those of a vector. */
export function peer(id: number, name: string, members: JSONObject = {}): JSONObject {
	const vector = vectors.signatures.find((each) => each.name === name);
	if (!vector) throw new Error(`no signature ${name}`);
	return node(id, { Key: `nodekey:${vector.nodeKey}`, KeySignature: base64(vector.bytes), ...members });
}

interface Answer {
	status: number;
	text: string;
}

/** What control knows: a history, and perhaps the secret that ends it. */
export class ControlDouble {
	readonly asked: { path: string; body: JSONObject }[] = [];
	/** Instead of what it would answer. */
	answer: ((path: string) => Answer | "silence" | undefined) | undefined;
	secret = "";
	/** Bytes in hex, and the heads after them. */
	readonly history: { bytes: string; head: string }[] = [];
	isThere = true;

	get head(): string {
		return this.history.at(-1)?.head ?? genesisHead;
	}

	reply(path: string, body: JSONObject): Answer | "silence" {
		this.asked.push({ path, body });
		const special = this.answer?.(path);
		if (special) return special;
		if (path === "/machine/tka/bootstrap") {
			const answer = body["Head"] === "" || this.secret === "" ? { GenesisAUM: base64(genesis) } : { DisablementSecret: base64(this.secret) };
			return { status: 200, text: JSON.stringify(answer) };
		}
		if (path === "/machine/tka/sync/send") return { status: 200, text: JSON.stringify({ Head: this.head }) };
		const heads = [genesisHead, ...this.history.map(({ head }) => head)];
		const known = [body["Head"] as string, ...(body["Ancestors"] as string[])].map((head) => heads.indexOf(head)).find((place) => place >= 0) ?? heads.length;
		const missing = this.history.slice(known).map(({ bytes }) => base64(bytes));
		return { status: 200, text: JSON.stringify({ Head: this.head, Ancestors: [genesisHead], MissingAUMs: missing }) };
	}
}

/** Head of the authority that has nothing but the genesis. */
export const genesisHead = vectors.chains.find(({ name }) => name === "no update")?.steps?.[0]?.head as string;

export class Stage {
	readonly lab = new Lab();
	readonly control: ControlDouble;
	readonly store: Store & { values: Map<string, Uint8Array> };
	readonly changes: NetmapChange[] = [];
	readonly errors: string[] = [];
	/** What happened to the store and to what depends on it, in order. */
	readonly events: string[] = [];
	mapsWanted = 0;
	head = "";
	readonly lock: TailnetLock;

	constructor(options: { values?: Map<string, Uint8Array>; control?: ControlDouble; isDevice?: boolean; controlURL?: string } = {}) {
		const values = options.values ?? new Map<string, Uint8Array>();
		this.control = options.control ?? new ControlDouble();
		this.store = {
			values,
			get: (key) => values.get(key),
			set: (key, value) => {
				this.events.push("stored");
				values.set(key, value.slice());
			},
			delete: (key) => {
				this.events.push("deleted");
				values.delete(key);
			},
		};
		const owner: LockOwner = {
			store: this.store,
			netmap: this.lab.netmap,
			controlURL: options.controlURL ?? "https://control.example",
			asker: { version: 1, nodeKey: new Uint8Array(32) },
			isDevice: options.isDevice ?? false,
			ask: (path, body, _limit, done) => this.#ask(path, body, done),
			trustShrinks: () => this.events.push("shrinks"),
			mapWanted: () => {
				this.mapsWanted += 1;
			},
			changed: (change) => {
				if (change) this.changes.push(change);
			},
			headChanged: (head) => {
				this.head = head;
			},
			report: (error) => this.errors.push((error as Error).message),
		};
		this.lab.netmap.keepSignatures(signatureRoom(owner.isDevice));
		this.lock = openLock(owner);
	}

	/** The first message of a poll; lock is on with control's head. */
	first(peers: JSONObject[], members: JSONObject = {}): void {
		this.lab.reader.begin();
		this.feed({ Node: selfNode(), Peers: peers, TKAInfo: { Head: this.control.head }, ...members });
	}

	feed(message: JSONObject): void {
		for (const each of this.lab.reader.push(frame(message), this.lab.now)) this.lock.map(each);
		if (this.lab.reader.failure) throw new Error(this.lab.reader.failure.message);
	}

	/** Lets everything that is due come to its end. */
	settle(): void {
		testing.advance(100);
	}

	/** Short names of the peers that carry traffic. */
	get usable(): string[] {
		const { peers } = this.lab.netmap;
		const names: string[] = [];
		for (let index = 0; index < peers.limit; index += 1) if (peers.has(index) && peers.usable(index)) names.push(peers.name(index).split(".")[0] as string);
		return names.sort();
	}

	/** Texts of the conditions by id. */
	condition(id: string): string | undefined {
		return this.lab.netmap.health.find((each) => each.id === id)?.text;
	}

	#ask(path: string, body: string, done: (error: TailnetError | undefined, status: number, text: string) => void): boolean {
		if (!this.control.isThere) return false;
		const answer = this.control.reply(path, JSON.parse(body) as JSONObject);
		if (answer !== "silence") startTimer(() => done(undefined, answer.status, answer.text), 1);
		return true;
	}
}
