/** A process of its own with one node that it closes in the state it is told; it has to end by itself then. Arguments: what to wait for, control URL, key, folder of the state, authority in PEM. */
const [when, controlURL, authKey, store, authority] = process.argv.slice(2);
const { default: Tailnet } = await import("../../../dist/modules/tailnet.js");

const node = new Tailnet({
	hostname: "leaver",
	controlURL,
	authKey,
	store: store || undefined,
	authorities: [authority],
	portMapping: false,
	onLogin: () => when === "login" && leave(),
	onError: () => when === "error" && leave(),
	...Object.fromEntries(
		["onStateChange", "onSelfChange", "onPeersChange", "onPathChange", "onHealthChange"].map((name) => [
			name,
			() => {
				if (isOver) console.log(`${name} after close`);
				else if (name === when && !isLeaving) leave();
			},
		]),
	),
});
let isLeaving = false;
let isOver = false;

function leave() {
	isLeaving = true;
	node.close();
	node.close();
	isOver = true;
	console.log(`closed in ${when}: ${node.state}`);
}

if (when === "at once") leave();
if (when === "soon") setTimeout(leave, 20);
if (when === "onPathChange") {
	await node.running;
	void node.ping([...node.peers][0].address).catch(() => {});
}
if (when === "running" || when === "sockets" || when === "asking" || when === "logout") {
	await node.running;
	if (when === "sockets") {
		new node.Listener({ port: 7 });
		new node.UDP({ port: 7 });
		new node.TCP({ address: "100.64.0.77", port: 7 });
		new node.TCP({ address: node.addresses[0], port: 7 });
	}
	if (when === "asking") {
		void node.netcheck().catch(() => {});
		void node.ping("100.64.0.77").catch(() => {});
	}
	if (when === "logout") await node.logout();
	leave();
}
