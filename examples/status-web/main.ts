/** The node's own status page, for the tailnet alone: http://greenhouse/ in a browser of any machine on it. */
import config from "mc/config";
import Tailnet from "tailnet";
import { serveStatus } from "tailnet/status/server";

const tailnet = new Tailnet({
	hostname: config.hostname,
	authKey: config.authKey,
	controlURL: config.controlURL,
	store: config.hostname,
	grants: config.capability !== undefined,
	logins: true,
	onStateChange: (state, reason) => trace(`${state} ${reason}\n`),
	onLogin: (url) => trace(`visit ${url}\n`),
	onError: ({ code, message }) => trace(`${code}: ${message}\n`),
});

// Without a capability the page is for reading; with one, those to whom the tailnet's policy grants it may rebind the node and log it out.
serveStatus(tailnet, { capability: config.capability });
