/** The facts of a node, as JSON and as one page. */
import type Tailnet from "../../../modules/tailnet.js";

/** Everything that may be shown to a member of the tailnet. */
export function statusJSON(tailnet: Tailnet) {
	return {
		name: tailnet.name,
		addresses: tailnet.addresses,
		state: tailnet.state,
		reason: tailnet.reason,
		homeRegion: tailnet.homeRegion,
		keyExpiry: tailnet.keyExpiry,
		health: tailnet.health,
		peers: [...tailnet.peers].map((peer) => ({ name: peer.name, addresses: peer.addresses, online: peer.online, path: peer.path })),
	};
}

function escapeHTML(text: string): string {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function statusPage(tailnet: Tailnet): string {
	const status = statusJSON(tailnet);
	const peers = status.peers
		.map((peer) => `<tr><td>${escapeHTML(peer.name)}</td><td>${escapeHTML(peer.addresses.join(", "))}</td><td>${escapeHTML(peer.path ?? "")}</td></tr>`)
		.join("\n");
	const health = status.health.map((condition) => `<li>${escapeHTML(condition.text)}</li>`).join("\n");
	return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHTML(status.name)}</title>
<style>body{font:16px system-ui;margin:1.5rem;max-width:60rem;color-scheme:light dark}td,th{text-align:left;padding:.2rem 1rem .2rem 0}</style>
<h1>${escapeHTML(status.name)}</h1>
<p>${escapeHTML(status.addresses.join(", "))}</p>
<p>State: <strong>${escapeHTML(status.state)}</strong> ${escapeHTML(status.reason)}</p>
<p>Relay: ${escapeHTML(status.homeRegion ?? "none")}</p>
${health === "" ? "" : `<h2>Health</h2><ul>${health}</ul>`}
<h2>Peers</h2>
<table><tr><th>Name</th><th>Addresses</th><th>Path</th></tr>
${peers}
</table>
</html>
`;
}
