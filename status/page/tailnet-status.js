/**
 * Shows what comes from /events, once a second. Everything that the node says is put in as text, so names of peers are names whatever is in them; elements
 * stay as long as what they show, so that focus, selection and screen readers are not disturbed.
 */

/** Samples of a plot: two minutes. */
const samples = 120;
const plotWidth = 240;
const plotHeight = 64;
const retryMS = 5000;
const daySeconds = 86_400;

const at = (id) => document.getElementById(id);
const say = (element, text) => {
	if (element.textContent !== text) element.textContent = text;
};

function make(tag, parent, className) {
	const element = document.createElement(tag);
	if (className) element.className = className;
	parent?.append(element);
	return element;
}

/** The children of a list, one for each item, by key; made by build, shown by fill. */
function keep(list, items, keyOf, build, fill) {
	const known = new Map(Array.from(list.children, (child) => [child.dataset.key, child]));
	for (const item of items) {
		const key = keyOf(item);
		let child = known.get(key);
		known.delete(key);
		if (!child) {
			child = make("li", list);
			child.dataset.key = key;
			build(child, item);
		}
		fill(child, item);
	}
	for (const child of known.values()) child.remove();
}

/** Pairs of a word and what it says. */
function pairs(list, entries) {
	while (list.children.length > 2 * entries.length) list.lastChild.remove();
	entries.forEach(([term, text], i) => {
		if (!list.children[2 * i]) {
			make("dt", list);
			make("dd", list);
		}
		say(list.children[2 * i], term);
		say(list.children[2 * i + 1], text);
	});
}

function word(element, name, text = name) {
	element.className = `word ${name}`;
	say(element, text);
}

