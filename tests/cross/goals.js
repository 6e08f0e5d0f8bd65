/*
 * The goals for a board, and how the figures stand to them. A verdict is "met", "not met", or "not measured" where only a board could tell.
 */
import { thousands } from "./report.js";

const KB = 1024;
/** Stacks of the tasks of hosts/esp32: the tunnel's, and that of TLS. */
const STACKS = (6 + 8) * KB;
/** What Mbed TLS takes for one connection to a server, as ESP-IDF's documentation of its clients has it; there are two, to control and to a relay. */
const TLS_EACH = 35 * KB;

const verdict = (value, isMet) => (value === undefined ? "not measured" : isMet(value) ? "met" : "not met");
const told = (value, text) => (value === undefined ? "not measured" : text(value));

/** @returns rows of a table */
export function rows({ flash, pools, netmap, heaps, idle }) {
	const core = pools.node + pools.rings + pools.crossing + pools.each_region;
	const heap = (peers) => heaps && heaps.get(peers).slots + heaps.get(peers).chunks;
	const chunksAPeer = heaps && (heaps.get(1000).chunks - heaps.get(0).chunks) / 1000;
	const fit = heap(1000) === undefined ? undefined : heap(1000) + pools.node + 48 * pools.each_peer;
	const all = heap(16) === undefined ? undefined : core + STACKS + heap(16) + 2 * TLS_EACH;
	return [
		[
			"10",
			"tailnet size",
			"1,000 peers, 64 sessions",
			told(fit, (value) => `${thousands(value)} B of heap and node with 1,000 peers and tailnet.peers 64; 64 sessions at once were not opened`),
			"not measured",
		],
		[
			"11",
			"working memory of the network map",
			"32 KB, whatever its size",
			`${thousands(netmap.working)} B, and a scanner of ${pools.each_scanner} B`,
			verdict(netmap.working, (value) => value <= 32 * KB),
		],
		[
			"12",
			"internal RAM, stacks and TLS included",
			"80 KB, with PSRAM",
			`stacks ${thousands(STACKS)} B, core ${thousands(core)} B, the latter for either RAM; TLS not measured`,
			"not measured",
		],
		[
			"13",
			"boards without PSRAM",
			"16 peers, 110 KB heap",
			told(all, (value) => `${thousands(value)} B: core, stacks, VM heap, two TLS connections at 35 KB each (an assumption)`),
			verdict(all, (value) => value <= 110 * KB),
		],
		["14", "flash added", "180 KB", told(flash, (value) => `${thousands(value)} B without hosts/esp32`), verdict(flash, (value) => value <= 180 * KB)],
		[
			"15",
			"RAM a peer, idle",
			"200 B",
			`${netmap.bytesAPeer.toFixed(0)} B in the map${chunksAPeer === undefined ? "" : `; ${chunksAPeer.toFixed(0)} B in the simulator's heap`}`,
			verdict(netmap.bytesAPeer, (value) => value <= 200),
		],
		[
			"15",
			"RAM a peer, active",
			"1 KB",
			`${thousands(pools.each_peer)} B in the pool; of the VM's objects not measured`,
			verdict(pools.each_peer, (value) => value <= KB),
		],
		[
			"16",
			"packets of an idle minute",
			"4 begun by us, no handshake",
			told(idle, ({ begun, sent, curves }) => `${begun} begun, ${sent} sent in all, ${curves === 0 ? "no handshake" : "handshakes"}, 16 silent peers`),
			verdict(idle, ({ begun, curves }) => begun <= 4 && curves === 0),
		],
	];
}
