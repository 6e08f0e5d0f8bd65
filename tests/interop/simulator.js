/**
 * Which scenarios are run with an app in the Moddable simulator as subject: file, and the sentences of it. What only lasts long, or proves the code of
 * modules/ and native/ once more, is left to the node of the command.
 */
const all = /./;

export const selection = {
	"ask.js": all,
	"certificates.js": all,
	"control-faults.js": /^traffic goes on|(close|garbage) after (0|150|700) bytes/,
	"deltas.js": /PeersRemoved|patch|after (4|400) bytes|no JSON/,
	"expiry.js": all,
	"first-map.js": all,
	"headscale-habits.js": all,
	"island.js": all,
	"login.js": all,
	"names.js": all,
	"pings.js": all,
	"policy.js": /^(?!one rule with 10,000)/,
	"register.js": all,
	"relay-faults.js": all,
	"relayed.js": all,
	"restart.js": all,
	"traffic.js": /^(?!.*100 MB)/,
	"two-of-ours.js": /^(?!100 MB)/,
	"underlay6.js": all,
};
