/** The command `tailnet`: which words lead where. */
import { existsSync } from "node:fs";
import { type CommandOptions, parseOptions, UsageError } from "./options.js";

const usage = `tailnet up [options]                a node that stays up
tailnet ping [options] PEER         ask a peer for an answer   (--tsmp, --icmp, --peerapi, --count N)
tailnet status [options]            what the node of --state-dir says of itself and its peers
tailnet netcheck [options]          what the network lets through
tailnet reset --state-dir DIR       login and keys are erased; the next start is a new machine
npm start                           the offline demo           (--stay keeps it up)

options
  --control URL             control server; default: Tailscale's
  --auth-key-file FILE      auth key (preferred: a command line is visible to others)
  --auth-key KEY            or TAILNET_AUTH_KEY, or TS_AUTHKEY; without one: a URL and a QR code to log in
  --derp-ca FILE            certificate authorities to trust besides the machine's, PEM
  --hostname NAME           name on the tailnet
  --state-dir DIR           where keys are kept; without one the node is forgotten at the end
  --port N                  UDP port; default: that of the last run, or any
  --resume FILE             go on with the sessions of a node that said {"do":"suspend"}: its record, base64, good once
  --echo                    TCP and UDP echo on port 7 of the tailnet
  --http                    status page on port 80 of the tailnet
  --http-actions NAME       the same; whom the tailnet's policy grants the capability NAME (example.com/cap/status) may rebind and log out there
  --accept-routes           use the subnet routes of peers
  --advertise-routes LIST   offer routes: CIDR,CIDR
  --exit-node NAME          send everything else through this peer
  --no-port-mapping         the router is not asked to forward a port (NAT-PMP, PCP, UPnP)
  --shields-up              nothing new comes in
  --ephemeral               removed from the tailnet soon after it is gone
  --log-level LEVEL         silent, error, warning (default), info, debug
  --json                    machine interface: events on stdout, commands on stdin

exit codes
  0 as asked   1 the answer is no (ping without a direct answer, demo that failed), or nobody reads it   2 wrong words
  3 the auth key was refused   4 the control server does not speak our version, or asked this node to exit
  5 a package is missing, or Node is older than 20   6 the machine refuses (state folder, sockets)
`;

/** The demo stands on the servers of the tests, which a package has not. @throws UsageError */
async function demo(options: CommandOptions): Promise<number> {
	if (!existsSync(new URL("demo.js", import.meta.url))) throw new UsageError("the demo needs a checkout: npm start");
	return (await import("./demo.js")).demo(options);
}

/** Each word with the words that it takes besides options. */
const commands: Record<string, { words: number; run(options: CommandOptions): Promise<number> }> = {
	up: { words: 0, run: async (options) => (await import("./up.js")).up(options) },
	ping: { words: 1, run: async (options) => (await import("./ask.js")).ping(options) },
	status: { words: 0, run: async (options) => (await import("./ask.js")).status(options) },
	netcheck: { words: 0, run: async (options) => (await import("./ask.js")).netcheck(options) },
	reset: { words: 0, run: async (options) => (await import("./reset.js")).reset(options) },
	demo: { words: 0, run: demo },
};

async function run([word = "help", ...words]: readonly string[]): Promise<number> {
	const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
	const options = command && parseOptions(words, process.env);
	if (!command || !options || options.help) {
		process.stdout.write(usage);
		return command || ["help", "--help", "-h"].includes(word) ? 0 : 2;
	}
	// The word itself is not shown: it may be a key.
	if (options.rest.length > command.words) throw new UsageError(`${word}: a word too many`);
	return command.run(options);
}

// Whoever read is gone, as behind "| head".
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(1));

try {
	process.exitCode = await run(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`${error.message}\n\nsee  tailnet help`);
	process.exitCode = 2;
}
// A last word that is on its way (that a router may forget our port) has a second to arrive; what a library may have left open must not keep the command alive.
setTimeout(() => process.exit(), 1000).unref();
