/** A node with the machine interface of our command: the same events, the same commands, echo on port 7 and a page on port 80. */

import { fromBase64 } from "subject/base64";
import { runCommand } from "subject/commands";
import { serveEcho, servePage } from "subject/services";
import Tailnet, { type TailnetError, type TailnetOptions } from "tailnet";
import Timer from "timer";

/** The last word of a node that was closed takes less. */
const lastWordMS = 250;

export type Say = (event: object) => void;

/** As the command's exit codes: 3 the auth key was refused, 4 control is not one or refuses us, 6 the store or a socket cannot be used. */
const exitCodes: Record<string, number> = { "auth-key": 3, version: 4 };

/** Options of a node as JSON can tell them. */
type Options = Omit<TailnetOptions, "resume"> & {
	/** A record of a suspended node, base64. */
	resume?: string;
};

/** @returns what takes commands, one a line */
export function up({ resume, ...options }: Options, say: Say): (line: string) => void {
	let tailnet: Tailnet | undefined;
	const exit = (code: number): void => {
		tailnet?.close();
		// An app goes on after a node was closed, and with it the last word to a router.
		Timer.set(() => say({ event: "exit", code }), lastWordMS);
	};
	const tellSelf = (): void => {
		if (!tailnet) return;
		say({ event: "self", name: tailnet.name, addresses: tailnet.addresses, homeRegion: tailnet.homeRegion ?? null, keyExpiry: tailnet.keyExpiry ?? null });
	};
	try {
		say({ event: "state", state: "connecting" });
		tailnet = new Tailnet({
			...options,
			...(resume === undefined ? {} : { resume: fromBase64(resume) }),
			onStateChange: (state, reason) => say({ event: "state", state, ...(reason ? { reason } : {}) }),
			onLogin: (url) => say({ event: "login", url }),
			onSelfChange: tellSelf,
			onPeersChange: ({ total, added, changed, removed }) =>
				say({ event: "peers", total, added: added.length, changed: changed.length, removed: removed.length }),
			onPathChange: (peer, via) => say({ event: "path", peer, via }),
			onHealthChange: (warnings) => say({ event: "health", warnings }),
			onError({ code, message }) {
				say({ event: "error", code, message });
				const exitCode = exitCodes[code];
				if (exitCode !== undefined) exit(exitCode);
			},
		});
		serveEcho(tailnet);
		servePage(tailnet);
	} catch (error) {
		const { code, message } = error as TailnetError;
		say({ event: "error", code: code ?? "io", message });
		exit(code === "argument" ? 2 : 6);
		return () => {};
	}
	const node = tailnet;
	return (line) => void runCommand(node, line, say, () => exit(0));
}
