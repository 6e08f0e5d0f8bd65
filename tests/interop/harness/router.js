/**
 * A router's service for port mappings, NAT-PMP (RFC 6886) and PCP (RFC 6887), as a program in the router's namespace (Network.home): it changes the rules of
 * nft, so that what it grants is really reachable.
 *
 *   node router.js '{"inside":"192.168.71.1","outside":"10.71.0.4","pmp":true,"pcp":true,"lifetimeSeconds":60}'
 *
 * Events: {"event":"ready"}, {"event":"asked","protocol","kind":"address|announce|map|delete","internal"?,"external"?,"nonce"?,"from"?}. Requests: {"do":"table"}
 * gives the mappings; {"do":"restart"} forgets them, with a new epoch.
 */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";

const options = JSON.parse(process.argv[2]);
const port = 5351;
const day = 86_400;
let startedAt = Date.now() - day * 1000;
/** "address:port" of the inside -> {external, nonce, address, internal} */
const table = new Map();

const tell = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

/** Both ways by the same port: a mapping holds for what goes out, too. */
function writeRules() {
	let rules = "flush chain ip home in\nflush chain ip home mapped\n";
	for (const { address, internal, external } of table.values()) {
		rules += `add rule ip home in iifname eth0 udp dport ${external} dnat to ${address}:${internal}\n`;
		rules += `add rule ip home mapped ip saddr ${address} udp sport ${internal} masquerade to :${external}\n`;
	}
	execFileSync("nft", ["-f", "-"], { input: rules, stdio: ["pipe", "ignore", "inherit"] });
}

function map(address, internal, wanted, nonce) {
	const key = `${address}:${internal}`;
	const known = table.get(key);
	if (known) return known.nonce === nonce ? known : undefined;
	const isTaken = [...table.values()].some(({ external }) => external === wanted);
	const external = wanted && !isTaken ? wanted : 50_000 + table.size + (startedAt % 1000);
	table.set(key, { address, internal, external, nonce });
	writeRules();
	return table.get(key);
}

function unmap(address, internal, nonce) {
	const key = `${address}:${internal}`;
	if (table.get(key)?.nonce !== nonce) return;
	table.delete(key);
	writeRules();
}

const epoch = () => Math.floor((Date.now() - startedAt) / 1000);
const outside = () => options.outside.split(".").map(Number);

function pmp(request, from) {
	if (request.length === 2) {
		tell({ event: "asked", protocol: "pmp", kind: "address", from: from.port });
		const answer = Buffer.alloc(12);
		answer[1] = 128;
		answer.writeUInt32BE(epoch(), 4);
		answer.set(outside(), 8);
		return answer;
	}
	const internal = request.readUInt16BE(4);
	const wanted = request.readUInt16BE(6);
	const lifetime = Math.min(request.readUInt32BE(8), options.lifetimeSeconds);
	tell({ event: "asked", protocol: "pmp", kind: lifetime ? "map" : "delete", internal, external: wanted, from: from.port });
	const answer = Buffer.alloc(16);
	answer[1] = 129;
	if (lifetime) answer.writeUInt16BE(map(from.address, internal, wanted, "").external, 10);
	else unmap(from.address, internal, "");
	answer.writeUInt32BE(epoch(), 4);
	answer.writeUInt16BE(internal, 8);
	answer.writeUInt32BE(lifetime, 12);
	return answer;
}

function pcp(request, from) {
	const answer = Buffer.from(request);
	answer[1] |= 128;
	answer.writeUInt32BE(epoch(), 8);
	answer.fill(0, 12, 24);
	if (request[1] === 0) {
		tell({ event: "asked", protocol: "pcp", kind: "announce", from: from.port });
		return answer;
	}
	const nonce = request.toString("hex", 24, 36);
	const internal = request.readUInt16BE(40);
	const wanted = request.readUInt16BE(42);
	const lifetime = Math.min(request.readUInt32BE(4), options.lifetimeSeconds);
	tell({ event: "asked", protocol: "pcp", kind: lifetime ? "map" : "delete", internal, external: wanted, nonce, from: from.port });
	answer.writeUInt32BE(lifetime, 4);
	if (!lifetime) {
		unmap(from.address, internal, nonce);
		return answer;
	}
	const mapping = map(from.address, internal, wanted, nonce);
	if (!mapping)
		answer[3] = 2; // somebody else's
	else {
		answer.writeUInt16BE(mapping.external, 42);
		answer.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...outside()], 44);
	}
	return answer;
}

const socket = createSocket("udp4");
socket.on("message", (request, from) => {
	const answer = request[0] === 2 ? options.pcp && pcp(request, from) : options.pmp && pmp(request, from);
	if (answer) socket.send(answer, from.port, from.address);
});
socket.bind(port, options.inside, () => tell({ event: "ready" }));

createInterface({ input: process.stdin })
	.on("line", (line) => {
		const request = JSON.parse(line);
		if (request.do === "restart") {
			startedAt = Date.now();
			table.clear();
			writeRules();
		}
		tell({ id: request.id, ok: true, table: [...table.values()] });
	})
	.on("close", () => process.exit(0));
