/**
 * Two nodes of ours and two stock ones, the servers between them, and what can be asked of them all by name.
 *
 *   t1  stock, beside the servers: the canary, which pings the others and to which they are connected
 *   a b ours, each in a namespace of its own
 *   s   stock, in a namespace of its own: the reference. What befalls a and b befalls it too
 */
import { World } from "../interop/harness/world.js";
import { measured } from "./leaks.js";

/** Peers that exist in the netmap alone. */
export const silentPeers = 1000;

export class Stage {
	canary = "t1";
	own = ["a", "b"];
	reference = "s";
	#nodes = new Map();
	#places = new Map();
	/** Last part of the next address that a node gets. */
	#number = 100;

	static async create() {
		const stage = new Stage();
		stage.world = await World.create({ subject: "own", control: { stream: "own" } });
		try {
			for (const name of stage.all) stage.#places.set(name, await stage.world.network.namespace(name));
			await stage.world.peers.do("control.fakes", { count: silentPeers }, 60_000);
			await stage.world.stock(stage.canary);
			for (const name of stage.all) await stage.launch(name);
		} catch (error) {
			await stage.close();
			throw error;
		}
		return stage;
	}

	/** Every node that faults befall. */
	get all() {
		return [...this.own, this.reference];
	}

	isOwn(name) {
		return name !== this.reference;
	}

	/** Starts a node, with the state it had, and waits until it runs. */
	async launch(name) {
		const subject = this.isOwn(name) ? "own" : "stock";
		const node = await this.world.subject(name, { subject, in: name, ...measured, timeoutMS: 40_000 });
		this.#nodes.set(name, node);
		return node;
	}

	node(name) {
		return this.#nodes.get(name);
	}

	/** Network namespace of a node. */
	place(name) {
		return this.#places.get(name);
	}

	/** Its address on the tailnet. */
	address(name) {
		return name === this.canary ? this.world.stockNodes.get(name).ip4 : this.node(name).address;
	}

	/** Addresses of all nodes under test on the network below. */
	get underlay() {
		return this.all.map((name) => this.place(name).address);
	}

	/** Gives a node another address in the same network, as a DHCP server does. */
	async readdress(name) {
		const place = this.place(name);
		place.address = `10.71.0.${this.#number}`;
		this.#number = this.#number === 250 ? 100 : this.#number + 1;
		await place.run("sh", "-ec", `ip address flush dev eth0; ip address add ${place.address}/24 dev eth0; ip route add default via 10.71.0.254`);
	}

	/** Calls check until it does not throw. */
	until(check, withinMS) {
		return this.world.eventually(check, withinMS, 25);
	}

	// What a node has when it works, layer by layer; each throws when it has not.

	/** The canary reaches it. */
	answers = (name) => this.world.ping(this.canary, this.address(name), "TSMP", 1000);

	/** And by UDP. */
	answersDirectly = async (name) => {
		const { endpoint } = await this.world.ping(this.canary, this.address(name), "disco", 1000);
		if (!endpoint?.startsWith(`${this.place(name).address}:`)) throw new Error(`${name} is reached by ${endpoint || "the relay"}`);
	};

	/** And by the relay. */
	answersByRelay = async (name) => {
		const { region } = await this.world.ping(this.canary, this.address(name), "disco", 1000);
		if (!region) throw new Error(`${name} is not reached by the relay`);
	};

	isOnRelay = async (name) => {
		const { Key } = await this.world.known(name);
		const { connected } = await this.world.peers.do("relay.connected", { region: 1, nodeKey: Key });
		if (!connected) throw new Error(`${name} is not connected to its relay`);
	};

	/** Control asks it over its map stream, and hears the answer. */
	isOnControl = (name) => this.world.peers.do("control.c2n", { node: name, method: "POST", path: "/echo", body: "here" }, 1000);

	/** It reaches another node. */
	reaches = (name, other) => this.node(name).do({ do: "ping", peer: this.address(other), kind: "tsmp", timeoutMS: 1000 }, 3000);

	/** What a node of ours says of itself. */
	says = (name, state) => {
		const said = this.node(name).events.findLast((event) => event.event === "state")?.state;
		if (said !== state) throw new Error(`${name} says ${said}`);
	};

	/** Waits until nothing is wrong any more: every node is on control and relay, reached directly, and ours say so. */
	async rest(withinMS = 60_000) {
		this.world.allowUDP();
		await Promise.all(this.own.map((name) => this.#atRest(name, withinMS)));
		for (const name of this.own) await this.until(() => this.says(name, "running"), withinMS);
		try {
			await this.#atRest(this.reference, withinMS);
		} catch {
			// It is there to compare with, and not what is judged.
			await this.node(this.reference).kill();
			await this.launch(this.reference);
			await this.#atRest(this.reference, withinMS);
		}
	}

	async #atRest(name, withinMS) {
		for (const check of [this.isOnControl, this.isOnRelay, this.answersDirectly]) await this.until(() => check(name), withinMS);
	}

	/** Loses UDP, and waits until all goes by the relay. */
	async relayOnly(withinMS = 60_000) {
		this.world.blockUDP();
		await Promise.all(this.all.map((name) => this.until(() => this.answersByRelay(name), withinMS)));
		for (const name of this.own) await this.until(() => this.reaches(name, this.canary), withinMS);
	}

	/** Takes every fault back, whatever is in force. */
	async repair() {
		const { peers } = this.world;
		this.world.allowUDP();
		await peers.do("control.restart");
		await peers.do("relay.restart", { region: 1 });
		for (const name of this.all) await this.place(name).run("sh", "-ec", "ip link set eth0 up; ip route replace default via 10.71.0.254");
	}

	async close() {
		await this.world.close();
	}
}
