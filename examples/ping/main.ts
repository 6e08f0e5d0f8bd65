/** Pings every peer in every way, and tells by which path it is reached. */
import config from "mc/config";
import Tailnet, { type TailnetError } from "tailnet";
import Timer from "timer";

const everyMS = 30_000;
/** Whether the node there hears us, its tailnet interface, its whole stack, its PeerAPI. */
const kinds = ["disco", "tsmp", "icmp", "peerapi"] as const;

const tailnet = new Tailnet({
	hostname: config.hostname,
	authKey: config.authKey,
	controlURL: config.controlURL,
	store: config.hostname,
	onStateChange: (state, reason) => trace(`${state} ${reason}\n`),
	onLogin: (url) => trace(`visit ${url}\n`),
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});

async function pingAll(): Promise<void> {
	for (const { name, address } of tailnet.peers) {
		for (const kind of kinds) {
			try {
				const { latencyMS, via } = await tailnet.ping(address, { kind });
				trace(`${name} ${kind}: ${latencyMS.toFixed(1)} ms via ${via}\n`);
			} catch (error) {
				trace(`${name} ${kind}: ${(error as TailnetError).code}\n`);
			}
		}
	}
	Timer.set(pingAll, everyMS);
}

tailnet.running.then(pingAll);
