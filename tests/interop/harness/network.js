/**
 * The network of one test: namespaces joined by a bridge, with no way out of the machine.
 *
 *      +-------------- switch (namespace with a bridge) --------------+
 *      | port1                      | port2                     port3 |
 *   eth0 10.71.0.1 "peers"      eth0 10.71.0.2 "a"         eth0 10.71.0.3 ...
 *
 * Every namespace has a default route to 10.71.0.254, which is nobody (a fixed link address that no port has): stock nodes wait for
 * ever without a default route, and with this one nothing that they send outwards arrives anywhere. A namespace lives as long as its
 * holder process; the holder ends when our end of its input closes, so even a killed test leaves nothing behind.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { Home } from "./home.js";

const execute = promisify(execFile);
const nobody = "02:00:00:00:00:fe";

/** Starts a process that holds a new network namespace, with lo up. */
async function hold() {
	const holder = spawn("unshare", ["--net", "--", "setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", "ip link set lo up && echo up && exec cat"], {
		stdio: ["pipe", "pipe", "inherit"],
	});
	await once(holder.stdout, "data");
	return holder;
}

/** One namespace on the network. */
export class Namespace {
	/**
	 * @param {string} name for people
	 * @param {import("node:child_process").ChildProcess} holder
	 * @param {number} number last part of its addresses on the switch, 0 if it is not there
	 */
	constructor(name, holder, number, v6) {
		this.name = name;
		this.number = number;
		this.address = `10.71.0.${number}`;
		this.address6 = v6 ? `2001:db8:71::${number}` : undefined;
		this.holder = holder;
	}

	/** A command line that runs `command` inside. */
	inside(command) {
		return ["nsenter", `--net=/proc/${this.holder.pid}/ns/net`, "--", ...command];
	}

	/** Runs a command inside and gives its output. */
	async run(...command) {
		const [program, ...args] = this.inside(command);
		return (await execute(program, args)).stdout;
	}

	/**
	 * Joins it by a cable, eth0 here, to another namespace.
	 * @param {number} pid holder of the other namespace
	 * @param {string} port name of the cable's other end
	 * @param {string} [bridge] what that end is plugged into
	 */
	async plug(pid, port, bridge) {
		const cable = ["link", "add", port, "netns", `${pid}`, "type", "veth", "peer", "name", "eth0", "netns", `${this.holder.pid}`];
		await execute("ip", cable);
		await execute("nsenter", [`--net=/proc/${pid}/ns/net`, "--", "ip", "link", "set", port, ...(bridge ? ["master", bridge] : []), "up"]);
	}

	/** Replaces the rules of this namespace; "" removes them. */
	rules(text) {
		const [program, ...args] = this.inside(["nft", "-f", "-"]);
		execFileSync(program, args, { input: `table inet interop\ndelete table inet interop\n${text}`, stdio: ["pipe", "ignore", "inherit"] });
	}
}

export class Network {
	/** @type {Map<string, Namespace>} */
	#namespaces = new Map();
	#switch;
	#v6;
	/** IPv6 prefixes behind routers. */
	#routes = [];

	/** @param {{v6?: boolean}} [options] v6: the namespaces also have IPv6 addresses */
	static async create({ v6 = false } = {}) {
		const network = new Network();
		network.#v6 = v6;
		network.#switch = await hold();
		await network.#inSwitch("link", "add", "bridge", "type", "bridge");
		await network.#inSwitch("link", "set", "bridge", "up");
		return network;
	}

