/** The module of a worker: a node in a machine of its own. */

import { use } from "life/cycles";
import Tailnet, { type TailnetOptions } from "tailnet";

self.onmessage = ({ options, until }: { options: TailnetOptions; until: string }) => {
	let hasReached = false;
	/** Once: what a worker says after terminate(), the SDK delivers to freed memory. */
	const reached = (): void => {
		if (!hasReached) self.postMessage({ is: "reached" });
		hasReached = true;
	};
	try {
		const tailnet = new Tailnet({
			...options,
			onStateChange(state) {
				if (state !== until && !(state === "running" && until === "used")) return;
				if (until === "used") use(tailnet);
				reached();
			},
		});
		if (until === "constructed") reached();
	} catch (error) {
		self.postMessage({ is: "failed", text: (error as Error).message });
	}
};
self.postMessage({ is: "ready" });
