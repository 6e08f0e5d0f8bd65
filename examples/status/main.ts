/** Shows on a screen, or as text where there is none, how the node is: name, addresses, state, what is wrong, peers and the paths to them. */
import config from "mc/config";
import Tailnet from "tailnet";
import Timer from "timer";
import { show } from "./show.js";

/** Several changes that come together are shown once. */
const settleMS = 200;
let isDue = false;

function lines(): string[] {
	const { name, addresses, state, reason, homeRegion, health, peers } = tailnet;
	return [
		name,
		...addresses,
		`${state} ${reason}`,
		...(homeRegion ? [`home ${homeRegion}`] : []),
		...health.map(({ text }) => text),
		...[...peers].map((peer) => `${peer.name.split(".")[0]} ${peer.path ?? "-"}`),
	];
}

function changed(): void {
	if (isDue) return;
	isDue = true;
	Timer.set(() => {
		isDue = false;
		show(lines());
	}, settleMS);
}

const tailnet = new Tailnet({
	hostname: config.hostname,
	authKey: config.authKey,
	controlURL: config.controlURL,
	store: config.hostname,
	onStateChange: changed,
	onSelfChange: changed,
	onPeersChange: changed,
	onPathChange: changed,
	onHealthChange: changed,
	onLogin: (url) => show(["visit", url]),
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});