	#inSwitch(...args) {
		return execute("nsenter", [`--net=/proc/${this.#switch.pid}/ns/net`, "--", "ip", ...args]);
	}

	/** Network namespace of the bridge. */
	get switchPath() {
		return `/proc/${this.#switch.pid}/ns/net`;
	}

	/** Joins a tap device to the bridge, for an emulated machine. @returns {Promise<string>} its name */
	async tap(name) {
		await this.#inSwitch("tuntap", "add", "dev", name, "mode", "tap");
		await this.#inSwitch("link", "set", name, "master", "bridge", "up");
		return name;
	}

	/** The namespace of this name; made and joined at the first call. */
	async namespace(name) {
		const existing = this.#namespaces.get(name);
		if (existing) return existing;
		const number = this.#namespaces.size + 1;
		const namespace = new Namespace(name, await hold(), number, this.#v6);
		this.#namespaces.set(name, namespace);
		await namespace.plug(this.#switch.pid, `port${number}`, "bridge");
		const script = [
			`ip address add ${namespace.address}/24 dev eth0`,
			...(this.#v6 ? [`ip -6 address add ${namespace.address6}/64 dev eth0 nodad`] : ["sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"]),
			"ip link set eth0 up",
			`ip neighbour add 10.71.0.254 lladdr ${nobody} dev eth0 nud permanent`,
			"ip route add default via 10.71.0.254",
			"ip route add 11.71.0.0/16 dev eth0",
			...(this.#v6 ? [`ip -6 neighbour add 2001:db8:71::fe lladdr ${nobody} dev eth0 nud permanent`, "ip -6 route add default via 2001:db8:71::fe"] : []),
		];
		await namespace.run("sh", "-ec", script.join("\n"));
		if (this.#v6) for (const command of this.#routes) await namespace.run(...command);
		return namespace;
	}

	/**
	 * A network behind a router (home.js). The router has an address of the internet, 11.71.0.x: some map no port with a private one.
	 * @param {import("./home.js").HomeOptions} [options]
	 * @returns {Promise<Home>}
	 */
	home(name, options) {
		return Home.create(this, name, options);
	}

	/** A namespace that is not on the switch: its first cable is plugged by another. */
	async elsewhere(name) {
		const namespace = new Namespace(name, await hold(), 0, false);
		this.#namespaces.set(name, namespace);
		return namespace;
	}

	/** Tells every namespace of the switch, also those to come, by whom an IPv6 prefix is reached. */
	async announce(prefix, by) {
		const command = ["ip", "-6", "route", "add", prefix, "via", by.address6, "dev", "eth0"];
		this.#routes.push(command);
		for (const other of this.#namespaces.values()) if (other !== by && other.number > 0) await other.run(...command);
	}

	/**
	 * A network that only one namespace is on, without a way into it from anywhere else: its one host is at .2 and ::2 and knows no route, so that it answers
	 * nobody but the namespace at .1 and ::1.
	 * @param {Namespace} router
	 * @param {string} prefix4 first three numbers, "192.168.72"
	 * @param {string} [prefix6] "fd72:1:"; without it the network has no IPv6
	 * @returns {Promise<Namespace>}
	 */
	async behind(router, name, prefix4, prefix6) {
		const host = await this.elsewhere(name);
		host.address = `${prefix4}.2`;
		host.address6 = prefix6 && `${prefix6}:2`;
		const device = `lan${this.#namespaces.size}`;
		await host.plug(router.holder.pid, device);
		for (const [namespace, link, last] of [
			[router, device, 1],
			[host, "eth0", 2],
		]) {
			const v6 = prefix6 ? `ip -6 address add ${prefix6}:${last}/64 dev ${link} nodad` : `sysctl -qw net.ipv6.conf.${link}.disable_ipv6=1`;
			await namespace.run("sh", "-ec", `ip address add ${prefix4}.${last}/24 dev ${link}; ${v6}; ip link set ${link} up`);
		}
		return host;
	}

	/**
	 * Silently loses every UDP packet, in every namespace, between namespaces and within, except those from and to the given ports
	 * (STUN). It is done on the receiver's side: a sender would get an error from its own.
	 * @param {number[]} except
	 */
	blockUDP(except = []) {
		const ports = except.length > 0 ? `udp dport { ${except.join(", ")} } accept\nudp sport { ${except.join(", ")} } accept\n` : "";
		for (const namespace of this.#namespaces.values())
			namespace.rules(
				`table inet interop {\nchain input {\ntype filter hook input priority -10; policy accept;\n${ports}meta l4proto udp counter drop\n}\n}\n`,
			);
	}

	/** Lifts blockUDP. */
	allowUDP() {
		for (const namespace of this.#namespaces.values()) namespace.rules("");
	}

	/** Removes all namespaces. Processes inside must have been ended. */
	async close() {
		const holders = [...[...this.#namespaces.values()].map((namespace) => namespace.holder), this.#switch];
		this.#namespaces.clear();
		await Promise.all(
			holders.map((holder) => {
				if (holder.exitCode !== null || holder.signalCode !== null) return undefined;
				const ended = once(holder, "exit");
				holder.kill("SIGKILL");
				return ended;
			}),
		);
	}
}

/** Rules of a namespace: nothing by UDP but STUN, and answers to what was sent to the same address and port. */
export const strict = (ports) => `table inet interop {
	chain input {
		type filter hook input priority -10; policy accept;
		iif lo accept
		udp dport { ${ports.join(", ")} } accept
		meta l4proto udp ct state established,related accept
		meta l4proto udp drop
	}
}
`;
