/**
 * Many nodes of ours in one process, which only are there: they answer, and say nothing themselves. Started by silent-peers.js in a network of their own.
 *
 *   node tests/soak/crowd.js OPTIONS COUNT     OPTIONS: JSON of {controlURL, authKey, authorities}
 *
 * Says `{"event":"running","name":NAME,"address":ADDRESS}` for each on standard output.
 */
import Tailnet from "../../dist/modules/tailnet.js";

const options = JSON.parse(process.argv[2]);
const count = Number(process.argv[3]);

for (let i = 0; i < count; i += 1) {
	const hostname = `crowd-${i}`;
	// Each peer at a time has one slot: they talk to one node.
	const node = new Tailnet({ ...options, hostname, portMapping: false, peerSlots: 4 });
	await node.running;
	process.stdout.write(`${JSON.stringify({ event: "running", name: hostname, address: node.addresses[0] })}\n`);
}
process.stdin.resume();
process.stdin.on("end", () => process.exit());
