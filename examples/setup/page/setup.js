/** The setup page: asks the device how it is until it does not answer any more, which is so once it is logged in. */
const periodMS = 2000;
const patienceMS = 8000;
const at = (id) => document.getElementById(id);
let shown;
let wasAsked = false;

/** Told to those who hear the page only when it is another text. */
function say(text) {
	if (at("text").textContent !== text) at("text").textContent = text;
}

function show({ name, text, url }) {
	at("name").textContent = document.title = name;
	say(text);
	at("login").hidden = url === null;
	if (url === null || url === shown) return;
	shown = url;
	wasAsked = true;
	at("url").textContent = at("url").href = url;
	at("qr").src = `/qr.svg?${encodeURIComponent(url)}`;
}

function lost() {
	at("login").hidden = true;
	say(
		wasAsked
			? "This page is closed. If you have logged in, the device is on your tailnet now. If not, it is out of reach: look at its power and its network."
			: "The device does not answer. Trying again.",
	);
}

async function ask() {
	try {
		const answer = await fetch("/state", { cache: "no-store", signal: AbortSignal.timeout(patienceMS) });
		show(await answer.json());
	} catch {
		lost();
	}
	setTimeout(ask, periodMS);
}

ask();
