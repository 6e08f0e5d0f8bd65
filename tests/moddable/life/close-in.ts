/** close() in a callback: nothing is called afterwards, and nothing is thrown. */
import Tailnet, { type TailnetOptions } from "tailnet";
import Timer from "timer";

const callbacks = ["onStateChange", "onLogin", "onSelfChange", "onPeersChange", "onPathChange", "onHealthChange", "onError"] as const;
const quietMS = 300;

/** @returns what was called after close() had returned */
export function closeIn(options: TailnetOptions, callback: string): Promise<string[]> {
	return new Promise((resolve) => {
		const after: string[] = [];
		let isClosing = false;
		let isClosed = false;
		const all: Record<string, (...parameters: unknown[]) => void> = {};
		for (const name of callbacks) {
			all[name] = (...parameters) => {
				if (isClosed) after.push(`${name} ${JSON.stringify(parameters)}`);
				if (name !== callback || isClosing) return;
				isClosing = true;
				// What close() itself tells, it tells from inside.
				tailnet.close();
				isClosed = true;
				Timer.set(() => resolve(after), quietMS);
			};
		}
		const tailnet = new Tailnet({ ...options, ...all });
		if (callback === "onPathChange") {
			tailnet.running.then(() => {
				for (const peer of tailnet.peers) tailnet.ping(peer.address, { kind: "tsmp" }).catch(() => {});
			});
		}
	});
}
