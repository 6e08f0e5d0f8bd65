/** The module of a worker: a node in a machine of its own. */

import { use } from "life/cycles";
import Tailnet, { type TailnetOptions } from "tailnet";

self.onmessage = ({ options, until }: { options: TailnetOptions; until: string }) => {
	try {
		const tailnet = new Tailnet({
			...options,
			onStateChange(state) {
				if (state !== until && !(state === "running" && until === "used")) return;
				if (until === "used") use(tailnet);
				self.postMessage({ is: "reached" });
			},
		});
		if (until === "constructed") self.postMessage({ is: "reached" });
	} catch (error) {
		self.postMessage({ is: "failed", text: (error as Error).message });
	}
};
self.postMessage({ is: "ready" });
