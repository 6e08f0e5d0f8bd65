/**
 * A node with no key in its firmware and no screen: while it has no login, a page on the local network shows the URL to visit. Logged in, the page is gone; a button that is
 * held at the start makes it a new device again.
 */

import Listener from "embedded:io/socket/listener";
import config from "mc/config";
import Tailnet, { type TailnetError } from "tailnet";
import { resource, serveHTTP } from "tailnet/status/http";
import { whenKnown } from "./button.js";
import { qr } from "./qr.js";
import { Setup } from "./setup.js";

const setup = new Setup({
	name: config.hostname,
	file: resource,
	qr,
	serve(answer) {
		trace(`setup page on port ${config.port}\n`);
		// A browser asks for a file on each of them.
		return serveHTTP({ io: Listener, port: Number(config.port), connections: 4, settleMS: 100, answer });
	},
});

whenKnown((isReset) => {
	if (isReset) {
		try {
			Tailnet.reset(config.hostname);
		} catch (error) {
			// It must not go on as the device that it was.
			trace(`no reset: ${(error as TailnetError).message}\n`);
			return;
		}
		trace("reset\n");
	}
	new Tailnet({
		hostname: config.hostname,
		controlURL: config.controlURL,
		// Where its keys are kept: with the next start it needs nobody.
		store: config.hostname,
		onLogin: (url) => setup.login(url),
		onStateChange(state, reason) {
			trace(`${state} ${reason}\n`);
			setup.change(state, reason);
		},
		onError: ({ code, message }) => trace(`${code}: ${message}\n`),
	});
});
