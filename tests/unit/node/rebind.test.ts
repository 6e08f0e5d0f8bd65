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

	test("an address of the machine that changes is a rebind, told by the host alone; the same network after a short while is none", () => {
		const news = (...addresses: string[]): number => {
			testing.addresses = addresses;
			tunnel().say(Uint8Array.of(Event.link, 0, 0, 0));
			testing.advance(100);
			return rebinds();
		};
		expect([news("192.0.2.10"), news("192.0.2.11")]).toEqual([0, 1]);
		testing.advance(1000);
		expect([news(), news("192.0.2.11"), news(), news("192.0.2.12")]).toEqual([1, 1, 1, 2]);
	});

	test("without a network the node says so after 5 s, and that it is back", () => {
		const ids = (): string[] => tailnet.health.map(({ id }) => id);
		testing.addresses = [];
		tunnel().say(Uint8Array.of(Event.link, 0, 0, 0));
		testing.advance(5000);
		expect(ids()).not.toContain("network-down");
		testing.advance(200);
		expect(ids()).toEqual(["network-down"]);
		testing.addresses = ["192.0.2.10"];
		tunnel().say(Uint8Array.of(Event.link, 0, 0, 0));
		testing.advance(100);
		expect(ids()).not.toContain("network-down");
	});

	test("[paths 43] a rebind asks for the port that is bound; where none can be bound the node says udp4-unbound and tries the old port again", () => {
		const asked = (): number => {
			const record = tunnel().sent.findLast((sent) => sent[0] === Command.rebind) as Uint8Array;
			return (record[2] as number) | ((record[3] as number) << 8);
		};
		tailnet.rebind();
		expect(asked()).toBe(41641);
		tunnel().port = 0;
		dead();
		expect(tailnet.health.map(({ id }) => id)).toContain("udp4-unbound");
		testing.advance(5000);
		expect([asked(), rebinds()]).toEqual([41641, 2]);
		tunnel().port = 41642;
		tailnet.rebind();
		expect(tailnet.health.map(({ id }) => id)).not.toContain("udp4-unbound");
	});

	test("a rebind that waits is not made once the node is closed", () => {
		dead();
		dead();
		tailnet.close();
		testing.advance(10_000);
		expect([rebinds(), testing.timers]).toEqual([1, 0]);
	});
});
