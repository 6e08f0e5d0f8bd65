/** Other UDP sockets: when the tunnel says that they are dead, and when the app says that the network is another. */
import Tailnet from "../../../modules/tailnet.js";
import { Command, Event } from "../../../modules/tunnel/records.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";

let tailnet: Tailnet;
beforeEach(() => {
	testing.reset();
	tailnet = new Tailnet({ controlURL: "http://192.0.2.1" });
});

const tunnel = () => tunnels.at(-1) as (typeof tunnels)[0];
const rebinds = (): number => tunnel().sent.filter((record) => record[0] === Command.rebind).length;
const dead = (): void => tunnel().say(Uint8Array.of(Event.udpError, 2, 0, 0));

describe("rebind", () => {
	test("[paths 44] send errors in a loop cause at most one rebind in 5 s; the last error is not forgotten", () => {
		dead();
		expect(rebinds()).toBe(1);
		for (let i = 0; i < 1000; i += 1) {
			dead();
			testing.advance(19);
		}
		expect(rebinds()).toBe(4);
		testing.advance(5000);
		expect(rebinds()).toBe(5);
		testing.advance(60_000);
		expect(rebinds()).toBe(5);
		dead();
		expect(rebinds()).toBe(6);
	});

	test("a rebind that waits is not made once the node is closed", () => {
		dead();
		dead();
		tailnet.close();
		testing.advance(10_000);
		expect([rebinds(), testing.timers]).toEqual([1, 0]);
	});
});
