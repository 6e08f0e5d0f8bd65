/** Workers with a node each, terminated by the main machine. */
import type { TailnetOptions } from "tailnet";
import Worker from "worker";

/** A worker to its end: it says "ready" when it is there, and "reached" when its node has come to `until`. */
function once(options: TailnetOptions, until: string): Promise<void> {
	return new Promise((resolve, reject) => {
		const worker = new Worker("life/worker");
		worker.onmessage = (message: { is: string; text?: string }) => {
			if (message.is === "ready") worker.postMessage({ options, until });
			else {
				worker.terminate();
				if (message.is === "reached") resolve();
				else reject(new Error(message.text));
			}
		};
	});
}

export async function cycleWorkers(options: TailnetOptions, count: number, until: string): Promise<void> {
	for (let i = 0; i < count; i += 1) await once(options, until);
}
