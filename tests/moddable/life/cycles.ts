/** Nodes that are constructed and closed, one after the other. */
import Tailnet, { type TailnetOptions } from "tailnet";
import Timer from "timer";

const askedHost = "127.0.0.1";

/** Peers that are talked to. Most are nodes of earlier cycles, which are gone: they do not answer. */
const askedPeers = 4;

/** Sockets of every kind, and questions that nobody has answered yet. */
export function use(tailnet: Tailnet): void {
	const peers = [...tailnet.peers].slice(0, askedPeers);
	const listener = new tailnet.Listener({ port: 2000, onReadable() {} });
	new tailnet.UDP({ port: 2000, onReadable() {} }).write(new Uint8Array(10), "100.100.100.1", 9);
	new tailnet.TCP({ address: "100.100.100.1", port: listener.port, onError() {} });
	for (const peer of peers) {
		new tailnet.TCP({
			address: peer.address,
			port: 7,
			onWritable(count) {
				this.write(new Uint8Array(Math.min(count, 5000)));
			},
			onReadable() {
				this.read();
			},
			onError() {},
		});
	}
	const ignore = (): void => {};
	new tailnet.Resolver().resolve({ host: askedHost, onResolved: ignore, onError: ignore });
	for (const kind of ["disco", "tsmp", "icmp", "peerapi"] as const) for (const peer of peers) tailnet.ping(peer.address, { kind }).catch(ignore);
	tailnet.netcheck().catch(ignore);
}

/**
 * One node to its end.
 * @param until "constructed": closed at once; "turn": in the next turn; a state: when it has it; "used": when it runs and its sockets are in use
 */
export function once(options: TailnetOptions, until: string): Promise<void> {
	return new Promise((resolve) => {
		const end = (): void => {
			tailnet.close();
			Timer.set(() => resolve());
		};
		const tailnet = new Tailnet({
			...options,
			onStateChange(state) {
				if (state === until) end();
				if (state === "running" && until === "used") {
					use(tailnet);
					Timer.set(end, 20);
				}
			},
			onPeersChange() {
				if (until === "peers") end();
			},
		});
		if (until === "constructed") end();
		else if (until === "turn") Timer.set(end);
		else if (until.startsWith("after ")) Timer.set(end, Number(until.slice(6)));
	});
}

export async function cycle(options: TailnetOptions, count: number, until: string): Promise<void> {
	for (let i = 0; i < count; i += 1) await once(options, until);
}
