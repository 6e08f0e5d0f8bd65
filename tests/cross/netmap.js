/*
 * What the network map keeps of a peer, and what reading a message takes: measured in Node, with the code that boards run. Both are typed arrays, of the same size everywhere.
 */
const PEERS = 1000;

const hex = (number) => number.toString(16).padStart(64, "0");

/** A peer as control sends it, with what peers usually have. */
function peer(id) {
	const last = `${id >> 8}.${id & 255}`;
	return {
		ID: id,
		StableID: `n${id}CNTRL`,
		Name: `machine-${id}.tail0000.ts.net.`,
		User: 7,
		Key: `nodekey:${hex(id)}`,
		KeyExpiry: "2030-01-01T00:00:00Z",
		Machine: `mkey:${hex(id)}`,
		DiscoKey: `discokey:${hex(id)}`,
		Addresses: [`100.64.${last}/32`, `fd7a:115c:a1e0::${id.toString(16)}/128`],
		AllowedIPs: [`100.64.${last}/32`, `fd7a:115c:a1e0::${id.toString(16)}/128`],
		Endpoints: [`198.51.100.7:${1024 + id}`, `192.168.1.${id % 250}:41641`],
		HomeDERP: 1 + (id % 20),
		Hostinfo: { OS: "linux", Hostname: `machine-${id}`, Services: [{ Proto: "peerapi4", Port: 40000 }] },
		Created: "2024-01-01T00:00:00Z",
		Cap: 113,
		MachineAuthorized: true,
		Online: true,
	};
}

function frame(message) {
	const body = new TextEncoder().encode(JSON.stringify(message));
	const bytes = new Uint8Array(4 + body.length);
	new DataView(bytes.buffer).setUint32(0, body.length, true);
	bytes.set(body, 4);
	return bytes;
}

/** @returns { peers, bytesAPeer, working: bytes of the buffer that values are cut out with } */
export async function netmapFigures() {
	const { DEFAULT_BUFFER_BYTES, MapReader } = await import("../../dist/modules/netmap/map-reader.js");
	const { Netmap } = await import("../../dist/modules/netmap/netmap.js");
	const bytesWith = (count) => {
		const netmap = new Netmap({});
		const reader = new MapReader(netmap);
		const bytes = frame({ Node: { ...peer(1), Name: "me.tail0000.ts.net." }, Peers: Array.from({ length: count }, (_, i) => peer(i + 2)) });
		for (let at = 0; at < bytes.length; at += 4096) reader.push(bytes.subarray(at, at + 4096), 0);
		if (netmap.peers.count !== count) throw new Error(`${netmap.peers.count} of ${count} peers were read`);
		return netmap.bytes;
	};
	return { peers: PEERS, bytesAPeer: (bytesWith(PEERS) - bytesWith(1)) / (PEERS - 1), working: DEFAULT_BUFFER_BYTES };
}
