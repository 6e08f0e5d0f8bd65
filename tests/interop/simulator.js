/**
 * Which cases are run with an app in the Moddable simulator as subject: the sentences of these files, all of the others. What only lasts long, or
 * proves the code of modules/ and native/ once more, is left to the node of the command.
 */
const none = /^$/;

export const selection = {
	"deleted.js": none,
	"endurance.js": none,
	"flood.js": none,
	"hostile-peer.js": none,
	"link-change.js": /^another address|^no network for 8/,
	"many-peers.js": none,
	"paths-break.js": none,
	"restarts.js": none,
	"suspend.js": /^(?!a record of 181 s)/,
	"control-faults.js": /^traffic goes on|(close|garbage) after (0|150|700) bytes/,
	"deltas.js": /PeersRemoved|patch|after (4|400) bytes|no JSON/,
	"policy.js": /^(?!one rule with 10,000)/,
	"traffic.js": /^(?!.*100 MB)/,
	"two-of-ours.js": /^(?!100 MB)/,
};
