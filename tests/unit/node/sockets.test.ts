/** The classes that the public face binds to its node, as the SDK's clients and servers use them (platform/moddable.md §3.2). */
import Tailnet from "../../../modules/tailnet.js";
import { Event } from "../../../modules/tunnel/records.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";

let tailnet: Tailnet;
beforeEach(() => {
	testing.reset();
	tailnet = new Tailnet({ controlURL: "http://192.0.2.1" });
});

/** The tunnel says something of a socket. */
function say(type: number, socket: number, ...numbers: number[]): void {
	const bytes = new Uint8Array(44);
	const view = new DataView(bytes.buffer);
	bytes[0] = type;
	for (const [i, number] of [socket, ...numbers].entries()) view.setUint32(4 + 4 * i, number, true);
	tunnels.at(-1)?.say(bytes);
}

describe("bound classes", () => {
	test("the constructor of a connection, taken from an instance as servers do, takes it over with what had come", () => {
		const peerAPI = 1;
		const listener = new tailnet.Listener({ port: 80 });
		const accepted = 100;
		say(Event.accepted, peerAPI + 1, accepted);
		say(Event.readable, accepted, 5);
		const shell = listener.read();
		expect(shell instanceof tailnet.TCP).toBe(true);
		const events: string[] = [];
		const Constructor = shell?.constructor as typeof tailnet.TCP;
		const socket = new Constructor({ from: shell as InstanceType<typeof tailnet.TCP>, onReadable: (count) => void events.push(`readable ${count}`) });
		expect(events).toEqual([]);
		testing.advance(1);
		say(Event.readable, accepted, 7);
		expect([events, socket.constructor === Constructor]).toEqual([["readable 5", "readable 7"], true]);
		expect(() => shell?.read()).toThrow("closed");
	});

	test("those of one node do not take connections of another", () => {
		const other = new Tailnet({ controlURL: "http://192.0.2.1" });
		const socket = new tailnet.TCP({ address: "100.64.0.2", port: 80 });
		expect(() => new other.TCP({ from: socket })).toThrow("of this node");
		expect(socket.remotePort).toBe(80);
	});

	test("what they, and the node, show of themselves is no secret", () => {
		const secret = new Tailnet({ controlURL: "http://192.0.2.1", authKey: "tskey-auth-secret" });
		const texts = [secret, tailnet, tailnet.TCP, new tailnet.TCP(), new tailnet.UDP(), new tailnet.Listener(), new tailnet.Resolver()].flatMap((object) => [
			String(object),
			JSON.stringify(object) ?? "",
			Object.keys(object).join(),
		]);
		for (const text of texts) expect(/[kK]ey|secret/.test(text)).toBe(false);
	});
});
