/** The command `tailnet`: which words lead where. */
import { parseOptions, UsageError } from "./options.js";

const usage = `tailnet up [options]                a node that stays up
tailnet ping [options] PEER         ask a peer for an answer   (--tsmp, --icmp, --peerapi, --count N)
tailnet status [options]            what the node of --state-dir says of itself and its peers
tailnet netcheck [options]          what the network lets through
npm start                           the offline demo           (--stay keeps it up)

options
  --control URL             control server; default: Tailscale's
  --auth-key-file FILE      auth key (preferred: a command line is visible to others)
  --auth-key KEY            or TAILNET_AUTH_KEY, or TS_AUTHKEY; without one: a URL and a QR code to log in
  --derp-ca FILE            certificate authorities to trust besides the machine's, PEM
  --hostname NAME           name on the tailnet
  --state-dir DIR           where keys are kept; without one the node is forgotten at the end
  --port N                  UDP port; default: that of the last run, or any
  --echo                    TCP and UDP echo on port 7 of the tailnet
  --http                    status page on port 80 of the tailnet
  --accept-routes           use the subnet routes of peers
  --advertise-routes LIST   offer routes: CIDR,CIDR
  --exit-node NAME          send everything else through this peer
  --shields-up              nothing new comes in
  --ephemeral               removed from the tailnet soon after it is gone
  --log-level LEVEL         silent, error, warning (default), info, debug
  --json                    machine interface: events on stdout, commands on stdin

exit codes
  0 as asked   1 the answer is no (ping without answer, demo that failed)   2 wrong words
  3 the auth key was refused   4 the control server refuses this node   5 a package is missing   6 the machine refuses (state folder, sockets)
`;

async function run(words: readonly string[]): Promise<number> {
	const options = parseOptions(words.slice(1), process.env);
	switch (words[0]) {
		case "up":
			return (await import("./up.js")).up(options);
		case "ping":
			return (await import("./ask.js")).ping(options);
		case "status":
			return (await import("./ask.js")).status(options);
		case "netcheck":
			return (await import("./ask.js")).netcheck(options);
		case "demo":
			return (await import("./demo.js")).demo(options);
		default:
			process.stdout.write(usage);
			return words[0] === undefined || words[0] === "help" || words[0] === "--help" ? 0 : 2;
	}
}

try {
	process.exitCode = await run(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`${error.message}\n\nsee  tailnet help`);
	process.exitCode = 2;
}
// What a library may have left open must not keep the command alive.
process.exit();