function bytes(count) {
	const units = ["bytes", "KB", "MB", "GB", "TB"];
	let unit = 0;
	for (; count >= 1000 && unit < 4; unit += 1) count /= 1000;
	return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

function span(milliseconds) {
	const seconds = Math.round(milliseconds / 1000);
	if (seconds < 120) return `${seconds} s`;
	if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
	return seconds < 2 * daySeconds ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / daySeconds)} days`;
}

const latency = (milliseconds) => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;

function expiry(text) {
	if (!text) return "never";
	const left = Date.parse(text) - Date.now();
	return `${text.slice(0, 10)} (${left > 0 ? `in ${span(left)}` : "it has expired"})`;
}

const stateWords = { running: "well", connecting: "note", degraded: "impaired", "needs-login": "impaired", "needs-approval": "impaired" };

function showNode({ node, viewer }) {
	say(at("name"), node.name || "Tailnet node");
	say(document.querySelector("title"), `${node.name.split(".")[0]}: ${node.state}`);
	word(at("state"), stateWords[node.state] ?? "failing", `${node.state}${node.reason ? `: ${node.reason}` : ""}`);
	pairs(at("self"), [
		["Addresses", node.addresses.join("\n")],
		["Home relay", node.homeRegion ?? "none"],
		["Key expires", expiry(node.keyExpiry)],
	]);
	say(at("viewer"), `You are ${viewer.name} (${viewer.address}${viewer.user ? `, ${viewer.login ?? `user ${viewer.user}`}` : ", a machine with tags"}).`);
	at("actions").hidden = !viewer.mayAct;
}

function showLayers({ layers }) {
	const build = (child) => {
		make("span", child);
		const cell = make("span", child);
		make("span", cell);
		make("span", cell);
	};
	keep(
		at("layers"),
		layers,
		({ name }) => name,
		build,
		(child, { name, word: state, conditions }) => {
			const [label, cell] = child.children;
			say(label, name);
			word(cell.children[0], state);
			say(cell.children[1], conditions.length > 0 ? ` ${conditions.map(({ text }) => text).join("; ")}` : "");
		},
	);
}

/** What has been seen of each peer, by ID: latencies (null: not measured) and where its path changed. */
const histories = new Map();

function remember({ id, latencyMS, path }) {
	let history = histories.get(id);
	if (!history) histories.set(id, (history = { values: [], changes: [], path }));
	const isChange = history.path !== path;
	history.path = path;
	history.values.push(latencyMS);
	history.changes.push(isChange);
	if (history.values.length > samples) {
		history.values.shift();
		history.changes.shift();
	}
	return history;
}

function svg(tag, attributes) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
	return element;
}

function plot(picture, { values, changes }) {
	const measured = values.filter((value) => value !== null);
	const most = Math.max(...measured, 1);
	const x = (i) => (plotWidth * (samples - values.length + i)) / (samples - 1);
	const parts = [];
	let points = [];
	values.forEach((value, i) => {
		if (changes[i]) parts.push(svg("line", { x1: x(i), x2: x(i), y1: 0, y2: plotHeight }));
		if (value !== null) points.push(`${x(i).toFixed(1)},${(plotHeight - 4 - (value / most) * (plotHeight - 8)).toFixed(1)}`);
		if ((value === null || i === values.length - 1) && points.length > 0) {
			parts.push(svg("polyline", { points: points.join(" ") }));
			points = [];
		}
	});
	picture.replaceChildren(...parts);
	const text = measured.length > 0 ? `${latency(Math.min(...measured))} to ${latency(Math.max(...measured))}` : "not measured by relay";
	return `${text}, last ${values.length} s`;
}

function showPeers({ peers, peerCount }) {
	say(at("peer-count"), `${peers.length} of ${peerCount} in the tailnet are talked to.`);
	const build = (child) => {
		make("h3", child);
		make("dl", child);
		child.append(svg("svg", { viewBox: `0 0 ${plotWidth} ${plotHeight}`, preserveAspectRatio: "none", role: "img" }));
		make("p", child, "soft");
	};
	keep(
		at("peers"),
		peers,
		({ id }) => id,
		build,
		(child, peer) => {
			const [name, facts, picture, caption] = child.children;
			say(name, peer.name || peer.address);
			pairs(facts, [
				["Address", peer.address],
				["Path", peer.isDirect ? `direct, ${peer.path}` : `by relay ${(peer.path ?? "").replace(/^DERP /, "")}`],
				["Latency", peer.latencyMS === null ? "not measured" : latency(peer.latencyMS)],
				["Sent", bytes(peer.bytesSent ?? 0)],
				["Received", bytes(peer.bytesReceived ?? 0)],
				["Handshake", peer.sinceHandshakeMS === null ? "none yet" : `${span(peer.sinceHandshakeMS)} ago`],
			]);
			const text = plot(picture, remember(peer));
			say(caption, `Latency ${text}`);
			picture.setAttribute("aria-label", `Latency of ${peer.name || peer.address}: ${text}`);
		},
	);
	const shown = new Set(peers.map(({ id }) => id));
	for (const id of histories.keys()) if (!shown.has(id)) histories.delete(id);
}

/** A bar with what it says in words. */
function bar(list, items, textOf, partOf) {
	const build = (child) => {
		child.className = "bar";
		const line = make("span", child);
		make("span", line);
		make("span", line);
		make("i", child);
	};
	keep(
		list,
		items,
		({ code, name }) => code ?? name,
		build,
		(child, item) => {
			const [line, box] = child.children;
			const [left, right] = textOf(item);
			say(line.children[0], left);
			say(line.children[1], right);
			box.style.setProperty("--part", `${Math.round(100 * partOf(item))}%`);
		},
	);
}

const yesNo = (value, yes, no) => (value === null ? "not known" : value ? yes : no);

function showNetwork({ netcheck }) {
	if (!netcheck) return pairs(at("network"), [["Last look", "none yet"]]);
	pairs(at("network"), [
		["UDP", netcheck.udp ? "works" : "does not get through: everything goes by relay"],
		["NAT", yesNo(netcheck.mappingVaries, "hard: another port for every destination", "easy: one port for all destinations")],
		["Seen as", [netcheck.globalV4, netcheck.globalV6].filter(Boolean).join("\n") || "nobody has told"],
		["Last look", `${span(netcheck.ageMS)} ago`],
	]);
	const most = Math.max(...netcheck.regions.map(({ latencyMS }) => latencyMS ?? 0), 1);
	const text = ({ code, latencyMS, isHome }) => [`${code}${isHome ? " (home)" : ""}`, latencyMS === null ? "no answer" : latency(latencyMS)];
	bar(at("relays"), netcheck.regions, text, ({ latencyMS }) => (latencyMS ?? 0) / most);
}

function showRoom({ pools, refusals, memory }) {
	bar(
		at("pools"),
		pools,
		({ name, used, size }) => [name, `${used} of ${size}`],
		({ used, size }) => (size > 0 ? used / size : 0),
	);
	pairs(at("memory"), [
		...memory.map(({ name, bytes: count }) => [name, bytes(count)]),
		...refusals.map(({ name, count }) => [name, `${count} refused or lost`]),
	]);
}

let facts;
let showing;

function show(event) {
	const next = JSON.parse(event.data);
	if (!next) return;
	facts = next;
	for (const part of [showNode, showLayers, showPeers, showNetwork, showRoom]) part(facts);
	live("live");
}

function live(text) {
	say(at("live"), text);
	clearTimeout(showing);
	showing = setTimeout(() => say(at("live"), "nothing has come for 5 s: what stands here may be old"), retryMS);
}

function listen() {
	const source = new EventSource("/events");
	source.addEventListener("status", show);
	source.onerror = () => {
		say(at("live"), "the connection is lost; trying again");
		if (source.readyState !== EventSource.CLOSED) return;
		setTimeout(listen, retryMS);
	};
}

async function act(action) {
	try {
		const answer = await fetch(`/${action}`, { method: "POST", headers: { "x-status-token": facts?.viewer.token ?? "" } });
		say(at("outcome"), (await answer.text()).trim());
	} catch {
		say(at("outcome"), "the node did not answer");
	}
}

at("rebind").onclick = () => act("rebind");
at("logout").onclick = () => at("sure").showModal();
at("no").onclick = () => at("sure").close();
at("yes").onclick = () => {
	at("sure").close();
	act("logout");
};
listen();
