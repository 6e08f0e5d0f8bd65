/**
 * A network behind a router that translates addresses: on the switch, or behind another such router.
 *
 *      switch, or the LAN of a carrier
 *        |
 *      eth0 11.71.0.x "router"  --- nft: table ip home, and ip6 home where there is IPv6
 *      lan0 192.168.71.1 (a bridge)
 *        |            |
 *      eth0 .2      eth0 .3 ...  hosts; the first one is `inside`
 *
 * What the router does to UDP (protocol/paths.md §1, §9.3):
 *   easy      one mapping for a host's port, whatever the destination; lets in what comes from an address and port that was sent to
 *   address   the same, but lets in whatever comes from an address that was sent to
 *   hard      another random port for every flow; lets in answers only
 *   blocked   none goes through
 * Whatever else comes from outside is lost without an answer: one that the router took for itself would hold the port that a host's flow has to get.
 */

/** Mapped ports of an easy router. Another range stands for a router that forgot what it had. */
const ranges = ["20000-29999", "30000-39999"];

const masquerade = {
	easy: (range) => `meta l4proto udp masquerade to :${range}`,
	// Its ports stay what they are inside, which the chain "known" relies on.
	address: () => "masquerade",
	hard: () => "masquerade random,fully-random",
	blocked: () => "masquerade",
};

const chains = {
	address: (lan) => `set spoken { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 30s; }
	chain said { type filter hook postrouting priority srcnat + 10; oifname eth0 meta l4proto udp update @spoken { ip daddr . udp sport }; }
	chain known { type nat hook prerouting priority dstnat + 10; iifname eth0 meta l4proto udp ip saddr . udp dport @spoken dnat to ${lan}.2; }`,
	blocked: () => "chain pass { type filter hook forward priority filter; meta l4proto udp drop; }",
};

/** Chains in and mapped are for a service that maps ports (router.js). */
const rules4 = (nat, range, lan) => `table ip home
delete table ip home
table ip home {
	chain in { type nat hook prerouting priority dstnat; }
	chain out { type nat hook postrouting priority srcnat; oifname eth0 jump mapped; oifname eth0 ${masquerade[nat](range)}; oifname eth0 masquerade; }
	chain mapped { }
	chain local { type filter hook input priority filter; iifname eth0 meta l4proto udp drop; }
	${chains[nat]?.(lan) ?? ""}
}`;

const rules6 = `table ip6 home {
	chain pass { type filter hook forward priority filter; iifname eth0 ct state established,related accept; iifname eth0 drop; }
}`;

/**
 * @typedef {object} HomeOptions
 * @property {"easy" | "address" | "hard" | "blocked"} [nat] default hard
 * @property {boolean} [v6] its hosts have global IPv6 addresses behind a firewall that lets in answers only; the network must have IPv6
 * @property {Home} [behind] it is a customer of this one
 * @property {string} [lan] first three parts of the addresses inside
 * @property {boolean} [isCarrier] only other routers are inside; addresses of RFC 6598
 * @property {boolean} [isolated] hosts cannot reach each other, as in many a public Wi-Fi
 */

export class Home {
	/** @type {import("./network.js").Namespace} its address is the one outside */
	router;
	/** @type {import("./network.js").Namespace} the first host */
	inside;
	#network;
	#options;
	#hosts = 0;
	#range = 0;

	/** @param {import("./network.js").Network} network @param {HomeOptions} [options] */
	static async create(network, name, options = {}) {
		const home = new Home();
		home.#network = network;
		home.#options = { nat: "hard", lan: options.isCarrier ? "100.64.0" : "192.168.71", ...options };
		const { behind, v6, lan, isCarrier } = home.#options;
		home.router = behind ? await behind.host(`${name}-router`) : await network.namespace(`${name}-router`);
		if (!behind) await home.#connect(`11.71.0.${home.router.number}`);
		const script = ["ip link add name lan0 type bridge", `ip address add ${lan}.1/24 dev lan0`, "sysctl -qw net.ipv4.ip_forward=1", "ip link set lan0 up"];
		if (v6) script.push(`ip -6 address add ${home.#prefix6}1/64 dev lan0 nodad`, "sysctl -qw net.ipv6.conf.all.forwarding=1");
		else script.push("sysctl -qw net.ipv6.conf.lan0.disable_ipv6=1");
		await home.router.run("sh", "-ec", script.join("\n"));
		await home.nat(home.#options.nat);
		if (v6) {
			await home.router.run("nft", rules6);
			await network.announce(`${home.#prefix6}/64`, home.router);
		}
		if (!isCarrier) home.inside = await home.host(name);
		return home;
	}

	get #prefix6() {
		return `2001:db8:${this.router.number}::`;
	}

	/** Gives the router its address on the switch. Whatever flowed through the address before is forgotten by the kernel. */
	async #connect(address) {
		this.router.address = address;
		const script = [
			"ip -4 address flush dev eth0",
			`ip address add ${address}/32 dev eth0`,
			"ip route add 10.71.0.0/24 dev eth0",
			"ip route add 11.71.0.0/16 dev eth0",
			"ip route add default via 10.71.0.254 dev eth0",
		];
		await this.router.run("sh", "-ec", script.join("\n"));
	}

	/** Another kind of NAT from now on, for flows that begin. */
	nat(kind) {
		return this.router.run("nft", rules4(kind, ranges[this.#range], this.#options.lan));
	}

	/** The router of an easy NAT starts again: same address, nothing that it had mapped, and other ports for what it maps. */
	async restart() {
		this.#range = (this.#range + 1) % ranges.length;
		await this.nat(this.#options.nat);
		await this.#connect(this.router.address);
	}

	/** A new host inside. */
	async host(name) {
		const host = await this.#network.elsewhere(name);
		await this.join(host);
		return host;
	}

	/** Plugs a host in: a new one, or one that is somewhere else so far and has another address from now on. */
	async join(host) {
		const { lan, v6, isolated } = this.#options;
		const number = ++this.#hosts + 1;
		const port = `lan${number}`;
		await host.run("sh", "-c", "ip link delete eth0 2>/dev/null || true");
		await host.plug(this.router.holder.pid, port, "lan0");
		if (isolated) await this.router.run("bridge", "link", "set", "dev", port, "isolated", "on");
		host.address = `${lan}.${number}`;
		host.address6 = v6 ? `${this.#prefix6}${number}` : undefined;
		const script = [
			...(v6 ? [`ip -6 address add ${host.address6}/64 dev eth0 nodad`] : ["sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"]),
			`ip address add ${host.address}/24 dev eth0`,
			"ip link set eth0 up",
			`ip route add default via ${lan}.1`,
			...(v6 ? [`ip -6 route add default via ${this.#prefix6}1`] : []),
		];
		await host.run("sh", "-ec", script.join("\n"));
	}
}
