/** A node with no key in its firmware: it shows a URL, a person visits it, and the node is on the tailnet from then on. */
import config from "mc/config";
import Tailnet from "tailnet";
import { show } from "./show.js";

const tailnet = new Tailnet({
	hostname: config.hostname,
	controlURL: config.controlURL,
	// Where its keys are kept: with the next start it needs nobody.
	store: config.hostname,
	onLogin: (url) => show("Scan to log in", url),
	onStateChange(state, reason) {
		if (state === "running") show(`${tailnet.name}\n${tailnet.addresses[0]}`);
		else if (state === "needs-approval") show("An administrator has to approve it");
		else if (state !== "needs-login") show(`${state} ${reason}`);
	},
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});
